package reducto

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHTTPClientIsCopied(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	mine := &http.Client{Transport: http.NewFileTransport(http.Dir(".")), Jar: jar, Timeout: time.Minute}
	before := *mine
	c := newTestClient(t, WithHTTPClient(mine))
	assert.Equal(t, before, *mine)
	assert.Nil(t, mine.CheckRedirect)
	assert.Equal(t, mine.Transport, c.api.Transport)
	assert.Nil(t, c.api.Jar)
	assert.Nil(t, c.storage.Jar)
	assert.Equal(t, http.ErrUseLastResponse, c.api.CheckRedirect(nil, nil))
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, WithIdleTimeout(time.Minute), WithTimeout(time.Minute))
	synctest.Test(t, func(t *testing.T) {
		// A transfer continues as long as bytes arrive.
		ctx, idle := c.watch(t.Context())
		r := idle.reader(&endless{every: 59 * time.Second})
		for range 10 {
			_, err := r.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		require.NoError(t, ctx.Err())
		time.Sleep(61 * time.Second)
		require.Equal(t, errIdle, contextError(ctx))
		idle.stop()
		idle.moved() // too late to have an effect

		// An attempt with a timeout ends even if bytes arrive.
		ctx, idle = c.limit(t.Context(), &call{timeout: c.cfg.timeout}, new(idleWatch))
		r = idle.reader(&endless{every: 59 * time.Second})
		for range 2 {
			_, err := r.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		require.Equal(t, errAttemptTimeout, contextError(ctx))
		idle.stop()

		// A stopped watch ends its own context, not that of the caller.
		ctx, idle = c.limit(t.Context(), &call{}, new(idleWatch))
		idle.stop()
		require.ErrorIs(t, contextError(ctx), context.Canceled)
	})
}

// The consumer of a download may take any time. Only waiting for the next byte is idle
// time.
func TestIdleTimeoutDoesNotCountTheConsumer(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, WithIdleTimeout(time.Minute))
	synctest.Test(t, func(t *testing.T) {
		ctx, idle := c.watch(t.Context())
		defer idle.stop()
		r := idle.consumed(&endless{every: 59 * time.Second})
		for range 10 {
			_, err := r.Read(make([]byte, 1))
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
		require.NoError(t, ctx.Err())
		_, err := idle.consumed(&endless{every: 61 * time.Second}).Read(make([]byte, 1))
		require.NoError(t, err)
		require.Equal(t, errIdle, contextError(ctx))
	})
}

type endless struct{ every time.Duration }

func (e *endless) Read(p []byte) (int, error) {
	time.Sleep(e.every)
	return len(p), nil
}

// Every way in which a connection fails: the submission certainly made no job.
func TestSubmissionWithoutConnectionHasKnownOutcome(t *testing.T) {
	t.Parallel()
	proxy := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	hanging := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	reset := func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() { // the other side ends the handshake
			_, _ = server.Read(make([]byte, 1))
			_ = server.Close()
		}()
		return client, nil
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, tt := range map[string]struct {
		proxy    int // its status, 0 without a proxy
		dial     func(context.Context, string, string) (net.Conn, error)
		base     string
		timeout  time.Duration
		attempts int
		text     string
	}{
		"a proxy answers 502":    {proxy: http.StatusBadGateway, attempts: 2, text: "502 Bad Gateway"},
		"a proxy answers 503":    {proxy: http.StatusServiceUnavailable, attempts: 2, text: "503 Service Unavailable"},
		"a proxy answers 407":    {proxy: http.StatusProxyAuthRequired, attempts: 1, text: "HTTPS_PROXY"},
		"a proxy answers 403":    {proxy: http.StatusForbidden, attempts: 1, text: "ask its administrator"},
		"nothing listens":        {base: "https://" + closed.Addr().String(), attempts: 2, text: "connection refused"},
		"the dial hangs":         {dial: hanging, timeout: 20 * time.Millisecond, attempts: 2, text: "took too long"},
		"the handshake is reset": {dial: reset, attempts: 2, text: "closed pipe"},
		"HTTP on an https URL":   {base: "https://" + plain.Listener.Addr().String(), attempts: 1, text: "HTTP response to HTTPS client"},
		"the host has no such address": {base: "https://no-such-host.invalid", dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host"}
		}, attempts: 2, text: "no such host"},
	} {
		for _, own := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/own transport %t", name, own), func(t *testing.T) {
				t.Parallel()
				transport := newTransport()
				if !own { // the transport of a user returns only the text of the proxy's status
					transport = &http.Transport{}
				}
				transport.Proxy = nil
				if tt.proxy != 0 {
					server := httptest.NewServer(proxy(tt.proxy))
					t.Cleanup(server.Close)
					at, err := url.Parse(server.URL)
					require.NoError(t, err)
					transport.Proxy = http.ProxyURL(at)
				}
				if tt.dial != nil {
					transport.DialContext = tt.dial
				}
				c := newTestClient(t, WithBaseURL(cmp.Or(tt.base, "https://reducto.example.com")), WithHTTPClient(&http.Client{Transport: transport}),
					WithMaxRetries(1), WithTimeout(cmp.Or(tt.timeout, 10*time.Second)))
				_, err := c.ParseAsync(t.Context(), ParseRequest{Input: URL("https://example.com/a.pdf")})
				lost, ok := errors.AsType[*ConnectionError](err)
				require.True(t, ok, "%v", err)
				_, unknown := errors.AsType[*UnknownOutcomeError](err)
				assert.False(t, unknown, "%v", err)
				assert.Equal(t, tt.attempts, lost.Attempts, "%v", err)
				assert.Contains(t, err.Error(), tt.text)
			})
		}
	}
	t.Run("the caller's context ends while the dial hangs", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		c := newTestClient(t, WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: hanging}}))
		_, err := c.ParseAsync(ctx, ParseRequest{Input: URL("https://example.com/a.pdf")})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, unknown := errors.AsType[*UnknownOutcomeError](err)
		assert.False(t, unknown, "%v", err)
	})
	t.Run("a transport that reports no connection proves nothing", func(t *testing.T) {
		t.Parallel()
		c := newTestClient(t, WithHTTPClient(&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("no") })}))
		_, err := c.ParseAsync(t.Context(), ParseRequest{Input: URL("https://example.com/a.pdf")})
		_, unknown := errors.AsType[*UnknownOutcomeError](err)
		assert.True(t, unknown, "%v", err)
	})
}

