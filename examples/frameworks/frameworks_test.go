package frameworks

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/gofiber/fiber/v3"
	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	gin.DefaultWriter = io.Discard
	slog.SetDefault(slog.New(slog.DiscardHandler)) // echo's logs
	chimiddleware.DefaultLogger = func(next http.Handler) http.Handler { return next }
	os.Exit(m.Run())
}

// serve starts a server, and returns the URL of the webhook. The server stops at the
// end of the test.
func serve(t *testing.T, server *http.Server) string {
	l := listen(t)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		assert.NoError(t, server.Close())
		assert.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
	return "http://" + l.Addr().String() + "/webhook"
}

func serveHandler(mount func(http.Handler) http.Handler) func(*testing.T, http.Handler) string {
	return func(t *testing.T, in http.Handler) string { return serve(t, &http.Server{Handler: mount(in)}) }
}

func serveFiber(t *testing.T, in http.Handler) string {
	app, l := Fiber(in), listen(t)
	ended := make(chan error, 1)
	go func() { ended <- app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}) }()
	t.Cleanup(func() {
		assert.NoError(t, app.ShutdownWithTimeout(5*time.Second))
		assert.NoError(t, <-ended)
	})
	return "http://" + l.Addr().String() + "/webhook"
}

func listen(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// frameworks has how each framework serves a handler, and its answers to a slow body.
var frameworks = map[string]struct {
	serve func(t *testing.T, in http.Handler) string
	slow  []int
}{
	"none": {serveHandler(func(in http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/webhook", in)
		return mux
	}), []int{400}},
	"chi":   {serveHandler(Chi), []int{400}},
	"gin":   {serveHandler(Gin), []int{400}},
	"echo":  {serveHandler(Echo), []int{400}},
	"fiber": {serveFiber, []int{408}},
	"http.TimeoutHandler": {func(t *testing.T, in http.Handler) string {
		return serve(t, TimeoutHandler(in, time.Minute))
	}, []int{400, 503}},
}

// counter is a function that counts its calls by job. It panics for one job.
type counter struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *counter) process(_ context.Context, d *webhook.Delivery) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[d.JobID]++
	if d.JobID == "job_panics" {
		panic("the function panics")
	}
	return nil
}

var receivers = map[string]func(t *testing.T, secret *webhook.Secret, f webhook.Func) http.Handler{
	"Handler": func(t *testing.T, secret *webhook.Secret, f webhook.Func) http.Handler {
		h, err := webhook.NewHandler(secret, f)
		require.NoError(t, err)
		t.Cleanup(func() { shutDown(t, h.Shutdown) })
		return h
	},
	"Inbox": func(t *testing.T, secret *webhook.Secret, f webhook.Func) http.Handler {
		in, err := inbox.New(secret, inbox.NewMemoryStore(), f, inbox.WithoutRefetch(), inbox.WithMinBackoff(time.Hour))
		require.NoError(t, err)
		client := reductotest.NewServer(t).Client()
		ran := make(chan error, 1)
		go func() { ran <- in.Run(context.Background(), client) }()
		t.Cleanup(func() {
			shutDown(t, in.Shutdown)
			assert.NoError(t, <-ran)
		})
		return in
	},
}

func shutDown(t *testing.T, f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	assert.NoError(t, f(ctx))
}

// request is a request of the table. It is sent again for the second answer.
type request struct {
	name   string
	status int
	method string
	body   []byte
	header http.Header
	chunks bool // the body has no Content-Length
}

func delivery(v webhook.Verifier, jobID string) []byte {
	r := webhook.NewTestRequest("http://localhost", v, jobID, reducto.JobStatusCompleted, nil)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	return body
}

func zip(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body)
	_ = w.Close()
	return b.Bytes()
}

func requests(secret, wrong *webhook.Secret) []request {
	gzipped := http.Header{"Content-Encoding": {"gzip"}}
	tooLarge := make([]byte, webhook.DefaultMaxBodyBytes+1)
	return []request{
		{name: "a delivery", status: 200, body: delivery(secret, "job_1")},
		{name: "a duplicate", status: 200, body: delivery(secret, "job_1")},
		{name: "a body in chunks", status: 200, body: delivery(secret, "job_2"), chunks: true},
		{name: "a gzip body", status: 200, body: zip(delivery(secret, "job_3")), header: gzipped},
		{name: "a gzip body in chunks", status: 200, body: zip(delivery(secret, "job_4")), header: gzipped, chunks: true},
		{name: "a function that panics", status: 500, body: delivery(secret, "job_panics")},
		{name: "a wrong secret", status: 401, body: delivery(wrong, "job_5")},
		{name: "no JSON", status: 400, body: []byte("hello")},
		{name: "no body", status: 400},
		{name: "damaged gzip", status: 400, body: []byte("hello"), header: gzipped},
		{name: "brotli", status: 415, body: []byte("hello"), header: http.Header{"Content-Encoding": {"br"}}},
		{name: "a body over the limit", status: 413, body: tooLarge},
		{name: "a body over the limit, in chunks", status: 413, body: tooLarge, chunks: true},
		{name: "a gzip body over the limit", status: 413, body: zip(tooLarge), header: gzipped},
		{name: "GET", status: 405, method: http.MethodGet},
		{name: "HEAD", status: 405, method: http.MethodHead},
		{name: "PUT", status: 405, method: http.MethodPut, body: delivery(secret, "job_6")},
	}
}

