package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

const (
	testSecret = "the-secret-of-the-webhooks"
	testToken  = "the-token-of-the-callers"
)

// running is the service as it runs, on a port of its own, against a Reducto in
// the process.
type running struct {
	t       *testing.T
	srv     *reductotest.Server
	service *service
	cfg     *config
	url     string
	log     *syncBuffer
	// stop ends it as SIGTERM does, and returns how it ended.
	stop func() error
}

func start(t *testing.T, change func(*config)) *running {
	t.Helper()
	return startAt(t, newReducto(t), change)
}

func newReducto(t *testing.T, opts ...reductotest.Option) *reductotest.Server {
	t.Helper()
	return reductotest.NewServer(t, append([]reductotest.Option{reductotest.OnTCP(),
		reductotest.WithRetrySchedule(10*time.Millisecond, 20*time.Millisecond, 40*time.Millisecond)}, opts...)...)
}

func startAt(t *testing.T, srv *reductotest.Server, change func(*config)) *running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + listener.Addr().String()
	dir := t.TempDir()
	cfg := &config{
		publicURL: url, results: dir, db: filepath.Join(dir, "in box.db"), maxUpload: 64 << 10, maxUploads: 4,
		shutdownTimeout: 5 * time.Second, webhookSecret: testSecret, token: testToken,
		clientOptions: []reducto.Option{
			reducto.WithBaseURL(srv.URL()), reducto.WithAPIKey(srv.APIKey()), reducto.WithMaxRetries(0),
		},
		inboxOptions: []webhook.Option{webhook.WithBackoff(10*time.Millisecond, 100*time.Millisecond)},
	}
	if change != nil {
		change(cfg)
	}
	log := new(syncBuffer)
	s, err := newService(t.Context(), cfg, slog.New(slog.NewJSONHandler(log, nil)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, listener) }()
	r := &running{t: t, srv: srv, service: s, cfg: cfg, url: url, log: log, stop: func() error {
		cancel()
		err := <-ended
		ended <- err // for whoever asks again
		return err
	}}
	t.Cleanup(func() {
		assert.NoError(t, r.stop())
		assert.NotContains(t, log.String(), testSecret)
		assert.NotContains(t, log.String(), testToken)
		assert.NotContains(t, log.String(), srv.APIKey())
		assert.Empty(t, srv.Violations())
		assert.Empty(t, srv.UnknownFields())
	})
	return r
}

// do sends a request as a caller with the token, and returns the status, the
// header and the body.
func (r *running) do(method, path, contentType string, body io.Reader) (int, http.Header, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, body)
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "Bearer "+testToken)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	return resp.StatusCode, resp.Header, string(text)
}

// post posts a document and returns status, header and the answer.
func (r *running) post(name, content, query string) (int, http.Header, map[string]string) {
	r.t.Helper()
	contentType, body := form(r.t, "file", name, content)
	status, header, text := r.do(http.MethodPost, "/documents"+query, contentType, body)
	answer := map[string]string{}
	require.NoError(r.t, json.Unmarshal([]byte(text), &answer), text)
	return status, header, answer
}

func form(t *testing.T, field, name, content string) (contentType string, body io.Reader) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(t, w.WriteField("another", "field"))
	part, err := w.CreateFormFile(field, name)
	require.NoError(t, err)
	_, err = io.WriteString(part, content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return w.FormDataContentType(), &b
}

func (r *running) summary(location string) summary {
	r.t.Helper()
	status, _, text := r.do(http.MethodGet, location, "", nil)
	require.Equal(r.t, http.StatusOK, status, text)
	var s summary
	require.NoError(r.t, json.Unmarshal([]byte(text), &s))
	return s
}

// kept waits until a document's summary is more than that it is pending.
func (r *running) kept(location string) summary {
	r.t.Helper()
	var s summary
	require.Eventually(r.t, func() bool {
		s = r.summary(location)
		return s.Status != reducto.JobStatusPending
	}, 20*time.Second, 5*time.Millisecond)
	return s
}

