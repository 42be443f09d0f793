package reducto_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// docs/guarantees.md is one page. Each promise names an existing test: `TestX`
// (directory). Names of subtests are texts in the directory or in storetest.
func TestEachGuaranteeNamesATest(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("docs/guarantees.md")
	require.NoError(t, err)
	assert.LessOrEqual(t, strings.Count(string(raw), "\n"), 90, "it is one page")
	suite := goSource(t, "webhook/inbox/storetest")
	functions, sources := map[string]map[string]bool{}, map[string]string{} // by directory
	promises := 0
	for i, line := range strings.Split(string(raw), "\n") {
		tests := testName.FindAllStringSubmatch(line, -1)
		if strings.HasPrefix(line, "- ") {
			promises++
			assert.NotEmpty(t, tests, "docs/guarantees.md:%d: no test checks this", i+1)
		}
		for _, m := range tests {
			function, subtests, _ := strings.Cut(m[1], "/")
			dir := m[2]
			if functions[dir] == nil {
				functions[dir], sources[dir] = testFunctions(t, dir), suite+goSource(t, dir)
			}
			assert.True(t, functions[dir][function], "docs/guarantees.md:%d: there is no %s in %s", i+1, function, dir)
			for part := range strings.SplitSeq(subtests, "/") {
				assert.True(t, strings.Contains(sources[dir], `"`+part), "docs/guarantees.md:%d: there is no subtest %s", i+1, subtests)
			}
		}
	}
	assert.Greater(t, promises, 40)
}

var testName = regexp.MustCompile("`(Test[A-Za-z0-9_/]+)` \\(([a-z0-9/.]+)\\)")

// testFunctions returns the names of the tests in a directory.
func testFunctions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	functions := map[string]bool{}
	paths, err := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*_test.go"))
	require.NoError(t, err)
	assert.NotEmpty(t, paths, "%s has no tests", dir)
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				functions[f.Name.Name] = true
			}
		}
	}
	return functions
}

// goSource returns the text of a directory's Go files.
func goSource(t *testing.T, dir string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*.go"))
	require.NoError(t, err)
	var text strings.Builder
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		text.Write(raw)
	}
	return text.String()
}

// counted is a webhook.Func that counts its calls.
func counted(n *int) webhook.Func {
	return func(context.Context, *webhook.Delivery) error {
		*n++
		return nil
	}
}

func aSecret(t *testing.T) *webhook.Secret {
	t.Helper()
	secret, err := webhook.NewSecret("a secret for this test")
	require.NoError(t, err)
	return secret
}

var aDocument = reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")}

// The page says that a Handler does not poll.
func TestHandlerLooksForNoJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		secret, calls := aSecret(t), 0
		client := srv.Client(reducto.WithSubmitHook(secret),
			reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", nil)))) // it is down
		_, err := webhook.NewHandler(secret, counted(&calls), webhook.WithClient(client))
		require.NoError(t, err)
		job, err := client.ParseAsync(t.Context(), aDocument)
		require.NoError(t, err)
		deliveries, err := srv.AwaitDeliveries(t.Context(), job.JobID, 4)
		require.NoError(t, err)
		assert.Len(t, deliveries, 4)
		time.Sleep(12 * time.Hour)
		assert.Zero(t, calls)
		assert.Empty(t, srv.RequestsTo("GET /job"))
		assert.Empty(t, srv.RequestsTo("GET /jobs"))
		client.CloseIdleConnections()
	})
}

func TestHandlerForgetsWithItsProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		secret, calls := aSecret(t), 0
		var client *reducto.Client
		restart := func() (url string) {
			handler, err := webhook.NewHandler(secret, counted(&calls))
			require.NoError(t, err)
			return srv.Mount("/webhook", handler)
		}
		client = srv.Client(reducto.WithSubmitHook(secret), reducto.WithWebhook(reducto.DirectWebhook(restart())))
		srv.Fault("POST /parse_async", reductotest.LoseAnswer())
		_, err := client.ParseAsync(t.Context(), aDocument, reducto.WithResubmit())
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Len(t, srv.Jobs(), 2)
		require.Equal(t, 1, calls, "two jobs, one submission")
		for _, job := range srv.Jobs() {
			restart()
			assert.Equal(t, 200, srv.Redeliver(job.ID).StatusCode)
		}
		assert.Equal(t, 3, calls)
		client.CloseIdleConnections()
	})
}

func TestInboxOnAMemoryStoreForgetsWithItsProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		calls := 0
		start := func() *inbox.Inbox {
			in, err := inbox.New(aSecret(t), inbox.NewMemoryStore(), counted(&calls))
			require.NoError(t, err)
			return in
		}
		first := start() // the process dies before Run
		client := srv.Client(reducto.WithSubmitHook(first), reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", first))))
		job, err := client.ParseAsync(t.Context(), aDocument)
		require.NoError(t, err)
		deliveries, err := srv.AwaitDeliveries(t.Context(), job.JobID, 4)
		require.NoError(t, err)
		for _, d := range deliveries {
			require.Equal(t, 503, d.StatusCode, "a 200 would promise what memory cannot keep")
		}

		second := start()
		srv.Mount("/webhook", second)
		ran := make(chan error, 1)
		go func() { ran <- second.Run(t.Context(), client) }()
		time.Sleep(11 * time.Hour)
		require.NoError(t, second.Shutdown(t.Context()))
		require.NoError(t, <-ran)
		assert.Zero(t, calls)
		client.CloseIdleConnections()
	})
}

func TestFunctionThatIgnoresItsContextKeepsItsWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		release := make(chan struct{})
		durable := struct{ inbox.Store }{inbox.NewMemoryStore()} // it hides that the store is volatile
		in, err := inbox.New(aSecret(t), durable, func(context.Context, *webhook.Delivery) error {
			<-release
			return nil
		}, inbox.WithWorkers(1), inbox.WithFuncTimeout(time.Minute))
		require.NoError(t, err)
		client := srv.Client(reducto.WithSubmitHook(in), reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", in))))
		ran := make(chan error, 1)
		go func() { ran <- in.Run(t.Context(), client) }()
		for range 2 {
			job, err := client.ParseAsync(t.Context(), aDocument)
			require.NoError(t, err)
			deliveries, err := srv.AwaitDeliveries(t.Context(), job.JobID, 1)
			require.NoError(t, err)
			assert.Equal(t, 200, deliveries[0].StatusCode)
		}
		require.NoError(t, in.Healthy())
		time.Sleep(5 * time.Minute)
		stats, err := in.Stats(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, stats.Calls)
		assert.Greater(t, stats.OldestCall, 4*time.Minute)
		assert.ErrorContains(t, in.Healthy(), "ignore their contexts")

		close(release)
		time.Sleep(time.Second)
		require.NoError(t, in.Healthy())
		require.NoError(t, in.Shutdown(t.Context()))
		require.NoError(t, <-ran)
		client.CloseIdleConnections()
	})
}
