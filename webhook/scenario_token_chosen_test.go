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

// newChosenLeak is a leak of a submission whose id somebody chose, together with
// another one, whose answer is lost too. Of that one nobody has heard when its job is
// announced with the first one's token.
func newChosenLeak(t *testing.T, other string) (l *leak, theirs string) {
	l = newLeak(t)
	l.id = "order-7"
	l.submitted()
	require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{ID: other, Webhook: true, LookAfter: time.Hour}))
	return l, l.own(map[string]any{"submission_id": other})
}

// What the metadata of a job's configuration names is its submission, be the id a UUID
// or not.
func TestScenario08_TokenSentWithTheJobOfAChosenIDInbox(t *testing.T) {
	t.Parallel()
	for _, other := range []string{"order-8", "Order-7", "order-78", "order"} {
		t.Run(other, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, theirs := newChosenLeak(t, other)
				require.Equal(t, http.StatusOK, l.announce(theirs))
				rest(5 * time.Minute)
				assert.Zero(t, l.f.count(), "it is another submission's")
				own := l.own(map[string]any{"submission_id": l.id})
				require.Equal(t, http.StatusOK, l.announce(own))
				rest(5 * time.Minute)
				l.requireOnce(own)
				assert.Equal(t, "order-7", l.f.last().SubmissionID)
				rest(2 * time.Hour)
				require.Equal(t, 2, l.f.count())
				assert.Equal(t, theirs, l.f.last().JobID)
				assert.Equal(t, other, l.f.last().SubmissionID)
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
				l, _ := newChosenLeak(t, "order-8")
				theirs := l.own(metadata)
				require.Equal(t, http.StatusOK, l.announce(theirs))
				for range 20 { // again and again
					rest(time.Minute)
					l.announce(theirs)
				}
				assert.Zero(t, l.f.count(), "it is another submission's")
				rest(3 * time.Hour)
				l.requireOnce(theirs)
				assert.Equal(t, "order-8", l.f.last().SubmissionID)
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
		l.requireOnce(theirs)
		assert.Equal(t, "order-8", l.f.last().SubmissionID)
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
	for _, id := range []string{"order-8", uuid.NewString()} {
		synctest.Test(t, func(t *testing.T) {
			l := newLeak(t)
			l.id = "order-7"
			rest(2 * time.Minute)
			require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{ID: id, Webhook: true, LookAfter: time.Hour}))
			theirs := l.own(map[string]any{"submission_id": id})
			require.Equal(t, http.StatusOK, l.announce(theirs))
			rest(5 * time.Minute)
			assert.Zero(t, l.f.count(), "it is another submission's")
			own := l.own(map[string]any{"submission_id": l.id})
			require.Equal(t, http.StatusOK, l.announce(own))
			rest(5 * time.Minute)
			l.requireOnce(own)
			rest(2 * time.Hour)
			assert.Equal(t, 1, l.f.of(theirs))
			assert.Equal(t, id, l.f.last().SubmissionID)
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
