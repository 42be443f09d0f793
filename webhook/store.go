package webhook

import (
	"context"
	"encoding/json"
	"time"

	"github.com/reducto-go/reducto"
)

// Store keeps what an Inbox must not forget: submissions whose end is awaited,
// deliveries that wait for the user's function, claims on them, and tombstones of
// what is done. MemoryStore is one, sqlstore makes one of a database; package
// storetest checks that another one keeps these rules.
//
// # Records
//
// The unit is the record: one submission, or one job that was not submitted
// through an Inbox. Its key is its SubmissionID, or the id of its job where there
// is none. A submission that was sent several times is one record with several
// job ids, of which the first to end gives the record's outcome.
//
// A record is in one State at a time:
//
//	StatePending  -- Receive --> StateReceived -- Claim --> StateClaimed
//	StateClaimed  -- Finish  --> StateDone, StateDead, or StateReceived again
//	StateClaimed  -- Finish  --> StatePending, if the job was not its own
//	StateDead     -- Replay  --> StateReceived
//
// A claim whose lease is over counts as received. Each claim raises the record's
// Token; whatever is done under an older token changes nothing.
//
// # Rules for every method
//
// Time is the store's own, the same for all who share it, never the caller's:
// durations are counted from when the store carries the call out. A method that
// returns nil has made its changes durable, in the sense of the store's Durable.
// A method that returns an error may have made them or not, for each element
// separately, and must be safe to call again. Elements of a slice are independent
// of each other, each is atomic by itself, and answers come in the order of the
// question. A method returns soon after ctx ends, with ctx's error. All methods
// are safe for concurrent use, by any number of processes if the store is shared.
//
// Ids of jobs and of submissions that are two spellings of one UUID are the same
// id. A Key has it in lower case; all else shows the spelling that the store heard
// first. A job and a submission never have the same id.
type Store interface {
	// Submit records that a submission is about to be sent, once for each time that
	// it is. A record of that id that exists stays as it is and expects one more job;
	// a new one is pending, and overdue after s.LookAfter.
	//
	// A submission without an ID is a job that was submitted elsewhere: its record
	// is made if the job has none, and needs no Bind. While nothing but deliveries says
	// which job is a submission's own, this takes the job from it, as Bind does.
	Submit(ctx context.Context, s Submitted) error

	// Bind records what became of sending a submission: the job's id, empty if that
	// is not known, and how many jobs may have been made (at least one). Of a job that
	// it named before it changes nothing. A submission that has no record gets one,
	// pending, overdue at once, with no delivery expected.
	//
	// A record that was received before any of its jobs was known becomes due at once,
	// unless it is claimed, if the job that it was received for is now among them. If
	// all of its jobs are known and it is not, the record is pending again unless it is
	// done or dead: its claim is lost, nothing of the arrival remains, and it is
	// overdue at once, since its own delivery may have been taken for a duplicate.
	//
	// A job that has a record already, from a time when nobody knew whose it is, keeps
	// that; the submission's own is removed if it is pending, or waits for Bind, and
	// none of its jobs has been named. A job
	// that Bind named as another submission's remains that one's. One that another
	// submission has only from a delivery is taken from it, in the way of a verdict of
	// StatePending, unless it is done or dead. When all jobs are known, what else a
	// delivery named is forgotten.
	Bind(ctx context.Context, submissionID, jobID string, sent int) error

	// Withdraw records that sending a submission made no job. A pending record for
	// which none was ever made, and is not being sent, is removed; one that was
	// received stays. Where other sends made jobs, all of them can be known now, with
	// the effect that Bind has.
	Withdraw(ctx context.Context, submissionID string) error

	// Receive takes in what was heard of jobs. It is the only way into
	// StateReceived; see Arrival and Receipt. Several arrivals of one record in one
	// call are taken in one after the other.
	//
	// An arrival is for the record of the submission that it names. If it names none,
	// or none that has a record, it is for the record that has its job, and if there is
	// none either, for a new one. How many jobs a submission has that was not recorded
	// before it was heard of is never known.
	//
	// A job belongs to one record at most. A record has the jobs that Submit or Bind
	// named, the one that it was received for, and, once the number that was sent is
	// known, as many of those that duplicates named. While nothing but deliveries says
	// which job is its own, it only knows the latter: each can still become another
	// record's. A Confirmed arrival takes its job from another submission, as Bind does.
	//
	Receive(ctx context.Context, arrivals []Arrival) ([]Receipt, error)

	// Claim claims up to n records that are received and due, or whose lease is over,
	// the longest received first. Each has a new Token, which no record of its Key had
	// before, not even one that was removed. It has its Attempt raised by one, and is
	// leased for the given time. next is how long until another record may become
	// due, be it that its lease ends, negative if nothing is waiting; it may be too
	// short, not too long, as far as the store knows.
	Claim(ctx context.Context, n int, lease time.Duration) (claimed []Record, next time.Duration, err error)

	// Extend renews leases to end after d. It says of each whether its token still
	// holds the record, also where the lease was over but nobody else has claimed.
	// It does not wait for a record that a transaction of FinishTx holds: such a
	// record is still held.
	Extend(ctx context.Context, leases []Lease, d time.Duration) ([]bool, error)

	// Finish ends claims. It says of each whether its token still held the record;
	// if not, nothing was changed.
	//
	// A verdict of StatePending says that the job that the record was received for is
	// none of its submission's. That job is forgotten, and nothing of its arrival
	// remains. Of the other jobs that the record knows, the record is then received for
	// the one that Bind named, or else for the one that was heard of first and that no
	// other record has, with no status and no outcome yet, due at once, with no attempts
	// behind it. If there is none, it is overdue at once, and knows only jobs that
	// another submission may have to give up, for it has them only from a delivery and
	// is not done or dead. One that was withdrawn is removed, and so is one that began
	// with that arrival; but that, if it knows such a job and After is not zero, is
	// received for the same job again, due after that. If Bind has named the job
	// meanwhile, the record is received again for it, due at once.
	Finish(ctx context.Context, verdicts []Verdict) ([]bool, error)

	// Overdue returns up to n pending records that are due for a look, the longest
	// due first, of those for which a delivery is expected (Record.Webhook) or of
	// those for which none is. It makes each due again after the element of schedule
	// at its Looks (the last one for all further looks), spread by a fifth in both
	// directions. Looks is raised by one; the records returned have it as it was
	// before.
	Overdue(ctx context.Context, n int, webhook bool, schedule []time.Duration) ([]Record, error)

	// Lock takes or renews, for the time d, a lock that only one owner has at a time.
	// It reports whether owner has it now. A d of zero gives it up, if owner has it.
	Lock(ctx context.Context, name, owner string, d time.Duration) (bool, error)

	// List returns records, in the order of their keys' bytes. It changes nothing.
	List(ctx context.Context, f Filter) ([]Record, error)

	// Replay makes dead records received again, due at once, with no attempts behind
	// them; they keep their ReceivedAt, Token and Error. It says of each key whether
	// there was such a record.
	Replay(ctx context.Context, keys []string) ([]bool, error)

	// Stats counts records.
	Stats(ctx context.Context) (StoreStats, error)

	// Purge removes up to n records that have been done for longer than age, and of
	// dead ones those that died longer ago than deadAge. It returns how many it
	// removed. What is heard of their jobs later is new.
	Purge(ctx context.Context, age, deadAge time.Duration, n int) (int, error)
}

