package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// completion is an inbox.Completion as a parameter. N is its number in the call.
type completion struct {
	N       int             `json:"n"`
	Key     string          `json:"key"`
	Token   int64           `json:"token"`
	State   inbox.State     `json:"state"`
	After   int64           `json:"after"`
	Attempt int             `json:"attempt"`
	Outcome webhook.Outcome `json:"outcome"`
	Error   string          `json:"error"`
}

func newCompletion(n int, c inbox.Completion) (completion, error) {
	p := completion{n, idKey(c.Key), c.Token, c.State, 0, c.Attempt, storable(c.Outcome), storable(c.Error)}
	switch c.State {
	case inbox.StateDone, inbox.StateDead:
	case inbox.StateReceived:
		p.After = micros(c.After)
	default:
		return p, fmt.Errorf("a claim cannot end as %q", c.State)
	}
	return p, nil
}

func (s *Store) finishArgs(c completion) []any {
	return s.args(c.Key, c.Token, string(c.State), c.After, c.Attempt, string(c.Outcome), c.Error)
}

// Finish implements inbox.Store. It fails, and changes nothing, if the State of a
// completion is not allowed. In PostgreSQL and MySQL it waits for a transaction of
// FinishTx on the same record, after it has ended the other claims.
func (s *Store) Finish(ctx context.Context, list []inbox.Completion) ([]bool, error) {
	held := make([]bool, len(list))
	todo := make([]completion, 0, len(list))
	for i, c := range list {
		p, err := newCompletion(i, c)
		if err != nil {
			return nil, failed(ctx, "finish", err)
		}
		todo = append(todo, p)
	}
	if s.dialect == SQLite && len(list) > 0 {
		err := s.write(ctx, func(q querier) error { return s.finishEach(ctx, q, todo, held) })
		return held, failed(ctx, "finish", err)
	}
	for len(todo) > 0 {
		// A statement can change a record once.
		var batch, rest []completion
		keys := map[string]bool{}
		for _, c := range todo {
			if keys[c.Key] {
				rest = append(rest, c)
			} else {
				keys[c.Key], batch = true, append(batch, c)
			}
		}
		if err := s.finishBatch(ctx, batch, held); err != nil {
			return nil, failed(ctx, "finish", err)
		}
		todo = rest
	}
	return held, nil
}

func (s *Store) finishEach(ctx context.Context, q querier, list []completion, held []bool) (err error) {
	for _, c := range list {
		if held[c.N], err = execOne(ctx, q, s.sql.finish, s.finishArgs(c)...); err != nil {
			return err
		}
	}
	return nil
}

// finishBatch ends the claims on records that are not locked with one commit, and the
// others one by one, so that nothing is locked while it waits.
func (s *Store) finishBatch(ctx context.Context, list []completion, held []bool) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(q querier) error {
		for _, c := range list {
			held[c.N] = false // a former attempt may have set it
		}
		if s.dialect == MySQL {
			return s.finishMySQL(ctx, q, list, held)
		}
		return readNumbers(held)(q.QueryContext(ctx, s.sql.finishAll, s.args(string(text))...))
	})
	for _, c := range list {
		if err == nil && !held[c.N] {
			err = s.write(ctx, func(q querier) error { return s.finishEach(ctx, q, []completion{c}, held) })
		}
	}
	return err
}

// finishMySQL ends the claims on records that are not locked.
func (s *Store) finishMySQL(ctx context.Context, q querier, list []completion, held []bool) error {
	keys := make([]string, 0, len(list))
	for _, c := range list {
		keys = append(keys, c.Key)
	}
	free, now, err := s.byKey(ctx, q, s.sql.lockRows, keys)
	if err != nil {
		return err
	}
	var finished []*record
	for _, c := range list {
		r := free[c.Key]
		if r == nil || r.Token != c.Token ||
			r.State != inbox.StateClaimed && (r.State != inbox.StateDead || c.State != inbox.StateReceived) {
			continue
		}
		r.State, r.DueAt, r.Attempt, r.Outcome, r.Error = c.State, now+c.After, c.Attempt, cmp.Or(c.Outcome, r.Outcome), c.Error
		held[c.N] = true
		finished = append(finished, r)
	}
	return s.putRecords(ctx, q, finished)
}

// FinishTx implements inbox.TxStore. It runs one statement on tx, which is a
// transaction on the store's database.
//
// In PostgreSQL and MySQL the transaction may be READ COMMITTED. A stricter one can fail
// with SQLSTATE 40001, or with the error 1020 of MariaDB, because heartbeats change the
// record: repeat it then. Also repeat it after a deadlock. In SQLite the
// transaction is the only writer until it ends, so keep it short. Begin it with
// BEGIN IMMEDIATE (_txlock=immediate). Otherwise it can fail with SQLITE_BUSY after it
// has read something.
func (s *Store) FinishTx(ctx context.Context, tx webhook.Execer, c inbox.Completion) (bool, error) {
	p, err := newCompletion(0, c)
	if err != nil {
		return false, failed(ctx, "finish in a transaction", err)
	}
	query, args := s.sql.finish, s.finishArgs(p)
	if s.dialect == MySQL {
		query, args = expand(query, args)
	}
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, failed(ctx, "finish in a transaction", err)
	}
	n, err := result.RowsAffected()
	return n == 1, failed(ctx, "finish in a transaction", err)
}
