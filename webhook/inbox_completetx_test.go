package webhook_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// testTx is a transaction of a txStore: what is done in it happens at commit.
type testTx struct {
	mu   sync.Mutex
	todo []func()
}

// begin begins a transaction with the user's own effect.
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

func (tx *testTx) rollback() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.todo = nil
}

// txStore is a Store with transactions that are committed in one piece.
type txStore struct {
	webhook.Store
	finish func(context.Context, webhook.Execer) error // instead, if it fails
}

func withTx(s webhook.Store) webhook.Store { return &txStore{Store: s} }

func (s *txStore) FinishTx(ctx context.Context, tx webhook.Execer, v webhook.Verdict) (bool, error) {
	if s.finish != nil {
		if err := s.finish(ctx, tx); err != nil {
			return false, err
		}
	}
	list, err := s.List(ctx, webhook.Filter{Keys: []string{v.Key}})
	if err != nil {
		return false, err
	}
	if len(list) == 0 || list[0].State != webhook.StateClaimed || list[0].Token != v.Token {
		return false, nil
	}
	t := tx.(*testTx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.todo = append(t.todo, func() {
		ok, err := s.Finish(context.WithoutCancel(ctx), []webhook.Verdict{v})
		if err != nil || !ok[0] {
			panic("the commit failed")
		}
	})
	return true, nil
}

func TestCompleteTx(t *testing.T) {
	t.Parallel()
	failure := errors.New("no luck")
	for name, tt := range map[string]struct {
		// f is called with the number of the call and makes the transaction's effect.
		f       func(ctx context.Context, call int, d *webhook.Delivery, effect func()) error
		calls   int
		effects int
		handled map[string]int
	}{
		"committed": {
			f: func(ctx context.Context, _ int, d *webhook.Delivery, effect func()) error {
				tx := begin(effect)
				if err := d.CompleteTx(ctx, tx); err != nil {
					return err
				}
				tx.commit()
				return nil
			},
			calls: 1, effects: 1, handled: map[string]int{"handled{done}": 1},
		},
		"rolled back, with an error": {
			f: func(ctx context.Context, call int, d *webhook.Delivery, effect func()) error {
				tx := begin(effect)
				if err := d.CompleteTx(ctx, tx); err != nil {
					return err
				}
				if call < 3 {
					tx.rollback()
					return failure
				}
				tx.commit()
				return nil
			},
			calls: 3, effects: 1, handled: map[string]int{"handled{done}": 1, "handled{failed}": 2},
		},
		"nil without a commit": {
			f: func(ctx context.Context, call int, d *webhook.Delivery, effect func()) error {
				tx := begin(effect)
				if err := d.CompleteTx(ctx, tx); err != nil {
					return err
				}
				if call > 1 {
					tx.commit()
				}
				return nil
			},
			calls: 2, effects: 1, handled: map[string]int{"handled{done}": 1, "handled{not_committed}": 1},
		},
		"failed after the commit": {
			f: func(ctx context.Context, _ int, d *webhook.Delivery, effect func()) error {
				tx := begin(effect)
				if err := d.CompleteTx(ctx, tx); err != nil {
					return err
				}
				tx.commit()
				return failure
			},
			calls: 1, effects: 1, handled: map[string]int{"handled{done}": 1},
		},
		"panicked after the commit": {
			f: func(ctx context.Context, _ int, d *webhook.Delivery, effect func()) error {
				tx := begin(effect)
				if err := d.CompleteTx(ctx, tx); err != nil {
					return err
				}
				tx.commit()
				panic("too late")
			},
			calls: 1, effects: 1, handled: map[string]int{"handled{done}": 1},
		},
		"permanent, rolled back": {
			f: func(ctx context.Context, _ int, d *webhook.Delivery, effect func()) error {
				tx := begin(effect)
				if err := d.CompleteTx(ctx, tx); err != nil {
					return err
				}
				tx.rollback()
				return webhook.Permanent(failure)
			},
			calls: 1, effects: 0, handled: map[string]int{"handled{permanent}": 1},
		},
		"done without it at the second call": {
			f: func(ctx context.Context, call int, d *webhook.Delivery, effect func()) error {
				if call == 1 {
					tx := begin(effect)
					if err := d.CompleteTx(ctx, tx); err != nil {
						return err
					}
					return failure
				}
				effect()
				return nil
			},
			calls: 2, effects: 1, handled: map[string]int{"handled{done}": 1, "handled{failed}": 1},
		},
		"changed its delivery": {
			f: func(ctx context.Context, _ int, d *webhook.Delivery, effect func()) error {
				d.Outcome, d.JobID = "nonsense", "nonsense"
				tx := begin(effect)
				if err := d.CompleteTx(ctx, tx); err != nil {
					return err
				}
				tx.commit()
				return nil
			},
			calls: 1, effects: 1, handled: map[string]int{"handled{done}": 1, "outcomes{completed}": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				calls, effects := 0, 0
				p := s.makeOn(withTx, nil, func(ctx context.Context, d *webhook.Delivery) error {
					calls++
					return tt.f(ctx, calls, d, func() { effects++ })
				}, webhook.WithWorkers(1))
				p.run()
				job := p.submit(reducto.Async{})
				rest(time.Hour)
				assert.Equal(t, tt.calls, calls)
				assert.Equal(t, tt.effects, effects)
				r := s.record(job.JobID)
				if tt.handled["handled{permanent}"] == 0 {
					assert.Equal(t, webhook.StateDone, r.State)
				} else {
					assert.Equal(t, webhook.StateDead, r.State)
				}
				assert.Equal(t, webhook.OutcomeCompleted, r.Outcome)
				for name, n := range tt.handled {
					assert.Equal(t, n, s.meter.count(name), name)
				}
				if tt.calls == 1 && tt.effects == 1 && len(s.log.records(slog.LevelWarn, "")) > 0 {
					assert.Len(t, s.log.records(slog.LevelWarn, "after its transaction was committed"), 1)
				}
			})
		})
	}
}

func TestCompleteTxNotCommittedIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.makeOn(withTx, nil, func(ctx context.Context, d *webhook.Delivery) error {
			return d.CompleteTx(ctx, begin(func() {}))
		}, webhook.WithBackoff(time.Hour, time.Hour))
		p.run()
		job := p.submit(reducto.Async{})
		rest(time.Minute)
		r := s.record(job.JobID)
		assert.Equal(t, webhook.StateReceived, r.State)
		assert.Equal(t, webhook.ErrNotCommitted.Error(), r.Error)
	})
}

func TestCompleteTxWithoutTheLease(t *testing.T) {
	t.Parallel()
	t.Run("the store says so", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var errs []error
			effects := 0
			p := s.makeOn(withTx, nil, func(ctx context.Context, d *webhook.Delivery) error {
				if d.Attempt == 1 {
					s.mem.Advance(2 * webhook.DefaultLease)
					_, _, err := s.mem.Claim(ctx, 1, time.Minute)
					assert.NoError(t, err)
				}
				tx := begin(func() { effects++ })
				err := d.CompleteTx(ctx, tx)
				errs = append(errs, err)
				if err != nil {
					tx.rollback()
					return err
				}
				tx.commit()
				return nil
			})
			p.run()
			job := p.submit(reducto.Async{})
			rest(time.Hour)
			require.Len(t, errs, 2)
			require.ErrorIs(t, errs[0], webhook.ErrLeaseLost)
			require.NoError(t, errs[1])
			assert.Equal(t, 1, effects)
			assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
			assert.EqualValues(t, 3, s.record(job.JobID).Token)
			assert.Equal(t, 1, s.meter.count("fenced"))
		})
	})

	t.Run("we know", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			finished := 0
			p := s.makeOn(func(inner webhook.Store) webhook.Store {
				return &txStore{Store: inner, finish: func(context.Context, webhook.Execer) error { finished++; return nil }}
			}, nil, func(ctx context.Context, d *webhook.Delivery) error {
				if d.Attempt > 1 {
					return nil
				}
				<-ctx.Done()
				err := d.CompleteTx(context.WithoutCancel(ctx), begin(func() {}))
				assert.ErrorIs(t, err, webhook.ErrLeaseLost)
				return err
			})
			p.run()
			p.spy.breaks(only(errDown, "Extend"), nil)
			p.submit(reducto.Async{})
			rest(time.Hour)
			assert.Zero(t, finished, "the store is not asked")
			assert.Len(t, s.records(webhook.StateDone), 1)
		})
	})
}

// Whether it was committed only the store can tell, and it may take a while.
func TestCompleteTxWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		down  time.Duration
		stop  bool
		calls int
	}{
		"for a while":       {down: time.Minute, calls: 1},
		"for longer":        {down: time.Hour, calls: 1},
		"during a Shutdown": {down: time.Hour, stop: true, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				calls := 0
				var p *process
				p = s.makeOn(withTx, nil, func(ctx context.Context, d *webhook.Delivery) error {
					calls++
					tx := begin(func() {})
					if err := d.CompleteTx(ctx, tx); err != nil {
						return err
					}
					tx.commit()
					p.spy.breaks(func(context.Context, string) error { return errDown }, nil)
					return nil
				})
				p.run()
				job := p.submit(reducto.Async{})
				rest(time.Second)
				require.Error(t, p.Healthy())
				if tt.stop {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					left := new(webhook.ShutdownError)
					require.ErrorAs(t, p.Shutdown(ctx), &left)
					assert.Equal(t, 1, left.Remaining)
					synctest.Wait()
				}
				rest(tt.down)
				p.spy.breaks(nil, nil)
				rest(time.Hour)
				assert.Equal(t, tt.calls, calls)
				assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
				assert.NotEmpty(t, s.log.records(slog.LevelError, "asked again whether the transaction was committed"))
			})
		})
	}
}

func TestCompleteTxRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var errs []error
		f := func(ctx context.Context, d *webhook.Delivery) error {
			var none *testTx
			errs = append(errs, d.CompleteTx(ctx, nil), d.CompleteTx(ctx, none), d.CompleteTx(ctx, begin(func() {})))
			return nil
		}
		p := s.make(nil, f)
		p.run()
		p.submit(reducto.Async{})
		rest(time.Minute)
		require.Len(t, errs, 3)
		for _, err := range errs {
			require.ErrorIs(t, err, webhook.ErrTxUnsupported)
		}
		require.NoError(t, p.Shutdown(t.Context()))

		errs = nil
		p = s.makeOn(func(inner webhook.Store) webhook.Store {
			return &txStore{Store: inner, finish: func(context.Context, webhook.Execer) error { return errDown }}
		}, nil, f)
		p.run()
		job := p.submit(reducto.Async{})
		rest(time.Minute)
		require.NotEmpty(t, errs)
		require.ErrorContains(t, errs[0], "the transaction is nil")
		require.ErrorContains(t, errs[1], "the transaction is nil")
		require.ErrorIs(t, errs[2], errDown)
		assert.NotEqual(t, webhook.StateDone, s.record(job.JobID).State, "nil, but nothing was completed")
	})

	require.ErrorIs(t, new(webhook.Delivery).CompleteTx(t.Context(), begin(func() {})), webhook.ErrTxUnsupported)
}
