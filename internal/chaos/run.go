package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// errBroken says that a guarantee was broken.
var errBroken = errors.New("a guarantee is broken, see the ledger")

// run is one run of the harness, in one configuration.
type run struct {
	options
	Profile profile
	Seed    uint64
	Limit   time.Duration // of the run, unless the attack ends too late for drainFor

	fenced int64 // claims lost and completions refused, set by do
}

// name returns the name of the configuration.
func (r *run) name() string {
	way := "no transaction"
	if r.Tx {
		way = "CompleteTx"
	}
	if r.Own {
		return r.Store + " of its own, " + way
	}
	return r.Store + ", " + way
}

// do does the run with its files in dir, and writes the ledger to out. The error is
// errBroken if a guarantee is broken. Any other error means that there is no ledger.
func (r *run) do(ctx context.Context, dir string, out io.Writer) (err error) {
	began := time.Now()
	limit := began.Add(r.Limit)
	attack, cancel := context.WithDeadline(ctx, limit)
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
	attackBegan := time.Now()
	w.attack(attack, submitter, disruptor)
	fmt.Fprintf(out, "%s: attacked for %v\n", r.name(), time.Since(began).Round(time.Second))
	attackEnded := time.Now()
	if drained := attackEnded.Add(drainFor(r.Profile, attackEnded.Sub(attackBegan))); limit.Before(drained) {
		limit = drained
	}
	draining, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	quiet := w.awaitQuiet(draining, attackEnded.Add(hold+lease))
	if quiet {
		if err := w.fleet.end(); err != nil {
			w.fleet.trouble("%v", err)
		}
	}
	if r.Profile.Pauses > 0 && disruptor.holding == 0 {
		w.fleet.trouble("no child was paused while it held a claim")
	}
	// The ledger is made even if the time is over.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	f, err := w.gather(ending, r.Tx, disruptor.returns)
	if err != nil {
		return fmt.Errorf("%s: there is no ledger: %w", r.name(), err)
	}
	r.fenced = w.fleet.metric(inbox.MetricFenced)
	l := newLedger(f)
	text := r.report(l, w, submitter, disruptor, quiet, time.Since(began))
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

// attack submits the jobs of the plan, and carries out its faults.
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
		// Failed submissions are repeated, so the faults must end before them.
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

// awaitQuiet waits until every submission has its outcome and all records are done, but
// not less than until earliest: a held delivery or a lost lease can have a late effect.
// It reports false if the time is over.
func (w *world) awaitQuiet(ctx context.Context, earliest time.Time) bool {
	for {
		if time.Now().After(earliest) && w.service.quiet() && w.settled(ctx) {
			return true
		}
		if !sleep(ctx, 250*time.Millisecond) {
			return false
		}
	}
}

// settled reports whether the record of every job is done or dead.
func (w *world) settled(ctx context.Context) bool {
	open, err := w.db.records(ctx, inbox.Filter{
		States: []inbox.State{inbox.StatePending, inbox.StateReceived, inbox.StateClaimed},
	})
	if err != nil {
		return false
	}
	for i := range open {
		// A submission that was recorded, but never sent, does not end.
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

// dead reports whether the record of a submission is dead or done.
func (w *world) dead(ctx context.Context, id string) bool {
	found, err := w.db.records(ctx, inbox.Filter{Keys: []string{id}, States: []inbox.State{inbox.StateDead, inbox.StateDone}})
	return err == nil && len(found) > 0
}

// report returns the ledger with the facts of the run.
func (r *run) report(l *ledger, w *world, s *submitter, d *disruptor, quiet bool, took time.Duration) string {
	verdict := "ok"
	if !quiet {
		verdict = "FAILED: the time was over before all was done"
	} else if !l.ok() {
		verdict = "FAILED"
	}
	p := r.Profile
	return fmt.Sprintf("%s: %s\n  %-46s %d\n  %-46s %v, faults planned for %v\n  %-46s %d, %d orders, %d of unknown outcome\n"+
		"  %-46s %d kills, %d pauses past the lease (%d of a child with a claim), %d drops,\n"+
		"  %-46s %d restarts, %d failovers and %d full disks of the database; %d connections broken\n"+
		"%s  %-46s %d claims lost or completions refused, %d panics, %d not committed\n",
		r.name(), verdict, "seed", r.Seed, "time", took.Round(time.Second), p.Window,
		"submissions", len(w.plan.Submissions), s.orders, s.unknown,
		"disruptions", d.counts[disruptKill], d.counts[disruptPause], d.holding, d.counts[disruptDrop],
		"", d.counts[disruptRestart], d.counts[disruptFailover], d.counts[disruptFullDisk], d.broken,
		l, "measured by the children", r.fenced,
		w.fleet.metric(inbox.MetricHandled+" panicked"), w.fleet.metric(inbox.MetricHandled+" not_committed"))
}
