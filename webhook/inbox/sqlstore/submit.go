package sqlstore

import (
	"context"
	"errors"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// Submit implements inbox.Store.
func (s *Store) Submit(ctx context.Context, sub inbox.Submission) error {
	ref := reference{Key: idKey(sub.ID)}
	if sub.ID == "" {
		ref.Job = idKey(sub.JobID)
		if sub.JobID == "" {
			return failed(ctx, "submit", errors.New("no submission and no job"))
		}
	}
	done, err := s.submitFast(ctx, &sub)
	if err == nil && !done {
		err = s.change(ctx, 1, func(int) reference { return ref }, func(snap *snapshot, _ int) { snap.submit(&sub) })
	}
	return failed(ctx, "submit", err)
}

// submitFast records a submission without reading its record first. It reports whether the
// submission was new. It is for PostgreSQL, where each statement is a round trip. The
// statement comes to the same as snapshot.submit.
func (s *Store) submitFast(ctx context.Context, sub *inbox.Submission) (done bool, err error) {
	if s.careful || s.dialect != PostgreSQL || sub.ID == "" {
		return false, nil
	}
	given := ""
	if len(sub.Metadata) > 0 {
		given = encodeMetadata(sub.Metadata)
	}
	err = s.write(ctx, func(q querier) error {
		done, err = execOne(ctx, q, s.sql.submitNew, s.args(idKey(sub.ID), storable(sub.ID),
			string(storable(sub.Type)), sub.Webhook, micros(sub.PollAfter), given)...)
		return err
	})
	return done, err
}

// Bind implements inbox.Store.
func (s *Store) Bind(ctx context.Context, a inbox.Answer) error {
	if a.SubmissionID == "" {
		return failed(ctx, "bind", errors.New("no submission"))
	}
	done, err := s.bindFast(ctx, &a)
	if done || err != nil {
		return failed(ctx, "bind", err)
	}
	ref := reference{Key: idKey(a.SubmissionID), Job: idKey(a.JobID)}
	conflict := false
	err = s.change(ctx, 1, func(int) reference { return ref }, func(snap *snapshot, _ int) {
		snap.once = a.JobID == "" // such an answer counts each time
		conflict = snap.bind(&a)
	})
	if err == nil && conflict {
		err = inbox.ErrConflict
	}
	return failed(ctx, "bind", err)
}

// bindFast records an answer without reading the record first. It reports whether the
// record was pending and had no job, and the answer names one that has no record. It is
// for PostgreSQL, as submitFast is. The statement comes to the same as snapshot.bind.
func (s *Store) bindFast(ctx context.Context, a *inbox.Answer) (done bool, err error) {
	if s.careful || s.dialect != PostgreSQL || a.JobID == "" || a.Jobs <= 0 {
		return false, nil
	}
	jobs := jobList{{ID: storable(a.JobID), Named: true, Answer: true}}
	err = s.write(ctx, func(q querier) error {
		done, err = execOne(ctx, q, s.sql.bindFirst,
			s.args(idKey(a.SubmissionID), idKey(a.JobID), string(jobs.text()), a.Jobs)...)
		return err
	})
	if uniqueViolation(err) {
		return false, nil // another process has just got the job: the rules know what follows
	}
	return done, err
}