func TestGzippedAnswersAreRead(t *testing.T) {
	t.Parallel()
	zipped := func(text string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		return b.Bytes()
	}
	answer := func(status int, encoding string, body []byte) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: status, Header: http.Header{"Content-Encoding": {encoding}}, Request: req,
				Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
			}, nil
		})
	}
	submit := func(t *testing.T, transport http.RoundTripper, opts ...Option) (*Handle[*ParseResult], error) {
		t.Helper()
		c := newTestClient(t, append(opts, WithHTTPClient(&http.Client{Transport: transport}), WithMaxRetries(0))...)
		return c.ParseAsync(t.Context(), ParseRequest{Input: URL("https://example.com/a.pdf")})
	}
	h, err := submit(t, answer(200, "gzip", zipped(`{"job_id":"j-1"}`)))
	require.NoError(t, err)
	assert.Equal(t, "j-1", h.JobID)

	_, err = submit(t, answer(401, "gzip", zipped(`{"detail":"no such key"}`)))
	require.ErrorIs(t, err, ErrUnauthorized)
	assert.Contains(t, err.Error(), "no such key")

	_, err = submit(t, answer(200, "gzip", zipped(`{"job_id":"`+strings.Repeat("x", 1<<20)+`"}`)), WithMaxResponseBytes(1000))
	require.ErrorIs(t, err, ErrTooLarge)

	_, err = submit(t, answer(200, "gzip", []byte("not gzip at all")))
	require.Error(t, err)

	_, err = submit(t, answer(200, "br", []byte("xyz")))
	require.ErrorContains(t, err, `Content-Encoding "br"`)
}

func TestIdleConnectionsEndBeforeBalancersCloseThem(t *testing.T) {
	t.Parallel()
	assert.Less(t, newTransport().IdleConnTimeout, time.Minute)
}
