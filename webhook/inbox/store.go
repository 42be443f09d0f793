package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// Store keeps the records of an Inbox. MemoryStore keeps them in memory, and package
// sqlstore in a database. Package storetest checks your own Store.
//
// A record is one submission, or one job that was submitted elsewhere. Its Key is
// the submission's id, or the job's id if there is no submission. A job belongs to
// at most one record. A record is in one State at a time:
//
//	pending --Receive--> received --Claim--> claimed --Finish--> done or dead
//
// Finish also returns a claimed or dead record to received. Bind returns a record
// to pending if it was received for a job that is not its own and waits for Bind.
//
// These rules hold for every method. The store's clock counts, not the caller's. A nil
// error means that the changes are durable. After an error the caller does not know
// which elements were changed, and may call again. The elements of a slice are
// independent, each is atomic, and results have the same order. A method returns soon
// after its context ends. All methods are safe for concurrent use, also by several
// processes. Two spellings of one UUID are the same id.
type Store interface {
	// Submit records a submission that is about to be sent. If the record exists,
	// Submit counts one more send. If s has no ID, Submit records a job that was
	// submitted elsewhere, unless a record has that job.
	Submit(ctx context.Context, s Submission) error

	// Bind records the answer to a submission. It is safe to repeat an answer that
	// names a job. Its error is ErrConflict if the job belongs to another record, or if
	// the record was already claimed for another job.
	Bind(ctx context.Context, a Answer) error

	// Receive records that jobs have ended. See ReceiveResult for what it does with
	// each notification.
	Receive(ctx context.Context, list []Notification) ([]ReceiveResult, error)

	// Claim claims up to n records that are due, or whose lease has ended, the longest
	// received first. Claim gives each record a Token that no record of its Key has
	// had. It raises Attempt by one, and the lease lasts for the given time. next is
	// the time until another record may be due. It is negative if there is none, and
	// may be too short.
	Claim(ctx context.Context, n int, lease time.Duration) (claimed []Record, next time.Duration, err error)

	// Extend renews leases to end after d. It reports for each whether its token still
	// holds the record, even if the lease has ended. A record in an open transaction of
	// FinishTx counts as held. Extend does not wait for the transaction.
	Extend(ctx context.Context, leases []Lease, d time.Duration) ([]bool, error)

	// Finish ends claims. It reports for each whether its token held the record. If
	// not, it does not change the record. StateReceived also queues a dead record
	// again, for Replay.
	Finish(ctx context.Context, list []Completion) ([]bool, error)

	// Overdue returns up to n pending records that are due to be polled, the longest
	// due first. It makes each due again after next(record), and raises Polls by one.
	// It returns the records as they were before these changes.
	Overdue(ctx context.Context, n int, next func(*Record) time.Duration) ([]Record, error)

	// List returns the records that f selects, in the byte order of their keys.
	List(ctx context.Context, f Filter) ([]Record, error)

	// Stats counts the records that are not done. So it does not take longer with the
	// number of those that are.
	Stats(ctx context.Context) (StoreStats, error)

	// Purge removes up to n records that have been done for longer than doneFor, or
	// dead for longer than deadFor. It returns how many it removed.
	Purge(ctx context.Context, doneFor, deadFor time.Duration, n int) (int, error)
}

// ErrConflict is the error of Bind if the API's answer contradicts the records in the
// store. These records keep their jobs.
var ErrConflict = errors.New("inbox: the job belongs to another record, or the record to another job")

// TxStore is a Store that can finish a record in a transaction of the user's.
type TxStore interface {
	Store
	// FinishTx is Finish for one completion within tx, a transaction on the store's
	// database. Until tx ends, no other worker can claim the record, even if its lease
	// has ended.
	FinishTx(ctx context.Context, tx webhook.Execer, c Completion) (bool, error)
}

// Locker is a Store that several processes share. It lets one of them at a time
// poll the API. Without it every process polls.
type Locker interface {
	// Lock acquires or renews a lock for the time d, and reports whether owner has it.
	// If d is zero, it releases the lock.
	Lock(ctx context.Context, name, owner string, d time.Duration) (bool, error)
}

// Capable is a Store that describes itself. Other stores have the zero Capabilities.
type Capable interface{ Capabilities() Capabilities }

// Capabilities describe a Store.
type Capabilities struct {
	// Volatile says that records end with the process. An Inbox then answers a
	// delivery after the function has run, not before.
	Volatile bool
	// Concurrent says that two calls of Receive at the same time are faster than one
	// after the other. An Inbox then receives up to two batches at the same time.
	Concurrent bool
}

