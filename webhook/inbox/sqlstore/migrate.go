package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed migrations
var migrationFiles embed.FS

// schema is the tables that a release of this package needs, and how to make them.
type schema struct {
	files      fs.FS // migrations/postgres, migrations/sqlite and migrations/mysql
	migrations []migration
}

// migration brings the tables from one version to the next.
type migration struct {
	version int
	file    string
	// compatibleFrom is the oldest version whose programs can work with these tables.
	// In a rolling deploy programs of the version before are still running. They can if
	// the migration is additive: new columns have defaults, and nothing is renamed.
	compatibleFrom int
}

// currentSchema returns the schema of this release. Migrations are in the order of
// their versions.
func currentSchema() *schema {
	return &schema{files: migrationFiles, migrations: []migration{
		{version: 1, file: "0001_records.sql", compatibleFrom: 1},
		{version: 2, file: "0002_history.sql", compatibleFrom: 1},
		{version: 3, file: "0003_vacuum.sql", compatibleFrom: 1},
	}}
}

func (s *schema) version() int { return s.migrations[len(s.migrations)-1].version }

func (s *schema) statements(m migration, d Dialect) ([]string, error) {
	dir := map[Dialect]string{PostgreSQL: "postgres", SQLite: "sqlite", MySQL: "mysql"}[d]
	text, err := fs.ReadFile(s.files, "migrations/"+dir+"/"+m.file)
	if err != nil {
		return nil, err
	}
	// Not all drivers take several statements at once. In these files a semicolon at the
	// end of a line ends a statement.
	statements := strings.Split(string(text), ";\n")
	return slices.DeleteFunc(statements, func(s string) bool { return strings.TrimSpace(s) == "" }), nil
}

// SchemaError says that the program cannot work with the version of the tables.
type SchemaError struct {
	// Have is the version of the tables, zero if there are none.
	Have int
	// CompatibleFrom is the oldest version whose programs can work with them.
	CompatibleFrom int
	// Want is the version that this program needs.
	Want int
}

// Error implements error. It says what to do.
func (e *SchemaError) Error() string {
	switch {
	case e.Have == 0:
		return fmt.Sprintf("there are no tables, and this program needs version %d: "+
			"call sqlstore.Migrate with a role that may create tables, or leave out WithoutMigrate", e.Want)
	case e.Have < e.Want:
		return fmt.Sprintf("the tables have version %d, and this program needs version %d: "+
			"call sqlstore.Migrate with a role that may alter them, or leave out WithoutMigrate", e.Have, e.Want)
	}
	return fmt.Sprintf("the tables have version %d, for programs of version %d or later, and this program has version %d: "+
		"upgrade it, or give it another database or schema", e.Have, e.CompatibleFrom, e.Want)
}

// Migrate makes or upgrades the tables. Call it if your programs open a Store
// WithoutMigrate. It changes nothing if the tables are up to date, or newer and
// compatible. If they are newer and not compatible, it returns a *SchemaError.
// Several processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	if err := checkDatabase(db, d); err != nil {
		return failed(ctx, "migrate", err)
	}
	_, err := currentSchema().prepare(ctx, db, d, true)
	return failed(ctx, "migrate", err)
}

// prepare checks the version of the tables, and migrates them if it may. For servers
// it returns the schema or the database that they are in, quoted.
func (s *schema) prepare(ctx context.Context, db *sql.DB, d Dialect, migrate bool) (place string, err error) {
	switch d {
	case PostgreSQL:
		place, err = postgresPlace(ctx, db)
	case MySQL:
		place, err = mysqlPlace(ctx, db)
	}
	if err != nil {
		return "", err
	}
	state, err := readState(ctx, db, d, place)
	if err == nil {
		err = s.check(state)
	}
	var old *SchemaError
	if errors.As(err, &old) && old.Have < old.Want && migrate {
		err = s.upgrade(ctx, db, d, place)
	}
	return place, err
}

// state is the last row of reducto_schema.
type state struct{ version, compatibleFrom int }

func (s *schema) check(have state) error {
	want := s.version()
	if have.version < want || have.compatibleFrom > want {
		return &SchemaError{Have: have.version, CompatibleFrom: have.compatibleFrom, Want: want}
	}
	return nil
}

// postgresPlace returns the schema that has the tables, or that will have them.
func postgresPlace(ctx context.Context, q rower) (string, error) {
	var place sql.NullString
	err := q.QueryRowContext(ctx, `SELECT coalesce(
		(SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE c.oid = to_regclass('reducto_schema')),
		current_schema())`).Scan(&place)
	if err != nil {
		return "", err
	}
	if !place.Valid {
		return "", errors.New("there is no schema to create tables in: create one that search_path names")
	}
	return quoted(place.String), nil
}

