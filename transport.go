package reducto

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// newHTTPClients returns the clients for the API and for storage. They are copies of
// h, or of a default client if h is nil.
func newHTTPClients(h *http.Client, guard *storageGuard) (*http.Client, *http.Client) {
	if h == nil {
		h = &http.Client{Transport: newTransport()}
	}
	api, storage := *h, *h
	api.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	storage.CheckRedirect = guard.checkRedirect
	storage.Transport = guard.transport(h.Transport)
	// Cookies are of no use to this API, and a jar would carry them between hosts.
	api.Jar, storage.Jar = nil, nil
	return &api, &storage
}

// newTransport returns a transport for many requests to one host.
// http.DefaultTransport keeps only two idle connections to a host.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          512,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       idleConnTimeout,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			return &proxyError{resp.StatusCode}
		},
	}
}

// idleConnTimeout is below the 60 seconds after which many load balancers close idle
// connections. A submission on a connection that is just being closed has an unknown
// outcome.
const idleConnTimeout = 50 * time.Second

// proxyError is a proxy's refusal to connect to the API.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	text := fmt.Sprintf("the proxy refused to connect: %d %s", e.status, http.StatusText(e.status))
	switch e.status {
	case http.StatusProxyAuthRequired:
		return text + ": put the user and password of the proxy into HTTPS_PROXY"
	case http.StatusForbidden:
		return text + ": ask its administrator to allow the API's host"
	}
	return text
}

// transient reports whether the proxy may connect the next time.
func (e *proxyError) transient() bool {
	return e.status == http.StatusTooManyRequests || e.status >= 500
}

// proxyErrorOf returns the proxy's refusal in err, or nil. A transport that the user
// supplied returns only the text of the proxy's status line.
func proxyErrorOf(err error) *proxyError {
	if e, ok := errors.AsType[*proxyError](err); ok {
		return e
	}
	for _, status := range []int{
		http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	} {
		if err.Error() == http.StatusText(status) {
			return &proxyError{status}
		}
	}
	return nil
}

// reach records how far an attempt came, as the transport reports it.
type reach struct {
	asked     atomic.Bool // a connection was requested
	connected atomic.Bool // a connection was obtained
}

// trace makes the transport report to r and to the guard.
func (r *reach) trace(t *httptrace.ClientTrace, guard *storageGuard) {
	t.GetConn = func(string) { r.asked.Store(true) }
	t.GotConn = func(info httptrace.GotConnInfo) {
		r.connected.Store(true)
		guard.sawAPI(info.Conn)
	}
}

// neverConnected reports whether there was certainly no connection, so that nothing was
// sent. If the transport reported nothing, only the kind of the error can prove it.
func (r *reach) neverConnected(err error) bool {
	if r == nil || r.connected.Load() {
		return false
	}
	var op *net.OpError
	var dns *net.DNSError
	return r.asked.Load() || errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// decoded returns the body of an answer without its Content-Encoding. net/http decodes
// gzip itself, unless the user's transport requests gzip or disables compression.
func decoded(resp *http.Response, body io.Reader) (io.Reader, error) {
	switch encoding := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))); {
	case encoding == "" || encoding == "identity" || resp.Uncompressed:
		return body, nil
	case encoding == "gzip" || encoding == "x-gzip":
		resp.ContentLength = -1
		return &gunzip{from: body}, nil
	default:
		return nil, &badAnswer{whole: true, reason: fmt.Sprintf("the body has the Content-Encoding %.20q: "+
			"have the transport of WithHTTPClient ask for gzip or none", encoding)}
	}
}

// gunzip reads the header of a gzip stream when it is first read.
type gunzip struct {
	from io.Reader
	zip  *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.zip == nil {
		zip, err := gzip.NewReader(g.from)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		g.zip = zip
	}
	return g.zip.Read(p)
}

// Causes of the contexts that the client itself ends.
var (
	errAttemptTimeout = errors.New("the attempt took too long")
	errIdle           = errors.New("no data was transferred for too long")
)

// idleWatch ends the context of an attempt that takes too long. An attempt with a
// timeout ends after that time. A transfer ends after a time without progress.
type idleWatch struct {
	mu    sync.Mutex
	timer *time.Timer // nil for an attempt with a timeout
	idle  time.Duration
	end   func()
}

// limit bounds one attempt at r. It may use the memory of w.
func (c *Client) limit(ctx context.Context, r *call, w *idleWatch) (context.Context, *idleWatch) {
	if r.timeout > 0 {
		ctx, w.end = context.WithTimeoutCause(ctx, r.timeout, errAttemptTimeout)
		return ctx, w
	}
	return c.watch(ctx)
}

// watch bounds a transfer.
func (c *Client) watch(ctx context.Context) (context.Context, *idleWatch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &idleWatch{idle: c.cfg.idleTimeout, end: func() { cancel(nil) }}
	w.timer = time.AfterFunc(w.idle, func() { cancel(errIdle) })
	return ctx, w
}

func (w *idleWatch) moved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Reset(w.idle)
	}
}

// rest stops the clock until the next byte moves.
func (w *idleWatch) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
}

// stop ends the watch and its context.
func (w *idleWatch) stop() {
	w.mu.Lock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	w.mu.Unlock()
	w.end()
}

// reader returns a reader that resets the watch after each successful read of r.
func (w *idleWatch) reader(r io.Reader) io.Reader {
	if w.idle == 0 {
		return r
	}
	return &watchedReader{r: r, w: w}
}

// consumed returns a reader that runs the watch only during reads of r. The consumer
// may take any time between two reads.
func (w *idleWatch) consumed(r io.Reader) io.Reader { return &consumedReader{r: r, w: w} }

type consumedReader struct {
	r io.Reader
	w *idleWatch
}

func (r *consumedReader) Read(p []byte) (int, error) {
	r.w.moved()
	defer r.w.rest()
	return r.r.Read(p)
}

type watchedReader struct {
	r io.Reader
	w *idleWatch
}

func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if n > 0 {
		r.w.moved()
	}
	return n, err
}

// isTLSRefusal reports whether err says that the server failed TLS verification.
func isTLSRefusal(err error) bool {
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return verification || authority || hostname || record || errors.Is(err, http.ErrSchemeMismatch)
}
