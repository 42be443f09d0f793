package inbox

import (
	"context"
	"time"

	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// Observer receives the measurements of an Inbox, for a metrics system. One goroutine
// calls its methods. It does not receive deliveries or run functions. An Observer that
// blocks or panics loses measurements, not deliveries.
//
// Names and labels are the constants below. Each label has a fixed set of values.
type Observer interface {
	// Count adds n to a counter.
	Count(name, label string, n int64)
	// Observe adds a value, in seconds, to a histogram.
	Observe(name string, seconds float64)
	// Gauge sets a gauge.
	Gauge(name, label string, value float64)
}

// Counters, with their labels.
const (
	// MetricDeliveries counts requests: accepted, duplicate, refused (the job does not
	// belong to the submission), unauthorized, invalid, too_large, store_error.
	MetricDeliveries = "deliveries"
	// MetricUnauthorized counts unauthorized requests by webhook.RefusalReason.
	MetricUnauthorized = "unauthorized"
	// MetricKeys counts verified deliveries by Event.KeyID.
	MetricKeys = "keys"
	// MetricHandled counts calls of the function: done, failed, panicked, permanent,
	// expired, shutdown, not_committed.
	MetricHandled = "handled"
	// MetricOutcomes counts records that became done, by outcome.
	MetricOutcomes = "outcomes"
	// MetricFenced counts lost claims and refused completions.
	MetricFenced = "fenced"
	// MetricConflicts counts contradictions: about how a job ended, or about the
	// submission that it belongs to.
	MetricConflicts = "conflicts"
	// MetricDead counts records that became dead.
	MetricDead = "dead"
	// MetricReconciled counts jobs whose end the reconciler found. With a webhook,
	// these are missed deliveries.
	MetricReconciled = "reconciled"
	// MetricPolls counts requests of the reconciler: ok, not_found, rate_limited,
	// unauthorized, error.
	MetricPolls = "polls"
)

// Histograms, in seconds.
const (
	// MetricIntakeSeconds is the time from a request to its answer.
	MetricIntakeSeconds = "intake_seconds"
	// MetricAgeSeconds is the time from the delivery to the call of the function.
	MetricAgeSeconds = "age_at_start_seconds"
	// MetricHandlerSeconds is the time that the function took.
	MetricHandlerSeconds = "handler_seconds"
	// MetricLagSeconds is the time from the job's end to its delivery. The end is
	// estimated from the job's creation and duration. So time in Reducto's queue and
	// differences between the clocks count as lag.
	MetricLagSeconds = "webhook_lag_seconds"
	// MetricDoneSeconds is the time from the submission to done.
	MetricDoneSeconds = "submit_to_done_seconds"
)

// Gauges, with their labels.
const (
	// MetricRecords is the number of records by state, except those that are done.
	MetricRecords = "records"
	// MetricOldestDueSeconds is the time since the oldest due record became due.
	MetricOldestDueSeconds = "oldest_due_seconds"
	// MetricOldestPendingSeconds is the age of the oldest pending record.
	MetricOldestPendingSeconds = "oldest_pending_seconds"
	// MetricNearestExpirySeconds is the time until the next unfinished job expires. If
	// there is none, it is the value of WithJobExpiry.
	MetricNearestExpirySeconds = "nearest_expiry_seconds"
	// MetricActiveLeases is the number of functions that run in this process.
	MetricActiveLeases = "active_leases"
	// MetricOldestCallSeconds is the age of the oldest running call in this process.
	MetricOldestCallSeconds = "oldest_call_seconds"
)

// measurements passes measurements to an Observer on a goroutine of its own.
type measurements struct {
	observer Observer
	calls    *safe.Calls
}

func (m *measurements) count(name, label string, n int64) {
	if m.observer != nil && n != 0 {
		m.calls.Do(func(context.Context) { m.observer.Count(name, label, n) })
	}
}

func (m *measurements) observe(name string, d time.Duration) {
	if m.observer != nil {
		m.calls.Do(func(context.Context) { m.observer.Observe(name, d.Seconds()) })
	}
}

func (m *measurements) gauge(name, label string, v float64) {
	if m.observer != nil {
		m.calls.Do(func(context.Context) { m.observer.Gauge(name, label, v) })
	}
}

// gauges measures the records of the store.
func (in *Inbox) gauges(ctx context.Context) {
	s, err := in.store.Stats(ctx)
	if err != nil {
		return
	}
	for _, state := range []State{StatePending, StateReceived, StateClaimed, StateDead} {
		in.measure.gauge(MetricRecords, string(state), float64(s.Count[state]))
	}
	in.measure.gauge(MetricOldestDueSeconds, "", s.OldestDue.Seconds())
	in.measure.gauge(MetricOldestPendingSeconds, "", s.OldestPending.Seconds())
	in.measure.gauge(MetricNearestExpirySeconds, "", (in.cfg.jobExpiry - s.OldestUnfinished).Seconds())
	in.measure.gauge(MetricActiveLeases, "", float64(in.runningCount()))
	in.measure.gauge(MetricOldestCallSeconds, "", in.oldestCall().Seconds())
}
