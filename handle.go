package reducto

import (
	"context"
	"fmt"
	"reflect"
	"time"
)

// Handle is a submitted job with a known result type. To wait for the job later or in
// another process, store its ids and use Attach.
type Handle[R Result] struct {
	// JobID is the id of the job.
	JobID string
	// SubmissionID is the id of the submission; empty for an attached handle.
	SubmissionID string

	client      *Client
	submittedAt time.Time
}

// Attach returns a handle for a job that was submitted before:
// Attach[*ParseResult](client, id). Attach[reducto.Result] accepts a job of any type.
func Attach[R Result](c *Client, jobID string) *Handle[R] {
	return &Handle[R]{JobID: jobID, client: c}
}

// Get returns the current state of the job.
func (h *Handle[R]) Get(ctx context.Context) (*Job, error) {
	if err := h.check("Get"); err != nil {
		return nil, err
	}
	return h.client.GetJob(ctx, h.JobID)
}

// Wait waits until the job ends and returns its result. It returns the errors of
// Client.Wait, and a *ResultTypeError if the result has another type.
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

// Cancel requests the cancellation of the job. It does not change a job that has
// ended.
func (h *Handle[R]) Cancel(ctx context.Context) error {
	if err := h.check("Cancel"); err != nil {
		return err
	}
	return h.client.CancelJob(ctx, h.JobID)
}

// String returns the job id and the result type.
func (h *Handle[R]) String() string {
	return fmt.Sprintf("job %s (%s)", h.JobID, reflect.TypeFor[R]())
}

func (h *Handle[R]) check(op string) error {
	if h.client == nil {
		return &RequestError{Op: op, Reason: "the handle has no client: make it with Attach"}
	}
	return nil
}
