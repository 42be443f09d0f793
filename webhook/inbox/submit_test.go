package inbox_test

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

// The API names a job that a record was processed for, and that a delivery with the
// token of another submission brought.
func TestBindConflictIsLoggedAndCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work, inbox.WithHold(10*time.Second))
		e.Srv.Hold()
		gate, answer := Gate(t)
		p.AnswersWhen(gate)
		submitted := make(chan string, 1)
		go func() { submitted <- p.Submit(reducto.Async{}).JobID }()
		rest(time.Second)
		job := e.Srv.Jobs()[0].ID
		require.NoError(t, e.Store.Submit(t.Context(), inbox.Submission{ID: "leaked", Webhook: true, PollAfter: time.Hour}))
		require.Equal(t, http.StatusOK, Post(p, Payload("Completed", job, Signed(`"submission_id":"leaked"`))))
		e.Srv.WebhookFault(reductotest.Lose())
		e.Srv.Complete(job)
		rest(11 * time.Second)
		assert.Equal(t, "leaked", e.Call().SubmissionID, "after the hold it is believed")
		answer()
		assert.Equal(t, job, <-submitted, "the submission has succeeded all the same")
		rest(time.Second)
		assert.Equal(t, 1, e.Meter.Counter("conflicts"))
		assert.Equal(t, 1, e.Log.Count(slog.LevelError, "was a secret or token stolen?"))
		stats, err := p.Stats(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, stats.Conflicts)
	})
}

func TestHoldIsConfigurable(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work, inbox.WithHold(10*time.Second))
		require.NoError(t, e.Store.Submit(t.Context(), inbox.Submission{ID: "s", Webhook: true, PollAfter: time.Hour}))
		e.Srv.SeedJob(reductotest.SeedJob{ID: JobA, Status: "Completed"})
		require.Equal(t, http.StatusOK, Post(p, Payload("Completed", JobA, Signed(`"submission_id":"s"`))))
		rest(9 * time.Second)
		assert.Empty(t, e.Calls())
		rest(2 * time.Second)
		e.Done(JobA, webhook.OutcomeCompleted)
	})
}

func TestBindIsRepeatedWhileItsContextLasts(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		p.Spy.Break("Bind")
		time.AfterFunc(time.Second, p.Spy.Mend)
		job := p.Submit(reducto.Async{})
		assert.InDelta(t, 6, p.Spy.Count("Bind"), 1)
		e.Until("it is done", func() bool { return e.Record(job.JobID).State == inbox.StateDone })

		p.Spy.Break("Bind")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Client.ParseAsync(ctx, Document)
		require.NoError(t, err)
		rest(time.Second)
		assert.Equal(t, 1, e.Log.Count(slog.LevelWarn, "the answer to a submission could not be recorded"))
		p.Spy.Mend()
		rest(time.Hour)
		assert.Len(t, e.Records(inbox.StateDone), 2, "the delivery tells")
	})
}

// picky is a verifier whose hook fails.
type picky struct {
	*webhook.Secret
	err error
}

func (v picky) BeforeSubmit(context.Context, *reducto.Submission) error { return v.err }

func TestHookOfTheVerifierIsCalledFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.ProcessOf(picky{e.Secret, errNotNow}, nothing)
		_, err := p.Client.ParseAsync(t.Context(), Document)
		require.ErrorIs(t, err, errNotNow)
		assert.Zero(t, p.Spy.Count())
		assert.Empty(t, e.Srv.Jobs())
	})
}

func TestMetadataThatTakesNoSubmissionID(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.ProcessOf(picky{e.Secret, nil}, e.Work)
		var refused *reducto.RequestError
		_, err := p.Client.ParseAsync(t.Context(), With(reducto.Async{Metadata: map[string]string{"submission_id": "mine"}}))
		require.ErrorAs(t, err, &refused)
		assert.Empty(t, e.Records())
		job := p.Submit(reducto.Async{Metadata: 17}) // no object: it does without
		assert.Equal(t, "17", string(e.Record(job.JobID).Metadata))
		e.Srv.Hold()
		own := map[string]string{"submission_id": "mine"}
		p.Submit(reducto.Async{Metadata: own, Webhook: reducto.NoWebhook()}) // needs none
	})
}

