package inbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// Get returns the record of a job. The error is reducto.ErrNotFound if there is none.
func (in *Inbox) Get(ctx context.Context, jobID string) (Record, error) {
	if err := checkJobID("inbox.Get", jobID); err != nil {
		return Record{}, err
	}
	list, err := in.store.List(ctx, Filter{JobID: jobID, Limit: 1})
	if err != nil {
		return Record{}, err
	}
	if len(list) == 0 {
		return Record{}, fmt.Errorf("inbox: no record of job %s: %w", jobID, reducto.ErrNotFound)
	}
	return list[0], nil
}

// List yields the records that f selects, in the order of their keys. f.Limit is the
// number of records that List reads at a time. It does not limit the total.
func (in *Inbox) List(ctx context.Context, f Filter) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		f := f
		if f.Limit <= 0 {
			f.Limit = defaultListLimit
		}
		for {
			page, err := in.store.List(ctx, f)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			if len(page) < f.Limit {
				return
			}
			f.After = page[len(page)-1].Key
		}
	}
}

// ErrNotDead is Replay's error for a key that has no dead record.
var ErrNotDead = errors.New("inbox: no dead record")

// Replay queues the dead records of these keys again, and resets their attempts. If a
// key has no dead record, the error is ErrNotDead and names the key. The others are
// replayed.
func (in *Inbox) Replay(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	replayed := map[string]bool{}
	for some := range slices.Chunk(keys, defaultListLimit) {
		if err := in.replay(ctx, some, replayed); err != nil {
			return err
		}
	}
	in.wake.send()
	var missing []error
	for _, key := range keys {
		if !replayed[Key(key)] {
			missing = append(missing, fmt.Errorf("%w %q", ErrNotDead, key))
		}
	}
	return errors.Join(missing...)
}

// replay queues the dead records of these keys again with one commit, and notes their
// keys.
func (in *Inbox) replay(ctx context.Context, keys []string, replayed map[string]bool) error {
	records, err := in.store.List(ctx, Filter{Keys: keys, States: []State{StateDead}, WithoutMetadata: true, Limit: len(keys)})
	if err != nil || len(records) == 0 {
		return err
	}
	list := make([]Completion, len(records))
	for i, r := range records {
		list[i] = Completion{Lease: Lease{Key: r.Key, Token: r.Token}, State: StateReceived, Error: r.Error}
	}
	held, err := in.store.Finish(ctx, list)
	if err == nil && len(held) != len(list) {
		err = fmt.Errorf("inbox: the store gave %d answers to %d completions", len(held), len(list))
	}
	if err != nil {
		return err
	}
	for i, r := range records {
		if held[i] {
			replayed[r.Key] = true
			in.note(HistoryEntry{Key: r.Key, Kind: HistoryReplayed})
		}
	}
	return nil
}

// Stats has the counters of an Inbox since New, and the numbers of records in its
// store. Use it to monitor the Inbox.
type Stats struct {
	// Stats has this Inbox's counters. InFlight is the number of functions that run
	// here. Remembered is zero, because done records are not counted.
	webhook.Stats
	// Store counts the records of the store that are not done, from all processes.
	Store StoreStats
	// OldestCall is the age of the oldest running call of this Inbox. If it is longer
	// than WithFuncTimeout, the function ignores its context and keeps its worker.
	OldestCall time.Duration
	// NextExpiry is the time until the next job expires whose record is neither done nor
	// dead. If there is none, it is the value of WithJobExpiry.
	NextExpiry time.Duration
	// HistoryLost counts entries of the history that were dropped, because the store
	// failed or was too slow.
	HistoryLost uint64
	// MeasurementsLost counts measurements that were dropped because the Observer was
	// too slow or panicked.
	MeasurementsLost uint64
}

// Stats returns the counters. Its error is the store's.
func (in *Inbox) Stats(ctx context.Context) (Stats, error) {
	store, err := in.store.Stats(ctx)
	if err != nil {
		return Stats{}, err
	}
	s := Stats{
		Stats: in.recv.Stats(), Store: store, OldestCall: in.oldestCall(),
		NextExpiry:       in.cfg.jobExpiry - store.OldestUnfinished,
		MeasurementsLost: in.measure.calls.Lost.Load(),
	}
	if in.history != nil {
		s.HistoryLost = in.history.lost.Load()
	}
	c := &in.stats
	s.Accepted, s.Duplicates, s.Refused = c.accepted.Load(), c.duplicates.Load(), c.refused.Load()
	s.Unauthorized += c.unauthorized.Load()
	s.Conflicts, s.Expired = c.conflicts.Load(), c.expired.Load()
	s.Calls, s.Failures = c.calls.Load(), c.failures.Load()
	s.Panics += c.panics.Load()
	s.InFlight = in.runningCount()
	return s, nil
}

type counters struct {
	accepted, duplicates, refused, unauthorized, conflicts atomic.Uint64
	calls, failures, panics, expired                       atomic.Uint64
}

// oldestCall returns how long the longest running call has run.
func (in *Inbox) oldestCall() time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	var oldest time.Duration
	for _, c := range in.running {
		oldest = max(oldest, time.Since(c.read))
	}
	return oldest
}

// OutcomeError is the error of Wait for a job that ended without a result.
type OutcomeError struct {
	// Record is the job's record.
	Record Record
}

// Error implements error.
func (e *OutcomeError) Error() string {
	return fmt.Sprintf("inbox: job %s ended as %s", e.Record.JobID, e.Record.Outcome)
}

// Is makes errors.Is match reducto.ErrExpired for a job that expired.
func (e *OutcomeError) Is(target error) bool {
	return target == reducto.ErrExpired && e.Record.Outcome == webhook.OutcomeExpired
}

// waitInterval is how often Wait reads the store if nothing wakes it.
const waitInterval = 2 * time.Second

// Wait waits until the end of a job is known, and returns its record. Your function
// may not have been called yet. If the job ended without a result, the error is an
// *OutcomeError. If the store has no record of the job, the error is
// reducto.ErrNotFound: submit the job through this Inbox, or Track it.
//
// Wait needs an Inbox that runs on the same store.
func (in *Inbox) Wait(ctx context.Context, jobID string) (Record, error) {
	var last Record
	for {
		changed := in.ended.wait() // before the record is read
		r, err := in.Get(ctx, jobID)
		switch {
		case err != nil && ctx.Err() != nil:
			return last, context.Cause(ctx)
		case err != nil:
			return Record{}, err
		case r.State == StatePending, r.Outcome == webhook.OutcomeUnknown && r.State != StateDone && r.State != StateDead:
		case r.Outcome == webhook.OutcomeCompleted:
			return r, nil
		default:
			return r, &OutcomeError{Record: r}
		}
		last = r
		timer := time.NewTimer(waitInterval)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return last, context.Cause(ctx)
		}
		timer.Stop()
	}
}
