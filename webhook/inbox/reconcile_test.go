package inbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// seed makes n jobs that have ended and whose deliveries do not come. The list of jobs
// has them in order.
func seed(e *Env, n int) {
	for i := range n {
		if i%1000 == 999 {
			time.Sleep(time.Millisecond)
		}
		e.Seed(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"})
	}
}

func TestReconcilerListsManyPendingJobs(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		jobs := 100_000
		if testing.Short() || raceEnabled {
			jobs = 2_000
		}
		seed(e, jobs)
		var calls atomic.Int64
		p := e.Start(func(context.Context, *webhook.Delivery) error { calls.Add(1); return nil }, inbox.WithWorkers(64), inbox.WithoutRefetch())
		for began := time.Now(); int(calls.Load()) < jobs && time.Since(began) < time.Hour; {
			rest(time.Second)
		}
		assert.EqualValues(t, jobs, calls.Load())
		lists := e.Srv.RequestsTo("GET /jobs")
		assert.LessOrEqual(t, len(lists), jobs/500+1)
		assert.LessOrEqual(t, len(e.Srv.RequestsTo("GET /job")), 2)
		assert.GreaterOrEqual(t, lists[len(lists)-1].Time.Sub(lists[0].Time), time.Duration(len(lists)-1)*time.Second/2, "two requests a second")
		require.NoError(t, p.Healthy())
	})
}

func TestReconcilerFetchesFewJobsOneByOne(t *testing.T) {
	type pending struct{ jobs, others, lists int }
	eachInBubble(t, map[string]pending{
		"two jobs":                      {jobs: 2},
		"ten jobs behind twenty pages":  {jobs: 10, others: 20, lists: 2},
		"ten jobs on the first page":    {jobs: 10, lists: 1},
		"ten jobs behind another pages": {jobs: 10, others: 1, lists: 2},
	}, func(t *testing.T, e *Env, tt pending) {
		e.Start(e.Work)
		seed(e, tt.jobs)
		for range tt.others {
			time.Sleep(2 * time.Second)
			for range 500 {
				e.Srv.SeedJob(completed)
			}
		}
		rest(2 * time.Minute)
		assert.Len(t, e.Calls(), tt.jobs)
		assert.LessOrEqual(t, len(e.Srv.RequestsTo("GET /jobs")), tt.lists)
	})
}

// failing is a store that cannot receive one job, nor others of its batch.
type failing struct {
	inbox.Store
	job atomic.Value
}

func (s *failing) Receive(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error) {
	if slices.ContainsFunc(list, func(n inbox.Notification) bool { return n.JobID == s.job.Load() }) {
		return nil, ErrDown
	}
	return s.Store.Receive(ctx, list)
}

func TestReconcilerGoesOnAfterARecordThatFails(t *testing.T) {
	// Two are fetched. 1200 are listed, on several pages and in several batches.
	eachInBubble(t, map[string]int{"fetched": 2, "listed": 1200}, func(t *testing.T, e *Env, jobs int) {
		first := "job-0" // before the others
		if jobs > 2 {
			first = fmt.Sprintf("job-%d", jobs-1) // on the first page
		}
		store := new(failing)
		store.job.Store(first)
		p := e.ProcessOn(NewSpy(e.Open()), func(s inbox.Store) inbox.Store { store.Store = s; return store }, e.Secret, e.Work, inbox.WithoutRefetch())
		seed(e, jobs)
		p.Start()
		rest(90 * time.Second)
		assert.Len(t, e.Calls(), jobs-1, "after the first pass")
		if jobs == 2 { // with more, log records are lost
			assert.Equal(t, 1, e.Log.Count(slog.LevelWarn, "the reconciler failed"))
			assert.True(t, e.Log.Has("the end of a job could not be recorded: the store is down"))
		}
		store.job.Store("")
		rest(10 * time.Minute)
		assert.Len(t, e.Calls(), jobs)
		require.NoError(t, p.Healthy())
	})
}

func TestReconcilerStopsAPassIfTheStoreIsDown(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(e.Work, inbox.WithoutRefetch())
		seed(e, 600)
		p.Spy.Break("Receive")
		time.Sleep(time.Minute)
		require.ErrorIs(t, p.RunOnce(t.Context(), p.Client), ErrDown)
		assert.Equal(t, 1+3, p.Spy.Count("Receive"), "a batch, and three of its records")
		assert.Len(t, e.Srv.RequestsTo("GET /jobs"), 1)
		p.Spy.Mend()
		time.Sleep(5 * time.Minute)
		p.Once()
		assert.Len(t, e.Calls(), 600)
	})
}

// A job of a lost answer is found, and the store cannot record that.
func TestReconcilerFindsALostAnswerAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		e.Srv.WebhookFault(reductotest.Lose())
		e.Srv.Fault("POST /parse_async", reductotest.LoseAnswer())
		_, err := p.Client.ParseAsync(t.Context(), Document)
		require.Error(t, err)
		p.Spy.Break("Bind")
		rest(3 * time.Minute)
		assert.Empty(t, e.Calls())
		assert.True(t, e.Log.Has("a job that was found could not be recorded"))
		p.Spy.Mend()
		rest(10 * time.Minute)
		assert.Equal(t, inbox.SourcePoll, e.Record(e.Call().JobID).Source)
	})
}

