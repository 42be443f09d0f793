package reducto

import (
	"context"
	"fmt"
	"reflect"
	"time"
)

// Handle is a submitted job that knows the type of its result. Its ids are all
// that has to be stored to wait for the job later, or elsewhere: see Attach.
type Handle[R Result] struct {
	// JobID is the job.
	JobID string
	// SubmissionID is the submission that made it; empty for an attached handle.
	SubmissionID string

	client      *Client
	submittedAt time.Time
}

// Attach makes a handle from the id of a job that was submitted before:
// Attach[*ParseResult](client, id). Attach[reducto.Result] takes a job of any
// type.
func Attach[R Result](c *Client, jobID string) *Handle[R] {
	return &Handle[R]{JobID: jobID, client: c}
}

// Get returns the job as it stands.
func (h *Handle[R]) Get(ctx context.Context) (*Job, error) {
	if err := h.check("Get"); err != nil {
		return nil, err
	}
	return h.client.GetJob(ctx, h.JobID)
}

// Wait waits for the job's end and returns its result. Its errors are those of
// Client.Wait, and a *ResultTypeError if the job turns out to be of another type.
func (h *Handle[R]) Wait(ctx context.Context, opts ...WaitOption) (R, error) {
	var zero R
	if err := h.check("Wait"); err != nil {
		return zero, err
	}
	job, err := h.client.wait(ctx, h.JobID, h.submittedAt, opts)
	if err != nil {
		return zero, err
	}
	return As[R](job)
}

// Cancel asks for the job to be cancelled. A job that has ended is not changed.
func (h *Handle[R]) Cancel(ctx context.Context) error {
	if err := h.check("Cancel"); err != nil {
		return err
	}
	return h.client.CancelJob(ctx, h.JobID)
}

// String shows the ids and the type of result.
func (h *Handle[R]) String() string {
	return fmt.Sprintf("job %s (%s)", h.JobID, reflect.TypeFor[R]())
}

func (h *Handle[R]) check(op string) error {
	if h.client == nil {
		return &RequestError{Op: op, Reason: "the handle has no client: make it with Attach"}
	}
	return nil
}
