package sqlstore_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// testdata/version1.* were written by the first release of this package's tables, with
// records in all states. Each goes on to its right end, in both databases.
func TestTablesOfVersion1(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		data, err := os.ReadFile("testdata/version1.db")
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "inbox.db")
		require.NoError(t, os.WriteFile(file, data, 0o600))
		continueVersion1(t, sqlitePool(t, sqliteDSN(file)), sqlstore.SQLite)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		text, err := os.ReadFile("testdata/version1.sql")
		require.NoError(t, err)
		db := postgresPool(t, postgresSchema(t))
		for statement := range strings.SplitSeq(string(text), ";\n") {
			_, err := db.Exec(statement)
			require.NoError(t, err, statement)
		}
		continueVersion1(t, db, sqlstore.PostgreSQL)
	})
}

func continueVersion1(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
	const upper = "0195F3A0-7C3E-7D10-8B7A-5D0C1E2F3A4B"
	ctx := within(t, time.Minute)
	var clock clock
	store := open(t, db, d, sqlstore.WithAhead(clock.ahead))
	assert.Equal(t, []int{1, 2, 3}, versions(t, db))
	get := func(key string) inbox.Record {
		t.Helper()
		records, err := store.List(ctx, inbox.Filter{Keys: []string{key}})
		require.NoError(t, err)
		require.Len(t, records, 1, key)
		return records[0]
	}
	receiveAs := func(n inbox.Notification, kind inbox.ReceiveKind, key string) {
		t.Helper()
		results, err := store.Receive(ctx, []inbox.Notification{n})
		require.NoError(t, err)
		assert.Equal(t, kind, results[0].Kind, "%+v", n)
		assert.Equal(t, key, results[0].Key)
	}
	bind := func(id, job string) error {
		return store.Bind(ctx, inbox.Answer{SubmissionID: id, JobID: job, Jobs: 1})
	}
	ended := map[string]inbox.Record{}
	work := func() {
		t.Helper()
		claimed, _, err := store.Claim(ctx, 100, time.Hour)
		require.NoError(t, err)
		list := make([]inbox.Completion, 0, len(claimed))
		for _, r := range claimed {
			ended[r.Key] = r
			list = append(list, done(r))
		}
		held, err := store.Finish(ctx, list)
		require.NoError(t, err)
		assert.NotContains(t, held, false)
	}

	before, err := store.List(ctx, inbox.Filter{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, before, 17)
	assert.Equal(t, []string{"j-held"}, get("s-held").JobIDs, "it does not have the job that is marked as free")
	assert.JSONEq(t, `{"case":"s-held"}`, string(get("s-held").Metadata), "Submit's")
	assert.JSONEq(t, `{"case":"s-donej-s-done"}`, string(get("s-done").Metadata), "all there is")
	assert.Equal(t, "{\"x\":\"\xff\"}", string(get("j-bytes").Metadata))
	assert.Equal(t, "j-pending-bound", get("s-pending-bound").JobID)
	assert.Equal(t, 1, get("j-tracked").Polls)

	// Done and dead records answer duplicates. A dead one can be replayed.
	receiveAs(notice("s-done", "j-s-done"), inbox.Duplicate, "s-done")
	receiveAs(notice("", "j-alone-done"), inbox.Duplicate, "j-alone-done")
	receiveAs(notice("s-resent-done", "j-resent-done-2"), inbox.Duplicate, "s-resent-done")
	receiveAs(notice("s-resent-done", "j-third"), inbox.Refused, "")
	receiveAs(notice("s-elsewhere", "j-elsewhere"), inbox.Duplicate, "s-elsewhere")
	dead := get("s-dead")
	held, err := store.Finish(ctx, []inbox.Completion{{Lease: leaseOf(dead), State: inbox.StateReceived}})
	require.NoError(t, err)
	assert.Equal(t, []bool{true}, held)

	// The lock ended a second after it was taken.
	locked, err := store.Lock(ctx, "sweep", "another", time.Minute)
	require.NoError(t, err)
	assert.True(t, locked)

	// The job that was free becomes another's: its record neither had it nor blocks it.
	require.NoError(t, store.Submit(ctx, inbox.Submission{ID: "s-new"}))
	require.NoError(t, bind("s-new", "j-held-other"))
	receiveAs(notice("s-new", "j-held-other"), inbox.Accepted, "s-new")

	// Pending records are polled and received.
	clock.advance(time.Minute + time.Second)
	overdue, err := store.Overdue(ctx, 100, func(*inbox.Record) time.Duration { return time.Hour })
	require.NoError(t, err)
	assert.Len(t, overdue, 6)
	receiveAs(notice("s-pending-open", "j-pending-open"), inbox.Accepted, "s-pending-open")
	assert.Equal(t, inbox.StateReceived, get("s-pending-open").State)
	require.NoError(t, bind("s-pending-open", "j-pending-open"))
	receiveAs(notice("s-pending-bound", "j-pending-bound"), inbox.Accepted, "s-pending-bound")
	receiveAs(notice("", "j-pending-poll"), inbox.Accepted, "s-pending-poll")
	receiveAs(notice("s-pending-lost", "j-pending-lost"), inbox.Accepted, "s-pending-lost")
	receiveAs(notice("", "j-tracked"), inbox.Accepted, "j-tracked")
	receiveAs(notice(strings.ToLower(upper), "0195f3a0-7c3e-7d10-8b7a-5d0c1e2f3a4c"), inbox.Accepted, strings.ToLower(upper))
	assert.Equal(t, upper, get(upper).SubmissionID)

	// Waiting records: the API names their job, or another one.
	require.NoError(t, bind("s-held", "j-held"))
	require.NoError(t, bind("s-held-again", "j-own"))
	assert.Equal(t, inbox.StatePending, get("s-held-again").State)
	assert.JSONEq(t, `{"case":"s-held-again"}`, string(get("s-held-again").Metadata))
	receiveAs(notice("s-held-again", "j-own"), inbox.Accepted, "s-held-again")
	receiveAs(notice("", "j-held-again"), inbox.Accepted, "j-held-again") // it belongs to no submission now

	work()
	records, err := store.List(ctx, inbox.Filter{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, records, len(before)+2)
	for _, r := range records {
		assert.Equal(t, inbox.StateDone, r.State, r.Key)
	}
	assert.Equal(t, 2, ended["s-claimed"].Attempt, "claimed again after its lease")
	assert.Equal(t, "j-own", ended["s-held-again"].JobID)
	assert.JSONEq(t, `{"case":"s-pending-bound"}`, string(ended["s-pending-bound"].Metadata))
	assert.NotContains(t, ended, "s-done")

	clock.advance(time.Hour)
	n, err := store.Purge(ctx, time.Minute, time.Minute, 100)
	require.NoError(t, err)
	assert.Equal(t, len(records), n)
	var left int
	require.NoError(t, db.QueryRow(`SELECT count(*) FROM reducto_jobs`).Scan(&left))
	assert.Zero(t, left)
}

// A rolling deploy: a program of version 1 goes on to remove records, but not their
// histories.
func TestHistoryOfRecordsThatVersion1RemovedIsRemoved(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var clock clock
		store := open(t, db, d, sqlstore.WithAhead(clock.ahead))
		receive(t, store, "gone", "kept")
		at := time.Now()
		require.NoError(t, store.AppendHistory(t.Context(), []inbox.HistoryEntry{
			{Key: "gone", At: at, Kind: inbox.HistoryDone}, {Key: "kept", At: at, Kind: inbox.HistoryDone},
		}))
		_, err := db.ExecContext(t.Context(), `DELETE FROM reducto_records WHERE reducto_records.key = 'gone'`)
		require.NoError(t, err)
		left := func() (n int) {
			_, err := store.Purge(t.Context(), time.Hour, 2*time.Hour, 10)
			require.NoError(t, err)
			require.NoError(t, db.QueryRow(`SELECT count(*) FROM reducto_history`).Scan(&n))
			return n
		}
		clock.advance(25 * time.Hour)
		assert.Equal(t, 2, left())
		clock.advance(2 * time.Hour)
		assert.Equal(t, 1, left())
		list, err := store.History(t.Context(), "kept")
		require.NoError(t, err)
		assert.Len(t, list, 1)
	})
}
