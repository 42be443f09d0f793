package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

const (
	// mostBloat is the goal: the mean of the last quarter beside that of the second one.
	mostBloat = 1.25
	// submitters is the number of submissions at a time.
	submitters = 12
	// waiting is the number of records that stay pending, and are polled.
	waiting = 20_000
	// others is the number of records of another namespace in the tables. So they are large.
	others = 1_000_000
	// samples is how often the sizes are read.
	samples = 80
)

// sizesOf are the sizes of the tables in MB, and thousands of rows.
type sizesOf struct {
	at                                    time.Duration
	records, recordIndexes, jobs, indexes float64 // of the heaps and the indexes
	dead, rows                            float64
	claim                                 float64 // the median of claims since the last sample, in ms
	vacuums                               int
	done                                  int64 // jobs so far
}

func measureSoak(ctx context.Context, r *run) (found report, err error) {
	d, err := create(ctx)
	if err != nil {
		return report{}, err
	}
	defer func() { err = errors.Join(err, d.drop(ctx)) }()
	autovacuum := ""
	if err := d.QueryRowContext(ctx, `SHOW autovacuum`).Scan(&autovacuum); err != nil {
		return report{}, err
	}
	if autovacuum != "on" && !r.quick {
		return report{}, errors.New("the server has autovacuum off, so its tables grow without a limit: set autovacuum = on, or name another server with " + serverVariable)
	}
	beside := r.beside()
	r.log("soak: a table of %s records", grouped(beside))
	other, err := sqlstore.Open(ctx, d.DB, sqlstore.PostgreSQL, sqlstore.WithNamespace("other"))
	if err != nil {
		return report{}, err
	}
	if err := (&database{d.DB, other, d.schema}).fill(ctx, inbox.StateDone, beside, spread); err != nil {
		return report{}, err
	}
	if err := d.do(ctx, `VACUUM (ANALYZE)`); err != nil {
		return report{}, err
	}
	if err := d.fill(ctx, inbox.StatePending, min(waiting, r.pending), time.Minute); err != nil {
		return report{}, err
	}
	load, stop := context.WithTimeout(ctx, r.soak)
	defer stop()
	var list []sizesOf
	var done atomic.Int64
	var claims durations
	var group sync.WaitGroup
	failures := make(chan error, 64)
	start := func(loop func(context.Context) error) {
		group.Go(func() {
			for load.Err() == nil {
				if err := loop(load); err != nil && load.Err() == nil {
					select {
					case failures <- err:
					default:
					}
					stop()
				}
			}
		})
	}
	ended := make(chan inbox.Notification, 16*r.batch)
	for range submitters {
		start(func(ctx context.Context) error {
			n := notification(newSubmission(), uuid.NewString())
			if err := submit(ctx, d.store, n.SubmissionID, n.JobID); err != nil {
				return err
			}
			select {
			case ended <- n:
			case <-ctx.Done():
			}
			return nil
		})
	}
	for range 2 {
		start(func(ctx context.Context) error { return receiveSome(ctx, d, ended, r.batch) })
		start(func(ctx context.Context) error {
			began := time.Now()
			claimed, _, err := d.store.Claim(ctx, r.batch, time.Minute)
			if err != nil {
				return err
			}
			claims.add(time.Since(began))
			if len(claimed) == 0 {
				return pause(ctx, 20*time.Millisecond)
			}
			_, err = d.store.Finish(ctx, finish(claimed))
			done.Add(int64(len(claimed)))
			return err
		})
	}
	start(func(ctx context.Context) error {
		if n, err := d.store.Purge(ctx, r.kept, time.Hour, 1000); err != nil || n > 0 {
			return err
		}
		return pause(ctx, time.Second/4)
	})
	start(func(ctx context.Context) error {
		if _, err := d.store.Overdue(ctx, 1000, func(*inbox.Record) time.Duration { return time.Second }); err != nil {
			return err
		}
		return pause(ctx, time.Second)
	})
	began := time.Now()
	for load.Err() == nil {
		if pause(load, r.soak/samples) != nil {
			break
		}
		s, err := d.sizes(ctx)
		if err != nil {
			stop()
			group.Wait()
			return report{}, err
		}
		s.at, s.done, s.claim = time.Since(began), done.Load(), claims.take()
		list = append(list, s)
		if len(list)%8 == 0 {
			r.log("soak: %s jobs, %.0f MB of records, %.0f MB of indexes, %.0f thousand dead rows", grouped(int(s.done)), s.records, s.recordIndexes, s.dead)
		}
	}
	group.Wait()
	close(failures)
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return report{}, err
	}
	return r.bloat(list, done.Load())
}

