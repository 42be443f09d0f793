package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// health remembers what matters for Healthy.
type health struct {
	mu         sync.Mutex
	storeErr   error
	storeSince time.Time // since when the store has failed without a break
	sweptAt    time.Time // the last sweep that went as it should
	keyUntil   time.Time // until when nothing is claimed, because the key was refused
	keyErr     error
	rateUntil  time.Time // the same, because there were too many requests
	started    time.Time
}

func (h *health) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started, h.sweptAt = time.Now(), time.Time{}
}

func (h *health) storeFailed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.storeErr == nil {
		h.storeSince = time.Now()
	}
	h.storeErr = err
}

func (h *health) storeWorked() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.storeErr = nil
}

func (h *health) swept(ok bool) {
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sweptAt = time.Now()
}

// pause is for how long nothing is to be claimed.
func (h *health) pause(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(0, h.keyUntil.Sub(now), h.rateUntil.Sub(now))
}

// pauseForRate stops claims for as long as the API asks for, if that is what the
// error says, and returns how long that is.
func (h *health) pauseForRate(err error, now time.Time) time.Duration {
	wait := retryAfter(err)
	if wait > 0 {
		h.mu.Lock()
		defer h.mu.Unlock()
		if until := now.Add(wait); until.After(h.rateUntil) {
			h.rateUntil = until
		}
	}
	return wait
}

// pauseForKey stops claims for a while: the API refuses the client's key, which
// says nothing about the jobs, and asking more often helps nobody.
func (in *Inbox) pauseForKey(err error) {
	now := time.Now()
	in.health.mu.Lock()
	first := now.After(in.health.keyUntil)
	in.health.keyUntil, in.health.keyErr = now.Add(keyPause), err
	in.health.mu.Unlock()
	if first {
		in.log.log(context.Background(), slog.LevelError,
			"the API refuses the client's key: work and sweeps pause; no job is marked", errorAttr(err),
			slog.Duration("again_in", keyPause))
	}
}

// sweepsLate is how long no sweep may have gone as it should.
const sweepsLate = 3 * time.Minute

// Ready reports whether deliveries can be taken in: whether the store answers.
// It asks the store.
func (in *Inbox) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, in.cfg.inbox.storeTimeout, errIntakeTimeout)
	defer cancel()
	if _, err := in.store.List(ctx, Filter{Limit: 1}); err != nil {
		return fmt.Errorf("webhook: the store does not answer: %w", err)
	}
	return nil
}

// Healthy reports whether work goes on: whether Run is running, sweeps happen, the
// API takes the key, and the store works. It asks nobody, and says all that is
// wrong.
func (in *Inbox) Healthy() error {
	in.mu.Lock()
	state := in.state
	in.mu.Unlock()
	if state != runActive {
		return errors.New("webhook: Run is not running")
	}
	h := &in.health
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	var wrong []error
	if h.storeErr != nil {
		wrong = append(wrong, fmt.Errorf("webhook: the store has failed for %v: %w", now.Sub(h.storeSince).Round(time.Second), h.storeErr))
	}
	if h.keyUntil.After(now) {
		wrong = append(wrong, fmt.Errorf("webhook: the API refuses the client's key: %w", h.keyErr))
	}
	since := h.sweptAt
	if since.IsZero() {
		since = h.started
	}
	if late := now.Sub(since); late > sweepsLate {
		wrong = append(wrong, fmt.Errorf("webhook: no sweep has succeeded for %v", late.Round(time.Second)))
	}
	return errors.Join(wrong...)
}
