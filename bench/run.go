package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// scale is how much is measured.
type scale struct {
	quick bool
	// rounds of a comparison, of one that takes seconds a round, and of one by the clock,
	// which others on the machine disturb.
	rounds, longRounds, loadRounds int
	// sample is for how long a contestant works in a round.
	sample time.Duration
	// Documents in bytes, by the size that their rows name.
	size100K, size1M, size10M, size200M int
	// requests of a round over loopback, submissions over TLS, and deliveries to an
	// Inbox.
	requests, submissions, deliveries int
	// records that are claimed in a round, and deliveries of a lone client.
	records, lone int
	// rounds of other queues, and their jobs: as fast as possible, and at a pace.
	peerRounds, peerJobs, pacedJobs int
}

var fullScale = scale{
	rounds: 6, longRounds: 3, loadRounds: 10, sample: 300 * time.Millisecond,
	size100K: 100e3, size1M: 1e6, size10M: 10e6, size200M: 200e6,
	requests: 20_000, submissions: 3000, deliveries: 8000,
	records: 1024, lone: 200,
	peerRounds: 5, peerJobs: 5000, pacedJobs: 800,
}

// quickScale runs every line of it under the race detector in seconds.
var quickScale = scale{
	quick: true, rounds: 2, longRounds: 1, loadRounds: 1, sample: time.Millisecond,
	size100K: 20e3, size1M: 40e3, size10M: 60e3, size200M: 150e3,
	requests: 200, submissions: 64, deliveries: 200,
	records: 64, lone: 10,
	peerRounds: 1, peerJobs: 64, pacedJobs: 20,
}

// connections are the clients of every comparison under load.
const connections = 64

// run is one run of the command: what it measures, and what it found.
type run struct {
	scale
	dir      string // of databases; empty for the temporary directory
	began    time.Time
	progress io.Writer
	figures  map[string]figure
	peers    []peerTable
}

func newRun(s scale, dir string, progress io.Writer) *run {
	return &run{scale: s, dir: dir, began: time.Now(), progress: progress, figures: map[string]figure{}}
}

// log says what is being done.
func (r *run) log(format string, args ...any) {
	fmt.Fprintf(r.progress, "%6.1fs  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// figure is what was found for a goal.
type figure struct {
	spread
	// absent says why there is none on this machine.
	absent string
}

// record keeps the figure of a goal.
func (r *run) record(id string, s spread) { r.figures[id] = figure{spread: s} }

// leaveOut keeps the reason why there is no figure.
func (r *run) leaveOut(reason string, ids ...string) {
	for _, id := range ids {
		r.figures[id] = figure{absent: reason}
	}
}

// complete fails unless every goal of the areas, and nothing else, has a row.
func (r *run) complete(areas []string) error {
	unknown := make(map[string]bool, len(r.figures))
	for id := range r.figures {
		unknown[id] = true
	}
	for _, g := range goals {
		if !slices.Contains(areas, g.area) {
			continue
		}
		if !unknown[g.id] {
			return fmt.Errorf("the goal %q was not measured", g.id)
		}
		delete(unknown, g.id)
	}
	for id := range unknown {
		return fmt.Errorf("there is no goal %q", id)
	}
	return nil
}
