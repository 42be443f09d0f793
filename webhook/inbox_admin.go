package webhook

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
)

// List yields the records that f chooses, in the order of their keys, from as many
// pages as it takes: f.Limit is the size of a page.
func (in *Inbox) List(ctx context.Context, f Filter) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		f := f
		limit := f.Limit
		if limit <= 0 {
			limit = 100
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
			if len(page) < limit {
				return
			}
			f.After = page[len(page)-1].Key
		}
	}
}

// Replay has the function called again for dead records, by key, as if for the
// first time. A key of which there is no dead record is an error that names it;
// the others are replayed all the same.
func (in *Inbox) Replay(ctx context.Context, keys ...string) error {
	ok, err := in.store.Replay(ctx, keys)
	if err != nil {
		return err
	}
	in.wake.send()
	var missing []error
	for i, key := range keys {
		if !ok[i] {
			missing = append(missing, fmt.Errorf("webhook: there is no dead record %q", key))
		}
	}
	return errors.Join(missing...)
}

// InboxStats is what an Inbox has done since it was made, and what its store
// holds.
type InboxStats struct {
	// Stats counts what this Inbox has done. InFlight is the number of functions that
	// are running, Remembered that of the records that are done.
	Stats
	// Store counts what the store holds, whoever put it there.
	Store StoreStats
	// Lost counts measurements that an observer did not take.
	Lost uint64
}

// Stats counts. Its error is the store's.
func (in *Inbox) Stats(ctx context.Context) (InboxStats, error) {
	s, err := in.store.Stats(ctx)
	if err != nil {
		return InboxStats{}, err
	}
	stats := in.stats.read()
	stats.LogLost = in.log.lost.Load()
	stats.InFlight = in.runningCount()
	stats.Remembered = s.Count[StateDone]
	return InboxStats{Stats: stats, Store: s, Lost: in.measure.calls.lost.Load()}, nil
}

// gauges measures what the store holds.
func (in *Inbox) gauges(ctx context.Context) {
	s, err := in.store.Stats(ctx)
	if err != nil {
		return
	}
	for _, state := range []State{StatePending, StateReceived, StateClaimed, StateDone, StateDead} {
		in.measure.gauge(MetricRecords, string(state), float64(s.Count[state]))
	}
	in.measure.gauge(MetricOldestDueSeconds, "", s.OldestDue.Seconds())
	in.measure.gauge(MetricOldestPendingSeconds, "", s.OldestPending.Seconds())
	in.measure.gauge(MetricNearestExpirySeconds, "", (in.cfg.inbox.jobLife - s.OldestUnfinished).Seconds())
	in.measure.gauge(MetricActiveLeases, "", float64(in.runningCount()))
}

// OutcomeError is a job that ended in another way than with a result.
type OutcomeError struct {
	// Record is the job's record.
	Record Record
}

// Error implements error.
func (e *OutcomeError) Error() string {
	return fmt.Sprintf("webhook: job %s ended %s", e.Record.JobID, e.Record.Outcome)
}

// Is makes reducto.ErrExpired match a job that expired.
func (e *OutcomeError) Is(target error) bool {
	return target == reducto.ErrExpired && e.Record.Outcome == OutcomeExpired
}

// waitPoll is how often Wait asks the store when nothing wakes it.
const waitPoll = 2 * time.Second

// Wait waits until the end of a job is known, by its delivery or by a sweep, and
// returns its record; your function may not have been called by then. A job that
// ended without a result is an *OutcomeError: a failed or cancelled one, one that
// expired (reducto.ErrExpired), one of which nobody can tell. A job that the store
// does not have is reducto.ErrNotFound: submit it through this Inbox, or Track it.
//
// It needs somebody to Run an Inbox on the same store.
func (in *Inbox) Wait(ctx context.Context, jobID string) (Record, error) {
	if err := checkJobID("webhook.Wait", jobID); err != nil {
		return Record{}, err
	}
	var last Record
	for {
		woken := in.ended.wait() // before the look, so that nothing is missed
		list, err := in.store.List(ctx, Filter{JobID: jobID, Limit: 1})
		switch {
		case err != nil && ctx.Err() != nil:
			return last, context.Cause(ctx)
		case err != nil:
			return Record{}, err
		case len(list) == 0:
			return Record{}, fmt.Errorf("webhook: no record of job %s: %w", jobID, reducto.ErrNotFound)
		case list[0].State != StatePending && list[0].Outcome == OutcomeCompleted:
			return list[0], nil
		case list[0].State != StatePending && (list[0].Outcome != OutcomeUnknown || slices.Contains([]State{StateDone, StateDead}, list[0].State)):
			return list[0], &OutcomeError{Record: list[0]}
		}
		last = list[0]
		timer := time.NewTimer(waitPoll)
		select {
		case <-woken:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return last, context.Cause(ctx)
		}
		timer.Stop()
	}
}

func checkJobID(op, id string) error {
	if wrong := wireid.Check(id); wrong != "" {
		return &reducto.RequestError{Op: op, Field: "job id", Reason: "the id " + wrong}
	}
	return nil
}
