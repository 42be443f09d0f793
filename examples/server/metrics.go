package main

import (
	"expvar"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// published has the measurements of the Inbox, for GET /debug/vars. It is one variable
// for the whole process, as expvar accepts a name only once.
var published = expvar.NewMap("inbox")

// metrics is an inbox.Observer that publishes measurements with package expvar. Write
// one like it for your metrics system.
type metrics struct{ values *expvar.Map }

var _ inbox.Observer = metrics{}

// Count implements inbox.Observer.
func (m metrics) Count(name, label string, n int64) { m.values.Add(key(name, label), n) }

// Observe implements inbox.Observer. It publishes the number of values and their sum,
// as expvar has no histograms.
func (m metrics) Observe(name string, seconds float64) {
	m.values.Add(name+"_count", 1)
	m.values.AddFloat(name+"_sum", seconds)
}

// Gauge implements inbox.Observer.
func (m metrics) Gauge(name, label string, value float64) {
	v := new(expvar.Float)
	v.Set(value)
	m.values.Set(key(name, label), v)
}

// key returns the name of a value, such as deliveries{accepted}.
func key(name, label string) string {
	if label == "" {
		return name
	}
	return name + "{" + label + "}"
}
