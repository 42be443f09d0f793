package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// lease is a webhook.Lease on its way to the database.
type lease struct {
	Key   string `json:"key"`
	Token int64  `json:"token"`
}

func leaseOf(l webhook.Lease) lease { return lease{fold(l.Key), l.Token} }

// extendPatience is how long Extend waits for SQLite's write lock before it looks
// whether it needs it, and extendTries how often it looks in PostgreSQL whether a
// lock was one for a moment.
const (
	extendPatience = 100 * time.Millisecond
	extendTries    = 8
)

// Extend implements webhook.Store. It may leave a lease as it is that is not half
// over, if it would have to wait.
//
// In PostgreSQL a record that a transaction of FinishTx has locked is held,
// whatever its lease says. In SQLite nobody can claim anything while such a
// transaction is open.
func (s *Store) Extend(ctx context.Context, leases []webhook.Lease, d time.Duration) ([]bool, error) {
	if len(leases) == 0 {
		return nil, nil
	}
	list := make([]lease, 0, len(leases))
	for _, l := range leases {
		list = append(list, leaseOf(l))
	}
	extend := s.extendPostgres
	if s.dialect == SQLite {
		extend = s.extendSQLite
	}
	held, err := extend(ctx, list, micros(d))
	if err != nil {
		return nil, failed(ctx, "extend", err)
	}
	answers := make([]bool, len(leases))
	for i, l := range list {
		_, answers[i] = held[l]
	}
	return answers, nil
}

// enough reports whether all leases end in d or so: not after it, and not before
// there is time to try again.
func enough(held map[lease]int64, d int64) bool {
	for _, left := range held {
		if left < d/2 || left > d {
			return false
		}
	}
	return true
}

// extendPostgres returns the leases that hold, with what is left of them. Locked
// records are passed over.
func (s *Store) extendPostgres(ctx context.Context, list []lease, d int64) (held map[lease]int64, err error) {
	text, err := toJSON(list)
	if err != nil {
		return nil, err
	}
	for attempt := range extendTries {
		err = s.update(ctx, func(q querier) error {
			held, err = readLeases[int64](q.QueryContext(ctx, s.sql.extend, s.namespace, text, d))
			return err
		})
		if err != nil || enough(held, d) {
			return held, err
		}
		if err := pause(ctx, attempt); err != nil {
			return nil, err
		}
	}
	return held, nil
}

func (s *Store) extendSQLite(ctx context.Context, list []lease, d int64) (held map[lease]int64, err error) {
	text, err := toJSON(list)
	if err != nil {
		return nil, err
	}
	extend := func(q querier) error {
		held, err = readLeases[int64](q.QueryContext(ctx, s.sql.extend, s.namespace, text, d))
		return err
	}
	err = s.immediate(ctx, extendPatience, extend)
	if !errors.Is(err, errLocked) {
		return held, err
	}
	// Somebody is writing, and perhaps for long: the worker itself, in a transaction
	// of FinishTx.
	err = s.query(ctx, func(q querier) error {
		held, err = readLeases[int64](q.QueryContext(ctx, s.sql.held, s.namespace, text))
		return err
	})
	if err == nil && !enough(held, d) {
		err = s.immediate(ctx, lockPatience, extend)
	}
	return held, err
}

// readLeases reads leases, each with something else, and closes the rows.
func readLeases[T any](rows *sql.Rows, err error) (map[lease]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	leases := map[lease]T{}
	for rows.Next() {
		var l lease
		var value T
		if err := rows.Scan(&l.Key, &l.Token, &value); err != nil {
			return nil, err
		}
		leases[l] = value
	}
	return leases, rows.Err()
}

// verdict is a webhook.Verdict on its way to the database.
type verdict struct {
	lease
	State   webhook.State   `json:"state"`
	After   int64           `json:"after"`
	Keep    bool            `json:"keep"`
	Outcome webhook.Outcome `json:"outcome"`
	Error   string          `json:"error"`
}

func verdictOf(v webhook.Verdict) (verdict, error) {
	w := verdict{
		lease:   leaseOf(v.Lease),
		State:   v.State,
		Keep:    v.Keep,
		Outcome: webhook.Outcome(storable(string(v.Outcome))),
		Error:   storable(v.Error),
	}
	switch v.State {
	case webhook.StateDone, webhook.StateDead:
	case webhook.StateReceived, webhook.StatePending:
		w.After = micros(v.After)
	default:
		return w, fmt.Errorf("%q is no state to end a claim with", v.State)
	}
	return w, nil
}

