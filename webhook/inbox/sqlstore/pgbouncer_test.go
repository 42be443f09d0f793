package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// pgbouncer starts PgBouncer in transaction mode, in front of a schema of its own. It
// returns how to connect to it. Without PgBouncer the test is skipped, but in CI it fails.
func pgbouncer(t *testing.T, settings ...string) *pgx.ConnConfig {
	t.Helper()
	binary, err := exec.LookPath("pgbouncer")
	if err != nil {
		binary, err = exec.LookPath("/usr/sbin/pgbouncer") // Debian's, which is not in every PATH
	}
	if err != nil {
		const text = "no PgBouncer: install it, on Debian with apt-get install pgbouncer"
		if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	server := postgresSchema(t)
	port := freePort(t)
	dir, err := os.MkdirTemp("", "pgbouncer") // not t.TempDir, which only this user can read
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	database := fmt.Sprintf("inbox = host=%s port=%d dbname=%s user=%s connect_query='SET search_path TO %s'",
		server.Host, server.Port, server.Database, server.User, server.RuntimeParams["search_path"])
	if server.Password != "" {
		database += " password='" + server.Password + "'"
	}
	lines := append([]string{
		"[databases]", database, "[pgbouncer]", "listen_addr = 127.0.0.1", fmt.Sprint("listen_port = ", port), "unix_socket_dir =",
		"auth_type = any", "pool_mode = transaction", "max_client_conn = 500", "default_pool_size = 12",
	}, settings...)
	file := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))

	args := []string{file}
	if os.Geteuid() == 0 {
		args = []string{"-u", "nobody", file} // it refuses to run as root
	}
	ctx, stop := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, binary, args...)
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	require.NoError(t, command.Start())
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Logf("PgBouncer printed:\n%s", &log)
		}
	})

	config, err := pgx.ParseConfig(fmt.Sprintf("postgres://inbox@127.0.0.1:%d/inbox?sslmode=disable", port))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		conn, err := pgx.ConnectConfig(within(t, time.Second), config.Copy())
		if err == nil {
			err = conn.Close(t.Context())
		}
		return err == nil
	}, 10*time.Second, 20*time.Millisecond, "PgBouncer does not start")
	return config
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestPgBouncer(t *testing.T) {
	t.Parallel()
	config := pgbouncer(t)
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	runPostgresWithPgx(t, config)
}

// These modes of pgx work too.
func TestPgBouncerModes(t *testing.T) {
	t.Parallel()
	config := pgbouncer(t)
	for name, mode := range execModes {
		if mode == pgx.QueryExecModeDescribeExec {
			continue // it describes in one transaction and executes in another
		}
		config := config.Copy()
		config.DefaultQueryExecMode = mode
		db := postgresPool(t, config)
		store := open(t, db, sqlstore.PostgreSQL, sqlstore.WithNamespace(name))
		for i := range 5 {
			live(t, store, db, fmt.Sprint(name, i))
		}
	}
}

func TestPgBouncerWithPreparedStatementsIsRefused(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"last used first": {},
		"all in turn":     {"server_round_robin = 1"},
		"one session":     {"default_pool_size = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := pgbouncer(t, settings...)
			require.Equal(t, pgx.QueryExecModeCacheStatement, config.DefaultQueryExecMode)
			for range 3 {
				_, err := sqlstore.Open(within(t, 20*time.Second), postgresPool(t, config), sqlstore.PostgreSQL)
				requirePoolerError(t, err)
			}
		})
	}
}

// A pool of one connection gets the same session as long as nobody else uses the
// pooler. The error comes later, and says the same.
func TestPgBouncerWithPreparedStatementsFailsLater(t *testing.T) {
	t.Parallel()
	config := pgbouncer(t)
	db, others := postgresPool(t, config), postgresPool(t, config)
	db.SetMaxOpenConns(1)
	store := open(t, db, sqlstore.PostgreSQL)
	receive(t, store, "job")
	tx := begin(t, others, sql.LevelDefault) // takes the session that has the statements
	_, err := tx.Exec(`SELECT 1`)
	require.NoError(t, err)
	_, err = store.Receive(within(t, 10*time.Second), []inbox.Notification{completed("other")})
	requirePoolerError(t, err)
}

func requirePoolerError(t *testing.T, err error) {
	t.Helper()
	var refused *sqlstore.SettingError
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "default_query_exec_mode=exec")
	var server *pgconn.PgError
	require.True(t, errors.As(err, &server))
	assert.Contains(t, []string{"26000", "42P05"}, server.Code)
	t.Log(err)
}
