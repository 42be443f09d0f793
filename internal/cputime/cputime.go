// Package cputime compares the CPU time of two functions, for benchmarks. Wall time
// varies on shared machines. The ratio of CPU times within one run varies little.
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
	// Median, Min and Max are ratios of CPU time over the rounds.
	Median, Min, Max float64
	// Ours and Theirs are the CPU times of one run, in the median round.
	Ours, Theirs time.Duration
	// OurAllocs and TheirAllocs are the allocations of the process in one run.
	OurAllocs, TheirAllocs float64
}

const (
	rounds   = 12
	roundFor = 100 * time.Millisecond // approximate time of each side
)

// Compare runs both sides in turn. It counts the CPU time of the whole process,
// including the garbage collector. Nothing else may run meanwhile.
func Compare(ours, theirs Side) Result {
	n, m := calibrate(ours), calibrate(theirs)
	var ratios []float64
	var a, b []time.Duration
	var r Result
	for i := range rounds {
		var x, y sample
		if i%2 == 0 { // the sides take turns to be first
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

// Reporter is the part of a *testing.B that Report needs.
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
	b.ReportMetric(0, "ns/op") // without a meaning here
}

// calibrate returns how many runs take about roundFor. It also warms up.
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
	runtime.GC() // do not charge this side for the garbage of the other
	runtime.ReadMemStats(&before)
	start := Now()
	s(n)
	took := Now() - start
	runtime.ReadMemStats(&after)
	return sample{ns: float64(took) / float64(n), allocs: float64(after.Mallocs-before.Mallocs) / float64(n)}
}
