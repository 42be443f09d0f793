package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// Every secret of these tests begins with canary, and nothing that the package
// prints, logs or returns may contain it.
const (
	canary     = "canary-"
	testSecret = canary + "current-5f2d9c1e7a3b"
	oldSecret  = canary + "previous-8b1e0d2f4c6a"

	jobA = "204a39e4-dd10-4c83-a978-0cee4af8cde2"
	jobB = "7d0c1a52-6b0e-4f0e-8f6d-2b8d3f1c9a10"
)

// TestMain also looks for the canary in what all tests logged, and for goroutines
// that they left.
func TestMain(m *testing.M) {
	_ = uuid.Must(uuid.NewV7()) // they never go back in time: those of all bubbles have this one's
	code := m.Run()
	if text := logged.String(); strings.Contains(text, canary) {
		fmt.Fprintln(os.Stderr, "a secret was logged:\n"+text)
		code = 1
	}
	if left := leftovers(2 * time.Second); left != "" {
		fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// logged is what all loggers of the tests wrote.
var logged lockedBuffer

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// logBook is a logger whose records can be looked at.
type logBook struct {
	t    testing.TB
	text lockedBuffer
}

func newLogBook(t testing.TB) *logBook { return &logBook{t: t} }

func (l *logBook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(io.MultiWriter(&l.text, &logged), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// records are those of the level whose message contains text. They are written
// by another goroutine: shut the handler down, or wait, before.
func (l *logBook) records(level slog.Level, text string) []map[string]any {
	l.t.Helper()
	var found []map[string]any
	for line := range strings.Lines(l.text.String()) {
		var r map[string]any
		require.NoError(l.t, json.Unmarshal([]byte(line), &r))
		if r["level"] == level.String() && strings.Contains(r["msg"].(string), text) {
			found = append(found, r)
		}
	}
	return found
}

func newSecret(t testing.TB, current string, previous ...string) *webhook.Secret {
	t.Helper()
	s, err := webhook.NewSecret(current, previous...)
	require.NoError(t, err)
	return s
}

// newHandler makes a handler that the end of the test shuts down.
func newHandler(t testing.TB, f webhook.Func, opts ...webhook.Option) *webhook.Handler {
	t.Helper()
	h, err := webhook.NewHandler(newSecret(t, testSecret, oldSecret), f, opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		assert.NoError(t, h.Shutdown(ctx))
	})
	return h
}

// flush waits until the handler's log is written.
func flush(t testing.TB, h *webhook.Handler) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	require.NoError(t, h.Shutdown(ctx))
}

// counter is a Func that counts its calls and keeps the deliveries.
type counter struct {
	calls atomic.Int64
	err   error
	then  webhook.Func

	mu         sync.Mutex
	deliveries []*webhook.Delivery
}

func (c *counter) process(ctx context.Context, d *webhook.Delivery) error {
	c.calls.Add(1)
	c.mu.Lock()
	c.deliveries = append(c.deliveries, d)
	c.mu.Unlock()
	if c.then != nil {
		return c.then(ctx, d)
	}
	return c.err
}

func (c *counter) count() int { return int(c.calls.Load()) }

func (c *counter) last() *webhook.Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.deliveries) == 0 {
		return nil
	}
	return c.deliveries[len(c.deliveries)-1]
}

// of is how often it was called for a job.
func (c *counter) of(jobID string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, d := range c.deliveries {
		if d.JobID == jobID {
			n++
		}
	}
	return n
}

// payload is a body as the service sends it.
func payload(status, jobID, metadata string) string {
	return `{"status":` + quote(status) + `,"job_id":` + quote(jobID) + `,"metadata":` + metadata + `}`
}

// signed is metadata with the current secret, and more members if there are any.
func signed(more ...string) string {
	return "{" + strings.Join(append([]string{`"secret":"` + testSecret + `"`}, more...), ",") + "}"
}

// genuine is the body of a delivery that is to be believed.
func genuine(jobID string) string { return payload("Completed", jobID, signed()) }

func quote(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

func request(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func serveRequest(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// post has h answer a body.
func post(h http.Handler, body string) *httptest.ResponseRecorder {
	return serveRequest(h, request(body))
}

// requireAnswer checks everything that an answer has.
func requireAnswer(t testing.TB, w *httptest.ResponseRecorder, code int) {
	t.Helper()
	bodies := map[int]string{
		200: `{"received":true}`,
		400: `{"error":"malformed"}`,
		401: `{"error":"unauthorized"}`,
		405: `{"error":"method not allowed"}`,
		413: `{"error":"too large"}`,
		415: `{"error":"unsupported media type"}`,
		500: `{"error":"failed"}`,
		503: `{"error":"unavailable"}`,
	}
	require.Equal(t, code, w.Code, "%s", w.Body)
	require.Equal(t, bodies[code], w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	if code == http.StatusServiceUnavailable {
		require.NotEmpty(t, w.Header().Get("Retry-After"))
	} else {
		require.Empty(t, w.Header().Get("Retry-After"))
	}
}

func nothing(context.Context, *webhook.Delivery) error { return nil }

// submit sends a document whose end is announced to hook, through a client that
// adds the secret.
func submit(t testing.TB, c *reducto.Client, a reducto.Async) *reducto.Handle[*reducto.ParseResult] {
	t.Helper()
	job, err := c.ParseAsync(t.Context(), reducto.ParseRequest{
		Input: reducto.URL("https://example.com/document.pdf"),
		Async: a,
	})
	require.NoError(t, err)
	return job
}
