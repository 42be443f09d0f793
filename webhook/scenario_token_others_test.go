package webhook_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// A token is sent with another submission's job before anybody knows that job. The
// answer to that submission says whose it is.
func TestScenario08_TokenSentWithAJobThatIsBoundLaterInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t).submitted()
		id, theirs := uuid.NewString(), l.own(nil)
		require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{ID: id, Webhook: true, LookAfter: time.Hour}))
		l.srv.Fault("GET /job", reductotest.Delay(time.Second).Always())
		require.Equal(t, http.StatusOK, l.announce(theirs))
		rest(100 * time.Millisecond) // it is being looked at
		require.NoError(t, l.mem.Bind(t.Context(), id, theirs, 1))
		require.Equal(t, http.StatusOK, l.announceFor(id, theirs))
		rest(time.Hour)
		l.requireOnceFor(id, theirs)
	})
}

// Somebody has the tokens of two submissions, and takes from the one that was sent by
// another program the job that it has been told of. The answer to that was 200.
func TestScenario08_TwoTokensInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t).submitted()
		id := uuid.NewString()
		rest(3 * time.Minute) // a job that does not exist is none by now
		own := l.own(map[string]any{"submission_id": id})
		l.srv.Fault("GET /job", reductotest.Delay(3*time.Second).Always())
		require.Equal(t, http.StatusOK, l.announceFor(id, uuid.NewString()))
		rest(time.Second)
		require.Equal(t, http.StatusOK, l.announceFor(id, own), "its own delivery")
		rest(time.Second)
		require.Equal(t, http.StatusOK, l.announce(own))
		rest(3 * time.Hour)
		l.requireOnceFor(id, own)
	})
}

// A submission that was sent twice has been processed. Nobody gets its other job.
func TestScenario08_TokenSentWithASecondJobInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t)
		id := uuid.NewString()
		require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{ID: id, Webhook: true, LookAfter: time.Hour}))
		first, second := l.own(map[string]any{"submission_id": id}), l.own(map[string]any{"submission_id": id})
		require.NoError(t, l.mem.Bind(t.Context(), id, second, 2)) // the first answer was lost
		require.Equal(t, http.StatusOK, l.announceFor(id, second))
		rest(time.Minute)
		require.Equal(t, http.StatusOK, l.announceFor(id, first))
		assert.Equal(t, http.StatusUnauthorized, l.announce(first))
		require.NoError(t, l.p.Track(t.Context(), first))
		r, err := l.p.Wait(t.Context(), first)
		require.NoError(t, err)
		assert.Equal(t, id, r.SubmissionID)
		rest(time.Hour)
		l.requireOnce(second)
	})
}

// A job's metadata, or a text of the user's in it, speaks of another submission that
// was sent at the same time, and the answers to both are lost.
func TestScenario08_JobThatSpeaksOfAnotherSubmissionInbox(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]func(child, parent string) map[string]any{
		"a member": func(child, parent string) map[string]any {
			return map[string]any{"parent_submission_id": parent, "submission_id": child}
		},
		"a text": func(child, parent string) map[string]any {
			return map[string]any{"note": `set "submission_id": "` + parent + `"`, "submission_id": child}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLeak(t).submitted()
				l.f.then = func(ctx context.Context, _ *webhook.Delivery) error {
					select {
					case <-time.After(3 * time.Minute): // longer than a sweep takes
						return nil
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				}
				child := uuid.NewString()
				require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{ID: child, Webhook: true, LookAfter: time.Minute}))
				job := l.own(metadata(child, l.id))
				require.Equal(t, http.StatusOK, l.announceFor(child, job))
				rest(2 * time.Hour)
				l.requireOnceFor(child, job)
			})
		})
	}
}