// mysqlPlace returns the database that has the tables, or that will have them.
func mysqlPlace(ctx context.Context, q rower) (string, error) {
	var name sql.NullString
	if err := q.QueryRowContext(ctx, `SELECT database()`).Scan(&name); err != nil {
		return "", err
	}
	if !name.Valid {
		return "", errors.New("no database is selected: name one in the data source name")
	}
	return "`" + strings.ReplaceAll(name.String, "`", "``") + "`", nil
}

type rower interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readState(ctx context.Context, q rower, d Dialect, place string) (state, error) {
	var have state
	exists, table := `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'reducto_schema'`, "reducto_schema"
	switch d {
	case MySQL:
		exists = `SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name = 'reducto_schema'`
	case PostgreSQL:
		table = place + "." + table
		exists = `SELECT CASE WHEN to_regclass('` + strings.ReplaceAll(table, `'`, `''`) + `') IS NULL THEN 0 ELSE 1 END`
	}
	var n int
	if err := q.QueryRowContext(ctx, exists).Scan(&n); err != nil || n == 0 {
		return have, err
	}
	err := q.QueryRowContext(ctx, `SELECT version, compatible_from FROM `+table+` ORDER BY version DESC LIMIT 1`).
		Scan(&have.version, &have.compatibleFrom)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return have, err
}

// upgrade applies the missing migrations, one process at a time. PostgreSQL and SQLite do
// it in one transaction.
func (s *schema) upgrade(ctx context.Context, db *sql.DB, d Dialect, place string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if d == SQLite {
		waiting, cancel := context.WithTimeoutCause(ctx, lockPatience, errLocked)
		defer cancel()
		return writeAlone(ctx, waiting, conn, func(tx *sql.Tx) error { return s.applyMissing(ctx, tx, d, place) })
	}
	if d == MySQL {
		return s.upgradeMySQL(ctx, conn, place)
	}
	// Each statement sees what was committed while this one waited for the lock.
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	// The lock ends with the transaction, so that poolers do no harm.
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(7391204658811)`); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `SELECT set_config('search_path', $1::text, true)`, place); err != nil {
		return err
	}
	if err := s.applyMissing(ctx, tx, d, place); err != nil {
		return err
	}
	return tx.Commit()
}

// upgradeMySQL applies the missing migrations. MySQL commits each change of a table by
// itself. A migration that failed begins again.
func (s *schema) upgradeMySQL(ctx context.Context, conn *sql.Conn, place string) error {
	// This session holds the lock. All databases of the server share the names of locks,
	// which have at most 64 characters. MySQL 9.6 and later have no md5().
	const lock = `concat('reducto-', sha2(database(), 224))`
	for locked := 0; locked == 0; {
		if err := conn.QueryRowContext(ctx, `SELECT coalesce(get_lock(`+lock+`, 5), 0)`).Scan(&locked); err != nil {
			return err
		}
	}
	defer func() {
		if _, err := conn.ExecContext(context.WithoutCancel(ctx), `DO release_lock(`+lock+`)`); err != nil {
			discard(conn)
		}
	}()
	return s.applyMissing(ctx, conn, MySQL, place)
}

// executor is a transaction or a connection.
type executor interface {
	rower
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (s *schema) applyMissing(ctx context.Context, tx executor, d Dialect, place string) error {
	integer, now := "bigint", "timestamptz NOT NULL DEFAULT now()"
	switch d {
	case SQLite:
		integer, now = "integer", "text NOT NULL DEFAULT CURRENT_TIMESTAMP"
	case MySQL:
		now = "timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP"
	}
	_, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS reducto_schema (
  version         `+integer+` PRIMARY KEY,
  compatible_from `+integer+` NOT NULL, -- the oldest version of a program that can work with the tables
  applied_at      `+now+`
)`)
	if err != nil {
		return err
	}
	have, err := readState(ctx, tx, d, place)
	if err != nil {
		return err
	}
	for _, m := range s.migrations {
		if m.version <= have.version {
			continue
		}
		if err := s.apply(ctx, tx, d, m); err != nil {
			return fmt.Errorf("migration to version %d: %w", m.version, err)
		}
		have = state{m.version, m.compatibleFrom}
	}
	return s.check(have)
}

func (s *schema) apply(ctx context.Context, tx executor, d Dialect, m migration) error {
	statements, err := s.statements(m, d)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil && !alreadyThere(err) {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO reducto_schema (version, compatible_from) VALUES (%d, %d)`,
		m.version, m.compatibleFrom))
	return err
}
