package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"sync/atomic"

	"github.com/reducto-go/reducto/webhook"
)

// Store is a webhook.Store in a database. It is safe for concurrent use, by any
// number of processes. Open makes one.
type Store struct {
	db        *sql.DB
	dialect   Dialect
	namespace string
	clock     string // what time it is, as an expression
	sql       *statements
	order     order
	writer    chan struct{} // has an element while this Store writes to SQLite
	prepared  map[string]*sql.Stmt
	newFirst  atomic.Bool // see writeHeardSQLite
	careful   bool        // nothing is taken to be as usual, to be tested
}

var (
	_ webhook.TxStore    = (*Store)(nil)
	_ webhook.Durabler   = (*Store)(nil)
	_ webhook.Overlapper = (*Store)(nil)
)

// Durability is webhook.Durable.
func (s *Store) Durability() webhook.Durability { return webhook.Durable }

// Overlaps is true of PostgreSQL. SQLite lets one write after the other, so that two
// calls at a time would only sync twice as often.
func (s *Store) Overlaps() bool { return s.dialect == PostgreSQL }

// Submit implements webhook.Store.
func (s *Store) Submit(ctx context.Context, sub webhook.Submitted) error {
	if sub.ID == "" && sub.JobID == "" {
		return failed(ctx, "submit", errors.New("neither a submission nor a job is named"))
	}
	err := s.change(ctx, 1,
		func(int) ref {
			if sub.ID != "" {
				return ref{Key: fold(sub.ID)}
			}
			return ref{Job: fold(sub.JobID)}
		},
		func(b *book, _ int) { b.submit(sub) })
	return failed(ctx, "submit", err)
}

// Bind implements webhook.Store.
func (s *Store) Bind(ctx context.Context, submissionID, jobID string, sent int) error {
	if submissionID == "" {
		return failed(ctx, "bind", errors.New("no submission is named"))
	}
	err := s.change(ctx, 1,
		func(int) ref { return ref{Key: fold(submissionID), Job: fold(jobID), candidates: true} },
		func(b *book, _ int) { b.bind(submissionID, jobID, sent) })
	return failed(ctx, "bind", err)
}

// Withdraw implements webhook.Store.
func (s *Store) Withdraw(ctx context.Context, submissionID string) error {
	err := s.change(ctx, 1,
		func(int) ref { return ref{Key: fold(submissionID), candidates: true} },
		func(b *book, _ int) { b.withdraw(submissionID) })
	return failed(ctx, "withdraw", err)
}

// Bounds of what is written in one commit.
const (
	batchElements = 1000
	batchBytes    = 8 << 20
)

// Receive implements webhook.Store. The arrivals of one call are durable with one
// commit, unless they are very many or very large.
func (s *Store) Receive(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
	receipts := make([]webhook.Receipt, len(arrivals))
	for begin := 0; begin < len(arrivals); {
		end, size := begin, 0
		for end < len(arrivals) && end-begin < batchElements && (size == 0 || size+len(arrivals[end].Metadata) <= batchBytes) {
			size += len(arrivals[end].Metadata)
			end++
		}
		batch, answers := arrivals[begin:end], receipts[begin:end]
		rest, err := s.receiveUsual(ctx, batch, answers)
		if err == nil && len(rest) > 0 {
			err = s.change(ctx, len(rest),
				func(i int) ref {
					a := &batch[rest[i]]
					return ref{Key: fold(a.SubmissionID), Job: fold(a.JobID)}
				},
				func(b *book, i int) { answers[rest[i]] = b.receive(&batch[rest[i]]) })
		}
		if err != nil {
			return nil, failed(ctx, "receive", err)
		}
		begin = end
	}
	return receipts, nil
}

// Replay implements webhook.Store.
func (s *Store) Replay(ctx context.Context, keys []string) ([]bool, error) {
	found := make([]bool, len(keys))
	err := s.change(ctx, len(keys),
		func(i int) ref { return ref{Key: fold(keys[i])} },
		func(b *book, i int) {
			r := b.record(fold(keys[i]))
			found[i] = r != nil && r.State == webhook.StateDead
			if found[i] {
				r.State, r.Attempt, r.DueAt = webhook.StateReceived, 0, b.now
				b.changed(r)
			}
		})
	if err != nil {
		return nil, failed(ctx, "replay", err)
	}
	return found, nil
}

// write writes changes, and returns the keys of the records that nobody else has
// changed meanwhile, which are those that were written.
func (s *Store) write(ctx context.Context, c *changes) (saved map[string]bool, err error) {
	if s.dialect == SQLite {
		return s.writeSQLite(ctx, c)
	}
	args := []any{s.namespace}
	for _, list := range []any{c.rows, c.taken, c.freed} {
		text, err := toJSON(list)
		if err != nil {
			return nil, err
		}
		args = append(args, text)
	}
	err = s.update(ctx, func(q querier) error {
		keys, err := readKeys(q.QueryContext(ctx, s.sql.save, args...))
		saved = make(map[string]bool, len(keys))
		for _, key := range keys {
			saved[key] = true
		}
		return err
	})
	if sqlState(err) == stateUniqueViolation {
		return nil, errJobTaken
	}
	return saved, err
}

// toJSON is a slice as JSON, an empty one as an empty array.
func toJSON(list any) (string, error) {
	text, err := json.Marshal(list)
	if string(text) == "null" {
		return "[]", err
	}
	return string(text), err
}

func readKeys(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var keys []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}
