// Command quickstart shows what becomes of a document, from the upload to the
// result, in one process and a few seconds:
//
//	go run ./examples/quickstart
//
// It uploads a PDF and a text, submits them to be parsed, extracted, split and run
// through a pipeline, receives the webhooks that announce the end of each job, and
// prints the results. Without REDUCTO_API_KEY it talks to a Reducto of its own, in
// memory, which loses one webhook, repeats another and has a third one forged; the
// program ends with status 1 unless every job was handled exactly once all the
// same, and the forgery refused.
//
// With REDUCTO_API_KEY it does the same with the real service, which it leaves to
// make its own faults: with WEBHOOK_URL, the public URL that leads to -listen, it
// receives webhooks; without, it waits.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/reducto-go/reducto"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main, and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cfg config
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&cfg.listen, "listen", ":8080", "`address` to receive webhooks at, with WEBHOOK_URL")
	flags.StringVar(&cfg.pipeline, "pipeline", os.Getenv("REDUCTO_PIPELINE_ID"),
		"`id` of a pipeline of your studio, for the real service (REDUCTO_PIPELINE_ID); without one that step is left out")
	flags.DurationVar(&cfg.patience, "patience", 2*time.Minute, "how long to wait for webhooks of the real service before asking for the jobs")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	cfg.webhookURL = os.Getenv("WEBHOOK_URL")

	tell := func(ctx context.Context, out *printer) error { return inMemory(ctx, out) }
	if os.Getenv(reducto.EnvAPIKey) != "" {
		tell = func(ctx context.Context, out *printer) error { return forReal(ctx, out, cfg) }
	}
	err := tell(ctx, &printer{w: stdout})
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintln(stderr, "quickstart: interrupted")
		return 130
	case err != nil:
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	return 0
}

// config is what the real service needs to be told.
type config struct {
	listen, webhookURL, pipeline string
	patience                     time.Duration
}
