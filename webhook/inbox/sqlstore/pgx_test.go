package sqlstore_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
	"github.com/reducto-go/reducto/webhook/inbox/storetest"
)

func pgxPool(t testing.TB, config *pgx.ConnConfig) *pgxpool.Pool {
	t.Helper()
	c, err := pgxpool.ParseConfig("")
	require.NoError(t, err)
	c.ConnConfig, c.MaxConns = config.Copy(), 3
	pool, err := pgxpool.NewWithConfig(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func beginPgx(t testing.TB, pool *pgxpool.Pool, options pgx.TxOptions) pgx.Tx {
	t.Helper()
	tx, err := pool.BeginTx(within(t, 10*time.Second), options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(within(t, 10*time.Second)) })
	return tx
}

// runPostgresWithPgx runs the suite with transactions of pgx.
func runPostgresWithPgx(t *testing.T, config *pgx.ConnConfig) {
	pool := pgxPool(t, config)
	require.NoError(t, sqlstore.Migrate(t.Context(), postgresPool(t, config), sqlstore.PostgreSQL))
	_, err := pool.Exec(t.Context(), `CREATE TABLE test_effects (namespace text NOT NULL)`)
	require.NoError(t, err)
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		h := postgresHarness(t, config)
		h.Begin = func() storetest.Tx {
			tx := beginPgx(t, pool, pgx.TxOptions{})
			return storetest.Tx{
				Execer:   webhook.PgxTx(tx),
				Commit:   func() error { return tx.Commit(within(t, 10*time.Second)) },
				Rollback: func() error { return tx.Rollback(within(t, 10*time.Second)) },
			}
		}
		return h
	})
}

// finishWithPgx finishes a job in a transaction of pgx, after a rollback.
func finishWithPgx(t *testing.T, store *sqlstore.Store, pool *pgxpool.Pool, job string) {
	t.Helper()
	receive(t, store, job)
	r := claim(t, store, 1)[0]
	for _, end := range []func(pgx.Tx, context.Context) error{pgx.Tx.Rollback, pgx.Tx.Commit} {
		tx := beginPgx(t, pool, pgx.TxOptions{})
		held, err := store.FinishTx(within(t, 10*time.Second), webhook.PgxTx(tx), done(r))
		require.NoError(t, err)
		require.True(t, held)
		require.Equal(t, inbox.StateClaimed, stateOf(t, store, job))
		require.NoError(t, end(tx, t.Context()))
	}
	require.Equal(t, inbox.StateDone, stateOf(t, store, job))
}

func TestPgxTxInEachMode(t *testing.T) {
	t.Parallel()
	modes := maps.Clone(execModes)
	modes["cache_statement"] = pgx.QueryExecModeCacheStatement
	for name, mode := range modes {
		config := postgresSchema(t)
		store := open(t, postgresPool(t, config), sqlstore.PostgreSQL)
		config.DefaultQueryExecMode = mode
		finishWithPgx(t, store, pgxPool(t, config), name)
	}
}

func TestPgBouncerPgxTx(t *testing.T) {
	t.Parallel()
	config := pgbouncer(t)
	for name, mode := range execModes {
		config := config.Copy()
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		store := open(t, postgresPool(t, config), sqlstore.PostgreSQL, sqlstore.WithNamespace(name))
		config.DefaultQueryExecMode = mode // of the user's pool
		pool := pgxPool(t, config)
		for i := range 5 {
			finishWithPgx(t, store, pool, fmt.Sprint(name, i))
		}
	}
}

// The store and the user's functions share a pool.
func TestStoreOnPgxPool(t *testing.T) {
	t.Parallel()
	pool := pgxPool(t, postgresSchema(t))
	db := stdlib.OpenDBFromPool(pool)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store := open(t, db, sqlstore.PostgreSQL)
	live(t, store, db, "s")
	finishWithPgx(t, store, pool, "job")
}

func TestPgxTxThatCannotFinish(t *testing.T) {
	t.Parallel()
	config := postgresSchema(t)
	store, pool := open(t, postgresPool(t, config), sqlstore.PostgreSQL), pgxPool(t, config)
	receive(t, store, "job")
	r := claim(t, store, 1)[0]
	finish := func(tx pgx.Tx) error {
		held, err := store.FinishTx(within(t, 10*time.Second), webhook.PgxTx(tx), done(r))
		require.Error(t, err)
		assert.False(t, held)
		assert.Equal(t, inbox.StateClaimed, stateOf(t, store, "job"))
		return err
	}
	state := func(err error) string {
		var server *pgconn.PgError
		require.ErrorAs(t, err, &server)
		return server.Code
	}

	tx := beginPgx(t, pool, pgx.TxOptions{})
	require.NoError(t, tx.Rollback(t.Context()))
	require.ErrorIs(t, finish(tx), pgx.ErrTxClosed)

	tx = beginPgx(t, pool, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	assert.Equal(t, "25006", state(finish(tx)))
	assert.Equal(t, "25P02", state(finish(tx)), "the transaction has failed")

	tx = beginPgx(t, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	_, err := tx.Exec(t.Context(), `SELECT 1 FROM reducto_records`)
	require.NoError(t, err)
	_, err = store.Extend(t.Context(), []inbox.Lease{leaseOf(r)}, 2*time.Hour)
	require.NoError(t, err)
	err = finish(tx)
	assert.Equal(t, "40001", state(err))
	assert.True(t, sqlstore.Again(err))

	other := config.Copy()
	if other.Database = "postgres"; config.Database == other.Database {
		other.Database = "template1"
	}
	tx = beginPgx(t, pgxPool(t, other), pgx.TxOptions{})
	assert.Equal(t, "42P01", state(finish(tx)))

	name := config.RuntimeParams["search_path"]
	config.RuntimeParams["application_name"] = name
	tx = beginPgx(t, pgxPool(t, config), pgx.TxOptions{})
	require.Equal(t, 1, terminate(t, postgresPool(t, postgresConfig(t)), name))
	assert.True(t, sqlstore.Disconnected(finish(tx)))
}
