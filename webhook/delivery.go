package webhook

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/reducto-go/reducto"
)

// Func processes the end of a job. It is called with every outcome, so check d.Outcome
// or the type of the job's result.
//
// If Func returns nil, the job is done. If it returns an error or panics, it is called
// again, unless the error is Permanent or matches reducto.ErrExpired.
//
// If the process ends between the function's effect and its completion, the function is
// called again. Make the effect idempotent, for example by the job's id.
type Func func(ctx context.Context, d *Delivery) error

// Delivery tells a Func that a job has ended, and how. It is safe for concurrent use.
// It prints without its metadata, which can be personal data.
type Delivery struct {
	// Event is the content of the webhook.
	Event
	// Outcome is how the job ended. With a client it comes from the API, otherwise from
	// the webhook. Event.Status comes from the webhook, and can differ.
	Outcome Outcome
	// Attempt counts the calls of the function for this job, from 1.
	Attempt int
	// ReceivedAt is when the delivery arrived.
	ReceivedAt time.Time

	source Source
}

// Source implements the methods of a Delivery. Handler and Inbox provide one. Implement
// it to call your function in a unit test.
type Source interface {
	// Job returns the job. See Delivery.Job for its errors.
	Job(ctx context.Context) (*reducto.Job, error)
	// CompleteTx completes the delivery in a transaction. See Delivery.CompleteTx.
	CompleteTx(ctx context.Context, tx Execer) error
}

// NewDelivery returns a Delivery for a unit test of a Func, or for your own receiver.
// If s is nil, Job returns ErrNoClient and CompleteTx ErrTxUnsupported.
func NewDelivery(e Event, o Outcome, s Source) *Delivery {
	return &Delivery{Event: e, Outcome: o, Attempt: 1, ReceivedAt: time.Now(), source: s}
}

// Job returns the job, with its result if it completed. It is fetched once for all
// callers, so do not change it. After an error, the next call fetches again.
//
// The error is reducto.ErrExpired if the job or its result no longer exists, and
// ErrNoClient if there is no client. Other errors are those of reducto.Client.GetJob. A
// Func may return each of them unchanged.
func (d *Delivery) Job(ctx context.Context) (*reducto.Job, error) {
	if d.source == nil {
		return nil, ErrNoClient
	}
	return d.source.Job(ctx)
}

// Execer is the part of a transaction that CompleteTx needs. *sql.Tx has it. PgxTx makes
// one of a pgx.Tx.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// CompleteTx completes the delivery within tx, a transaction on the database of the
// Inbox's store. Your effect and the completion are committed together, or not at
// all. Call it last, then commit:
//
//	tx, err := db.BeginTx(ctx, nil)
//	...
//	// your writes
//	if err := d.CompleteTx(ctx, tx); err != nil {
//		return err // after Rollback
//	}
//	return tx.Commit()
//
// The error is inbox.ErrLeaseLost if another worker has claimed the job: roll back.
// It is ErrTxUnsupported for a Handler and for a store without transactions.
//
// The record stays locked until the transaction ends, even if its lease ends earlier. A
// REPEATABLE READ transaction of PostgreSQL can fail with SQLSTATE 40001, and one of MySQL
// after a deadlock: roll back and try again. SQLite has a single writer, so keep the
// transaction short.
//
// If the function returns nil without a commit, it is called again.
func (d *Delivery) CompleteTx(ctx context.Context, tx Execer) error {
	if d.source == nil {
		return ErrTxUnsupported
	}
	return d.source.CompleteTx(ctx, tx)
}

// Format prints the job, the outcome, the status and the attempt, with every verb.
func (d Delivery) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "webhook.Delivery(job "+d.JobID+", outcome "+string(d.Outcome)+
		", status "+string(d.Status)+", attempt "+strconv.Itoa(d.Attempt)+")")
}

// LogValue logs what Format prints, and the ids of the submission and the key.
func (d Delivery) LogValue() slog.Value { return slog.GroupValue(d.attrs()...) }

func (d *Delivery) attrs() []slog.Attr {
	return append(d.Event.attrs(),
		slog.String("outcome", string(d.Outcome)), slog.Int("attempt", d.Attempt))
}

// Outcome is how a job ended.
type Outcome string

// The outcomes.
const (
	// OutcomeCompleted: the job has a result.
	OutcomeCompleted Outcome = "completed"
	// OutcomeFailed: the job failed. Job.FailureReason tells why.
	OutcomeFailed Outcome = "failed"
	// OutcomeCancelled: the job was cancelled.
	OutcomeCancelled Outcome = "cancelled"
	// OutcomeExpired: the job or its result no longer exists. An Inbox calls the
	// function with it. A Handler does not, as it may have processed the job before.
	OutcomeExpired Outcome = "expired"
	// OutcomeUnknown: the library does not know how the job ended. A Handler without a
	// client uses it for an unknown status.
	OutcomeUnknown Outcome = "unknown"
)

// OutcomeOf returns the outcome for a status. It is OutcomeUnknown for a status that is
// not terminal.
func OutcomeOf(s reducto.JobStatus) Outcome {
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
