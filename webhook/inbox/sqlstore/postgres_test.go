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

	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
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
	config, err := pgx.ParseConfig(cmp.Or(os.Getenv("TEST_POSTGRES_URL"), defaultPostgres))
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
		text := "no PostgreSQL: start one, or name it in TEST_POSTGRES_URL: " + err.Error()
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
	db.SetMaxOpenConns(3)
	db.SetMaxIdleConns(3) // the server is slow to free a connection
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

// The threshold of autovacuum does not grow with the table, because dead rows in front of
// the queue make claims slower.
func TestPostgreSQLVacuumsAfterAFixedNumberOfChanges(t *testing.T) {
	t.Parallel()
	_, db := openPostgres(t)
	var options string
	err := db.QueryRowContext(t.Context(), `SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE oid = 'reducto_records'::regclass`).Scan(&options)
	require.NoError(t, err)
	require.Equal(t, "autovacuum_vacuum_scale_factor=0 autovacuum_vacuum_threshold=50000 vacuum_index_cleanup=on", options)
}
