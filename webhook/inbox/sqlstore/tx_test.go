package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

func begin(t testing.TB, db *sql.DB, isolation sql.IsolationLevel) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: isolation})
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func finishTx(t testing.TB, store *sqlstore.Store, tx *sql.Tx, r inbox.Record) {
	t.Helper()
	held, err := store.FinishTx(within(t, 10*time.Second), tx, done(r))
	require.NoError(t, err)
	require.True(t, held)
}

func TestServerHeartbeatsDuringTransaction(t *testing.T) {
	onServers(t, func(t *testing.T, store *sqlstore.Store, db *sql.DB) {
		receive(t, store, "a", "b")
		claimed := claim(t, store, 2)
		tx := begin(t, db, sql.LevelReadCommitted)
		finishTx(t, store, tx, claimed[0])
		for range 3 {
			held, err := store.Extend(within(t, 2*time.Second), []inbox.Lease{leaseOf(claimed[0]), leaseOf(claimed[1])}, 3*time.Hour)
			require.NoError(t, err)
			assert.Equal(t, []bool{true, true}, held)
		}
		records, err := store.List(t.Context(), inbox.Filter{Keys: []string{claimed[1].Key}})
		require.NoError(t, err)
		assert.InDelta(t, 3*time.Hour, records[0].DueAt.Sub(records[0].ReadAt), float64(time.Minute))

		// Deliveries of what is held are answered at once, too.
		results, err := store.Receive(within(t, 2*time.Second), []inbox.Notification{completed("a"), completed("c")})
		require.NoError(t, err)
		assert.Equal(t, inbox.Duplicate, results[0].Kind)
		assert.Equal(t, inbox.Accepted, results[1].Kind)
		require.NoError(t, tx.Commit())
		held, err := store.Extend(t.Context(), []inbox.Lease{leaseOf(claimed[0])}, time.Hour)
		require.NoError(t, err)
		assert.Equal(t, []bool{false}, held)
	})
}

// Another job of the submission is heard of while the first one's transaction is
// open.
func TestServerReceiveDuringTransaction(t *testing.T) {
	onServers(t, func(t *testing.T, store *sqlstore.Store, db *sql.DB) {
		require.NoError(t, store.Submit(t.Context(), inbox.Submission{ID: "s"}))
		require.NoError(t, store.Bind(t.Context(), inbox.Answer{SubmissionID: "s", Jobs: 2}))
		first, second := completed("first"), completed("second")
		first.SubmissionID, second.SubmissionID = "s", "s"
		_, err := store.Receive(t.Context(), []inbox.Notification{first})
		require.NoError(t, err)
		tx := begin(t, db, sql.LevelReadCommitted)
		finishTx(t, store, tx, claim(t, store, 1)[0])
		for range 2 { // it is not noted, and not lost
			results, err := store.Receive(within(t, 2*time.Second), []inbox.Notification{second, completed("other")})
			require.NoError(t, err)
			assert.Equal(t, inbox.ReceiveResult{Kind: inbox.Duplicate, State: inbox.StateClaimed, Key: "s"}, results[0])
			assert.Equal(t, "other", results[1].Key)
		}
		require.NoError(t, tx.Commit())
		_, err = store.Receive(t.Context(), []inbox.Notification{second})
		require.NoError(t, err)
		records, err := store.List(t.Context(), inbox.Filter{Keys: []string{"s"}})
		require.NoError(t, err)
		assert.Equal(t, []string{"first", "second"}, records[0].JobIDs)
		assert.Equal(t, inbox.StateDone, records[0].State)
	})
}

// Finish is for the record, too, that a transaction holds: the others are ended at
// once, and that one when the transaction has ended.
func TestServerFinishWaitsForTransaction(t *testing.T) {
	for _, commit := range []bool{true, false} {
		t.Run(fmt.Sprint("commit=", commit), func(t *testing.T) {
			onServers(t, func(t *testing.T, store *sqlstore.Store, db *sql.DB) {
				receive(t, store, "a", "b")
				claimed := claim(t, store, 2)
				tx := begin(t, db, sql.LevelReadCommitted)
				finishTx(t, store, tx, claimed[0])
				answers := make(chan []bool, 1)
				go func() {
					held, err := store.Finish(within(t, 10*time.Second), []inbox.Completion{
						{Lease: leaseOf(claimed[0]), State: inbox.StateReceived}, done(claimed[1]),
					})
					assert.NoError(t, err)
					answers <- held
				}()
				require.Eventually(t, func() bool { return stateOf(t, store, "b") == inbox.StateDone }, 5*time.Second, 10*time.Millisecond)
				select {
				case held := <-answers:
					t.Fatal("did not wait:", held)
				case <-time.After(100 * time.Millisecond):
				}
				want, state := []bool{true, true}, inbox.StateReceived
				if commit {
					want[0], state = false, inbox.StateDone
					require.NoError(t, tx.Commit())
				} else {
					require.NoError(t, tx.Rollback())
				}
				assert.Equal(t, want, <-answers)
				assert.Equal(t, state, stateOf(t, store, "a"))
			})
		})
	}
}

