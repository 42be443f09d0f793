package otelreducto_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/otelreducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	canary     = "canary-4f0c0f3b9b2f4f6f8d7e"
	parentless = "0000000000000000"
)

// fixture is a service with an Inbox, and its spans.
type fixture struct {
	*testing.T
	srv    *reductotest.Server
	tel    *otelreducto.Telemetry
	client *reducto.Client
	secret *webhook.Secret
	inbox  *inbox.Inbox
	hook   string // the URL of the webhook
	spans  *tracetest.InMemoryExporter
	ran    chan error
}

// start runs a service with function f on the store.
func start(t *testing.T, store inbox.Store, f webhook.Func) *fixture {
	t.Helper()
	x := &fixture{T: t, srv: reductotest.NewServer(t), spans: tracetest.NewInMemoryExporter(), ran: make(chan error, 1)}
	var err error
	x.tel, err = otelreducto.New(
		sdktrace.NewTracerProvider(sdktrace.WithSyncer(x.spans)),
		sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))
	require.NoError(t, err)
	x.secret, err = webhook.NewSecret(canary)
	require.NoError(t, err)
	x.inbox, err = inbox.New(x.secret, store, x.tel.Func(f), inbox.WithObserver(x.tel), inbox.WithTracer(x.tel))
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", x.tel.Handler(x.inbox))
	x.hook = x.srv.Mount("/webhook", mux)
	x.client = x.srv.Client(
		reducto.WithTracer(x.tel), reducto.WithSubmitHook(x.inbox),
		reducto.WithWebhook(reducto.DirectWebhook(x.hook+"?key="+canary)))
	go func() { x.ran <- x.inbox.Run(t.Context(), x.client) }()
	synctest.Wait() // it runs
	return x
}

func (x *fixture) stop() {
	require.NoError(x, x.inbox.Shutdown(context.WithoutCancel(x.Context())))
	require.NoError(x, <-x.ran)
	x.client.CloseIdleConnections()
}

// submit submits a document with metadata, and returns its job.
func (x *fixture) submit(metadata any) string {
	x.Helper()
	job, err := x.client.ParseAsync(x.Context(), reducto.ParseRequest{
		Input: reducto.URL("https://example.com/a.pdf?signature=" + canary),
		Async: reducto.Async{Metadata: metadata},
	})
	require.NoError(x, err)
	return job.JobID
}

