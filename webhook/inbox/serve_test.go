package inbox_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// served is a call of Serve. These tests need a network, so their time is real.
type served struct {
	e      *Env
	p      *Process
	url    string
	stop   context.CancelFunc
	result chan error
}

// freeAddr returns an address that nothing listens on.
func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func serve(t *testing.T, h func(*Process) http.Handler, f webhook.Func, opts ...inbox.Option) *served {
	t.Helper()
	e := OnMemory(t)
	p := e.Process(e.Then(f), append([]inbox.Option{inbox.WithClaimInterval(10 * time.Millisecond)}, opts...)...)
	addr := freeAddr(t)
	ctx, stop := context.WithCancel(t.Context())
	s := &served{e: e, p: p, url: "http://" + addr + "/webhook", stop: stop, result: make(chan error, 1)}
	go func() { s.result <- p.Serve(ctx, &http.Server{Addr: addr, Handler: h(p)}, p.Client) }()
	t.Cleanup(stop)
	e.Until("it serves", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil && p.Healthy() == nil
	})
	return s
}

func alone(p *Process) http.Handler { return p }

func (s *served) post(t *testing.T, jobID string) int {
	s.e.Srv.SeedJob(reductotest.SeedJob{ID: jobID, Status: "Completed"})
	resp, err := http.Post(s.url, "application/json", strings.NewReader(Genuine(jobID)))
	if !assert.NoError(t, err) {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestServeStopsTheServerBeforeTheFunctions(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 2)
	gate, finish := Gate(t)
	arrived := make(chan struct{}, 2)
	hold, answer := Gate(t)
	var slow atomic.Bool
	s := serve(t, func(p *Process) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if slow.Load() {
				arrived <- struct{}{}
				<-hold
			}
			p.ServeHTTP(w, r)
		})
	}, func(ctx context.Context, _ *webhook.Delivery) error {
		begun <- struct{}{}
		<-gate
		return ctx.Err()
	})
	require.Equal(t, 200, s.post(t, "job-1"))
	<-begun
	slow.Store(true)
	code := make(chan int, 1)
	go func() { code <- s.post(t, "job-2") }()
	<-arrived
	s.stop()
	s.e.Until("no connection is accepted", func() bool {
		_, err := net.Dial("tcp", strings.Split(s.url, "/")[2])
		return err != nil
	})
	require.NoError(t, s.p.Healthy(), "Run outlives the server, so its work can go on")
	answer()
	assert.Equal(t, 200, <-code, "no request is cut off")
	select {
	case <-s.result:
		require.Fail(t, "Serve does not wait for the function")
	case <-time.After(50 * time.Millisecond):
	}
	finish()
	require.NoError(t, <-s.result)
	assert.Equal(t, inbox.StateDone, s.e.Record("job-1").State, "its context did not end")
	assert.Contains(t, []inbox.State{inbox.StateDone, inbox.StateReceived}, s.e.Record("job-2").State, "nothing is lost")
	require.Error(t, s.p.Healthy())
}

func TestServeTellsFunctionsAfterItsTimeout(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 1)
	cause := make(chan error, 1)
	s := serve(t, alone, func(ctx context.Context, _ *webhook.Delivery) error {
		begun <- struct{}{}
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return ctx.Err()
	}, inbox.WithShutdownTimeout(200*time.Millisecond))
	require.Equal(t, 200, s.post(t, "job-1"))
	<-begun
	s.stop()
	err := <-s.result
	var left *webhook.ShutdownError
	require.ErrorAs(t, err, &left)
	assert.Equal(t, 1, left.Remaining)
	require.ErrorIs(t, <-cause, webhook.ErrShutdown)
	r := s.e.Record("job-1")
	assert.Equal(t, inbox.StateReceived, r.State, "it is given back")
	assert.Zero(t, r.Attempt)
}

func TestServeClosesRequestsAfterItsTimeout(t *testing.T) {
	t.Parallel()
	hold, answer := Gate(t)
	arrived := make(chan struct{}, 1)
	s := serve(t, func(*Process) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-hold })
	}, nothing, inbox.WithShutdownTimeout(50*time.Millisecond))
	go func() {
		if resp, err := http.Post(s.url, "", nil); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-arrived
	s.stop()
	require.ErrorIs(t, <-s.result, context.DeadlineExceeded)
	answer()
}

func TestServeReturnsTheServersError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	e := OnMemory(t)
	p := e.Process(nothing)
	err = p.Serve(t.Context(), &http.Server{Addr: l.Addr().String(), Handler: p}, p.Client)
	require.ErrorContains(t, err, "address already in use")
	require.ErrorContains(t, p.Healthy(), "not running", "Run has ended too")

	p = e.Process(nothing)
	err = p.Serve(t.Context(), &http.Server{Addr: freeAddr(t), TLSConfig: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return nil, errNotNow
	}}, Handler: p}, nil)
	require.ErrorContains(t, err, "client", "Run's error stops the server")
}

func TestServeAtTheWrongTime(t *testing.T) {
	t.Parallel()
	e := OnMemory(t)
	p := e.Process(nothing)
	var wrong *reducto.RequestError
	require.ErrorAs(t, p.Serve(t.Context(), nil, p.Client), &wrong)
	assert.Equal(t, "server", wrong.Field)
	for range 20 { // whether Run or Shutdown comes first
		p = e.Process(nothing)
		ended, stop := context.WithCancel(t.Context())
		stop()
		require.NoError(t, p.Serve(ended, &http.Server{Addr: "127.0.0.1:0"}, p.Client))
	}
}
