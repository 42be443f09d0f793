package inboxtest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Meter is an inbox.Observer that remembers. Other goroutines take measurements: wait
// before you look at it.
type Meter struct {
	mu     sync.Mutex
	counts map[string]int64
	values map[string][]float64
	gauges map[string]float64
}

// NewMeter returns an empty Meter.
func NewMeter() *Meter {
	return &Meter{counts: map[string]int64{}, values: map[string][]float64{}, gauges: map[string]float64{}}
}

func named(name, label string) string {
	if label == "" {
		return name
	}
	return name + "{" + label + "}"
}

// Count implements inbox.Observer.
func (m *Meter) Count(name, label string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[named(name, label)] += n
}

// Observe implements inbox.Observer.
func (m *Meter) Observe(name string, seconds float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] = append(m.values[name], seconds)
}

// Gauge implements inbox.Observer.
func (m *Meter) Gauge(name, label string, v float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gauges[named(name, label)] = v
}

// Counter returns a counter, such as "deliveries{accepted}".
func (m *Meter) Counter(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(m.counts[name])
}

// Counters returns all counters.
func (m *Meter) Counters() map[string]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.counts)
}

// GaugeOf returns a gauge, and whether it was set.
func (m *Meter) GaugeOf(name string) (float64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.gauges[name]
	return v, ok
}

// Values returns what a histogram has observed.
func (m *Meter) Values(name string) []float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.values[name])
}

// Names returns the names of all counters, gauges and histograms, with their labels.
func (m *Meter) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(m.counts)),
		slices.Collect(maps.Keys(m.gauges)), slices.Collect(maps.Keys(m.values)))))
}

// Log keeps log records. Other goroutines write them: wait before you look at it.
type Log struct {
	t  testing.TB
	mu sync.Mutex
	b  bytes.Buffer
}

// NewLog returns an empty Log.
func NewLog(t testing.TB) *Log { return &Log{t: t} }

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Logger returns a logger that writes into the Log.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Text returns all records.
func (l *Log) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Has reports whether the records contain text.
func (l *Log) Has(text string) bool { return strings.Contains(l.Text(), text) }

// Count returns how many records of the level have text in their message.
func (l *Log) Count(level slog.Level, text string) (n int) {
	l.t.Helper()
	for line := range strings.Lines(l.Text()) {
		var r struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			l.t.Fatalf("a log record is not JSON: %v", err)
		}
		if r.Level == level.String() && strings.Contains(r.Msg, text) {
			n++
		}
	}
	return n
}
