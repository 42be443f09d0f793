// Command server is a service that a team could deploy as it is: it takes documents
// in, has Reducto parse them, and keeps what comes back.
//
//	POST /documents              a form with a file: 202, a job id and its location
//	GET  /documents/{id}         how the job stands, or a summary of its result
//	GET  /documents/{id}/text    the document's text
//	POST /webhook                where Reducto announces the end of jobs
//	GET  /healthz, GET /readyz   for whoever restarts it, and whoever sends it traffic
//	GET  /debug/vars             measurements
//
// What was submitted and is not finished is in a SQLite database (-db): a process
// that dies goes on where it was, and a job whose webhook is lost is looked for.
// Without a public URL there are no webhooks, and Reducto is asked for every job.
//
// Settings are flags, whose defaults come from the environment (-help lists them);
// secrets come from the environment alone, since the command line is visible to
// others:
//
//	REDUCTO_API_KEY           of the service
//	WEBHOOK_KEYS              id=secret,...: webhooks carry a token of their submission's own,
//	                          signed with the first key, accepted with each: openssl rand -hex 32
//	WEBHOOK_SECRET            or simpler: one secret that all webhooks carry
//	WEBHOOK_SECRET_PREVIOUS   accepted too, while it is being replaced
//	SERVICE_TOKEN             that callers of /documents and /debug/vars give as a bearer token
//
// To try it without any of them:
//
//	go run ./examples/server -fake
//	curl -F file=@README.md localhost:8080/documents
//
// Jobs whose result could not be used or kept are dead: they are listed with their
// reasons, and begun anew when that is mended, also while the service runs:
//
//	server dead -db inbox.db
//	server replay -db inbox.db KEY...
//
// Behind a proxy that speaks TLS, PUBLIC_URL is the proxy's URL; without one, give
// it a certificate with -tls-cert and -tls-key.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/reducto-go/reducto/reductotest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main, and returns the exit status: 2 for settings that are wrong, 1 for
// what fails later.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && (args[0] == "dead" || args[0] == "replay") {
		return administer(ctx, args[0], args[1:], stdout, stderr)
	}
	cfg, err := configure(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "server:", err)
		return 2
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: cfg.logLevel}))
	if err := serve(ctx, cfg, log); err != nil {
		log.Error("stopped", slog.Any("error", err))
		return 1
	}
	return 0
}

// serve runs the service until ctx ends.
func serve(ctx context.Context, cfg *config, log *slog.Logger) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	if cfg.fake {
		srv, err := reductotest.Start(reductotest.OnTCP())
		if err != nil {
			return err
		}
		defer srv.Close()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			return err
		}
		if cfg.results == "" {
			if cfg.results, err = os.MkdirTemp("", "documents-*"); err != nil {
				return err
			}
			defer os.RemoveAll(cfg.results)
		}
		if cfg.db == "" {
			cfg.db = filepath.Join(cfg.results, "inbox.db")
		}
		cfg.useFake(srv.URL(), srv.APIKey(), "http://127.0.0.1:"+port)
		log.Warn("this is no real service: documents go to a Reducto in this process", slog.String("api", srv.URL()))
	}
	s, err := newService(ctx, cfg, log)
	if err != nil {
		return err
	}
	return s.serve(ctx, listener)
}
