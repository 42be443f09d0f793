package webhook

import (
	"errors"
	"log/slog"
	"slices"

	"github.com/reducto-go/reducto"
)

// foreign reports whether the API shows that a claimed record was received for a
// job that is not its submission's, because somebody sent the submission's token
// with another job. That can only be while no answer to the submission has named
// the job. The job's configuration tells, where the service echoes it; and a job
// that does not exist is nobody's, unless all jobs of that time are gone by now.
func (in *Inbox) foreign(c *claim, job *reducto.Job, err error) bool {
	r := &c.record
	switch {
	case r.SubmissionID == "" || !slices.Contains(r.Unconfirmed, r.JobID):
		return false
	case err == nil:
		return namesAnother(job.RawConfig, r.Key)
	}
	return errors.Is(err, reducto.ErrExpired) && !(errors.Is(err, reducto.ErrNotFound) && c.young()) &&
		c.now().Sub(r.SubmittedAt) < in.cfg.inbox.jobLife
}

// disown makes the record wait for its own job again.
func (in *Inbox) disown(c *claim) (Verdict, bool) {
	in.measure.count(MetricConflicts, "", 1)
	in.logRecord(c.ctx, slog.LevelWarn, "a delivery named a job that is not this submission's, with its token; the submission's own job is waited for", &c.record)
	return Verdict{
		Lease: c.lease(), State: StatePending, Keep: true,
		Error: "a delivery named job " + c.record.JobID + ", which is not this submission's",
	}, true
}
