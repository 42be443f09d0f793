package sqlstore_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
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

// A transaction of the user locks the record while it is sent again, and while another
// answer comes.
func TestSubmitAndBindDoNotWaitForTheUsersTransaction(t *testing.T) {
	onServers(t, func(t *testing.T, store *sqlstore.Store, db *sql.DB) {
		require.NoError(t, store.Submit(t.Context(), inbox.Submission{ID: "s"}))
		require.NoError(t, store.Bind(t.Context(), inbox.Answer{SubmissionID: "s", JobID: "j", Jobs: 1}))
		_, err := store.Receive(t.Context(), []inbox.Notification{notice("s", "j")})
		require.NoError(t, err)
		record := claim(t, store, 1)[0]
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer func() { _ = tx.Rollback() }()
		held, err := store.FinishTx(t.Context(), tx, done(record))
		require.NoError(t, err)
		require.True(t, held)

		for what, call := range map[string]func() error{
			"Submit": func() error { return store.Submit(within(t, 300*time.Millisecond), inbox.Submission{ID: "s"}) },
			"Bind": func() error {
				return store.Bind(within(t, 300*time.Millisecond), inbox.Answer{SubmissionID: "s", JobID: "k", Jobs: 1})
			},
		} {
			began := time.Now()
			err := call()
			require.Error(t, err, what)
			assert.False(t, errors.Is(err, inbox.ErrConflict), what)
			assert.Less(t, time.Since(began), 5*time.Second, what)
		}
		require.NoError(t, tx.Commit())
		require.NoError(t, store.Submit(t.Context(), inbox.Submission{ID: "s"}))
		assert.Equal(t, inbox.StateDone, stateOf(t, store, "s"))
	})
}
