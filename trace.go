package reducto

import (
	"context"
	"errors"
)

// Tracer observes operations, for distributed tracing. Module otelreducto has one for
// OpenTelemetry. Its methods must be safe for concurrent use, return fast and not panic.
type Tracer interface {
	// Start begins the span of an operation. The requests of the operation get the
	// returned context, which must be made from ctx. end is called once, with the
	// operation's error.
	Start(ctx context.Context, op *Operation) (_ context.Context, end func(error))
	// Traceparent returns the span of ctx in the form of the W3C header traceparent. It
	// is empty if there is none. A submission carries it to the receiver.
	Traceparent(ctx context.Context) string
}

// Operation is what a Tracer observes.
type Operation struct {
	// Name is the method of the Client, such as "ParseAsync", "Upload" or "Wait". An
	// inbox has "Reconcile" and "Reconciled".
	Name string
	// JobID is the job, if there is one. For a submission it is set before end is called.
	JobID string
	// SubmissionID is the submission, if there is one.
	SubmissionID string
	// Traceparent is the span of the submission that the operation continues, if there
	// is one.
	Traceparent string
}

// WithTracer sets the Tracer that observes the client's operations. Submissions with a
// webhook carry the trace in the metadata, if that is an object or absent. The key
// "traceparent" of the metadata is then reserved. Default: none.
func WithTracer(t Tracer) Option {
	return func(c *config) error {
		if t == nil {
			return errors.New("WithTracer: the tracer is nil")
		}
		c.tracer = t
		return nil
	}
}
