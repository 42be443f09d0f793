package sqlstore_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
	"github.com/reducto-go/reducto/webhook/inbox/storetest"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness { return sqliteHarness(t) })
}

// The same without the fast ways of Submit, Bind and Receive.
func sqliteHarness(t *testing.T, opts ...sqlstore.Option) storetest.Harness {
	file := filepath.Join(t.TempDir(), "inbox.db")
	var clock clock
	connector := &breakable{dsn: sqliteDSN(file)}
	open := func() (*sqlstore.Store, *sql.DB) {
		db := sql.OpenDB(connector)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite, append(opts, sqlstore.WithAhead(clock.ahead))...)
		require.NoError(t, err)
		return store, db
	}
	store, db := open()
	_, err := db.Exec(`CREATE TABLE test_effects (n integer)`)
	require.NoError(t, err)
	return storetest.Harness{
		Store:   store,
		Advance: clock.advance,
		Reopen: func() inbox.Store {
			store, _ := open()
			return store
		},
		Break: func() func() {
			connector.broken.Store(true)
			return func() { connector.broken.Store(false) }
		},
		Begin: func() storetest.Tx {
			tx, err := db.Begin()
			require.NoError(t, err)
			return storetest.Tx{Execer: tx, Commit: tx.Commit, Rollback: tx.Rollback}
		},
		Effect: `INSERT INTO test_effects VALUES (1)`,
		Effects: func() (n int) {
			require.NoError(t, db.QueryRow(`SELECT count(*) FROM test_effects`).Scan(&n))
			return n
		},
		Features: storetest.Features{OneWriter: true},
	}
}

// All stores of the suite are in the same tables, each in its own namespace, with
// its own time.
func TestMySQL(t *testing.T) {
	t.Parallel()
	runMySQL(t)
}

func runMySQL(t *testing.T, opts ...sqlstore.Option) {
	config := mysqlDatabase(t)
	db := mysqlPool(t, config)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, sqlstore.MySQL))
	_, err := db.Exec(`CREATE TABLE test_effects (namespace varchar(64) NOT NULL)`)
	require.NoError(t, err)
	storetest.Run(t, func(t *testing.T) storetest.Harness { return mysqlHarness(t, config, opts...) })
}

func mysqlHarness(t *testing.T, config *mysql.Config, opts ...sqlstore.Option) storetest.Harness {
	namespace := fmt.Sprintf("ns-%x", rand.Uint64())
	network := &network{}
	config = config.Clone()
	config.DialFunc = network.dial
	db := mysqlPool(t, config)
	var clock clock
	open := func(db *sql.DB) *sqlstore.Store {
		return open(t, db, sqlstore.MySQL, append(opts, sqlstore.WithNamespace(namespace),
			sqlstore.WithoutMigrate(), sqlstore.WithAhead(clock.ahead))...)
	}
	return storetest.Harness{
		Store:   open(db),
		Advance: clock.advance,
		Reopen:  func() inbox.Store { return open(mysqlPool(t, config)) },
		Break:   network.cut,
		Begin: func() storetest.Tx {
			tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
			require.NoError(t, err)
			return storetest.Tx{Execer: tx, Commit: tx.Commit, Rollback: tx.Rollback}
		},
		Effect: `INSERT INTO test_effects VALUES ('` + namespace + `')`,
		Effects: func() (n int) {
			require.NoError(t, db.QueryRow(`SELECT count(*) FROM test_effects WHERE namespace = ?`, namespace).Scan(&n))
			return n
		},
	}
}

// All stores of the suite are in the same tables, each in its own namespace, with
// its own time.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	runPostgres(t)
}

// The same without the fast ways of Submit, Bind and Receive.
func runPostgres(t *testing.T, opts ...sqlstore.Option) {
	config := postgresSchema(t)
	db := postgresPool(t, config)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, sqlstore.PostgreSQL))
	_, err := db.Exec(`CREATE TABLE test_effects (namespace text NOT NULL)`)
	require.NoError(t, err)

	storetest.Run(t, func(t *testing.T) storetest.Harness {
		return postgresHarness(t, config, opts...)
	})
}

func postgresHarness(t *testing.T, config *pgx.ConnConfig, opts ...sqlstore.Option) storetest.Harness {
	namespace := fmt.Sprintf("ns-%x", rand.Uint64())
	network := &network{}
	config = config.Copy()
	config.DialFunc = network.dial
	db := postgresPool(t, config)
	var clock clock
	open := func(db *sql.DB) *sqlstore.Store {
		store, err := sqlstore.Open(t.Context(), db, sqlstore.PostgreSQL, append(opts,
			sqlstore.WithNamespace(namespace), sqlstore.WithoutMigrate(),
			sqlstore.WithAhead(clock.ahead))...)
		require.NoError(t, err)
		return store
	}
	return storetest.Harness{
		Store:   open(db),
		Advance: clock.advance,
		Reopen:  func() inbox.Store { return open(postgresPool(t, config)) },
		Break:   network.cut,
		Begin: func() storetest.Tx {
			tx, err := db.Begin()
			require.NoError(t, err)
			return storetest.Tx{Execer: tx, Commit: tx.Commit, Rollback: tx.Rollback}
		},
		Effect: `INSERT INTO test_effects VALUES ('` + namespace + `')`,
		Effects: func() (n int) {
			require.NoError(t, db.QueryRow(`SELECT count(*) FROM test_effects WHERE namespace = $1`, namespace).Scan(&n))
			return n
		},
	}
}