// TxStore is a Store that can complete a record in a transaction of the user's,
// together with what the user writes there.
type TxStore interface {
	Store
	// FinishTx is Finish of one verdict within tx, a transaction on the store's own
	// database. From then until tx ends, the record is held whatever its lease says.
	FinishTx(ctx context.Context, tx Execer, v Verdict) (bool, error)
}

// Notifier is a Store that can tell when records become due that another process
// received.
type Notifier interface {
	Store
	// Notify calls wake, which does not block, whenever a record may have become due,
	// until ctx ends. It returns ctx's error then, and another one if notification
	// broke; polling goes on in any case.
	Notify(ctx context.Context, wake func()) error
}

// Durability says what survives what, for documentation and checks.
type Durability int

// The degrees of durability.
const (
	// Volatile records are gone when the process ends.
	Volatile Durability = iota
	// Durable records survive the process and the power supply.
	Durable
)

// Durabler is a Store that says how durable it is. A Store that does not is taken
// to be Durable.
type Durabler interface{ Durability() Durability }

// Overlapper is a Store that says whether two calls of Receive at a time get more done
// than one after the other, as with a server that works while its client waits for it. An Inbox
// has such a Store take in a second batch of deliveries beside the first where many
// arrive at once. A Store that does not say is given one batch at a time.
type Overlapper interface{ Overlaps() bool }

