package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The effect that the function of every contestant has: one row. The table has no unique
// index, so that a second effect of a job would be seen.
const (
	createEffects = `CREATE TABLE effects (id bigserial PRIMARY KEY, job_id text NOT NULL, user_id text NOT NULL)`
	insertEffect  = `INSERT INTO effects (job_id, user_id) VALUES ($1, $2)`
)

// task notes the calls of the functions for n jobs.
type task struct {
	mu       sync.Mutex
	entered  map[string]time.Time
	again    int // calls for a job that had one
	finished int
	want     int
	last     time.Time     // when the last function had finished
	done     chan struct{} // closed then
}

func newTask(n int) *task {
	return &task{entered: make(map[string]time.Time, n), want: n, done: make(chan struct{})}
}

// enter notes that a function begins.
func (t *task) enter(job string) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.entered[job]; ok {
		t.again++
	} else {
		t.entered[job] = now
	}
}

// finish notes that the effect of a job and its completion are committed.
func (t *task) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished++; t.finished == t.want {
		t.last = time.Now()
		close(t.done)
	}
}

// wait waits for all jobs.
func (t *task) wait(ctx context.Context) error {
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		return fmt.Errorf("%d of %d jobs were processed: %w", t.finished, t.want, context.Cause(ctx))
	}
}

// latencies returns the seconds from the first delivery of each job to its function.
func (t *task) latencies(sent delivered) ([]float64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.again > 0 {
		return nil, fmt.Errorf("%d functions were called twice", t.again)
	}
	list := make([]float64, 0, len(sent))
	for job, at := range sent {
		entered, ok := t.entered[job]
		if !ok {
			return nil, errors.New("a job was not processed: " + job)
		}
		list = append(list, entered.Sub(time.Unix(0, at)).Seconds())
	}
	return list, nil
}

// checkEffects fails unless each of n jobs has one effect.
func checkEffects(ctx context.Context, db *sql.DB, n int) error {
	var rows, jobs int
	if err := db.QueryRowContext(ctx, `SELECT count(*), count(DISTINCT job_id) FROM effects`).Scan(&rows, &jobs); err != nil {
		return err
	}
	if rows != n || jobs != n {
		return fmt.Errorf("%d jobs have %d effects for %d jobs", n, rows, jobs)
	}
	return nil
}