func TestDocumentIsUploadedAnnouncedAndKept(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.srv.Hold()
	status, header, answer := r.post("letter.txt", "# A letter\n\nDear all", "?reference=case-7")
	require.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, "/documents/"+answer["id"], header.Get("Location"))
	assert.Equal(t, summary{ID: answer["id"], Status: reducto.JobStatusPending}, r.summary(answer["location"]))

	r.srv.WebhookFaultFor(answer["id"], reductotest.Duplicate(1), reductotest.ForgeBefore(reductotest.Forgery{Secret: "a guess of somebody"}))
	r.srv.Release()
	deliveries, err := r.srv.AwaitDeliveries(t.Context(), answer["id"], 3)
	require.NoError(t, err)
	var answers []int
	for _, d := range deliveries {
		answers = append(answers, d.StatusCode)
	}
	assert.Equal(t, []int{401, 200, 200}, answers)
	assert.Equal(t, summary{
		ID: answer["id"], Status: reducto.JobStatusCompleted, Name: "letter.txt", Reference: "case-7",
		Pages: 1, Blocks: 2, Characters: len("# A letter") + len("Dear all"),
	}, r.kept(answer["location"]))

	// From here on the result is the service's own.
	r.srv.Expire(answer["id"])
	status, header, text := r.do(http.MethodGet, answer["location"]+"/text", "", nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
	assert.Equal(t, "# A letter\n\nDear all\n\n", text)

	require.NoError(t, r.stop())
	assert.Contains(t, r.log.String(), `"msg":"listening"`)
	assert.Contains(t, r.log.String(), `"msg":"stopped"`)
}

// An answer of 200 says that the webhook is on disk: what was not done when the
// process ended is done by the next.
func TestWorkThatIsLeftIsDoneAfterARestart(t *testing.T) {
	t.Parallel()
	srv := newReducto(t)
	first := startAt(t, srv, nil)
	srv.Fault("GET /job", reductotest.Status(500).Times(1000))
	_, _, answer := first.post("a.txt", "text", "")
	deliveries, err := srv.AwaitDeliveries(t.Context(), answer["id"], 1)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, deliveries[0].StatusCode)
	require.Eventually(t, func() bool { return len(srv.RequestsTo("GET /job")) > 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, first.stop())
	assert.NoFileExists(t, filepath.Join(first.cfg.results, fileName(answer["id"], ".json")))

	srv.ClearFaults()
	second := startAt(t, srv, func(c *config) { c.db, c.results = first.cfg.db, first.cfg.results })
	assert.Equal(t, summary{
		ID: answer["id"], Status: reducto.JobStatusCompleted, Name: "a.txt", Pages: 1, Blocks: 1, Characters: 4,
	}, second.kept(answer["location"]))
	assert.Len(t, srv.Deliveries(answer["id"]), 1)
}

func TestLostWebhookIsFoundByASweep(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config) {
		c.inboxOptions = append(c.inboxOptions, webhook.WithSweeps(50*time.Millisecond, 100))
	})
	r.srv.WebhookFault(reductotest.Lose())
	_, _, answer := r.post("a.txt", "text", "?reference=case-8")
	s := r.kept(answer["location"])
	assert.Equal(t, reducto.JobStatusCompleted, s.Status)
	assert.Equal(t, "case-8", s.Reference) // the metadata is that of the submission
}

func TestWithoutAPublicURL(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config) { c.publicURL, c.webhookSecret = "", "" })
	_, _, answer := r.post("a.txt", "text", "")
	assert.Equal(t, "a.txt", r.kept(answer["location"]).Name)
	assert.Empty(t, r.srv.AllDeliveries())
	status, _, _ := r.do(http.MethodPost, webhookPath, "application/json", strings.NewReader("{}"))
	assert.Equal(t, http.StatusNotFound, status)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	keys, err := parseKeys("new=0123456789abcdef, old=fedcba9876543210")
	require.NoError(t, err)
	r := start(t, func(c *config) { c.keys, c.webhookSecret = keys, "" })
	_, _, answer := r.post("a.txt", "text", "")
	assert.Equal(t, "a.txt", r.kept(answer["location"]).Name)
	for _, d := range r.srv.AllDeliveries() {
		assert.Equal(t, http.StatusOK, d.StatusCode)
		assert.Contains(t, string(d.Body), "v1.new.")
	}
	_, err = parseKeys("0123456789abcdef")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "0123456789abcdef")
}