// State is where a record stands.
type State string

// The states of a record.
const (
	// StatePending: submitted, and nothing heard yet.
	StatePending State = "pending"
	// StateReceived: the end is known, and the user's function is to be called.
	StateReceived State = "received"
	// StateClaimed: the user's function is being called.
	StateClaimed State = "claimed"
	// StateDone: the user's function has seen the outcome.
	StateDone State = "done"
	// StateDead: the user's function failed for good. It can be replayed.
	StateDead State = "dead"
)

// Source is how the end of a job became known.
type Source string

// The sources of an arrival.
const (
	// SourceWebhook: a verified delivery.
	SourceWebhook Source = "webhook"
	// SourceSweep: the reconciler found it, because no delivery came.
	SourceSweep Source = "sweep"
)

// Submitted is a submission that is about to be sent, or a job that was submitted
// elsewhere.
type Submitted struct {
	// ID is the submission's id; empty for a job that was submitted elsewhere.
	ID string
	// JobID is that job's id; empty for a submission.
	JobID string
	// Type is the kind of job, empty if unknown.
	Type reducto.JobType
	// Metadata is the user's, without the secret; nil if there is none. The record
	// keeps it for an arrival that brings none.
	Metadata json.RawMessage
	// Webhook says whether a delivery is to be expected.
	Webhook bool
	// LookAfter is when to look for the end if nothing was heard.
	LookAfter time.Duration
}

// Arrival is what was heard of a job: from a verified delivery, or from the API.
type Arrival struct {
	// JobID is the job. It is empty only where a submission ends as OutcomeUnknown.
	JobID string
	// SubmissionID is the submission that the delivery names; empty if it names none.
	SubmissionID string
	// Status is the job's status as it was heard.
	Status reducto.JobStatus
	// Outcome is what that means so far.
	Outcome Outcome
	// Metadata is the user's, without the secret. Nil keeps what Submit recorded.
	Metadata json.RawMessage
	// Source is how it was heard.
	Source Source
	// Confirmed says that the API, not just a delivery, named the submission as the
	// job's.
	Confirmed bool
	// Hold is how long a record that was received before any of its jobs is known
	// waits for Bind.
	Hold time.Duration
}

// Receipt is what became of an Arrival.
type Receipt struct {
	// Kind says whether it was taken in.
	Kind ReceiptKind
	// Conflict: the record has the same job with another status.
	Conflict bool
	// State is the record's state after it; empty if it was refused.
	State State
	// Key is the record's key; empty if it was refused.
	Key string
}

// ReceiptKind says whether an Arrival was taken in.
type ReceiptKind int

// What can become of an Arrival.
const (
	// ReceiptAccepted: the record is received now. If the arrival names a submission
	// that is being sent, and none of its jobs is known, it is due after Hold, or
	// when Bind names the job.
	ReceiptAccepted ReceiptKind = iota + 1
	// ReceiptDuplicate: the record was received before. Nothing has changed, but that
	// a further job of the submission is known, if the number that was sent is. While
	// it is not, and nothing but deliveries says which job is the record's, because it
	// waits for Bind or was never submitted here, it keeps up to MaxUnconfirmed jobs:
	// any of them can be the one. See ReceiptBusy for more.
	ReceiptDuplicate
	// ReceiptRefused: the job is none of those that the submission made. A job that
	// belongs to another record is refused, that of another submission also where the
	// one named has no record, and so is one beyond the number that was sent, once
	// that number is known. So is an arrival without a job for a submission that has
	// no record. Nothing has changed.
	ReceiptRefused
	// ReceiptBusy: the record is received or claimed, nothing but deliveries says which
	// job is its own, and it has MaxUnconfirmed of them already. If it waits for Bind it
	// does so no longer, but is due at once, so that there will be room soon: the arrival
	// should come again. Nothing else has changed.
	ReceiptBusy
)

