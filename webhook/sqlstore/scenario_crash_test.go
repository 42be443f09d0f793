package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// What SIGKILL and SIGSTOP do to real processes is for internal/chaos to see. Here a
// process that is killed has no store any more, and the next one another handle.

func TestScenario27_AnswerLost(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		p.srv.WebhookFault(reductotest.BreakAttempts(1))
		job := q.submit(reducto.Async{})
		p.attempts(job.JobID, 2)
		assert.Equal(t, http.StatusOK, p.codes(job.JobID)[1])
		q.once()
		p.requireDone(job.JobID, webhook.OutcomeCompleted)
		stats, err := q.Stats(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, stats.Duplicates)
	})
}

func TestScenario28_CrashBeforeClaim(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		first := p.process(p.work)
		job := first.announced(reducto.Async{Metadata: map[string]any{"user": "7"}})
		first.kill()
		assert.Empty(t, p.called(job.JobID))
		p.process(p.work).once()
		d := p.requireDone(job.JobID, webhook.OutcomeCompleted)
		assert.JSONEq(t, `{"user":"7"}`, string(d.Metadata))
	})
}

// inFlight has a process call its function, which has begun when this returns and
// goes on when the gate is opened.
func (p *plant) inFlight(v webhook.Verifier, f webhook.Func) (q *process, jobID string, gate chan struct{}) {
	p.t.Helper()
	begun, gate := make(chan struct{}, 10), make(chan struct{})
	q = p.processOf(v, func(ctx context.Context, d *webhook.Delivery) error {
		begun <- struct{}{}
		<-gate // whatever becomes of its context: it is paused
		return f(ctx, d)
	}, webhook.WithWorkers(1)) // it claims nothing else meanwhile
	jobID = q.announced(reducto.Async{}).JobID
	q.run()
	<-begun
	require.Equal(p.t, webhook.StateClaimed, p.record(jobID).State)
	return q, jobID, gate
}

func TestScenario29_CrashBetweenClaimAndCompletion(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		first, jobID, gate := p.inFlight(p.secret, func(context.Context, *webhook.Delivery) error { return nil })
		first.kill()
		close(gate)
		token := p.record(jobID).Token
		q := p.process(p.work)
		q.later(webhook.DefaultLease - time.Minute)
		assert.Empty(t, p.called(jobID), "its lease is not over")
		q.later(2 * time.Minute)
		assert.Equal(t, 2, p.requireDone(jobID, webhook.OutcomeCompleted).Attempt)
		assert.Equal(t, token+1, p.record(jobID).Token)
	})
}

// paused has a process work on past its lease, and end after another one has
// claimed the job.
func paused(t *testing.T, p *plant, says error) {
	var ended atomic.Bool
	first, jobID, resume := p.inFlight(p.secret, func(context.Context, *webhook.Delivery) error {
		ended.Store(true)
		return says
	})
	token := p.record(jobID).Token
	p.advance(2 * webhook.DefaultLease)
	working, finish := make(chan struct{}), make(chan struct{})
	second := p.process(func(ctx context.Context, d *webhook.Delivery) error {
		close(working)
		<-finish
		return p.work(ctx, d)
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		second.once()
	}()
	<-working
	if says == nil { // it is done when the first one says so too
		close(finish)
		<-done
	}
	want := p.record(jobID)
	close(resume)
	p.until("the first one is refused", func() bool { return p.meter.count("fenced") > 0 })
	assert.True(t, ended.Load())
	assert.Positive(t, first.spy.count("Finish"), "it was the store that refused")
	got := p.record(jobID)
	want.ReadAt, got.ReadAt = time.Time{}, time.Time{}
	assert.Equal(t, want, got, "the record is unchanged")
	if says != nil {
		close(finish)
		<-done
	}
	p.requireDone(jobID, webhook.OutcomeCompleted)
	assert.Equal(t, token+1, p.record(jobID).Token)
}

func TestScenario30_PausedPastItsLease(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) { paused(t, p, nil) })
}

func TestScenario31_PausedThenFails(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) { paused(t, p, errors.New("no luck")) })
}

