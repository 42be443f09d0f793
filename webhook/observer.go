package webhook

import (
	"context"
	"expvar"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"
)

// Observer receives an Inbox's measurements, for a metrics system. Its methods
// are called from one goroutine at a time, apart from intake and work: an
// observer that blocks or panics costs measurements, never deliveries.
//
// The names are those of the constants, in the form name{label}. Labels come from
// the fixed sets that are named there: nothing that a request says becomes one.
type Observer interface {
	// Count adds n to a counter.
	Count(name, label string, n int64)
	// Observe adds a value, in seconds, to a histogram.
	Observe(name string, seconds float64)
	// Gauge sets a gauge.
	Gauge(name, label string, value float64)
}

// Counters of an Inbox, with their labels.
const (
	// MetricDeliveries counts requests: accepted, duplicate, refused (a job that is
	// not its submission's), busy (more jobs than a submission can have), unauthorized, invalid, too_large, store_error.
	MetricDeliveries = "deliveries"
	// MetricUnauthorized counts what MetricDeliveries has as unauthorized, by reason:
	// no_secret, wrong_secret, expired_token, unknown_key, no_signature, bad_signature,
	// timestamp, and other for a verifier that is none of this package's.
	MetricUnauthorized = "unauthorized"
	// MetricKeys counts verified deliveries by the key or secret that they carried.
	MetricKeys = "keys"
	// MetricHandled counts calls of the function: done, failed, panicked, permanent,
	// expired, shutdown, not_committed.
	MetricHandled = "handled"
	// MetricOutcomes counts records that are done, by outcome: completed, failed,
	// cancelled, expired, unknown.
	MetricOutcomes = "outcomes"
	// MetricFenced counts what was refused because a lease had been lost.
	MetricFenced = "fenced"
	// MetricConflicts counts contradictions about how a job ended.
	MetricConflicts = "conflicts"
	// MetricDead counts records that were given up.
	MetricDead = "dead"
	// MetricReconciled counts jobs whose end only a sweep found: webhooks missed.
	MetricReconciled = "reconciled"
	// MetricPolls counts requests to the API by their result: ok, not_found,
	// rate_limited, unauthorized, error.
	MetricPolls = "polls"
)

// Histograms of an Inbox, in seconds.
const (
	// MetricIntakeSeconds is how long a delivery took to be answered.
	MetricIntakeSeconds = "intake_seconds"
	// MetricAgeSeconds is how old a received record was when the function was called.
	MetricAgeSeconds = "age_at_start_seconds"
	// MetricHandlerSeconds is how long the function took.
	MetricHandlerSeconds = "handler_seconds"
	// MetricLagSeconds is how long after its job a delivery came, as far as the job
	// tells: from its submission and the time that it was worked on. Time that it
	// spent waiting for a worker of the service counts as lag, and so does a
	// difference between the service's clock and the store's.
	MetricLagSeconds = "webhook_lag_seconds"
	// MetricDoneSeconds is the time from submission to done.
	MetricDoneSeconds = "submit_to_done_seconds"
)

// Gauges of an Inbox, with their labels.
const (
	// MetricRecords is the number of records by state.
	MetricRecords = "records"
	// MetricOldestDueSeconds is how long the oldest due record has waited.
	MetricOldestDueSeconds = "oldest_due_seconds"
	// MetricOldestPendingSeconds is the age of the oldest pending record.
	MetricOldestPendingSeconds = "oldest_pending_seconds"
	// MetricNearestExpirySeconds is when the next unfinished record expires; the whole
	// life of a job if there is none.
	MetricNearestExpirySeconds = "nearest_expiry_seconds"
	// MetricActiveLeases is the number of calls that are running here.
	MetricActiveLeases = "active_leases"
)

// measurements hands measurements to an Observer, outside of whatever measured.
type measurements struct {
	observer Observer
	calls    *safeCalls
}

func (m *measurements) count(name, label string, n int64) {
	if m.observer != nil && n != 0 {
		m.calls.do(func(context.Context) { m.observer.Count(name, label, n) })
	}
}

func (m *measurements) observe(name string, d time.Duration) {
	if m.observer != nil {
		m.calls.do(func(context.Context) { m.observer.Observe(name, d.Seconds()) })
	}
}

func (m *measurements) gauge(name, label string, v float64) {
	if m.observer != nil {
		m.calls.do(func(context.Context) { m.observer.Gauge(name, label, v) })
	}
}

// Expvar is an Observer that publishes with package expvar of the standard
// library: counters and gauges as name{label}, histograms as their count, sum and
// buckets.
type Expvar struct {
	vars *expvar.Map

	mu         sync.Mutex
	histograms map[string]*expvar.Map
}

// NewExpvar makes an Expvar and publishes it under name, which must not be in use:
// the error says so, where expvar.Publish would end the process.
func NewExpvar(name string) (*Expvar, error) {
	if expvar.Get(name) != nil {
		return nil, fmt.Errorf("webhook: the expvar %q is published already: use another name", name)
	}
	e := &Expvar{vars: new(expvar.Map).Init(), histograms: map[string]*expvar.Map{}}
	expvar.Publish(name, e.vars)
	return e, nil
}

func labelled(name, label string) string {
	if label == "" {
		return name
	}
	return name + "{" + label + "}"
}

// Count implements Observer.
func (e *Expvar) Count(name, label string, n int64) { e.vars.Add(labelled(name, label), n) }

// Gauge implements Observer.
func (e *Expvar) Gauge(name, label string, value float64) {
	v := new(expvar.Float)
	v.Set(value)
	e.vars.Set(labelled(name, label), v)
}

// buckets are upper bounds in seconds.
var buckets = [...]float64{0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 60, 300, 1800, 3600, 4 * 3600, 12 * 3600, math.Inf(1)}

// Observe implements Observer.
func (e *Expvar) Observe(name string, seconds float64) {
	e.mu.Lock()
	h := e.histograms[name]
	if h == nil {
		h = new(expvar.Map).Init()
		e.histograms[name] = h
		e.vars.Set(name, h)
	}
	e.mu.Unlock()
	h.Add("count", 1)
	h.AddFloat("sum", seconds)
	for _, b := range buckets {
		if seconds <= b {
			h.Add("le_"+strconv.FormatFloat(b, 'g', -1, 64), 1)
		}
	}
}
