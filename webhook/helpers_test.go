package webhook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// Every secret of these tests begins with canary. Nothing that the package prints,
// logs or returns may contain it.
const (
	canary     = "canary-"
	testSecret = canary + "current-5f2d9c1e7a3b"
	oldSecret  = canary + "previous-8b1e0d2f4c6a"

	jobA         = "204a39e4-dd10-4c83-a978-0cee4af8cde2"
	jobB         = "7d0c1a52-6b0e-4f0e-8f6d-2b8d3f1c9a10"
	submissionID = "0199a0b4-5b7c-7d52-9d4e-3f5f0c1b2a3d"
)

var (
	svixKey    = []byte(canary + "svix-current-0123456789")
	oldSvixKey = []byte(canary + "svix-previous-0123456789")
)

// TestMain also searches the logs of all tests for the canary, and looks for
// goroutines that the tests left.
func TestMain(m *testing.M) {
	// UUIDs of version 7 never go back in time. This one is later than those of all bubbles.
	_ = uuid.Must(uuid.NewV7())
	code := m.Run()
	if text := logged.String(); strings.Contains(text, canary) {
		fmt.Fprintln(os.Stderr, "a secret was logged:\n"+text)
		code = 1
	}
	if left := leftovers(10 * time.Second); left != "" {
		fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leftovers waits for the package's goroutines to end, and returns the stacks of
// those that do not.
func leftovers(patience time.Duration) string {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		var own []string
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			ours := strings.Contains(g, "reducto/webhook.") || strings.Contains(g, "reducto/webhook/internal/")
			if ours && !strings.Contains(g, "testing.tRunner(") {
				own = append(own, g)
			}
		}
		if len(own) == 0 || time.Now().After(deadline) {
			return strings.Join(own, "\n\n")
		}
	}
}

// virtual runs a parallel test in virtual time.
func virtual(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// lockedBuffer is a bytes.Buffer for several goroutines.
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

// logged is what all loggers of the tests wrote.
var logged lockedBuffer

// logBook is a logger whose records a test can read.
type logBook struct{ lockedBuffer }

func (l *logBook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(io.MultiWriter(l, &logged), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// records returns the records of a level whose message contains text. Another
// goroutine writes them: flush, or wait, before.
func (l *logBook) records(t testing.TB, level slog.Level, text string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(l.String()) {
		var r map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		if r["level"] == level.String() && strings.Contains(r["msg"].(string), text) {
			found = append(found, r)
		}
	}
	return found
}

// calls records the calls of a Func, and then calls do.
type calls struct {
	do func(ctx context.Context, d *webhook.Delivery) error // may be nil

	mu         sync.Mutex
	deliveries []*webhook.Delivery
}

func (c *calls) process(ctx context.Context, d *webhook.Delivery) error {
	c.mu.Lock()
	c.deliveries = append(c.deliveries, d)
	do := c.do
	c.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(ctx, d)
}

func (c *calls) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.deliveries)
}

func (c *calls) last() *webhook.Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deliveries[len(c.deliveries)-1]
}

// site is a Handler with its log and the calls of its function.
type site struct {
	*webhook.Handler
	t   testing.TB
	f   calls
	log logBook

	// These exist for newAPISite only.
	srv    *reductotest.Server
	client *reducto.Client
	hook   string
}

// newSite returns a site whose verifier is a Secret. The end of the test shuts it
// down.
func newSite(t testing.TB, do webhook.Func, opts ...webhook.Option) *site {
	return newSiteWith(t, newSecret(t, testSecret, oldSecret), do, opts...)
}

func newSiteWith(t testing.TB, v webhook.Verifier, do webhook.Func, opts ...webhook.Option) *site {
	t.Helper()
	s := &site{t: t}
	s.f.do = do
	h, err := webhook.NewHandler(v, s.f.process, append([]webhook.Option{webhook.WithLogger(s.log.logger())}, opts...)...)
	require.NoError(t, err)
	s.Handler = h
	t.Cleanup(s.flush)
	return s
}

// newAPISite returns a site with a client of a fake API, to which submit submits.
func newAPISite(t testing.TB, do webhook.Func, opts ...webhook.Option) *site {
	t.Helper()
	srv := reductotest.NewServer(t)
	client := srv.Client(reducto.WithSubmitHook(newSecret(t, testSecret)))
	s := newSite(t, do, append(opts, webhook.WithClient(client))...)
	s.srv, s.client, s.hook = srv, client, srv.Mount("/webhook", s)
	return s
}

