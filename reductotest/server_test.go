package reductotest_test

import (
	"context"
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

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func TestHTTPClientReachesOnlyTheServersHosts(t *testing.T) {
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

func TestMountServesTheLongestPath(t *testing.T) {
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

func TestNewConnectionsCountsConnections(t *testing.T) {
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

// fakeTB is a TB with a Fatalf that returns.
type fakeTB struct {
	fatal    string
	logged   []string
	cleanups []func()
	mu       sync.Mutex
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Cleanup(g func()) { f.cleanups = append(f.cleanups, g) }

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.fatal = fmt.Sprintf(format, args...)
}

func (f *fakeTB) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logged = append(f.logged, fmt.Sprintf(format, args...))
}

func TestMisuseEndsTheTest(t *testing.T) {
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

// The bubble fails the test if a goroutine remains.
func TestCloseEndsTheGoroutinesOfABubble(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) { occupy(t, srv) })
}

// occupy makes requests, jobs and deliveries in all states.
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

// A web page can let its own name resolve to 127.0.0.1.
func TestOnTCPRefusesSitesThatResolveToThisMachine(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	for host, want := range map[string]int{"": 200, "localhost:8700": 200, "attacker.example:8700": 403} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL()+"/jobs", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+srv.APIKey())
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, want, resp.StatusCode, host)
	}
}

func TestOnTCPServesOtherPrograms(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	require.True(t, strings.HasPrefix(srv.URL(), "http://127.0.0.1:"), srv.URL())

	// A client with its own transport reaches the API and the storage.
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
		result := getJob(t, srv, id)
		assert.Equal(t, "over TCP", at(t, result, "result", "result", "chunks", 0, "content"))
	}
	// And the in-memory transport goes to the same places.
	resp, err := srv.HTTPClient().Get("http://reducto.test/version")
	require.NoError(t, err)
	assert.NoError(t, resp.Body.Close())
}

func TestClientReachesTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		_, err := srv.Client().ListJobs(t.Context(), reducto.ListJobsOptions{})
		require.NoError(t, err)
		_, err = srv.Client(reducto.WithAPIKey("another")).ListJobs(t.Context(), reducto.ListJobsOptions{})
		require.ErrorIs(t, err, reducto.ErrUnauthorized, "later options win")
	})
	var fake fakeTB
	srv := reductotest.NewServer(&fake)
	defer srv.Close()
	assert.Nil(t, srv.Client(reducto.WithBaseURL("no URL")))
	assert.Contains(t, fake.fatal, "Client")
}

func ExampleServer_Client() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	ctx := context.Background()
	job, err := srv.Client().ParseAsync(ctx, reducto.ParseRequest{
		Input: reducto.URL("https://example.com/document.pdf"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := job.Wait(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for block, err := range result.Blocks(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(block.Type, "-", block.Content)
		break
	}
	// Output:
	// Title - # Document from example.com
}

func TestOnTCPAtListensAtTheAddress(t *testing.T) {
	t.Parallel()
	first, err := reductotest.Start(reductotest.OnTCPAt("127.0.0.1:0"))
	require.NoError(t, err)
	defer first.Close()
	addr := strings.TrimPrefix(first.URL(), "http://")

	_, err = reductotest.Start(reductotest.OnTCPAt(addr))
	require.ErrorContains(t, err, addr, "the address is in use")
	first.Close()
	second, err := reductotest.Start(reductotest.OnTCPAt(addr))
	require.NoError(t, err)
	defer second.Close()
	assert.Equal(t, first.URL(), second.URL())

	_, err = reductotest.Start(reductotest.OnTCPAt("8700"))
	require.ErrorContains(t, err, "127.0.0.1:8700")
}
