package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/sqlstore"
)

// stock is a store for the scenarios, with what is needed to put it into
// situations.
type stock struct {
	// open makes a handle on what the store keeps, as each process has one.
	open func() webhook.Store
	// advance moves the store's time: nobody waits for a lease or a sweep to be due.
	advance func(d time.Duration)
	// cut makes every call fail, stall makes those that write wait, and fill makes
	// those that write fail, until what they return is called.
	cut, stall, fill func() (mend func())
	// dump is everything that the store keeps, wherever it keeps it.
	dump func() string
	db   *sql.DB // nil: it is memory
}

var errDown = errors.New("the store is down")

// memoryStock claims to be durable, so that an Inbox treats it as a database.
func memoryStock(t *testing.T) stock {
	mem := webhook.NewMemoryStore()
	store := spy(mem)
	breaks := func(before func(context.Context, string) error) func() func() {
		return func() func() {
			store.breaks(before, nil)
			return func() { store.breaks(nil, nil) }
		}
	}
	return stock{
		open:    func() webhook.Store { return store },
		advance: mem.Advance,
		cut:     breaks(func(context.Context, string) error { return errDown }),
		stall: breaks(func(ctx context.Context, method string) error {
			if method == "List" || method == "Stats" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}),
		fill: breaks(func(_ context.Context, method string) error {
			if method == "List" || method == "Stats" {
				return nil
			}
			return errDown
		}),
		dump: func() string {
			records, err := mem.List(t.Context(), webhook.Filter{Limit: 1 << 20})
			require.NoError(t, err)
			var text strings.Builder
			for _, r := range records {
				fmt.Fprintf(&text, "%+v %s\n", r, r.Metadata)
			}
			return text.String()
		},
	}
}

// full are triggers that act as a disk does that is full: the second statement of
// what takes a job in fails, after the first has been carried out.
var full = map[sqlstore.Dialect][2]string{
	sqlstore.SQLite: {`
		CREATE TRIGGER full_jobs BEFORE INSERT ON reducto_jobs BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END;
		CREATE TRIGGER full_records BEFORE UPDATE ON reducto_records BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END`, `
		DROP TRIGGER full_jobs; DROP TRIGGER full_records`},
	sqlstore.PostgreSQL: {`
		CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
		CREATE TRIGGER full_jobs BEFORE INSERT ON reducto_jobs FOR EACH ROW EXECUTE FUNCTION full_disk();
		CREATE TRIGGER full_records BEFORE UPDATE ON reducto_records FOR EACH ROW EXECUTE FUNCTION full_disk()`, `
		DROP TRIGGER full_jobs ON reducto_jobs; DROP TRIGGER full_records ON reducto_records; DROP FUNCTION full_disk()`},
}

// database completes the stock of a database. admin is not cut off with the others.
func database(t *testing.T, s stock, admin *sql.DB, d sqlstore.Dialect, lock string) stock {
	exec := func(statement string) {
		_, err := admin.Exec(statement)
		require.NoError(t, err)
	}
	s.db = admin
	s.stall = func() func() {
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
	s.fill = func() func() {
		exec(full[d][0])
		return func() { exec(full[d][1]) }
	}
	return s
}

func sqliteStock(t *testing.T) stock {
	dir := t.TempDir()
	file := filepath.Join(dir, "inbox.db")
	clock, advance := sqliteTime(t)
	connector := &breakable{dsn: sqliteDSN(file)}
	s := stock{
		open: func() webhook.Store {
			db := sql.OpenDB(connector)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			return open(t, db, sqlstore.SQLite, sqlstore.WithClock(clock))
		},
		advance: advance,
		cut: func() func() {
			connector.broken.Store(true)
			return func() { connector.broken.Store(false) }
		},
		dump: func() string {
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
	return database(t, s, sqlitePool(t, sqliteDSN(file)), sqlstore.SQLite, `BEGIN IMMEDIATE`)
}

func postgresStock(t *testing.T) stock {
	config := postgresSchema(t)
	admin := smallPool(t, config)
	require.NoError(t, sqlstore.Migrate(t.Context(), admin, sqlstore.PostgreSQL))
	_, err := admin.Exec(`CREATE TABLE test_clock (us bigint NOT NULL); INSERT INTO test_clock VALUES (0)`)
	require.NoError(t, err)
	network := &network{}
	config = config.Copy()
	config.DialFunc = network.dial
	s := stock{
		open: func() webhook.Store {
			return open(t, smallPool(t, config), sqlstore.PostgreSQL, sqlstore.WithoutMigrate(),
				sqlstore.WithClock("("+sqlstore.PostgresClock+" + (SELECT us FROM test_clock))"))
		},
		advance: func(d time.Duration) {
			_, err := admin.Exec(`UPDATE test_clock SET us = us + $1`, d.Microseconds())
			require.NoError(t, err)
		},
		cut: network.cut,
		dump: func() string {
			var text strings.Builder
			for _, table := range []string{"reducto_records", "reducto_jobs", "reducto_locks"} {
				var rows sql.NullString
				require.NoError(t, admin.QueryRow(`SELECT string_agg(r::text, chr(10)) FROM `+table+` r`).Scan(&rows))
				text.WriteString(rows.String)
			}
			return text.String()
		},
	}
	return database(t, s, admin, sqlstore.PostgreSQL, `BEGIN; LOCK TABLE reducto_records IN ACCESS EXCLUSIVE MODE`)
}

// smallPool leaves connections for the other tests, of which many run at once. Its
// own may have been cut when it is closed.
func smallPool(t testing.TB, config *pgx.ConnConfig) *sql.DB {
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(2)
	t.Cleanup(func() { _ = db.Close() })
	return db
}
