package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/riverqueue/river"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// submitArgs is a River job that submits a document.
type submitArgs struct {
	Document string `json:"document"`
}

// Kind implements river.JobArgs.
func (submitArgs) Kind() string { return "submit_document" }

// metadata goes to Reducto with a submission, and comes back with the end of its job.
type metadata struct {
	Document  string `json:"document"`
	SubmitJob int64  `json:"submit_job"` // the id of the River job
}

// submit submits the document, unless an earlier attempt of the River job has done so.
func (a *app) submit(ctx context.Context, job *river.Job[submitArgs]) error {
	// All attempts have one id. The time makes it different from the ids of other
	// databases, because their River jobs have the same numbers.
	id := fmt.Sprintf("river-%d-%d", job.ID, job.CreatedAt.UnixMicro())
	for _, err := range a.inbox.List(ctx, inbox.Filter{Keys: []string{id}, WithoutMetadata: true}) {
		// The record says that an earlier attempt submitted the document, or may have done
		// so. The Inbox removes the record of a submission that the API refused.
		return err
	}
	_, err := a.client.ParseAsync(ctx, reducto.ParseRequest{
		Input: reducto.URL(job.Args.Document),
		Async: reducto.Async{
			SubmissionID: id,
			Metadata:     metadata{Document: job.Args.Document, SubmitJob: job.ID},
		},
	})
	if _, unknown := errors.AsType[*reducto.UnknownOutcomeError](err); unknown {
		// A second submission could be billed twice. The Inbox finds the job, or calls
		// enqueue with OutcomeUnknown after a day.
		return nil
	}
	if errors.Is(err, reducto.ErrInvalidRequest) {
		return river.JobCancel(err) // another attempt would be refused too
	}
	return err
}

// endedArgs is a River job that processes the end of a Reducto job.
type endedArgs struct {
	metadata
	JobID   string          `json:"job_id"` // empty if the outcome is unknown
	Outcome webhook.Outcome `json:"outcome"`
}

// Kind implements river.JobArgs.
func (endedArgs) Kind() string { return "document_ended" }

// enqueue is the Inbox's function. It inserts a River job for a Reducto job that has
// ended. One transaction commits the River job and the end of the delivery. So there
// is exactly one River job, even if deliveries are repeated or the process dies.
func (a *app) enqueue(ctx context.Context, d *webhook.Delivery) error {
	args := endedArgs{JobID: d.JobID, Outcome: d.Outcome}
	if err := d.DecodeMetadata(&args.metadata); err != nil {
		return webhook.Permanent(err)
	}
	tx, err := a.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // no effect after Commit
	if _, err := a.river.InsertTx(ctx, tx, args, nil); err != nil {
		return err
	}
	if err := d.CompleteTx(ctx, webhook.PgxTx(tx)); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// process prints the number of pages. River calls it again after an error or a crash,
// so your own effects must be safe to repeat. The API keeps the result for twelve hours.
func (a *app) process(ctx context.Context, job *river.Job[endedArgs]) error {
	args := job.Args
	if args.Outcome != webhook.OutcomeCompleted {
		a.out.Printf("%s: %s", args.Document, args.Outcome)
		return nil
	}
	parsed, err := a.client.GetJob(ctx, args.JobID)
	switch {
	case errors.Is(err, reducto.ErrNotFound), errors.Is(err, reducto.ErrExpired):
		return river.JobCancel(err) // the result does not come back
	case err != nil:
		return err
	}
	result, err := reducto.As[*reducto.ParseResult](parsed)
	if err != nil {
		return river.JobCancel(err)
	}
	a.out.Printf("%s: %d pages", args.Document, result.Usage.NumPages)
	return nil
}
