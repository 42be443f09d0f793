package inbox_test

import (
	"context"
	"errors"
	"strings"
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

func TestRunAtTheWrongTime(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(e.Work)
		require.ErrorContains(t, p.Run(t.Context(), nil), "client")
		require.ErrorContains(t, p.RunOnce(t.Context(), nil), "client")

		ctx, cancel := context.WithCancelCause(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- p.Run(ctx, p.Client) }()
		rest(0)
		require.ErrorContains(t, p.Run(t.Context(), p.Client), "running already")
		require.ErrorContains(t, p.RunOnce(t.Context(), p.Client), "running already")
		reason := errors.New("enough")
		cancel(reason)
		require.ErrorIs(t, <-ran, reason)

		// It can run again, and receives meanwhile.
		job := p.Submit(reducto.Async{})
		rest(time.Minute)
		assert.Equal(t, []int{200}, e.Codes(job.JobID))
		assert.Empty(t, e.Calls())
		go func() { ran <- p.Run(t.Context(), p.Client) }()
		rest(time.Minute)
		assert.Len(t, e.Calls(), 1)
		require.NoError(t, p.Shutdown(t.Context()))
		require.NoError(t, <-ran)
		require.ErrorContains(t, p.Run(t.Context(), p.Client), "shut down")
		require.ErrorContains(t, p.RunOnce(t.Context(), p.Client), "shut down")

		ended, stop := context.WithCancel(t.Context())
		stop()
		q := e.Process(nothing)
		require.ErrorIs(t, q.Run(ended, q.Client), context.Canceled)
		require.ErrorIs(t, q.RunOnce(ended, q.Client), context.Canceled)
	})
}

func TestRunOnceDoesWhatIsDue(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		f := e.Then(func(_ context.Context, d *webhook.Delivery) error {
			time.Sleep(time.Second)
			if d.Attempt == 1 && strings.Contains(string(d.Metadata), "fail") {
				return errNotNow
			}
			return nil
		})
		p := e.Process(f, inbox.WithMinBackoff(10*time.Second))
		p.Once() // there is nothing to do
		for range 5 {
			p.Submit(reducto.Async{})
		}
		rest(100 * time.Millisecond)
		e.Srv.WebhookFault(reductotest.Lose())
		lost := p.Submit(reducto.Async{})
		rest(100 * time.Millisecond)
		failing := p.Submit(reducto.Async{Metadata: map[string]bool{"fail": true}})
		rest(100 * time.Millisecond)
		began := time.Now()
		p.Once()
		assert.Len(t, e.Calls(), 6)
		assert.Less(t, time.Since(began), 5*time.Second, "it does not wait for what is due later")
		assert.Equal(t, inbox.StateReceived, e.Record(failing.JobID).State)
		assert.Equal(t, inbox.StatePending, e.Record(lost.JobID).State)
		rest(time.Minute)
		p.Once()
		assert.Len(t, e.Calls(), 8, "the one that failed, and the one without a delivery")
		assert.Len(t, e.Records(inbox.StateDone), 7)

		// Another process can follow at once, as the lock was released.
		for range 2 {
			q := e.Process(f)
			require.NoError(t, q.Track(t.Context(), e.Srv.SeedJob(completed)))
			q.Once()
		}
		assert.Len(t, e.Calls(), 10)
	})
}

func TestRunOnceReturnsErrorsOfStoreAndAPI(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(nothing)
		for _, method := range []string{"Claim", "Overdue", "Lock"} {
			p.Spy.Break(method)
			require.ErrorIs(t, p.RunOnce(t.Context(), p.Client), ErrDown, method)
		}
		p.Spy.Mend()
		require.NoError(t, p.Track(t.Context(), e.Srv.SeedJob(completed)))
		e.Srv.SetAPIKey("another")
		require.ErrorIs(t, p.RunOnce(t.Context(), p.Client), reducto.ErrUnauthorized)
	})
}

// The function's errors are in the records, and the store is asked less often while it
// fails.
func TestRunGoesOnAfterTheStoreFailed(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		p.Spy.Break("Claim", "Stats", "Purge")
		job := p.Submit(reducto.Async{})
		rest(time.Minute)
		assert.InDelta(t, 60, p.Spy.Count("Claim"), 5)
		assert.Empty(t, e.Calls())
		p.Spy.Mend()
		rest(time.Minute)
		e.Done(job.JobID, webhook.OutcomeCompleted)
	})
}

