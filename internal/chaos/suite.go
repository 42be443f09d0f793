package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The waits of an Inbox that a run must allow for after its attack.
const (
	// pollLock is how long a killed reconciler keeps its lock.
	pollLock = 30 * time.Second
	// overrun is how much longer than its window an attack usually takes.
	overrun = 20 * time.Second
	// margin is for the work itself.
	margin = 15 * time.Second
)

// pollPauses are the pauses between two polls for a job whose delivery has not come.
// Each varies by a fifth.
var pollPauses = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute}

// drainFor returns how long a run lasts at least after an attack of the given length. A
// record can wait for Bind, and then for the end of a lease. A job whose delivery was
// lost waits for the first poll after the attack.
func drainFor(p profile, attack time.Duration) time.Duration {
	if p.Gentle {
		return hold + lease + margin
	}
	wait := time.Duration(0)
	at := pollAfter // the earliest time of a poll, after the submission
	for _, pause := range pollPauses {
		wait = pause * 6 / 5
		if at += pause * 4 / 5; at > attack {
			break
		}
	}
	return max(hold+lease, wait+pollLock) + margin
}

// leastFor returns the least time for a run.
func leastFor(p profile) time.Duration { return p.Window + overrun + drainFor(p, p.Window+overrun) }

// longestWindow returns the longest window of a run that takes at most limit. It is
// zero if none is long enough.
func longestWindow(limit time.Duration) time.Duration {
	for window := limit.Truncate(time.Second); window >= leastWindow; window -= time.Second {
		if leastFor(profile{Window: window}) <= limit {
			return window
		}
	}
	return 0
}

// leastWindow is the shortest attack that is worth a run.
const leastWindow = 10 * time.Second

// profileFor returns the profile of a run on a store. At least one child that holds a
// claim is paused, so that every run exercises fencing.
func profileFor(store string, jobs, kills int, window time.Duration) profile {
	p := profile{Jobs: jobs, Children: 1, Kills: kills, Pauses: max(1, kills/6), Window: window}
	if store != onSQLite {
		p.Children, p.Drops = 3, kills/4
		p.Restarts, p.Failovers = max(1, kills/20), max(1, kills/20)
	}
	return p
}

// windowFor returns the window for a number of jobs and kills. Children need time for
// work between two disruptions.
func windowFor(jobs, kills int) time.Duration {
	return max(leastWindow, time.Duration(jobs)*60*time.Millisecond, time.Duration(kills)*1500*time.Millisecond)
}

// four returns a run for each store and each way to complete.
func four(seed uint64, jobs, kills int, window, limit time.Duration) []run {
	var list []run
	for _, store := range []string{onSQLite, onPostgres} {
		for _, tx := range []bool{true, false} {
			list = append(list, run{
				options: options{Store: store, Tx: tx, Unsteady: true},
				Profile: profileFor(store, jobs, kills, window),
				Seed:    seed + uint64(len(list)), Limit: limit,
			})
		}
	}
	return list
}

// errNotFenced says that no run exercised fencing.
var errNotFenced = errors.New("no claim was lost and no completion was refused in any run: fencing was not exercised")

// doAll does several runs, some at a time, as they wait more than they work. Each has a
// directory in dir. doAll prints the output of a run when it is over. Without
// PostgreSQL it leaves out the runs on it, except in CI. Of several runs at least one
// must have been fenced.
func doAll(ctx context.Context, runs []run, atATime int, dir string, out io.Writer) error {
	var mu sync.Mutex
	errs := make([]error, len(runs)+1)
	turn := make(chan struct{}, atATime)
	fenced, done := int64(0), 0
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			var text bytes.Buffer
			errs[i] = runs[i].do(ctx, filepath.Join(dir, directory(&runs[i])), &text)
			mu.Lock()
			defer mu.Unlock()
			var none *noPostgresError
			switch {
			case errors.As(errs[i], &none) && len(runs) > 1 && !inCI():
				fmt.Fprintf(&text, "left out: %v\n", errs[i])
				errs[i] = nil
			case errs[i] != nil:
				fmt.Fprintf(&text, "%v\n", errs[i])
				done++
			default:
				done++
			}
			fenced += runs[i].fenced
			fmt.Fprintf(out, "%s\n", &text)
		})
	}
	all.Wait()
	if done > 1 && fenced == 0 {
		errs[len(runs)] = errNotFenced
	}
	return errors.Join(errs...)
}

// directory returns the name of a run's directory.
func directory(r *run) string {
	return strings.ReplaceAll(strings.ReplaceAll(r.name(), ",", ""), " ", "-")
}
