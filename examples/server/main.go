// Command server is a service that a team can deploy. It receives documents, has
// Reducto parse them, and keeps the results.
//
//	GET  /                       a short help
//	POST /documents              a form with a file; answers 202 with a job id
//	GET  /documents/{id}         the status of the job, or a summary of its result
//	GET  /documents/{id}/text    the text of the document
//	POST /webhook                the webhook of Reducto
//	GET  /healthz, GET /readyz   health checks
//	GET  /debug/vars             metrics
//
// A SQLite database (-db) has all jobs that are not finished. After a crash the
// service goes on with them. If a webhook is lost, the service polls Reducto for the
// job. Without a public URL it polls for all jobs.
//
// Settings are flags, and their defaults come from the environment (see -help).
// Secrets come only from the environment, because others can see the command line:
//
//	REDUCTO_API_KEY           the API key
//	WEBHOOK_KEYS              id=secret,... for signed tokens, one for each submission; the
//	                          first key signs, all verify: openssl rand -hex 32
//	WEBHOOK_SECRET            or, simpler, one secret that all webhooks carry
//	WEBHOOK_SECRET_PREVIOUS   the previous secret, accepted during a rotation
//	SERVICE_TOKEN             the bearer token for /documents and /debug/vars
//
// To try it without any of them:
//
//	go run . -fake
//
// It prints a command that sends a document.
//
// If a result cannot be used or kept, its job is dead. List dead jobs, mend the cause,
// and replay them. The service may run meanwhile:
//
//	server dead -db inbox.db
//	server replay -db inbox.db KEY...
//
// Behind a TLS proxy, PUBLIC_URL is the URL of the proxy. Without a proxy, use
// -tls-cert and -tls-key.
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

// run is main without os.Exit. It returns 2 for wrong settings, and 1 for errors that
// come later.
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
	if err := serve(ctx, cfg, stdout, log); err != nil {
		log.Error("stopped", slog.Any("error", err))
		return 1
	}
	return 0
}

// serve runs the service until ctx ends.
func serve(ctx context.Context, cfg *config, stdout io.Writer, log *slog.Logger) error {
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
		if cfg.results == "" {
			if cfg.results, err = os.MkdirTemp("", "documents-*"); err != nil {
				return err
			}
			defer os.RemoveAll(cfg.results)
		}
		if cfg.db == "" {
			cfg.db = filepath.Join(cfg.results, "inbox.db")
		}
		base := localURL(listener.Addr(), cfg.tlsCert != "")
		cfg.useFake(srv.URL(), srv.APIKey(), base)
		log.Warn("no real service: documents go to a Reducto in this process", slog.String("api", srv.URL()))
		fmt.Fprintf(stdout, "Send a document with:\n\n%s\n\nSee %s/ for more.\n", curl(base, cfg.token != ""), base)
	}
	s, err := newService(ctx, cfg, log)
	if err != nil {
		return err
	}
	return s.serve(ctx, listener)
}

// localURL returns the URL of a listener for programs on this machine.
func localURL(addr net.Addr, tls bool) string {
	host, scheme := addr.String(), "http://"
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = fmt.Sprint("127.0.0.1:", tcp.Port)
	}
	if tls {
		scheme = "https://"
	}
	return scheme + host
}
