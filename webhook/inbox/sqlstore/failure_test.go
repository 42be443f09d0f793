package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// No method holds a connection while it waits for another.
func TestPoolOfOneConnection(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		db.SetMaxOpenConns(1)
		store := open(t, db, d)
		live(t, store, db, "s")
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				_, err := store.Receive(within(t, 20*time.Second), []inbox.Notification{completed("job"), completed(fmt.Sprint("job-", i))})
				assert.NoError(t, err)
			})
		}
		group.Wait()
		claim(t, store, 17)
	})
}

// A backend that dies takes its transaction with it, and nobody else.
func TestPostgresBackendDies(t *testing.T) {
	t.Parallel()
	store, db := openPostgres(t)
	receive(t, store, "job")
	r := claim(t, store, 1)[0]
	tx := begin(t, db, sql.LevelReadCommitted)
	var pid int
	require.NoError(t, tx.QueryRow(`SELECT pg_backend_pid()`).Scan(&pid))
	_, err := tx.Exec(`CREATE TABLE effect ()`)
	require.NoError(t, err)
	finishTx(t, store, tx, r)
	_, err = db.Exec(`SELECT pg_terminate_backend($1, 5000)`, pid)
	require.NoError(t, err)
	require.Error(t, tx.Commit())

	var effects int
	require.NoError(t, db.QueryRow(`SELECT count(*) FROM pg_tables WHERE tablename = 'effect' AND schemaname = current_schema()`).Scan(&effects))
	assert.Zero(t, effects)
	assert.Equal(t, inbox.StateClaimed, stateOf(t, store, "job"))
	held, err := store.Finish(t.Context(), []inbox.Completion{done(r)})
	require.NoError(t, err)
	assert.Equal(t, []bool{true}, held)
}