// A job whose result cannot be used is dead: it is listed, and begun anew when what
// was wrong is mended.
func TestDeadAndReplay(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.srv.NextResult(`{"response_type": "of next month", "result": {}}`)
	_, _, answer := r.post("a.txt", "text", "")
	assert.Equal(t, reducto.JobStatusFailed, r.kept(answer["location"]).Status)

	var out strings.Builder
	require.Zero(t, run(t.Context(), []string{"dead", "-db", r.cfg.db}, &out, io.Discard))
	key, _, _ := strings.Cut(out.String(), " ")
	assert.Contains(t, out.String(), answer["id"])
	assert.Contains(t, out.String(), "has a result of type")

	r.srv.SetResult(answer["id"], `{"response_type": "parse", "usage": {"num_pages": 3},
		"result": {"type": "full", "chunks": []}}`)
	require.Zero(t, run(t.Context(), []string{"replay", "-db", r.cfg.db, key}, io.Discard, io.Discard))
	require.Eventually(t, func() bool { return r.summary(answer["location"]).Pages == 3 }, 10*time.Second, 10*time.Millisecond)
	out.Reset()
	require.Zero(t, run(t.Context(), []string{"dead", "-db", r.cfg.db}, &out, io.Discard))
	assert.Empty(t, out.String())

	var errs strings.Builder
	assert.Equal(t, 1, run(t.Context(), []string{"replay", "-db", r.cfg.db, key}, io.Discard, &errs))
	assert.Contains(t, errs.String(), key)
	assert.Equal(t, 2, run(t.Context(), []string{"replay", "-db", r.cfg.db}, io.Discard, io.Discard))
	assert.Equal(t, 2, run(t.Context(), []string{"dead", "-db", r.cfg.db, key}, io.Discard, io.Discard))
	assert.Equal(t, 1, run(t.Context(), []string{"dead", "-db", r.cfg.db + "x"}, io.Discard, io.Discard))
	assert.NoFileExists(t, r.cfg.db+"x")
	assert.Equal(t, 2, run(t.Context(), []string{"dead", "-db", ""}, io.Discard, io.Discard))
	assert.Zero(t, run(t.Context(), []string{"dead", "-help"}, io.Discard, io.Discard))
}

func TestResultThatIsGone(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.srv.Hold()
	_, _, answer := r.post("a.txt", "text", "")
	r.srv.Fault("GET /job", reductotest.Status(410).Times(1000))
	r.srv.Release()
	s := r.kept(answer["location"])
	assert.Equal(t, statusExpired, s.Status)
	assert.Equal(t, "a.txt", s.Name)
}

func TestChecksAndMeasurements(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	_, _, answer := r.post("a.txt", "text", "")
	r.kept(answer["location"])
	for _, path := range []string{"/healthz", "/readyz"} {
		status, _, text := r.do(http.MethodGet, path, "", nil)
		assert.Equal(t, http.StatusOK, status, text)
	}
	require.Eventually(t, func() bool {
		_, _, text := r.do(http.MethodGet, "/debug/vars", "", nil)
		return strings.Contains(text, "deliveries{accepted}")
	}, 5*time.Second, 5*time.Millisecond)
	resp, err := http.Get(r.url + "/debug/vars")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
}

func TestFailedJob(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.srv.FailNext("it is corrupt", "DOCUMENT_CORRUPT")
	_, _, answer := r.post("a.pdf", "text", "")
	s := r.kept(answer["location"])
	assert.Equal(t, reducto.JobStatusFailed, s.Status)
	assert.Equal(t, "it is corrupt", s.Reason)
	assert.Equal(t, "a.pdf", s.Name)
	status, _, _ := r.do(http.MethodGet, answer["location"]+"/text", "", nil)
	assert.Equal(t, http.StatusNotFound, status)
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	refused := func(want int, contentType string, body io.Reader) {
		t.Helper()
		status, _, text := r.do(http.MethodPost, "/documents", contentType, body)
		assert.Equal(t, want, status, text)
	}
	refused(http.StatusUnsupportedMediaType, "text/plain", strings.NewReader("text"))
	refused(http.StatusUnsupportedMediaType, "multipart/form-data", strings.NewReader("no boundary"))
	contentType, body := form(t, "document", "a.txt", "the wrong field")
	refused(http.StatusBadRequest, contentType, body)
	contentType, body = form(t, "file", "a.txt", "")
	refused(http.StatusBadRequest, contentType, body)
	contentType, body = form(t, "file", "a.txt", strings.Repeat("a", 70<<10))
	refused(http.StatusRequestEntityTooLarge, contentType, body)
	status, _, _ := r.post("a.txt", "text", "?reference="+strings.Repeat("a", 201))
	assert.Equal(t, http.StatusBadRequest, status)

	for _, id := range []string{"0190c0de-0000-4000-8000-000000000000", "..%2f..%2fetc", "a%0ab"} {
		status, _, text := r.do(http.MethodGet, "/documents/"+id, "", nil)
		assert.Equal(t, http.StatusNotFound, status, text)
	}
	assert.Empty(t, r.srv.Jobs())

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/documents/1", nil)
	require.NoError(t, err)
	for _, header := range []string{"", "Bearer ", "Bearer wrong", testToken} {
		req.Header.Set("Authorization", header)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	}
}

