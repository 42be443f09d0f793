package sqlstore_test

import (
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// additive is a migration that programs of the version before can live with.
const additive = `
ALTER TABLE reducto_records ADD COLUMN later integer NOT NULL DEFAULT 7;
CREATE INDEX reducto_records_later ON reducto_records (namespace, later);
`

func versions(t *testing.T, db *sql.DB) (list []int) {
	t.Helper()
	rows, err := db.Query(`SELECT version FROM reducto_schema ORDER BY version`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var v int
		require.NoError(t, rows.Scan(&v))
		list = append(list, v)
	}
	require.NoError(t, rows.Err())
	return list
}

func TestOpenIsIdempotent(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		receive(t, open(t, db, d), "job")
		require.NoError(t, sqlstore.Migrate(t.Context(), db, d))
		assert.Equal(t, inbox.StateReceived, stateOf(t, open(t, db, d), "job"))
		assert.Equal(t, []int{1, 2, 3}, versions(t, db))
	})
}

func TestScenario40_OlderSchemaIsMigrated(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		receive(t, open(t, db, d), "job")
		store := open(t, db, d, sqlstore.WithRelease(1, additive))
		assert.Equal(t, []int{1, 2, 3, 4}, versions(t, db))
		assert.Equal(t, inbox.StateReceived, stateOf(t, store, "job"))
		var later string
		require.NoError(t, db.QueryRow(`SELECT later FROM reducto_records`).Scan(&later))
		assert.Equal(t, "7", later)
	})
}

// A rolling deploy: the next release has migrated, and this one still runs, and is
// even started again.
func TestScenario40_NewerCompatibleSchemaIsUsed(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		running := open(t, db, d)
		next := open(t, db, d, sqlstore.WithRelease(1, additive))
		live(t, running, db, "s1")
		live(t, open(t, db, d), db, "s2")
		live(t, open(t, db, d, sqlstore.WithoutMigrate()), db, "s3")
		live(t, next, db, "s4")
		assert.Equal(t, []int{1, 2, 3, 4}, versions(t, db))
	})
}

func TestScenario40_NewerIncompatibleSchemaIsRefused(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		open(t, db, d, sqlstore.WithRelease(4, additive))
		for _, opts := range [][]sqlstore.Option{nil, {sqlstore.WithoutMigrate()}} {
			_, err := sqlstore.Open(t.Context(), db, d, opts...)
			var refused *sqlstore.SchemaError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, sqlstore.SchemaError{Have: 4, CompatibleFrom: 4, Want: 3}, *refused)
			assert.ErrorContains(t, err, "upgrade it, or give it another database")
		}
		err := sqlstore.Migrate(t.Context(), db, d)
		require.ErrorContains(t, err, "sqlstore: migrate: ")
		assert.Equal(t, []int{1, 2, 3, 4}, versions(t, db))
	})
}

func TestWithoutMigrate(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		_, err := sqlstore.Open(t.Context(), db, d, sqlstore.WithoutMigrate())
		var refused *sqlstore.SchemaError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, sqlstore.SchemaError{Want: 3}, *refused)
		assert.ErrorContains(t, err, "call sqlstore.Migrate")

		require.NoError(t, sqlstore.Migrate(t.Context(), db, d))
		live(t, open(t, db, d, sqlstore.WithoutMigrate()), db, "s")

		_, err = sqlstore.Open(t.Context(), db, d, sqlstore.WithRelease(1, additive), sqlstore.WithoutMigrate())
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, sqlstore.SchemaError{Have: 3, CompatibleFrom: 1, Want: 4}, *refused)
		assert.ErrorContains(t, err, "call sqlstore.Migrate")
	})
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		receive(t, open(t, db, d), "job")
		_, err := sqlstore.Open(t.Context(), db, d,
			sqlstore.WithRelease(1, "ALTER TABLE reducto_records ADD COLUMN later integer NOT NULL DEFAULT 7;\nSELECT nonsense FROM nowhere;\n"))
		require.ErrorContains(t, err, "migration to version 4: ")
		assert.Equal(t, []int{1, 2, 3}, versions(t, db))
		open(t, db, d, sqlstore.WithRelease(1, additive)) // the column is not there twice
	})
}