func TestScenario32_EffectWithoutCompletion(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) { // outside of the store
		var effects atomic.Int64
		first, jobID, gate := p.inFlight(p.secret, func(context.Context, *webhook.Delivery) error { return nil })
		effects.Add(1)
		first.kill() // after the effect, before anything else
		close(gate)
		p.process(func(ctx context.Context, d *webhook.Delivery) error {
			effects.Add(1)
			return p.work(ctx, d)
		}).later(2 * webhook.DefaultLease)
		p.requireDone(jobID, webhook.OutcomeCompleted)
		assert.EqualValues(t, 2, effects.Load(), "it is repeated")
	})

	for name, committed := range map[string]bool{"with CompleteTx": true, "with CompleteTx, before its commit": false} {
		t.Run(name, func(t *testing.T) {
			onEveryDatabase(t, func(t *testing.T, p *plant) {
				_, err := p.db.Exec(`CREATE TABLE effects (job text)`)
				require.NoError(t, err)
				effect := func(ctx context.Context, d *webhook.Delivery) (*sql.Tx, error) {
					tx, err := p.db.BeginTx(context.WithoutCancel(ctx), nil)
					require.NoError(t, err)
					_, err = tx.Exec(`INSERT INTO effects VALUES ('` + d.JobID + `')`)
					require.NoError(t, err)
					return tx, d.CompleteTx(ctx, tx)
				}
				crashed := make(chan struct{})
				var first *process
				first = p.process(func(ctx context.Context, d *webhook.Delivery) error {
					defer close(crashed)
					tx, err := effect(ctx, d)
					require.NoError(t, err)
					if committed {
						require.NoError(t, tx.Commit())
					}
					first.kill()
					if !committed { // the database notices that its connection is gone
						require.NoError(t, tx.Rollback())
					}
					return nil
				})
				jobID := first.announced(reducto.Async{}).JobID
				first.run()
				<-crashed
				second := p.process(func(ctx context.Context, d *webhook.Delivery) error {
					tx, err := effect(ctx, d)
					if err != nil {
						return errors.Join(err, tx.Rollback())
					}
					return errors.Join(tx.Commit(), p.work(ctx, d))
				})
				second.later(2 * webhook.DefaultLease)
				assert.Equal(t, committed, len(p.called(jobID)) == 0)
				var effects int
				require.NoError(t, p.db.QueryRow(`SELECT count(*) FROM effects`).Scan(&effects))
				assert.Equal(t, 1, effects, "it is not repeated, and not lost")
				assert.Equal(t, webhook.StateDone, p.record(jobID).State)
			})
		})
	}
}

func TestScenario33_HeartbeatFails(t *testing.T) {
	const lease = 4 * time.Second
	onEveryStore(t, func(t *testing.T, p *plant) {
		var seen atomic.Pointer[webhook.Record]
		var calls atomic.Int64
		q := p.start(func(ctx context.Context, d *webhook.Delivery) error {
			if calls.Add(1) > 1 {
				return p.work(ctx, d)
			}
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), webhook.ErrLeaseLost)
			r := p.record(d.JobID)
			seen.Store(&r)
			return ctx.Err()
		}, webhook.WithLease(lease))
		q.spy.breaks(only(errDown, "Extend"), nil)
		job := q.announced(reducto.Async{})
		p.until("it is told", func() bool { return seen.Load() != nil })
		r := seen.Load()
		assert.Equal(t, webhook.StateClaimed, r.State)
		assert.Positive(t, r.DueAt.Sub(r.ReadAt), "before the lease ends")
		assert.Less(t, r.DueAt.Sub(r.ReadAt), lease/2, "but it was tried for a while")
		assert.Greater(t, q.spy.count("Extend"), 2)
		q.spy.breaks(nil, nil)
		p.advance(lease)
		p.until("it is done", func() bool { return p.record(job.JobID).State == webhook.StateDone })
		assert.Equal(t, 2, p.requireDone(job.JobID, webhook.OutcomeCompleted).Attempt)
		assert.Equal(t, 1, p.meter.count("fenced"))
	})
}

func TestScenario34_Poison(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		buried := 0
		for name, tt := range map[string]struct {
			poison func() error
			want   string
		}{
			"panic":         {func() error { panic("poison\x00\xff") }, "the function panicked: poison"},
			"panic(nil)":    {func() error { panic(nil) }, "the function panicked: "},
			"Goexit":        {func() error { runtime.Goexit(); return nil }, "Goexit"},
			"permanent one": {func() error { return webhook.Permanent(errors.New("bad document")) }, "bad document"},
		} {
			var poisoned string
			var calls int
			q := p.process(func(ctx context.Context, d *webhook.Delivery) error {
				if d.JobID == poisoned {
					calls++
					return tt.poison()
				}
				return p.work(ctx, d)
			})
			poisoned = q.announced(reducto.Async{}).JobID
			good := q.announced(reducto.Async{}).JobID
			q.once()
			p.requireDone(good, webhook.OutcomeCompleted)
			for range 12 {
				q.later(time.Hour)
			}
			r := p.record(poisoned)
			require.Equal(t, webhook.StateDead, r.State)
			assert.Contains(t, r.Error, tt.want)
			assert.Equal(t, r.Attempt, calls)
			if name == "permanent one" {
				assert.Equal(t, 1, calls)
			} else {
				assert.GreaterOrEqual(t, calls, 11)
			}
			if name == "panic" {
				assert.Contains(t, r.Error, "scenario_crash_test.go", "the stack is kept")
			}
			require.NoError(t, q.Shutdown(t.Context())) // all is logged
			buried++
			assert.Equal(t, buried, p.log.count(t, slog.LevelError, "dead: "))

			// It can be replayed, by another process too.
			next := p.process(p.work)
			require.NoError(t, next.Replay(t.Context(), r.Key))
			next.once()
			assert.Equal(t, 1, p.requireDone(poisoned, webhook.OutcomeCompleted).Attempt)
		}
	})
}