// beside returns the number of records of another namespace in the tables.
func (r *run) beside() int { return min(others, r.sizes[len(r.sizes)-1]) }

// receiveSome receives a batch of notifications.
func receiveSome(ctx context.Context, d *database, ended <-chan inbox.Notification, n int) error {
	var batch []inbox.Notification
	select {
	case first := <-ended:
		batch = append(batch, first)
	case <-ctx.Done():
		return nil
	}
	for len(batch) < n && len(ended) > 0 {
		batch = append(batch, <-ended)
	}
	_, err := d.store.Receive(ctx, batch)
	return err
}

// durations are collected.
type durations struct {
	mu   sync.Mutex
	list []float64
}

func (d *durations) add(one time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, one.Seconds()*1000)
}

// take returns the median in milliseconds, and begins anew.
func (d *durations) take() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.list = nil }()
	return median(d.list)
}

// sizes reads the sizes of the tables.
func (d *database) sizes(ctx context.Context) (s sizesOf, err error) {
	err = d.QueryRowContext(ctx, `
SELECT pg_table_size('reducto_records') / 1e6, pg_indexes_size('reducto_records') / 1e6,
  pg_table_size('reducto_jobs') / 1e6, pg_indexes_size('reducto_jobs') / 1e6, sum(n_dead_tup) / 1e3, sum(n_live_tup) / 1e3, sum(autovacuum_count)
FROM pg_stat_user_tables WHERE relid IN ('reducto_records'::regclass, 'reducto_jobs'::regclass)`).
		Scan(&s.records, &s.recordIndexes, &s.jobs, &s.indexes, &s.dead, &s.rows, &s.vacuums)
	return s, err
}

// bloat judges the sizes.
func (r *run) bloat(list []sizesOf, done int64) (report, error) {
	if len(list) < 8 {
		return report{}, fmt.Errorf("only %d samples: use a longer -soak", len(list))
	}
	quarter := len(list) / 4
	rows := [][]string{{"Time", "Jobs", "Records (MB)", "their indexes (MB)", "Jobs (MB)", "their indexes (MB)", "Dead rows (thousands)", "Autovacuums", "Claim (ms)", ""}}
	for i := quarter/2 - 1; i < len(list); i += max(quarter/2, 1) {
		s := list[i]
		rows = append(rows, []string{
			s.at.Round(time.Second).String(), grouped(int(s.done)), fmt.Sprintf("%.0f", s.records), fmt.Sprintf("%.0f", s.recordIndexes),
			fmt.Sprintf("%.0f", s.jobs), fmt.Sprintf("%.0f", s.indexes), fmt.Sprintf("%.0f", s.dead), fmt.Sprint(s.vacuums), fmt.Sprintf("%.1f", s.claim), "",
		})
	}
	last, worst := []string{"Last quarter beside the second", ""}, 0.0
	for _, of := range []func(sizesOf) float64{
		func(s sizesOf) float64 { return s.records }, func(s sizesOf) float64 { return s.recordIndexes },
		func(s sizesOf) float64 { return s.jobs }, func(s sizesOf) float64 { return s.indexes },
		func(s sizesOf) float64 { return s.claim },
	} {
		var values []float64
		for _, s := range list {
			values = append(values, of(s))
		}
		ratio := mean(values[len(values)-quarter:]) / mean(values[quarter:2*quarter])
		last, worst = append(last, fmt.Sprintf("%.2f", ratio)), max(worst, ratio)
	}
	last = slices.Insert(last, len(last)-1, "", "") // dead rows and autovacuums
	rows = append(rows, append(last, verdictOf(worst <= mostBloat)))
	took := list[len(list)-1].at
	return report{
		note: fmt.Sprintf("%s jobs in %v, as many as in %.0f hours at a million jobs a day. Done records are kept for %v, %s records are pending and polled, and %s records are those of another namespace. "+
			"The goal is that the means of the last quarter of the time are at most %.2f of those of the second quarter.",
			grouped(int(done)), took.Round(time.Second), float64(done)/1e6*24, r.kept, grouped(min(waiting, r.pending)),
			grouped(r.beside()), mostBloat),
		tables: [][][]string{rows},
	}, nil
}
