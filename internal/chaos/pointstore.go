package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/sqlstore"
)

// pointStore is the store of a child that does something to itself.
type pointStore struct {
	*sqlstore.Store
	point string
	blind atomic.Bool
}

var _ webhook.TxStore = (*pointStore)(nil)

// Receive ends the process between the commit and the answer, or has the answer
// without the commit.
func (s *pointStore) Receive(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
	if s.point == pointForgets {
		receipts := make([]webhook.Receipt, len(arrivals))
		for i := range receipts {
			receipts[i].Kind = webhook.ReceiptAccepted
		}
		return receipts, nil
	}
	receipts, err := s.Store.Receive(ctx, arrivals)
	if s.point == pointReceived && err == nil {
		die()
	}
	return receipts, err
}

// Claim claims nothing where that would be past the point.
func (s *pointStore) Claim(ctx context.Context, n int, lease time.Duration) ([]webhook.Record, time.Duration, error) {
	if s.point == pointIdle || s.point == pointReceived {
		return nil, -1, nil
	}
	records, next, err := s.Store.Claim(ctx, n, lease)
	if len(records) > 0 && stops(s.point) {
		s.blind.Store(true)
	}
	return records, next, err
}

// Extend says, in a child that was stopped for longer than its lease, that it
// still has it: nothing but the fence in the database is to hold it back then.
func (s *pointStore) Extend(ctx context.Context, leases []webhook.Lease, d time.Duration) ([]bool, error) {
	if !s.blind.Load() {
		return s.Store.Extend(ctx, leases, d)
	}
	held := make([]bool, len(leases))
	for i := range held {
		held[i] = true
	}
	return held, nil
}
