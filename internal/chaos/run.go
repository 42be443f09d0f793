package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// errBroken: a run has ended, and something that must hold does not.
var errBroken = errors.New("the ledger shows what must not be")

// run is one run of the harness: a store, and a way to complete.
type run struct {
	options
	Profile profile
	Seed    uint64
	Limit   time.Duration // of everything
}

// name is what the run is called.
func (r *run) name() string {
	way := "no transaction"
	if r.Tx {
		way = "CompleteTx"
	}
	return r.Store + ", " + way
}

// do runs it, with its files in dir, and writes the ledger to out. The error is
// errBroken, or why there is no ledger.
func (r *run) do(ctx context.Context, dir string, out io.Writer) (err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.Limit)
	defer cancel()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	w, err := newWorld(ctx, newPlan(r.Seed, r.Profile), r.options, dir)
	if err != nil {
		return fmt.Errorf("%s: %w", r.name(), err)
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.startAll(ctx); err != nil {
		return fmt.Errorf("%s: %w", r.name(), err)
	}
	submitter := &submitter{world: w}
	disruptor := &disruptor{world: w, counts: map[string]int{}}
	w.attack(ctx, submitter, disruptor)
	fmt.Fprintf(out, "%s: calm after %v\n", r.name(), time.Since(began).Round(time.Second))
	quiet := w.awaitQuiet(ctx)
	if quiet {
		if err := w.fleet.end(); err != nil {
			w.fleet.trouble("%v", err)
		}
	}
	// The time may be over; the account is made all the same.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	f, err := w.gather(ending, r.Tx)
	if err != nil {
		return fmt.Errorf("%s: there is no account: %w", r.name(), err)
	}
	l := settle(f)
	text := r.account(l, w, submitter, disruptor, quiet, time.Since(began))
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "ledger.txt"), []byte(text), 0o600); err != nil {
		return err
	}
	if quiet && l.ok() {
		return nil
	}
	return errors.Join(fmt.Errorf("%s, seed %d: %w", r.name(), r.Seed, errBroken), keepFacts(dir, f))
}

// attack has the plan's faults happen while its jobs are submitted.
func (w *world) attack(ctx context.Context, s *submitter, d *disruptor) {
	if w.plan.Profile.Gentle {
		w.service.breakAnswers()
		s.run(ctx)
		d.run(ctx, w.plan.Disruptions)
	} else {
		w.service.breakAnswers()
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run(ctx)
		}()
		d.run(ctx, w.plan.Disruptions)
		// Submissions that failed are repeated, and the faults may not go on for ever.
		sleepOr(ctx, 10*time.Second, done)
		w.service.ClearFaults()
		<-done
	}
	w.service.ClearFaults()
}

// sleepOr waits for d, for done, or for ctx to end.
func sleepOr(ctx context.Context, d time.Duration, done <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// awaitQuiet waits until every submission has its outcome and nothing is left to
// do. It reports false if the time is over.
func (w *world) awaitQuiet(ctx context.Context) bool {
	for {
		if w.service.quiet() && w.settled(ctx) {
			return true
		}
		if !sleep(ctx, 250*time.Millisecond) {
			return false
		}
	}
}

// settled reports whether no record of a job waits for anything.
func (w *world) settled(ctx context.Context) bool {
	open, err := w.db.records(ctx, webhook.Filter{
		States: []webhook.State{webhook.StatePending, webhook.StateReceived, webhook.StateClaimed},
	})
	if err != nil {
		return false
	}
	for i := range open {
		// A submission that was recorded and never reached the service has no end.
		if len(w.service.jobsOf(open[i].SubmissionID)) > 0 {
			return false
		}
	}
	effects, err := w.db.effects(ctx)
	if err != nil {
		return false
	}
	seen := map[string]bool{}
	for _, e := range effects {
		seen[e.Submission] = true
	}
	for _, sub := range w.plan.Submissions {
		if !seen[sub.ID] && len(w.service.jobsOf(sub.ID)) > 0 && !w.dead(ctx, sub.ID) {
			return false
		}
	}
	return true
}

// dead reports whether a record was given up: nothing more will come of it.
func (w *world) dead(ctx context.Context, id string) bool {
	found, err := w.db.records(ctx, webhook.Filter{Keys: []string{id}, States: []webhook.State{webhook.StateDead, webhook.StateDone}})
	return err == nil && len(found) > 0
}

func (r *run) account(l *ledger, w *world, s *submitter, d *disruptor, quiet bool, took time.Duration) string {
	verdict := "ok"
	if !quiet {
		verdict = "FAILED: the time was over before all was done"
	} else if !l.ok() {
		verdict = "FAILED"
	}
	p := r.Profile
	return fmt.Sprintf("%s: %s\n  %-46s %d\n  %-46s %v, %v of them under attack\n  %-46s %d, %d orders, %d of unknown outcome\n"+
		"  %-46s %d kills, %d pauses past the lease, %d drops of %d connections\n%s  %-46s %d refused for their token, %d panics, %d not committed\n",
		r.name(), verdict, "seed", r.Seed, "time", took.Round(time.Second), p.Window,
		"submissions", len(w.plan.Submissions), s.orders, s.unknown,
		"disruptions", d.counts[disruptKill], d.counts[disruptPause], d.counts[disruptDrop], d.broken,
		l, "as far as the children could tell", w.fleet.metric(webhook.MetricFenced),
		w.fleet.metric(webhook.MetricHandled+" panicked"), w.fleet.metric(webhook.MetricHandled+" not_committed"))
}
