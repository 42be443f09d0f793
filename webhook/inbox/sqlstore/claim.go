package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// maxClaim bounds how many records one commit claims.
const maxClaim = 1000

// lockedRetry is the time until the next claim if the records that are due are locked by
// a transaction, whose end is unknown.
const lockedRetry = 250 * time.Millisecond

// Claim implements inbox.Store. One call claims up to 1000 records.
func (s *Store) Claim(ctx context.Context, n int, lease time.Duration) ([]inbox.Record, time.Duration, error) {
	n = min(n, maxClaim)
	if n <= 0 || s.dialect == SQLite {
		// Most calls find nothing. They need not lock SQLite.
		if next, err := s.next(ctx); err != nil || next != 0 || n <= 0 {
			return nil, next, failed(ctx, "claim", err)
		}
	}
	claimed, err := s.claim(ctx, n, lease)
	if err != nil {
		return nil, 0, failed(ctx, "claim", err)
	}
	if len(claimed) == n || len(claimed) > 0 && s.dialect != SQLite {
		// Another statement of a server takes a round trip. The caller starts its work
		// meanwhile, and claims again.
		return claimed, 0, nil
	}
	next, err := s.next(ctx)
	if err == nil && next == 0 && len(claimed) == 0 {
		// A record has come since, or the records that are due are locked.
		if claimed, err = s.claim(ctx, n, lease); err == nil && len(claimed) == 0 {
			next = lockedRetry
		}
	}
	switch {
	case err == nil:
		return claimed, next, nil
	case len(claimed) > 0:
		return claimed, 0, nil
	}
	return nil, 0, failed(ctx, "claim", err)
}

func (s *Store) claim(ctx context.Context, n int, lease time.Duration) (claimed []inbox.Record, err error) {
	err = s.write(ctx, func(q querier) error {
		if s.dialect == MySQL {
			claimed, err = s.claimMySQL(ctx, q, n, micros(lease))
			return err
		}
		records, now, err := readRecords(q.QueryContext(ctx, s.sql.claim, s.args(n, micros(lease))...))
		slices.SortFunc(records, func(a, b *record) int { return cmp.Compare(a.ReceivedAt, b.ReceivedAt) })
		claimed = views(records, now)
		return err
	})
	return claimed, err
}

// claimMySQL locks up to n records of either state that can be claimed, and claims those
// that were received first.
func (s *Store) claimMySQL(ctx context.Context, q querier, n int, lease int64) ([]inbox.Record, error) {
	list, began, err := readRecords(q.QueryContext(ctx, s.sql.claimAgain, s.args(n)...))
	if err != nil {
		return nil, err
	}
	received, now, err := readRecords(q.QueryContext(ctx, s.sql.claim, s.args(n)...))
	if err != nil {
		return nil, err
	}
	now = max(now, began) // it is zero without a record
	list = append(list, received...)
	slices.SortFunc(list, func(a, b *record) int { return cmp.Compare(a.ReceivedAt, b.ReceivedAt) })
	list = list[:min(n, len(list))]
	for _, r := range list {
		r.State, r.DueAt, r.Hold = inbox.StateClaimed, now+lease, false
		r.Attempt++
		if r.Token++; r.Token == 1 {
			r.Token = randomNumber()
		}
	}
	records := views(list, now)
	return records, s.putRecords(ctx, q, list)
}

// next returns the time until a record is due, negative if no record waits.
func (s *Store) next(ctx context.Context) (time.Duration, error) {
	var wait sql.Null[int64]
	err := s.read(ctx, func(q querier) error { return queryRow(ctx, q, &wait, s.sql.next, s.args()...) })
	if err != nil {
		return 0, err
	}
	if !wait.Valid {
		return -1, nil
	}
	return time.Duration(max(wait.V, 0)) * time.Microsecond, nil
}
