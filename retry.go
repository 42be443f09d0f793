package reducto

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// The delay before a retry is random between zero and a bound that doubles from
	// retryBase to retryMax ("full jitter"). It keeps clients from retrying in step.
	retryBase = 500 * time.Millisecond
	retryMax  = 8 * time.Second
)

// again decides whether to retry r after f, and returns the delay.
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
		// Jitter keeps clients from retrying in the same second.
		delay = f.after + backoff(1, retryBase, retryMax)
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < delay {
		return 0, false // f says more than the error of an ended deadline
	}
	return delay, true
}

// backoff returns a random delay after the given attempt. Attempts count from 1.
func backoff(attempt int, base, limit time.Duration) time.Duration {
	bound := limit
	if shift := attempt - 1; shift < 30 && base<<shift < limit {
		bound = base << shift
	}
	return rand.N(bound + 1)
}

// apiFailure classifies an answer that is not a success.
func apiFailure(e *APIError, h http.Header) *failure {
	f := &failure{err: e, after: -1, nothing: true}
	switch {
	case e.StatusCode == http.StatusTooManyRequests, e.StatusCode == http.StatusServiceUnavailable:
		f.transient = true
	case e.StatusCode == http.StatusRequestTimeout, e.StatusCode >= 500:
		// A gateway may send this answer although the service received the request.
		f.transient, f.nothing = true, false
	}
	// A date is compared with the server's own clock, which may differ from ours.
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	if after, ok := parseRetryAfter(h.Get("Retry-After"), now); ok {
		f.after, e.RetryAfter = after, after
	}
	return f
}

// parseRetryAfter reads a Retry-After header: seconds, with or without a fraction, or
// a date. A time in the past is zero. It returns false for anything else.
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

// sleep waits for d or until the context ends. It returns the error of the context.
func sleep(ctx context.Context, d time.Duration) error {
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

// contextError returns why ctx ended: its error, joined with its cause if that says
// more. It returns nil if ctx has not ended.
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

// causedError joins the error of a context with its cause. errors.Is matches both.
type causedError struct{ err, cause error }

func (e *causedError) Error() string   { return e.err.Error() + ": " + e.cause.Error() }
func (e *causedError) Unwrap() []error { return []error{e.err, e.cause} }
