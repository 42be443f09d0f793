package otelreducto

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const scope = "github.com/reducto-go/reducto/otelreducto"

// Telemetry is a Tracer for a client and an Inbox, and the Observer of an Inbox. It is safe
// for concurrent use.
type Telemetry struct {
	tracer      trace.Tracer
	instruments instruments
}

var (
	_ reducto.Tracer = (*Telemetry)(nil)
	_ inbox.Observer = (*Telemetry)(nil)
)

// New returns a Telemetry that writes to the providers. A provider that is nil is the
// global one of package otel. The error is the meter provider's.
func New(tp trace.TracerProvider, mp metric.MeterProvider) (*Telemetry, error) {
	if tp == nil {
		tp = otel.GetTracerProvider()
	}
	if mp == nil {
		mp = otel.GetMeterProvider()
	}
	version := reducto.LibraryVersion
	in, err := newInstruments(mp.Meter(scope, metric.WithInstrumentationVersion(version)))
	if err != nil {
		return nil, fmt.Errorf("otelreducto: an instrument could not be made: %w", err)
	}
	return &Telemetry{tracer: tp.Tracer(scope, trace.WithInstrumentationVersion(version)), instruments: in}, nil
}

// Attributes of spans and metrics.
const (
	keyJob        = attribute.Key("reducto.job.id")
	keySubmission = attribute.Key("reducto.submission.id")
	keyStatus     = attribute.Key("reducto.job.status")
	keyOutcome    = attribute.Key("reducto.outcome")
	keyAttempt    = attribute.Key("reducto.attempt")
	keyResult     = attribute.Key("reducto.result")
	keyReason     = attribute.Key("reducto.reason")
	keyState      = attribute.Key("reducto.state")
	keyKeyID      = attribute.Key("reducto.key.id")

	// These are of OpenTelemetry's semantic conventions.
	keySystem        = attribute.Key("messaging.system")
	keyOperation     = attribute.Key("messaging.operation.name")
	keyOperationType = attribute.Key("messaging.operation.type")
	keyErrorType     = attribute.Key("error.type")
	keyHTTPStatus    = attribute.Key("http.response.status_code")
)

// message returns the attributes that the semantic conventions ask of a messaging span.
func message(operation, kind string) trace.SpanStartEventOption {
	return trace.WithAttributes(keySystem.String("reducto"), keyOperation.String(operation), keyOperationType.String(kind))
}

// ids returns the attributes of a job and a submission. Either can be empty.
func ids(job, submission string) []attribute.KeyValue {
	var list []attribute.KeyValue
	if job != "" {
		list = append(list, keyJob.String(job))
	}
	if submission != "" {
		list = append(list, keySubmission.String(submission))
	}
	return list
}

// Start begins the span of an operation. If the operation continues a submission, the span
// has a link to it, or is its child if ctx has no span. It implements reducto.Tracer.
func (t *Telemetry) Start(ctx context.Context, op *reducto.Operation) (context.Context, func(error)) {
	opts := []trace.SpanStartOption{trace.WithAttributes(ids(op.JobID, op.SubmissionID)...)}
	switch {
	case strings.HasSuffix(op.Name, "Async"):
		opts = append(opts, trace.WithSpanKind(trace.SpanKindProducer), message(op.Name, "send"))
	case !strings.HasPrefix(op.Name, "Reconcile") && op.Name != "Confirm":
		opts = append(opts, trace.WithSpanKind(trace.SpanKindClient))
	}
	switch submitted := spanOf(op.Traceparent); {
	case !submitted.IsValid():
	case trace.SpanContextFromContext(ctx).IsValid():
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: submitted}))
	default:
		ctx = trace.ContextWithRemoteSpanContext(ctx, submitted)
	}
	ctx, span := t.tracer.Start(ctx, "reducto "+op.Name, opts...)
	return ctx, func(err error) {
		span.SetAttributes(ids(op.JobID, "")...)
		if err != nil {
			span.SetAttributes(keyErrorType.String(errorType(err)))
			span.SetStatus(codes.Error, err.Error()) // errors of the client have no secrets
		}
		span.End()
	}
}

// headerTraceparent is the key of a traceparent in a carrier.
const headerTraceparent = "traceparent"

// Traceparent returns the span of ctx in the form of the W3C header traceparent. It
// implements reducto.Tracer.
func (t *Telemetry) Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[headerTraceparent]
}

// spanOf returns the span that a traceparent names. It is invalid if the text is.
func spanOf(traceparent string) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{headerTraceparent: traceparent})
	return trace.SpanContextFromContext(ctx)
}

// errorType returns the attribute error.type of an error: a status of the API, a known
// reason, or the error's Go type. It is one of few values.
func errorType(err error) string {
	var api *reducto.APIError
	switch {
	case errors.As(err, &api):
		return strconv.Itoa(api.StatusCode)
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case webhook.IsPermanent(err):
		return "permanent"
	}
	return fmt.Sprintf("%T", err)
}
