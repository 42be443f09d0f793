package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// postgresURL returns the URL of an empty schema.
func postgresURL(t *testing.T) string {
	t.Helper()
	text := cmp.Or(os.Getenv("TEST_POSTGRES_URL"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	admin, err := pgx.Connect(ctx, text)
	if err != nil {
		text := "no PostgreSQL: start one, or set TEST_POSTGRES_URL: " + err.Error()
		if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	schema := "reducto_hooks_" + strings.ToLower(rand.Text())
	_, err = admin.Exec(ctx, "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_, err := admin.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE")
		assert.NoError(t, err)
		assert.NoError(t, admin.Close(ctx))
	})
	u, err := url.Parse(text)
	require.NoError(t, err)
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}

// mysqlDatabase makes a database, and returns how to connect to it.
func mysqlDatabase(t *testing.T) *mysql.Config {
	t.Helper()
	config, err := mysql.ParseDSN(cmp.Or(os.Getenv("TEST_MYSQL_URL"), "root@tcp(127.0.0.1:3306)/test"))
	require.NoError(t, err)
	admin, err := sql.Open("mysql", config.FormatDSN())
	require.NoError(t, err)
	if err := admin.PingContext(t.Context()); err != nil {
		text := "no MySQL or MariaDB: start one, or name it in TEST_MYSQL_URL (user:password@tcp(host:port)/database): " + err.Error()
		if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	config.DBName = "reducto_hooks_" + strings.ToLower(rand.Text())
	_, err = admin.Exec("CREATE DATABASE " + config.DBName)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + config.DBName)
		assert.NoError(t, err)
		assert.NoError(t, admin.Close())
	})
	return config
}

func mysqlURL(c *mysql.Config) string {
	return (&url.URL{Scheme: "mysql", User: url.UserPassword(c.User, c.Passwd), Host: c.Addr, Path: "/" + c.DBName}).String()
}

func TestInboxOnSQLite(t *testing.T) {
	t.Parallel()
	testInbox(t, sqliteFile(t))
}

func TestInboxOnPostgreSQL(t *testing.T) {
	t.Parallel()
	testInbox(t, postgresURL(t))
}

func TestInboxOnMySQL(t *testing.T) {
	t.Parallel()
	testInbox(t, mysqlURL(mysqlDatabase(t)))
}

func testInbox(t *testing.T, dsn string) {
	db, deadJob := seededInbox(t, dsn)
	s := newShell(t, "DATABASE_URL="+db)

	assert.Len(t, objects(t, s.ok("inbox", "list", "--json")), 3)
	assert.Len(t, objects(t, s.ok("inbox", "list", "--json", "-n", "2")), 2)
	assert.Len(t, objects(t, s.ok("inbox", "list", "--json", "--state", "dead,done", "-n", "0")), 2)
	assert.Len(t, objects(t, s.ok("inbox", "list", "--json", "--outcome", "failed", "--type", "parse")), 1)
	assert.Empty(t, s.ok("inbox", "list", "--namespace", "another"))
	out := s.ok("inbox", "list", "--state", "dead")
	assert.Regexp(t, "^"+deadJob+"\tParse\tdead\tfailed\twebhook\t1\t[^\t]+Z\tno use for it [^\t\x1b]*\n$", out, "the error is one line")
	assert.NotContains(t, s.ok("inbox", "list", "--json"), "customer") // ids can contain c-2
	assert.Contains(t, s.ok("inbox", "list", "--json", "--metadata"), `"metadata":{"customer":"c-2"}`)

	record := objects(t, s.ok("inbox", "show", deadJob, "--json"))[0]
	key, _ := record["key"].(string)
	assert.Equal(t, "dead", record["state"])
	assert.NotContains(t, record, "metadata")
	assert.Equal(t, s.ok("inbox", "show", deadJob), s.ok("inbox", "show", key))
	assert.Contains(t, s.ok("inbox", "show", deadJob), "outcome\tfailed\n")
	assert.Regexp(t, `history\t\S+Z submitted\n(?s:.*)delivered, answered 200: Failed\n(?s:.*) dead, call 1: no use for it`, s.ok("inbox", "show", deadJob))
	assert.NotEmpty(t, record["history"])
	pending := objects(t, s.ok("inbox", "list", "--json", "-n", "1"))[0]
	assert.Equal(t, "pending", pending["state"], "the newest submission is the first")
	key, _ = pending["key"].(string)
	assert.Len(t, objects(t, s.ok("inbox", "list", "--json", "--before", key)), 2)
	key, _ = record["key"].(string)
	assert.Contains(t, s.ok("inbox", "show", deadJob, "--metadata"), "metadata\t{\"customer\":\"c-2\"}\n")
	assert.Equal(t, exitNotFound, s.run("inbox", "show", "nothing").code)

	assert.Contains(t, s.ok("inbox", "stats"), "dead\t1\n")
	stats := objects(t, s.ok("inbox", "stats", "--json"))[0]
	assert.EqualValues(t, 1, stats["dead"])
	assert.NotContains(t, stats, "done", "they are not counted")
	assert.EqualValues(t, 1, stats["pending"])

	out = s.ok("inbox", "export")
	all := objects(t, out)
	require.Len(t, all, 3)
	assert.NotContains(t, out, "customer")
	assert.NotContains(t, out, "seeded inbox", "no secret")
	assert.Contains(t, s.ok("inbox", "export", "--metadata"), "customer")
	first, _ := all[0]["key"].(string)
	assert.Len(t, objects(t, s.ok("inbox", "export", "--after", first)), 2)
	assert.Len(t, objects(t, s.ok("inbox", "export", "--state", "pending")), 1)

	e := s.run("inbox", "replay", "nothing", deadJob)
	assert.Equal(t, exitNotFound, e.code)
	assert.Contains(t, e.stdout, deadJob+"\treplayed\n", "the others are replayed")
	assert.Equal(t, "received", objects(t, s.ok("inbox", "show", key, "--json"))[0]["state"])
	assert.Regexp(t, `history\t\S+Z replayed\n$`, s.ok("inbox", "show", key), "the replay is in the history")
	e = s.run("inbox", "replay", deadJob)
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "record "+deadJob+" is received: only dead records can be replayed")
	assert.Empty(t, s.ok("inbox", "replay", "--all"))
}

