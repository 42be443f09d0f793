package otelreducto

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// spec describes an instrument for a metric of package inbox.
type spec struct {
	metric string // of package inbox
	name   string // behind reducto.inbox.
	unit   string
	label  attribute.Key // the meaning of the label; empty if there is none
	help   string

	// labels are those of a counter that alerts use. Prometheus does not count the first
	// value of a series, so these start at zero.
	labels []string
}

var (
	results    = []string{"accepted", "refused", "unauthorized", "store_error"}
	unlabelled = []string{""}
)

var counters = []spec{
	{inbox.MetricDeliveries, "deliveries", "{delivery}", keyResult, "Requests to the webhook, by result.", results},
	{inbox.MetricUnauthorized, "unauthorized", "{delivery}", keyReason, "Unauthorized requests, by reason.", nil},
	{inbox.MetricKeys, "keys", "{delivery}", keyKeyID, "Verified deliveries, by the secret or key.", nil},
	{inbox.MetricHandled, "handled", "{call}", keyResult, "Calls of the function, by result.", nil},
	{inbox.MetricOutcomes, "outcomes", "{record}", keyOutcome, "Records that became done, by outcome.", nil},
	{inbox.MetricFenced, "fenced", "{claim}", "", "Claims that were lost.", unlabelled},
	{inbox.MetricConflicts, "conflicts", "{conflict}", "", "Contradictions about the end of a job or its submission.", unlabelled},
	{inbox.MetricDead, "dead", "{record}", "", "Records that became dead.", unlabelled},
	{inbox.MetricReconciled, "reconciled", "{job}", "", "Jobs that ended without a delivery.", unlabelled},
	{inbox.MetricPolls, "polls", "{request}", keyResult, "Requests of the reconciler, by result.", []string{"unauthorized"}},
}

var histograms = []spec{
	{inbox.MetricIntakeSeconds, "intake.duration", "s", "", "Time from a request to its answer.", nil},
	{inbox.MetricAgeSeconds, "queue.duration", "s", "", "Time from the delivery to the call of the function.", nil},
	{inbox.MetricHandlerSeconds, "function.duration", "s", "", "Time that the function took.", nil},
	{inbox.MetricLagSeconds, "webhook.lag", "s", "", "Time from the end of the job to its delivery.", nil},
	{inbox.MetricDoneSeconds, "job.duration", "s", "", "Time from the submission to done.", nil},
}

var gauges = []spec{
	{inbox.MetricRecords, "records", "{record}", keyState, "Records of the store that are not done, by state.", nil},
	{inbox.MetricOldestDueSeconds, "oldest_due.age", "s", "", "How long the longest due record has been due.", nil},
	{inbox.MetricOldestPendingSeconds, "oldest_pending.age", "s", "", "Age of the oldest pending record.", nil},
	{inbox.MetricNearestExpirySeconds, "nearest_expiry", "s", "", "Time until the next unfinished job expires.", nil},
	{inbox.MetricActiveLeases, "active_leases", "{lease}", "", "Functions that run in this process.", nil},
	{inbox.MetricOldestCallSeconds, "oldest_call.age", "s", "", "How long the longest running function has run.", nil},
}

// buckets reach from an answer of a millisecond to the twelve hours of a job's life.
var buckets = []float64{
	.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 43200,
}

// instrument is an instrument and the meaning of its label.
type instrument[I any] struct {
	of    I
	label attribute.Key
}

// instruments has the instruments by the names of package inbox.
type instruments struct {
	counters   map[string]instrument[metric.Int64Counter]
	histograms map[string]instrument[metric.Float64Histogram]
	gauges     map[string]instrument[metric.Float64Gauge]
}

func newInstruments(m metric.Meter) (in instruments, err error) {
	if in.counters, err = each(counters, func(s spec) (metric.Int64Counter, error) {
		return m.Int64Counter(s.fullName(), metric.WithUnit(s.unit), metric.WithDescription(s.help))
	}); err != nil {
		return in, err
	}
	for _, s := range counters {
		for _, label := range s.labels {
			c := in.counters[s.metric]
			c.of.Add(context.Background(), 0, c.labelled(label))
		}
	}
	if in.histograms, err = each(histograms, func(s spec) (metric.Float64Histogram, error) {
		return m.Float64Histogram(s.fullName(), metric.WithUnit(s.unit), metric.WithDescription(s.help), metric.WithExplicitBucketBoundaries(buckets...))
	}); err != nil {
		return in, err
	}
	in.gauges, err = each(gauges, func(s spec) (metric.Float64Gauge, error) {
		return m.Float64Gauge(s.fullName(), metric.WithUnit(s.unit), metric.WithDescription(s.help))
	})
	return in, err
}

func (s spec) fullName() string { return "reducto.inbox." + s.name }

func each[I any](specs []spec, make func(spec) (I, error)) (map[string]instrument[I], error) {
	all := map[string]instrument[I]{}
	for _, s := range specs {
		i, err := make(s)
		if err != nil {
			return nil, err
		}
		all[s.metric] = instrument[I]{i, s.label}
	}
	return all, nil
}

// labelled returns the attribute of a label.
func (i instrument[I]) labelled(label string) metric.MeasurementOption {
	if label == "" || i.label == "" {
		return metric.WithAttributeSet(*attribute.EmptySet())
	}
	return metric.WithAttributeSet(attribute.NewSet(i.label.String(label)))
}

// Count implements inbox.Observer. It ignores names that this version does not know.
func (t *Telemetry) Count(name, label string, n int64) {
	if c, ok := t.instruments.counters[name]; ok {
		c.of.Add(context.Background(), n, c.labelled(label))
	}
}

// Observe implements inbox.Observer.
func (t *Telemetry) Observe(name string, seconds float64) {
	if h, ok := t.instruments.histograms[name]; ok {
		h.of.Record(context.Background(), seconds)
	}
}

// Gauge implements inbox.Observer.
func (t *Telemetry) Gauge(name, label string, value float64) {
	if g, ok := t.instruments.gauges[name]; ok {
		g.of.Record(context.Background(), value, g.labelled(label))
	}
}
