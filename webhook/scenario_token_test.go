package webhook_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// leak is a submission whose token somebody has who should not, while the answer to
// it is lost: nothing but the API tells which job is its own.
type leak struct {
	*site
	p      *process
	f      *counter
	signer *webhook.Signer
	id     string
}

func newLeak(t *testing.T) *leak {
	l := &leak{site: newSite(t), signer: newSigner(t, "k1"), f: new(counter), id: uuid.Must(uuid.NewV7()).String()}
	l.p = l.make(l.signer, l.f.process)
	l.p.run()
	return l
}

// submitted has the submission sent two minutes ago: longer than a new job may be
// unknown to the API.
func (l *leak) submitted() *leak {
	require.NoError(l.t, l.mem.Submit(l.t.Context(), webhook.Submitted{ID: l.id, Webhook: true, LookAfter: time.Minute}))
	rest(2 * time.Minute)
	return l
}

// own is the submission's job. The API does not repeat the submission's id.
func (l *leak) own(metadata map[string]any) string {
	return l.srv.SeedJob(reductotest.SeedJob{Status: "Completed", Metadata: metadata})
}

// announce sends the token with a job.
func (l *leak) announce(jobID string) int { return l.announceFor(l.id, jobID) }

// announceFor sends the token of any submission with a job.
func (l *leak) announceFor(id, jobID string) int {
	return serveRequest(l.p, webhook.NewTestRequest("/", l.signer, jobID, reducto.JobStatusCompleted,
		map[string]any{"submission_id": id})).Code
}

func (l *leak) requireOnce(jobID string) {
	l.t.Helper()
	require.Equal(l.t, 1, l.f.count())
	assert.Equal(l.t, jobID, l.f.last().JobID)
	assert.Equal(l.t, webhook.OutcomeCompleted, l.f.last().Outcome)
	assert.Equal(l.t, reducto.JobStatusCompleted, l.f.last().Status)
}

// requireOnceFor is requireOnce, and that it was for this submission.
func (l *leak) requireOnceFor(id, jobID string) {
	l.t.Helper()
	l.requireOnce(jobID)
	assert.Equal(l.t, id, l.f.last().SubmissionID)
}

// Somebody names another job each time that the record could wait for its own.
func TestScenario08_TokenSentAgainAndAgainInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t).submitted()
		own, other := l.own(nil), uuid.NewString()
		l.srv.Fault("GET /job", reductotest.Delay(50*time.Millisecond).Always())
		require.Equal(t, http.StatusOK, l.announce(other))
		require.Equal(t, http.StatusOK, l.announce(own))
		for start := time.Now(); time.Since(start) < 10*time.Minute && l.f.count() == 0; time.Sleep(5 * time.Millisecond) {
			l.announce(other)
		}
		l.requireOnce(own)
	})
}

// Somebody names more jobs than are kept, before its own is announced.
func TestScenario08_TokenSentWithManyJobsInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t).submitted()
		own := l.own(nil)
		for range webhook.MaxUnconfirmed {
			require.Equal(t, http.StatusOK, l.announce(uuid.NewString()))
		}
		require.Equal(t, http.StatusServiceUnavailable, l.announce(own), "it must come again")
		rest(2 * time.Second)
		require.Equal(t, http.StatusOK, l.announce(own), "as the service does")
		rest(5 * time.Minute)
		l.requireOnce(own)
		assert.Equal(t, 1, l.meter.count("deliveries{busy}"))
	})
}

// A token is sent with the job of another submission, whose own answer and deliveries
// are all lost: that submission still gets it, from a sweep. The one whose token it
// is has been received for a job of its own, or for one that is nobody's.
func TestScenario08_TokenSentWithAJobThatIsFoundLaterInbox(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(l *leak) string{
		"after its own":  func(l *leak) string { return l.own(map[string]any{"submission_id": l.id}) },
		"after nobody's": func(*leak) string { return uuid.NewString() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLeak(t).submitted()
				id := uuid.Must(uuid.NewV7()).String()
				require.NoError(t, l.mem.Submit(t.Context(), webhook.Submitted{ID: id, Webhook: true, LookAfter: time.Hour}))
				theirs := l.own(map[string]any{"submission_id": id})
				own := first(l)
				require.Equal(t, http.StatusOK, l.announce(own))
				require.Equal(t, http.StatusOK, l.announce(theirs))
				rest(2 * time.Hour)
				assert.Equal(t, 1, l.f.of(theirs))
				records, err := l.mem.List(t.Context(), webhook.Filter{Keys: []string{id}})
				require.NoError(t, err)
				require.Len(t, records, 1)
				assert.Equal(t, theirs, records[0].JobID)
				assert.Equal(t, webhook.StateDone, records[0].State)
			})
		})
	}
}

// A text of the user's that speaks of submission ids makes no job another's.
func TestScenario08_JobWhoseTextsNameSubmissionsInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t).submitted()
		own := l.own(map[string]any{"note": "Read the submission_id from the form, such as submission_id: " + uuid.NewString()})
		require.Equal(t, http.StatusOK, l.announce(own))
		rest(5 * time.Minute)
		l.requireOnce(own)
	})
}

// The submission was sent by a service that does not share this store.
func TestScenario08_TokenOfASubmissionFromElsewhereInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t)
		rest(2 * time.Minute) // older than a new job may be unknown
		require.Equal(t, http.StatusOK, l.announce(uuid.NewString()))
		rest(time.Minute)
		own := l.own(nil)
		require.Equal(t, http.StatusOK, l.announce(own))
		rest(5 * time.Minute)
		l.requireOnce(own)
	})
}

// A job that was tracked by itself turns out to be a submission's.
func TestTrackedJobOfASubmission(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeak(t).submitted()
		own := l.srv.SeedJob(reductotest.SeedJob{Status: "Completed", Metadata: map[string]any{"submission_id": l.id}})
		require.NoError(t, l.p.Track(t.Context(), own))
		rest(30 * time.Hour)
		l.requireOnce(own)
		assert.Equal(t, http.StatusOK, l.announce(own))
	})
}
