package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"expvar"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
)

// Limits of the http.Server. An upload may be slow; everything else is quick: the
// answer to a webhook waits for the disk, and not for the work.
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

func newService(ctx context.Context, cfg *config, log *slog.Logger) (*service, error) {
	archive, err := openArchive(cfg.results)
	if err != nil {
		return nil, err
	}
	receiver, err := newReceiver(ctx, cfg, archive.receive, log)
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
	if s.cfg.publicURL != "" {
		mux.Handle("POST "+webhookPath, s.receiver.inbox)
	}
	mux.Handle("POST /documents", s.authorized(s.postDocument))
	mux.Handle("GET /documents/{id}", s.authorized(s.getDocument))
	mux.Handle("GET /documents/{id}/text", s.authorized(s.getText))
	mux.Handle("GET /debug/vars", s.authorized(expvar.Handler().ServeHTTP))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		s.report(w, r, "ok", s.receiver.inbox.Healthy())
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
			return
		}
		s.report(w, r, "ready", s.receiver.inbox.Ready(r.Context()))
	})
	return s.logged(mux)
}

// report answers a check. Anybody may ask, so what is wrong goes into the log.
func (s *service) report(w http.ResponseWriter, r *http.Request, well string, err error) {
	if err != nil {
		s.log.WarnContext(r.Context(), "check failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "not " + well})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": well})
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
	go s.receiver.run(ctx)
	served := make(chan error, 1)
	go func() {
		if s.cfg.tlsCert != "" {
			served <- server.ServeTLS(listener, s.cfg.tlsCert, s.cfg.tlsKey)
		} else {
			served <- server.Serve(listener)
		}
	}()
	s.log.Info("listening", slog.String("addr", listener.Addr().String()), slog.Bool("tls", s.cfg.tlsCert != ""),
		slog.String("public_url", s.cfg.publicURL), slog.String("db", s.cfg.db))

	select {
	case err := <-served:
		return errors.Join(err, s.close(ctx, server))
	case err := <-s.receiver.ran: // it could not even begin
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
// taken in, then the inbox finishes what it has begun, then what that writes to is
// closed.
func (s *service) close(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.shutdownTimeout)
	defer cancel()
	return errors.Join(server.Shutdown(ctx), s.receiver.close(ctx), s.archive.close())
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
