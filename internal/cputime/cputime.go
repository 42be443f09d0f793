// Package cputime compares what two pieces of code cost. Wall time wanders on
// machines that are shared; CPU time as a ratio within one run hardly does. It is
// for benchmarks.
package cputime

import (
	"runtime"
	"slices"
	"time"
)

// Side is one side of a comparison: it runs its code n times.
type Side func(n int)

// Result is ours divided by theirs.
type Result struct {
	// Median, Min and Max are those of the rounds' ratios of CPU time.
	Median, Min, Max float64
	// Ours and Theirs are the CPU time of one run, at the median.
	Ours, Theirs time.Duration
	// OurAllocs and TheirAllocs are allocations of one run, of the whole process.
	OurAllocs, TheirAllocs float64
}

const (
	rounds   = 12
	roundFor = 100 * time.Millisecond // of each side, about
)

// Compare runs both sides in turn. It counts the CPU time of the whole process,
// the garbage collector's included: nothing else may run meanwhile.
func Compare(ours, theirs Side) Result {
	n, m := calibrate(ours), calibrate(theirs)
	var ratios []float64
	var a, b []time.Duration
	var r Result
	for i := range rounds {
		var x, y sample
		if i%2 == 0 { // neither is always the first
			x, y = measure(ours, n), measure(theirs, m)
		} else {
			y, x = measure(theirs, m), measure(ours, n)
		}
		ratios = append(ratios, x.ns/y.ns)
		a, b = append(a, time.Duration(x.ns)), append(b, time.Duration(y.ns))
		r.OurAllocs, r.TheirAllocs = x.allocs, y.allocs
	}
	slices.Sort(ratios)
	slices.Sort(a)
	slices.Sort(b)
	r.Median, r.Min, r.Max = (ratios[rounds/2]+ratios[(rounds-1)/2])/2, ratios[0], ratios[rounds-1]
	r.Ours, r.Theirs = a[rounds/2], b[rounds/2]
	return r
}

// Reporter is what Report needs of a *testing.B.
type Reporter interface {
	ReportMetric(n float64, unit string)
}

// Report reports r as metrics.
func (r Result) Report(b Reporter) {
	b.ReportMetric(r.Median, "ratio")
	b.ReportMetric(r.Min, "ratio-min")
	b.ReportMetric(r.Max, "ratio-max")
	b.ReportMetric(float64(r.Ours), "cpu-ns")
	b.ReportMetric(float64(r.Theirs), "peer-cpu-ns")
	b.ReportMetric(r.OurAllocs, "allocs")
	b.ReportMetric(r.TheirAllocs, "peer-allocs")
	b.ReportMetric(0, "ns/op") // means nothing here
}

// calibrate is how many runs take about roundFor. It also warms up.
func calibrate(s Side) int {
	for n := 1; ; n *= 2 {
		start := time.Now()
		s(n)
		if d := time.Since(start); d > roundFor/4 {
			return max(1, int(float64(n)*float64(roundFor)/float64(d)))
		}
	}
}

type sample struct{ ns, allocs float64 }

func measure(s Side, n int) sample {
	var before, after runtime.MemStats
	runtime.GC() // what the other side left is not on this one's account
	runtime.ReadMemStats(&before)
	start := Now()
	s(n)
	took := Now() - start
	runtime.ReadMemStats(&after)
	return sample{ns: float64(took) / float64(n), allocs: float64(after.Mallocs-before.Mallocs) / float64(n)}
}
