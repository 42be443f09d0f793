package scenarios_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// token returns a delivery for a job that has the token of a submission.
func token(signer *webhook.Signer, submission, jobID string) *http.Request {
	return webhook.NewTestRequest("/", signer, jobID, reducto.JobStatusCompleted, map[string]any{"submission_id": submission})
}

// Scenario 8: a submission that was sent once accepts one job.
func tokenAfterBind(t *testing.T, e *Env) {
	signer := newSigner(t, "k1")
	p := e.ProcessOf(signer, e.Work)
	victim := e.Srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
	job := p.Lost(reducto.Async{})
	require.Equal(t, http.StatusUnauthorized, Serve(p, token(signer, job.SubmissionID, victim)))
	require.Equal(t, http.StatusOK, Serve(p, token(signer, job.SubmissionID, job.JobID)))
	p.Once()
	require.Equal(t, http.StatusUnauthorized, Serve(p, token(signer, job.SubmissionID, victim)))
	e.Done(job.JobID, webhook.OutcomeCompleted)
	assert.Empty(t, e.CallsFor(victim))
	assert.Len(t, e.Records(), 1)
	p.Flush()
	assert.Equal(t, 2, e.Meter.Counter("deliveries{refused}"))
	assert.Positive(t, e.Log.Count(slog.LevelWarn, "its job is not one of its submission"))
}

// answerLater submits, and holds the answer back until gate is closed.
func answerLater(p *Process, gate <-chan struct{}, a reducto.Async) (answered <-chan error) {
	p.AnswersWhen(gate)
	done := make(chan error, 1)
	go func() {
		_, err := p.Client.ParseAsync(p.Env.T.Context(), With(a))
		done <- err
	}()
	return done
}

// Scenario 8: the first delivery names another job, before the answer names one.
func tokenBeforeBind(t *testing.T, e *Env) {
	signer := newSigner(t, "k1")
	p := e.ProcessOf(signer, e.Work)
	victim := e.Srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
	gate, answer := Gate(t)
	e.Srv.Hold()
	id := uuid.NewString()
	answered := answerLater(p, gate, reducto.Async{SubmissionID: id})
	e.Until("it is sent", func() bool { return len(e.Srv.Jobs()) == 2 })
	require.Equal(t, http.StatusOK, Serve(p, token(signer, id, victim)))
	p.Once()
	assert.Empty(t, e.Calls(), "it waits for the answer")
	answer()
	require.NoError(t, <-answered)
	own := e.Srv.Jobs()[0].ID
	if own == victim {
		own = e.Srv.Jobs()[1].ID
	}
	assert.Equal(t, inbox.StatePending, e.Record(own).State)
	require.Equal(t, http.StatusUnauthorized, Serve(p, token(signer, id, victim)))
	e.Srv.WebhookFault(reductotest.Lose())
	e.Srv.Release()
	e.Attempts(own, 4)
	p.Later(time.Minute)
	e.Done(own, webhook.OutcomeCompleted)
	assert.Empty(t, e.CallsFor(victim))
}

// Scenario 8: the job is that of another submission, whose answer comes later.
func tokenWithJobOfAnother(t *testing.T, e *Env) {
	signer := newSigner(t, "k1")
	p := e.ProcessOf(signer, e.Work)
	ids, jobs := []string{uuid.NewString(), uuid.NewString()}, []string{}
	for _, id := range ids {
		require.NoError(t, e.Store.Submit(t.Context(), inbox.Submission{ID: id, Webhook: true, PollAfter: time.Hour}))
		jobs = append(jobs, e.Srv.SeedJob(reductotest.SeedJob{Status: "Completed"}))
	}
	require.Equal(t, http.StatusOK, Serve(p, token(signer, ids[0], jobs[1])))
	require.Equal(t, http.StatusUnauthorized, Serve(p, token(signer, ids[1], jobs[1])), "one record has the job")
	p.Once()
	assert.Empty(t, e.Calls(), "it waits for the answer")
	require.NoError(t, e.Store.Bind(t.Context(), inbox.Answer{SubmissionID: ids[1], JobID: jobs[1], Jobs: 1}))
	require.Equal(t, http.StatusOK, Serve(p, token(signer, ids[1], jobs[1])), "as Reducto's retry does")
	require.NoError(t, e.Store.Bind(t.Context(), inbox.Answer{SubmissionID: ids[0], JobID: jobs[0], Jobs: 1}))
	require.Equal(t, http.StatusOK, Serve(p, token(signer, ids[0], jobs[0])))
	p.Once()
	for i := range ids {
		assert.Equal(t, ids[i], e.Done(jobs[i], webhook.OutcomeCompleted).SubmissionID)
	}
	p.Flush()
	assert.Zero(t, e.Meter.Counter("conflicts"))
}