// Somebody changes the record while it is being ended, and leaves the claim alone.
func TestServerFinishAfterAnotherChange(t *testing.T) {
	onServers(t, func(t *testing.T, store *sqlstore.Store, db *sql.DB) {
		receive(t, store, "job")
		r := claim(t, store, 1)[0]
		tx := begin(t, db, sql.LevelReadCommitted)
		_, err := tx.Exec(`UPDATE reducto_records SET version = version + 1`)
		require.NoError(t, err)
		time.AfterFunc(200*time.Millisecond, func() { _ = tx.Commit() })
		held, err := store.Finish(within(t, 10*time.Second), []inbox.Completion{done(r)})
		require.NoError(t, err)
		assert.Equal(t, []bool{true}, held)
	})
}

// Heartbeats change the record after a transaction has taken its snapshot.
func TestPostgresRepeatableRead(t *testing.T) {
	t.Parallel()
	store, db := openPostgres(t)
	receive(t, store, "job")
	r := claim(t, store, 1)[0]
	tx := begin(t, db, sql.LevelRepeatableRead)
	var one int
	require.NoError(t, tx.QueryRow(`SELECT 1 FROM reducto_records LIMIT 1`).Scan(&one))
	_, err := store.Extend(t.Context(), []inbox.Lease{leaseOf(r)}, 2*time.Hour)
	require.NoError(t, err)
	_, err = store.FinishTx(t.Context(), tx, done(r))
	var state *pgconn.PgError
	require.ErrorAs(t, err, &state)
	assert.Equal(t, "40001", state.Code)
	require.NoError(t, tx.Rollback())

	tx = begin(t, db, sql.LevelRepeatableRead)
	finishTx(t, store, tx, r)
	require.NoError(t, tx.Commit())
	assert.Equal(t, inbox.StateDone, stateOf(t, store, "job"))
}

// In SQLite a transaction has the database to itself. A heartbeat does not wait for
// it while there is time, and waits when there is not.
func TestSQLiteHeartbeatsDuringTransaction(t *testing.T) {
	t.Parallel()
	var clock clock
	store, db := openSQLite(t, sqlstore.WithAhead(clock.ahead))
	receive(t, store, "a", "b")
	claimed := claim(t, store, 2)
	tx := begin(t, db, sql.LevelDefault)
	finishTx(t, store, tx, claimed[0])
	leases := []inbox.Lease{leaseOf(claimed[0]), leaseOf(claimed[1]), {Key: "a", Token: 7}}
	clock.advance(20 * time.Minute)
	held, err := store.Extend(within(t, 2*time.Second), leases, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, []bool{true, true, false}, held)

	clock.advance(20 * time.Minute)
	_, err = store.Extend(within(t, 500*time.Millisecond), leases, time.Hour)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	time.AfterFunc(200*time.Millisecond, func() { _ = tx.Commit() })
	held, err = store.Extend(within(t, 5*time.Second), leases, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, []bool{false, true, false}, held)
}

func TestFinishTxTakesOnlyEndsOfClaims(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		store := open(t, db, d)
		receive(t, store, "job")
		r := claim(t, store, 1)[0]
		tx := begin(t, db, sql.LevelDefault)
		_, err := store.FinishTx(t.Context(), tx, inbox.Completion{Lease: leaseOf(r), State: inbox.StatePending})
		require.ErrorContains(t, err, `a claim cannot end as "pending"`)
		completion := inbox.Completion{
			Lease: leaseOf(r), State: inbox.StateReceived, After: time.Hour,
			Outcome: webhook.OutcomeExpired, Error: "not \x00 now \xff",
		}
		held, err := store.FinishTx(t.Context(), tx, completion)
		require.NoError(t, err)
		require.True(t, held)
		require.NoError(t, tx.Commit())
		records, err := store.List(t.Context(), inbox.Filter{})
		require.NoError(t, err)
		got := records[0]
		assert.Equal(t, inbox.StateReceived, got.State)
		assert.Equal(t, 0, got.Attempt)
		assert.Equal(t, webhook.OutcomeExpired, got.Outcome)
		assert.Equal(t, "not \uFFFD now \uFFFD", got.Error)
		assert.InDelta(t, time.Hour, got.DueAt.Sub(got.ReadAt), float64(time.Minute))
	})
}
