package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// ledger is a ledger on either database.
type ledger struct {
	db      *sql.DB
	dialect sqlstore.Dialect
	process webhook.Func
	// abort does the work of process, calls check, and rolls back.
	abort func(ctx context.Context, d *webhook.Delivery, check func()) error
	url   string // of PostgreSQL
}

func sqliteLedger(t *testing.T) ledger {
	l, err := openSQLite(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(l.close)
	return ledger{db: l.db, dialect: sqlstore.SQLite, process: l.process,
		abort: func(ctx context.Context, d *webhook.Delivery, check func()) error {
			e, err := entryFor(ctx, d)
			if err != nil {
				return err
			}
			tx, err := l.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			err = l.enter(ctx, tx, d, e)
			check()
			return errors.Join(err, tx.Rollback())
		}}
}

const defaultPostgres = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"

// postgresLedger uses a schema of its own. Without a server the test is skipped. In
// CI it fails.
func postgresLedger(t *testing.T) ledger {
	text := cmp.Or(os.Getenv("TEST_POSTGRES_URL"), defaultPostgres)
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
	schema := fmt.Sprintf("reducto_example_%d_%x", os.Getpid(), rand.Uint64())
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

	l, err := openPostgres(t.Context(), u.String())
	require.NoError(t, err)
	t.Cleanup(l.close)
	return ledger{db: l.db, dialect: sqlstore.PostgreSQL, process: l.process, url: u.String(),
		abort: func(ctx context.Context, d *webhook.Delivery, check func()) error {
			e, err := entryFor(ctx, d)
			if err != nil {
				return err
			}
			tx, err := l.pool.Begin(ctx)
			if err != nil {
				return err
			}
			err = l.enter(ctx, tx, d, e)
			check()
			return errors.Join(err, tx.Rollback(ctx))
		}}
}

func (l *ledger) entries(t *testing.T, jobID string) (n int) {
	t.Helper()
	err := l.db.QueryRowContext(t.Context(), `SELECT count(*) FROM ledger WHERE job_id = $1`, jobID).Scan(&n)
	assert.NoError(t, err)
	return n
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	testEffectAndCompletion(t, sqliteLedger(t))
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	testEffectAndCompletion(t, postgresLedger(t))
}

// A rollback leaves neither an entry nor a completion. A commit leaves both, and a
// later failure of the function does not undo them. So each job has one entry.
func testEffectAndCompletion(t *testing.T, l ledger) {
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	store, err := sqlstore.Open(t.Context(), l.db, l.dialect)
	require.NoError(t, err)
	secret, err := webhook.NewSecret("a secret for this test")
	require.NoError(t, err)

	var in *inbox.Inbox
	// state reads the record outside of the open transaction.
	state := func(jobID string) inbox.State {
		r, err := in.Get(t.Context(), jobID)
		assert.NoError(t, err)
		return r.State
	}
	const jobs = 10
	var calls, undone atomic.Int64
	in, err = inbox.New(secret, store, func(ctx context.Context, d *webhook.Delivery) error {
		calls.Add(1)
		switch d.Attempt {
		case 1: // the transaction fails
			err := l.abort(ctx, d, func() {
				assert.Zero(t, l.entries(t, d.JobID))
				assert.Equal(t, inbox.StateClaimed, state(d.JobID))
			})
			assert.NoError(t, err)
			assert.Zero(t, l.entries(t, d.JobID))
			assert.Equal(t, inbox.StateClaimed, state(d.JobID))
			undone.Add(1)
			return errors.New("the transaction was rolled back")
		case 2: // the function returns nil without a commit
			_ = l.abort(ctx, d, func() {})
			return nil
		}
		// The function fails after its commit.
		assert.NoError(t, l.process(ctx, d))
		assert.Equal(t, 1, l.entries(t, d.JobID))
		assert.Equal(t, inbox.StateDone, state(d.JobID))
		return errors.New("the process fails after its commit")
	}, inbox.WithWorkers(3), // each checks through a second connection
		inbox.WithMinBackoff(time.Millisecond), inbox.WithMaxBackoff(10*time.Millisecond))
	require.NoError(t, err)
	client := srv.Client(
		reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", in))),
		reducto.WithSubmitHook(in),
	)
	defer client.CloseIdleConnections()
	ran := make(chan error, 1)
	go func() { ran <- in.Run(context.WithoutCancel(t.Context()), client) }()

	var ids []string
	for range jobs {
		srv.WebhookFault(reductotest.DuplicateConcurrently(2))
		job, err := client.ParseAsync(t.Context(), reducto.ParseRequest{
			Input: reducto.URL("https://example.com/document.pdf"),
			Async: reducto.Async{Metadata: metadata{Customer: "7"}},
		})
		require.NoError(t, err)
		ids = append(ids, job.JobID)
	}
	for _, id := range ids {
		_, err := srv.AwaitDeliveries(t.Context(), id, 3)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return state(id) == inbox.StateDone }, 30*time.Second, 5*time.Millisecond)
		srv.Redeliver(id)
	}
	require.NoError(t, in.Shutdown(t.Context()))
	require.NoError(t, <-ran)
	for _, id := range ids {
		assert.Equal(t, 1, l.entries(t, id))
		assert.Equal(t, inbox.StateDone, state(id))
	}
	assert.EqualValues(t, jobs, undone.Load())
	assert.EqualValues(t, 3*jobs, calls.Load())
}

// TestProgram runs the whole program on both databases.
func TestProgram(t *testing.T) {
	for name, open := range map[string]func(*testing.T) ledger{"SQLite": sqliteLedger, "PostgreSQL": postgresLedger} {
		t.Run(name, func(t *testing.T) {
			l := open(t)
			srv := reductotest.NewServer(t, reductotest.OnTCP())
			listener, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
			require.NoError(t, err)
			addr := listener.Addr().String()
			require.NoError(t, listener.Close())
			address := "http://" + addr
			t.Setenv(reducto.EnvAPIKey, srv.APIKey())
			t.Setenv(reducto.EnvBaseURL, srv.URL())
			t.Setenv("WEBHOOK_SECRET", "a secret for this test")
			t.Setenv("WEBHOOK_URL", address+"/webhook")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if l.url == "" {
				t.Chdir(t.TempDir()) // for ledger.db
			}
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, addr, l.url) }()

			var resp *http.Response
			require.Eventually(t, func() bool {
				resp, err = http.PostForm(address+"/documents", url.Values{
					"url": {"https://example.com/document.pdf"}, "customer": {"7"},
				})
				return err == nil
			}, 10*time.Second, 10*time.Millisecond)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode)
			if l.url == "" {
				opened, err := openSQLite(t.Context(), "ledger.db")
				require.NoError(t, err)
				defer opened.close()
				l.db = opened.db
			}
			jobs := srv.Jobs()
			require.Len(t, jobs, 1)
			require.Eventually(t, func() bool { return l.entries(t, jobs[0].ID) == 1 }, 20*time.Second, 5*time.Millisecond)
			cancel()
			require.NoError(t, <-ended)
			var customer string
			var pages int
			require.NoError(t, l.db.QueryRowContext(t.Context(), `SELECT customer, pages FROM ledger`).Scan(&customer, &pages))
			assert.Equal(t, "7", customer)
			assert.Positive(t, pages)
		})
	}
}
