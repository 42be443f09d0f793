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

// The other process commits while the statement of Bind waits for it.
func TestBindOfAJobThatAnotherProcessTakesMeanwhile(t *testing.T) {
	t.Parallel()
	store, db := openPostgres(t)
	for _, id := range []string{"s", "t"} {
		require.NoError(t, store.Submit(t.Context(), inbox.Submission{ID: id}))
	}
	other, err := db.Begin()
	require.NoError(t, err)
	var pid int
	require.NoError(t, other.QueryRow(`SELECT pg_backend_pid()`).Scan(&pid))
	_, err = other.Exec(`INSERT INTO reducto_jobs (namespace, job, key) VALUES ('default', 'job', 't');
		UPDATE reducto_records SET jobs = '[{"id":"job","bound":true,"answer":true}]', open_sends = 0, sent = 1, version = version + 1 WHERE key = 't'`)
	require.NoError(t, err)
	bound := make(chan error, 1)
	go func() { bound <- store.Bind(t.Context(), inbox.Answer{SubmissionID: "s", JobID: "job", Jobs: 1}) }()
	require.Eventually(t, func() bool {
		var waits bool
		err := db.QueryRow(`SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))`, pid).Scan(&waits)
		return err == nil && waits
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, other.Commit())
	require.ErrorIs(t, <-bound, inbox.ErrConflict)
	var open, sent, jobs int
	require.NoError(t, db.QueryRow(`SELECT open_sends, sent, (SELECT count(*) FROM reducto_jobs) FROM reducto_records WHERE key = 's'`).Scan(&open, &sent, &jobs))
	require.Equal(t, []int{0, 1, 1}, []int{open, sent, jobs})
}