// Finish implements webhook.Store. A verdict with another state than a verdict
// can have is an error, and none of the verdicts is carried out then. A record
// that a transaction of FinishTx holds is waited for, when all others are done.
func (s *Store) Finish(ctx context.Context, verdicts []webhook.Verdict) ([]bool, error) {
	list := make([]verdict, 0, len(verdicts))
	first := make(map[lease]int, len(verdicts)) // of two that end one claim, the first does
	for i, v := range verdicts {
		w, err := verdictOf(v)
		if err != nil {
			return nil, failed(ctx, "finish", err)
		}
		if _, twice := first[w.lease]; !twice {
			first[w.lease] = i
			list = append(list, w)
		}
	}
	answers := make([]bool, len(verdicts))
	for len(list) > 0 {
		// One after the other: what becomes of a job that is foreign depends on what its
		// other owners are.
		end, foreign := 1, list[0].State == webhook.StatePending
		for end < len(list) && (list[end].State == webhook.StatePending) == foreign {
			end++
		}
		carryOut := s.finishAll
		if foreign {
			carryOut = s.disown
		}
		ended, err := carryOut(ctx, list[:end])
		if err != nil {
			return nil, failed(ctx, "finish", err)
		}
		for _, w := range list[:end] {
			answers[first[w.lease]] = ended[w.lease]
		}
		list = list[end:]
	}
	return answers, nil
}

// disown carries out verdicts of StatePending.
func (s *Store) disown(ctx context.Context, list []verdict) (ended map[lease]bool, err error) {
	ended = make(map[lease]bool, len(list))
	err = s.change(ctx, len(list),
		func(i int) ref { return ref{Key: list[i].Key, candidates: true} },
		func(b *book, i int) { ended[list[i].lease] = b.disowned(list[i]) })
	return ended, err
}

// finishAll carries out verdicts of other states. A record that somebody else has
// locked is waited for, after all others.
func (s *Store) finishAll(ctx context.Context, list []verdict) (ended map[lease]bool, err error) {
	ended, err = s.finish(ctx, s.sql.finish, list)
	if err != nil {
		return nil, err
	}
	for _, w := range list {
		if done, held := ended[w.lease]; held && !done {
			if ended[w.lease], err = s.finishLocked(ctx, w); err != nil {
				return nil, err
			}
		}
	}
	return ended, nil
}

// finishLocked ends a claim on a record that somebody else has locked. It is for
// one at a time, so that nothing is locked while another is waited for.
func (s *Store) finishLocked(ctx context.Context, w verdict) (bool, error) {
	for range tries {
		ended, err := s.finish(ctx, s.sql.finishWait, []verdict{w})
		if err != nil {
			return false, err
		}
		if done, held := ended[w.lease]; done || !held {
			return done, nil
		}
		// It was changed, and the claim may still hold.
	}
	return false, errContended
}

func (s *Store) finish(ctx context.Context, statement string, list []verdict) (ended map[lease]bool, err error) {
	text, err := toJSON(list)
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, func(q querier) error {
		ended, err = readLeases[bool](q.QueryContext(ctx, statement, s.namespace, text))
		return err
	})
	return ended, err
}

// FinishTx implements webhook.TxStore. It runs one statement on tx, which must be
// a transaction on the store's database.
//
// In PostgreSQL the transaction may be READ COMMITTED. A stricter one can fail
// with SQLSTATE 40001, because heartbeats change the record: begin it again then.
// In SQLite it is the only writer until it ends, so keep it short; begin it with
// BEGIN IMMEDIATE (_txlock=immediate), or it can fail with SQLITE_BUSY after it
// has read something.
func (s *Store) FinishTx(ctx context.Context, tx webhook.Execer, v webhook.Verdict) (bool, error) {
	w, err := verdictOf(v)
	if err == nil && w.State == webhook.StatePending {
		err = fmt.Errorf("%q is no state to end a claim with in a transaction", v.State)
	}
	if err != nil {
		return false, failed(ctx, "finish in a transaction", err)
	}
	uncounted := 0
	if w.Keep {
		uncounted = 1
	}
	result, err := tx.ExecContext(ctx, s.sql.finishTx,
		s.namespace, w.Key, w.Token, string(w.State), w.After, uncounted, string(w.Outcome), w.Error)
	if err != nil {
		return false, failed(ctx, "finish in a transaction", err)
	}
	n, err := result.RowsAffected()
	return n == 1, failed(ctx, "finish in a transaction", err)
}
