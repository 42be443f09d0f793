package inbox

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// rateLimiter limits the rate of the reconciler's requests. It halves its rate after a
// 429, recovers slowly, and obeys Retry-After.
type rateLimiter struct {
	max float64 // requests per second

	mu   sync.Mutex
	rate float64
	next time.Time // when the next request may be sent
}

const (
	// minRate is the lowest rate per second.
	minRate = 1.0 / 60
	// recovery is the factor by which a success raises the rate.
	recovery = 1.1
	// maxRetryAfter limits a Retry-After, which can be wrong: jobs expire meanwhile.
	maxRetryAfter = 15 * time.Minute
)

// retryAfter returns how long the API asks to wait, or zero.
func retryAfter(err error) time.Duration {
	api, ok := errors.AsType[*reducto.APIError](err)
	if !ok {
		return 0
	}
	return min(api.RetryAfter, maxRetryAfter)
}

// wait returns nil when a request may be sent, or the cause of ctx's end.
func (l *rateLimiter) wait(ctx context.Context) error {
	l.mu.Lock()
	if l.rate == 0 {
		l.rate = l.max
	}
	now := time.Now()
	at := l.next
	if at.Before(now) {
		at = now
	}
	l.next = at.Add(time.Duration(float64(time.Second) / l.rate))
	l.mu.Unlock()
	if !at.After(now) {
		return ctx.Err()
	}
	return safe.Sleep(ctx, at.Sub(now))
}

// learn adapts the rate to a request's result.
func (l *rateLimiter) learn(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait := retryAfter(err)
	switch {
	case err == nil:
		l.rate = min(l.max, l.rate*recovery)
	case errors.Is(err, reducto.ErrRateLimited), wait > 0:
		l.rate = max(min(l.max, minRate), l.rate/2)
		if until := time.Now().Add(wait); until.After(l.next) {
			l.next = until
		}
	}
}

// pollLabel returns a request's result as a metric's label.
func pollLabel(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, reducto.ErrNotFound), errors.Is(err, reducto.ErrExpired):
		return "not_found"
	case errors.Is(err, reducto.ErrRateLimited):
		return "rate_limited"
	case isKeyRefused(err):
		return "unauthorized"
	}
	return "error"
}
