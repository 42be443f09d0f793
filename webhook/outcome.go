package webhook

import "github.com/reducto-go/reducto"

// Outcome is how a job ended, as far as is known.
type Outcome string

// The outcomes.
const (
	// OutcomeCompleted: there is a result.
	OutcomeCompleted Outcome = "completed"
	// OutcomeFailed: the job failed. Its reason is in the job.
	OutcomeFailed Outcome = "failed"
	// OutcomeCancelled: the job was cancelled.
	OutcomeCancelled Outcome = "cancelled"
	// OutcomeExpired: the job or its result is gone. A Handler does not call the
	// function for such a job, since it cannot know whether it was processed before;
	// an Inbox knows its submissions, and hands it on.
	OutcomeExpired Outcome = "expired"
	// OutcomeUnknown: nobody can tell. Without a client, a Handler hands on a status
	// that it does not know as this.
	OutcomeUnknown Outcome = "unknown"
)

// outcomeOf is what a status means; OutcomeUnknown for one that is no end.
func outcomeOf(s reducto.JobStatus) Outcome {
	switch s {
	case reducto.JobStatusCompleted:
		return OutcomeCompleted
	case reducto.JobStatusFailed:
		return OutcomeFailed
	case reducto.JobStatusCancelled:
		return OutcomeCancelled
	}
	return OutcomeUnknown
}

// contradicts reports whether a job cannot have both statuses at its end.
func contradicts(a, b reducto.JobStatus) bool {
	return a != b && a.Terminal() && b.Terminal()
}
