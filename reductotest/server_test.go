package reductotest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestTenHoursTakeNoTime(t *testing.T) {
	real := time.Now()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t, reductotest.WithProcessingTime(10*time.Hour))
		id := submit(t, srv, "/parse_async", parse("", nil))
		start := time.Now()
		for ok(t, srv, "GET", "/job/"+id, nil)["status"] != "Completed" {
			time.Sleep(time.Minute)
		}
		assert.InDelta(t, 10*time.Hour, time.Since(start), float64(time.Minute))
	})
	assert.Less(t, time.Since(real), 5*time.Second)
}

func TestHosts(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		assert.Equal(t, "http://reducto.test", srv.URL())
		_, err := srv.HTTPClient().Get("http://example.com/x")
		require.Error(t, err)
		assert.Contains(t, err.Error(), "example.com")
		assert.Contains(t, err.Error(), "storage.reducto.test")
		_, err = srv.HTTPClient().Get("http://127.0.0.1:1/x")
		require.Error(t, err, "only OnTCP reaches loopback")
	})
}

func TestMount(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		says := func(text string) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text, " ", r.URL.Path) })
		}
		hook := srv.Mount("/webhook", says("first"))
		assert.Equal(t, "http://app.test/webhook", hook)
		srv.Mount("/tree/", says("tree"))
		assert.Equal(t, "first /webhook", string(get(t, srv, hook).body))
		assert.Equal(t, "tree /tree/a/b", string(get(t, srv, "http://app.test/tree/a/b").body))
		assert.Equal(t, 404, get(t, srv, hook+"/below").StatusCode)

		srv.Mount("/webhook", says("second"))
		assert.Equal(t, "second /webhook", string(get(t, srv, hook).body))
		srv.Mount("/webhook", nil)
		assert.Equal(t, 404, get(t, srv, hook).StatusCode)
		assert.Empty(t, srv.Requests(), "the handlers' requests are not the API's")
	})
}

func TestNewConnections(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		for range 10 {
			call(t, srv, "GET", "/version", nil)
		}
		assert.Equal(t, 1, srv.NewConnections(), "answers that are read to the end free the connection")
		resp, err := srv.HTTPClient().Get(srv.URL() + "/version")
		require.NoError(t, err)
		defer resp.Body.Close() // not read
		call(t, srv, "GET", "/version", nil)
		assert.Equal(t, 2, srv.NewConnections())
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]reductotest.Option{
		"key":        reductotest.WithAPIKey(""),
		"processing": reductotest.WithProcessingTime(-1),
		"deletion":   reductotest.WithDeletionTime(-1),
		"retry":      reductotest.WithRetrySchedule(time.Second, -1),
		"timeout":    reductotest.WithWebhookTimeout(0),
		"job ttl":    reductotest.WithJobTTL(0),
		"upload ttl": reductotest.WithUploadTTL(0),
		"link ttl":   reductotest.WithLinkTTL(-1),
		"max upload": reductotest.WithMaxDirectUpload(0),
		"url body":   reductotest.WithURLBody(17),
		"svix":       reductotest.WithSvixSecret("secret"),
		"svix empty": reductotest.WithSvixSecret("whsec_"),
	} {
		_, err := reductotest.Start(opt)
		assert.Error(t, err, name)
	}
	var fake fakeTB
	assert.Nil(t, reductotest.NewServer(&fake, reductotest.WithAPIKey("")))
	assert.Contains(t, fake.fatal, "WithAPIKey")
}

// fakeTB is a TB that goes on after Fatalf.
type fakeTB struct {
	fatal    string
	logged   []string
	cleanups []func()
	mu       sync.Mutex
}

func (f *fakeTB) Helper()          {}
func (f *fakeTB) Cleanup(g func()) { f.cleanups = append(f.cleanups, g) }
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.fatal = fmt.Sprintf(format, args...)
}
func (f *fakeTB) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logged = append(f.logged, fmt.Sprintf(format, args...))
}

