package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"expvar"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto"
)

// Limits of the http.Server. Only uploads may be slow. The answer to a webhook waits
// for the disk, not for the function.
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
	tls      *tls.Config   // nil without a certificate
	uploads  chan struct{} // limits the number of uploads at a time
	draining atomic.Bool   // not ready any more, as the service is about to stop
}

func newService(ctx context.Context, cfg *config, log *slog.Logger) (*service, error) {
	var config *tls.Config
	if cfg.tlsCert != "" {
		cert, err := tls.LoadX509KeyPair(cfg.tlsCert, cfg.tlsKey)
		if err != nil {
			return nil, err
		}
		config = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	archive, err := openArchive(cfg.results)
	if err != nil {
		return nil, err
	}
	receiver, err := newReceiver(ctx, cfg, archive.receive, log)
	if err != nil {
		return nil, errors.Join(err, archive.close())
	}
	return &service{
		cfg: cfg, log: log, client: receiver.client, receiver: receiver, archive: archive, tls: config,
		uploads: make(chan struct{}, cfg.maxUploads),
	}, nil
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.getHelp)
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

// help is the answer to GET /.
const help = `This service sends documents to Reducto to be parsed, and keeps their text.

POST /documents              send a form with the field "file"; the answer has an id
GET  /documents/{id}         status and summary of a document
GET  /documents/{id}/text    its text
GET  /healthz, GET /readyz   health checks
GET  /debug/vars             metrics

`

// getHelp says what the service is, and how to call it.
func (s *service) getHelp(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	base := s.cfg.publicURL
	if base == "" {
		base = localURL(r.Context().Value(http.LocalAddrContextKey).(net.Addr), s.tls != nil)
	}
	_, _ = io.WriteString(w, help+"Try it:\n\n"+curl(base, s.cfg.token != "")+"\n")
}

// curl returns a command that sends a document. It does not print the token.
func curl(base string, needsToken bool) string {
	auth := ""
	if needsToken {
		auth = ` -H "Authorization: Bearer $SERVICE_TOKEN"`
	}
	return "echo 'Dear all' | curl" + auth + " -F 'file=@-;filename=letter.txt' " + base + "/documents"
}

// report answers a health check. The reason goes into the log only, because anybody
// can send the request.
func (s *service) report(w http.ResponseWriter, r *http.Request, well string, err error) {
	if err != nil {
		s.log.WarnContext(r.Context(), "check failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "not " + well})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": well})
}

// serve answers requests until ctx ends. Then it lets running requests and functions
// finish.
func (s *service) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		TLSConfig:         s.tls,
	}
	s.log.Info("listening", slog.String("addr", listener.Addr().String()), slog.Bool("tls", s.tls != nil),
		slog.String("public_url", s.cfg.publicURL), slog.String("db", s.cfg.db))

	// The load balancer needs time to notice that the service is not ready any more, so
	// serving ends some time after ctx.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		s.log.Info("stopping")
		s.draining.Store(true)
		time.AfterFunc(s.cfg.drainDelay, stop)
	})()
	err := s.receiver.inbox.ServeListener(serving, server, listener, s.client)
	err = errors.Join(err, s.receiver.close(), s.archive.close())
	if err == nil {
		s.log.Info("stopped")
	}
	return err
}

// authorized passes requests on that have the bearer token.
func (s *service) authorized(next http.HandlerFunc) http.Handler {
	if s.cfg.token == "" { // only with -fake
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

// logged logs each request. It logs health checks at debug level.
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

// statusRecorder records the status of a response.
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

// Unwrap is for http.ResponseController. The Inbox uses it to limit how long a body
// may take.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
