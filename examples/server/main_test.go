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
	url     string
	log     *syncBuffer
	// stop ends it as SIGTERM does, and returns how it ended.
	stop func() error
}

func start(t *testing.T, change func(*config)) *running {
	t.Helper()
	srv := reductotest.NewServer(t, reductotest.OnTCP(),
		reductotest.WithRetrySchedule(10*time.Millisecond, 20*time.Millisecond, 40*time.Millisecond))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + listener.Addr().String()
	cfg := &config{
		publicURL: url, results: t.TempDir(), maxUpload: 64 << 10, maxUploads: 4,
		shutdownTimeout: 5 * time.Second, webhookSecret: testSecret, token: testToken,
		clientOptions: []reducto.Option{
			reducto.WithBaseURL(srv.URL()), reducto.WithAPIKey(srv.APIKey()), reducto.WithMaxRetries(0),
		},
	}
	if change != nil {
		change(cfg)
	}
	log := new(syncBuffer)
	s, err := newService(cfg, slog.New(slog.NewJSONHandler(log, nil)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, listener) }()
	r := &running{t: t, srv: srv, service: s, url: url, log: log, stop: func() error {
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

func TestDocumentIsUploadedAnnouncedAndKept(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.srv.Hold()
	status, header, answer := r.post("letter.txt", "# A letter\n\nDear all", "?reference=case-7")
	require.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, "/documents/"+answer["id"], header.Get("Location"))
	assert.Equal(t, summary{ID: answer["id"], Status: reducto.StatusPending}, r.summary(answer["location"]))

	r.srv.WebhookFaultFor(answer["id"], reductotest.Duplicate(1), reductotest.ForgeBefore(reductotest.Forgery{Secret: "a guess of somebody"}))
	r.srv.Release()
	deliveries, err := r.srv.AwaitDeliveries(t.Context(), answer["id"], 3)
	require.NoError(t, err)
	var answers []int
	for _, d := range deliveries {
		answers = append(answers, d.StatusCode)
	}
	assert.Equal(t, []int{401, 200, 200}, answers)

	// From here on the result is the service's own.
	r.srv.Expire(answer["id"])
	assert.Equal(t, summary{
		ID: answer["id"], Status: reducto.StatusCompleted, Name: "letter.txt", Reference: "case-7",
		Pages: 1, Blocks: 2, Characters: len("# A letter") + len("Dear all"),
	}, r.summary(answer["location"]))
	status, header, text := r.do(http.MethodGet, answer["location"]+"/text", "", nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
	assert.Equal(t, "# A letter\n\nDear all\n\n", text)

	require.NoError(t, r.stop())
	assert.Contains(t, r.log.String(), `"msg":"listening"`)
	assert.Contains(t, r.log.String(), `"msg":"stopped"`)
}

func TestLostWebhookIsMadeUpForWhenSomebodyAsks(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.srv.WebhookFault(reductotest.Lose())
	_, _, answer := r.post("a.txt", "text", "")
	require.Eventually(t, func() bool { return r.summary(answer["location"]).Status == reducto.StatusCompleted }, 5*time.Second, 5*time.Millisecond)
	assert.Equal(t, 1, r.summary(answer["location"]).Blocks)
}

func TestFailedJob(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.srv.FailNext("it is corrupt", "DOCUMENT_CORRUPT")
	_, _, answer := r.post("a.pdf", "text", "")
	_, err := r.srv.AwaitDeliveries(t.Context(), answer["id"], 1)
	require.NoError(t, err)
	s := r.summary(answer["location"])
	assert.Equal(t, reducto.StatusFailed, s.Status)
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
		resp, err := http.DefaultClient.Do(webhook.NewTestRequest(r.url+webhookPath, secret, job, reducto.StatusCompleted, metadata))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	}
}

// What has begun is finished after SIGTERM: a webhook that is being processed is
// answered 200.
func TestShutdownFinishesWhatHasBegun(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config) { c.drainDelay = 1500 * time.Millisecond })
	_, _, answer := r.post("a.txt", "text", "")
	r.srv.Fault("GET /job", reductotest.Delay(200*time.Millisecond).Times(2))
	r.srv.Complete(answer["id"])
	require.Eventually(t, func() bool { return len(r.srv.RequestsTo("GET /job")) > 0 }, 5*time.Second, time.Millisecond)

	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	require.Eventually(t, func() bool {
		status, _, _ := r.do(http.MethodGet, "/readyz", "", nil)
		return status == http.StatusServiceUnavailable
	}, 5*time.Second, time.Millisecond)
	status, _, _ := r.do(http.MethodGet, "/healthz", "", nil)
	assert.Equal(t, http.StatusOK, status)
	require.NoError(t, <-stopped)
	deliveries, err := r.srv.AwaitDeliveries(t.Context(), answer["id"], 1)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, deliveries[0].StatusCode)
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
	for _, name := range []string{reducto.EnvAPIKey, "WEBHOOK_SECRET", "SERVICE_TOKEN", "PUBLIC_URL"} {
		t.Setenv(name, "")
	}
	var errs strings.Builder
	assert.Equal(t, 2, run(t.Context(), nil, &errs))
	for _, name := range []string{reducto.EnvAPIKey, "WEBHOOK_SECRET", "SERVICE_TOKEN", "PUBLIC_URL", "-fake"} {
		assert.Contains(t, errs.String(), name)
	}
	assert.Equal(t, 2, run(t.Context(), []string{"-fake", "-tls-cert", "cert.pem"}, io.Discard))
	assert.Zero(t, run(t.Context(), []string{"-help"}, io.Discard))

	t.Setenv(reducto.EnvAPIKey, "key")
	t.Setenv("WEBHOOK_SECRET", "short")
	t.Setenv("SERVICE_TOKEN", testToken)
	t.Setenv("PUBLIC_URL", "https://documents.example.com/")
	errs.Reset()
	assert.Equal(t, 1, run(t.Context(), []string{"-addr", "127.0.0.1:0", "-results", t.TempDir()}, &errs))
	assert.Contains(t, errs.String(), "shorter than 16 bytes")
}

// The whole program with -fake, up to a signal.
func TestFake(t *testing.T) {
	t.Setenv("SERVICE_TOKEN", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log := new(syncBuffer)
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"-fake", "-addr", "127.0.0.1:0"}, log) }()

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

// Who asks for a job while its webhook is being processed must not take its name
// away.
func TestASummaryWithoutMetadataReplacesNone(t *testing.T) {
	t.Parallel()
	a, err := openArchive(t.TempDir())
	require.NoError(t, err)
	job := &reducto.Job{ID: "1", Status: reducto.StatusCancelled}
	for _, m := range []*metadata{nil, {Name: "a.txt"}, nil} {
		_, err = a.keep(t.Context(), job, m)
		require.NoError(t, err)
	}
	s, err := a.get(t.Context(), nil, "1")
	require.NoError(t, err)
	assert.Equal(t, "a.txt", s.Name)
	require.NoError(t, a.close())
}

func TestAWriteThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := openArchive(dir)
	require.NoError(t, err)
	boom := errors.New("the disk is full")
	require.ErrorIs(t, a.write("name", true, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return boom
	}), boom)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
	require.NoError(t, a.close())
}