// MaxUnconfirmed is how many jobs a record keeps that deliveries named while none
// of its submission's answers is known: whoever has a token could name any number.
const MaxUnconfirmed = 8

// Record is one submission, or one job that was submitted elsewhere.
type Record struct {
	// Key names the record within its store.
	Key string
	// SubmissionID is the submission; empty for a job that was submitted elsewhere.
	SubmissionID string
	// JobID is the job whose end was received; of a pending record a job that Bind or
	// Submit named, empty if none did.
	JobID string
	// JobIDs are all known jobs, JobID included.
	JobIDs []string
	// Unconfirmed are those of JobIDs that only deliveries named, and neither Bind nor
	// Submit. Whoever has a submission's token can name any job.
	Unconfirmed []string
	// Type is the kind of job, empty if unknown.
	Type reducto.JobType
	// State is where the record stands. A claim whose lease is over is shown as
	// claimed.
	State State
	// Status, Outcome and Source are those of the arrival that was accepted, and so is
	// Metadata if that had any; otherwise it is what Submit recorded.
	Status   reducto.JobStatus
	Outcome  Outcome
	Metadata json.RawMessage
	Source   Source
	// Webhook says whether a delivery is expected.
	Webhook bool
	// Attempt counts claims, from 1.
	Attempt int
	// Token is that of the latest claim; zero before the first.
	Token int64
	// Looks counts how often Overdue returned the record.
	Looks int
	// Error is what the last verdict gave as the reason.
	Error string

	// SubmittedAt is when Submit or Bind first recorded it, zero for a record that
	// began with an arrival; ReceivedAt when its end was heard; FinishedAt when it was
	// done or died; DueAt when it can be claimed next, or when its lease ends, or, of a
	// pending one, when it is to be looked for. Zero: not yet. ReadAt is when this was
	// read. All are the store's time.
	SubmittedAt, ReceivedAt, FinishedAt, DueAt, ReadAt time.Time
}

// Lease is a claim that is being worked on.
type Lease struct {
	Key   string
	Token int64
}

// Verdict ends a claim.
type Verdict struct {
	Lease
	// State is StateDone, StateDead, StateReceived to have it claimed again, or
	// StatePending to say that its job is not its own.
	State State
	// After is how long a received record waits before it is due. See Store.Finish for
	// StatePending.
	After time.Duration
	// Keep says not to count this claim as an attempt: it was given back unused.
	Keep bool
	// Outcome, unless it is empty, replaces the record's.
	Outcome Outcome
	// Error says why, for people; it holds no secret. What is not UTF-8 in it may be
	// replaced, and so may NUL.
	Error string
}

// Filter chooses records. Its zero value chooses all.
type Filter struct {
	// States limits to records in one of these states.
	States []State
	// Keys limits to these.
	Keys []string
	// JobID limits to the record that has this job.
	JobID string
	// After limits to keys after this one.
	After string
	// Limit is the most records to return. Zero: 100.
	Limit int
}

// StoreStats counts records.
type StoreStats struct {
	// Count has the number of records in each state.
	Count map[State]int
	// Due is how many could be claimed now.
	Due int
	// OldestDue is how long the record that has been due longest has been so.
	OldestDue time.Duration
	// OldestPending is how long ago the oldest pending record was submitted.
	OldestPending time.Duration
	// OldestUnfinished is how long ago the oldest record that is neither done nor
	// dead was submitted, or received if it was not: what the service will forget
	// next.
	OldestUnfinished time.Duration
}