func TestWrongUseEndsTheTest(t *testing.T) {
	t.Parallel()
	var fake fakeTB
	srv := reductotest.NewServer(&fake)
	require.Len(t, fake.cleanups, 1)
	defer fake.cleanups[0]()
	for name, f := range map[string]func(){
		"no job":      func() { srv.Complete("nobody") },
		"match":       func() { srv.Fault("GET job", reductotest.Drop()) },
		"mount":       func() { srv.Mount("webhook", http.NotFoundHandler()) },
		"result":      func() { srv.NextResult("{") },
		"seed":        func() { srv.SeedJob(reductotest.SeedJob{Metadata: "{"}) },
		"processing":  func() { srv.SetProcessingTime(-1) },
		"redeliver":   func() { srv.Redeliver(srv.SeedJob(reductotest.SeedJob{Status: "Completed"})) },
		"seed twice":  func() { srv.SeedJob(reductotest.SeedJob{ID: "a"}); srv.SeedJob(reductotest.SeedJob{ID: "a"}) },
		"pipeline":    func() { srv.DefinePipeline("p", reductotest.Pipeline{Schema: "{"}) },
		"bad channel": func() { srv.SetResult("a", func() {}) },
	} {
		fake.fatal = ""
		f()
		assert.NotEmpty(t, fake.fatal, name)
	}

	free, err := reductotest.Start()
	require.NoError(t, err)
	defer free.Close()
	assert.Panics(t, func() { free.Complete("nobody") }, "a server of a program has no test to end")
	assert.Panics(t, func() { reductotest.Status(400).JSON(func() {}) })
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		srv, err := reductotest.Start(reductotest.WithProcessingTime(time.Millisecond), reductotest.OnTCP())
		require.NoError(t, err)
		occupy(t, srv)
		srv.Close()
		srv.Close() // again
		_, err = try(srv, "GET", "/version", nil)
		require.Error(t, err)
	}
	// Goroutines of a closed connection's client need a moment to end.
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			var stacks [1 << 20]byte
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks[:], true)])
		}
		time.Sleep(time.Millisecond)
	}
}

// A bubble ends only when all of its goroutines have.
func TestCloseInABubble(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) { occupy(t, srv) })
}

// occupy leaves requests, jobs and deliveries in all states.
func occupy(t *testing.T, srv *reductotest.Server) {
	t.Helper()
	hanging := srv.Mount("/hanging", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	failing := srv.Mount("/failing", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	srv.WebhookFault(reductotest.AfterNext(), reductotest.DelayBy(time.Hour))
	for _, hook := range []string{hanging, failing, hanging, "http://nowhere.test/x", ""} {
		submit(t, srv, "/parse_async", parse(hook, nil))
	}
	srv.Fault("GET /job", reductotest.Stall(), reductotest.Endless().Every(time.Second), reductotest.Delay(time.Hour))
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() { _, _ = try(srv, "GET", "/job/x", nil) })
	}
	for len(srv.RequestsTo("GET /job")) < 3 {
		time.Sleep(time.Millisecond)
	}
	srv.Hold()
	clients.Go(func() { _, _ = try(srv, "POST", "/parse", parse("", nil)) })
	submit(t, srv, "/parse_async", parse(hanging, nil))
	time.Sleep(20 * time.Millisecond)
	srv.Close()
	clients.Wait()
}

func TestHandlersPanicIsLogged(t *testing.T) {
	t.Parallel()
	var fake fakeTB
	srv := reductotest.NewServer(&fake)
	hook := srv.Mount("/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }))
	d := srv.Deliver(t.Context(), hook, "x", nil, nil)
	require.Error(t, d.Err)
	fake.cleanups[0]()
	assert.Contains(t, strings.Join(fake.logged, "\n"), "boom")
}

func TestOnTCP(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	require.True(t, strings.HasPrefix(srv.URL(), "http://127.0.0.1:"), srv.URL())

	// A client with a transport of its own reaches the API and the storage.
	do := func(method, url, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		require.NoError(t, err)
		if strings.HasPrefix(url, srv.URL()) {
			req.Header.Set("Authorization", "Bearer "+srv.APIKey())
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(raw)
	}
	code, body := do("GET", srv.URL()+"/version", "")
	require.Equal(t, 200, code, body)
	upload := ok(t, srv, "POST", "/upload", "{}")
	link, _ := upload["presigned_url"].(string)
	require.True(t, strings.HasPrefix(link, "http://127.0.0.1:"), link)
	code, body = do("PUT", link, "over TCP")
	require.Equal(t, 200, code, body)

	// Webhooks go to any receiver on loopback.
	received := make(chan string, 2)
	receiver := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		received <- string(raw)
	})
	other := httptest.NewServer(receiver)
	defer other.Close()
	mounted := srv.Mount("/webhook", receiver)
	require.True(t, strings.HasPrefix(mounted, "http://127.0.0.1:"), mounted)
	for _, hook := range []string{other.URL, mounted} {
		id := submit(t, srv, "/parse_async", m{
			"input": upload, "async": m{"webhook": m{"mode": "direct", "url": hook}, "metadata": m{"n": 1}},
		})
		assert.JSONEq(t, `{"status":"Completed","job_id":"`+id+`","metadata":{"n":1}}`, <-received)
		result := ok(t, srv, "GET", "/job/"+id, nil)
		assert.Equal(t, "over TCP", at(t, result, "result", "result", "chunks", 0, "content"))
	}
	// And the in-memory transport goes to the same places.
	resp, err := srv.HTTPClient().Get("http://reducto.test/version")
	require.NoError(t, err)
	assert.NoError(t, resp.Body.Close())
}

