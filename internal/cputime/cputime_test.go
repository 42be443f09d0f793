package cputime

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

var sink []byte

// work costs the CPU, and allocates once.
func work(n int) {
	sink = make([]byte, 64<<10)
	for i := range n {
		sink[i%len(sink)] = byte(i * i)
	}
}

func TestCompare(t *testing.T) { // not parallel: it measures
	r := Compare(
		func(n int) {
			for range n {
				work(300_000)
			}
		},
		func(n int) {
			for range n {
				work(100_000)
			}
		},
	)
	t.Logf("%+v", r)
	assert.InDelta(t, 3, r.Median, 1.2, "three times the work")
	assert.LessOrEqual(t, r.Min, r.Median)
	assert.LessOrEqual(t, r.Median, r.Max)
	assert.InDelta(t, 1, r.OurAllocs, 0.5)
	metrics := map[string]float64{}
	r.Report(reporter(metrics))
	assert.InDelta(t, r.Median, metrics["ratio"], 0)
}

type reporter map[string]float64

func (r reporter) ReportMetric(n float64, unit string) { r[unit] = n }
