package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// tellStory runs the program, and returns its exit status and its output.
func tellStory(t *testing.T, ctx context.Context, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	status = run(ctx, args, &out, &errs)
	t.Log(out.String(), errs.String())
	return status, out.String(), errs.String()
}

func TestInMemory(t *testing.T) {
	t.Setenv(reducto.EnvAPIKey, "")
	status, out, errs := tellStory(t, t.Context())
	require.Zero(t, status)
	assert.Empty(t, errs)
	assert.Contains(t, out, "every job was handled exactly once")
	for _, row := range []string{
		`parse +(webhook|polling) +1 +200, 200 \(duplicate\), 200 \(duplicate\)\n`,
		`extract +(webhook|polling) +1 +401 \(forged\), 200\n`,
		`split +polling +1 +lost`,
		`pipeline +(webhook|polling) +1 +200\n`,
	} {
		assert.Regexp(t, row, out)
	}
}

func TestInterrupted(t *testing.T) {
	t.Setenv(reducto.EnvAPIKey, "")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	status := run(ctx, nil, io.Discard, io.Discard)
	assert.Equal(t, 130, status)
}

// The program with a key, against a server on TCP.
func TestRealService(t *testing.T) {
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	t.Setenv(reducto.EnvAPIKey, srv.APIKey())
	t.Setenv(reducto.EnvBaseURL, srv.URL())

	t.Run("polling", func(t *testing.T) {
		t.Setenv("WEBHOOK_URL", "")
		status, out, errs := tellStory(t, t.Context())
		require.Zero(t, status, errs)
		assert.Contains(t, out, "pipeline   left out")
		assert.Contains(t, out, "invoice INV-2026-0117")
		assert.Equal(t, 3, strings.Count(out, "found by polling"))
	})
	t.Run("webhooks", func(t *testing.T) {
		address := freeAddress(t)
		t.Setenv("WEBHOOK_URL", "http://"+address+"/any/path?key=of-ours")
		status, out, errs := tellStory(t, t.Context(), "-listen", address, "-pipeline", "invoices", "-patience", "20s")
		require.Zero(t, status, errs)
		assert.Equal(t, 4, strings.Count(out, "found by webhook"))
		assert.NotContains(t, out, "key=of-ours")
	})
	t.Run("a job that fails", func(t *testing.T) {
		t.Setenv("WEBHOOK_URL", "")
		srv.FailNext("the document is corrupt", "DOCUMENT_CORRUPT")
		status, _, errs := tellStory(t, t.Context())
		assert.Equal(t, 1, status)
		assert.Contains(t, errs, "the parse job ended Failed: the document is corrupt")
	})
	t.Run("a key that is refused", func(t *testing.T) {
		t.Setenv(reducto.EnvAPIKey, "another-key")
		status, _, errs := tellStory(t, t.Context())
		assert.Equal(t, 1, status)
		assert.Contains(t, errs, "401")
	})
	assert.Empty(t, srv.Violations())
}

func TestUsage(t *testing.T) {
	assert.Equal(t, 2, run(t.Context(), []string{"-nonsense"}, io.Discard, io.Discard))
	assert.Zero(t, run(t.Context(), []string{"-help"}, io.Discard, io.Discard))
}

// freeAddress returns a free loopback address.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// The program is a check, so it must notice faults.
func TestCheckReportsFaults(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	l := newLedger()
	job := srv.SeedJob(reductotest.SeedJob{Type: "Split"})
	l.expect("split", job)
	srv.Deliver(t.Context(), srv.Mount("/webhook", http.NotFoundHandler()), job, []byte("{}"), nil)
	err := check(srv, l, webhook.Stats{Calls: 4})
	require.Error(t, err)
	for _, complaint := range []string{
		"1 jobs were submitted, not 4",
		"the split job was handled 0 times",
		"the forgery was answered 404",
		"the function was called 4 times",
		"0 duplicates were recognised",
		"0 deliveries were refused",
	} {
		assert.ErrorContains(t, err, complaint)
	}
}