// Scenario 8: no answer comes, so the delivery is believed after the hold.
func holdEnds(t *testing.T, e *Env) {
	signer := newSigner(t, "k1")
	p := e.ProcessOf(signer, e.Work)
	id := submissionAt(time.Now())
	require.NoError(t, e.Store.Submit(t.Context(), inbox.Submission{ID: id, Webhook: true, PollAfter: time.Hour}))
	job := e.Srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
	require.Equal(t, http.StatusOK, Serve(p, token(signer, id, job)))
	p.Later(inbox.DefaultHold - time.Minute)
	assert.Empty(t, e.Calls())
	p.Later(2 * time.Minute)
	assert.Equal(t, id, e.Done(job, webhook.OutcomeCompleted).SubmissionID)

	// A Bind that comes too late changes nothing.
	other := uuid.NewString()
	require.NoError(t, e.Store.Submit(t.Context(), inbox.Submission{ID: other, Webhook: true, PollAfter: time.Hour}))
	require.ErrorIs(t, e.Store.Bind(t.Context(), inbox.Answer{SubmissionID: other, JobID: job, Jobs: 1}), inbox.ErrConflict)
	assert.Equal(t, id, e.Record(job).SubmissionID)
}

// Scenario 8: a submission that was sent n times accepts n jobs.
func sentTwice(t *testing.T, e *Env) {
	signer := newSigner(t, "k1")
	p := e.ProcessOf(signer, e.Work)
	p.Connect(e.Srv.HTTPClient(), reducto.WithMaxRetries(2))
	e.Srv.Fault("POST /parse_async", reductotest.LoseAnswer())
	job, err := p.Client.ParseAsync(t.Context(), Document, reducto.WithResubmit())
	require.NoError(t, err)
	require.Len(t, e.Srv.Jobs(), 2)
	for _, j := range e.Srv.Jobs() {
		e.Attempts(j.ID, 1)
		assert.Equal(t, []int{200}, e.Codes(j.ID), "the first is processed, the other is a duplicate")
	}
	require.Equal(t, http.StatusUnauthorized, Serve(p, token(signer, job.SubmissionID, JobA)))
	p.Later(5 * time.Minute) // if the job of the lost answer was announced first, it waits
	require.Len(t, e.Records(inbox.StateDone), 1)
	assert.Equal(t, job.SubmissionID, e.Call().SubmissionID)
}

// Scenario 14.
func otherJobIDs(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	for _, id := range []string{"job-1", "Job-1", JobA, strings.ToUpper(JobA), "a.b:c~d", strings.Repeat("x", 128)} {
		e.Srv.SeedJob(reductotest.SeedJob{ID: id, Status: "Completed"})
		require.Equal(t, http.StatusOK, Post(p, Genuine(id)), id)
	}
	assert.Len(t, e.Records(), 5, "two spellings of a UUID are one job")
	p.Once()
	assert.Len(t, e.CallsFor("job-1"), 1)
	assert.Len(t, e.CallsFor("Job-1"), 1)
	assert.Len(t, e.CallsFor(JobA), 1)
	assert.Empty(t, e.CallsFor(strings.ToUpper(JobA)))
	strict := e.Process(e.Work, inbox.WithStrictJobIDs())
	assert.Equal(t, http.StatusBadRequest, Post(strict, Genuine("job-2")))
	assert.Zero(t, strict.Spy.Count())
}

// Scenario 15.
func failedJob(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	e.Srv.FailNext("it did not work", "")
	job := p.Announced(reducto.Async{})
	p.Once()
	got, err := e.Done(job.JobID, webhook.OutcomeFailed).Job(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "it did not work", got.Reason)
	assert.Len(t, e.Srv.RequestsTo("GET /job"), 1)
}

// Scenario 16.
func unknownStatus(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	statuses := map[string]string{"job-0": "Cancelled", "job-1": "Expired", "job-2": "Übergeben", "job-3": strings.Repeat("x", 50)}
	for id, status := range statuses {
		e.Srv.SeedJob(reductotest.SeedJob{ID: id, Status: "Completed"})
		require.Equal(t, http.StatusOK, Post(p, Payload(status, id, Signed())))
		assert.Equal(t, inbox.StateReceived, e.Record(id).State)
	}
	assert.Equal(t, webhook.OutcomeUnknown, e.Record("job-1").Outcome)
	p.Once()
	for id := range statuses {
		e.Done(id, webhook.OutcomeCompleted)
	}
}

// Scenario 21.
func fourTimes(t *testing.T, e *Env) {
	p := e.Start(e.Work)
	e.Srv.WebhookFault(reductotest.Duplicate(3))
	job := p.Submit(reducto.Async{})
	e.Attempts(job.JobID, 4)
	assert.Equal(t, []int{200, 200, 200, 200}, e.Codes(job.JobID))
	e.Until("it is done", func() bool { return e.Record(job.JobID).State == inbox.StateDone })
	e.Done(job.JobID, webhook.OutcomeCompleted)
	e.Until("the counters show it", func() bool {
		stats, err := p.Stats(t.Context())
		require.NoError(t, err)
		return stats.Stats == webhook.Stats{Accepted: 1, Duplicates: 3, Calls: 1}
	})
}

