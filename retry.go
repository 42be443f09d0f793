package reducto

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// Delays before another attempt are drawn from zero to a bound that doubles from
	// retryBase to retryMax ("full jitter"), so that clients which failed together do
	// not come back together.
	retryBase = 500 * time.Millisecond
	retryMax  = 8 * time.Second
)

// Reasons for which a context of ours ends, as opposed to the caller's.
var (
	errAttemptTimeout = errors.New("the attempt took too long")
	errIdle           = errors.New("no byte moved for too long")
)

// again decides whether r is sent once more after f, and when.
func (c *Client) again(ctx context.Context, r *call, f *failure, attempt int) (time.Duration, bool) {
	if !f.transient || attempt > c.cfg.maxRetries || !f.nothing && !r.safe && !r.resend {
		return 0, false
	}
	if r.spent != nil && r.spent() {
		return 0, false
	}
	delay := backoff(attempt, retryBase, retryMax)
	if f.after >= 0 {
		if f.after > c.cfg.maxRetryAfter {
			return 0, false
		}
		// A little more than was asked, so that not everybody comes in that second.
		delay = f.after + backoff(1, retryBase, retryMax)
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < delay {
		return 0, false // the answer at hand says more than a deadline would
	}
	return delay, true
}

// backoff draws the delay after the given attempt, which counts from 1.
func backoff(attempt int, base, limit time.Duration) time.Duration {
	bound := limit
	if shift := attempt - 1; shift < 30 && base<<shift < limit {
		bound = base << shift
	}
	return rand.N(bound + 1)
}

// apiFailure judges an answer that is not a success.
func apiFailure(e *APIError, h http.Header) *failure {
	f := &failure{err: e, after: -1, nothing: true}
	switch {
	case e.StatusCode == http.StatusTooManyRequests, e.StatusCode == http.StatusServiceUnavailable:
		f.transient = true
	case e.StatusCode == http.StatusRequestTimeout, e.StatusCode >= 500:
		// A gateway can answer this for a request that did arrive.
		f.transient, f.nothing = true, false
	}
	if after, ok := parseRetryAfter(h.Get("Retry-After"), time.Now()); ok {
		f.after, e.RetryAfter = after, after
	}
	return f
}

// parseRetryAfter reads a Retry-After header: seconds, whole or not, or a date.
// A time that has passed is zero; what cannot be read is not there.
func parseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if c := value[0]; c >= '0' && c <= '9' {
		for i := range len(value) {
			if c := value[i]; (c < '0' || c > '9') && c != '.' {
				return 0, false
			}
		}
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, false
		}
		const most = 365 * 24 * 3600
		return time.Duration(min(seconds, most) * float64(time.Second)), true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(0, date.Sub(now)), true
}

// pause waits for d or for the context's end, whose error it returns.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return contextError(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// contextError is why ctx ended, nil if it did not: its error, joined to its cause
// where that says more.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	switch {
	case cause == nil || errors.Is(cause, err):
		if cause != nil {
			return cause
		}
		return err
	case errors.Is(cause, errAttemptTimeout), errors.Is(cause, errIdle):
		return cause
	}
	return &causedError{err: err, cause: cause}
}

// causedError is a context's error and its cause; errors.Is finds both.
type causedError struct{ err, cause error }

func (e *causedError) Error() string   { return e.err.Error() + ": " + e.cause.Error() }
func (e *causedError) Unwrap() []error { return []error{e.err, e.cause} }

// isTLSRefusal reports whether the other side is not whom we mean to talk to.
func isTLSRefusal(err error) bool {
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return verification || authority || hostname || record
}

// idleWatch ends a context when an attempt takes too long: with a timeout after
// that time, for a transfer after a time without a byte.
type idleWatch struct {
	mu    sync.Mutex
	timer *time.Timer // nil for an attempt with a timeout
	idle  time.Duration
	end   func()
}

// limit bounds one attempt at r. It may use w.
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

// reader reports every byte that moves through r.
func (w *idleWatch) reader(r io.Reader) io.Reader {
	if w.idle == 0 {
		return r
	}
	return &watchedReader{r: r, w: w}
}

// consumed watches r only while a read of it waits: what is downloaded may be
// worked on, between two reads, for as long as that takes.
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
