package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// work has the user's function of a child. The function writes an effect into the
// database.
type work struct {
	cfg     childConfig
	db      *sql.DB
	say     *events
	reached atomic.Bool // the child's point
	holds   atomic.Bool // the next call is to hold its claim
}

// The behaviors of a call of the user's function.
const (
	succeeds         = "succeeds"
	failsEarly       = "fails before its effect"
	panicsEarly      = "panics before its effect"
	failsLate        = "fails after its effect" // with CompleteTx: and rolls back
	panicsLate       = "panics after its effect"
	forgetsCommit    = "does not commit" // with CompleteTx only
	failsAfterCommit = "fails after its commit"
)

// behaviorOf returns how an attempt for a submission behaves. The seed decides.
func behaviorOf(cfg *childConfig, submission string, attempt int) (behavior string, takes time.Duration, fetches bool) {
	if !cfg.Unsteady {
		return succeeds, 0, false
	}
	r := stream(cfg.Seed, fmt.Sprintf("attempt %d of %s", attempt, submission))
	behavior = choose(r, []weighted[string]{
		{succeeds, 70}, {failsEarly, 12}, {panicsEarly, 5}, {failsLate, 5}, {panicsLate, 3}, {forgetsCommit, 3}, {failsAfterCommit, 2},
	})
	return behavior, drawWork(r), r.IntN(3) == 0
}

// drawWork returns how long an attempt takes. One in forty takes longer than the lease,
// which must be renewed then.
func drawWork(r *rand.Rand) time.Duration {
	if r.IntN(40) == 0 {
		return between(r, lease, 2*lease)
	}
	return between(r, 0, 60*time.Millisecond)
}

var errPlanned = errors.New("a planned failure")

// process is the user's function. It implements webhook.Func.
func (w *work) process(ctx context.Context, d *webhook.Delivery) error {
	var said reference
	if err := json.Unmarshal(d.Metadata, &said); err != nil || said.N == nil {
		return fmt.Errorf("the metadata differs from the submission's: %w", errors.Join(err, errPlanned))
	}
	if err := w.reach(pointClaimed); err != nil {
		return err
	}
	if stops(w.cfg.Point) {
		// Only the store's fencing token is to refuse the completion.
		ctx = context.WithoutCancel(ctx)
		if err := w.reach(w.cfg.Point); err != nil {
			return err
		}
	}
	if w.holds.Swap(false) {
		w.say.event(event{Holding: true})
		sleep(ctx, holdFor) // the parent stops this process meanwhile
	}
	behavior, takes, fetches := behaviorOf(&w.cfg, d.SubmissionID, d.Attempt)
	if !sleep(ctx, takes) {
		return context.Cause(ctx)
	}
	if fetches {
		if _, err := d.Job(ctx); err != nil && !errors.Is(err, reducto.ErrExpired) {
			return err
		}
	}
	switch behavior {
	case failsEarly:
		return errPlanned
	case panicsEarly:
		panic(errPlanned)
	}
	e := effect{
		Submission: d.SubmissionID, Job: d.JobID, Outcome: string(d.Outcome), N: *said.N, Attempt: d.Attempt,
		Child: fmt.Sprintf("%d.%d", w.cfg.Slot, w.cfg.Generation),
	}
	if w.cfg.Tx {
		return w.together(ctx, d, &e, behavior)
	}
	return w.apart(ctx, &e, behavior)
}

// apart writes the effect first. The Inbox completes the record afterwards.
func (w *work) apart(ctx context.Context, e *effect, behavior string) error {
	if err := e.write(ctx, w.db, w.cfg.Database.Kind); err != nil {
		return err
	}
	if err := w.reach(pointEffect); err != nil {
		return err
	}
	switch behavior {
	case failsLate, failsAfterCommit:
		return errPlanned
	case panicsLate:
		panic(errPlanned)
	}
	return nil
}

// together writes the effect and completes the record in one transaction.
func (w *work) together(ctx context.Context, d *webhook.Delivery, e *effect, behavior string) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	if err := e.write(ctx, tx, w.cfg.Database.Kind); err != nil {
		return err
	}
	if err := d.CompleteTx(ctx, tx); err != nil {
		return err
	}
	if err := w.reach(pointEffect); err != nil {
		return err
	}
	switch behavior {
	case failsLate:
		return errPlanned
	case panicsLate:
		panic(errPlanned)
	case forgetsCommit:
		return nil
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if err := w.reach(pointCommitted); err != nil {
		return err
	}
	if behavior == failsAfterCommit {
		return errPlanned
	}
	return nil
}

// reach kills or stops this process if point is the child's, once.
func (w *work) reach(point string) error {
	if w.cfg.Point != point || w.reached.Swap(true) {
		return nil
	}
	if !stops(point) {
		die()
	}
	stop()
	// The kernel may stop the other threads first.
	sleep(context.Background(), 50*time.Millisecond)
	if point == pointStoppedFails {
		return errPlanned
	}
	return nil
}
