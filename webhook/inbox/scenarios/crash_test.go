package scenarios_test

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
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// internal/chaos kills and stops real processes. Here a process that is killed has no
// store any more, and the next one has another handle.

var errNotNow = errors.New("not now")

func nothing(context.Context, *webhook.Delivery) error { return nil }

// Scenario 27.
func answerLost(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	e.Srv.WebhookFault(reductotest.BreakAttempts(1))
	job := p.Submit(reducto.Async{})
	e.Attempts(job.JobID, 2)
	assert.Equal(t, http.StatusOK, e.Codes(job.JobID)[1])
	p.Once()
	e.Done(job.JobID, webhook.OutcomeCompleted)
	p.Flush()
	assert.Equal(t, 1, e.Meter.Counter("deliveries{duplicate}"))
}

// Scenario 28.
func crashBeforeClaim(t *testing.T, e *Env) {
	first := e.Process(e.Work)
	job := first.Announced(reducto.Async{Metadata: map[string]any{"user": "7"}})
	first.Kill()
	assert.Empty(t, e.Calls())
	e.Process(e.Work).Once()
	assert.JSONEq(t, `{"user":"7"}`, string(e.Done(job.JobID, webhook.OutcomeCompleted).Metadata))
}

// inFlight returns a process that runs its function. The function ignores its context
// until resume is called, and then calls f.
func inFlight(t *testing.T, e *Env, f webhook.Func) (p *Process, jobID string, resume func()) {
	t.Helper()
	begun := make(chan struct{}, 10)
	gate, resume := Gate(t)
	p = e.Process(func(ctx context.Context, d *webhook.Delivery) error {
		begun <- struct{}{}
		<-gate
		return f(ctx, d)
	}, inbox.WithWorkers(1)) // it claims nothing else meanwhile
	jobID = p.Announced(reducto.Async{}).JobID
	p.Start()
	<-begun
	require.Equal(t, inbox.StateClaimed, e.Record(jobID).State)
	return p, jobID, resume
}

// Scenario 29.
func crashAfterClaim(t *testing.T, e *Env) {
	first, jobID, resume := inFlight(t, e, nothing)
	first.Kill()
	resume()
	token := e.Record(jobID).Token
	p := e.Process(e.Work)
	p.Later(inbox.DefaultLease - time.Minute)
	assert.Empty(t, e.Calls(), "the lease has not ended")
	p.Later(2 * time.Minute)
	assert.Equal(t, 2, e.Done(jobID, webhook.OutcomeCompleted).Attempt)
	assert.Greater(t, e.Record(jobID).Token, token)
}

