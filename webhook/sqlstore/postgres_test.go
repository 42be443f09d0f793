package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/sqlstore"
	"github.com/reducto-go/reducto/webhook/storetest"
)

var execModes = map[string]pgx.QueryExecMode{
	"exec":            pgx.QueryExecModeExec,
	"simple_protocol": pgx.QueryExecModeSimpleProtocol,
	"describe_exec":   pgx.QueryExecModeDescribeExec,
	"cache_describe":  pgx.QueryExecModeCacheDescribe,
}

const defaultPostgres = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"

// postgresServer connects to the server that the tests use. Without one the test
// is skipped, but in CI it fails.
var postgresServer = sync.OnceValues(func() (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(cmp.Or(os.Getenv("REDUCTO_TEST_POSTGRES"), os.Getenv("TEST_POSTGRES_URL"), defaultPostgres))
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return config, db.PingContext(ctx)
})

func postgresConfig(t testing.TB) *pgx.ConnConfig {
	t.Helper()
	config, err := postgresServer()
	if err != nil {
		text := "no PostgreSQL: start one, or name it in REDUCTO_TEST_POSTGRES: " + err.Error()
		if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	return config.Copy()
}

// postgresSchema makes a schema for one test, and returns how to connect so that
// it is the one that is used.
func postgresSchema(t testing.TB) *pgx.ConnConfig {
	t.Helper()
	config := postgresConfig(t)
	schema := fmt.Sprintf("reducto_test_%d_%x", os.Getpid(), rand.Uint64())
	admin := stdlib.OpenDB(*config)
	_, err := admin.Exec("CREATE SCHEMA " + schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP SCHEMA " + schema + " CASCADE")
		require.NoError(t, err)
		require.NoError(t, admin.Close())
	})
	config.RuntimeParams["search_path"] = schema
	return config
}

func postgresPool(t testing.TB, config *pgx.ConnConfig) *sql.DB {
	t.Helper()
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(6)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// openPostgres opens a store in a schema of its own.
func openPostgres(t testing.TB, opts ...sqlstore.Option) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db := postgresPool(t, postgresSchema(t))
	store, err := sqlstore.Open(t.Context(), db, sqlstore.PostgreSQL, opts...)
	require.NoError(t, err)
	return store, db
}

// All stores of the suite are in the same tables, each in its own namespace, with
// its own time.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	runPostgres(t)
}

// The same without what is done only where all is as usual.
func TestPostgreSQLCareful(t *testing.T) {
	t.Parallel()
	runPostgres(t, sqlstore.Careful)
}

func runPostgres(t *testing.T, opts ...sqlstore.Option) {
	config := postgresSchema(t)
	db := postgresPool(t, config)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, sqlstore.PostgreSQL))
	_, err := db.Exec(`CREATE TABLE test_clock (namespace text PRIMARY KEY, us bigint NOT NULL);
		CREATE TABLE test_effects (namespace text NOT NULL)`)
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
	_, err := db.Exec(`INSERT INTO test_clock VALUES ($1, 0)`, namespace)
	require.NoError(t, err)
	open := func(db *sql.DB) *sqlstore.Store {
		store, err := sqlstore.Open(t.Context(), db, sqlstore.PostgreSQL, append(opts,
			sqlstore.WithNamespace(namespace), sqlstore.WithoutMigrate(),
			sqlstore.WithClock("("+sqlstore.PostgresClock+" + (SELECT us FROM test_clock WHERE namespace = '"+namespace+"'))"))...)
		require.NoError(t, err)
		return store
	}
	return storetest.Harness{
		Store: open(db),
		Advance: func(d time.Duration) {
			_, err := db.Exec(`UPDATE test_clock SET us = us + $2 WHERE namespace = $1`, namespace, d.Microseconds())
			require.NoError(t, err)
		},
		Reopen: func() webhook.Store { return open(postgresPool(t, config)) },
		Break:  network.cut,
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

// network can be cut.
type network struct {
	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, errors.New("the network is cut")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		n.conns = append(n.conns, conn)
	}
	return conn, err
}

func (n *network) cut() (restore func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
	for _, conn := range n.conns {
		_ = conn.Close()
	}
	n.conns = nil
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.down = false
	}
}
