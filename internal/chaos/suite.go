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

// calm is how long a run may need after its faults have ended. Two minutes is how
// long the inbox holds a delivery whose submission's answer it waits for, should
// the child that waits be killed; a little more than one how long a sweep waits
// before its second look, and twice that before the third; half of one how long a
// killed sweeper keeps its turn.
const calm = 170 * time.Second

// profileFor is the profile of a run on a store.
func profileFor(store string, jobs, kills int, window time.Duration) profile {
	p := profile{Jobs: jobs, Children: 1, Kills: kills, Pauses: kills / 6, Window: window}
	if store == onPostgres {
		p.Children, p.Drops = 3, kills/4
	}
	return p
}

// windowFor is how long that much needs to happen in. Children need to get
// something done between two disruptions.
func windowFor(jobs, kills int) time.Duration {
	return max(10*time.Second, time.Duration(jobs)*60*time.Millisecond, time.Duration(kills)*1500*time.Millisecond)
}

// four are the combinations of stores and ways to complete.
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

// doAll does the runs, some at a time: they wait more than they work. Each has a
// directory in dir. What one prints is printed when it is over. Of several, those
// on PostgreSQL are left out where there is none, except in CI.
func doAll(ctx context.Context, runs []run, atATime int, dir string, out io.Writer) error {
	var mu sync.Mutex
	errs := make([]error, len(runs))
	turn := make(chan struct{}, atATime)
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			var text bytes.Buffer
			errs[i] = runs[i].do(ctx, filepath.Join(dir, directory(&runs[i])), &text)
			var none *noPostgresError
			switch {
			case errs[i] == nil:
			case errors.As(errs[i], &none) && len(runs) > 1 && !inCI():
				fmt.Fprintf(&text, "left out: %v\n", errs[i])
				errs[i] = nil
			default:
				fmt.Fprintf(&text, "%v\n", errs[i])
			}
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(out, "%s\n", &text)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// directory is the name of a run's directory.
func directory(r *run) string {
	return strings.ReplaceAll(strings.ReplaceAll(r.name(), ",", ""), " ", "-")
}