func TestInboxReplaysAllDeadRecords(t *testing.T) {
	t.Parallel()
	db, deadJob := seededInbox(t, sqliteFile(t))
	s := newShell(t)
	list := objects(t, s.ok("inbox", "replay", "--all", "--db", db, "--json"))
	require.Len(t, list, 1)
	assert.Equal(t, deadJob, list[0]["id"])
	assert.Equal(t, "replayed", list[0]["result"])
}

func TestInboxChangesNoDatabaseWithoutTables(t *testing.T) {
	t.Parallel()
	file := sqliteFile(t)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	e := newShell(t).run("inbox", "list", "--db", file)
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "the database has no Inbox")
	config := mysqlDatabase(t)
	for _, dsn := range []string{postgresURL(t), mysqlURL(config), config.FormatDSN(), config.FormatDSN() + "?parseTime=true&loc=Europe%2FBerlin"} {
		e = newShell(t).run("inbox", "stats", "--db", dsn)
		assert.Equal(t, exitUsage, e.code, e.stderr)
		assert.Contains(t, e.stderr, "the database has no Inbox")
	}

	for _, dsn := range []string{"postgres://u@127.0.0.1:1/db", "mysql://u@127.0.0.1:1/db", "u@tcp(127.0.0.1:1)/db"} {
		e = newShell(t).run("inbox", "list", "--db", dsn)
		assert.Equal(t, exitFailure, e.code, e.stderr)
		assert.Contains(t, e.stderr, "connection refused")
	}
}

func TestInboxDoesNotPrintPasswordsOfDatabases(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]int{
		"postgres://u:pass5word@127.0.0.1:1/db":                          exitFailure,
		"postgres://u:pass5word@127.0.0.1:port/db":                       exitUsage,
		"postgres://u@127.0.0.1:1/db?password=pass5word&sslmode=unknown": exitFailure,
		"POSTGRES://u:pass5word@127.0.0.1:1/db":                          exitUsage,
		"mysql://u:pass5word@127.0.0.1:1/db":                             exitFailure,
		"u:pass5word@tcp(127.0.0.1:1)/db":                                exitFailure,
		"mysql://u:pass5word@127.0.0.1:port/db":                          exitUsage,
		"mysql://u:p/pass5word@127.0.0.1:1/db":                           exitUsage,
		"mysql://u:1/pass5word@127.0.0.1:1/db":                           exitUsage,
		"mysql://u:pass5word@127.0.0.1:1/":                               exitUsage,
		"mysql://u:pass5word@127.0.0.1:1/db?parseTime=pass5word":         exitUsage,
		"u:p@unix(pass5word@tcp(127.0.0.1:1)/db?loc=Europe/Berlin":       exitUsage,
		"u:pass5word@tcp(127.0.0.1:1)":                                   exitUsage,
		"mysql://u@127.0.0.1:1/db?password=pass5word":                    exitUsage,
		"u@tcp(127.0.0.1:1)/db?Password=pass5word":                       exitUsage,
		"MySQL://u:pass5word@127.0.0.1:1/db":                             exitUsage,
		"host=127.0.0.1 port=1 user=u password=pass5word":                exitUsage,
	} {
		e := newShell(t, "DATABASE_URL="+dsn).run("inbox", "list")
		assert.Equal(t, want, e.code, e.stderr)
		assert.NotContains(t, e.stderr, "pass5word")
	}
}
