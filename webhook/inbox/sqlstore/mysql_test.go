package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

const defaultMySQL = "root@tcp(127.0.0.1:3306)/test"

// mysqlServer connects to the server that the tests use. Without one the test is
// skipped, but in CI it fails.
var mysqlServer = sync.OnceValues(func() (*mysql.Config, error) {
	config, err := mysql.ParseDSN(cmp.Or(os.Getenv("TEST_MYSQL_URL"), defaultMySQL))
	if err != nil {
		return nil, err
	}
	config.InterpolateParams = true // as the package comment advises
	config.Logger = &mysql.NopLogger{}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	db, err := openMySQLConfig(config)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return config, db.PingContext(ctx)
})

func openMySQLConfig(config *mysql.Config) (*sql.DB, error) {
	connector, err := mysql.NewConnector(config.Clone())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func mysqlConfig(t testing.TB) *mysql.Config {
	t.Helper()
	config, err := mysqlServer()
	if err != nil {
		text := "no MySQL or MariaDB: start one, or name it in TEST_MYSQL_URL (user:password@tcp(host:port)/database): " + err.Error()
		if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	return config.Clone()
}

// mysqlDatabase makes a database for one test, and returns how to connect to it.
func mysqlDatabase(t testing.TB) *mysql.Config {
	t.Helper()
	config := mysqlConfig(t)
	admin := mysqlPool(t, config)
	config.DBName = fmt.Sprintf("reducto_test_%d_%x", os.Getpid(), rand.Uint64())
	_, err := admin.Exec("CREATE DATABASE " + config.DBName)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + config.DBName)
		require.NoError(t, err)
	})
	return config
}

func mysqlPool(t testing.TB, config *mysql.Config) *sql.DB {
	t.Helper()
	db, err := openMySQLConfig(config)
	require.NoError(t, err)
	db.SetMaxOpenConns(3)
	db.SetMaxIdleConns(3)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// openMySQL opens a store in a database of its own.
func openMySQL(t testing.TB, opts ...sqlstore.Option) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db := mysqlPool(t, mysqlDatabase(t))
	return open(t, db, sqlstore.MySQL, opts...), db
}

func TestMySQLExpand(t *testing.T) {
	t.Parallel()
	query, args := sqlstore.Expand("a = $2 AND b IN ($3) AND c = $2", []any{"one", 2, sqlstore.Values{"x", "y"}})
	assert.Equal(t, "a = ? AND b IN (?, ?) AND c = ?", query)
	assert.Equal(t, []any{2, "x", "y", 2}, args)
	query, args = sqlstore.Expand("VALUES $1 END", []any{sqlstore.Rows{{1, 2}, {3, 4}}})
	assert.Equal(t, "VALUES (?, ?), (?, ?) END", query)
	assert.Equal(t, []any{1, 2, 3, 4}, args)
}