// submit sends a document whose end the API announces to the site.
func (s *site) submit(a reducto.Async) *reducto.Handle[*reducto.ParseResult] {
	s.t.Helper()
	a.Webhook = reducto.DirectWebhook(s.hook)
	return submit(s.t, s.client, a)
}

func submit(t testing.TB, c *reducto.Client, a reducto.Async) *reducto.Handle[*reducto.ParseResult] {
	t.Helper()
	job, err := c.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf"), Async: a})
	require.NoError(t, err)
	return job
}

// codes returns the answers to the deliveries of a job.
func (s *site) codes(jobID string) (codes []int) {
	for _, d := range s.srv.Deliveries(jobID) {
		codes = append(codes, d.StatusCode)
	}
	return codes
}

// flush shuts the Handler down, so that its log is written.
func (s *site) flush() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(s.t, s.Shutdown(ctx))
}

// answers checks the answer to a body.
func (s *site) answers(code int, body string) *httptest.ResponseRecorder {
	s.t.Helper()
	return answers(s.t, s, code, request(body))
}

func nothing(context.Context, *webhook.Delivery) error { return nil }

// responses are the bodies of all answers.
var responses = map[int]string{
	200: `{"received":true}`,
	400: `{"error":"malformed"}`,
	401: `{"error":"unauthorized"}`,
	405: `{"error":"method not allowed"}`,
	413: `{"error":"too large"}`,
	415: `{"error":"unsupported media type"}`,
	500: `{"error":"failed"}`,
	503: `{"error":"unavailable"}`,
}

// answers checks everything that an answer has.
func answers(t testing.TB, h http.Handler, code int, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, code, w.Code, "%s", w.Body)
	require.Equal(t, responses[code], w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(t, code == http.StatusServiceUnavailable, w.Header().Get("Retry-After") != "")
	require.Equal(t, code == http.StatusMethodNotAllowed, w.Header().Get("Allow") == http.MethodPost)
	return w
}

func request(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// payload is a body as Reducto sends it.
func payload(status, jobID, metadata string) string {
	return `{"status":` + quote(status) + `,"job_id":` + quote(jobID) + `,"metadata":` + metadata + `}`
}

// signed is metadata with the current secret and the given members.
func signed(more ...string) string {
	return "{" + strings.Join(append([]string{`"secret":"` + testSecret + `"`}, more...), ",") + "}"
}

// genuine is the body of a genuine delivery.
func genuine(jobID string) string { return payload("Completed", jobID, signed()) }

func quote(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

func newSecret(t testing.TB, current string, previous ...string) *webhook.Secret {
	t.Helper()
	s, err := webhook.NewSecret(current, previous...)
	require.NoError(t, err)
	return s
}

// keyOf is the secret of a key of newSigner.
func keyOf(kid string) []byte { return []byte(canary + "key-of-" + kid + "-0123456789") }

func newSigner(t testing.TB, kids ...string) *webhook.Signer {
	t.Helper()
	var keys []webhook.Key
	for _, kid := range kids {
		keys = append(keys, webhook.Key{ID: kid, Secret: keyOf(kid)})
	}
	s, err := webhook.NewSigner(keys)
	require.NoError(t, err)
	return s
}

func svixText(key []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(key) }

func newSvix(t testing.TB, keys ...[]byte) *webhook.Svix {
	t.Helper()
	var previous []string
	for _, k := range keys[1:] {
		previous = append(previous, svixText(k))
	}
	s, err := webhook.NewSvix(svixText(keys[0]), previous...)
	require.NoError(t, err)
	return s
}

// verifierFunc is a Verifier of the user's.
type verifierFunc func(http.Header, []byte) (webhook.Event, error)

func (f verifierFunc) Verify(h http.Header, body []byte) (webhook.Event, error) { return f(h, body) }

// requireRefused checks the error of a constructor.
func requireRefused(t testing.TB, err error, op, field, text string) {
	t.Helper()
	refused := new(reducto.RequestError)
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, op, refused.Op)
	assert.Equal(t, field, refused.Field)
	assert.ErrorContains(t, err, text)
	assert.NotContains(t, err.Error(), canary)
}