// Whoever is in the middle of something when all backends die gets an error, or an
// answer that is true.
func TestPostgresBackendsDieAllTheTime(t *testing.T) {
	t.Parallel()
	store, db := openPostgres(t)
	config := postgresConfig(t)
	admin := postgresPool(t, config)
	var schema string
	require.NoError(t, db.QueryRow(`SELECT current_schema()`).Scan(&schema))
	ctx, stop := context.WithCancel(t.Context())
	var killer, group sync.WaitGroup
	killer.Go(func() {
		for ctx.Err() == nil {
			_, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE pid <> pg_backend_pid() AND query LIKE '%"' || $1 || '".%'`, schema)
			assert.NoError(t, err)
			time.Sleep(20 * time.Millisecond)
		}
	})
	var mu sync.Mutex
	accepted := map[string]bool{}
	for i := range 4 {
		group.Go(func() {
			for j := range 40 {
				key := fmt.Sprintf("job-%d-%d", i, j)
				results, err := store.Receive(within(t, 5*time.Second), []inbox.Notification{completed(key)})
				if err == nil {
					mu.Lock()
					accepted[results[0].Key] = true
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	stop()
	killer.Wait()
	var records []inbox.Record
	require.Eventually(t, func() bool { // the pool still has connections that have died
		var err error
		records, err = store.List(within(t, 10*time.Second), inbox.Filter{Limit: 1000})
		return err == nil
	}, 10*time.Second, time.Millisecond)
	for _, r := range records {
		delete(accepted, r.Key)
	}
	assert.Empty(t, accepted, "accepted and lost")
}

func TestPostgresDeadlockIsRepeated(t *testing.T) {
	t.Parallel()
	assert.True(t, sqlstore.Again(fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: "40P01"})))
	assert.True(t, sqlstore.Again(&pgconn.PgError{Code: "40001"}))
	assert.False(t, sqlstore.Again(&pgconn.PgError{Code: "23505"}))
	assert.False(t, sqlstore.Again(nil))

	// Two transactions that end each other's record, and Finish in between.
	store, db := openPostgres(t)
	receive(t, store, "a", "b")
	claimed := claim(t, store, 2)
	tx := begin(t, db, sql.LevelReadCommitted)
	finishTx(t, store, tx, claimed[0])
	var group sync.WaitGroup
	group.Go(func() {
		_, err := store.Finish(within(t, 20*time.Second), []inbox.Completion{done(claimed[1]), done(claimed[0])})
		assert.NoError(t, err)
	})
	time.Sleep(200 * time.Millisecond)
	_, err := store.FinishTx(within(t, 10*time.Second), tx, done(claimed[1]))
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	group.Wait()
}

// Another connection, perhaps another process's, is writing for long.
func TestSQLiteIsLocked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "inbox.db")
	db, other := sqlitePool(t, sqliteDSN(file)), sqlitePool(t, sqliteDSN(file))
	store := open(t, db, sqlstore.SQLite)
	receive(t, store, "job")
	tx := begin(t, other, sql.LevelDefault)
	_, err := tx.Exec(`CREATE TABLE t (a)`)
	require.NoError(t, err)

	began := time.Now()
	for range 3 { // they queue
		go func() { _, _ = store.Receive(within(t, 5*time.Second), []inbox.Notification{completed("later")}) }()
	}
	_, err = store.Receive(within(t, 300*time.Millisecond), []inbox.Notification{completed("new")})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 2*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, _, err = store.Claim(ctx, 1, time.Hour)
	require.ErrorIs(t, err, context.Canceled)

	// Reading goes on, and duplicates are answered.
	results, err := store.Receive(within(t, time.Second), []inbox.Notification{completed("job")})
	require.NoError(t, err)
	assert.Equal(t, inbox.Duplicate, results[0].Kind)
	_, err = store.Stats(within(t, time.Second))
	require.NoError(t, err)

	time.AfterFunc(200*time.Millisecond, func() { _ = tx.Rollback() })
	receive(t, store, "new")
}

// A full disk can be read. Ready reports it nevertheless.
func TestReadyReportsAFullDisk(t *testing.T) {
	t.Parallel()
	store, db := openSQLite(t)
	db.SetMaxOpenConns(1)
	secret, err := webhook.NewSecret(strings.Repeat("s", 32))
	require.NoError(t, err)
	in, err := inbox.New(secret, store, func(context.Context, *webhook.Delivery) error { return nil })
	require.NoError(t, err)
	_, err = db.Exec(`PRAGMA max_page_count = 1`) // the present size counts
	require.NoError(t, err)
	for i := 0; err == nil && i < 1000; i++ {
		require.NoError(t, in.Ready(t.Context()))
		err = in.Track(t.Context(), fmt.Sprint("job-", i))
	}
	require.ErrorContains(t, err, "full")
	require.ErrorContains(t, in.Ready(t.Context()), "full")
	_, err = db.Exec(`PRAGMA max_page_count = 100000`)
	require.NoError(t, err)
	require.NoError(t, in.Track(t.Context(), "job"))
	require.NoError(t, in.Ready(t.Context()))
}

// A process that has the whole file to itself lets nobody in, not even to look.
func TestSQLiteIsTaken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "inbox.db")
	owner := sqlitePool(t, sqliteDSN(file)+"&_pragma=locking_mode(EXCLUSIVE)")
	owner.SetMaxOpenConns(1)
	_, err := owner.Exec(`CREATE TABLE t (a)`)
	require.NoError(t, err)
	began := time.Now()
	_, err = sqlstore.Open(within(t, 20*time.Second), sqlitePool(t, "file:"+file+
		"?_pragma=busy_timeout(200)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"), sqlstore.SQLite)
	require.ErrorContains(t, err, "locked")
	assert.Less(t, time.Since(began), 15*time.Second)
}

func TestSQLiteCannotBeWritten(t *testing.T) {
	t.Parallel()
	t.Run("disk full", func(t *testing.T) {
		t.Parallel()
		store, db := openSQLite(t)
		db.SetMaxOpenConns(1)
		receive(t, store, "before")
		var pages int
		require.NoError(t, db.QueryRow(`PRAGMA page_count`).Scan(&pages))
		_, err := db.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+4))
		require.NoError(t, err)
		a := completed("large")
		a.Metadata = make([]byte, 1<<20)
		for i := range a.Metadata {
			a.Metadata[i] = '1'
		}
		_, err = store.Receive(within(t, 5*time.Second), []inbox.Notification{a, completed("with-it")})
		require.ErrorContains(t, err, "full")
		_, err = db.Exec(`PRAGMA max_page_count = 100000`)
		require.NoError(t, err)
		receive(t, store, "with-it", "large") // nothing of it was there
		assert.Equal(t, inbox.StateReceived, stateOf(t, store, "before"))
	})
	t.Run("read only", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "inbox.db")
		store := open(t, sqlitePool(t, sqliteDSN(file)), sqlstore.SQLite)
		receive(t, store, "job")
		reader := open(t, sqlitePool(t, sqliteDSN(file)+"&_pragma=query_only(1)"), sqlstore.SQLite)
		_, err := reader.Receive(within(t, 5*time.Second), []inbox.Notification{completed("new")})
		require.ErrorContains(t, err, "readonly")
		assert.Equal(t, inbox.StateReceived, stateOf(t, reader, "job"))
	})
}

func TestContextEnds(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		store := open(t, db, d)
		db.SetMaxOpenConns(1)
		conn, err := db.Conn(t.Context()) // nobody else gets one
		require.NoError(t, err)
		for name, call := range map[string]func(context.Context) error{
			"Submit": func(ctx context.Context) error { return store.Submit(ctx, inbox.Submission{ID: "s"}) },
			"Receive": func(ctx context.Context) error {
				_, err := store.Receive(ctx, []inbox.Notification{completed("job")})
				return err
			},
			"Claim": func(ctx context.Context) error { _, _, err := store.Claim(ctx, 1, 0); return err },
			"Extend": func(ctx context.Context) error {
				_, err := store.Extend(ctx, []inbox.Lease{{Key: "k"}}, 0)
				return err
			},
			"Stats": func(ctx context.Context) error { _, err := store.Stats(ctx); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			began := time.Now()
			assert.ErrorIs(t, call(ctx), context.DeadlineExceeded, name)
			assert.Less(t, time.Since(began), time.Second, name)
			cancel()
		}
		require.NoError(t, conn.Close())
		receive(t, store, "job")
	})
}
