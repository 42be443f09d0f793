package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// How often River fetches jobs. The default cooldown of 100 ms would limit 16 workers to
// 160 jobs a second. A longer one than this costs less CPU time, and more latency.
const (
	riverCooldown = 5 * time.Millisecond
	riverPoll     = time.Second // the default; inserts in the same process cause a fetch
)

// endedJob is the River job for the end of a Reducto job. Its job id makes it unique.
type endedJob struct {
	JobID  string `json:"job_id" river:"unique"`
	Status string `json:"status"`
	UserID string `json:"user_id"`
}

// Kind implements river.JobArgs.
func (endedJob) Kind() string { return "job_ended" }

func migrateRiver(ctx context.Context, s *scratch) error {
	return s.use(ctx, func(db *sql.DB) error {
		migrator, err := rivermigrate.New(riverdatabasesql.New(db), nil)
		if err != nil {
			return err
		}
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	})
}

func openRiverSQL(ctx context.Context, w *workplace) (*service, error) {
	db, err := openPool(ctx, w.postgres)
	if err != nil {
		return nil, err
	}
	s, err := openRiver(ctx, w, riverdatabasesql.New(db), func(ctx context.Context, job *river.Job[endedJob]) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // no effect after Commit
		if _, err := tx.ExecContext(ctx, insertEffect, job.Args.JobID, job.Args.UserID); err != nil {
			return err
		}
		if _, err := river.JobCompleteTx[*riverdatabasesql.Driver](ctx, tx, job); err != nil {
			return err
		}
		return tx.Commit()
	}, db.Close)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func openRiverPgx(ctx context.Context, w *workplace) (*service, error) {
	pool, err := openPgxPool(ctx, w.postgres)
	if err != nil {
		return nil, err
	}
	closePool := func() error {
		pool.Close()
		return nil
	}
	s, err := openRiver(ctx, w, riverpgxv5.New(pool), func(ctx context.Context, job *river.Job[endedJob]) error {
		tx, err := pool.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(ctx) }() // no effect after Commit
		if _, err := tx.Exec(ctx, insertEffect, job.Args.JobID, job.Args.UserID); err != nil {
			return err
		}
		if _, err := river.JobCompleteTx[*riverpgxv5.Driver, pgx.Tx](ctx, tx, job); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}, closePool)
	if err != nil {
		return nil, errors.Join(err, closePool())
	}
	return s, nil
}

// openRiver inserts a River job for each delivery before the answer, and works them with
// process.
func openRiver[T any](ctx context.Context, w *workplace, driver riverdriver.Driver[T],
	process func(context.Context, *river.Job[endedJob]) error, closePool func() error,
) (*service, error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[endedJob]) error {
		w.task.enter(job.Args.JobID)
		if err := process(ctx, job); err != nil {
			return err
		}
		w.task.finish()
		return nil
	}))
	client, err := river.NewClient(driver, &river.Config{
		Workers:           workers,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: peerWorkers}},
		FetchCooldown:     riverCooldown,
		FetchPollInterval: riverPoll,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return nil, err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	unique := &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}
	return &service{
		handler: handlerByHand(func(ctx context.Context, d *handDelivery) error {
			_, err := client.Insert(ctx, endedJob{d.JobID, string(d.Status), d.Metadata.UserID}, unique)
			return err
		}),
		submitter: submitByHand(w),
		stop: func(ctx context.Context) error {
			return errors.Join(client.Stop(ctx), closePool())
		},
	}, nil
}
