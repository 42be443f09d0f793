package scenarios_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
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

var completed = reductotest.SeedJob{Status: "Completed"}

// pending makes n jobs whose records are pending.
func pending(e *Env, n int, job reductotest.SeedJob) (ids []string) {
	return overdueAfter(e, time.Minute, n, job)
}

func overdueAfter(e *Env, d time.Duration, n int, job reductotest.SeedJob) (ids []string) {
	for range n {
		ids = append(ids, e.Srv.SeedJob(job))
	}
	var all sync.WaitGroup
	for part := range 2 { // as many as there are connections
		all.Go(func() {
			for i := part; i < n; i += 2 {
				assert.NoError(e.T, e.Store.Submit(e.T.Context(), inbox.Submission{JobID: ids[i], Webhook: true, PollAfter: d}))
			}
		})
	}
	all.Wait()
	return ids
}

// Scenario 55. Package inbox has a test with 100 000 jobs. These are more than a
// database returns at once.
func manyPending(t *testing.T, e *Env) {
	jobs := 1050
	if raceEnabled {
		jobs = 150
	}
	p := e.Process(e.Work, inbox.WithoutRefetch(), inbox.WithWorkers(64))
	e.Srv.Hold()
	ids := overdueAfter(e, 0, jobs, reductotest.SeedJob{})
	for i := range 10 {
		e.Srv.Complete(ids[i*jobs/10])
	}
	p.Once()
	assert.Len(t, e.Records(inbox.StateDone), 10)
	assert.Len(t, e.Records(inbox.StatePending), jobs-10)
	assert.LessOrEqual(t, len(e.Srv.RequestsTo("GET /jobs")), jobs/500+1)
	assert.LessOrEqual(t, len(e.Srv.RequestsTo("GET /job")), 2)
	requests := len(e.Srv.Requests())
	p.Once()
	assert.Len(t, e.Srv.Requests(), requests, "nothing is overdue")
}

// Scenario 55.
func pollRate(t *testing.T, e *Env) {
	p := e.Process(e.Work, inbox.WithPollRate(20))
	e.Srv.Hold()
	pending(e, 5, reductotest.SeedJob{})
	e.Srv.Fault("GET /jobs", emptyList)
	began := time.Now()
	p.Later(2 * time.Minute)
	requests := len(e.Srv.RequestsTo("GET /jobs")) + len(e.Srv.RequestsTo("GET /job"))
	assert.Equal(t, 6, requests, "one list, and five jobs that are not on it")
	assert.GreaterOrEqual(t, time.Since(began), time.Duration(requests-1)*time.Second/20)
}

var emptyList = reductotest.Status(200).JSON(map[string]any{"jobs": []any{}, "next_cursor": nil})

func inTwoMinutes() string { return time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat) }

// Scenario 56.
func tooManyRequests(retryAfter func() string) func(*testing.T, *Env) {
	return func(t *testing.T, e *Env) {
		e.Srv.Fault("GET /", reductotest.Status(429).Header("Retry-After", retryAfter()).Always())
		p := e.Process(e.Work)
		ids := pending(e, 20, completed)
		e.Advance(2 * time.Minute)
		require.ErrorIs(t, p.RunOnce(t.Context(), p.Client), reducto.ErrRateLimited)
		assert.Len(t, e.Srv.Requests(), 1)

		// One refusal is for all workers.
		for _, id := range ids {
			require.Equal(t, http.StatusOK, Post(p, Genuine(id)))
		}
		worker := e.Process(e.Work, inbox.WithWorkers(2))
		before := len(e.Srv.Requests())
		worker.Once()
		assert.LessOrEqual(t, len(e.Srv.Requests()), before+3)
		before = len(e.Srv.Requests())
		worker.Later(time.Minute)
		assert.Len(t, e.Srv.Requests(), before, "it waits")
		assert.Len(t, e.Records(inbox.StateReceived), 20, "no record is changed")

		e.Srv.ClearFaults()
		e.Process(e.Work).Later(15 * time.Minute)
		for _, id := range ids {
			e.Done(id, webhook.OutcomeCompleted)
		}
	}
}

// Scenario 57.
func nonsense(t *testing.T, e *Env) {
	for _, fault := range []reductotest.Fault{
		reductotest.HTML(502), reductotest.Status(200).Body("application/json", ""), reductotest.HTML(404), reductotest.HTML(200),
		reductotest.Drop(), reductotest.Truncate(10), reductotest.Status(503), reductotest.Status(408), reductotest.LoseAnswer(),
		reductotest.Status(200).JSON(`{"jobs":17}`),
	} {
		p := e.Process(e.Work)
		ids := pending(e, 5, completed) // listed
		announced := e.Srv.SeedJob(completed)
		require.Equal(t, http.StatusOK, Post(p, Genuine(announced)))
		e.Srv.Fault("GET /", fault.Always())
		for range 3 {
			e.Advance(20 * time.Minute)
			_ = p.RunOnce(t.Context(), p.Client) // it may fail
		}
		alone := pending(e, 1, completed)[0] // fetched
		e.Advance(time.Minute)
		_ = p.RunOnce(t.Context(), p.Client)
		assert.Len(t, e.Records(inbox.StatePending), 6)
		assert.Equal(t, inbox.StateReceived, e.Record(announced).State)
		e.Srv.ClearFaults()
		p.Later(time.Hour)
		for _, id := range append(ids, announced, alone) {
			e.Done(id, webhook.OutcomeCompleted)
		}
	}
}

