package inbox_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// testTx is a transaction of a txStore. Its effects happen at the commit.
type testTx struct {
	mu   sync.Mutex
	todo []func()
}

func begin(effect func()) *testTx { return &testTx{todo: []func(){effect}} }

func (tx *testTx) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return nil, errors.New("this is no database")
}

func (tx *testTx) commit() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	for _, f := range tx.todo {
		f()
	}
	tx.todo = nil
}

// txStore is a Store with transactions.
type txStore struct {
	inbox.Store
	finish func() error // instead, if it fails
}

func withTx(s inbox.Store) inbox.Store { return &txStore{Store: s} }

func (s *txStore) FinishTx(ctx context.Context, tx webhook.Execer, c inbox.Completion) (bool, error) {
	if s.finish != nil {
		if err := s.finish(); err != nil {
			return false, err
		}
	}
	list, err := s.List(ctx, inbox.Filter{Keys: []string{c.Key}})
	if err != nil {
		return false, err
	}
	if len(list) == 0 || list[0].State != inbox.StateClaimed || list[0].Token != c.Token {
		return false, nil
	}
	t := tx.(*testTx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.todo = append(t.todo, func() {
		if ok, err := s.Finish(context.WithoutCancel(ctx), []inbox.Completion{c}); err != nil || !ok[0] {
			panic("the commit failed")
		}
	})
	return true, nil
}

func TestCompleteTx(t *testing.T) {
	type story struct {
		commit  func(call int) bool
		result  func(call int) error // after that
		without bool                 // the second call makes its effect without CompleteTx
		calls   int
		effects int
		state   inbox.State
		handled map[string]int
	}
	always := func(int) bool { return true }
	returns := func(err error) func(int) error { return func(int) error { return err } }
	done := map[string]int{"handled{done}": 1}
	eachInBubble(t, map[string]story{
		"committed": {always, returns(nil), false, 1, 1, inbox.StateDone, done},
		"rolled back, with an error": {
			func(call int) bool { return call == 3 }, func(call int) error {
				if call < 3 {
					return errNotNow
				}
				return nil
			}, false, 3, 1, inbox.StateDone, map[string]int{"handled{done}": 1, "handled{failed}": 2},
		},
		"nil without a commit": {
			func(call int) bool { return call > 1 }, returns(nil), false, 2, 1, inbox.StateDone,
			map[string]int{"handled{done}": 1, "handled{not_committed}": 1},
		},
		"failed after the commit":   {always, returns(errNotNow), false, 1, 1, inbox.StateDone, done},
		"panicked after the commit": {always, func(int) error { panic("too late") }, false, 1, 1, inbox.StateDone, done},
		"permanent, rolled back": {
			func(int) bool { return false }, returns(webhook.Permanent(errNotNow)), false, 1, 0, inbox.StateDead, map[string]int{"handled{permanent}": 1},
		},
		"done without it at the second call": {
			func(int) bool { return false }, func(call int) error {
				if call == 1 {
					return errNotNow
				}
				return nil
			}, true, 2, 1, inbox.StateDone, map[string]int{"handled{done}": 1, "handled{failed}": 1},
		},
	}, func(t *testing.T, e *Env, tt story) {
		calls, effects := 0, 0
		p := e.ProcessOn(NewSpy(e.Open()), withTx, e.Secret, func(ctx context.Context, d *webhook.Delivery) error {
			calls++
			d.Outcome, d.JobID = "nonsense", "nonsense" // the function can do what it likes
			effect := func() { effects++ }
			if tt.without && calls > 1 {
				effect()
				return nil
			}
			tx := begin(effect)
			if err := d.CompleteTx(ctx, tx); err != nil {
				return err
			}
			if tt.commit(calls) {
				tx.commit()
			}
			return tt.result(calls)
		}, inbox.WithWorkers(1))
		p.Start()
		job := p.Submit(reducto.Async{})
		rest(time.Hour)
		assert.Equal(t, tt.calls, calls)
		assert.Equal(t, tt.effects, effects)
		r := e.Record(job.JobID)
		assert.Equal(t, tt.state, r.State)
		assert.Equal(t, webhook.OutcomeCompleted, r.Outcome)
		for name, n := range tt.handled {
			assert.Equal(t, n, e.Meter.Counter(name), name)
		}
		failed := tt.calls == 1 && tt.state == inbox.StateDone && e.Log.Count(slog.LevelWarn, "") > 0
		assert.Equal(t, failed, e.Log.Count(slog.LevelWarn, "after its transaction was committed") == 1)
	})
}

func TestCompleteTxWithoutACommitIsNamed(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.ProcessOn(NewSpy(e.Open()), withTx, e.Secret, func(ctx context.Context, d *webhook.Delivery) error {
			return d.CompleteTx(ctx, begin(func() {}))
		}, inbox.WithMinBackoff(time.Hour))
		p.Start()
		job := p.Submit(reducto.Async{})
		rest(time.Minute)
		r := e.Record(job.JobID)
		assert.Equal(t, inbox.StateReceived, r.State)
		assert.Contains(t, r.Error, "did not commit the transaction")
	})
}

// The store says that another worker has the job.
func TestCompleteTxIsRefusedByTheStore(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		var errs []error
		p := e.ProcessOn(NewSpy(e.Open()), withTx, e.Secret, func(ctx context.Context, d *webhook.Delivery) error {
			if d.Attempt == 1 {
				claimedByAnother(t, e)
			}
			tx := begin(func() {})
			err := d.CompleteTx(ctx, tx)
			errs = append(errs, err)
			if err == nil {
				tx.commit()
			}
			return err
		})
		p.Start()
		job := p.Submit(reducto.Async{})
		rest(time.Hour)
		require.Len(t, errs, 2)
		require.ErrorIs(t, errs[0], inbox.ErrLeaseLost)
		require.NoError(t, errs[1])
		assert.Equal(t, inbox.StateDone, e.Record(job.JobID).State)
		assert.EqualValues(t, 3, e.Record(job.JobID).Token)
		assert.Equal(t, 1, e.Meter.Counter("fenced"))
	})
}

