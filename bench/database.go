package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// postgresVariable names the server, as for tests.
const postgresVariable = "TEST_POSTGRES_URL"

// errNoPostgres says why there are no figures of PostgreSQL.
var errNoPostgres = errors.New("no PostgreSQL: set " + postgresVariable)

// database is a store on a database that is removed afterwards.
type database struct {
	name  string // as in the ids of goals
	store *sqlstore.Store
	close func() error
}

// poolSize is how many connections 64 clients share.
const poolSize = connections / 2

// openSQLite makes a database in a file that syncs every commit, with the settings
// that package sqlstore advises for many deliveries.
func openSQLite(ctx context.Context, dir string) (*database, error) {
	dir, err := os.MkdirTemp(dir, "reducto-bench-")
	if err != nil {
		return nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "inbox.db"))+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_txlock=immediate"+
		"&_pragma=temp_store(MEMORY)&_pragma=cache_size(-16000)&_pragma=wal_autocheckpoint(4000)")
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	return openStore(ctx, &database{name: "sqlite"}, db, sqlstore.SQLite, remove)
}

// connectPostgres connects to the server, and returns the URL that leads to it. The error
// is errNoPostgres if there is no server.
func connectPostgres(ctx context.Context) (*sql.DB, *url.URL, error) {
	address, named := os.LookupEnv(postgresVariable)
	if !named {
		address = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil, errors.New(postgresVariable + " is no URL") // it may hold a password
	}
	admin, err := sql.Open("pgx", address)
	if err != nil {
		return nil, nil, err
	}
	soon, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := admin.PingContext(soon); err != nil {
		_ = admin.Close()
		if named {
			return nil, nil, err
		}
		return nil, nil, errNoPostgres
	}
	return admin, u, nil
}

// openPostgres makes a schema of its own; errNoPostgres if there is no server.
func openPostgres(ctx context.Context) (*database, error) {
	admin, u, err := connectPostgres(ctx)
	if err != nil {
		return nil, err
	}
	schema := "bench_" + strings.ToLower(rand.Text()[:12]) // search_path folds case
	if _, err := admin.ExecContext(ctx, `CREATE SCHEMA "`+schema+`"`); err != nil {
		return nil, errors.Join(err, admin.Close())
	}
	remove := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, err := admin.ExecContext(ctx, `DROP SCHEMA "`+schema+`" CASCADE`)
		return errors.Join(err, admin.Close())
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	return openStore(ctx, &database{name: "postgres"}, db, sqlstore.PostgreSQL, remove)
}

// openStore puts a store on a pool; remove is for what is left when that is closed.
func openStore(ctx context.Context, d *database, db *sql.DB, dialect sqlstore.Dialect, remove func() error) (*database, error) {
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	d.close = func() error { return errors.Join(db.Close(), remove()) }
	var err error
	if d.store, err = sqlstore.Open(ctx, db, dialect); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}