// named returns the spans of a name.
func (x *fixture) named(name string) (found []tracetest.SpanStub) {
	for _, s := range x.spans.GetSpans() {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// only returns the one span of a name.
func (x *fixture) only(name string) tracetest.SpanStub {
	x.Helper()
	found := x.named(name)
	require.Len(x, found, 1, "spans %q", name)
	return found[0]
}

func values(s tracetest.SpanStub) map[attribute.Key]any {
	all := map[attribute.Key]any{}
	for _, a := range s.Attributes {
		all[a.Key] = a.Value.AsInterface()
	}
	return all
}

func linked(s tracetest.SpanStub) (to []trace.SpanID) {
	for _, l := range s.Links {
		to = append(to, l.SpanContext.SpanID())
	}
	return to
}

// call is a call of the function.
type call struct {
	metadata string
	trace    trace.TraceID
}

func TestSubmissionAndCallsAreOneTrace(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"delivered": false, "webhook lost": true} {
		for kind, metadata := range map[string]any{
			"object": map[string]string{"user": canary}, "empty object": struct{}{}, "none": nil,
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var calls []call
					x := start(t, inbox.NewMemoryStore(), func(ctx context.Context, d *webhook.Delivery) error {
						calls = append(calls, call{string(d.Metadata), trace.SpanContextFromContext(ctx).TraceID()})
						if len(calls) == 1 {
							return errors.New(canary)
						}
						return nil
					})
					defer x.stop()
					if lost {
						x.srv.WebhookFault(reductotest.Lose())
					}
					jobID := x.submit(metadata)
					time.Sleep(3 * time.Hour)
					synctest.Wait()

					submit := x.only("reducto ParseAsync")
					id := submit.SpanContext.SpanID()
					want := map[string]string{"object": `{"user":"` + canary + `"}`, "empty object": ``, "none": ``}[kind] // empty metadata comes back as none
					assert.Equal(t, []call{{want, submit.SpanContext.TraceID()}, {want, submit.SpanContext.TraceID()}}, calls)
					assert.Equal(t, trace.SpanKindProducer, submit.SpanKind)
					attributes := values(submit)
					submission := attributes["reducto.submission.id"]
					assert.Equal(t, jobID, attributes["reducto.job.id"])

					attempts := x.named("reducto process")
					require.Len(t, attempts, 2)
					for i, s := range attempts {
						assert.Equal(t, id, s.Parent.SpanID())
						assert.True(t, s.Parent.IsRemote())
						assert.Equal(t, submit.SpanContext.TraceID(), s.SpanContext.TraceID())
						assert.Equal(t, trace.SpanKindConsumer, s.SpanKind)
						assert.Subset(t, values(s), map[attribute.Key]any{
							"reducto.job.id": jobID, "reducto.submission.id": submission,
							"reducto.outcome": "completed", "reducto.attempt": int64(i + 1),
						})
					}
					confirms := x.named("reducto Confirm")
					assert.Len(t, confirms, 2)
					for _, s := range confirms {
						assert.Equal(t, id, s.Parent.SpanID())
					}
					for _, s := range x.named("reducto GetJob") {
						assert.True(t, s.Parent.IsValid(), "it belongs to a trace")
					}
					assert.Equal(t, codes.Error, attempts[0].Status.Code)
					assert.Equal(t, "*errors.errorString", values(attempts[0])["error.type"])
					assert.Equal(t, codes.Unset, attempts[1].Status.Code)

					if lost {
						assert.Empty(t, x.named("reducto delivery"))
						found := x.only("reducto Reconciled")
						assert.Equal(t, []trace.SpanID{id}, linked(found))
						assert.Equal(t, jobID, values(found)["reducto.job.id"])
						pass := x.named("reducto Reconcile")
						require.NotEmpty(t, pass)
						assert.Equal(t, pass[len(pass)-1].SpanContext.SpanID(), found.Parent.SpanID())
					} else {
						deliveries := x.named("reducto delivery")
						require.NotEmpty(t, deliveries)
						for _, s := range deliveries { // Reducto delivers again after the 500
							assert.Equal(t, []trace.SpanID{id}, linked(s))
							assert.Equal(t, parentless, s.Parent.SpanID().String())
							assert.Subset(t, values(s), map[attribute.Key]any{
								"reducto.job.id": jobID, "reducto.submission.id": submission,
								"reducto.job.status": "Completed", "reducto.key.id": "current",
							})
						}
						assert.EqualValues(t, 500, values(deliveries[0])["http.response.status_code"])
						assert.Empty(t, x.named("reducto Reconciled"))
					}
					assert.NotContains(t, fmt.Sprintf("%+v", x.spans.GetSpans()), canary)
				})
			})
		}
	}
}

func TestSubmissionWithoutWebhookIsOneTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls []call
		x := start(t, inbox.NewMemoryStore(), func(ctx context.Context, d *webhook.Delivery) error {
			calls = append(calls, call{string(d.Metadata), trace.SpanContextFromContext(ctx).TraceID()})
			return nil
		})
		defer x.stop()
		_, err := x.client.ParseAsync(t.Context(), reducto.ParseRequest{
			Input: reducto.URL("https://example.com/a.pdf"),
			Async: reducto.Async{Webhook: reducto.NoWebhook(), Metadata: map[string]string{"user": "mine"}},
		})
		require.NoError(t, err)
		time.Sleep(time.Hour)
		synctest.Wait()
		submit := x.only("reducto ParseAsync")
		assert.Equal(t, []call{{`{"user":"mine"}`, submit.SpanContext.TraceID()}}, calls)
		for _, r := range x.srv.RequestsTo("POST /parse_async") {
			assert.NotContains(t, string(r.Body), submit.SpanContext.TraceID().String())
		}
	})
}

func TestTraceCrossesProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls []call
		receiver := start(t, inbox.NewMemoryStore(), func(ctx context.Context, d *webhook.Delivery) error {
			calls = append(calls, call{string(d.Metadata), trace.SpanContextFromContext(ctx).TraceID()})
			return nil
		})
		defer receiver.stop()
		// Another program submits. It has the secret, and no Inbox.
		spans := tracetest.NewInMemoryExporter()
		tel, err := otelreducto.New(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)), nil)
		require.NoError(t, err)
		submitter := receiver.srv.Client(
			reducto.WithTracer(tel), reducto.WithSubmitHook(receiver.secret),
			reducto.WithWebhook(reducto.DirectWebhook(receiver.hook)))
		_, err = submitter.ParseAsync(t.Context(), reducto.ParseRequest{
			Input: reducto.URL("https://example.com/a.pdf"), Async: reducto.Async{Metadata: map[string]int{"user": 7}},
		})
		require.NoError(t, err)
		time.Sleep(time.Hour)
		synctest.Wait()
		submit := spans.GetSpans()[0].SpanContext
		assert.Equal(t, []call{{`{"user":7}`, submit.TraceID()}}, calls)
		assert.Equal(t, []trace.SpanID{submit.SpanID()}, linked(receiver.only("reducto delivery")))
		submitter.CloseIdleConnections()
	})
}

