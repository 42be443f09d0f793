package sqlstore

import (
	"context"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// Overdue implements inbox.Store. One call returns up to 1000 records.
func (s *Store) Overdue(ctx context.Context, n int, next func(*inbox.Record) time.Duration) ([]inbox.Record, error) {
	var overdue []*record
	var now int64
	err := s.read(ctx, func(q querier) (err error) {
		overdue, now, err = readRecords(q.QueryContext(ctx, s.sql.overdue, s.args(min(max(n, 0), batchElements))...))
		return err
	})
	if err != nil {
		return nil, failed(ctx, "overdue", err)
	}
	records := views(overdue, now)
	snap := newSnapshot(overdue, now, nil)
	for i, r := range overdue {
		r.DueAt = now + micros(next(&records[i]))
		r.Polls++
		snap.changed[r.Key] = r
	}
	lost, err := s.save(ctx, snap)
	if err != nil {
		return nil, failed(ctx, "overdue", err)
	}
	// Another process has just polled or received the others.
	kept := records[:0]
	for _, r := range records {
		if !lost[r.Key] {
			kept = append(kept, r)
		}
	}
	return kept, nil
}

// purgeBatch bounds how many records one commit removes, so that other writers need
// not wait long.
const purgeBatch = 500

// Purge implements inbox.Store.
func (s *Store) Purge(ctx context.Context, doneFor, deadFor time.Duration, n int) (removed int, err error) {
	for _, of := range []struct {
		state inbox.State
		age   time.Duration
	}{{inbox.StateDone, doneFor}, {inbox.StateDead, deadFor}} {
		for removed < n {
			batch := min(n-removed, purgeBatch)
			gone, err := s.purge(ctx, of.state, of.age, batch)
			removed += gone
			if err != nil {
				return removed, failed(ctx, "purge", err)
			}
			if gone < batch {
				break
			}
		}
	}
	if removed == n {
		return removed, nil // there may be more: the caller goes on
	}
	// The history has another clock than the store.
	return removed, failed(ctx, "purge", s.forgetOld(ctx, max(doneFor, deadFor)+24*time.Hour))
}

// purge removes up to n records in one commit.
func (s *Store) purge(ctx context.Context, state inbox.State, age time.Duration, n int) (removed int, err error) {
	q := newQuery(s.sql.purgeable)
	q.add("- {} AND r.due_at > 0 AND r.state <> 'pending' AND r.state = {} ORDER BY r.due_at LIMIT {}", micros(age), string(state), n)
	old, now, err := s.find(ctx, q)
	if err != nil {
		return 0, err
	}
	snap := newSnapshot(old, now, nil)
	for _, r := range old {
		snap.remove(r)
	}
	lost, err := s.save(ctx, snap)
	if err != nil {
		return 0, err
	}
	return len(old) - len(lost), nil
}
