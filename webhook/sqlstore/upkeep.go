package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// Overdue implements webhook.Store. It returns at most 1000 by one call.
func (s *Store) Overdue(ctx context.Context, n int, expected bool, schedule []time.Duration) ([]webhook.Record, error) {
	if len(schedule) == 0 {
		return nil, failed(ctx, "overdue", errors.New("the schedule is empty"))
	}
	rows, now, err := s.find(ctx, s.sql.rows,
		condition{"r.state = 'pending' AND r.webhook = {} AND r.due_at <= " + s.clock, []any{expected}},
		condition{"ORDER BY r.due_at LIMIT {}", []any{min(max(n, 0), batchElements)}})
	if err != nil {
		return nil, failed(ctx, "overdue", err)
	}
	before := records(rows, now)
	b := newBook(rows, now, nil)
	for _, r := range rows {
		wait := schedule[min(r.Looks, len(schedule)-1)]
		r.DueAt = now + micros(time.Duration(float64(wait)*(0.8+0.4*rand.Float64())))
		r.Looks++
		b.changed(r)
	}
	lost, err := s.save(ctx, b)
	if err != nil {
		return nil, failed(ctx, "overdue", err)
	}
	// Somebody else has just looked for those, or received them.
	return slices.DeleteFunc(before, func(r webhook.Record) bool { return lost[r.Key] }), nil
}

// purgeBatch bounds how much is removed in one commit, so that nobody else waits
// long for it.
const purgeBatch = 500

// Purge implements webhook.Store. It removes locks that are over, too.
func (s *Store) Purge(ctx context.Context, age, deadAge time.Duration, n int) (int, error) {
	removed := 0
	for _, of := range []struct {
		state webhook.State
		age   time.Duration
	}{{webhook.StateDone, age}, {webhook.StateDead, deadAge}} {
		for removed < n {
			gone, more, err := s.purge(ctx, of.state, of.age, min(n-removed, purgeBatch))
			removed += gone
			if err != nil {
				return removed, failed(ctx, "purge", err)
			}
			if !more {
				break
			}
		}
	}
	err := s.update(ctx, func(q querier) error {
		_, err := q.ExecContext(ctx, s.sql.expireLocks, s.namespace)
		return err
	})
	return removed, failed(ctx, "purge", err)
}

func (s *Store) purge(ctx context.Context, state webhook.State, age time.Duration, n int) (removed int, more bool, err error) {
	rows, now, err := s.find(ctx, s.sql.bareRows,
		condition{"r.state = {} AND r.state <> 'pending' AND r.due_at > 0 AND r.due_at < " + s.clock + " - {}", []any{string(state), micros(age)}},
		condition{"ORDER BY r.due_at LIMIT {}", []any{n}})
	if err != nil || len(rows) == 0 {
		return 0, false, err
	}
	b := newBook(rows, now, nil)
	for _, r := range rows {
		b.remove(r)
	}
	lost, err := s.save(ctx, b)
	return len(rows) - len(lost), len(rows) == n && len(lost) == 0, err
}

// Lock implements webhook.Store.
func (s *Store) Lock(ctx context.Context, name, owner string, d time.Duration) (bool, error) {
	statement, args := s.sql.lock, []any{s.namespace, storable(name), storable(owner), micros(d)}
	if d <= 0 {
		statement, args = s.sql.unlock, args[:3]
	}
	var n int64
	err := s.update(ctx, func(q querier) error {
		result, err := q.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return false, failed(ctx, "lock", err)
	}
	return n == 1 && d > 0, nil
}

// Stats implements webhook.Store. It reads an index of everything, and the
// records that are not finished.
func (s *Store) Stats(ctx context.Context) (webhook.StoreStats, error) {
	var stats webhook.StoreStats
	err := s.query(ctx, func(q querier) error {
		stats = webhook.StoreStats{Count: map[webhook.State]int{}}
		rows, err := q.QueryContext(ctx, s.sql.stats, s.namespace)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var state webhook.State
			var count, due int
			var oldestDue, oldest sql.Null[int64]
			if err := rows.Scan(&state, &count, &due, &oldestDue, &oldest); err != nil {
				return err
			}
			stats.Count[state] = count
			stats.Due += due
			if due > 0 {
				stats.OldestDue = max(stats.OldestDue, time.Duration(oldestDue.V)*time.Microsecond)
			}
			age := time.Duration(max(oldest.V, 0)) * time.Microsecond
			stats.OldestUnfinished = max(stats.OldestUnfinished, age)
			if state == webhook.StatePending {
				stats.OldestPending = age
			}
		}
		return rows.Err()
	})
	if err != nil {
		return webhook.StoreStats{}, failed(ctx, "stats", err)
	}
	return stats, nil
}
