package inbox_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

func TestHeartbeatThatFailsEndsTheContextInTime(t *testing.T) {
	eachInBubble(t, map[string]func(p *Process, gate <-chan struct{}){
		"with an error": func(p *Process, _ <-chan struct{}) { p.Spy.Break("Extend") },
		"slowly":        func(p *Process, _ <-chan struct{}) { p.Spy.Slow(time.Hour, "Extend") },
		"without heeding its context": func(p *Process, gate <-chan struct{}) {
			p.Spy.Before(func(_ context.Context, method string) error {
				if method == "Extend" {
					<-gate
				}
				return nil
			})
		},
	}, func(t *testing.T, e *Env, breaks func(*Process, <-chan struct{})) {
		const lease = time.Minute
		gate, open := Gate(t)
		ended := make(chan time.Duration, 1)
		p := e.Start(e.Then(func(ctx context.Context, d *webhook.Delivery) error {
			if d.Attempt > 1 {
				return nil
			}
			began := time.Now()
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), inbox.ErrLeaseLost)
			ended <- time.Since(began)
			return ctx.Err()
		}), inbox.WithLease(lease))
		breaks(p, gate)
		job := p.Submit(reducto.Async{})
		after := <-ended
		assert.Less(t, after, lease-lease/10, "before the lease ends")
		assert.Greater(t, after, lease/2, "after some tries")
		assert.Equal(t, inbox.StateClaimed, e.Record(job.JobID).State)
		p.Spy.Mend()
		open()
		rest(2 * lease)
		assert.Equal(t, inbox.StateDone, e.Record(job.JobID).State)
		assert.Len(t, e.Calls(), 2)
		assert.Equal(t, 1, e.Meter.Counter("fenced"))
		assert.Equal(t, 1, e.Log.Count(slog.LevelWarn, "could not be renewed in time"))
	})
}

func TestHeartbeatThatFailsForAWhileChangesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Then(takes(time.Hour)), inbox.WithFuncTimeout(2*time.Hour))
		job := p.Submit(reducto.Async{})
		for range 6 {
			rest(5 * time.Minute)
			p.Spy.Break("Extend")
			rest(2 * time.Minute)
			p.Spy.Mend()
		}
		rest(time.Hour)
		e.Done(job.JobID, webhook.OutcomeCompleted)
		assert.EqualValues(t, 1, e.Record(job.JobID).Token)
	})
}

// forgetful is a store that answers for no lease.
type forgetful struct{ *Spy }

func (forgetful) Extend(context.Context, []inbox.Lease, time.Duration) ([]bool, error) {
	return nil, nil
}

func TestHeartbeatWithoutAnswersFails(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		spy := NewSpy(e.Open())
		p := e.ProcessOn(spy, func(inbox.Store) inbox.Store { return forgetful{spy} }, e.Secret, takes(3*time.Minute))
		p.Start()
		p.Submit(reducto.Async{})
		rest(4 * time.Minute)
		assert.Positive(t, e.Log.Count(slog.LevelWarn, "leases could not be renewed"))
	})
}

// claimedByAnother makes another worker claim what is due, much later by the store's
// clock, which is not the process's.
func claimedByAnother(t *testing.T, e *Env) {
	e.Advance(2 * inbox.DefaultLease)
	claimed, _, err := e.Store.Claim(context.Background(), 1, time.Minute)
	assert.NoError(t, err)
	assert.Len(t, claimed, 1)
}

func TestHeartbeatFindsThatAnotherWorkerHasTheJob(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		causes := make(chan error, 1)
		p := e.Start(func(ctx context.Context, d *webhook.Delivery) error {
			if d.Attempt == 1 {
				<-ctx.Done()
				causes <- context.Cause(ctx)
			}
			return nil
		})
		p.Submit(reducto.Async{})
		rest(time.Second)
		claimedByAnother(t, e)
		require.ErrorIs(t, <-causes, inbox.ErrLeaseLost)
		rest(time.Hour)
		assert.Len(t, e.Records(inbox.StateDone), 1)
	})
}

func TestStoreRefusesACompletionAfterTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		var once sync.Once
		p.Spy.Before(func(_ context.Context, method string) error {
			if method == "Finish" {
				once.Do(func() { claimedByAnother(t, e) })
			}
			return nil
		})
		job := p.Submit(reducto.Async{})
		rest(time.Second)
		r := e.Record(job.JobID)
		assert.Equal(t, inbox.StateClaimed, r.State)
		assert.EqualValues(t, 2, r.Token)
		assert.Equal(t, 1, e.Meter.Counter("fenced"))
		rest(2 * time.Hour)
		assert.Equal(t, inbox.StateDone, e.Record(job.JobID).State)
		assert.Len(t, e.Calls(), 2)
	})
}

// The function ends in time, and its completion cannot be recorded.
func TestCompletionIsRepeatedWhileTheLeaseLasts(t *testing.T) {
	eachInBubble(t, map[string]int{"for a minute": 1, "for an hour": 60}, func(t *testing.T, e *Env, minutes int) {
		p := e.Start(e.Work)
		p.Spy.Break("Finish", "Extend")
		job := p.Submit(reducto.Async{})
		rest(time.Duration(minutes) * time.Minute)
		p.Spy.Mend()
		rest(10 * time.Minute)
		assert.Equal(t, inbox.StateDone, e.Record(job.JobID).State)
		assert.Equal(t, minutes == 1, len(e.Calls()) == 1, "%d calls", len(e.Calls()))
	})
}