// The process knows that the lease is lost.
func TestCompleteTxAfterTheLeaseDoesNotAskTheStore(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		finished := 0
		spy := NewSpy(e.Open())
		p := e.ProcessOn(spy, func(s inbox.Store) inbox.Store {
			return &txStore{Store: s, finish: func() error { finished++; return nil }}
		}, e.Secret, func(ctx context.Context, d *webhook.Delivery) error {
			if d.Attempt > 1 {
				return nil
			}
			<-ctx.Done()
			err := d.CompleteTx(context.WithoutCancel(ctx), begin(func() {}))
			assert.ErrorIs(t, err, inbox.ErrLeaseLost)
			return err
		})
		p.Start()
		spy.Break("Extend")
		p.Submit(reducto.Async{})
		rest(time.Hour)
		assert.Zero(t, finished)
		assert.Len(t, e.Records(inbox.StateDone), 1)
	})
}

// Only the store can tell whether the transaction was committed, and it is down. If
// another worker has claimed the record meanwhile, the commit did not happen.
func TestCompleteTxWhileTheStoreFails(t *testing.T) {
	type down struct {
		long     time.Duration
		shutdown bool
		taken    bool
		calls    int
	}
	eachInBubble(t, map[string]down{
		"for a minute":        {long: time.Minute, calls: 1},
		"for an hour":         {long: time.Hour, calls: 1},
		"during a Shutdown":   {long: time.Hour, shutdown: true, calls: 1},
		"and another took it": {long: time.Minute, taken: true, calls: 2},
	}, func(t *testing.T, e *Env, tt down) {
		calls := 0
		spy := NewSpy(e.Open())
		p := e.ProcessOn(spy, withTx, e.Secret, func(ctx context.Context, d *webhook.Delivery) error {
			calls++
			tx := begin(func() {})
			if err := d.CompleteTx(ctx, tx); err != nil {
				return err
			}
			switch {
			case !tt.taken:
				tx.commit()
			case calls == 1:
				claimedByAnother(t, e)
			default:
				tx.commit()
				return nil
			}
			spy.Break()
			return nil
		})
		p.Start()
		job := p.Submit(reducto.Async{})
		rest(time.Second)
		require.Error(t, p.Healthy())
		if tt.shutdown {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var left *webhook.ShutdownError
			require.ErrorAs(t, p.Shutdown(ctx), &left)
			assert.Equal(t, 1, left.Remaining)
			rest(0)
		}
		rest(tt.long)
		spy.Mend()
		rest(time.Hour)
		assert.Equal(t, tt.calls, calls)
		assert.Equal(t, inbox.StateDone, e.Record(job.JobID).State)
		assert.Positive(t, e.Log.Count(slog.LevelError, "asked again whether the transaction was committed"))
	})
}

// Many transactions are committed together. While the store answers whether the first of
// them was committed, the others wait, and their question is one.
func TestCompleteTxAsksTheStoreForManyRecordsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		const jobs = inbox.DefaultWorkers
		var asked atomic.Int32
		var committed sync.WaitGroup
		committed.Add(jobs)
		spy := NewSpy(e.Open())
		spy.Before(func(_ context.Context, method string) error {
			if method == "List" {
				asked.Add(1)
				rest(time.Second)
			}
			return nil
		})
		p := e.ProcessOn(spy, withTx, e.Secret, func(ctx context.Context, d *webhook.Delivery) error {
			tx := begin(func() {})
			if err := d.CompleteTx(ctx, tx); err != nil {
				return err
			}
			tx.commit()
			asked.Store(0) // FinishTx has asked
			committed.Done()
			committed.Wait()
			return nil
		})
		for range jobs {
			p.Submit(reducto.Async{})
		}
		rest(time.Minute)
		p.Start()
		rest(time.Minute)
		assert.Len(t, e.Records(inbox.StateDone), jobs)
		assert.LessOrEqual(t, asked.Load(), int32(2))
	})
}

func TestCompleteTxRefusesWhatItCannotDo(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		var errs []error
		var none *testTx
		f := func(ctx context.Context, d *webhook.Delivery) error {
			errs = append(errs, d.CompleteTx(ctx, nil), d.CompleteTx(ctx, none), d.CompleteTx(ctx, begin(func() {})))
			return nil
		}
		p := e.ProcessOn(NewSpy(e.Open()), func(s inbox.Store) inbox.Store { return struct{ inbox.Store }{s} }, e.Secret, f)
		p.Start()
		p.Submit(reducto.Async{})
		rest(time.Minute)
		require.Len(t, errs, 3)
		for _, err := range errs {
			require.ErrorIs(t, err, webhook.ErrTxUnsupported)
		}
		p.Flush()

		errs = nil
		p = e.ProcessOn(NewSpy(e.Open()), func(s inbox.Store) inbox.Store {
			return &txStore{Store: s, finish: func() error { return ErrDown }}
		}, e.Secret, f)
		p.Start()
		job := p.Submit(reducto.Async{})
		rest(time.Minute)
		require.NotEmpty(t, errs)
		require.ErrorContains(t, errs[0], "the transaction is nil")
		require.ErrorContains(t, errs[1], "the transaction is nil")
		require.ErrorIs(t, errs[2], ErrDown)
		assert.NotEqual(t, inbox.StateDone, e.Record(job.JobID).State)
	})
}
