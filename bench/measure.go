package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// contestant is one way of doing the work that a comparison is about.
type contestant struct {
	name string
	// do does it once.
	do func() error
}

// series is what a contestant's work cost, an element for each round.
type series struct {
	cpu    []float64 // seconds, for doing it once
	allocs []float64
}

// once is the sample for work that takes seconds: it is done once a round, and not
// before, since the check of its result has warmed up what there is to warm up.
const once = time.Duration(0)

// compare has contestants do their work in rounds that take turns, each for about
// the sample's time a round.
func compare(ctx context.Context, rounds int, sample time.Duration, contestants ...contestant) ([]series, error) {
	times := make([]int, len(contestants))
	for i, c := range contestants {
		n, err := timesWithin(sample, c.do)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		times[i] = n
	}
	found := make([]series, len(contestants))
	for round := range rounds {
		for k := range contestants {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			i := (round + k) % len(contestants)
			if err := found[i].measure(times[i], contestants[i].do); err != nil {
				return nil, fmt.Errorf("%s: %w", contestants[i].name, err)
			}
		}
	}
	return found, nil
}

// timesWithin is how often work is done within a time, at least once. It warms up
// what there is to warm up.
func timesWithin(sample time.Duration, do func() error) (int, error) {
	if sample == once {
		return 1, nil
	}
	began, n := time.Now(), 0
	for time.Since(began) < sample/4 || n == 0 {
		if err := do(); err != nil {
			return 0, err
		}
		n++
	}
	return max(1, int(float64(n)*float64(sample)/float64(time.Since(began)))), nil
}

// measure adds a round in which work is done n times.
func (s *series) measure(n int, do func() error) error {
	runtime.GC() // what others left behind is not this one's cost
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := cpuTime()
	for range n {
		if err := do(); err != nil {
			return err
		}
	}
	took := cpuTime() - began
	runtime.ReadMemStats(&after)
	s.cpu = append(s.cpu, took.Seconds()/float64(n))
	// Rounded down as testing.AllocsPerRun does: what the runtime allocates now and then
	// is not the work's.
	s.allocs = append(s.allocs, float64((after.Mallocs-before.Mallocs)/uint64(n)))
	return nil
}