func TestReductoInTrouble(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.srv.Fault("POST /parse_async", reductotest.Status(503).Header("Retry-After", "300"))
	status, header, _ := r.post("a.txt", "text", "")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "300", header.Get("Retry-After"))

	r.srv.Fault("POST /parse_async", reductotest.LoseAnswer())
	status, _, answer := r.post("a.txt", "text", "")
	assert.Equal(t, http.StatusBadGateway, status)
	assert.NotEmpty(t, answer["submission_id"])

	r.srv.Fault("POST /upload", reductotest.Status(422))
	status, _, _ = r.post("a.txt", "text", "")
	assert.Equal(t, http.StatusUnprocessableEntity, status)

	r.srv.SetAPIKey("another")
	status, _, answer = r.post("a.txt", "text", "")
	assert.Equal(t, http.StatusBadGateway, status)
	assert.NotContains(t, answer["error"], "key")
}

func TestWebhookOfAnotherServiceIsNotRepeated(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	secret, err := webhook.NewSecret(testSecret)
	require.NoError(t, err)
	job := r.srv.SeedJob(reductotest.SeedJob{Type: "Split", Status: "Completed"})
	for _, metadata := range []map[string]any{{"name": 7}, {"name": "a.txt"}} {
		resp, err := http.DefaultClient.Do(webhook.NewTestRequest(r.url+webhookPath, secret, job, reducto.JobStatusCompleted, metadata))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	}
}

// What has begun is finished after SIGTERM.
func TestShutdownFinishesWhatHasBegun(t *testing.T) {
	t.Parallel()
	srv := newReducto(t, reductotest.WithURLResultThreshold(0)) // a result that takes its time
	r := startAt(t, srv, func(c *config) { c.drainDelay = time.Second })
	r.srv.Fault("GET storage", reductotest.Delay(2*time.Second))
	_, _, answer := r.post("a.txt", "text", "")
	require.Eventually(t, func() bool { return len(r.srv.RequestsTo("GET storage")) > 0 }, 10*time.Second, time.Millisecond)

	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	require.Eventually(t, func() bool {
		status, _, _ := r.do(http.MethodGet, "/readyz", "", nil)
		return status == http.StatusServiceUnavailable
	}, 5*time.Second, time.Millisecond)
	status, _, _ := r.do(http.MethodGet, "/healthz", "", nil)
	assert.Equal(t, http.StatusOK, status)
	require.NoError(t, <-stopped)
	assert.FileExists(t, filepath.Join(r.cfg.results, fileName(answer["id"], ".json")))
}

// What is not finished when its time is over is finished after the next start.
func TestShutdownThatTakesTooLong(t *testing.T) {
	t.Parallel()
	srv := newReducto(t, reductotest.WithURLResultThreshold(0))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dir := t.TempDir()
	cfg := &config{
		results: dir, db: filepath.Join(dir, "inbox.db"), maxUpload: 64 << 10, maxUploads: 1, shutdownTimeout: 50 * time.Millisecond,
		clientOptions: []reducto.Option{reducto.WithBaseURL(srv.URL()), reducto.WithAPIKey(srv.APIKey())},
	}
	s, err := newService(t.Context(), cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, listener) }()
	r := &running{t: t, url: "http://" + listener.Addr().String()}
	srv.Fault("GET storage", reductotest.Delay(time.Minute))
	_, _, answer := r.post("a.txt", "text", "")
	require.Eventually(t, func() bool { return len(srv.RequestsTo("GET storage")) > 0 }, 10*time.Second, time.Millisecond)
	cancel()
	var late *webhook.ShutdownError
	require.ErrorAs(t, <-ended, &late)
	assert.Equal(t, 1, late.Remaining)

	second := startAt(t, srv, func(c *config) { c.db, c.results = cfg.db, cfg.results })
	assert.Equal(t, 1, second.kept(answer["location"]).Blocks)
}