// Scenarios 30 and 31: a process is paused past its lease, and returns after another
// one has claimed the job.
func pausedThenReturns(result error) func(*testing.T, *Env) {
	return func(t *testing.T, e *Env) {
		first, jobID, resume := inFlight(t, e, func(context.Context, *webhook.Delivery) error { return result })
		token := e.Record(jobID).Token
		e.Advance(2 * inbox.DefaultLease)
		working := make(chan struct{})
		gate, finish := Gate(t)
		second := e.Process(func(ctx context.Context, d *webhook.Delivery) error {
			close(working)
			<-gate
			return e.Work(ctx, d)
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			second.Once()
		}()
		<-working
		if result == nil { // then the record is done already
			finish()
			<-done
		}
		want := e.Record(jobID)
		resume()
		e.Until("the first one is refused", func() bool { return e.Meter.Counter("fenced") > 0 })
		assert.Positive(t, first.Spy.Count("Finish", "Extend"), "it was the store that refused")
		got := e.Record(jobID)
		want.ReadAt, got.ReadAt = time.Time{}, time.Time{}
		assert.Equal(t, want, got, "the record is unchanged")
		finish()
		<-done
		e.Done(jobID, webhook.OutcomeCompleted)
		assert.Greater(t, e.Record(jobID).Token, token)
	}
}

// Scenario 32, without a transaction.
func effectWithoutCompletion(t *testing.T, e *Env) {
	first, jobID, resume := inFlight(t, e, nothing)
	effects := 1
	first.Kill() // after the effect, before anything else
	resume()
	e.Process(e.Then(func(context.Context, *webhook.Delivery) error { effects++; return nil })).Later(2 * inbox.DefaultLease)
	e.Done(jobID, webhook.OutcomeCompleted)
	assert.Equal(t, 2, effects)
}

// Scenario 32, with a transaction.
func effectInTransaction(committed bool) func(*testing.T, *Env) {
	return func(t *testing.T, e *Env) {
		_, err := e.DB.Exec(`CREATE TABLE effects (job text)`)
		require.NoError(t, err)
		effect := func(ctx context.Context, d *webhook.Delivery) (*sql.Tx, error) {
			tx, err := e.DB.BeginTx(context.WithoutCancel(ctx), nil)
			require.NoError(t, err)
			_, err = tx.Exec(`INSERT INTO effects VALUES ('` + d.JobID + `')`)
			require.NoError(t, err)
			return tx, d.CompleteTx(ctx, tx)
		}
		crashed := make(chan struct{})
		var first *Process
		first = e.Process(func(ctx context.Context, d *webhook.Delivery) error {
			defer close(crashed)
			tx, err := effect(ctx, d)
			require.NoError(t, err)
			if committed {
				require.NoError(t, tx.Commit())
			}
			first.Kill()
			if !committed { // the database notices that its connection is gone
				require.NoError(t, tx.Rollback())
			}
			return nil
		})
		jobID := first.Announced(reducto.Async{}).JobID
		first.Start()
		<-crashed
		second := e.Process(func(ctx context.Context, d *webhook.Delivery) error {
			tx, err := effect(ctx, d)
			if err != nil {
				return errors.Join(err, tx.Rollback())
			}
			return errors.Join(tx.Commit(), e.Work(ctx, d))
		})
		second.Later(2 * inbox.DefaultLease)
		assert.Equal(t, committed, len(e.Calls()) == 0)
		var effects int
		require.NoError(t, e.DB.QueryRow(`SELECT count(*) FROM effects`).Scan(&effects))
		assert.Equal(t, 1, effects)
		assert.Equal(t, inbox.StateDone, e.Record(jobID).State)
	}
}

// Scenario 33.
func heartbeatFails(t *testing.T, e *Env) {
	const lease = 4 * time.Second
	var seen atomic.Pointer[inbox.Record]
	var calls atomic.Int64
	p := e.Start(func(ctx context.Context, d *webhook.Delivery) error {
		if calls.Add(1) > 1 {
			return e.Work(ctx, d)
		}
		<-ctx.Done()
		assert.ErrorIs(t, context.Cause(ctx), inbox.ErrLeaseLost)
		r := e.Record(d.JobID)
		seen.Store(&r)
		return ctx.Err()
	}, inbox.WithLease(lease))
	p.Spy.Break("Extend")
	job := p.Announced(reducto.Async{})
	e.Until("the function is told", func() bool { return seen.Load() != nil })
	r := seen.Load()
	assert.Equal(t, inbox.StateClaimed, r.State)
	assert.Positive(t, r.DueAt.Sub(r.ReadAt), "before the lease ends")
	assert.Less(t, r.DueAt.Sub(r.ReadAt), lease/2, "after some tries")
	assert.Greater(t, p.Spy.Count("Extend"), 2)
	p.Spy.Mend()
	e.Advance(lease)
	e.Until("it is done", func() bool { return e.Record(job.JobID).State == inbox.StateDone })
	assert.Equal(t, 2, e.Done(job.JobID, webhook.OutcomeCompleted).Attempt)
	assert.Equal(t, 1, e.Meter.Counter("fenced"))
}

// Scenario 34.
func poison(t *testing.T, e *Env) {
	dead := 0
	for _, tt := range []struct {
		poison    func() error
		want      string
		permanent bool
	}{
		{func() error { panic("poison\x00\xff") }, "crash_test.go", false}, // the stack is kept
		{func() error { panic(nil) }, "the function panicked: ", false},
		{func() error { runtime.Goexit(); return nil }, "Goexit", false},
		{func() error { return webhook.Permanent(errors.New("bad document")) }, "bad document", true},
	} {
		var poisoned string
		calls := 0
		p := e.Process(func(ctx context.Context, d *webhook.Delivery) error {
			if d.JobID == poisoned {
				calls++
				return tt.poison()
			}
			return e.Work(ctx, d)
		})
		poisoned = p.Announced(reducto.Async{}).JobID
		good := p.Announced(reducto.Async{}).JobID
		p.Once()
		e.Done(good, webhook.OutcomeCompleted)
		for range 12 {
			p.Later(time.Hour)
		}
		r := e.Record(poisoned)
		require.Equal(t, inbox.StateDead, r.State)
		assert.Contains(t, r.Error, tt.want)
		assert.Equal(t, r.Attempt, calls)
		assert.Equal(t, tt.permanent, calls == 1)
		assert.True(t, tt.permanent || calls >= 11, "%d calls", calls)
		p.Flush()
		dead++
		assert.Equal(t, dead, e.Log.Count(slog.LevelError, "dead: "))

		// Another process can replay it.
		next := e.Process(e.Work)
		require.NoError(t, next.Replay(t.Context(), r.Key))
		next.Once()
		assert.Equal(t, 1, e.Done(poisoned, webhook.OutcomeCompleted).Attempt)
	}
}