// A later job of another submission names the submission whose answer was lost.
func TestReconcilerFindsALostAnswerBehindAJobThatNamesIt(t *testing.T) {
	eachInBubble(t, map[string]map[string]any{
		"with another name": {"retry_of_submission_id": "order-7", "submission_id": "order-9"},
		"deeper":            {"retry_of": map[string]any{"submission_id": "order-7"}, "submission_id": "order-9"},
	}, func(t *testing.T, e *Env, metadata map[string]any) {
		e.Start(e.Work)
		require.NoError(t, e.Store.Submit(t.Context(), inbox.Submission{ID: "order-7", Webhook: true, PollAfter: 10 * time.Minute}))
		own := e.Srv.SeedJob(reductotest.SeedJob{Status: "Completed", Metadata: map[string]any{"submission_id": "order-7"}})
		rest(time.Minute)
		require.NoError(t, e.Store.Submit(t.Context(), inbox.Submission{ID: "order-9", Webhook: true, PollAfter: time.Hour}))
		later := e.Srv.SeedJob(reductotest.SeedJob{Status: "Completed", Metadata: metadata})
		require.NoError(t, e.Store.Bind(t.Context(), inbox.Answer{SubmissionID: "order-9", JobID: later, Jobs: 1}))
		rest(2 * time.Hour)
		assert.Equal(t, "order-7", e.Done(own, webhook.OutcomeCompleted).SubmissionID)
		assert.Equal(t, "order-9", e.Done(later, webhook.OutcomeCompleted).SubmissionID)
		assert.Zero(t, e.Meter.Counter("conflicts"), "this is no contradiction")
	})
}

// The store returns some overdue records and then fails.
func TestReconcilerPollsWhatTheStoreReturned(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(e.Work)
		seed(e, 5)
		calls := 0
		p.Spy.Before(func(_ context.Context, method string) error {
			if method == "Overdue" {
				if calls++; calls == 2 {
					return ErrDown
				}
			}
			return nil
		})
		time.Sleep(time.Minute)
		p.Once()
		assert.Len(t, e.Calls(), 5)
	})
}

// short is a store that answers for no notification.
type short struct{ *Spy }

func (short) Receive(context.Context, []inbox.Notification) ([]inbox.ReceiveResult, error) {
	return nil, nil
}

func TestReconcilerWithoutAnswersFails(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		spy := NewSpy(e.Open())
		p := e.ProcessOn(spy, func(inbox.Store) inbox.Store { return short{spy} }, e.Secret, e.Work)
		seed(e, 1)
		time.Sleep(time.Minute)
		require.ErrorContains(t, p.RunOnce(t.Context(), p.Client), "the store gave 0 answers to 1 notifications")
		assert.Equal(t, http.StatusServiceUnavailable, Post(p, Genuine("job-0")))
	})
}

func TestOneProcessReconciles(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		a, b := e.Start(e.Work), e.Start(e.Work)
		seed(e, 50)
		rest(10 * time.Minute)
		assert.Len(t, e.Calls(), 50)
		assert.Equal(t, 50, e.Meter.Counter("reconciled"))
		if a.Spy.Count("Overdue") == 0 {
			a, b = b, a
		}
		assert.Zero(t, b.Spy.Count("Overdue"))
		a.Kill() // its lock ends
		rest(time.Minute)
		assert.Positive(t, b.Spy.Count("Overdue"))
	})
}

// The lock is lost during a pass.
func TestReconcilerStopsWithoutItsLock(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work, inbox.WithPollRate(0.02)) // each request outlasts the lock
		seed(e, 3)
		rest(59 * time.Second)
		var lost atomic.Bool
		p.Spy.Before(func(_ context.Context, method string) error {
			if method == "Lock" && len(e.Srv.Requests()) > 0 && !lost.Swap(true) {
				return ErrDown
			}
			return nil
		})
		e.Srv.Fault("GET /jobs", reductotest.Status(200).JSON(map[string]any{"jobs": []any{}, "next_cursor": "next"}))
		rest(2 * time.Hour)
		assert.True(t, lost.Load())
		assert.Len(t, e.Calls(), 3)
	})
}

func TestJobPendingForLongIsAnAlert(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		e.Start(nothing)
		e.Srv.Hold()
		e.Seed(reductotest.SeedJob{})
		rest(time.Hour)
		assert.Zero(t, e.Log.Count(slog.LevelError, ""))
		e.Advance(10 * time.Hour)
		rest(time.Hour)
		alerts := e.Log.Count(slog.LevelError, "still pending")
		assert.Positive(t, alerts)
		assert.LessOrEqual(t, alerts, 6)
		oldest, _ := e.Meter.GaugeOf("oldest_pending_seconds")
		assert.Greater(t, oldest, 11*3600.0)
		nearest, _ := e.Meter.GaugeOf("nearest_expiry_seconds")
		assert.Less(t, nearest, 3600.0)
	})
}
