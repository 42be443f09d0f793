package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// maxClaim bounds how many records one statement claims.
const maxClaim = 1000

// lockedRetry is when to look again for a record that is due and that another
// transaction holds: nobody can tell when that ends.
const lockedRetry = 250 * time.Millisecond

// Claim implements webhook.Store. At most 1000 are claimed by one call.
func (s *Store) Claim(ctx context.Context, n int, lease time.Duration) ([]webhook.Record, time.Duration, error) {
	n = min(n, maxClaim)
	if n <= 0 || s.dialect == SQLite {
		// To find that there is nothing to do does not take SQLite's write lock.
		if next, err := s.next(ctx); err != nil || next != 0 || n <= 0 {
			return nil, next, failed(ctx, "claim", err)
		}
	}
	claimed, err := s.claim(ctx, n, lease)
	if err != nil {
		return nil, 0, failed(ctx, "claim", err)
	}
	if len(claimed) == n {
		return claimed, 0, nil
	}
	next, err := s.next(ctx)
	if err == nil && next == 0 && len(claimed) == 0 {
		// Either it has come since, or it is locked.
		if claimed, err = s.claim(ctx, n, lease); err == nil && len(claimed) == 0 {
			next = lockedRetry
		}
	}
	switch {
	case err == nil:
		return claimed, next, nil
	case len(claimed) > 0:
		return claimed, 0, nil // they are claimed, whatever else there is to know
	}
	return nil, 0, failed(ctx, "claim", err)
}

func (s *Store) claim(ctx context.Context, n int, lease time.Duration) (claimed []webhook.Record, err error) {
	err = s.update(ctx, func(q querier) error {
		rows, now, err := readRows(q.QueryContext(ctx, s.sql.claim, s.namespace, n, micros(lease)))
		slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.ReceivedAt, b.ReceivedAt) })
		claimed = records(rows, now)
		return err
	})
	return claimed, err
}

// next is how long until a record is due: zero if one is, negative if nothing is
// waiting.
func (s *Store) next(ctx context.Context) (time.Duration, error) {
	var wait sql.Null[int64]
	err := s.query(ctx, func(q querier) error {
		rows, err := q.QueryContext(ctx, s.sql.next, s.namespace)
		if err != nil {
			return err
		}
		defer rows.Close()
		if rows.Next() {
			if err := rows.Scan(&wait); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		return 0, err
	}
	if !wait.Valid {
		return -1, nil
	}
	return time.Duration(max(wait.V, 0)) * time.Microsecond, nil
}

func records(rows []*row, now int64) []webhook.Record {
	list := make([]webhook.Record, 0, len(rows))
	for _, r := range rows {
		list = append(list, r.record(now))
	}
	return list
}