// Scenario 58.
func keyRefused(status int) func(*testing.T, *Env) {
	return func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		lost := pending(e, 1, completed)[0]
		e.Srv.Fault("GET /", reductotest.Status(status).Always())
		announced := e.Srv.SeedJob(completed)
		require.Equal(t, http.StatusOK, Post(p, Genuine(announced)))
		e.Until("it is noticed", func() bool { return p.Healthy() != nil })
		require.ErrorContains(t, p.Healthy(), "refuses the client's key")
		e.Advance(30 * time.Minute)
		late := e.Srv.SeedJob(completed)
		require.Equal(t, http.StatusOK, Post(p, Genuine(late)), "intake goes on")
		p.Flush()
		assert.Positive(t, e.Log.Count(slog.LevelError, "refuses the client's key"), "an alert")
		assert.LessOrEqual(t, len(e.Srv.Requests()), 3, "it pauses")
		assert.Equal(t, inbox.StatePending, e.Record(lost).State)
		assert.Equal(t, inbox.StateReceived, e.Record(announced).State)
		e.Srv.ClearFaults()
		e.Process(e.Work).Later(2 * time.Minute)
		for _, id := range []string{lost, announced, late} {
			e.Done(id, webhook.OutcomeCompleted)
		}
	}
}

// onceEach makes two processes do at once what is due.
func onceEach(t *testing.T, e *Env, a, b *Process) {
	ids := pending(e, 20, completed)
	e.Advance(2 * time.Minute)
	var both sync.WaitGroup
	both.Go(a.Once)
	both.Go(b.Once)
	both.Wait()
	b.Once() // what the other one found last
	for _, id := range ids {
		e.Done(id, webhook.OutcomeCompleted)
	}
}

// Scenario 59.
func twoReconcilers(t *testing.T, e *Env) {
	a, b := e.Process(e.Work), e.Process(e.Work)
	onceEach(t, e, a, b)

	// If one dies, the other takes over when its lock ends.
	polling := make(chan struct{})
	var once sync.Once
	a.Spy.Before(func(ctx context.Context, method string) error {
		if method == "Overdue" {
			once.Do(func() { close(polling) })
			<-ctx.Done()
		}
		return nil
	})
	a.Start()
	<-polling
	a.Kill()
	last := pending(e, 1, completed)[0]
	b.Later(2 * time.Minute)
	e.Done(last, webhook.OutcomeCompleted)
}

// Scenario 59.
func lockLost(t *testing.T, e *Env) {
	a, b := e.Process(e.Work), e.Process(e.Work)
	a.Spy.Store, b.Spy.Store = unlocked{a.Spy.Store}, unlocked{b.Spy.Store}
	onceEach(t, e, a, b)
}

// unlocked hides that a store is an inbox.Locker.
type unlocked struct{ inbox.Store }

// Scenario 60.
func missingInList(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	ids, gone := pending(e, 6, completed), pending(e, 1, completed)[0]
	e.Srv.Expire(gone)
	e.Srv.Fault("GET /jobs", emptyList.Always())
	p.Later(2 * time.Minute)
	for _, id := range ids {
		e.Done(id, webhook.OutcomeCompleted)
	}
	e.Done(gone, webhook.OutcomeExpired)
}

// Scenario 60.
func trackedJobNotVisible(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	require.NoError(t, p.Track(t.Context(), JobA))
	p.Once()
	p.Later(40 * time.Second)
	assert.Empty(t, e.Calls(), "it is younger than a minute")
	p.Later(time.Minute)
	e.Done(JobA, webhook.OutcomeExpired)
}

// Scenario 60.
func oneOfTwoGone(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	e.Srv.Hold()
	running := e.Srv.SeedJob(reductotest.SeedJob{})
	e.Pending("job-gone")
	require.NoError(t, e.Store.Bind(t.Context(), inbox.Answer{SubmissionID: "s-job-gone", JobID: running, Jobs: 1}))
	p.Later(10 * time.Minute)
	assert.Empty(t, e.Calls(), "the other one runs")
	e.Srv.Complete(running)
	p.Later(time.Hour)
	e.Done(running, webhook.OutcomeCompleted)
}