func TestOldRecordsArePurged(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Then(func(_ context.Context, d *webhook.Delivery) error {
			if d.JobID == JobA {
				return webhook.Permanent(errNotNow)
			}
			return nil
		}), inbox.WithDoneRetention(time.Hour), inbox.WithDeadRetention(2*time.Hour))
		p.Spy.Break("Purge")
		rest(time.Minute)
		assert.Equal(t, 200, seeded(e, p, JobA))
		assert.Equal(t, 200, seeded(e, p, JobB))
		rest(30 * time.Minute)
		p.Spy.Mend()
		assert.Len(t, e.Records(), 2)
		rest(time.Hour)
		assert.Len(t, e.Records(inbox.StateDead), 1)
		assert.Len(t, e.Records(), 1)
		rest(time.Hour)
		assert.Empty(t, e.Records())
	})
}

// The reconciler's requests can take all of RunOnce's time.
func TestRunOnceCallsFunctionsBeforeItPolls(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(e.Work, inbox.WithoutRefetch())
		e.Srv.WebhookFault(reductotest.Lose())
		p.Submit(reducto.Async{})
		rest(2 * time.Minute)
		job := p.Announced(reducto.Async{})
		e.Srv.Fault("GET /job", reductotest.Delay(time.Hour).Always())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.ErrorIs(t, p.RunOnce(ctx, p.Client), context.DeadlineExceeded)
		e.Done(job.JobID, webhook.OutcomeCompleted)
		assert.Len(t, e.Calls(), 1)
	})
}

// Functions can take all of RunOnce's time too, as new deliveries arrive.
func TestRunOncePollsAndPurgesWhileFunctionsRun(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(e.Then(func(context.Context, *webhook.Delivery) error {
			rest(30 * time.Second)
			return nil
		}), inbox.WithDoneRetention(time.Minute))
		old := p.Announced(reducto.Async{})
		p.Once()
		e.Done(old.JobID, webhook.OutcomeCompleted)
		lost := p.Lost(reducto.Async{})
		rest(time.Hour)
		p.Announced(reducto.Async{})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		ran := make(chan error, 1)
		go func() { ran <- p.RunOnce(ctx, p.Client) }()
		for range 8 {
			rest(20 * time.Second)
			p.Submit(reducto.Async{})
		}
		assert.NotEqual(t, inbox.StatePending, e.Record(lost.JobID).State)
		_, err := p.Get(t.Context(), old.JobID)
		require.ErrorIs(t, err, reducto.ErrNotFound, "it is purged")
		require.NoError(t, <-ran)
	})
}

func TestShutdownEndsThePollingOfRunOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(e.Then(takes(30*time.Second)), inbox.WithoutRefetch())
		for range 2 { // each request takes half a minute
			p.Lost(reducto.Async{})
		}
		rest(time.Hour)
		p.Announced(reducto.Async{})
		e.Srv.Fault("GET /job", reductotest.Delay(time.Hour).Always())
		ran := make(chan error, 1)
		go func() { ran <- p.RunOnce(t.Context(), p.Client) }()
		rest(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
		defer cancel()
		require.NoError(t, p.Shutdown(ctx))
		require.NoError(t, <-ran)
		assert.Len(t, e.Records(inbox.StateDone), 1, "the running function has finished")
	})
}

// A process can be paused after RunOnce, or after ServeHTTP and Flush.
func TestRunOnceAndFlushLeaveNothingToWrite(t *testing.T) {
	eachInBubble(t, map[string]func(t *testing.T, p *Process){
		"RunOnce": func(_ *testing.T, p *Process) { p.Once() },
		"Flush":   func(t *testing.T, p *Process) { require.NoError(t, p.Inbox.Flush(t.Context())) },
	}, func(t *testing.T, e *Env, end func(*testing.T, *Process)) {
		p := e.Process(e.Work, inbox.WithHistory(), inbox.WithObserver(slowMeter{e.Meter}))
		seeded(e, p, JobA)
		end(t, p)
		assert.NotEmpty(t, life(t, p.Inbox, JobA))
		assert.Equal(t, 1, e.Meter.Counter(inbox.MetricDeliveries+"{accepted}"))
		assert.NotEmpty(t, e.Meter.Values(inbox.MetricIntakeSeconds))
		assert.True(t, e.Log.Has("inbox: received"))
	})
}

// slowMeter is a Meter that is slow.
type slowMeter struct{ *Meter }

func (m slowMeter) Observe(name string, seconds float64) {
	time.Sleep(100 * time.Millisecond)
	m.Meter.Observe(name, seconds)
}

func TestRunOnceMeasuresRecords(t *testing.T) {
	eachInBubble(t, map[string]time.Duration{"all is done": time.Minute, "the time is over": time.Second}, func(t *testing.T, e *Env, limit time.Duration) {
		p := e.Process(takes(10 * time.Second))
		p.Announced(reducto.Async{})
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_ = p.RunOnce(ctx, p.Client)
		_, measured := e.Meter.GaugeOf(inbox.MetricOldestDueSeconds)
		assert.True(t, measured)
	})
}