func TestTooManyUploads(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config) { c.maxUploads = 1 })
	r.service.uploads <- struct{}{} // one that is on its way
	status, header, _ := r.post("a.txt", "text", "")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.NotEmpty(t, header.Get("Retry-After"))
	<-r.service.uploads
	status, _, _ = r.post("a.txt", "text", "")
	assert.Equal(t, http.StatusAccepted, status)
}

func TestSettings(t *testing.T) {
	for _, name := range []string{reducto.EnvAPIKey, "WEBHOOK_SECRET", "WEBHOOK_KEYS", "SERVICE_TOKEN", "PUBLIC_URL", "RESULTS_DIR", "DB_FILE"} {
		t.Setenv(name, "")
	}
	var errs strings.Builder
	assert.Equal(t, 2, run(t.Context(), nil, io.Discard, &errs))
	for _, name := range []string{reducto.EnvAPIKey, "SERVICE_TOKEN", "RESULTS_DIR", "DB_FILE", "-fake"} {
		assert.Contains(t, errs.String(), name)
	}
	assert.NotContains(t, errs.String(), "WEBHOOK_SECRET") // nothing sends webhooks
	for _, wrong := range [][]string{{"-fake", "-tls-cert", "cert.pem"}, {"-fake", "bury"}, {"-nothing"}} {
		assert.Equal(t, 2, run(t.Context(), wrong, io.Discard, io.Discard), wrong)
	}
	assert.Zero(t, run(t.Context(), []string{"-help"}, io.Discard, io.Discard))

	t.Setenv(reducto.EnvAPIKey, "key")
	t.Setenv("SERVICE_TOKEN", testToken)
	t.Setenv("PUBLIC_URL", "https://documents.example.com/")
	dir := t.TempDir()
	args := []string{"-addr", "127.0.0.1:0", "-results", dir, "-db", filepath.Join(dir, "inbox.db")}
	for _, c := range []struct {
		secret, keys string
		status       int
		text         string
	}{
		{"", "", 2, "WEBHOOK_SECRET"},
		{"short", "", 1, "shorter than 16 bytes"},
		{"", "a=short", 1, "shorter than 16 bytes"},
		{"", "0123456789abcdef", 2, "id=secret"},
		{testSecret, "a=0123456789abcdef", 2, "not both"},
	} {
		t.Setenv("WEBHOOK_SECRET", c.secret)
		t.Setenv("WEBHOOK_KEYS", c.keys)
		errs.Reset()
		assert.Equal(t, c.status, run(t.Context(), args, io.Discard, &errs), c.text)
		assert.Contains(t, errs.String(), c.text)
	}
}

// The whole program with -fake, up to a signal.
func TestFake(t *testing.T) {
	t.Setenv("SERVICE_TOKEN", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log := new(syncBuffer)
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"-fake", "-addr", "127.0.0.1:0"}, io.Discard, log) }()

	r := &running{t: t}
	require.Eventually(t, func() bool {
		for line := range strings.Lines(log.String()) {
			var record struct{ Msg, Addr string }
			if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "listening" {
				r.url = "http://" + record.Addr
				return true
			}
		}
		return false
	}, 5*time.Second, time.Millisecond)
	status, _, answer := r.post("a.txt", "text", "")
	require.Equal(t, http.StatusAccepted, status)
	require.Eventually(t, func() bool { return r.summary(answer["location"]).Name == "a.txt" }, 5*time.Second, 5*time.Millisecond)
	cancel()
	assert.Zero(t, <-ended, log.String())
}

func TestAWriteThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := openArchive(dir)
	require.NoError(t, err)
	boom := errors.New("the disk is full")
	require.ErrorIs(t, a.write("name", func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return boom
	}), boom)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
	require.NoError(t, a.close())
}
