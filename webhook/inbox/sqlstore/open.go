package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Dialect is the kind of a database.
type Dialect int

// The databases that a Store can use.
const (
	// PostgreSQL is PostgreSQL, from version 12.
	PostgreSQL Dialect = iota + 1
	// SQLite is SQLite, from version 3.38.
	SQLite
	// MySQL is MySQL, from version 8.0, or MariaDB, from version 10.6. It is tested with
	// MySQL 9.7 and MariaDB 10.11.
	MySQL
)

// String returns the name of the database.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case SQLite:
		return "SQLite"
	case MySQL:
		return "MySQL"
	}
	return fmt.Sprintf("Dialect(%d)", int(d))
}

// DefaultNamespace is the namespace of a Store without WithNamespace.
const DefaultNamespace = "default"

// maxNamespace bounds a namespace in bytes: it is in every row and every index.
const maxNamespace = 64

// Option configures a Store. Open checks the options.
type Option func(*config) error

type config struct {
	namespace string
	migrate   bool
	schema    *schema
	ahead     func() time.Duration // see Store
	careful   bool
}

// WithNamespace separates this Store from others in the same database. Each service
// that shares the database needs a different name, of 1 to 64 bytes. Replicas of one
// service use the same name. Default: DefaultNamespace.
func WithNamespace(name string) Option {
	return func(c *config) error {
		if name == "" || len(name) > maxNamespace || !utf8.ValidString(name) || strings.Contains(name, "\x00") {
			return fmt.Errorf("WithNamespace: %q is not 1 to %d bytes of text", name, maxNamespace)
		}
		c.namespace = name
		return nil
	}
}

// WithoutMigrate makes Open change nothing in the database. Open fails with a
// *SchemaError if there are no tables, or old ones. Call Migrate before, with a role
// that may change them. Default: Open makes and upgrades the tables.
func WithoutMigrate() Option {
	return func(c *config) error {
		c.migrate = false
		return nil
	}
}

// Open makes a Store in a database, which you configure and close. It checks that
// the database's settings make commits durable, and makes or upgrades the tables.
//
// A Store has no goroutines, and you do not have to close it. Closing the database
// frees the statements that it has prepared.
func Open(ctx context.Context, db *sql.DB, d Dialect, opts ...Option) (*Store, error) {
	c := config{namespace: DefaultNamespace, migrate: true, schema: currentSchema()}
	if err := checkDatabase(db, d); err != nil {
		return nil, failed(ctx, "open", err)
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, failed(ctx, "open", errors.New("an option is nil"))
		}
		if err := opt(&c); err != nil {
			return nil, failed(ctx, "open", err)
		}
	}
	if err := checkSettings(ctx, db, d); err != nil {
		return nil, failed(ctx, "open", err)
	}
	place, err := c.schema.prepare(ctx, db, d, c.migrate)
	if err != nil {
		return nil, failed(ctx, "open", err)
	}
	s := &Store{
		db: db, dialect: d, namespace: c.namespace, writer: make(chan struct{}, 1),
		ahead: c.ahead, careful: c.careful, sql: sqliteStatements(),
	}
	switch d {
	case PostgreSQL:
		s.sql = postgresStatements(place)
	case MySQL:
		s.sql = mysqlStatements(place)
	}
	if err := s.prepare(ctx); err != nil {
		return nil, failed(ctx, "open", err)
	}
	return s, nil
}

func checkDatabase(db *sql.DB, d Dialect) error {
	if db == nil {
		return errors.New("the database is nil")
	}
	if d != PostgreSQL && d != SQLite && d != MySQL {
		return fmt.Errorf("%v is no dialect: use PostgreSQL, MySQL or SQLite", d)
	}
	return nil
}
