package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// sqliteDSN is the name under which modernc.org/sqlite opens the file as it has
// to be opened.
func sqliteDSN(file string) string {
	return "file:" + file + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate"
}

func openPool(dsn string) (*sql.DB, error) { return sql.Open("sqlite", dsn) }

// sqliteFaster is what the package comment advises where there is much to do.
const sqliteFaster = "&_pragma=temp_store(MEMORY)&_pragma=cache_size(-16000)&_pragma=wal_autocheckpoint(4000)"

func sqlitePool(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := openPool(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func openSQLite(t testing.TB, opts ...sqlstore.Option) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db := sqlitePool(t, sqliteDSN(filepath.Join(t.TempDir(), "inbox.db"))+sqliteFaster)
	store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite, opts...)
	require.NoError(t, err)
	return store, db
}

// breakable connects to a file whose disk can be taken away.
type breakable struct {
	dsn    string
	broken atomic.Bool
}

var errBroken = errors.New("disk I/O error (the test took the disk away)")

func (b *breakable) check() error {
	if b.broken.Load() {
		return errBroken
	}
	return nil
}

// Driver is the one that functions are registered with.
func (b *breakable) Driver() driver.Driver { return sqliteDriver() }

var sqliteDriver = sync.OnceValue(func() driver.Driver {
	db, err := sql.Open("sqlite", "")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	return db.Driver()
})

func (b *breakable) Connect(context.Context) (driver.Conn, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	conn, err := b.Driver().Open(b.dsn)
	if err != nil {
		return nil, err
	}
	return &breakableConn{conn, b}, nil
}

type breakableConn struct {
	driver.Conn
	b *breakable
}

func (c *breakableConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.b.check(); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *breakableConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.b.check(); err != nil {
		return nil, err
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *breakableConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.b.check(); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

func (c *breakableConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.b.check(); err != nil {
		return nil, err
	}
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &breakableStmt{stmt, c.b}, nil
}

type breakableStmt struct {
	driver.Stmt
	b *breakable
}

func (s *breakableStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.b.check(); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *breakableStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.b.check(); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}
