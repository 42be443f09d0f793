package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// inMemory runs the story with a Reducto in this process.
func inMemory(ctx context.Context, out *printer) error {
	out.step("Start a Reducto in this process, since REDUCTO_API_KEY is not set")
	srv, err := reductotest.Start(
		reductotest.WithProcessingTime(200*time.Millisecond),
		// Four attempts, as with the service, but not over seconds.
		reductotest.WithRetrySchedule(50*time.Millisecond, 100*time.Millisecond, 200*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer srv.Close()
	out.line("the API is at %s", srv.URL())

	out.step("Make a secret, a client and a webhook handler")
	// The client adds the secret to the metadata of each submission, and Reducto returns
	// it in the webhook. A request without it is a forgery.
	secret, err := webhook.NewSecret(rand.Text())
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	url := srv.Mount("/webhook", mux)
	client := srv.Client(
		reducto.WithWebhook(reducto.DirectWebhook(url)),
		reducto.WithSubmitHook(secret),
	)
	defer client.CloseIdleConnections()
	s := &story{
		out: out, client: client, ledger: newLedger(),
		pipeline: "invoices", patience: 2 * time.Second,
	}
	srv.DefinePipeline(s.pipeline, reductotest.Pipeline{Schema: invoiceSchema})
	handler, err := webhook.NewHandler(secret, s.receive, webhook.WithClient(client))
	if err != nil {
		return err
	}
	mux.Handle("POST /webhook", handler)
	out.line("webhooks come to %s", url)

	srv.Hold() // until the faults are in place
	if err := s.tell(ctx, func() { misbehave(srv, out) }); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}

	out.step("What was delivered, and what was answered")
	if err := settle(ctx, srv, s.ledger); err != nil {
		return err
	}
	if err := handler.Shutdown(ctx); err != nil {
		return err
	}
	printDeliveries(out, srv, s.ledger)
	stats := handler.Stats()
	out.stats(stats)
	if err := check(srv, s.ledger, stats); err != nil {
		return err
	}
	out.line("every job was handled exactly once")
	return nil
}

// faults has the planned fault of each kind of job, and the number of answered
// deliveries.
var faults = map[string]struct {
	text    string
	fault   reductotest.WebhookFault
	answers int
}{
	"parse":    {"delivered three times", reductotest.Duplicate(2), 3},
	"extract":  {"preceded by a forgery", reductotest.ForgeBefore(reductotest.Forgery{Secret: "a wrong secret"}), 2},
	"split":    {"lost, all four attempts", reductotest.Lose(), 0},
	"pipeline": {"without a fault", reductotest.WebhookFault{}, 1},
}

// misbehave plans the fault of each webhook, and lets the jobs run.
func misbehave(srv *reductotest.Server, out *printer) {
	out.step("Plan the faults of the webhooks")
	for _, job := range srv.Jobs() {
		kind := strings.ToLower(job.Type)
		srv.WebhookFaultFor(job.ID, faults[kind].fault)
		out.line("%-10s %s", kind, faults[kind].text)
	}
	srv.Release()
}

// settle waits until all deliveries are answered.
func settle(ctx context.Context, srv *reductotest.Server, l *ledger) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, r := range l.records() {
		if _, err := srv.AwaitDeliveries(ctx, r.jobID, faults[r.kind].answers); err != nil {
			return err
		}
	}
	return nil
}

func printDeliveries(out *printer, srv *reductotest.Server, l *ledger) {
	out.line("%-10s %-9s %-8s %s", "JOB", "FOUND BY", "HANDLED", "DELIVERIES")
	for _, r := range l.records() {
		var answers []string
		for _, d := range srv.Deliveries(r.jobID) {
			switch {
			case d.Lost:
				answers = append(answers, "lost")
			case d.Forged:
				answers = append(answers, fmt.Sprintf("%d (forged)", d.StatusCode))
			case d.Duplicate:
				answers = append(answers, fmt.Sprintf("%d (duplicate)", d.StatusCode))
			default:
				answers = append(answers, fmt.Sprint(d.StatusCode))
			}
		}
		out.line("%-10s %-9s %-8d %s", r.kind, r.source, r.handled, strings.Join(answers, ", "))
	}
}

// check returns an error that names everything that went wrong.
func check(srv *reductotest.Server, l *ledger, stats webhook.Stats) error {
	var wrong []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	records := l.records()
	want(len(records) == len(faults), "%d jobs were submitted, not %d", len(records), len(faults))
	for _, r := range records {
		want(r.handled == 1, "the %s job was handled %d times", r.kind, r.handled)
		// On a slow machine the poll can find other jobs before their webhooks arrive.
		want(r.kind != "split" || r.source == "polling", "the job of the lost webhook was found by %s", r.source)
		if i := r.found.invoice; r.kind == "extract" {
			want(i != nil && i.Number == "INV-2026-0117" && i.Total.Value == 1284.50 && len(i.Total.Citations) == 1,
				"the invoice was read wrongly: %s", r.found.report)
		}
		for _, d := range srv.Deliveries(r.jobID) {
			switch {
			case d.Forged:
				want(d.StatusCode == http.StatusUnauthorized, "the forgery was answered %d", d.StatusCode)
			case !d.Lost:
				want(d.StatusCode == http.StatusOK, "a delivery of the %s job was answered %d", r.kind, d.StatusCode)
			}
		}
	}
	want(stats.Calls == 3, "the function was called %d times, not 3", stats.Calls)
	want(stats.Duplicates == 2, "%d duplicates were recognised, not 2", stats.Duplicates)
	want(stats.Unauthorized == 1, "%d deliveries were refused, not 1", stats.Unauthorized)
	for _, v := range append(srv.Violations(), srv.UnknownFields()...) {
		want(false, "the service reports: %s", v)
	}
	return errors.Join(wrong...)
}