func TestHandlerCallsFuncInTheTraceAndLinksTheDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := start(t, inbox.NewMemoryStore(), func(context.Context, *webhook.Delivery) error { return nil })
		defer x.stop()
		handler, err := webhook.NewHandler(x.secret, x.tel.Func(func(ctx context.Context, d *webhook.Delivery) error {
			assert.JSONEq(t, `{"user":1}`, string(d.Metadata))
			panic(canary)
		}))
		require.NoError(t, err)
		const submitted = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		w := httptest.NewRecorder()
		r := webhook.NewTestRequest("/webhook", x.secret, "job-1", reducto.JobStatusCompleted, map[string]any{"user": 1, "traceparent": submitted})
		x.tel.Handler(handler).ServeHTTP(w, r)
		require.Equal(t, http.StatusInternalServerError, w.Code)
		delivery, process := x.only("reducto delivery"), x.only("reducto process")
		assert.Equal(t, "00f067aa0ba902b7", process.Parent.SpanID().String())
		assert.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", process.SpanContext.TraceID().String())
		assert.Equal(t, []trace.SpanID{delivery.SpanContext.SpanID()}, linked(process))
		assert.Equal(t, "panic", values(process)["error.type"])
		assert.Equal(t, "500", values(delivery)["error.type"])
		assert.NotContains(t, fmt.Sprintf("%+v", x.spans.GetSpans()), canary)
	})
}

func TestDeliveryThatIsRefusedHasNoLinkAndNoIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := start(t, inbox.NewMemoryStore(), func(context.Context, *webhook.Delivery) error { return nil })
		defer x.stop()
		const forged = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		r := webhook.NewTestRequest("/webhook", nil, "job-1", reducto.JobStatusCompleted, map[string]any{"secret": "wrong", "traceparent": forged})
		r.Header.Set("Traceparent", forged)
		w := httptest.NewRecorder()
		x.tel.Handler(x.inbox).ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, w.Code)
		s := x.only("reducto delivery")
		assert.Empty(t, s.Links)
		assert.Equal(t, map[attribute.Key]any{
			"messaging.system": "reducto", "messaging.operation.name": "delivery", "messaging.operation.type": "receive",
			"http.response.status_code": int64(401),
		}, values(s))
		assert.NotContains(t, s.SpanContext.TraceID().String(), "4bf92f35")
	})
}

func TestClientSpansAreChildrenOfTheCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := start(t, inbox.NewMemoryStore(), func(context.Context, *webhook.Delivery) error { return nil })
		defer x.stop()
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(x.spans)).Tracer("test")
		ctx, caller := tracer.Start(t.Context(), "caller")
		_, err := x.client.Upload(ctx, "a.txt", strings.NewReader("text"), reducto.UploadOptions{})
		require.NoError(t, err)
		job := x.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		_, err = x.client.Wait(ctx, job)
		require.NoError(t, err)
		_, err = x.client.GetJob(ctx, "no-such-job")
		require.ErrorIs(t, err, reducto.ErrNotFound)
		for j, err := range x.client.WaitEach(ctx, []string{job}) {
			require.NoError(t, err, j)
		}
		caller.End()
		for _, name := range []string{"reducto Upload", "reducto Wait", "reducto GetJob", "reducto WaitEach"} {
			s := x.only(name)
			assert.Equal(t, caller.SpanContext().SpanID(), s.Parent.SpanID(), name)
			assert.Equal(t, trace.SpanKindClient, s.SpanKind)
		}
		assert.Equal(t, job, values(x.only("reducto Wait"))["reducto.job.id"])
		failed := x.only("reducto GetJob")
		assert.Equal(t, codes.Error, failed.Status.Code)
		assert.Equal(t, "404", values(failed)["error.type"])
	})
}

func TestFuncOfNilIsRefused(t *testing.T) {
	t.Parallel()
	tel, err := otelreducto.New(nil, nil) // the global providers
	require.NoError(t, err)
	secret, err := webhook.NewSecret(canary)
	require.NoError(t, err)
	_, err = webhook.NewHandler(secret, tel.Func(nil))
	require.Error(t, err)
}
