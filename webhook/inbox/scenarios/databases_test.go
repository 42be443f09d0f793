package scenarios_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

func init() {
	backends = append(backends, backend{"SQLite", openSQLite}, backend{"PostgreSQL", openPostgreSQL}, backend{"MySQL", openMySQL})
}

// age makes everything in the store older, which is the same as that time passes.
const age = `
	UPDATE reducto_records SET version = version + 1,
		due_at = CASE WHEN due_at = 0 THEN 0 ELSE due_at - %[1]d END,
		submitted_at = CASE WHEN submitted_at = 0 THEN 0 ELSE submitted_at - %[1]d END,
		received_at = CASE WHEN received_at = 0 THEN 0 ELSE received_at - %[1]d END;
	UPDATE reducto_locks SET expires_at = expires_at - %[1]d`

// databaseBackend completes the Backend of a database. Nothing cuts admin off. full
// are triggers that act like a full disk: of the statements that record a delivery, a
// later one fails.
func databaseBackend(t *testing.T, b inboxtest.Backend, admin *sql.DB, lock string, full [2]string) inboxtest.Backend {
	exec := func(statements string) {
		_, err := admin.Exec(statements)
		require.NoError(t, err)
	}
	b.DB = admin
	b.Advance = func(d time.Duration) { exec(fmt.Sprintf(age, d.Microseconds())) }
	b.Stall = func() func() {
		conn, err := admin.Conn(t.Context())
		require.NoError(t, err)
		_, err = conn.ExecContext(t.Context(), lock)
		require.NoError(t, err)
		release := sync.OnceFunc(func() {
			_, err := conn.ExecContext(context.Background(), `ROLLBACK`)
			assert.NoError(t, err)
			assert.NoError(t, conn.Close())
		})
		t.Cleanup(release)
		return release
	}
	b.Fill = func() func() {
		exec(full[0])
		return func() { exec(full[1]) }
	}
	return b
}

func open(t *testing.T, db *sql.DB, d sqlstore.Dialect) *sqlstore.Store {
	store, err := sqlstore.Open(t.Context(), db, d)
	require.NoError(t, err)
	return store
}

// openSQLite has a spy on each handle, as SQLite has no connection to cut.
func openSQLite(t *testing.T) inboxtest.Backend {
	dir := t.TempDir()
	pool := func() *sql.DB {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "inbox.db")+
			"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return db
	}
	var mu sync.Mutex
	var spies []*inboxtest.Spy
	each := func(f func(*inboxtest.Spy)) {
		mu.Lock()
		defer mu.Unlock()
		for _, spy := range spies {
			f(spy)
		}
	}
	b := inboxtest.Backend{
		Open: func() inbox.Store {
			spy := inboxtest.NewSpy(open(t, pool(), sqlstore.SQLite))
			mu.Lock()
			defer mu.Unlock()
			spies = append(spies, spy)
			return spy
		},
		Cut: func() func() {
			each(func(s *inboxtest.Spy) { s.Break() })
			return func() { each((*inboxtest.Spy).Mend) }
		},
		Dump: func() string {
			var text strings.Builder
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			for _, file := range files {
				raw, err := os.ReadFile(file)
				require.NoError(t, err)
				text.Write(raw)
			}
			return text.String()
		},
	}
	return databaseBackend(t, b, pool(), `BEGIN IMMEDIATE`, [2]string{`
		CREATE TRIGGER full_jobs BEFORE INSERT ON reducto_jobs BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END;
		CREATE TRIGGER full_records BEFORE UPDATE ON reducto_records BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END`, `
		DROP TRIGGER full_jobs; DROP TRIGGER full_records`})
}

// postgresServer connects to the server that the tests use.
var postgresServer = sync.OnceValues(func() (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(cmp.Or(os.Getenv("TEST_POSTGRES_URL"),
		"postgres://postgres@127.0.0.1:5432/test?sslmode=disable"))
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return config, db.PingContext(ctx)
})

