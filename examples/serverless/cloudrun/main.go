// Command cloudrun is a service of Cloud Run. Reducto sends deliveries to POST /webhook,
// and Cloud Scheduler sends POST /run each minute. Cloud Run gives CPU only during
// requests: see package serverless, which also has the environment variables. These are
// for this program:
//
//	RUN_TOKEN   the token that Cloud Scheduler sends: openssl rand -hex 32
//	PORT        the port to listen on; Cloud Run sets it (default: 8080)
//
// The service is public, because Reducto has no identity at Google. So Cloud Run's IAM
// cannot protect /run, and Cloud Scheduler sends a token:
//
//	gcloud scheduler jobs create http run --schedule='* * * * *' --http-method=POST \
//	  --uri=https://.../run --headers=Authorization="Bearer $RUN_TOKEN"
//
// With an OIDC token instead, deploy the image a second time with --no-allow-unauthenticated,
// and let Cloud Scheduler call that service (--oidc-service-account-email). Then IAM checks
// the OIDC token. It uses the header Authorization, so put RUN_TOKEN into X-Run-Token.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/reducto-go/reducto/examples/serverless"
)

const (
	// runTimeout is shorter than the deadline of Cloud Scheduler, three minutes.
	runTimeout = 2 * time.Minute
	// stopTimeout is shorter than the ten seconds that Cloud Run gives after SIGTERM.
	stopTimeout = 8 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	token := os.Getenv("RUN_TOKEN")
	if token == "" {
		log.Fatal("no token: set RUN_TOKEN to the token that Cloud Scheduler sends")
	}
	service, err := serverless.Open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", ":"+cmp.Or(os.Getenv("PORT"), "8080"))
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(ctx, listener, routes(service, token)); err != nil {
		log.Fatal(err)
	}
}

func routes(service *serverless.Service, token string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", service)
	want := sha256.Sum256([]byte(token))
	mux.HandleFunc("POST /run", func(w http.ResponseWriter, r *http.Request) {
		sent := cmp.Or(r.Header.Get("X-Run-Token"), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		got := sha256.Sum256([]byte(sent))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), runTimeout)
		defer cancel()
		if err := service.Run(ctx); err != nil {
			slog.ErrorContext(ctx, "the run failed", slog.Any("error", err))
			http.Error(w, "the run failed", http.StatusInternalServerError)
		}
	})
	return mux
}

// serve answers requests until ctx ends. Then it stops a run, whose records the next run
// claims, and lets deliveries finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := server.Shutdown(stop)
	if served := <-served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
