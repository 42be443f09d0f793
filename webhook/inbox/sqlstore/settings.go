package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SettingError says that a Store cannot use a database with its present settings. With
// some of them a commit would not be durable.
type SettingError struct {
	// Setting is the name of the setting, and Value its present value.
	Setting, Value string
	// Want says which value it needs, and how to set it.
	Want string
}

// Error implements error. It says what to do.
func (e *SettingError) Error() string {
	return fmt.Sprintf("%s is %s: %s", e.Setting, e.Value, e.Want)
}

// poolerSetting returns the error if a pooler lost the driver's prepared statements.
func poolerSetting() *SettingError {
	return &SettingError{
		Setting: "the driver's cache of prepared statements", Value: "on",
		Want: "a pooler such as PgBouncer in transaction mode sends each transaction to another session, which does not have them: " +
			"add default_query_exec_mode=exec to the connection string of pgx, or use the pooler in session mode",
	}
}

// checkPooler finds out whether prepared statements work. A pooler that gives a session
// to each transaction loses them. Two connections run a statement in turn, as often as it
// takes to get the other's session, whether the pooler prefers the session that was used
// last or takes all in turn. The names of pgx depend on the statement alone, so the session
// has the name already, or it does not have it yet.
func checkPooler(ctx context.Context, db *sql.DB) error {
	first, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer first.Close()
	second := first
	if db.Stats().MaxOpenConnections != 1 {
		// The pool may have no other connection free. Do not wait for one.
		soon, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		if second, err = db.Conn(soon); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			second = first
		} else {
			defer second.Close()
		}
	}
	for _, conn := range []*sql.Conn{first, second, first, first, second} {
		var text string
		if err := conn.QueryRowContext(ctx, `SELECT $1::text AS reducto_pooler_check`, "").Scan(&text); err != nil {
			return err
		}
	}
	return nil
}

func checkSettings(ctx context.Context, db *sql.DB, d Dialect) error {
	switch d {
	case PostgreSQL:
		return checkPostgres(ctx, db)
	case MySQL:
		return checkMySQL(ctx, db)
	}
	return checkSQLite(ctx, db)
}

// minPostgres is the first version that has WITH ... AS MATERIALIZED.
const minPostgres = 12_00_00

