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

// work is the user's part of a child: a function that writes its effect into the
// database.
type work struct {
	cfg    childConfig
	db     *sql.DB
	struck atomic.Bool // the point was reached
}

// The ways in which the user's function goes.
const (
	moodFine      = "fine"
	moodFails     = "fails before its effect"
	moodPanics    = "panics before its effect"
	moodFailsLate = "fails after its effect" // with CompleteTx: and rolls back
	moodPanicLate = "panics after its effect"
	moodForgets   = "does not commit" // with CompleteTx only
	moodFailsDone = "fails after its commit"
)

// moodOf is how an attempt goes: each submission's own, so that the seed decides.
func moodOf(cfg *childConfig, submission string, attempt int) (mood string, takes time.Duration, fetches bool) {
	if !cfg.Unsteady {
		return moodFine, 0, false
	}
	r := stream(cfg.Seed, fmt.Sprintf("attempt %d of %s", attempt, submission))
	mood = choose(r, []weighted[string]{
		{moodFine, 70}, {moodFails, 12}, {moodPanics, 5}, {moodFailsLate, 5}, {moodPanicLate, 3}, {moodForgets, 3}, {moodFailsDone, 2},
	})
	return mood, drawWork(r), r.IntN(3) == 0
}

// drawWork is how long an attempt takes: now and then longer than the lease, which
// then has to be renewed.
func drawWork(r *rand.Rand) time.Duration {
	if r.IntN(40) == 0 {
		return between(r, lease, 2*lease)
	}
	return between(r, 0, 60*time.Millisecond)
}

var errPlanned = errors.New("the plan says so")

// process is the webhook.Func.
func (w *work) process(ctx context.Context, d *webhook.Delivery) error {
	var said reference
	if err := json.Unmarshal(d.Metadata, &said); err != nil || said.N == nil {
		return fmt.Errorf("the metadata is not what was submitted: %w", errors.Join(err, errPlanned))
	}
	if err := w.strike(pointClaimed); err != nil {
		return err
	}
	if stops(w.cfg.Point) {
		// What holds it back is to be the store's fence, not its own conscience.
		ctx = context.WithoutCancel(ctx)
		if err := w.strike(w.cfg.Point); err != nil {
			return err
		}
	}
	mood, takes, fetches := moodOf(&w.cfg, d.SubmissionID, d.Attempt)
	if !sleep(ctx, takes) {
		return context.Cause(ctx)
	}
	if fetches {
		if _, err := d.Job(ctx); err != nil && !errors.Is(err, reducto.ErrExpired) {
			return err
		}
	}
	switch mood {
	case moodFails:
		return errPlanned
	case moodPanics:
		panic(errPlanned)
	}
	e := effect{
		Submission: d.SubmissionID, Job: d.JobID, Outcome: string(d.Outcome), N: *said.N, Attempt: d.Attempt,
		Child: fmt.Sprintf("%d.%d", w.cfg.Slot, w.cfg.Generation),
	}
	if w.cfg.Tx {
		return w.together(ctx, d, &e, mood)
	}
	return w.apart(ctx, &e, mood)
}

// apart has the effect first and the completion after it.
func (w *work) apart(ctx context.Context, e *effect, mood string) error {
	if err := e.write(ctx, w.db); err != nil {
		return err
	}
	if err := w.strike(pointEffect); err != nil {
		return err
	}
	switch mood {
	case moodFailsLate, moodFailsDone:
		return errPlanned
	case moodPanicLate:
		panic(errPlanned)
	}
	return nil
}

// together has both in one transaction.
func (w *work) together(ctx context.Context, d *webhook.Delivery, e *effect, mood string) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after Commit
	if err := e.write(ctx, tx); err != nil {
		return err
	}
	if err := d.CompleteTx(ctx, tx); err != nil {
		return err
	}
	if err := w.strike(pointEffect); err != nil {
		return err
	}
	switch mood {
	case moodFailsLate:
		return errPlanned
	case moodPanicLate:
		panic(errPlanned)
	case moodForgets:
		return nil
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if err := w.strike(pointCommitted); err != nil {
		return err
	}
	if mood == moodFailsDone {
		return errPlanned
	}
	return nil
}

// strike does to this process what it was told to do at the point, once.
func (w *work) strike(point string) error {
	if w.cfg.Point != point || w.struck.Swap(true) {
		return nil
	}
	if !stops(point) {
		die()
	}
	stop()
	// The signal can reach another thread first.
	sleep(context.Background(), 50*time.Millisecond)
	if point == pointStoppedFails {
		return errPlanned
	}
	return nil
}
