package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, db := openSQLite(t)
	for name, test := range map[string]struct {
		db   *sql.DB
		d    sqlstore.Dialect
		opt  sqlstore.Option
		want string
	}{
		"no database":       {nil, sqlstore.SQLite, sqlstore.WithoutMigrate(), "the database is nil"},
		"no dialect":        {db, 0, sqlstore.WithoutMigrate(), "Dialect(0) is no dialect"},
		"nil option":        {db, sqlstore.SQLite, nil, "an option is nil"},
		"empty namespace":   {db, sqlstore.SQLite, sqlstore.WithNamespace(""), "WithNamespace"},
		"long namespace":    {db, sqlstore.SQLite, sqlstore.WithNamespace(strings.Repeat("x", 65)), "WithNamespace"},
		"namespace no text": {db, sqlstore.SQLite, sqlstore.WithNamespace("a\x00b"), "WithNamespace"},
	} {
		_, err := sqlstore.Open(t.Context(), test.db, test.d, test.opt)
		require.ErrorContains(t, err, "sqlstore: open: ", name)
		assert.ErrorContains(t, err, test.want, name)
	}
	require.ErrorContains(t, sqlstore.Migrate(t.Context(), nil, sqlstore.SQLite), "sqlstore: migrate: the database is nil")
}

func TestSQLiteSettingsAreRefused(t *testing.T) {
	t.Parallel()
	const wal, full, wait = "&_pragma=journal_mode(WAL)", "&_pragma=synchronous(FULL)", "&_pragma=busy_timeout(5000)"
	for name, test := range map[string]struct {
		dsn     string
		setting string // empty: it is accepted
	}{
		"as it should be":  {"file:FILE?" + wal + full + wait, ""},
		"EXTRA":            {"file:FILE?" + wal + "&_pragma=synchronous(EXTRA)" + wait, ""},
		"deferred":         {"file:FILE?" + wal + full + wait + "&_txlock=deferred", ""},
		"no WAL":           {"file:FILE?" + full + wait, "journal_mode"},
		"another journal":  {"file:FILE?&_pragma=journal_mode(TRUNCATE)" + full + wait, "journal_mode"},
		"NORMAL":           {"file:FILE?" + wal + "&_pragma=synchronous(NORMAL)" + wait, "synchronous"},
		"OFF":              {"file:FILE?" + wal + "&_pragma=synchronous(OFF)" + wait, "synchronous"},
		"no busy timeout":  {"file:FILE?" + wal + full, "busy_timeout"},
		"in memory":        {":memory:", "the database"},
		"shared in memory": {"file:x?mode=memory&cache=shared" + wal + full + wait, "the database"},
		"temporary":        {"", "the database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := sqlitePool(t, strings.Replace(test.dsn, "FILE", filepath.Join(t.TempDir(), "inbox.db"), 1))
			store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite)
			if test.setting == "" {
				require.NoError(t, err)
				live(t, store, db, "s")
				return
			}
			var refused *sqlstore.SettingError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, test.setting, refused.Setting)
			assert.ErrorContains(t, err, "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate")
			assert.ErrorContains(t, err, "_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate")
		})
	}
}

// What one connection was told, the next one does not know: a setting that is made
// with a statement is seen to be missing, at the latest by who wants to write.
func TestSQLiteSettingsOfEachConnection(t *testing.T) {
	t.Parallel()
	db := sqlitePool(t, "file:"+filepath.Join(t.TempDir(), "inbox.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)")
	db.SetMaxIdleConns(2)
	first, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = first.ExecContext(t.Context(), `PRAGMA synchronous = FULL`)
	require.NoError(t, err)
	require.NoError(t, first.Close())
	var refused *sqlstore.SettingError
	_, err = sqlstore.Open(t.Context(), db, sqlstore.SQLite)
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "synchronous", refused.Setting)

	store, db := openSQLite(t)
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`PRAGMA synchronous = NORMAL`)
	require.NoError(t, err)
	_, err = store.Receive(t.Context(), []inbox.Notification{completed("job")})
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, sqlstore.SettingError{Setting: "synchronous", Value: "NORMAL", Want: refused.Want}, *refused)
	_, err = db.Exec(`PRAGMA synchronous = FULL`)
	require.NoError(t, err)
	receive(t, store, "job")
}

// The connection belongs to the user, whose own statements wait as long as before.
func TestSQLiteBusyTimeoutIsRestored(t *testing.T) {
	t.Parallel()
	store, db := openSQLite(t)
	db.SetMaxOpenConns(1)
	receive(t, store, "job")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := store.Receive(cancelled, []inbox.Notification{completed("other")})
	require.ErrorIs(t, err, context.Canceled)
	var wait int
	require.NoError(t, db.QueryRow(`PRAGMA busy_timeout`).Scan(&wait))
	assert.Equal(t, 5000, wait)
}

func TestPostgresSettingsAreRefused(t *testing.T) {
	t.Parallel()
	for setting, value := range map[string]string{
		"synchronous_commit":            "off",
		"default_transaction_isolation": "serializable",
		"default_transaction_read_only": "on",
	} {
		config := postgresSchema(t)
		config.RuntimeParams[setting] = value
		_, err := sqlstore.Open(t.Context(), postgresPool(t, config), sqlstore.PostgreSQL)
		var refused *sqlstore.SettingError
		require.ErrorAs(t, err, &refused, setting)
		assert.Equal(t, value, refused.Value)
		assert.Equal(t, strings.TrimPrefix(setting, "default_"), refused.Setting)
	}
}

func TestTheOtherDialect(t *testing.T) {
	t.Parallel()
	_, db := openSQLite(t)
	_, err := sqlstore.Open(t.Context(), db, sqlstore.PostgreSQL)
	require.ErrorContains(t, err, "sqlstore: open: ")
	_, err = sqlstore.Open(t.Context(), postgresPool(t, postgresSchema(t)), sqlstore.SQLite)
	require.ErrorContains(t, err, "sqlstore: open: ")
}

// Poolers between here and the server, such as PgBouncer, need drivers that prepare
// nothing.
func TestPostgresWithoutPreparedStatements(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"exec", "simple_protocol", "describe_exec", "cache_describe"} {
		config := postgresSchema(t)
		config.DefaultQueryExecMode = execModes[mode]
		db := postgresPool(t, config)
		live(t, open(t, db, sqlstore.PostgreSQL), db, mode)
	}
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	config := postgresConfig(t)
	config.Password = "a-password-to-be-kept"
	config.DialFunc = (&network{down: true}).dial
	_, err := sqlstore.Open(within(t, 5*time.Second), postgresPool(t, config), sqlstore.PostgreSQL)
	require.ErrorContains(t, err, "sqlstore: open: ")
	assert.NotContains(t, err.Error(), config.Password)
	assert.False(t, errors.Is(err, context.DeadlineExceeded))
}
