package sqlstore_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/sqlstore"
)

// both runs a test on an empty database of either kind.
func both(t *testing.T, test func(t *testing.T, db *sql.DB, d sqlstore.Dialect)) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, postgresPool(t, postgresSchema(t)), sqlstore.PostgreSQL)
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, sqlitePool(t, sqliteDSN(t.TempDir()+"/inbox.db")), sqlstore.SQLite)
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

func completed(jobID string) webhook.Arrival {
	return webhook.Arrival{
		JobID: jobID, Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted, Source: webhook.SourceWebhook,
	}
}

// receive has the store receive jobs that nobody submitted.
func receive(t testing.TB, store *sqlstore.Store, jobIDs ...string) {
	t.Helper()
	arrivals := make([]webhook.Arrival, 0, len(jobIDs))
	for _, id := range jobIDs {
		arrivals = append(arrivals, completed(id))
	}
	receipts, err := store.Receive(within(t, 10*time.Second), arrivals)
	require.NoError(t, err)
	for i, r := range receipts {
		require.Equal(t, webhook.Receipt{Kind: webhook.ReceiptAccepted, State: webhook.StateReceived, Key: jobIDs[i]}, r)
	}
}

// claim claims n records for an hour.
func claim(t testing.TB, store *sqlstore.Store, n int) []webhook.Record {
	t.Helper()
	claimed, _, err := store.Claim(within(t, 10*time.Second), n, time.Hour)
	require.NoError(t, err)
	require.Len(t, claimed, n)
	return claimed
}

func leaseOf(r webhook.Record) webhook.Lease { return webhook.Lease{Key: r.Key, Token: r.Token} }

func done(r webhook.Record) webhook.Verdict {
	return webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDone}
}

func stateOf(t testing.TB, store *sqlstore.Store, key string) webhook.State {
	t.Helper()
	records, err := store.List(within(t, 10*time.Second), webhook.Filter{Keys: []string{key}})
	require.NoError(t, err)
	require.Len(t, records, 1)
	return records[0].State
}

// live takes a submission through all methods of a store.
func live(t testing.TB, store *sqlstore.Store, db *sql.DB, id string) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	job := "job-" + id
	require.NoError(t, store.Submit(ctx, webhook.Submitted{ID: id, Type: reducto.JobTypeParse, Webhook: true, Metadata: []byte(`{"a":1}`)}))
	overdue, err := store.Overdue(ctx, 5, true, []time.Duration{time.Hour})
	require.NoError(t, err)
	require.Len(t, overdue, 1)
	require.NoError(t, store.Bind(ctx, id, job, 1))
	require.NoError(t, store.Submit(ctx, webhook.Submitted{ID: id + "-withdrawn"}))
	require.NoError(t, store.Withdraw(ctx, id+"-withdrawn"))

	arrival := completed(job)
	arrival.SubmissionID = id
	receipts, err := store.Receive(ctx, []webhook.Arrival{arrival, arrival})
	require.NoError(t, err)
	require.Equal(t, webhook.ReceiptAccepted, receipts[0].Kind)
	require.Equal(t, webhook.ReceiptDuplicate, receipts[1].Kind)

	r := claim(t, store, 1)[0]
	require.Equal(t, `{"a":1}`, string(r.Metadata))
	held, err := store.Extend(ctx, []webhook.Lease{leaseOf(r)}, 2*time.Hour)
	require.NoError(t, err)
	require.Equal(t, []bool{true}, held)
	held, err = store.Finish(ctx, []webhook.Verdict{{Lease: leaseOf(r), State: webhook.StateDead, Error: "because"}})
	require.NoError(t, err)
	require.Equal(t, []bool{true}, held)
	held, err = store.Replay(ctx, []string{id})
	require.NoError(t, err)
	require.Equal(t, []bool{true}, held)

	r = claim(t, store, 1)[0]
	tx, err := db.BeginTx(ctx, nil)
	require.NoError(t, err)
	ok, err := store.FinishTx(ctx, tx, done(r))
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, tx.Commit())

	records, err := store.List(ctx, webhook.Filter{States: []webhook.State{webhook.StateDone}, JobID: job})
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
	require.Positive(t, stats.Count[webhook.StateDone])
	_, err = store.Purge(ctx, time.Hour, time.Hour, 10)
	require.NoError(t, err)
}
