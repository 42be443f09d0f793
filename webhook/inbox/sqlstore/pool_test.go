package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// poolOf opens a store in a schema of its own, and n connections. An application name
// tells the connections from those of other tests.
func poolOf(t *testing.T, n int) (store *sqlstore.Store, db *sql.DB, name string) {
	t.Helper()
	config := postgresSchema(t)
	name = config.RuntimeParams["search_path"]
	config.RuntimeParams["application_name"] = name
	db = postgresPool(t, config)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	store = open(t, db, sqlstore.PostgreSQL)
	onEach(t, db, n, `SELECT 1`)
	return store, db, name
}

// onEach runs a statement on n connections of the pool.
func onEach(t *testing.T, db *sql.DB, n int, statement string) {
	t.Helper()
	for range n {
		conn, err := db.Conn(within(t, 10*time.Second))
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

// terminate ends all sessions with that application name, and returns their number.
func terminate(t *testing.T, admin *sql.DB, name string) int {
	t.Helper()
	var n int
	require.NoError(t, admin.QueryRow(
		`SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = $1`, name).Scan(&n))
	return n
}

// A restart of the server ends all sessions of the pool.
func TestPostgresRestartFailsNoOperation(t *testing.T) {
	t.Parallel()
	const connections = 6
	for name, workers := range map[string]int{"one by one": 1, "at once": 8} {
		t.Run(name, func(t *testing.T) {
			store, db, name := poolOf(t, connections)
			admin := postgresPool(t, postgresConfig(t))
			require.NoError(t, admin.Ping())
			onEach(t, db, connections, `SELECT 1`) // the driver checks connections that were idle for a second
			require.Equal(t, connections, terminate(t, admin, name))
			began := time.Now()
			var failed [2]atomic.Int32
			numbers := make(chan int)
			var group sync.WaitGroup
			for range workers {
				group.Go(func() {
					for i := range numbers {
						var err error
						if i < 20 {
							err = store.Submit(within(t, 10*time.Second), inbox.Submission{ID: fmt.Sprint("s", i), Webhook: true})
						} else {
							_, err = store.Receive(within(t, 10*time.Second), []inbox.Notification{completed(fmt.Sprint("job", i))})
						}
						if err != nil {
							failed[min(i/20, 1)].Add(1)
							t.Log(i, err)
						}
					}
				})
			}
			for i := range 80 {
				numbers <- (i*20 + i/4) % 80 // Submits among Receives
			}
			close(numbers)
			group.Wait()
			t.Log("80 operations took", time.Since(began))
			assert.Zero(t, failed[0].Load(), "Submits that failed")
			assert.Zero(t, failed[1].Load(), "Receives that failed")
			records, err := store.List(t.Context(), inbox.Filter{Limit: 100})
			require.NoError(t, err)
			assert.Equal(t, 80, len(records))
		})
	}
}

// Bind of an answer without a job counts each time. After an unknown result the store
// must not repeat it.
func TestPostgresBindWithoutJobIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer inbox.Answer
		fails  bool
	}{
		"without a job": {inbox.Answer{SubmissionID: "s", Jobs: 1}, true},
		"with a job":    {inbox.Answer{SubmissionID: "s", JobID: "job", Jobs: 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, db, name := poolOf(t, 1)
			require.NoError(t, store.Submit(t.Context(), inbox.Submission{ID: "s", Webhook: true}))
			store.SleepInSave(300 * time.Millisecond)
			bound := make(chan error, 1)
			go func() { bound <- store.Bind(within(t, 10*time.Second), test.answer) }()
			admin := postgresPool(t, postgresConfig(t))
			require.Eventually(t, func() (sleeps bool) {
				err := admin.QueryRow(`SELECT count(*) > 0 FROM pg_stat_activity
					WHERE application_name = $1 AND wait_event = 'PgSleep'`, name).Scan(&sleeps)
				return err == nil && sleeps
			}, 10*time.Second, time.Millisecond)
			terminate(t, admin, name)
			err := <-bound
			if !test.fails {
				require.NoError(t, err)
				return
			}
			var server *pgconn.PgError
			require.ErrorAs(t, err, &server)
			assert.Equal(t, "57P01", server.Code)
			require.NoError(t, db.PingContext(t.Context()))
		})
	}
}

// The store must not repeat a statement in a transaction of the user, because the
// transaction has ended with its session.
func TestPostgresFinishTxIsNotRepeated(t *testing.T) {
	t.Parallel()
	store, db, name := poolOf(t, 2)
	receive(t, store, "job")
	r := claim(t, store, 1)[0]
	tx := begin(t, db, sql.LevelReadCommitted)
	terminate(t, postgresPool(t, postgresConfig(t)), name)
	_, err := store.FinishTx(within(t, 10*time.Second), tx, done(r))
	require.Error(t, err)
	assert.Equal(t, inbox.StateClaimed, stateOf(t, store, "job"))
}

// After a failover the sessions of a pool can be on a server that has become read-only.
func TestPostgresReadOnlySessionsAreDiscarded(t *testing.T) {
	t.Parallel()
	const connections = 6
	store, db, _ := poolOf(t, connections)
	onEach(t, db, connections, `SET default_transaction_read_only = on`)
	ctx := within(t, time.Second)
	results, err := store.Receive(ctx, []inbox.Notification{completed("job")})
	require.NoError(t, err)
	assert.Equal(t, inbox.Accepted, results[0].Kind)
	for range connections {
		require.NoError(t, store.Bind(within(t, 10*time.Second), inbox.Answer{SubmissionID: "s", Jobs: 1}))
	}
}

// If new sessions are read-only too, the error says so, soon.
func TestPostgresReadOnlyServerFails(t *testing.T) {
	t.Parallel()
	config := postgresSchema(t)
	store := open(t, postgresPool(t, config.Copy()), sqlstore.PostgreSQL)
	config.RuntimeParams["default_transaction_read_only"] = "on"
	db := postgresPool(t, config)
	_, err := sqlstore.Open(t.Context(), db, sqlstore.PostgreSQL)
	var refused *sqlstore.SettingError
	require.ErrorAs(t, err, &refused)
	store.Use(db)
	began := time.Now()
	_, err = store.Receive(within(t, 10*time.Second), []inbox.Notification{completed("job")})
	require.ErrorContains(t, err, "25006")
	assert.Less(t, time.Since(began), 2*time.Second)
}

func TestDisconnected(t *testing.T) {
	t.Parallel()
	read := func(err error) error { return &net.OpError{Op: "read", Err: err} }
	for _, err := range []error{
		&pgconn.PgError{Code: "57P01"}, &pgconn.PgError{Code: "57P02"}, &pgconn.PgError{Code: "57P03"},
		&pgconn.PgError{Code: "57P05"}, &pgconn.PgError{Code: "08006"}, fmt.Errorf("wrapped: %w", io.ErrUnexpectedEOF),
		io.EOF, net.ErrClosed, read(syscall.ECONNRESET), read(syscall.ETIMEDOUT),
	} {
		assert.True(t, sqlstore.Disconnected(err), "%v", err)
	}
	for _, err := range []error{
		nil, errors.New("other"), &pgconn.PgError{Code: "57014"}, &pgconn.PgError{Code: "23505"}, context.Canceled,
		&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, read(os.ErrDeadlineExceeded), sql.ErrNoRows,
	} {
		assert.False(t, sqlstore.Disconnected(err), "%v", err)
	}
}