// openPostgreSQL makes a schema for one test. Without a server the test is skipped,
// but in CI it fails.
func openPostgreSQL(t *testing.T) inboxtest.Backend {
	config, err := postgresServer()
	if err != nil {
		text := "no PostgreSQL: start one, or name it in TEST_POSTGRES_URL: " + err.Error()
		if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	config = config.Copy()
	pool := func(config *pgx.ConnConfig) *sql.DB {
		db := stdlib.OpenDB(*config)
		db.SetMaxOpenConns(2) // many tests run at once
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	schema := fmt.Sprintf("reducto_scenario_%d_%x", os.Getpid(), rand.Uint64())
	server := pool(config)
	_, err = server.Exec("CREATE SCHEMA " + schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := server.Exec("DROP SCHEMA " + schema + " CASCADE")
		require.NoError(t, err)
	})
	config.RuntimeParams["search_path"] = schema
	admin := pool(config)
	require.NoError(t, sqlstore.Migrate(t.Context(), admin, sqlstore.PostgreSQL))
	network := &network{}
	cuttable := config.Copy()
	cuttable.DialFunc = network.dial
	b := inboxtest.Backend{
		Open: func() inbox.Store { return open(t, pool(cuttable), sqlstore.PostgreSQL) },
		Cut:  network.cut,
		Dump: func() string {
			var text strings.Builder
			for _, table := range []string{"reducto_records", "reducto_jobs", "reducto_locks", "reducto_history"} {
				var rows sql.NullString
				require.NoError(t, admin.QueryRow(`SELECT string_agg(r::text, chr(10)) FROM `+table+` r`).Scan(&rows))
				text.WriteString(rows.String)
			}
			return text.String()
		},
	}
	return databaseBackend(t, b, admin, `BEGIN; LOCK TABLE reducto_records IN ACCESS EXCLUSIVE MODE`, [2]string{`
		CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
		CREATE TRIGGER full_jobs BEFORE INSERT ON reducto_jobs FOR EACH ROW EXECUTE FUNCTION full_disk();
		CREATE TRIGGER full_records BEFORE UPDATE ON reducto_records FOR EACH ROW EXECUTE FUNCTION full_disk()`, `
		DROP TRIGGER full_jobs ON reducto_jobs; DROP TRIGGER full_records ON reducto_records; DROP FUNCTION full_disk()`})
}

// mysqlServer connects to the server that the tests use.
var mysqlServer = sync.OnceValues(func() (*mysql.Config, error) {
	config, err := mysql.ParseDSN(cmp.Or(os.Getenv("TEST_MYSQL_URL"), "root@tcp(127.0.0.1:3306)/test"))
	if err != nil {
		return nil, err
	}
	config.InterpolateParams, config.Logger = true, &mysql.NopLogger{}
	db, err := openMySQLConfig(config)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return config, db.PingContext(ctx)
})

func openMySQLConfig(config *mysql.Config) (*sql.DB, error) {
	connector, err := mysql.NewConnector(config.Clone())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(2) // many tests run at once
	return db, nil
}

// openMySQL makes a database for one test. Without a server the test is skipped, but in CI
// it fails.
func openMySQL(t *testing.T) inboxtest.Backend {
	config, err := mysqlServer()
	if err != nil {
		text := "no MySQL or MariaDB: start one, or name it in TEST_MYSQL_URL: " + err.Error()
		if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	config = config.Clone()
	pool := func(config *mysql.Config) *sql.DB {
		db, err := openMySQLConfig(config)
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	server := pool(config)
	config.DBName = fmt.Sprintf("reducto_scenario_%d_%x", os.Getpid(), rand.Uint64())
	_, err = server.Exec("CREATE DATABASE " + config.DBName)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := server.Exec("DROP DATABASE " + config.DBName)
		require.NoError(t, err)
	})
	network := &network{}
	cuttable := config.Clone()
	cuttable.DialFunc = network.dial
	config.MultiStatements = true // for the statements here
	admin := pool(config)
	require.NoError(t, sqlstore.Migrate(t.Context(), admin, sqlstore.MySQL))
	b := inboxtest.Backend{
		Open: func() inbox.Store { return open(t, pool(cuttable), sqlstore.MySQL) },
		Cut:  network.cut,
		Dump: func() string {
			var text strings.Builder
			for _, table := range []string{"reducto_records", "reducto_jobs", "reducto_locks"} {
				rows, err := admin.Query(`SELECT * FROM ` + table)
				require.NoError(t, err)
				defer rows.Close()
				columns, err := rows.Columns()
				require.NoError(t, err)
				row := make([]any, len(columns))
				for i := range row {
					row[i] = new(string)
				}
				for rows.Next() {
					require.NoError(t, rows.Scan(row...))
					for _, value := range row {
						text.WriteString(*value.(*string) + " ")
					}
				}
				require.NoError(t, rows.Err())
			}
			return text.String()
		},
	}
	// All rows and the gaps between them are locked.
	const lock = `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; BEGIN; SELECT count(*) FROM reducto_records FOR UPDATE`
	return databaseBackend(t, b, admin, lock, [2]string{`
		CREATE TRIGGER full_jobs BEFORE INSERT ON reducto_jobs FOR EACH ROW
			SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'The table is full';
		CREATE TRIGGER full_records BEFORE UPDATE ON reducto_records FOR EACH ROW
			SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'The table is full'`, `
		DROP TRIGGER full_jobs; DROP TRIGGER full_records`})
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
