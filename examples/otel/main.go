// Command otel shows the traces and metrics of an Inbox. It needs no API key, because it
// sends documents to a Reducto in the process. Some webhooks are lost, and some calls of
// the function fail.
//
//	go run ./examples/otel
//
// It prints a line for each span. Prometheus can scrape http://127.0.0.1:9464/metrics, and
// otelreducto/grafana.json is a dashboard for it. In your program, export spans with
// go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/otelreducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9464", "`address` of /metrics")
	every := flag.Duration("every", time.Second, "how often to submit a document")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err == nil {
		err = run(ctx, os.Stdout, listener, *every)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "otel:", err)
		os.Exit(1)
	}
}

// run submits documents and serves /metrics until ctx ends.
func run(ctx context.Context, out io.Writer, listener net.Listener, every time.Duration) error {
	srv, err := reductotest.Start()
	if err != nil {
		return err
	}
	defer srv.Close()
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return err
	}
	// A program with OTLP uses WithBatcher.
	spans := sdktrace.NewTracerProvider(sdktrace.WithSyncer(printer{out}))
	tel, err := otelreducto.New(spans, sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	if err != nil {
		return err
	}

	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		return err
	}
	in, err := inbox.New(secret, inbox.NewMemoryStore(), tel.Func(process),
		inbox.WithObserver(tel), inbox.WithTracer(tel), inbox.WithPollAfter(5*every))
	if err != nil {
		return err
	}
	client := srv.Client( // reducto.NewClient(
		reducto.WithTracer(tel),
		reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", tel.Handler(in)))),
		reducto.WithSubmitHook(in),
	)
	submitCtx, stop := context.WithCancel(ctx)
	var submitting sync.WaitGroup
	submitting.Go(func() { submit(submitCtx, srv, client, every) })
	defer func() {
		stop()
		submitting.Wait()
	}()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	fmt.Fprintf(out, "metrics: http://%s/metrics\n", listener.Addr())
	return in.ServeListener(ctx, &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, listener, client)
}

// process fails once for a third of the jobs.
func process(_ context.Context, d *webhook.Delivery) error {
	var order struct {
		Number int `json:"order"`
	}
	if err := d.DecodeMetadata(&order); err != nil {
		return webhook.Permanent(err)
	}
	if d.Attempt == 1 && order.Number%3 == 0 {
		return errors.New("not now")
	}
	return nil
}

// submit submits documents until ctx ends. Every fourth webhook is lost.
func submit(ctx context.Context, srv *reductotest.Server, client *reducto.Client, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for order := 1; ; order++ {
		if order%4 == 0 {
			srv.WebhookFault(reductotest.Lose())
		}
		// The span has the error.
		_, _ = client.ParseAsync(ctx, reducto.ParseRequest{
			Input: reducto.URL("https://example.com/document.pdf"),
			Async: reducto.Async{Metadata: map[string]int{"order": order}},
		})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// printer prints a line for each span.
type printer struct{ w io.Writer }

// ExportSpans implements sdktrace.SpanExporter.
func (p printer) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		line := fmt.Sprintf("trace %.8s  %-22s %8v", s.SpanContext().TraceID(), s.Name(), s.EndTime().Sub(s.StartTime()).Round(time.Microsecond))
		for _, l := range s.Links() {
			line += fmt.Sprintf("  linked to trace %.8s", l.SpanContext.TraceID())
		}
		if _, err := fmt.Fprintln(p.w, strings.TrimSpace(line+"  "+s.Status().Description)); err != nil {
			return err
		}
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (printer) Shutdown(context.Context) error { return nil }
