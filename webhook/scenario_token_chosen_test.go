package webhook_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
)

// requireTheirsThenOwn has the token sent with the job of another submission, whose
// answer is lost too, and of which nobody has heard, and then with its own: each ends for
// its submission, once.
func (l *leak) requireTheirsThenOwn(other string) {
	l.t.Helper()
	require.NoError(l.t, l.mem.Submit(l.t.Context(), webhook.Submitted{ID: other, Webhook: true, LookAfter: time.Hour}))
	theirs := l.own(map[string]any{"submission_id": other})
	require.Equal(l.t, http.StatusOK, l.announce(theirs))
	rest(5 * time.Minute)
	assert.Zero(l.t, l.f.count(), "it is another submission's")
	own := l.own(map[string]any{"submission_id": l.id})
	require.Equal(l.t, http.StatusOK, l.announce(own))
	rest(5 * time.Minute)
	l.requireOnceFor(l.id, own)
	rest(2 * time.Hour)
	require.Equal(l.t, 2, l.f.count())
	assert.Equal(l.t, theirs, l.f.last().JobID)
	assert.Equal(l.t, other, l.f.last().SubmissionID)
}

// What the metadata of a job's configuration names is its submission, be the id a UUID
// or not.
func TestScenario08_TokenSentWithTheJobOfAChosenIDInbox(t *testing.T) {
	t.Parallel()
	for _, other := range []string{"order-8", "Order-7", "order-78", "order"} {
		t.Run(other, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLeak(t)
				l.id = "order-7"
				l.submitted().requireTheirsThenOwn(other)
			})
		})
	}
}

// In the metadata of the other's job, or in examples there, both are named.
func TestScenario08_JobThatSpeaksOfTheTokensSubmissionInbox(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]map[string]any{
		"a member":          {"parent_submission_id": "order-7", "submission_id": "order-8"},
		"a member within":   {"merges": []any{map[string]any{"submission_id": "order-7"}}, "submission_id": "order-8"},
		"and of many more":  {"merges": []any{map[string]any{"submission_id": "X-17"}, map[string]any{"submission_id": uuid.NewString()}}, "submission_id": "order-8"},
		"a text, and so on": {"note": `the "submission_id":"order-7" and the submission_id: order-7`, "submission_id": "order-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLeak(t)
				l.id = "order-7"
				l.submitted()
				require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{ID: "order-8", Webhook: true, LookAfter: time.Hour}))
				theirs := l.own(metadata)
				require.Equal(t, http.StatusOK, l.announce(theirs))
				for range 20 { // again and again
					rest(time.Minute)
					l.announce(theirs)
				}
				assert.Zero(t, l.f.count(), "it is another submission's")
				rest(3 * time.Hour)
				l.requireOnceFor("order-8", theirs)
			})
		})
	}
}

// So it is where nobody has a token that he should not have, and only a sweep finds it.
func TestScenario42_JobThatSpeaksOfAnotherSubmissionInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t)
		for _, id := range []string{"order-7", "order-8"} {
			require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{ID: id, Webhook: true, LookAfter: time.Minute}))
		}
		theirs := l.own(map[string]any{"parent_submission_id": "order-7", "submission_id": "order-8"})
		rest(3 * time.Hour)
		l.requireOnceFor("order-8", theirs)
	})
}

// A job that was made later speaks of a submission whose answer was lost, and hides
// nothing of it.
func TestScenario42_LaterJobThatSpeaksOfALostSubmissionInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t)
		require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{ID: "order-7", Webhook: true, LookAfter: 10 * time.Minute}))
		own := l.own(map[string]any{"submission_id": "order-7"})
		rest(time.Minute)
		require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{ID: "order-9", Webhook: true, LookAfter: time.Hour}))
		later := l.own(map[string]any{"retry_of_submission_id": "order-7", "submission_id": "order-9"})
		require.NoError(t, l.mem.Bind(t.Context(), "order-9", later, 1))
		require.Equal(t, http.StatusOK, l.announceFor("order-9", later))
		rest(26 * time.Hour)
		assert.Equal(t, 1, l.f.of(own))
		assert.Equal(t, 1, l.f.of(later))
		assert.Equal(t, 2, l.f.count())
	})
}

// The submission whose token it is was sent by a service that does not share this
// store: its job is not known here, but the other's is.
func TestScenario08_TokenFromElsewhereWithAJobFromHereInbox(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{"chosen": "order-8", "a UUID": uuid.NewString()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLeak(t)
				l.id = "order-7"
				rest(2 * time.Minute)
				l.requireTheirsThenOwn(id)
			})
		})
	}
}

// A submission_id among the user's own texts makes a job nobody else's where the
// service does not repeat its own.
func TestScenario08_JobWhoseTextsNameAnUnknownSubmissionInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t)
		l.id = "order-7"
		l.submitted()
		own := l.own(map[string]any{"examples": []map[string]any{{"submission_id": "X-17"}}})
		require.Equal(t, http.StatusOK, l.announce(own))
		rest(5 * time.Minute)
		l.requireOnce(own)
	})
}
