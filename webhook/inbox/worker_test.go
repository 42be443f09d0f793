package inbox_test

import (
	"context"
	"errors"
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

func TestFailingFunctionIsRetriedUntilTheJobExpires(t *testing.T) {
	type retries struct {
		opts     []inbox.Option
		late     time.Duration // between the submission and the delivery
		min, max int           // attempts
		pause    func(n int) time.Duration
	}
	eachInBubble(t, map[string]retries{
		"by default": {
			min: 15, max: 40,
			pause: func(n int) time.Duration { return min(time.Second<<min(n-1, 20), 10*time.Minute) },
		},
		"with options": {
			opts: []inbox.Option{
				inbox.WithMinBackoff(time.Minute), inbox.WithMaxBackoff(4 * time.Minute), inbox.WithJobExpiry(2 * time.Hour), inbox.WithGiveUpBefore(30 * time.Minute),
			},
			min: 20, max: 50,
			pause: func(n int) time.Duration { return min(time.Minute<<min(n-1, 20), 4*time.Minute) },
		},
		"with a longest pause below the first": {
			opts: []inbox.Option{inbox.WithMinBackoff(10 * time.Minute), inbox.WithMaxBackoff(time.Minute), inbox.WithJobExpiry(3 * time.Hour)},
			min:  11, max: 25,
			pause: func(int) time.Duration { return 10 * time.Minute },
		},
		"three times if it is too late for more": {
			opts: []inbox.Option{inbox.WithJobExpiry(time.Hour), inbox.WithGiveUpBefore(time.Minute), inbox.WithPollAfter(10 * time.Hour)},
			late: 2 * time.Hour, min: 3, max: 3,
			pause: func(n int) time.Duration { return time.Second << (n - 1) },
		},
	}, func(t *testing.T, e *Env, tt retries) {
		var calls []time.Time
		p := e.Start(func(_ context.Context, d *webhook.Delivery) error {
			calls = append(calls, time.Now())
			assert.Equal(t, len(calls), d.Attempt)
			return errNotNow
		}, tt.opts...)
		if tt.late > 0 {
			e.Srv.WebhookFault(reductotest.DelayBy(tt.late))
		}
		began := time.Now()
		job := p.Submit(reducto.Async{})
		skip, before := time.Duration(0), 0 // time that only the store sees, and the attempts before it
		if len(tt.opts) == 0 {
			rest(time.Hour)
			skip, before = 9*time.Hour+40*time.Minute, len(calls)
			e.Advance(skip)
		}
		for e.Record(job.JobID).State != inbox.StateDead {
			rest(5 * time.Minute)
		}
		assert.GreaterOrEqual(t, len(calls), tt.min)
		assert.LessOrEqual(t, len(calls), tt.max)
		for n := 1; n < len(calls); n++ {
			if n == before {
				continue
			}
			pause, about := calls[n].Sub(calls[n-1]), tt.pause(n)
			assert.GreaterOrEqual(t, pause, about/2, "after attempt %d", n)
			assert.LessOrEqual(t, pause, about+2*time.Second, "after attempt %d", n)
		}
		if len(tt.opts) == 0 {
			last := calls[len(calls)-1].Sub(began) + skip
			assert.LessOrEqual(t, last, 11*time.Hour, "an hour before the job expires")
			assert.Greater(t, last, 10*time.Hour+40*time.Minute)
		}
		assert.Equal(t, 1, e.Meter.Counter("dead"))
	}, reductotest.WithJobTTL(1000*time.Hour))
}

func TestWithoutRefetchBelievesTheDelivery(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work, inbox.WithoutRefetch())
		require.Equal(t, 200, Post(p, Payload("Failed", JobA, Signed())))
		rest(time.Minute)
		assert.Equal(t, webhook.OutcomeFailed, e.Call().Outcome)
		assert.Empty(t, e.Srv.RequestsTo("GET /job"))
		_, err := e.Call().Job(t.Context())
		require.ErrorIs(t, err, reducto.ErrExpired, "Job asks the API")
		e.Srv.SeedJob(reductotest.SeedJob{ID: JobB, Status: "Completed"})
		require.Equal(t, 200, Post(p, Payload("Vanished", JobB, Signed())))
		rest(time.Minute)
		e.Done(JobB, webhook.OutcomeCompleted) // the API tells what an unknown status is
	})
}

func TestFuncTimeoutEndsTheContext(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Then(func(ctx context.Context, d *webhook.Delivery) error {
			if d.Attempt > 1 {
				return nil
			}
			err := takes(time.Hour)(ctx, d)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			return err
		}), inbox.WithFuncTimeout(10*time.Minute))
		require.Equal(t, 200, seeded(e, p, JobA))
		rest(10*time.Minute - time.Second)
		assert.Len(t, e.Calls(), 1)
		rest(time.Minute)
		assert.Len(t, e.Calls(), 2)
		assert.Equal(t, inbox.StateDone, e.Record(JobA).State)
	})
}

// The function can end a job whatever the API says, and the record keeps why.
func TestErrorsOfTheFunctionDecideTheRecord(t *testing.T) {
	type want struct {
		err     error
		state   inbox.State
		outcome webhook.Outcome
		metric  string
	}
	eachInBubble(t, map[string]want{
		"permanent": {webhook.Permanent(errNotNow), inbox.StateDead, webhook.OutcomeCompleted, "handled{permanent}"},
		"expired":   {errors.Join(errNotNow, reducto.ErrExpired), inbox.StateDone, webhook.OutcomeExpired, "handled{expired}"},
		"other":     {errNotNow, inbox.StateReceived, webhook.OutcomeCompleted, "handled{failed}"},
	}, func(t *testing.T, e *Env, tt want) {
		p := e.Start(e.Then(func(context.Context, *webhook.Delivery) error { return tt.err }), inbox.WithMinBackoff(time.Hour))
		require.Equal(t, 200, seeded(e, p, JobA))
		rest(time.Minute)
		r := e.Record(JobA)
		assert.Equal(t, tt.state, r.State)
		assert.Equal(t, tt.outcome, r.Outcome)
		assert.Contains(t, r.Error, "not now")
		assert.Equal(t, 1, e.Meter.Counter(tt.metric))
		assert.Len(t, e.Calls(), 1)
	})
}

// A duplicate that arrives long after its record was purged: the job is gone.
func TestUnknownJobThatIsGoneIsNotProcessed(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		require.Equal(t, 200, Post(p, Genuine(JobA)))
		rest(time.Hour)
		assert.Empty(t, e.Calls())
		assert.Equal(t, inbox.StateDone, e.Record(JobA).State)
		assert.LessOrEqual(t, len(e.Srv.RequestsTo("GET /job")), 10, "for a minute it may not be visible yet")
	})
}
