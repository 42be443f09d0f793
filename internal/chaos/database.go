package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// The databases that a run can be on.
const (
	onSQLite   = "sqlite"
	onPostgres = "postgres"
	onMySQL    = "mysql"
)

// address is the address of a database. Children get it in their configuration.
type address struct {
	Kind string
	DSN  string
}

// open opens the database. PostgreSQL shows the name for its connections.
func (a address) open(name string) (*sql.DB, error) {
	switch a.Kind {
	case onSQLite:
		db, err := sql.Open("sqlite", a.DSN)
		return db, err
	case onMySQL:
		db, err := sql.Open("mysql", a.DSN)
		if err == nil {
			db.SetMaxOpenConns(8)
			db.SetMaxIdleConns(8)
		}
		return db, err
	}
	u, err := url.Parse(a.DSN)
	if err != nil {
		return nil, fmt.Errorf("the address of PostgreSQL is not a URL") // it may hold a password
	}
	q := u.Query()
	q.Set("application_name", name)
	u.RawQuery = q.Encode()
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(8) // others use the server too
	db.SetMaxIdleConns(8)
	return db, nil
}

func (a address) dialect() sqlstore.Dialect {
	switch a.Kind {
	case onSQLite:
		return sqlstore.SQLite
	case onMySQL:
		return sqlstore.MySQL
	}
	return sqlstore.PostgreSQL
}

// database is the database of a run, in the parent.
type database struct {
	address
	db     *sql.DB
	store  *sqlstore.Store
	schema string  // of PostgreSQL, and its owner; of MySQL the database, and its user; empty in SQLite
	server *sql.DB // as the user of the server's address
	own    ownDatabase
}

