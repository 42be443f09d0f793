// Command river parses documents by jobs of the queue River (riverqueue.com). One kind
// of River job submits a document. When its Reducto job has ended, the Inbox inserts
// exactly one River job of another kind, which processes the result.
//
//	DATABASE_URL      a PostgreSQL database
//	REDUCTO_API_KEY   the API key (default: a Reducto in the process)
//
//	go run ./examples/river https://example.com/a.pdf https://example.com/b.pdf
//
// It runs until it is interrupted. With an API key the Inbox polls for the ends of jobs, so the program needs no public
// URL. A service with one uses reducto.WithWebhook, and mounts the Inbox there.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, os.Getenv("DATABASE_URL"), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

// run parses the documents and prints a line for each, until ctx ends.
func run(ctx context.Context, out io.Writer, databaseURL string, documents []string) error {
	if databaseURL == "" {
		return errors.New("no database: set DATABASE_URL to a PostgreSQL database")
	}
	pool, err := openPool(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	db := stdlib.OpenDB(*pool.Config().ConnConfig) // the store has connections of its own
	defer db.Close()
	var srv *reductotest.Server
	if os.Getenv(reducto.EnvAPIKey) == "" {
		if srv, err = reductotest.Start(); err != nil {
			return err
		}
		defer srv.Close()
	}
	a, err := newApp(ctx, pool, db, log.New(out, "", 0), srv)
	if err != nil {
		return err
	}
	return a.run(ctx, documents)
}

// openPool opens the pool of River and of the Inbox's function.
func openPool(ctx context.Context, databaseURL string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 2*inbox.DefaultWorkers + 5 // for functions, River's workers and River itself
	return pgxpool.NewWithConfig(ctx, config)
}

// app is River and an Inbox on one database, so that one transaction can change both.
type app struct {
	pool   *pgxpool.Pool
	river  *river.Client[pgx.Tx]
	inbox  *inbox.Inbox
	client *reducto.Client
	out    *log.Logger
}

// newApp migrates the database, and connects the parts. The store uses db. srv is nil for
// Reducto itself.
func newApp(ctx context.Context, pool *pgxpool.Pool, db *sql.DB, out *log.Logger, srv *reductotest.Server) (*app, error) {
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	a := &app{pool: pool, out: out}
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(a.submit))
	river.AddWorker(workers, river.WorkFunc(a.process))
	queues := map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: inbox.DefaultWorkers}}
	if a.river, err = river.NewClient(driver, &river.Config{Workers: workers, Queues: queues}); err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL)
	if err != nil {
		return nil, err
	}
	secret, err := webhook.NewSecret(rand.Text()) // a service keeps its secret, for later deliveries
	if err != nil {
		return nil, err
	}
	if a.inbox, err = inbox.New(secret, store, a.enqueue); err != nil {
		return nil, err
	}
	if srv == nil {
		a.client, err = reducto.NewClient(reducto.WithSubmitHook(a.inbox))
		return a, err
	}
	a.client = srv.Client(reducto.WithSubmitHook(a.inbox), reducto.WithWebhook(reducto.DirectWebhook(srv.Mount("/webhook", a.inbox))))
	return a, nil
}

// run inserts a River job for each document. River and the Inbox work until ctx ends.
func (a *app) run(ctx context.Context, documents []string) error {
	defer a.client.CloseIdleConnections()
	for _, url := range documents {
		if _, err := a.river.Insert(ctx, submitArgs{Document: url}, nil); err != nil {
			return err
		}
	}
	lasting := context.WithoutCancel(ctx) // running functions may finish
	if err := a.river.Start(lasting); err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() { ran <- a.inbox.Run(lasting, a.client) }()
	<-ctx.Done()
	stop, cancel := context.WithTimeout(lasting, 30*time.Second)
	defer cancel()
	return errors.Join(a.river.Stop(stop), a.inbox.Shutdown(stop), <-ran)
}
