package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
)

// Limits of the http.Server. An upload may be slow; everything else is quick, but
// the answer to a webhook waits for the function, which may take its time.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 15 * time.Minute
	writeTimeout      = 20 * time.Minute
	idleTimeout       = 2 * time.Minute
)

// service is the program.
type service struct {
	cfg      *config
	log      *slog.Logger
	client   *reducto.Client
	receiver *receiver
	archive  *archive
	uploads  chan struct{} // as many places as there may be uploads at a time
	draining atomic.Bool
}

func newService(cfg *config, log *slog.Logger) (*service, error) {
	archive, err := openArchive(cfg.results)
	if err != nil {
		return nil, err
	}
	receiver, err := newReceiver(cfg, archive.receive, log)
	if err != nil {
		return nil, errors.Join(err, archive.close())
	}
	return &service{
		cfg: cfg, log: log, client: receiver.client, receiver: receiver, archive: archive,
		uploads: make(chan struct{}, cfg.maxUploads),
	}, nil
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+webhookPath, s.receiver.handler)
	mux.Handle("POST /documents", s.authorized(s.postDocument))
	mux.Handle("GET /documents/{id}", s.authorized(s.getDocument))
	mux.Handle("GET /documents/{id}/text", s.authorized(s.getText))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.draining.Load() {
			writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
			return
		}
		writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	})
	return s.logged(mux)
}

// serve answers requests until ctx ends, and then finishes what it has begun.
func (s *service) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() {
		if s.cfg.tlsCert != "" {
			served <- server.ServeTLS(listener, s.cfg.tlsCert, s.cfg.tlsKey)
		} else {
			served <- server.Serve(listener)
		}
	}()
	s.log.Info("listening", slog.String("addr", listener.Addr().String()), slog.Bool("tls", s.cfg.tlsCert != ""),
		slog.String("webhook", s.cfg.publicURL+webhookPath))

	select {
	case err := <-served:
		return errors.Join(err, s.close(ctx, server))
	case <-ctx.Done():
	}
	s.log.Info("stopping")
	s.draining.Store(true)
	drain := time.NewTimer(s.cfg.drainDelay)
	defer drain.Stop()
	select {
	case <-drain.C:
	case err := <-served:
		return errors.Join(err, s.close(ctx, server))
	}
	err := s.close(ctx, server)
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	if err == nil {
		s.log.Info("stopped")
	}
	return err
}

// close stops in the order in which nothing is lost: first no more requests are
// taken in, then the work that webhooks began is finished (it goes on when the
// sender has gone, and http.Server does not wait for it), then what it writes to
// is closed.
func (s *service) close(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.shutdownTimeout)
	defer cancel()
	err := errors.Join(server.Shutdown(ctx), s.receiver.shutdown(ctx), s.archive.close())
	s.client.CloseIdleConnections()
	return err
}

// authorized lets requests through that carry the token.
func (s *service) authorized(next http.HandlerFunc) http.Handler {
	if s.cfg.token == "" { // with -fake
		return next
	}
	want := sha256.Sum256([]byte(s.cfg.token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(token))
		if !ok || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeError(w, http.StatusUnauthorized, "the bearer token is missing or wrong")
			return
		}
		next(w, r)
	})
}

// logged logs each request, health checks at debug level.
func (s *service) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		recorder := &statusRecorder{ResponseWriter: w}
		next.ServeHTTP(recorder, r)
		level := slog.LevelInfo
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
			level = slog.LevelDebug
		}
		s.log.Log(r.Context(), level, "request",
			slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", recorder.status), slog.Duration("took", time.Since(started)))
	})
}

// statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *statusRecorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap leads http.ResponseController, with which the webhook handler limits how
// long a body may take, to the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