// answer is what the sender gets.
type answer struct {
	status int
	header http.Header
	body   string
	closed bool
}

func (r request) send(t *testing.T, url string) answer {
	t.Helper()
	var body io.Reader = bytes.NewReader(r.body)
	if r.chunks {
		body = io.MultiReader(body) // of unknown length
	}
	method := r.method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	maps.Copy(req.Header, r.header)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err, r.name)
	return read(t, resp)
}

func read(t *testing.T, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Header.Del("Date")
	return answer{resp.StatusCode, resp.Header, string(body), resp.Close}
}

func secrets(t *testing.T) (secret, wrong *webhook.Secret) {
	secret, err := webhook.NewSecret("a secret for this test")
	require.NoError(t, err)
	wrong, err = webhook.NewSecret("a wrong secret for this test")
	require.NoError(t, err)
	return secret, wrong
}

func TestAnswersEqualThoseWithoutAFramework(t *testing.T) {
	t.Parallel()
	secret, wrong := secrets(t)
	for kind, receiver := range receivers {
		bare := make([]answer, len(requests(secret, wrong)))
		f := &counter{calls: map[string]int{}}
		url := frameworks["none"].serve(t, receiver(t, secret, f.process))
		for i, r := range requests(secret, wrong) {
			bare[i] = r.send(t, url)
			assert.Equal(t, r.status, bare[i].status, "%s: %s", kind, r.name)
		}
		for name, framework := range frameworks {
			t.Run(kind+" with "+name, func(t *testing.T) {
				t.Parallel()
				f := &counter{calls: map[string]int{}}
				url := framework.serve(t, receiver(t, secret, f.process))
				for i, r := range requests(secret, wrong) {
					assert.Equal(t, bare[i], r.send(t, url), r.name)
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				assert.Equal(t, map[string]int{"job_1": 1, "job_2": 1, "job_3": 1, "job_4": 1, "job_panics": 1}, f.calls)
			})
		}
	}
}

func TestSlowBodyIsAnsweredAfterTheReadTimeout(t *testing.T) {
	t.Parallel()
	secret, _ := secrets(t)
	for name, framework := range frameworks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &counter{calls: map[string]int{}}
			url := framework.serve(t, receivers["Handler"](t, secret, f.process))
			a := slowly(t, url)
			require.NotNil(t, a)
			assert.Contains(t, framework.slow, a.status)
			assert.True(t, a.closed)
			assert.Empty(t, f.calls)
		})
	}
}