// Submission is a submission that is about to be sent, or a job that was submitted
// elsewhere.
type Submission struct {
	// ID is the submission's id. It is empty for a job that was submitted elsewhere.
	ID string
	// JobID is that job's id. It is empty for a submission.
	JobID string
	// Type is the kind of job, empty if unknown.
	Type reducto.JobType
	// Metadata is the user's, without the secret. It is nil if there is none. Its last
	// member may be the trace of the submission.
	Metadata json.RawMessage
	// Webhook says whether a delivery is expected.
	Webhook bool
	// PollAfter is the time until the job is polled for the first time.
	PollAfter time.Duration
}

// Answer is what the API answered to a submission.
type Answer struct {
	// SubmissionID is the submission.
	SubmissionID string
	// JobID is the job that the API named. It is empty if the answer was lost, or if
	// the API refused the submission.
	JobID string
	// Jobs is the number of jobs that the submission may have made. It can exceed 1,
	// because a submission can be sent more than once. It is zero if the API refused
	// the submission. Then Bind removes the record, unless another send may have made a
	// job. It is also zero if a list of jobs named the job, because a list does not
	// answer a send.
	Jobs int
}

// Notification says that a job has ended. It comes from a delivery or from polling.
type Notification struct {
	// JobID is the job. It is empty if no job of the submission was found.
	JobID string
	// SubmissionID is the submission that the delivery names, empty if it names none.
	SubmissionID string
	// Status is the job's status as it was announced, and Outcome its meaning.
	Status  reducto.JobStatus
	Outcome webhook.Outcome
	// Metadata is as in Submission. A record that has metadata from Submit keeps that.
	Metadata json.RawMessage
	// Source says where it came from.
	Source Source
	// Hold is how long the record waits for Bind before it is due. It applies if the
	// answer to the submission is expected and has not named the job.
	Hold time.Duration
}

// ReceiveResult says what Receive did with a Notification.
type ReceiveResult struct {
	Kind ReceiveKind
	// Conflict says that the record has another status for the same job.
	Conflict bool
	// Key and State are those of the record. They are empty if it was refused.
	Key   string
	State State
}

// ReceiveKind says what Receive did with a Notification.
type ReceiveKind int

// The kinds of ReceiveResult.
const (
	// Accepted: the record was pending and is received now. If neither the job nor its
	// submission has a record, Receive makes one.
	Accepted ReceiveKind = iota + 1
	// Duplicate: the record was received before. If the record does not have the job
	// yet, Receive adds it. It does not add the job while an answer is expected.
	Duplicate
	// Refused: the job belongs to another record, or all jobs of the submission are
	// known and this is not one of them. Nothing was changed.
	Refused
)

// Lease is a claim on a record.
type Lease struct {
	Key   string
	Token int64
}

// Completion ends a claim.
type Completion struct {
	Lease
	// State is StateDone, StateDead or StateReceived.
	State State
	// After is the time until a received record is due.
	After time.Duration
	// Attempt becomes the record's Attempt.
	Attempt int
	// Outcome replaces the record's, unless it is empty.
	Outcome webhook.Outcome
	// Error is the reason, for people. It has no secrets. The store may replace bytes
	// that are not UTF-8, and NUL.
	Error string
}

// Filter selects records. The zero Filter selects all.
type Filter struct {
	// States and Keys select by state and by key. JobID selects the record that has the
	// job.
	States []State
	Keys   []string
	JobID  string
	// After selects keys after this one.
	After string
	// Newest lists in the descending byte order of the keys. After then selects keys
	// before this one. The ids of submissions are UUIDs of version 7, so the newest
	// submissions come first.
	Newest bool
	// WithoutMetadata leaves out the metadata of the records, which can be large.
	WithoutMetadata bool
	// Limit is the largest number of records. Default: 100.
	Limit int
}

// StoreStats counts the records that are not done.
type StoreStats struct {
	// Count has the number of records in each state but StateDone. There can be millions
	// of those. MetricOutcomes counts records as they become done.
	Count map[State]int
	// Due is how many records could be claimed now.
	Due int
	// OldestDue is the time since the oldest due record became due.
	OldestDue time.Duration
	// OldestPending is the age of the oldest pending record.
	OldestPending time.Duration
	// OldestUnfinished is the age of the oldest record that is neither done nor dead.
	OldestUnfinished time.Duration
}
