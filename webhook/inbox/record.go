package inbox

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
	"github.com/reducto-go/reducto/webhook"
)

// State is where a record is in its life.
type State string

// The states of a record.
const (
	// StatePending: submitted, and the job's end is not known.
	StatePending State = "pending"
	// StateReceived: the job has ended, and the function is to be called.
	StateReceived State = "received"
	// StateClaimed: a worker is calling the function.
	StateClaimed State = "claimed"
	// StateDone: the function has processed the outcome.
	StateDone State = "done"
	// StateDead: the Inbox has given up. Replay queues the record again.
	StateDead State = "dead"
)

// Source is how the Inbox learned that a job has ended.
type Source string

// The sources of a notification.
const (
	// SourceWebhook: a verified delivery.
	SourceWebhook Source = "webhook"
	// SourcePoll: the reconciler polled the API.
	SourcePoll Source = "poll"
)

// Record is one submission, or one job that was submitted elsewhere.
type Record struct {
	// Key identifies the record in its store.
	Key string
	// SubmissionID is the submission. It is empty for a job that was submitted
	// elsewhere.
	SubmissionID string
	// JobID is the job whose end was received. In a pending record, it is the first job
	// that the API named, or empty.
	JobID string
	// JobIDs are all jobs of the record, JobID included.
	JobIDs []string
	// Type is the kind of job, empty if unknown.
	Type reducto.JobType
	// State is where the record is in its life. The state stays StateClaimed after the
	// lease has ended.
	State State
	// Status, Outcome and Source are those of the notification that was accepted.
	Status  reducto.JobStatus
	Outcome webhook.Outcome
	Source  Source
	// Metadata is the submission's, or the notification's if the submission had none.
	Metadata json.RawMessage
	// Traceparent is the span of the submission, as webhook.Event has it. Stores keep it
	// within the metadata, and leave the field empty.
	Traceparent string
	// Webhook says whether a delivery is expected.
	Webhook bool
	// Attempt counts the claims, from 1.
	Attempt int
	// Token is the fencing token of the latest claim, zero before the first.
	Token int64
	// Polls counts how often Overdue returned the record.
	Polls int
	// Error is the reason that the latest completion gave.
	Error string

	// SubmittedAt is when the submission was recorded. It is zero if the record began
	// with a notification. ReceivedAt is when the notification was accepted. FinishedAt
	// is when the record became done or dead. At DueAt, a pending record is polled, a
	// received record can be claimed, and the lease of a claimed record ends. ReadAt is
	// when the store read the record. All times are the store's. A time that does not
	// apply is zero.
	SubmittedAt, ReceivedAt, FinishedAt, DueAt, ReadAt time.Time
}

// Key returns the key of a submission's or a job's id. All spellings of one UUID have
// the same key. It is for authors of stores.
func Key(id string) string { return wireid.Key(id) }

// spread returns d, changed by up to a fifth at random.
func spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