func checkPostgres(ctx context.Context, db *sql.DB) error {
	var version, encoding, commit, readOnly, isolation string
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num'), current_setting('server_encoding'),
		current_setting('synchronous_commit'), current_setting('transaction_read_only'),
		current_setting('transaction_isolation')`).
		Scan(&version, &encoding, &commit, &readOnly, &isolation)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(version)
	switch {
	case err != nil || number < minPostgres:
		return &SettingError{"server_version_num", version, "PostgreSQL 12 or later is needed"}
	case encoding != "UTF8":
		return &SettingError{"server_encoding", encoding, "deliveries are Unicode: use a database that was created WITH ENCODING 'UTF8'"}
	case commit == "off":
		return &SettingError{"synchronous_commit", commit, "a crash of the server would lose deliveries that were answered: " +
			"set it to on for the role or the database, or with options=-csynchronous_commit=on in the connection string"}
	case readOnly != "off":
		return &SettingError{"transaction_read_only", readOnly, "connect to a server that accepts writes, " +
			"with target_session_attrs=read-write in the connection string if there are several"}
	case isolation != "read committed":
		return &SettingError{"transaction_isolation", isolation, "set default_transaction_isolation to 'read committed' " +
			"for the role that this pool uses. Your transactions may begin with another level"}
	}
	return checkPooler(ctx, db)
}

// The first versions that have SKIP LOCKED, and the least size of a packet: a batch with
// its metadata, in which a driver may have escaped every byte.
const (
	minMySQL   = 8_000_001
	minMariaDB = 10_006_000
	minPacket  = 16 << 20
)

// mysqlSettings are settings of a server and of a session.
type mysqlSettings struct {
	Version, Flush, Binlog, SyncBinlog, ReadOnly, Autocommit, Charset, Mode string
	Packet                                                                  int64
}

func checkMySQL(ctx context.Context, db *sql.DB) error {
	var s mysqlSettings
	err := db.QueryRowContext(ctx, `SELECT version(), @@global.innodb_flush_log_at_trx_commit, @@global.log_bin, @@global.sync_binlog,
		@@global.read_only, @@autocommit, @@character_set_client, @@sql_mode, @@max_allowed_packet`).
		Scan(&s.Version, &s.Flush, &s.Binlog, &s.SyncBinlog, &s.ReadOnly, &s.Autocommit, &s.Charset, &s.Mode, &s.Packet)
	if err != nil {
		return err
	}
	return s.check()
}

func (s *mysqlSettings) check() error {
	least := minMySQL
	if strings.Contains(s.Version, "MariaDB") {
		least = minMariaDB
	}
	const lost = "a crash of the server's machine would lose deliveries that were answered: set it to 1"
	switch {
	case versionNumber(s.Version) < least:
		return &SettingError{"version", s.Version, "MySQL 8.0 or MariaDB 10.6 or later is needed"}
	case s.Flush != "1" && (s.Flush != "3" || least != minMariaDB): // 3 syncs more often than 1
		return &SettingError{"innodb_flush_log_at_trx_commit", s.Flush, lost}
	case s.Binlog == "1" && s.SyncBinlog != "1":
		return &SettingError{"sync_binlog", s.SyncBinlog, lost + ", or turn the binary log off"}
	case s.ReadOnly != "0" && s.ReadOnly != "OFF":
		return &SettingError{"read_only", s.ReadOnly, "connect to a server that accepts writes"}
	case s.Autocommit != "1":
		return &SettingError{"autocommit", s.Autocommit, "set it to 1 for the sessions of this pool"}
	case s.Charset != "utf8mb4":
		return &SettingError{"character_set_client", s.Charset, "deliveries are Unicode: " +
			"set it to utf8mb4, with charset=utf8mb4 in the data source name of github.com/go-sql-driver/mysql"}
	case !strings.Contains(s.Mode, "STRICT_TRANS_TABLES") && !strings.Contains(s.Mode, "STRICT_ALL_TABLES"):
		return &SettingError{"sql_mode", s.Mode, "long values would be cut off: add STRICT_TRANS_TABLES"}
	case s.Packet < minPacket:
		return &SettingError{"max_allowed_packet", strconv.FormatInt(s.Packet, 10),
			fmt.Sprintf("set it to %d or more on the server, and in the driver if it has such a setting", minPacket)}
	}
	return nil
}

// sqliteDSN are examples of data source names.
const sqliteDSN = `with modernc.org/sqlite use "file:inbox.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)` +
	`&_pragma=busy_timeout(5000)&_txlock=immediate", with github.com/mattn/go-sqlite3 ` +
	`"file:inbox.db?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate"`

// minSQLite is the first version that has the operator ->>.
const minSQLite = 3_038_000

// checkSQLite checks two connections of the pool, because settings are a connection's.
func checkSQLite(ctx context.Context, db *sql.DB) error {
	first, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := checkSQLiteConn(ctx, first); err != nil {
		return err
	}
	// The pool may have no other connection free. Do not wait for one.
	soon, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	second, err := db.Conn(soon)
	if err != nil {
		return ctx.Err()
	}
	defer second.Close()
	return checkSQLiteConn(ctx, second)
}

func checkSQLiteConn(ctx context.Context, conn *sql.Conn) error {
	var version, file, journal string
	err := conn.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&version)
	if err != nil {
		return err
	}
	if versionNumber(version) < minSQLite {
		return &SettingError{"sqlite_version", version, "SQLite 3.38 or later is needed: upgrade the driver"}
	}
	if err := conn.QueryRowContext(ctx, `SELECT coalesce(file, '') FROM pragma_database_list WHERE name = 'main'`).Scan(&file); err != nil {
		return err
	}
	if file == "" {
		return &SettingError{"the database", "in memory", "each connection would have its own, and records would end with the process: " +
			"name a file, or use an inbox.MemoryStore; " + sqliteDSN}
	}
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&journal); err != nil {
		return err
	}
	if journal != "wal" {
		return &SettingError{"journal_mode", journal, "readers and the writer would wait for each other: it must be WAL; " + sqliteDSN}
	}
	if err := checkSynchronous(ctx, conn); err != nil {
		return err
	}
	wait, err := pragmaInt(ctx, conn, "busy_timeout")
	if err != nil {
		return err
	}
	if wait <= 0 {
		return &SettingError{"busy_timeout", strconv.Itoa(wait), "statements would fail at once while another connection writes: it must be positive; " + sqliteDSN}
	}
	return nil
}

// synchronousNames are the values of that pragma. Below FULL, the last commits are lost
// if the power fails.
var synchronousNames = []string{"OFF", "NORMAL", "FULL", "EXTRA"}

const synchronousFull = 2

func checkSynchronous(ctx context.Context, conn *sql.Conn) error {
	level, err := pragmaInt(ctx, conn, "synchronous")
	if err != nil {
		return err
	}
	if level >= synchronousFull {
		return nil
	}
	return &SettingError{"synchronous", synchronousNames[max(level, 0)], "a power failure would lose deliveries that were answered: " +
		"it must be FULL or EXTRA for every connection; " + sqliteDSN}
}

func pragmaInt(ctx context.Context, conn *sql.Conn, name string) (int, error) {
	var value int
	err := conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("PRAGMA %s returns nothing: is this SQLite?", name)
	}
	return value, err
}

// versionNumber returns 3_045_001 for 3.45.1.
func versionNumber(version string) int {
	var major, minor, patch int
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch)
	return major*1_000_000 + minor*1_000 + patch
}
