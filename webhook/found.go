package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/reducto-go/reducto"
)

// finding is the end of a record's job, as a sweep found it.
type finding struct {
	record  *Record
	arrival Arrival
}

func findingOf(r *Record, jobID string, status reducto.JobStatus) finding {
	return finding{r, Arrival{JobID: jobID, SubmissionID: r.SubmissionID, Status: status, Outcome: outcomeOf(status)}}
}

// storeFailures is after how many failures in a row the store is taken to be down, and
// a look given up.
const storeFailures = 3

// found hands on the ends of jobs that no delivery announced, by the same way as
// deliveries take: if one comes now, it is a duplicate, or this is. The error is that
// the store seems to be down.
func (s *sweeper) found(ctx context.Context, ends ...finding) error {
	for batch := range slices.Chunk(ends, s.in.cfg.inbox.batch) {
		err := s.record(ctx, batch)
		if err != nil && len(batch) > 1 {
			// One may be to blame, whose record somebody holds for example. The others are not
			// to be found again and again, and never recorded, because of it.
			err = s.recordEach(ctx, batch)
		}
		if err != nil && s.trouble == nil {
			s.trouble = fmt.Errorf("webhook: what a sweep found could not be recorded: %w", err)
		}
		if s.failures >= storeFailures {
			return s.trouble
		}
	}
	return nil
}

// recordEach records findings one by one, all that it can unless the store is down. The
// error is the first one's that could not be.
func (s *sweeper) recordEach(ctx context.Context, ends []finding) (first error) {
	for i := range ends {
		if err := s.record(ctx, ends[i:i+1]); err != nil && first == nil {
			first = err
		}
		if s.failures >= storeFailures {
			break
		}
	}
	return first
}

// record records findings in one commit.
func (s *sweeper) record(ctx context.Context, ends []finding) error {
	err := s.receive(ctx, ends)
	if s.failures++; err == nil {
		s.failures = 0
	}
	return err
}

func (s *sweeper) receive(ctx context.Context, ends []finding) error {
	arrivals := make([]Arrival, len(ends))
	for i, end := range ends {
		arrivals[i] = end.arrival
		arrivals[i].Source = SourceSweep
	}
	receipts, err := s.in.storeReceive(ctx, arrivals)
	if err != nil {
		return err
	}
	if len(receipts) != len(arrivals) {
		return fmt.Errorf("the store gave %d answers to %d arrivals", len(receipts), len(arrivals))
	}
	for i, receipt := range receipts {
		switch {
		case receipt.Kind == ReceiptAccepted:
			s.accepted(ctx, ends[i])
		case receipt.Kind == ReceiptRefused && ends[i].arrival.Confirmed:
			// The job was tracked, or heard of, without its submission: the API has now
			// said that they are one.
			if err := s.bind(ctx, ends[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// bind records that a job is a submission's, unless it is another submission's.
func (s *sweeper) bind(ctx context.Context, f finding) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.in.cfg.inbox.storeTimeout, errIntakeTimeout)
	defer cancel()
	owners, err := s.in.store.List(ctx, Filter{JobID: f.arrival.JobID, Limit: 1})
	if err != nil || len(owners) > 0 && owners[0].SubmissionID != "" {
		return err
	}
	return s.in.store.Bind(ctx, f.record.SubmissionID, f.arrival.JobID, 1)
}

func (s *sweeper) accepted(ctx context.Context, end finding) {
	if end.record.Webhook {
		s.in.measure.count(MetricReconciled, "", 1)
		s.in.logRecord(ctx, slog.LevelWarn, "no delivery came; a sweep found the job's end", end.record,
			slog.String("found", end.arrival.JobID), slog.String("found_outcome", string(end.arrival.Outcome)))
	}
	s.in.wake.send()
	s.in.ended.send()
}
