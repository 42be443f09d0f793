package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

const defaultPostgres = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"

// postgres makes a schema, and returns the URL that leads to it. Without a server the
// test is skipped. In CI it fails.
func postgres(t *testing.T) string {
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
	schema := fmt.Sprintf("reducto_river_%d_%x", os.Getpid(), rand.Uint64())
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

// openOn opens the app on a schema of its own. The client does not retry. The Inbox's
// function fails after its commit.
func openOn(t *testing.T, srv *reductotest.Server) *app {
	pool, err := openPool(t.Context(), postgres(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	db := stdlib.OpenDB(*pool.Config().ConnConfig)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	a, err := newApp(t.Context(), pool, db, log.New(io.Discard, "", 0), srv)
	require.NoError(t, err)
	store, err := sqlstore.Open(t.Context(), db, sqlstore.PostgreSQL)
	require.NoError(t, err)
	secret, err := webhook.NewSecret("a secret for this test")
	require.NoError(t, err)
	a.inbox, err = inbox.New(secret, store, func(ctx context.Context, d *webhook.Delivery) error {
		return errors.Join(a.enqueue(ctx, d), errors.New("the process fails after its commit"))
	}, inbox.WithMinBackoff(time.Millisecond), inbox.WithMaxBackoff(10*time.Millisecond))
	require.NoError(t, err)
	a.client = srv.Client(
		reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", a.inbox))),
		reducto.WithSubmitHook(a.inbox),
		reducto.WithMaxRetries(0),
	)
	return a
}

// count returns the number of River jobs of a kind that meet the condition.
func (a *app) count(t *testing.T, args river.JobArgs, condition string, values ...any) (n int) {
	t.Helper()
	err := a.pool.QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE kind = $1 AND `+condition,
		append([]any{args.Kind()}, values...)...).Scan(&n)
	require.NoError(t, err)
	return n
}

func TestEachDocumentBecomesOneProcessedRiverJob(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	a := openOn(t, srv)
	srv.SetWebhookFault(reductotest.Combine(reductotest.Duplicate(2), reductotest.DuplicateConcurrently(2)))
	// The answer to one submission is lost, and the API refuses another one for a while.
	srv.Fault("POST /parse_async", reductotest.LoseAnswer(), reductotest.Status(503))
	documents := make([]string, 12)
	for i := range documents {
		documents[i] = fmt.Sprintf("https://example.com/%d.pdf", i)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- a.run(ctx, documents) }()
	require.Eventually(t, func() bool { return len(srv.Jobs()) == len(documents) }, 30*time.Second, 20*time.Millisecond)
	for _, job := range srv.Jobs() {
		_, err := srv.AwaitDeliveries(ctx, job.ID, 5)
		require.NoError(t, err)
		srv.Redeliver(job.ID)
	}
	require.Eventually(t, func() bool { return a.count(t, endedArgs{}, "state = 'completed'") >= len(documents) },
		30*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, <-ran)

	require.Len(t, srv.Jobs(), len(documents), "each document is submitted once")
	assert.Equal(t, len(documents), a.count(t, endedArgs{}, "true"))
	for _, document := range documents {
		assert.Equal(t, 1, a.count(t, endedArgs{}, "state = 'completed' AND args->>'document' = $2", document), document)
	}
	for _, job := range srv.Jobs() {
		assert.Equal(t, 1, a.count(t, endedArgs{}, "args->>'job_id' = $2", job.ID))
		record, err := a.inbox.Get(t.Context(), job.ID)
		require.NoError(t, err)
		assert.Equal(t, inbox.StateDone, record.State)
	}
}

func TestRetriedRiverJobSubmitsOnce(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]reductotest.Fault{
		"after an answer":      reductotest.Delay(0),
		"after a lost answer":  reductotest.LoseAnswer(),
		"after a lost request": reductotest.Drop(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := reductotest.NewServer(t)
			a := openOn(t, srv)
			srv.Fault("POST /parse_async", fault)
			job := &river.Job[submitArgs]{
				JobRow: &rivertype.JobRow{ID: 7, CreatedAt: time.Now()},
				Args:   submitArgs{Document: "https://example.com/a.pdf"},
			}
			for range 3 {
				require.NoError(t, a.submit(t.Context(), job))
			}
			assert.Len(t, srv.RequestsTo("POST /parse_async"), 1)
		})
	}
}

func TestRiverJobSubmitsAgainAfterARefusal(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	a := openOn(t, srv)
	srv.Fault("POST /parse_async", reductotest.Status(503), reductotest.Status(422))
	job := &river.Job[submitArgs]{JobRow: &rivertype.JobRow{ID: 7}, Args: submitArgs{Document: "https://example.com/a.pdf"}}
	require.ErrorIs(t, a.submit(t.Context(), job), reducto.ErrUnavailable)
	require.ErrorIs(t, a.submit(t.Context(), job), river.JobCancel(nil))
	require.Empty(t, srv.Jobs())
	require.NoError(t, a.submit(t.Context(), job))
	assert.Len(t, srv.Jobs(), 1)
}

func TestProgramPrintsALineForEachDocument(t *testing.T) {
	databaseURL := postgres(t)
	t.Setenv(reducto.EnvAPIKey, "")
	read, write := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	documents := []string{"https://example.com/a.pdf", "https://example.com/b.pdf"}
	ran := make(chan error, 1)
	go func() { ran <- run(ctx, write, databaseURL, documents) }()
	var lines []string
	for scanner := bufio.NewScanner(read); len(lines) < len(documents) && scanner.Scan(); {
		document, pages, _ := strings.Cut(scanner.Text(), ": ")
		lines = append(lines, document)
		assert.Regexp(t, `^\d+ pages$`, pages)
	}
	assert.ElementsMatch(t, documents, lines)
	stop()
	require.NoError(t, <-ran)
	require.ErrorContains(t, run(ctx, write, "", nil), "set DATABASE_URL")
}
