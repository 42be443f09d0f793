package scenarios_test

import (
	"context"
	"log/slog"
	"net/http"
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

// order is metadata of a submission.
var order = reducto.Async{Metadata: map[string]int{"order": 17}}

// Scenario 41.
func deliveryBeforeAnswer(dies bool) func(*testing.T, *Env) {
	return func(t *testing.T, e *Env) {
		p := e.Process(e.Work)
		gate, answer := Gate(t)
		answered := answerLater(p, gate, order)
		e.Until("it is sent", func() bool { return len(e.Srv.Jobs()) == 1 })
		id := e.Srv.Jobs()[0].ID
		e.Attempts(id, 1)
		assert.Equal(t, []int{200}, e.Codes(id))
		p.Once()
		assert.Empty(t, e.Calls(), "it waits for the answer")
		if dies {
			p.Kill()
			answer()
			<-answered
			e.Process(e.Work).Later(10 * time.Minute)
		} else {
			answer()
			require.NoError(t, <-answered)
			p.Once()
		}
		d := e.Done(id, webhook.OutcomeCompleted)
		assert.JSONEq(t, `{"order":17}`, string(d.Metadata))
		assert.NotEmpty(t, d.SubmissionID)
		assert.Len(t, e.Records(), 1)
	}
}

// submitUnanswered submits, and returns the id of the submission, whose answer is lost.
func submitUnanswered(t *testing.T, p *Process, fault reductotest.Fault) string {
	t.Helper()
	p.Env.Srv.Fault("POST /parse_async", fault)
	_, err := p.Client.ParseAsync(t.Context(), With(order))
	var unknown *reducto.UnknownOutcomeError
	require.ErrorAs(t, err, &unknown)
	return unknown.SubmissionID
}

// Scenario 42.
func answerToSubmissionLost(listed bool) func(*testing.T, *Env) {
	return func(t *testing.T, e *Env) {
		p := e.Process(e.Work)
		if listed {
			e.Srv.WebhookFault(reductotest.Lose())
		}
		id := submitUnanswered(t, p, reductotest.LoseAnswer())
		job := e.Srv.Jobs()[0].ID
		e.Attempts(job, 1)
		p.Later(3 * time.Minute)
		d := e.Done(job, webhook.OutcomeCompleted)
		assert.Equal(t, id, d.SubmissionID)
		assert.JSONEq(t, `{"order":17}`, string(d.Metadata))
		assert.Equal(t, listed, e.Record(job).Source == inbox.SourcePoll)
		assert.Len(t, e.Srv.Jobs(), 1, "no second job")
	}
}

// Scenario 42: the list shows a job that still runs.
func runningJobOfLostAnswer(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	e.Srv.Hold()
	e.Srv.WebhookFault(reductotest.Lose())
	submitUnanswered(t, p, reductotest.LoseAnswer())
	for range 26 {
		p.Later(time.Hour)
	}
	assert.Empty(t, e.Calls())
	e.Srv.Release()
	job := e.Srv.Jobs()[0].ID
	e.Attempts(job, 4)
	p.Later(time.Hour)
	e.Done(job, webhook.OutcomeCompleted)
	p.Flush()
	assert.Zero(t, e.Log.Count(slog.LevelError, "the answer to a submission was lost"))
}

// Scenario 42: there is no job.
func submissionWithoutJob(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	id := submitUnanswered(t, p, reductotest.Drop().Always())
	const alert = "the answer to a submission was lost, and no delivery and no job"
	p.Later(59 * time.Minute)
	assert.Zero(t, e.Log.Count(slog.LevelError, alert))
	p.Later(30 * time.Minute)
	e.Until("there is an alert", func() bool { return e.Log.Count(slog.LevelError, alert) == 1 })
	p.Later(22 * time.Hour)
	assert.Empty(t, e.Calls())
	p.Later(time.Hour)
	d := e.Call()
	assert.Empty(t, d.JobID)
	assert.Equal(t, webhook.OutcomeUnknown, d.Outcome)
	assert.Equal(t, id, d.SubmissionID)
	assert.JSONEq(t, `{"order":17}`, string(d.Metadata))
	_, err := d.Job(t.Context())
	require.ErrorContains(t, err, "no job of it was found")
	assert.Len(t, e.Records(inbox.StateDone), 1)
}

// Scenario 42: the API refused it.
func refusedSubmission(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	e.Srv.Fault("POST /parse_async", reductotest.Status(400))
	_, err := p.Client.ParseAsync(t.Context(), Document)
	require.Error(t, err)
	assert.Empty(t, e.Records())
}

// Scenario 43.
func deliveriesLost(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	e.Srv.Mount("/webhook", nil)
	job := p.Submit(order)
	e.Attempts(job.JobID, 4)
	assert.Equal(t, []int{404, 404, 404, 404}, e.Codes(job.JobID))
	p.Once()
	assert.Empty(t, e.Calls(), "it is not overdue yet")
	p.Later(inbox.DefaultPollAfter + time.Second)
	d := e.Done(job.JobID, webhook.OutcomeCompleted)
	assert.Equal(t, reducto.StatusCompleted, d.Status)
	assert.Equal(t, inbox.SourcePoll, e.Record(job.JobID).Source)
	var metadata struct{ Order int }
	require.NoError(t, d.DecodeMetadata(&metadata))
	assert.Equal(t, 17, metadata.Order, "the submission's")
	p.Flush()
	assert.Equal(t, 1, e.Meter.Counter("reconciled"))
	assert.Equal(t, 1, e.Log.Count(slog.LevelWarn, "no delivery came"))
}

// Scenario 44: the function takes longer than Reducto waits, and than a lease.
func slowFunction(t *testing.T, e *Env) {
	const lease = 5 * time.Second // a busy machine must be able to renew it
	p := e.Start(e.Then(func(ctx context.Context, _ *webhook.Delivery) error {
		select {
		case <-time.After(lease + lease/2):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}), inbox.WithLease(lease))
	e.Srv.WebhookFault(reductotest.Combine(reductotest.BreakAttempts(2), reductotest.Duplicate(2)))
	job := p.Submit(reducto.Async{})
	e.Until("it is done", func() bool { return e.Record(job.JobID).State == inbox.StateDone })
	e.Done(job.JobID, webhook.OutcomeCompleted)
	assert.Equal(t, 1, e.Record(job.JobID).Attempt)
	assert.GreaterOrEqual(t, p.Spy.Count("Extend"), 2)
}

// Scenario 45.
func jobGone(t *testing.T, e *Env) {
	answers := func(status int) func(*reductotest.Server, string) {
		return func(s *reductotest.Server, _ string) { s.Fault("GET /job", reductotest.Status(status).Always()) }
	}
	for i, tt := range []struct {
		gone func(*reductotest.Server, string)
		lost bool
	}{
		{(*reductotest.Server).Expire, false}, // 404
		{answers(410), false},
		{answers(422), false},
		{func(s *reductotest.Server, id string) { s.SetStatus(id, "Completed") }, false}, // without a result
		{(*reductotest.Server).Expire, true},
	} {
		p := e.Process(func(ctx context.Context, d *webhook.Delivery) error {
			_, err := d.Job(ctx)
			assert.ErrorIs(t, err, reducto.ErrExpired)
			return e.Work(ctx, d)
		})
		submit := p.Announced
		if tt.lost {
			submit = p.Lost
		}
		job := submit(reducto.Async{})
		before := len(e.Srv.RequestsTo("GET /job"))
		tt.gone(e.Srv, job.JobID)
		for range 3 {
			p.Later(time.Hour)
		}
		e.Done(job.JobID, webhook.OutcomeExpired)
		assert.Len(t, e.Srv.RequestsTo("GET /job"), before+1, "no retry loop")
		_, err := p.Wait(t.Context(), job.JobID)
		require.ErrorIs(t, err, reducto.ErrExpired)
		p.Flush()
		assert.Equal(t, i+1, e.Log.Count(slog.LevelError, "expired"), "an alert")
		e.Srv.ClearFaults()
	}
}

// Scenario 45: the job expires between two attempts.
func functionFindsJobGone(t *testing.T, e *Env) {
	p := e.Process(e.Then(func(ctx context.Context, d *webhook.Delivery) error {
		e.Srv.Expire(d.JobID)
		if d.Attempt == 1 {
			return errNotNow
		}
		_, err := d.Job(ctx)
		return err
	}), inbox.WithoutRefetch())
	job := p.Announced(reducto.Async{})
	p.Once()
	p.Later(time.Minute)
	assert.Len(t, e.Calls(), 2)
	assert.Equal(t, inbox.StateDone, e.Record(job.JobID).State)
	assert.Equal(t, webhook.OutcomeExpired, e.Record(job.JobID).Outcome)
	p.Flush()
	assert.Equal(t, 1, e.Meter.Counter("handled{expired}"))
	assert.Equal(t, 1, e.Meter.Counter("outcomes{expired}"))
}

// Scenario 45: the API does not know a new job at once.
func jobNotVisibleYet(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	e.Srv.Fault("GET /job", reductotest.Status(404).Times(3))
	job := p.Announced(reducto.Async{})
	e.Until("it is done", func() bool {
		p.Once()
		return e.Record(job.JobID).State == inbox.StateDone
	})
	assert.Equal(t, 1, e.Done(job.JobID, webhook.OutcomeCompleted).Attempt, "only calls of the function count")
}

// Scenario 48.
func readLag(t *testing.T, e *Env) {
	p := e.Process(e.Work, inbox.WithWorkers(1))
	e.Srv.Hold()
	job, other := p.Submit(reducto.Async{}), p.Submit(reducto.Async{})
	e.Srv.ReadLag(job.JobID, 5)
	e.Srv.Complete(job.JobID)
	e.Attempts(job.JobID, 1)
	e.Srv.Complete(other.JobID)
	e.Attempts(other.JobID, 1)
	p.Once()
	e.Done(other.JobID, webhook.OutcomeCompleted)
	for range 8 {
		p.Later(time.Minute)
	}
	assert.Equal(t, 1, e.Done(job.JobID, webhook.OutcomeCompleted).Attempt, "only calls of the function count")
	p.Flush()
	assert.Zero(t, e.Meter.Counter("conflicts"))
}

// Scenario 48, without an end.
func readLagForever(t *testing.T, e *Env) {
	p := e.Process(e.Work, inbox.WithJobExpiry(time.Hour), inbox.WithGiveUpBefore(time.Minute))
	e.Srv.Hold()
	job := p.Submit(reducto.Async{})
	require.Equal(t, http.StatusOK, Post(p, Genuine(job.JobID)))
	p.Later(2 * time.Hour)
	assert.Empty(t, e.Calls())
	p.Later(2 * time.Hour)
	_, err := e.Done(job.JobID, webhook.OutcomeUnknown).Job(t.Context())
	require.ErrorContains(t, err, "still runs")
	assert.Less(t, len(e.Srv.RequestsTo("GET /job")), 50)
}

// Scenario 49.
func freshLink(t *testing.T, e *Env) {
	p := e.Process(func(ctx context.Context, d *webhook.Delivery) error {
		if d.Attempt == 1 {
			e.Srv.ExpireLinks()
			return errNotNow
		}
		job, err := d.Job(ctx)
		if err != nil {
			return err
		}
		result, err := reducto.As[*reducto.ParseResult](job)
		if err != nil {
			return err
		}
		for c, err := range result.Chunks(ctx) {
			if err != nil {
				return err
			}
			assert.Contains(t, c.Content, "Dear reader")
		}
		return e.Work(ctx, d)
	})
	e.Srv.PutDocument("https://example.com/a.pdf", []byte("Dear reader, "+strings.Repeat("this is long. ", 100)))
	job := p.Announced(reducto.Async{})
	p.Once()
	p.Later(time.Minute)
	assert.Equal(t, 2, e.Done(job.JobID, webhook.OutcomeCompleted).Attempt)
}

// Scenario 50.
func cancelled(t *testing.T, e *Env) {
	jobEnds(t, e, webhook.OutcomeCancelled, (*reducto.Client).CancelJob)
}

func deleted(t *testing.T, e *Env) {
	jobEnds(t, e, webhook.OutcomeExpired, func(c *reducto.Client, ctx context.Context, id string) error { return c.DeleteJob(ctx, id, false) })
}

// jobEnds ends a job without a delivery.
func jobEnds(t *testing.T, e *Env, outcome webhook.Outcome, end func(*reducto.Client, context.Context, string) error) {
	p := e.Process(e.Work)
	e.Srv.Hold()
	e.Srv.WebhookFault(reductotest.Lose())
	job := p.Submit(reducto.Async{})
	waited := make(chan error, 1)
	go func() {
		_, err := p.Wait(t.Context(), job.JobID)
		waited <- err
	}()
	require.NoError(t, end(p.Client, t.Context(), job.JobID))
	e.Until("it is done", func() bool {
		p.Later(2 * time.Minute)
		return e.Record(job.JobID).State == inbox.StateDone
	})
	e.Done(job.JobID, outcome)
	var ended *inbox.OutcomeError
	require.ErrorAs(t, <-waited, &ended)
	assert.Equal(t, outcome, ended.Record.Outcome)
	requests := len(e.Srv.Requests())
	p.Later(2 * time.Hour)
	assert.Len(t, e.Srv.Requests(), requests, "no endless polling")
}
