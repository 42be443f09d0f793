package reducto

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// newHTTPClients returns the clients for the API and for storage. They are copies of
// h, or of a default client if h is nil.
func newHTTPClients(h *http.Client) (*http.Client, *http.Client) {
	if h == nil {
		h = &http.Client{Transport: newTransport()}
	}
	api, storage := *h, *h
	api.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	storage.CheckRedirect = checkStorageRedirect
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
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// checkStorageRedirect follows redirects of storage, for example between the regions
// of a bucket. It removes the Referer header, in which net/http puts the signed URL.
func checkStorageRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("stopped after 5 redirects")
	}
	req.Header.Del("Referer")
	return nil
}

// Causes of the contexts that the client itself ends.
var (
	errAttemptTimeout = errors.New("the attempt took too long")
	errIdle           = errors.New("no byte moved for too long")
)

// idleWatch ends the context of an attempt that takes too long. An attempt with a
// timeout ends after that time, a transfer after a time without progress.
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
	return verification || authority || hostname || record
}