// Scenario 22.
func twoReplicas(t *testing.T, e *Env) {
	replicas := []*Process{e.Start(e.Work), e.Start(e.Work)}
	var ids []string
	for range 10 {
		id := e.Srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		ids = append(ids, id)
		var both sync.WaitGroup
		for _, p := range replicas {
			both.Go(func() { assert.Equal(t, http.StatusOK, Post(p, Genuine(id))) })
		}
		both.Wait()
	}
	e.Until("all are done", func() bool { return len(e.Records(inbox.StateDone)) == len(ids) })
	for _, id := range ids {
		e.Done(id, webhook.OutcomeCompleted)
	}
	for _, p := range replicas {
		p.Flush()
	}
	assert.Equal(t, 10, e.Meter.Counter("deliveries{accepted}"))
	assert.Equal(t, 10, e.Meter.Counter("deliveries{duplicate}"))
}

// Scenario 23.
func thousandAtOnce(t *testing.T, e *Env) {
	p := e.Start(e.Work)
	if e.DB == nil {
		p.Spy.Slow(10*time.Millisecond, "Receive")
	}
	id := e.Srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() { assert.Equal(t, http.StatusOK, Post(p, Genuine(id))) })
	}
	all.Wait()
	e.Until("it is done", func() bool { return e.Record(id).State == inbox.StateDone })
	e.Done(id, webhook.OutcomeCompleted)
	assert.Less(t, p.Spy.Count("Receive"), 500, "deliveries share commits")
}

// Scenario 24.
func contradiction(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	e.Srv.SeedJob(reductotest.SeedJob{ID: JobA, Status: "Completed"})
	for _, status := range []string{"Completed", "Completing", "Vanished", "Completed"} { // one end alone
		assert.Equal(t, http.StatusOK, Post(p, Payload(status, JobA, Signed())))
	}
	p.Once()
	p.Flush()
	assert.Zero(t, e.Meter.Counter("conflicts"))
	p = e.Process(e.Work)
	for _, ended := range []string{"Completed", "Failed"} {
		for _, first := range []string{"Completed", "Failed"} {
			second := map[string]string{"Completed": "Failed", "Failed": "Completed"}[first]
			id := "job-" + ended + "-" + first
			e.Srv.SeedJob(reductotest.SeedJob{ID: id, Status: ended})
			assert.Equal(t, http.StatusOK, Post(p, Payload(first, id, Signed())))
			assert.Equal(t, http.StatusOK, Post(p, Payload(second, id, Signed())))
			p.Once()
			assert.Equal(t, http.StatusOK, Post(p, Payload(first, id, Signed())))
			e.Done(id, webhook.Outcome(strings.ToLower(ended)))
		}
	}
	p.Flush()
	assert.Equal(t, 4+2, e.Meter.Counter("conflicts"), "each second delivery, and each first that the API contradicts")
}

// submissionAt returns the id of a submission that was made at a time: the clock of
// package uuid does not enter a bubble.
func submissionAt(at time.Time) string {
	id := uuid.Must(uuid.NewV7())
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(id[:6], ms[2:])
	return id.String()
}

// Scenario 25.
func duplicateAfterPurge(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	job := p.Announced(reducto.Async{SubmissionID: submissionAt(time.Now().Add(-time.Hour))})
	p.Once()
	e.Done(job.JobID, webhook.OutcomeCompleted)
	e.Srv.Expire(job.JobID)
	p.Later(inbox.DefaultDoneRetention - time.Hour)
	require.Equal(t, http.StatusOK, e.Srv.Redeliver(job.JobID).StatusCode)
	fetched := len(e.Srv.RequestsTo("GET /job"))
	p.Once()
	assert.Len(t, e.Srv.RequestsTo("GET /job"), fetched)

	p.Later(2 * time.Hour)
	require.Empty(t, e.Records())
	require.Equal(t, http.StatusOK, e.Srv.Redeliver(job.JobID).StatusCode)
	p.Once()
	p.Later(time.Hour)
	assert.Len(t, e.Srv.RequestsTo("GET /job"), fetched+1)
	assert.Len(t, e.Calls(), 1, "the function is not called again")
	assert.Equal(t, webhook.OutcomeExpired, e.Record(job.JobID).Outcome)
	p.Flush()
	assert.Equal(t, 1, e.Log.Count(slog.LevelError, "was not submitted here; the function is not called"))
}

// Scenario 26.
func deliveryAndReconciler(t *testing.T, e *Env) {
	p, other := e.Process(e.Work), e.Process(e.Work)
	var ids []string
	for range 5 {
		ids = append(ids, p.Lost(reducto.Async{}).JobID)
	}
	// The reconciler has found one, and then the deliveries arrive.
	found := make(chan struct{}, len(ids))
	p.Spy.Before(func(_ context.Context, method string) error {
		if method == "Receive" {
			found <- struct{}{}
		}
		return nil
	})
	var all sync.WaitGroup
	all.Go(func() { p.Later(2 * time.Minute) })
	<-found
	for _, id := range ids {
		all.Go(func() { assert.Equal(t, http.StatusOK, Post(other, Genuine(id))) })
	}
	all.Wait()
	other.Once()
	for _, id := range ids {
		e.Done(id, webhook.OutcomeCompleted)
	}
	assert.Len(t, e.Records(), len(ids))
}
