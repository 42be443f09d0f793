package webhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
)

// pacer spaces the requests of sweeps, and learns: a refusal for their rate halves
// it, successes restore it slowly, and a Retry-After is obeyed by all.
type pacer struct {
	most float64 // requests a second at best

	mu   sync.Mutex
	rate float64
	next time.Time // when the next request may be sent
}

const (
	// leastRate is the rate, a second, below which refusals do not press.
	leastRate = 1.0 / 60
	// recovery is by how much a success raises the rate.
	recovery = 1.1
	// mostRetryAfter is how long a Retry-After is obeyed at most: it can be nonsense,
	// and jobs expire meanwhile.
	mostRetryAfter = 15 * time.Minute
)

// retryAfter is how long the API asks to wait; zero if it does not.
func retryAfter(err error) time.Duration {
	api, ok := errors.AsType[*reducto.APIError](err)
	if !ok {
		return 0
	}
	return min(api.RetryAfter, mostRetryAfter)
}

// wait returns when a request may be sent, or with ctx's error.
func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	if p.rate == 0 {
		p.rate = p.most
	}
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(time.Duration(float64(time.Second) / p.rate))
	p.mu.Unlock()
	if !at.After(now) {
		return ctx.Err()
	}
	timer := time.NewTimer(at.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// learn takes a request's result into account.
func (p *pacer) learn(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := retryAfter(err)
	switch {
	case err == nil:
		p.rate = min(p.most, p.rate*recovery)
	case errors.Is(err, reducto.ErrRateLimited), wait > 0:
		p.rate = max(min(p.most, leastRate), p.rate/2)
		if until := time.Now().Add(wait); until.After(p.next) {
			p.next = until
		}
	}
}

// pollLabel is a request's result as a metric's label.
func pollLabel(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, reducto.ErrNotFound), errors.Is(err, reducto.ErrExpired):
		return "not_found"
	case errors.Is(err, reducto.ErrRateLimited):
		return "rate_limited"
	case errors.Is(err, reducto.ErrUnauthorized), errors.Is(err, reducto.ErrForbidden):
		return "unauthorized"
	}
	return "error"
}
