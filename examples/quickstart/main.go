// Command quickstart shows the life of a document from the upload to the result, in one
// process and a few seconds:
//
//	go run ./examples/quickstart
//
// It uploads a PDF and a text, and submits them to parse, extract, split and a pipeline.
// It receives the webhooks, and prints the results. Without REDUCTO_API_KEY it uses a
// Reducto in its own process, which loses one webhook, repeats another and forges a
// third. The program exits with status 1 unless it handled each job exactly once and
// refused the forgery.
//
// With REDUCTO_API_KEY it does the same with the real service, without planned faults.
// With WEBHOOK_URL, a public URL that leads to -listen, it receives webhooks. Without it,
// the program polls.
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

// run is main without os.Exit.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cfg config
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&cfg.listen, "listen", ":8080", "`address` to receive webhooks at, with WEBHOOK_URL")
	flags.StringVar(&cfg.pipeline, "pipeline", os.Getenv("REDUCTO_PIPELINE_ID"),
		"`id` of your pipeline, for the real service (REDUCTO_PIPELINE_ID); without it, the step is left out")
	flags.DurationVar(&cfg.patience, "patience", 2*time.Minute, "how long to wait for webhooks of the real service before polling")
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

// config has the settings for the real service.
type config struct {
	listen, webhookURL, pipeline string
	patience                     time.Duration
}