// newDatabase makes a database for one run: a file in dir, or a schema.
func newDatabase(ctx context.Context, o options, dir string) (_ *database, err error) {
	kind := o.Store
	d := &database{address: address{Kind: kind}}
	if o.Own {
		if dir, err = d.own.start(ctx, kind, dir); err != nil {
			return nil, err
		}
	}
	switch kind {
	case onSQLite:
		d.DSN = "file:" + filepath.ToSlash(filepath.Join(dir, "inbox.db")) +
			"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_txlock=immediate"
	default:
		d.schema = "chaos_" + strings.ToLower(rand.Text()[:12])
		makeSchema := d.makeSchema
		if kind == onMySQL {
			makeSchema = d.makeMySQL
		}
		if err := makeSchema(ctx); err != nil {
			return nil, errors.Join(err, d.own.remove())
		}
	}
	if err := d.prepare(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *database) prepare(ctx context.Context) (err error) {
	if d.db, err = d.open(d.application(-1)); err != nil {
		return err
	}
	if d.own.cluster != nil {
		d.db.SetMaxIdleConns(0) // a crash of the server breaks idle connections
		d.server.SetMaxIdleConns(0)
	}
	if d.store, err = sqlstore.Open(ctx, d.db, d.dialect()); err != nil {
		return err
	}
	_, err = d.db.ExecContext(ctx, `CREATE TABLE chaos_effects
		(submission text NOT NULL, job text NOT NULL, outcome text NOT NULL, n integer NOT NULL,
		attempt integer NOT NULL, child text NOT NULL)`)
	return err
}

// application returns the application_name of a child's connections.
func (d *database) application(slot int) string { return fmt.Sprintf("%s_%d", d.schema, slot) }

// postgresAddress returns the address of the server.
func postgresAddress() string {
	if v := os.Getenv("TEST_POSTGRES_URL"); v != "" {
		return v
	}
	return "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"
}

// noPostgresError says that there is no server.
type noPostgresError struct{ err error }

func (e *noPostgresError) Error() string {
	return "no PostgreSQL: start one, and name it in TEST_POSTGRES_URL (postgres://user@host:port/database): " + e.err.Error()
}

func (e *noPostgresError) Unwrap() error { return e.err }

// inCI reports whether this is a CI run, in which nothing may be left out.
func inCI() bool { return os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" }

// makeSchema makes a schema and the role that owns it. Parent and children connect as
// that role, so that a setting of the role affects this run alone.
func (d *database) makeSchema(ctx context.Context) (err error) {
	root := address{Kind: onPostgres, DSN: postgresAddress()}
	if d.own.cluster != nil {
		root.DSN = d.own.cluster.URL()
	}
	if d.server, err = root.open("chaos"); err != nil {
		return &noPostgresError{err}
	}
	soon, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := d.server.PingContext(soon); err != nil {
		return &noPostgresError{err}
	}
	password := rand.Text()
	for _, query := range []string{
		"CREATE ROLE " + d.schema + " LOGIN PASSWORD '" + password + "'",
		"CREATE SCHEMA " + d.schema,
		"GRANT ALL ON SCHEMA " + d.schema + " TO " + d.schema,
	} {
		if _, err := d.server.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	u, err := url.Parse(root.DSN)
	if err != nil {
		return err
	}
	u.User = url.UserPassword(d.schema, password)
	q := u.Query()
	q.Set("search_path", d.schema)
	u.RawQuery = q.Encode()
	d.DSN = u.String()
	return nil
}

// close closes the database, and drops the schema and its role.
func (d *database) close() error {
	if d.db != nil {
		_ = d.db.Close()
	}
	if d.own.made() || d.server == nil {
		if d.server != nil {
			_ = d.server.Close()
		}
		return d.own.remove()
	}
	defer d.server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if d.Kind == onMySQL {
		return d.dropMySQL(ctx)
	}
	if _, err := d.server.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+d.schema+" CASCADE"); err != nil {
		return err
	}
	_, err := d.server.ExecContext(ctx, "DROP ROLE IF EXISTS "+d.schema)
	return err
}

// drop terminates the backends of a child, and returns their number. In MySQL it
// terminates those of all children.
func (d *database) drop(ctx context.Context, slot int) (int, error) {
	if d.Kind == onMySQL {
		return d.dropAll(ctx)
	}
	return d.terminate(ctx, d.application(slot))
}

// dropAll terminates the backends of all children, as a restart of the server does. A server
// of the run's own crashes and starts again.
func (d *database) dropAll(ctx context.Context) (int, error) {
	if d.own.cluster != nil {
		return d.crash(ctx)
	}
	if d.Kind == onMySQL {
		return d.killMySQL(ctx)
	}
	return d.terminate(ctx, d.schema+`\_%`)
}

// terminate terminates the backends whose application_name is like pattern.
func (d *database) terminate(ctx context.Context, pattern string) (n int, err error) {
	err = d.server.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE application_name LIKE $1 AND application_name <> $2`, pattern, d.application(-1)).Scan(&n)
	return n, err
}

// failOver makes every session read-only for a time, as if the server had become a
// standby. Then only new sessions can write. It returns the number of sessions that it
// ended.
func (d *database) failOver(ctx context.Context, length time.Duration) (n int, err error) {
	begin := "ALTER ROLE " + d.schema + " SET default_transaction_read_only = on"
	end := "ALTER ROLE " + d.schema + " RESET default_transaction_read_only"
	if d.Kind == onMySQL {
		// It holds for new sessions of all users without SUPER.
		begin, end = "SET GLOBAL init_connect = 'SET SESSION TRANSACTION READ ONLY'", "SET GLOBAL init_connect = ''"
	}
	if _, err := d.server.ExecContext(ctx, begin); err != nil {
		return 0, err
	}
	n, err = d.dropAll(ctx)
	sleep(ctx, length)
	_, resetErr := d.server.ExecContext(context.WithoutCancel(ctx), end)
	return n, errors.Join(err, resetErr)
}

// effect is an effect of the user's function.
type effect struct {
	Submission, Job, Outcome string
	N, Attempt               int
	Child                    string
}

// execer is a transaction, or no transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// write writes the effect to the database.
func (e *effect) write(ctx context.Context, to execer, kind string) error {
	parameters := `$1, $2, $3, $4, $5, $6`
	if kind == onMySQL {
		parameters = `?, ?, ?, ?, ?, ?`
	}
	_, err := to.ExecContext(ctx, `INSERT INTO chaos_effects (submission, job, outcome, n, attempt, child)
		VALUES (`+parameters+`)`, e.Submission, e.Job, e.Outcome, e.N, e.Attempt, e.Child)
	return err
}

// effects returns all effects.
func (d *database) effects(ctx context.Context) ([]effect, error) {
	rows, err := d.db.QueryContext(ctx, `SELECT submission, job, outcome, n, attempt, child FROM chaos_effects`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []effect
	for rows.Next() {
		var e effect
		if err := rows.Scan(&e.Submission, &e.Job, &e.Outcome, &e.N, &e.Attempt, &e.Child); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

// records returns all records that f selects.
func (d *database) records(ctx context.Context, f inbox.Filter) ([]inbox.Record, error) {
	const page = 500
	f.Limit = page
	var list []inbox.Record
	for {
		found, err := d.store.List(ctx, f)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
		if len(found) < page {
			return list, nil
		}
		f.After = found[len(found)-1].Key
	}
}
