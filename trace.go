package reducto

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/reducto-go/reducto/internal/traced"
)

// Tracer observes operations, for distributed tracing. Module otelreducto has one for
// OpenTelemetry. Its methods must be safe for concurrent use and return fast.
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
	// Name is the method of the Client, such as "ParseAsync", "Upload" or "Wait", or
	// one that inbox.WithTracer names.
	Name string
	// JobID is the job, if there is one. For a submission it is set before end is called.
	JobID string
	// SubmissionID is the submission, if there is one.
	SubmissionID string
	// Traceparent is the span of the submission that the operation continues, if there
	// is one.
	Traceparent string
}

// trace begins an operation that the Tracer observes. There must be a Tracer.
func (c *Client) trace(ctx context.Context, op *Operation) (context.Context, func(error)) {
	return traced.Start(ctx, op, c.cfg.tracer.Start, func(p any) {
		c.cfg.logger.ErrorContext(ctx, "reducto: the tracer panicked", slog.String("panic", fmt.Sprintf("%T", p)))
	})
}