func TestRequestsAreRecorded(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		submit(t, srv, "/parse_async", parse("", nil))
		call(t, srv, "GET", "/jobs?limit=7", nil)
		req, _ := http.NewRequest("POST", srv.URL()+"/parse", strings.NewReader(`{"secret":1}`))
		req.Header.Set("Authorization", "Bearer wrong")
		_, err := send(srv, req)
		require.NoError(t, err)

		all := srv.Requests()
		require.Len(t, all, 3)
		assert.Equal(t, "POST", all[0].Method)
		assert.Equal(t, "/parse_async", all[0].Path)
		assert.Equal(t, "reducto.test", all[0].Host)
		assert.True(t, all[0].Authorized)
		assert.Equal(t, "[redacted]", all[0].Header.Get("Authorization"))
		assert.Equal(t, 200, all[0].StatusCode)
		assert.EqualValues(t, len(all[0].Body), all[0].BodySize)
		assert.Equal(t, "7", all[1].Query.Get("limit"))
		assert.False(t, all[2].Authorized)
		assert.Equal(t, 401, all[2].StatusCode)
		assert.Equal(t, `{"secret":1}`, string(all[2].Body), "of a refused request too")

		assert.Len(t, srv.RequestsTo("POST /parse"), 1, "not /parse_async")
		assert.Len(t, srv.RequestsTo("/"), 3)
		assert.Len(t, srv.RequestsTo("* /jobs"), 1)
		assert.Empty(t, srv.RequestsTo("GET storage"))
		assert.Empty(t, srv.RequestsTo("GET /job"), "not /jobs")

		big := strings.Repeat("x", 300<<10)
		call(t, srv, "POST", "/upload", multipartFile(t, "file", "a.txt", []byte(big)))
		last := srv.RequestsTo("POST /upload")[0]
		assert.Len(t, last.Body, 256<<10)
		assert.Greater(t, last.BodySize, int64(300<<10))
	})
}

func TestViolations(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		upload := ok(t, srv, "POST", "/upload", nil)
		link, _ := upload["presigned_url"].(string)
		req, _ := http.NewRequest("PUT", link, strings.NewReader("x"))
		req.Header.Set("Authorization", "Bearer "+srv.APIKey())
		r, err := send(srv, req)
		require.NoError(t, err)
		assert.Equal(t, 400, r.StatusCode)
		assert.Contains(t, string(r.body), "InvalidArgument")
		require.Len(t, srv.Violations(), 1)
		assert.NotContains(t, srv.Violations()[0], srv.APIKey())
		assert.NotContains(t, srv.Violations()[0], "Signature")
	})
}

func TestAPIKeys(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		assert.Equal(t, "key one", srv.APIKey())
		call(t, srv, "GET", "/jobs", nil)
		with := func(header string) reply {
			req, _ := http.NewRequest("GET", srv.URL()+"/jobs", nil)
			if header != "" {
				req.Header.Set("Authorization", header)
			}
			r, err := send(srv, req)
			require.NoError(t, err)
			return r
		}
		missing := with("")
		assert.Equal(t, 403, missing.StatusCode)
		assert.Equal(t, "text/html", missing.Header.Get("Content-Type"))
		assert.Contains(t, string(missing.body), "nginx")
		for _, header := range []string{"Bearer wrong", "Basic key one", "Bearer", "Bearer key one and more"} {
			wrong := with(header)
			assert.Equal(t, 401, wrong.StatusCode, header)
			assert.JSONEq(t, `{"error":{"code":401,"name":"AUTH_ERROR","message":"Invalid access token"},"detail":"Invalid access token"}`, string(wrong.body))
		}
		assert.Equal(t, 200, with("bearer key one").StatusCode)
		srv.SetAPIKey("key two")
		assert.Equal(t, 401, with("Bearer key one").StatusCode)
		assert.Equal(t, 200, with("Bearer key two").StatusCode)
		req, _ := http.NewRequest("GET", srv.URL()+"/version", nil)
		r, err := send(srv, req)
		require.NoError(t, err)
		assert.Equal(t, 200, r.StatusCode, "/version needs no key")
	}, reductotest.WithAPIKey("key one"))
}
