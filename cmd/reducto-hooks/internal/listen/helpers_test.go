package listen_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/cmd/reducto-hooks/internal/listen"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

const testSecret = "a secret of the tests, 32 bytes.."

// env is a fake Reducto, a receiver, and what the listener reported.
type env struct {
	t      *testing.T
	srv    *reductotest.Server
	target *url.URL
	state  string
	secret *webhook.Secret

	mu       sync.Mutex
	attempts []listen.Attempt
	troubles []listen.Trouble
	stop     func()
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, f func(t *testing.T, e *env), opts ...reductotest.Option) {
	t.Helper()
	t.Parallel()
	dir := memoryDir(t)
	synctest.Test(t, func(t *testing.T) {
		secret, err := webhook.NewSecret(testSecret)
		require.NoError(t, err)
		e := &env{t: t, srv: reductotest.NewServer(t, opts...), secret: secret, stop: func() {}}
		e.target, err = url.Parse(e.srv.Mount("/webhook", nil))
		require.NoError(t, err)
		e.state = listen.StatePath(dir, e.srv.URL(), e.srv.APIKey(), e.target)
		require.Equal(t, dir, filepath.Dir(e.state))
		f(t, e)
		e.stop()
	})
}

// memoryDir returns a directory in memory where there is one: a test in virtual time
// makes thousands of writes at once, and each waits for the disk.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "listen")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// serve lets the receiver answer with h.
func (e *env) serve(h http.HandlerFunc) { e.srv.Mount("/webhook", h) }

// accept lets the receiver answer 200 to everything, and returns the ids of the jobs.
func (e *env) accept() func() []string {
	var mu sync.Mutex
	var jobs []string
	e.serve(func(_ http.ResponseWriter, r *http.Request) {
		event, err := e.secret.Verify(r.Header, body(r))
		if !assert.NoError(e.t, err) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		jobs = append(jobs, event.JobID)
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, jobs...)
	}
}

func (e *env) listener() *listen.Listener {
	return &listen.Listener{
		Client: e.srv.Client(), Forward: e.target, State: e.state, Sign: e.secret, HTTP: e.srv.HTTPClient(),
		OnAttempt: func(a listen.Attempt) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.attempts = append(e.attempts, a)
		},
		OnTrouble: func(t listen.Trouble) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.troubles = append(e.troubles, t)
		},
	}
}

// start runs a listener until e.stop is called, and waits for its first poll.
func (e *env) start(l *listen.Listener) {
	e.t.Helper()
	ctx, cancel := context.WithCancel(e.t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	e.stop = func() {
		cancel()
		require.NoError(e.t, <-done)
		e.stop = func() {}
	}
	time.Sleep(time.Second)
}

// job makes a job that completes after a second, and returns its id.
func (e *env) job(change ...func(*reductotest.SeedJob)) string {
	seed := reductotest.SeedJob{}
	for _, f := range change {
		f(&seed)
	}
	e.srv.SetProcessingTime(time.Second)
	return e.srv.SeedJob(seed)
}

func ended(s *reductotest.SeedJob) { s.Status = "Completed" }

func (e *env) reported() ([]listen.Attempt, []listen.Trouble) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]listen.Attempt{}, e.attempts...), append([]listen.Trouble{}, e.troubles...)
}
