package otelreducto_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/otelreducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

func ExampleNew() {
	srv, err := reductotest.Start() // in place of Reducto
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	spans := tracetest.NewInMemoryExporter() // in place of OTLP
	tel, err := otelreducto.New(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)), nil)
	if err != nil {
		log.Fatal(err)
	}
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		log.Fatal(err)
	}
	processed := make(chan trace.TraceID, 1)
	process := func(ctx context.Context, _ *webhook.Delivery) error {
		processed <- trace.SpanContextFromContext(ctx).TraceID()
		return nil
	}
	in, err := inbox.New(secret, inbox.NewMemoryStore(), tel.Func(process), inbox.WithObserver(tel), inbox.WithTracer(tel))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", tel.Handler(in))
	client := srv.Client( // reducto.NewClient(
		reducto.WithTracer(tel),
		reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", mux))),
		reducto.WithSubmitHook(in),
	)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- in.Run(ctx, client) }() // or Serve

	_, err = client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.URL("https://example.com/document.pdf")})
	if err != nil {
		log.Fatal(err)
	}
	submitted := spans.GetSpans()[0]
	fmt.Println(submitted.Name)
	fmt.Println("one trace:", <-processed == submitted.SpanContext.TraceID())
	stop()
	fmt.Println(<-ran)
	// Output:
	// reducto ParseAsync
	// one trace: true
	// context canceled
}