func TestConcurrentOpen(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		pools := []*sql.DB{db}
		if d == sqlstore.SQLite {
			var file string
			require.NoError(t, db.QueryRow(`SELECT file FROM pragma_database_list`).Scan(&file))
			pools = append(pools, sqlitePool(t, sqliteDSN(file)))
		}
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				opts := []sqlstore.Option{}
				if i%2 == 1 {
					opts = append(opts, sqlstore.WithRelease(1, additive))
				}
				store, err := sqlstore.Open(within(t, 20*time.Second), pools[i%len(pools)], d, opts...)
				if assert.NoError(t, err) {
					_, err = store.Stats(t.Context())
					assert.NoError(t, err)
				}
			})
		}
		group.Wait()
		assert.Equal(t, []int{1, 2, 3, 4}, versions(t, db))
	})
}

func TestNamespacesAreIsolated(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		a, b := open(t, db, d, sqlstore.WithNamespace("a")), open(t, db, d, sqlstore.WithNamespace("b"))
		receive(t, a, "job", "job-of-a")
		receive(t, b, "job") // the same job is another record
		assert.Equal(t, []string{"job", "job-of-a"}, []string{claim(t, a, 1)[0].Key, claim(t, a, 1)[0].Key})
		r := claim(t, b, 1)[0]
		none, next, err := b.Claim(t.Context(), 5, time.Hour)
		require.NoError(t, err)
		assert.Empty(t, none)
		assert.InDelta(t, time.Hour, next, float64(time.Minute))

		_, err = db.ExecContext(t.Context(), `UPDATE reducto_records SET token = 1`)
		require.NoError(t, err)
		r.Token = 1 // as both claims have
		held, err := a.Finish(t.Context(), []inbox.Completion{done(r)})
		require.NoError(t, err)
		require.Equal(t, []bool{true}, held)
		assert.Equal(t, inbox.StateDone, stateOf(t, a, "job"))
		assert.Equal(t, inbox.StateClaimed, stateOf(t, b, "job"))

		locked, err := a.Lock(t.Context(), "lock", "x", time.Hour)
		require.NoError(t, err)
		assert.True(t, locked)
		locked, err = b.Lock(t.Context(), "lock", "y", time.Hour)
		require.NoError(t, err)
		assert.True(t, locked)

		records, err := open(t, db, d).List(t.Context(), inbox.Filter{})
		require.NoError(t, err)
		assert.Empty(t, records)
		stats, err := b.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, map[inbox.State]int{inbox.StateClaimed: 1}, stats.Count)
	})
}

// The tables can be in another schema than the first one of the search path, and
// a transaction of the user's can have another path altogether.
func TestPostgresFindsItsSchema(t *testing.T) {
	t.Parallel()
	config := postgresSchema(t)
	db := postgresPool(t, config)
	open(t, db, sqlstore.PostgreSQL)

	own := postgresSchema(t)
	own.RuntimeParams["search_path"] += ", " + config.RuntimeParams["search_path"]
	elsewhere := postgresPool(t, own)
	store := open(t, elsewhere, sqlstore.PostgreSQL)
	receive(t, store, "job")
	assert.Equal(t, inbox.StateReceived, stateOf(t, open(t, db, sqlstore.PostgreSQL), "job"))

	r := claim(t, store, 1)[0]
	tx, err := elsewhere.Begin()
	require.NoError(t, err)
	_, err = tx.Exec(`SET LOCAL search_path TO pg_catalog`)
	require.NoError(t, err)
	held, err := store.FinishTx(t.Context(), tx, done(r))
	require.NoError(t, err)
	assert.True(t, held)
	require.NoError(t, tx.Commit())

	none := postgresConfig(t)
	none.RuntimeParams["search_path"] = "reducto_there_is_no_such_schema"
	_, err = sqlstore.Open(t.Context(), postgresPool(t, none), sqlstore.PostgreSQL)
	require.ErrorContains(t, err, "search_path")
}
