package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// BeforeSubmit calls the verifier's hook and records the submission. If one of them
// fails, nothing is sent. It implements reducto.SubmitHook.
func (in *Inbox) BeforeSubmit(ctx context.Context, s *reducto.Submission) error {
	if hook, ok := in.verifier.(reducto.SubmitHook); ok {
		if err := hook.BeforeSubmit(ctx, s); err != nil {
			return err
		}
	}
	if n := int64(len(s.Metadata())) + envelopeBytes; s.Webhook.Enabled() && n > in.cfg.maxBody {
		return &reducto.RequestError{Field: "Async.Metadata", Reason: fmt.Sprintf(
			"its delivery would have some %d bytes, more than the %d of WithMaxBodyBytes: send a reference instead, or raise the limit", n, in.cfg.maxBody)}
	}
	if !s.HasMetadata(reducto.MetadataSubmissionID) && s.TakesMetadata() {
		// If the answer is late or lost, the id connects a delivery or a job to its
		// submission. Without a webhook the id is optional.
		if err := s.AddMetadata(reducto.MetadataSubmissionID, s.ID); err != nil && s.Webhook.Enabled() {
			return err
		}
	}
	ctx, cancel := in.storeContext(ctx)
	defer cancel()
	after := in.cfg.pollAfter
	if !s.Webhook.Enabled() {
		after = pollSchedule[0]
	}
	err := in.store.Submit(ctx, Submission{
		ID: s.ID, Type: s.Type, Metadata: joinTrace(s.Metadata(), s.Traceparent), Webhook: s.Webhook.Enabled(), PollAfter: after,
	})
	in.health.wrote(ctx, err)
	if err != nil {
		return fmt.Errorf("inbox: the submission was not sent, as it could not be recorded: %w", err)
	}
	in.note(HistoryEntry{Key: Key(s.ID), Kind: HistorySubmitted})
	return nil
}

// envelopeBytes is the room in a delivery for everything but the user's metadata: ids,
// status, secret or token.
const envelopeBytes = 2 << 10

// AfterSubmit records the API's answer. If that fails, the delivery or the
// reconciler finds the job. It implements reducto.SubmitHook.
func (in *Inbox) AfterSubmit(ctx context.Context, s *reducto.Submission, r reducto.SubmitResult) {
	if hook, ok := in.verifier.(reducto.SubmitHook); ok {
		defer hook.AfterSubmit(ctx, s, r)
	}
	a := Answer{SubmissionID: s.ID, JobID: r.JobID, Jobs: max(1, r.Sent)}
	if r.Outcome == reducto.SubmitOutcomeRejected {
		a.JobID, a.Jobs = "", 0
	}
	if err := in.bind(ctx, a); err != nil {
		in.log.Log(ctx, slog.LevelWarn, "inbox: the answer to a submission could not be recorded; its delivery or the reconciler will find the job",
			slog.String("submission_id", s.ID), slog.String("job_id", r.JobID), safe.Error(err))
	}
	in.wake.send()
}

// bindPause is the time until a failed Bind is repeated.
const bindPause = 200 * time.Millisecond

// bind calls the store's Bind. If the answer names a job, it repeats a failed call
// until ctx ends. Other answers are not safe to repeat.
func (in *Inbox) bind(ctx context.Context, a Answer) error {
	for {
		err := in.store.Bind(ctx, a)
		if errors.Is(err, ErrConflict) {
			in.stats.conflicts.Add(1)
			in.measure.count(MetricConflicts, "", 1)
			in.log.Log(ctx, slog.LevelError, "inbox: a job belongs to another record than its submission's: was a secret or token stolen?",
				slog.String("submission_id", a.SubmissionID), slog.String("job_id", a.JobID))
			in.noteAnswer(a, "conflict: the job belongs to another record, or the record to another job")
			return nil
		}
		if err == nil {
			in.noteAnswer(a, "")
		}
		if err == nil || a.JobID == "" || safe.Sleep(ctx, bindPause) != nil {
			return err
		}
	}
}

// Track records a job that was submitted elsewhere. The Inbox polls the API for its
// end, and calls your function. If the job has a record, Track changes nothing.
func (in *Inbox) Track(ctx context.Context, jobID string) error {
	if err := checkJobID("inbox.Track", jobID); err != nil {
		return err
	}
	ctx, cancel := in.storeContext(ctx)
	defer cancel()
	err := in.store.Submit(ctx, Submission{JobID: jobID})
	in.health.wrote(ctx, err)
	if err == nil {
		in.note(HistoryEntry{Key: Key(jobID), Kind: HistorySubmitted, JobID: jobID, Detail: "tracked"})
	}
	return err
}
