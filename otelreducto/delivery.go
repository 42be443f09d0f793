package otelreducto

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/reducto-go/reducto/webhook"
)

// Func returns a function that calls fn in a span. Give it to webhook.NewHandler or
// inbox.New. Each attempt is a span of its own, a child of the submission's span. If the
// submission has none, it is a child of the context's.
func (t *Telemetry) Func(fn webhook.Func) webhook.Func {
	if fn == nil {
		return nil // the receiver refuses it
	}
	return func(ctx context.Context, d *webhook.Delivery) (err error) {
		opts := []trace.SpanStartOption{
			trace.WithSpanKind(trace.SpanKindConsumer), message("process", "process"),
			trace.WithAttributes(ids(d.JobID, d.SubmissionID)...),
			trace.WithAttributes(keyOutcome.String(string(d.Outcome)), keyAttempt.Int(d.Attempt)),
		}
		if submitted := spanOf(d.Traceparent); submitted.IsValid() {
			if around := trace.SpanContextFromContext(ctx); around.IsValid() {
				opts = append(opts, trace.WithLinks(trace.Link{SpanContext: around}))
			}
			ctx = trace.ContextWithRemoteSpanContext(ctx, submitted)
		}
		ctx, span := t.tracer.Start(ctx, "reducto process", opts...)
		kind := "panic" // or runtime.Goexit, if fn does not return
		defer func() {
			if kind != "" {
				span.SetAttributes(keyErrorType.String(kind))
				span.SetStatus(codes.Error, "")
			}
			span.End()
		}()
		err = fn(ctx, d)
		if kind = ""; err != nil {
			kind = errorType(err)
		}
		return err
	}
}

// Handler returns a handler that calls next in a span. next is a webhook.Handler, a
// webhook.Receiver's handler or an inbox.Inbox. Verified deliveries have the ids of the
// job and a link to the submission's span. Headers of the request are not trusted: a
// header traceparent is ignored.
func (t *Telemetry) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := t.tracer.Start(r.Context(), "reducto delivery",
			trace.WithSpanKind(trace.SpanKindConsumer), message("delivery", "receive"))
		defer span.End()
		ctx = webhook.OnVerified(ctx, func(e webhook.Event) {
			span.SetAttributes(ids(e.JobID, e.SubmissionID)...)
			span.SetAttributes(keyStatus.String(string(e.Status)), keyKeyID.String(e.KeyID))
			if submitted := spanOf(e.Traceparent); submitted.IsValid() {
				span.AddLink(trace.Link{SpanContext: submitted})
			}
		})
		answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r.WithContext(ctx))
		span.SetAttributes(keyHTTPStatus.Int(answer.status))
		if answer.status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
			span.SetAttributes(keyErrorType.String(strconv.Itoa(answer.status)))
		}
	})
}

// statusWriter remembers the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController limit how long a body may take.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
