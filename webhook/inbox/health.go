package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// health is the state that Healthy reports.
type health struct {
	mu           sync.Mutex
	storeErr     error
	storeSince   time.Time // when the store began to fail
	reconciledAt time.Time // the last request or pass of the reconciler that succeeded
	keyUntil     time.Time // end of the pause after the API refused the key
	keyErr       error
	rateUntil    time.Time // end of the pause after a 429
	started      time.Time
	writeErr     error     // the last Receive or Submit failed
	writeFailed  time.Time // when it did
}

func (h *health) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started, h.reconciledAt = time.Now(), time.Time{}
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

// wrote notes the result of Receive or Submit, called with ctx. These writes decide
// whether deliveries can be received. If the caller's context ended, the error does not
// count.
func (h *health) wrote(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), errStoreTimeout) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writeErr, h.writeFailed = err, time.Now()
}

// writeFailure returns the error of the last write, if it is recent.
func (h *health) writeFailure(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Sub(h.writeFailed) >= writeFailureLasts {
		return nil
	}
	return h.writeErr
}

func (h *health) reconciled(ok bool) {
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reconciledAt = time.Now()
}

// pause returns for how long the Inbox must not claim records.
func (h *health) pause(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(0, h.keyUntil.Sub(now), h.rateUntil.Sub(now))
}

// pauseForRate stops claims for the Retry-After of an error, and returns it.
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

// pauseForKey stops claims for a while after the API refused the client's key. The jobs
// are not the cause, so no record changes.
func (in *Inbox) pauseForKey(err error) {
	now := time.Now()
	in.health.mu.Lock()
	first := now.After(in.health.keyUntil)
	in.health.keyUntil, in.health.keyErr = now.Add(keyPause), err
	in.health.mu.Unlock()
	if first {
		in.log.Log(context.Background(), slog.LevelError,
			"the API refuses the client's key: work and polling pause, and no job is changed", safe.Error(err),
			slog.Duration("retry_in", keyPause))
	}
}

// reconcilerLate is how long the reconciler may be without a success.
const reconcilerLate = 3 * time.Minute

// writeFailureLasts is how long a failed write counts. A load balancer that relies on
// Ready sends no deliveries meanwhile, so no write can succeed. After that time Ready
// lets deliveries come in again.
const writeFailureLasts = 30 * time.Second

// Ready returns an error if deliveries cannot be received. It reads from the store, and
// writes nothing. If the store failed to record the last delivery or submission, Ready
// returns that error for up to 30 seconds, until another one is recorded. So it reports
// a full disk or a read-only database as well.
func (in *Inbox) Ready(ctx context.Context) error {
	if err := in.health.writeFailure(time.Now()); err != nil {
		return fmt.Errorf("inbox: the store does not answer: %w", err)
	}
	ctx, cancel := in.storeContext(ctx)
	defer cancel()
	if _, err := in.store.List(ctx, Filter{Limit: 1}); err != nil {
		return fmt.Errorf("inbox: the store does not answer: %w", err)
	}
	return nil
}

// Healthy returns an error if work has stopped. Use it for the liveness check. It makes
// no requests. The error names all reasons:
//
//   - Run is not running.
//   - The store fails.
//   - The API refuses the key.
//   - The reconciler has had no success for three minutes.
//   - Functions ignore their contexts and keep all workers.
func (in *Inbox) Healthy() error {
	in.mu.Lock()
	state := in.state
	in.mu.Unlock()
	stuck := in.stuck()
	if state != runActive {
		return errors.New("inbox: Run is not running")
	}
	h := &in.health
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	var wrong []error
	if h.storeErr != nil {
		wrong = append(wrong, fmt.Errorf("inbox: the store has failed for %v: %w", now.Sub(h.storeSince).Round(time.Second), h.storeErr))
	}
	if h.keyUntil.After(now) {
		wrong = append(wrong, fmt.Errorf("inbox: the API refuses the client's key: %w", h.keyErr))
	}
	since := h.reconciledAt
	if since.IsZero() {
		since = h.started
	}
	if late := now.Sub(since); late > reconcilerLate {
		wrong = append(wrong, fmt.Errorf("inbox: the reconciler has had no success for %v", late.Round(time.Second)))
	}
	if stuck >= in.cfg.workers {
		wrong = append(wrong, fmt.Errorf("inbox: all %d workers run functions that ignore their contexts: have the function return when its context ends", stuck))
	}
	return errors.Join(wrong...)
}

// stuck returns how many functions still run after their timeout.
func (in *Inbox) stuck() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := 0
	for _, c := range in.running {
		if time.Since(c.read) > in.cfg.funcTimeout+stuckAfter {
			n++
		}
	}
	return n
}

// stuckAfter is how long after its timeout a function counts as stuck.
const stuckAfter = time.Minute
