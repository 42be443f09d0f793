package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The table of a queue by hand, and its statements.
const (
	createQueue = `
CREATE TABLE queue (
  id       bigserial PRIMARY KEY,
  job_id   text NOT NULL UNIQUE,
  status   text NOT NULL,
  user_id  text NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  run_at   timestamptz NOT NULL DEFAULT now(),
  done_at  timestamptz
);
CREATE INDEX queue_due ON queue (run_at, id) WHERE done_at IS NULL`
	enqueueJob  = `INSERT INTO queue (job_id, status, user_id) VALUES ($1, $2, $3) ON CONFLICT (job_id) DO NOTHING`
	claimJob    = `SELECT id, job_id, user_id FROM queue WHERE done_at IS NULL AND run_at <= now() ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED`
	completeJob = `UPDATE queue SET done_at = now() WHERE id = $1`
	retryJob    = `UPDATE queue SET attempts = attempts + 1, run_at = now() + interval '1 second' * power(2, least(attempts, 10)) WHERE id = $1`
)

// queuePoll is how often an idle worker looks for jobs of other processes.
const queuePoll = time.Second

func migrateSkipLocked(ctx context.Context, s *scratch) error {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, createQueue)
	return errors.Join(err, conn.Close(ctx))
}

// queueByHand is a table, and workers that hold the lock of a row while they work.
type queueByHand struct {
	pool *pgxpool.Pool
	task *task
	wake chan struct{} // a job was inserted
}

func openSkipLocked(ctx context.Context, w *workplace) (*service, error) {
	pool, err := openPgxPool(ctx, w.postgres)
	if err != nil {
		return nil, err
	}
	q := &queueByHand{pool: pool, task: w.task, wake: make(chan struct{}, peerWorkers)}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	failed := make(chan error, peerWorkers)
	for range peerWorkers {
		workers.Go(func() { failed <- q.work(running) })
	}
	return &service{
		handler: handlerByHand(func(ctx context.Context, d *handDelivery) error {
			tag, err := pool.Exec(ctx, enqueueJob, d.JobID, d.Status, d.Metadata.UserID)
			if err == nil && tag.RowsAffected() == 1 {
				select {
				case q.wake <- struct{}{}:
				default:
				}
			}
			return err
		}),
		submitter: submitByHand(w),
		stop: func(context.Context) error {
			cancel()
			workers.Wait()
			pool.Close()
			var errs []error
			for range peerWorkers {
				errs = append(errs, <-failed)
			}
			return errors.Join(errs...)
		},
	}, nil
}

// work processes jobs until ctx ends. It returns the last error of a job.
func (q *queueByHand) work(ctx context.Context) (failed error) {
	timer := time.NewTimer(queuePoll)
	defer timer.Stop()
	for ctx.Err() == nil {
		found, err := q.processNext(context.WithoutCancel(ctx))
		if err != nil {
			failed = err
		}
		if found {
			continue
		}
		timer.Reset(queuePoll)
		select {
		case <-q.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return failed
}

// processNext claims a job, and commits its effect together with its completion.
func (q *queueByHand) processNext(ctx context.Context) (found bool, err error) {
	tx, err := q.pool.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // no effect after Commit
	var id int64
	var job, user string
	switch err := tx.QueryRow(ctx, claimJob).Scan(&id, &job, &user); {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	}
	if err := q.process(ctx, tx, id, job, user); err != nil {
		_ = tx.Rollback(ctx)
		_, retry := q.pool.Exec(ctx, retryJob, id)
		return true, errors.Join(err, retry)
	}
	return true, nil
}

func (q *queueByHand) process(ctx context.Context, tx pgx.Tx, id int64, job, user string) error {
	q.task.enter(job)
	if _, err := tx.Exec(ctx, insertEffect, job, user); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, completeJob, id); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	q.task.finish()
	return nil
}
