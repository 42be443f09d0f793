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
