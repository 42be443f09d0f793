package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// pointStore is the store of a child. It misbehaves at the child's point, and notes
// which submissions have been answered.
type pointStore struct {
	*sqlstore.Store
	point    string
	blind    atomic.Bool
	answered sync.Map // ids of submissions that were sent once, and whose answer is stored
}

var _ inbox.TxStore = (*pointStore)(nil)

// Bind notes a submission whose only answer named its only job.
func (s *pointStore) Bind(ctx context.Context, a inbox.Answer) error {
	err := s.Store.Bind(ctx, a)
	if err == nil && a.JobID != "" && a.Jobs == 1 {
		s.answered.Store(a.SubmissionID, true)
	}
	return err
}

// isAnswered reports whether Bind has noted a submission.
func (s *pointStore) isAnswered(submissionID string) bool {
	_, ok := s.answered.Load(submissionID)
	return ok
}

// Receive kills the process between the commit and the answer at pointReceived. At
// pointForgets it accepts without a commit.
func (s *pointStore) Receive(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error) {
	if s.point == pointForgets {
		results := make([]inbox.ReceiveResult, len(list))
		for i := range results {
			results[i].Kind = inbox.Accepted
		}
		return results, nil
	}
	results, err := s.Store.Receive(ctx, list)
	if s.point == pointReceived && err == nil {
		die()
	}
	return results, err
}

// Claim claims nothing if the child's point comes before a claim.
func (s *pointStore) Claim(ctx context.Context, n int, lease time.Duration) ([]inbox.Record, time.Duration, error) {
	if s.point == pointIdle || s.point == pointReceived {
		return nil, -1, nil
	}
	records, next, err := s.Store.Claim(ctx, n, lease)
	if len(records) > 0 && stops(s.point) {
		s.blind.Store(true)
	}
	return records, next, err
}

// Extend reports every lease as held if the child stops itself. Only the fencing
// token in the database can refuse its completion then.
func (s *pointStore) Extend(ctx context.Context, leases []inbox.Lease, d time.Duration) ([]bool, error) {
	if !s.blind.Load() {
		return s.Store.Extend(ctx, leases, d)
	}
	held := make([]bool, len(leases))
	for i := range held {
		held[i] = true
	}
	return held, nil
}