// slowly sends a request whose body does not end. It returns nil if there is no answer
// within twice the read timeout.
func slowly(t *testing.T, url string) *answer {
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/webhook")
	conn, err := net.Dial("tcp", host)
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\n{", host)
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(2*webhook.DefaultReadTimeout)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	require.NoError(t, err)
	return new(read(t, resp))
}

// http.TimeoutHandler hides the connection, so the handler cannot limit the time of the
// body. Then even the answer of http.TimeoutHandler waits for the body.
func TestTimeoutHandlerNeedsAReadTimeoutOfTheServer(t *testing.T) {
	t.Parallel()
	secret, _ := secrets(t)
	server := TimeoutHandler(receivers["Handler"](t, secret, (&counter{}).process), time.Second)
	server.ReadTimeout = 0
	assert.Nil(t, slowly(t, serve(t, server)))
}

// After its limit http.TimeoutHandler answers 503, but the delivery is processed. The
// next delivery is a duplicate.
func TestDeliveryAfterATimeoutIsADuplicate(t *testing.T) {
	t.Parallel()
	secret, _ := secrets(t)
	for kind, receiver := range receivers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			slow := make(chan struct{})
			var calls atomic.Int64
			in := receiver(t, secret, func(ctx context.Context, _ *webhook.Delivery) error {
				calls.Add(1)
				select {
				case <-slow:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			url := serve(t, TimeoutHandler(in, 100*time.Millisecond))
			r := request{name: "a delivery", body: delivery(secret, "job_1")}
			a := r.send(t, url)
			assert.Equal(t, 503, a.status)
			assert.Equal(t, "timeout", a.body)
			close(slow)
			require.Eventually(t, func() bool { return r.send(t, url).status == 200 }, 10*time.Second, time.Millisecond)
			assert.EqualValues(t, 1, calls.Load())
		})
	}
}

// The traps of docs/frameworks.md: the status that a middleware causes for a delivery
// that would be accepted without it.
func TestMiddlewareThatBreaksDeliveries(t *testing.T) {
	t.Parallel()
	secret, _ := secrets(t)
	plain := request{name: "plain", body: delivery(secret, "job_1")}
	chunked := request{name: "in chunks", body: delivery(secret, "job_1"), chunks: true}
	gzipped := request{name: "gzip", body: zip(delivery(secret, "job_1")), header: http.Header{"Content-Encoding": {"gzip"}}}
	large := request{name: "over 64 bytes, in chunks", body: delivery(secret, "job_1"), chunks: true}
	for name, tt := range map[string]struct {
		mount   func(in http.Handler) http.Handler
		request request
		status  int
	}{
		"chi allows JSON alone": {func(in http.Handler) http.Handler {
			return chimiddleware.AllowContentType("application/json")(in)
		}, plain, 415},
		"chi limits the body": {func(in http.Handler) http.Handler { return chimiddleware.RequestSize(64)(in) }, large, 413},
		"gin binds the body": {func(in http.Handler) http.Handler {
			r := gin.New()
			r.POST("/webhook", func(c *gin.Context) { _ = c.ShouldBindJSON(new(map[string]any)) }, gin.WrapH(in))
			return r
		}, plain, 500},
		"gin binds the body in chunks": {func(in http.Handler) http.Handler {
			r := gin.New()
			r.POST("/webhook", func(c *gin.Context) { _ = c.ShouldBindJSON(new(map[string]any)) }, gin.WrapH(in))
			return r
		}, chunked, 400},
		"gin routes POST alone": {func(in http.Handler) http.Handler {
			r := gin.New()
			r.POST("/webhook", gin.WrapH(in))
			return r
		}, request{name: "GET", method: http.MethodGet}, 404},
		"gin redirects a slash": {func(in http.Handler) http.Handler {
			r := gin.New()
			r.POST("/webhook/", gin.WrapH(in))
			return r
		}, plain, 307},
		"echo limits the body": {func(in http.Handler) http.Handler {
			e := echo.New()
			e.POST("/webhook", echo.WrapHandler(in), middleware.BodyLimit(64))
			return e
		}, large, 400},
		"echo decompresses": {func(in http.Handler) http.Handler {
			e := echo.New()
			e.POST("/webhook", echo.WrapHandler(in), middleware.Decompress())
			return e
		}, gzipped, 400},
		"echo checks CSRF": {func(in http.Handler) http.Handler {
			e := echo.New()
			e.POST("/webhook", echo.WrapHandler(in), middleware.CSRF())
			return e
		}, plain, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := receivers["Handler"](t, secret, (&counter{calls: map[string]int{}}).process)
			require.Equal(t, 200, request{body: delivery(secret, "job_2")}.send(t, frameworks["none"].serve(t, in)).status)
			assert.Equal(t, tt.status, tt.request.send(t, serveHandler(tt.mount)(t, in)).status)
		})
	}
}

// Fiber reuses the context of a request. The log records of a handler are written
// later, and a logger can read values of the context. The race detector finds it.
func TestFiberRequestsKeepNoContext(t *testing.T) {
	t.Parallel()
	secret, wrong := secrets(t)
	h, err := webhook.NewHandler(secret, (&counter{calls: map[string]int{}}).process, webhook.WithLogger(slog.New(reader{slog.DiscardHandler})))
	require.NoError(t, err)
	url := serveFiber(t, h)
	for i := range 50 {
		request{body: delivery(secret, fmt.Sprint("job_", i))}.send(t, url)
		request{body: delivery(wrong, fmt.Sprint("job_", i))}.send(t, url)
	}
	require.NoError(t, h.Shutdown(t.Context()))
}

// reader is a slog.Handler that reads a value of the context, as tracing does.
type reader struct{ slog.Handler }

func (reader) Enabled(context.Context, slog.Level) bool { return true }

func (reader) Handle(ctx context.Context, _ slog.Record) error {
	time.Sleep(time.Millisecond)
	if ctx.Value("trace") != nil {
		return errors.New("the context has a value of another request")
	}
	return nil
}
