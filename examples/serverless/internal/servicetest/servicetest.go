// Package servicetest is what the tests of both programs share: a Service on each
// database, and what it must do.
package servicetest

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/examples/serverless"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// Env is a Service, and the Reducto that it uses.
type Env struct {
	T       *testing.T
	Srv     *reductotest.Server
	Service *serverless.Service
	Secret  *webhook.Secret
	// Program gets the webhooks.
	Program http.Handler
	// Func processes the jobs.
	Func webhook.Func

	mu    sync.Mutex
	calls map[string]int
}

// Each runs a test with a Service on each database.
func Each(t *testing.T, test func(*Env)) {
	for name, open := range map[string]func(*testing.T) (*sql.DB, sqlstore.Dialect){"SQLite": sqlite, "PostgreSQL": postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, dialect := open(t)
			store, err := sqlstore.Open(t.Context(), db, dialect)
			require.NoError(t, err)
			e := &Env{T: t, Srv: reductotest.NewServer(t), Func: serverless.Process, calls: map[string]int{}}
			e.Secret, err = webhook.NewSecret("a secret for this test")
			require.NoError(t, err)
			url := e.Srv.Mount("/webhook", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.Program.ServeHTTP(w, r) }))
			e.Service, err = serverless.New(e.Secret, store, e.process, func(in *inbox.Inbox) (*reducto.Client, error) {
				return e.Srv.Client(reducto.WithWebhook(reducto.DirectWebhook(url)), reducto.WithSubmitHook(in)), nil
			}, inbox.WithPollAfter(time.Millisecond))
			require.NoError(t, err)
			t.Cleanup(e.Service.Client.CloseIdleConnections)
			test(e)
		})
	}
}

func (e *Env) process(ctx context.Context, d *webhook.Delivery) error {
	e.mu.Lock()
	e.calls[d.JobID]++
	e.mu.Unlock()
	return e.Func(ctx, d)
}

func (e *Env) called(jobID string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[jobID]
}

// Submit submits a document.
func (e *Env) Submit() *reducto.Handle[*reducto.ParseResult] {
	job, err := e.Service.Client.ParseAsync(e.T.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
	require.NoError(e.T, err)
	return job
}

// CheckLife submits documents, whose webhooks go to the program. run does what the
// platform's schedule does. One webhook comes twice, and another one is lost.
func (e *Env) CheckLife(run func()) {
	t := e.T
	e.Srv.WebhookFault(reductotest.Duplicate(2))
	delivered := e.Submit().JobID
	attempts, err := e.Srv.AwaitDeliveries(t.Context(), delivered, 2)
	require.NoError(t, err)
	for _, a := range attempts {
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.JSONEq(t, `{"received":true}`, string(a.Answer))
	}
	assert.Zero(t, e.called(delivered), "a delivery does not call the function")
	run()
	assert.Equal(t, 1, e.called(delivered))

	e.Srv.WebhookFault(reductotest.Lose())
	job := e.Submit()
	_, err = job.Wait(t.Context())
	require.NoError(t, err)
	lost := job.JobID
	run()
	run()
	for _, id := range []string{delivered, lost} {
		assert.Equal(t, 1, e.called(id))
		record, err := e.Service.Inbox.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, inbox.StateDone, record.State)
	}
}

func sqlite(t *testing.T) (*sql.DB, sqlstore.Dialect) {
	file := filepath.ToSlash(filepath.Join(t.TempDir(), "inbox.db"))
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db, sqlstore.SQLite
}

func postgres(t *testing.T) (*sql.DB, sqlstore.Dialect) {
	db, err := sql.Open("pgx", PostgresURL(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db, sqlstore.PostgreSQL
}

const defaultPostgres = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"

// PostgresURL makes a schema, and returns the URL that leads to it. Without a server the
// test is skipped. In CI it fails.
func PostgresURL(t *testing.T) string {
	text := cmp.Or(os.Getenv("TEST_POSTGRES_URL"), defaultPostgres)
	admin, err := sql.Open("pgx", text)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := admin.PingContext(ctx); err != nil {
		text := "no PostgreSQL: start one, or set TEST_POSTGRES_URL: " + err.Error()
		if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	schema := fmt.Sprintf("reducto_serverless_%d_%x", os.Getpid(), rand.Uint64())
	_, err = admin.ExecContext(ctx, "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.WithoutCancel(t.Context()), "DROP SCHEMA "+schema+" CASCADE")
		assert.NoError(t, err)
		assert.NoError(t, admin.Close())
	})
	u, err := url.Parse(text)
	require.NoError(t, err)
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}
