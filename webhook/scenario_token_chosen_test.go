package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
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

// What a job's configuration names is a submission's id for certain if the store knows
// it, be it a UUID or not.
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

// Whose job it is cannot be told before the store says which submissions there are.
func TestScenario08_TokenSentWithTheJobOfAChosenIDWhileTheStoreFailsInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, theirs := newChosenLeak(t, "order-8")
		var broken atomic.Bool
		broken.Store(true)
		l.p.spy.breaks(func(_ context.Context, method string) error {
			if method == "List" && broken.Load() {
				return errors.New("the store is away")
			}
			return nil
		}, nil)
		require.Equal(t, http.StatusOK, l.announce(theirs))
		rest(10 * time.Minute)
		assert.Zero(t, l.f.count())
		require.Equal(t, webhook.StateReceived, l.record(theirs).State)
		assert.Contains(t, l.record(theirs).Error, "the store is away")
		broken.Store(false)
		rest(3 * time.Hour)
		l.requireOnce(theirs)
		assert.Equal(t, "order-8", l.f.last().SubmissionID)
	})
}

// A submission_id among the user's own texts, of which the store knows nothing, makes a
// job nobody else's; nor does the id of a job that was tracked by itself.
func TestScenario08_JobWhoseTextsNameAnUnknownSubmissionInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t)
		l.id = "order-7"
		l.submitted()
		tracked := "job-17"
		require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{JobID: tracked, LookAfter: 24 * time.Hour}))
		examples := []map[string]any{{"submission_id": "X-17"}, {"submission_id": tracked}}
		own := l.own(map[string]any{"examples": examples})
		require.Equal(t, http.StatusOK, l.announce(own))
		rest(5 * time.Minute)
		l.requireOnce(own)
	})
}

// The one that counts may stand after any number of others.
func TestScenario08_JobThatNamesManySubmissionsInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := newChosenLeak(t, "order-8")
		var examples []map[string]any
		for range 250 {
			examples = append(examples, map[string]any{"submission_id": "x-" + uuid.NewString()})
		}
		theirs := l.own(map[string]any{"examples": examples, "submission_id": "order-8"})
		require.Equal(t, http.StatusOK, l.announce(theirs))
		rest(5 * time.Minute)
		assert.Zero(t, l.f.count(), "it is another submission's")
	})
}