func TestSubmissionThatIsSentAgainIsProcessedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		e.Srv.Fault("POST /parse_async", reductotest.LoseAnswer())
		_, err := p.Client.ParseAsync(t.Context(), Document)
		var unknown *reducto.UnknownOutcomeError
		require.ErrorAs(t, err, &unknown)
		job := p.Submit(reducto.Async{SubmissionID: unknown.SubmissionID})
		require.Equal(t, unknown.SubmissionID, job.SubmissionID)
		rest(time.Hour)
		require.Len(t, e.Srv.Jobs(), 2)
		assert.Equal(t, unknown.SubmissionID, e.Call().SubmissionID)
		assert.Len(t, e.Records(), 1)
	})
}

func TestTrackPollsForTheJob(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		e.Srv.Hold()
		job := e.Srv.SeedJob(reductotest.SeedJob{})
		require.NoError(t, p.Track(t.Context(), job))
		require.NoError(t, p.Track(t.Context(), job))
		rest(time.Minute)
		assert.Empty(t, e.Calls())
		e.Srv.Complete(job)
		r, err := p.Wait(t.Context(), job)
		require.NoError(t, err)
		assert.Equal(t, webhook.OutcomeCompleted, r.Outcome)
		rest(time.Minute)
		e.Done(job, webhook.OutcomeCompleted)
		assert.Zero(t, e.Meter.Counter("reconciled"), "no delivery was expected")
		require.NoError(t, p.Track(t.Context(), job), "it has a record")
		rest(time.Minute)
		assert.Len(t, e.Calls(), 1)

		for _, id := range []string{"", "../x", strings.Repeat("x", 129)} {
			var refused *reducto.RequestError
			require.ErrorAs(t, p.Track(t.Context(), id), &refused)
		}
		p.Spy.Break("Submit")
		require.ErrorIs(t, p.Track(t.Context(), JobA), ErrDown)
	})
}

func TestSubmissionWithoutWebhookIsPolled(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		began := time.Now()
		job := p.Submit(reducto.Async{Webhook: reducto.NoWebhook(), Metadata: map[string]int{"order": 17}})
		e.Until("it is done", func() bool { return e.Record(job.JobID).State == inbox.StateDone })
		assert.Less(t, time.Since(began), 10*time.Second)
		assert.JSONEq(t, `{"order":17}`, string(e.Call().Metadata))
		assert.Empty(t, e.Codes(job.JobID))
	})
}

// A job that was tracked turns out to be a submission's, whose answer was lost.
func TestTrackedJobOfALostAnswerIsProcessedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		e.Srv.Hold()
		e.Srv.WebhookFault(reductotest.Lose())
		e.Srv.Fault("POST /parse_async", reductotest.LoseAnswer())
		_, err := p.Client.ParseAsync(t.Context(), Document)
		require.Error(t, err)
		job := e.Srv.Jobs()[0].ID
		require.NoError(t, p.Track(t.Context(), job))
		e.Srv.Release()
		rest(2 * time.Hour)
		e.Done(job, webhook.OutcomeCompleted)
		assert.Len(t, e.Records(), 1)
		require.NoError(t, p.Healthy())
	})
}

// Metadata that no delivery can bring back through the Inbox's own limit is refused before
// anything is recorded or sent.
func TestTooLargeMetadataIsNeitherRecordedNorSent(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		const limit = 8 << 10
		p := e.Process(e.Work, inbox.WithMaxBodyBytes(limit))
		metadata := map[string]string{"a": strings.Repeat("x", limit)}
		var refused *reducto.RequestError
		_, err := p.Client.ParseAsync(t.Context(), With(reducto.Async{Metadata: metadata}))
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, "WithMaxBodyBytes")
		assert.Empty(t, e.Records())
		assert.Empty(t, e.Srv.Jobs())
	})
}
