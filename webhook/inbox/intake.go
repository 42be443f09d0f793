package inbox

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// DefaultHold is the default of WithHold.
const DefaultHold = 2 * time.Minute

// ServeHTTP answers one delivery. It implements http.Handler. A process that only
// receives needs no Run.
func (in *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	event, err := in.recv.Receive(w, r)
	if err == nil {
		in.recv.Respond(w, in.take(r, &event))
	} else {
		in.measureRefusal(err)
	}
	in.measure.observe(MetricIntakeSeconds, time.Since(received))
}

func (in *Inbox) measureRefusal(err error) {
	switch {
	case errors.Is(err, webhook.ErrUnauthorized):
		in.measure.count(MetricUnauthorized, webhook.RefusalReason(err), 1)
		in.measure.count(MetricDeliveries, "unauthorized", 1)
	case errors.Is(err, webhook.ErrTooLarge):
		in.measure.count(MetricDeliveries, "too_large", 1)
	default:
		in.measure.count(MetricDeliveries, "invalid", 1)
	}
}

// take writes a verified delivery to the store, and returns the answer's status.
func (in *Inbox) take(r *http.Request, e *webhook.Event) (code int) {
	arrived := time.Now()
	// The delivery must not be lost if the sender goes away.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(r.Context()), in.cfg.intakeTimeout, errStoreTimeout)
	defer cancel()
	in.measure.count(MetricKeys, e.KeyID, 1)
	result, err := in.receive.ask(ctx, Notification{
		JobID:        e.JobID,
		SubmissionID: e.SubmissionID,
		Status:       e.Status,
		Outcome:      webhook.OutcomeOf(e.Status),
		Metadata:     joinTrace(e.Metadata, e.Traceparent),
		Source:       SourceWebhook,
		Hold:         in.cfg.hold,
	})
	defer func() { in.noteDelivery(e, arrived, result, code, err) }()
	if err != nil {
		in.stats.refused.Add(1)
		in.measure.count(MetricDeliveries, "store_error", 1)
		if suppressed, ok := in.faults.Allow(time.Now()); ok {
			in.log.Log(ctx, slog.LevelError, "inbox: the store failed; a delivery was answered 503", append(eventAttrs(e),
				safe.Error(err), slog.Int("suppressed", suppressed))...)
		}
		in.health.storeFailed(err)
		return http.StatusServiceUnavailable
	}
	in.health.storeWorked()
	if result.Conflict && e.Status.Terminal() {
		in.conflict(ctx, "inbox: a delivery contradicts an earlier one of the same job", eventAttrs(e)...)
	}
	switch result.Kind {
	case Accepted:
		in.stats.accepted.Add(1)
		in.measure.count(MetricDeliveries, "accepted", 1)
		if in.log.On() {
			in.log.Log(ctx, slog.LevelDebug, "inbox: received", eventAttrs(e)...)
		}
		in.wake.send()
		in.ended.send()
		if in.volatile {
			return in.answerFromMemory(r, result.Key, in.cfg.funcTimeout)
		}
	case Duplicate:
		in.stats.duplicates.Add(1)
		in.measure.count(MetricDeliveries, "duplicate", 1)
		if in.volatile {
			return in.answerFromMemory(r, result.Key, webhook.DefaultDuplicateTimeout)
		}
	default:
		in.stats.unauthorized.Add(1)
		in.measure.count(MetricDeliveries, "refused", 1)
		if suppressed, ok := in.refused.Allow(time.Now()); ok {
			in.log.Log(ctx, slog.LevelWarn, "inbox: delivery refused: its job is not one of its submission",
				append(eventAttrs(e), slog.Int("suppressed", suppressed))...)
		}
		return http.StatusUnauthorized
	}
	return http.StatusOK
}

// answerFromMemory returns the answer to a delivery in a volatile store. It is 200
// after the function has succeeded or given up, 500 after it has failed, and 503 after
// the timeout.
func (in *Inbox) answerFromMemory(r *http.Request, key string, timeout time.Duration) int {
	in.mu.Lock()
	if in.state != runActive {
		timeout = min(timeout, in.cfg.intakeTimeout) // another Inbox may run on this store
	}
	in.mu.Unlock()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		changed := in.ended.wait() // before the record is read
		record, err := in.read(context.WithoutCancel(r.Context()), key)
		switch {
		case err != nil:
			return http.StatusServiceUnavailable
		case record == nil || record.State == StateDone || record.State == StateDead:
			return http.StatusOK
		case record.State == StateReceived && record.Attempt > 0 && record.Error != "":
			return http.StatusInternalServerError
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return http.StatusServiceUnavailable
		case <-timer.C:
			return http.StatusServiceUnavailable
		}
	}
}

// conflict counts and logs a contradiction about how a job ended.
func (in *Inbox) conflict(ctx context.Context, msg string, attrs ...slog.Attr) {
	in.stats.conflicts.Add(1)
	in.measure.count(MetricConflicts, "", 1)
	in.log.Log(ctx, slog.LevelWarn, msg, attrs...)
}

func eventAttrs(e *webhook.Event) []slog.Attr {
	return append(make([]slog.Attr, 0, 8), e.LogValue().Group()...)
}

// contradicts reports whether a job cannot have ended with both statuses.
func contradicts(a, b reducto.JobStatus) bool { return a != b && a.Terminal() && b.Terminal() }
