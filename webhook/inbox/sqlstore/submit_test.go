package sqlstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
)

func TestSubmitAndBindReadNothingInPostgreSQL(t *testing.T) {
	t.Parallel()
	store, _ := openPostgres(t)
	submit := func(id string) error {
		return store.Submit(t.Context(), inbox.Submission{
			ID: id, Type: "parse", Metadata: []byte(`{"given":1}`), Webhook: true, PollAfter: time.Hour,
		})
	}
	bind := func(id, job string, jobs int) error {
		return store.Bind(t.Context(), inbox.Answer{SubmissionID: id, JobID: job, Jobs: jobs})
	}
	require.NoError(t, submit("early"))
	receive(t, store, "job-without-submission")
	require.NoError(t, submit("bound"))
	require.NoError(t, bind("bound", "job-of-bound", 1))
	store.BreakRules()

	require.NoError(t, submit("new"))
	require.NoError(t, bind("new", "job-of-new", 2))
	require.NoError(t, bind("early", `job "of" <early>`, 1))

	require.Error(t, submit("new"), "it is sent again")
	require.Error(t, bind("new", "job-of-new", 1), "the answer is repeated")
	require.Error(t, bind("bound", "other-of-bound", 1), "the record has a job")
	require.NoError(t, submit("waiting"))
	require.Error(t, bind("waiting", "job-without-submission", 1), "the job has a record")
	require.Error(t, bind("waiting", "job-of-new", 1), "the job belongs to another submission")
	require.Error(t, bind("waiting", "listed", 0), "a list of jobs named the job")
	require.Error(t, bind("waiting", "", 1), "the answer was lost")
	require.Error(t, bind("unknown", "job-of-unknown", 1), "there is no record")
}
