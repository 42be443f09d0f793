package sqlstore_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// In a bubble of testing/synctest the clock of a store on SQLite is the bubble's. The
// database is opened and closed in the bubble, because database/sql has a goroutine.
func TestSQLiteInVirtualTime(t *testing.T) {
	t.Parallel()
	dsn := sqliteDSN(filepath.Join(t.TempDir(), "inbox.db"))
	real := time.Now()
	synctest.Test(t, func(t *testing.T) {
		db, err := openPool(dsn)
		require.NoError(t, err)
		defer db.Close()
		ctx := t.Context()
		store := open(t, db, sqlstore.SQLite)
		require.NoError(t, store.Submit(ctx, inbox.Submission{ID: "s", PollAfter: time.Hour}))
		require.NoError(t, store.Bind(ctx, inbox.Answer{SubmissionID: "s", JobID: "job", Jobs: 1}))

		// A sweep finds the submission when it is due.
		poll := func() []inbox.Record {
			overdue, err := store.Overdue(ctx, 10, func(*inbox.Record) time.Duration { return time.Hour })
			require.NoError(t, err)
			return overdue
		}
		time.Sleep(time.Hour - time.Second)
		require.Empty(t, poll())
		time.Sleep(time.Second)
		require.Len(t, poll(), 1)
		require.Empty(t, poll())

		// Receipts have the order of calls, although the clock stands still.
		results, err := store.Receive(ctx, []inbox.Notification{notice("s", "job"), notice("", "second")})
		require.NoError(t, err)
		require.Equal(t, inbox.Accepted, results[0].Kind)
		receive(t, store, "third")
		claimed, next, err := store.Claim(ctx, 5, 10*time.Minute)
		require.NoError(t, err)
		assert.Equal(t, 10*time.Minute, next)
		for i, key := range []string{"s", "second", "third"} {
			require.Equal(t, key, claimed[i].Key)
		}

		// A lease ends, unless it is renewed. A record in a transaction ends with it.
		time.Sleep(9 * time.Minute)
		held, err := store.Extend(ctx, []inbox.Lease{leaseOf(claimed[0])}, 10*time.Minute)
		require.NoError(t, err)
		require.Equal(t, []bool{true}, held)
		tx, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		defer func() { _ = tx.Rollback() }()
		_, err = tx.ExecContext(ctx, `CREATE TABLE effect (a)`)
		require.NoError(t, err)
		ok, err := store.FinishTx(ctx, tx, done(claimed[0]))
		require.NoError(t, err)
		require.True(t, ok)
		time.Sleep(time.Minute)
		go func() {
			time.Sleep(time.Second) // Claim waits for the transaction
			assert.NoError(t, tx.Commit())
		}()
		again, _, err := store.Claim(ctx, 5, time.Minute)
		require.NoError(t, err)
		require.Len(t, again, 2)
		assert.Equal(t, "second", again[0].Key)
		assert.Equal(t, 2, again[0].Attempt)
		assert.Equal(t, inbox.StateDone, stateOf(t, store, "s"))
	})
	assert.Less(t, time.Since(real), 20*time.Second)
}
