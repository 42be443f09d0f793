package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// lines is the output of a process while it runs.
type lines struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// objects decodes lines of JSON.
func objects(t *testing.T, text string) []map[string]any {
	t.Helper()
	var list []map[string]any
	for line := range strings.Lines(text) {
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &v), line)
		list = append(list, v)
	}
	return list
}

// saveKey writes the file of Reducto's own command.
func saveKey(t *testing.T, s *shell, text string, mode os.FileMode) string {
	t.Helper()
	dir := filepath.Join(s.home, ".reducto")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	path := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), mode))
	require.NoError(t, os.Chmod(path, mode))
	return path
}

func sqliteFile(t *testing.T) string { return filepath.Join(t.TempDir(), "inbox.db") }

// open opens a database as programs with an Inbox do.
func open(t *testing.T, dsn string) (*sql.DB, inbox.Store) {
	t.Helper()
	if !strings.Contains(dsn, "@") { // a file, which openPool does not make
		f, err := os.OpenFile(dsn, os.O_CREATE, 0o600)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	db, dialect, _, err := openPool(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	store, err := sqlstore.Open(t.Context(), db, dialect)
	require.NoError(t, err)
	return db, store
}

// seededInbox makes an Inbox with a record that is done, one that is dead, and one that
// is pending. It returns the database, and the job of the dead one.
func seededInbox(t *testing.T, dsn string) (_, deadJob string) {
	t.Helper()
	_, store := open(t, dsn)
	secret, err := webhook.NewSecret("the secret of the seeded inbox")
	require.NoError(t, err)
	in, err := inbox.New(secret, store, func(_ context.Context, d *webhook.Delivery) error {
		if d.Outcome == webhook.OutcomeFailed {
			return webhook.Permanent(errors.New("no use\nfor it\x1b[31m"))
		}
		return nil
	}, inbox.WithHistory(), inbox.WithClaimInterval(10*time.Millisecond))
	require.NoError(t, err)
	srv := reductotest.NewServer(t, reductotest.WithProcessingTime(0))
	client := srv.Client(reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", in))), reducto.WithSubmitHook(in))
	submit := func(customer string) string {
		job, err := client.ParseAsync(t.Context(), reducto.ParseRequest{
			Input: reducto.URL("https://example.com/a.pdf"),
			Async: reducto.Async{Metadata: map[string]string{"customer": customer}},
		})
		require.NoError(t, err)
		return job.JobID
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	await := func(id string, state inbox.State) {
		for {
			r, err := in.Get(ctx, id)
			require.NoError(t, err)
			if r.State == state {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	ran := make(chan error, 1)
	go func() { ran <- in.Run(t.Context(), client) }()
	await(submit("c-1"), inbox.StateDone)
	srv.FailNext("no pages", "")
	deadJob = submit("c-2")
	await(deadJob, inbox.StateDead)
	srv.Hold()
	submit("c-3")
	require.NoError(t, in.Shutdown(t.Context()))
	require.NoError(t, <-ran)
	return dsn, deadJob
}
