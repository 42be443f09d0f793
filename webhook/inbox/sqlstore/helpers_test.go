package sqlstore_test

import (
	"context"
	"database/sql"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// each runs a test on an empty database of each kind.
func each(t *testing.T, test func(t *testing.T, db *sql.DB, d sqlstore.Dialect)) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, postgresPool(t, postgresSchema(t)), sqlstore.PostgreSQL)
	})
	t.Run("MySQL", func(t *testing.T) {
		t.Parallel()
		test(t, mysqlPool(t, mysqlDatabase(t)), sqlstore.MySQL)
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, sqlitePool(t, sqliteDSN(t.TempDir()+"/inbox.db")), sqlstore.SQLite)
	})
}

// onServers runs a test on an empty database of each kind that is a server.
func onServers(t *testing.T, test func(t *testing.T, store *sqlstore.Store, db *sql.DB)) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		store, db := openPostgres(t)
		test(t, store, db)
	})
	t.Run("MySQL", func(t *testing.T) {
		t.Parallel()
		store, db := openMySQL(t)
		test(t, store, db)
	})
}

func open(t testing.TB, db *sql.DB, d sqlstore.Dialect, opts ...sqlstore.Option) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), db, d, opts...)
	require.NoError(t, err)
	return store
}

// within bounds a call that could hang.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func completed(jobID string) inbox.Notification {
	return inbox.Notification{
		JobID: jobID, Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted, Source: inbox.SourceWebhook,
	}
}

// receive has the store receive jobs that nobody submitted.
func receive(t testing.TB, store *sqlstore.Store, jobIDs ...string) {
	t.Helper()
	list := make([]inbox.Notification, 0, len(jobIDs))
	for _, id := range jobIDs {
		list = append(list, completed(id))
	}
	results, err := store.Receive(within(t, 10*time.Second), list)
	require.NoError(t, err)
	for i, r := range results {
		require.Equal(t, inbox.ReceiveResult{Kind: inbox.Accepted, State: inbox.StateReceived, Key: jobIDs[i]}, r)
	}
}

// claim claims n records for an hour.
func claim(t testing.TB, store *sqlstore.Store, n int) []inbox.Record {
	t.Helper()
	claimed, _, err := store.Claim(within(t, 10*time.Second), n, time.Hour)
	require.NoError(t, err)
	require.Len(t, claimed, n)
	return claimed
}

func leaseOf(r inbox.Record) inbox.Lease { return inbox.Lease{Key: r.Key, Token: r.Token} }

func done(r inbox.Record) inbox.Completion {
	return inbox.Completion{Lease: leaseOf(r), State: inbox.StateDone}
}

func stateOf(t testing.TB, store *sqlstore.Store, key string) inbox.State {
	t.Helper()
	records, err := store.List(within(t, 10*time.Second), inbox.Filter{Keys: []string{key}})
	require.NoError(t, err)
	require.Len(t, records, 1)
	return records[0].State
}

// live takes a submission through all methods of a store.
func live(t testing.TB, store *sqlstore.Store, db *sql.DB, id string) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	job := "job-" + id
	require.NoError(t, store.Submit(ctx, inbox.Submission{ID: id, Type: reducto.JobTypeParse, Webhook: true, Metadata: []byte(`{"a":1}`)}))
	overdue, err := store.Overdue(ctx, 5, func(*inbox.Record) time.Duration { return time.Hour })
	require.NoError(t, err)
	require.Len(t, overdue, 1)
	require.NoError(t, store.Bind(ctx, inbox.Answer{SubmissionID: id, JobID: job, Jobs: 1}))
	require.NoError(t, store.Submit(ctx, inbox.Submission{ID: id + "-refused"}))
	require.NoError(t, store.Bind(ctx, inbox.Answer{SubmissionID: id + "-refused"}))

	n := completed(job)
	n.SubmissionID = id
	results, err := store.Receive(ctx, []inbox.Notification{n, n})
	require.NoError(t, err)
	require.Equal(t, inbox.Accepted, results[0].Kind)
	require.Equal(t, inbox.Duplicate, results[1].Kind)

	r := claim(t, store, 1)[0]
	require.Equal(t, `{"a":1}`, string(r.Metadata))
	held, err := store.Extend(ctx, []inbox.Lease{leaseOf(r)}, 2*time.Hour)
	require.NoError(t, err)
	require.Equal(t, []bool{true}, held)
	held, err = store.Finish(ctx, []inbox.Completion{{Lease: leaseOf(r), State: inbox.StateDead, Error: "because"}})
	require.NoError(t, err)
	require.Equal(t, []bool{true}, held)
	held, err = store.Finish(ctx, []inbox.Completion{{Lease: leaseOf(r), State: inbox.StateReceived}})
	require.NoError(t, err)
	require.Equal(t, []bool{true}, held)

	r = claim(t, store, 1)[0]
	tx, err := db.BeginTx(ctx, nil)
	require.NoError(t, err)
	ok, err := store.FinishTx(ctx, tx, done(r))
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, tx.Commit())

	records, err := store.List(ctx, inbox.Filter{States: []inbox.State{inbox.StateDone}, JobID: job})
	require.NoError(t, err)
	require.Len(t, records, 1)
	locked, err := store.Lock(ctx, "lock", id, time.Minute)
	require.NoError(t, err)
	require.True(t, locked)
	locked, err = store.Lock(ctx, "lock", id, 0)
	require.NoError(t, err)
	require.False(t, locked)
	stats, err := store.Stats(ctx)
	require.NoError(t, err)
	require.Zero(t, stats.Due)
	_, err = store.Purge(ctx, time.Hour, time.Hour, 10)
	require.NoError(t, err)
}

// clock is how far tests have moved the clock of a store forward.
type clock struct{ us atomic.Int64 }

func (c *clock) ahead() time.Duration    { return time.Duration(c.us.Load()) * time.Microsecond }
func (c *clock) advance(d time.Duration) { c.us.Add(d.Microseconds()) }
