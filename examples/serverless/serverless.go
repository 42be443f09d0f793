// Package serverless runs an Inbox where a process gets CPU only while it answers a
// request, as in AWS Lambda and Cloud Run. Inbox.Run needs CPU all the time. So the work
// is split into two kinds of requests, which share a database:
//
//   - A delivery. The Inbox commits it to the database, and answers 200. Nothing is left
//     to do after the answer.
//   - A schedule, each minute. Inbox.RunOnce calls the function for the jobs that have
//     ended, and polls for those whose webhooks were lost.
//
// So the function is called up to a minute after the delivery. Do not call it before the
// answer to the delivery: Reducto waits only for seconds and does not retry for hours.
//
// Directories lambda and cloudrun have a program each. The database is PostgreSQL, because
// these platforms keep no files. Many instances may need a pooler, such as PgBouncer or
// RDS Proxy: see docs/operations.md.
package serverless

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

const (
	// funcTimeout is shorter than a run. Otherwise no run could finish a slow function.
	funcTimeout = time.Minute
	// flushTimeout limits how long an answer waits for a slow logger.
	flushTimeout = time.Second
)

// Service is an Inbox with its client. Submit with the client.
type Service struct {
	Inbox  *inbox.Inbox
	Client *reducto.Client
	run    sync.Mutex
}

// Open connects to the database and to Reducto, by these environment variables:
//
//	DATABASE_URL      a PostgreSQL database
//	REDUCTO_API_KEY   the API key
//	WEBHOOK_SECRET    the secret of the webhooks: openssl rand -hex 32
//	WEBHOOK_URL       the public URL of the webhook
func Open(ctx context.Context) (*Service, error) {
	databaseURL := os.Getenv("DATABASE_URL")
	if databaseURL == "" {
		return nil, errors.New("no database: set DATABASE_URL to a PostgreSQL database")
	}
	secret, err := webhook.NewSecret(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4) // for each instance
	db.SetMaxIdleConns(4)
	db.SetConnMaxLifetime(time.Minute) // a connection may be dead after a pause of the process
	store, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	hook := reducto.WithWebhook(reducto.DirectWebhook(os.Getenv("WEBHOOK_URL")))
	return New(secret, store, Process, func(in *inbox.Inbox) (*reducto.Client, error) {
		return reducto.NewClient(hook, reducto.WithSubmitHook(in))
	}, inbox.WithLogger(slog.Default()))
}

// New returns a Service. client makes the client that submits through the Inbox.
func New(v webhook.Verifier, s inbox.Store, f webhook.Func, client func(*inbox.Inbox) (*reducto.Client, error), opts ...inbox.Option) (*Service, error) {
	in, err := inbox.New(v, s, f, append([]inbox.Option{inbox.WithFuncTimeout(funcTimeout)}, opts...)...)
	if err != nil {
		return nil, err
	}
	c, err := client(in)
	if err != nil {
		return nil, err
	}
	return &Service{Inbox: in, Client: c}, nil
}

// ServeHTTP answers a delivery. It also waits for log records, because the process gets
// no CPU after it returns.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Inbox.ServeHTTP(w, r)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), flushTimeout)
	defer cancel()
	_ = s.Inbox.Flush(ctx)
}

// Run does the work that is due, until ctx ends. The next run continues. If a run is
// active in this process, Run returns at once.
func (s *Service) Run(ctx context.Context) error {
	if !s.run.TryLock() {
		return nil
	}
	defer s.run.Unlock()
	err := s.Inbox.RunOnce(ctx, s.Client)
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

// Process logs the number of pages of a document. Put your work here.
func Process(ctx context.Context, d *webhook.Delivery) error {
	job, err := d.Job(ctx)
	if err != nil {
		return err
	}
	if result, err := reducto.As[*reducto.ParseResult](job); err == nil {
		slog.InfoContext(ctx, "parsed", slog.String("job_id", d.JobID), slog.Int("pages", result.Usage.NumPages))
		return nil
	}
	slog.WarnContext(ctx, "not parsed", slog.String("job_id", d.JobID), slog.String("outcome", string(d.Outcome)))
	return nil
}
