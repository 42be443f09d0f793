// Command completetx counts the pages that customers have had parsed, so that they
// can be billed: each document exactly once, whatever is delivered twice or dies in
// between. The entry in the ledger and the end of the job are committed in one
// transaction, with Delivery.CompleteTx.
//
//	REDUCTO_API_KEY   of the service
//	WEBHOOK_SECRET    that webhooks carry: openssl rand -hex 32
//	WEBHOOK_URL       where Reducto reaches this program
//	PORT              where it listens: 8080
//	DATABASE_URL      of a PostgreSQL database; without one it is SQLite, in ledger.db
//
// Documents are submitted with POST /documents?url=...&customer=...
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/sqlstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", ":"+cmp.Or(os.Getenv("PORT"), "8080"))
	if err == nil {
		err = run(ctx, listener, os.Getenv("DATABASE_URL"))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run opens the ledger, and serves until ctx ends.
func run(ctx context.Context, listener net.Listener, databaseURL string) error {
	if databaseURL == "" {
		l, err := openSQLite(ctx, "ledger.db")
		if err != nil {
			return err
		}
		defer l.close()
		return serve(ctx, listener, l.db, sqlstore.SQLite, l.process)
	}
	l, err := openPostgres(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer l.close()
	return serve(ctx, listener, l.db, sqlstore.PostgreSQL, l.process)
}

// serve receives webhooks and has process called for every job, until ctx ends.
func serve(ctx context.Context, listener net.Listener, db *sql.DB, dialect sqlstore.Dialect, process webhook.Func) error {
	mux := http.NewServeMux()
	work := context.WithoutCancel(ctx) // Shutdown ends it
	ran, served := make(chan error, 1), make(chan error, 1)
	secret, err := webhook.NewSecret(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		return err
	}

	store, err := sqlstore.Open(ctx, db, dialect) // sqlstore.SQLite or sqlstore.PostgreSQL
	if err != nil {
		return err
	}
	inbox, err := webhook.NewInbox(secret, store, process)
	if err != nil {
		return err
	}
	client, err := reducto.NewClient(
		reducto.WithWebhook(reducto.DirectWebhook(os.Getenv("WEBHOOK_URL"))),
		reducto.WithSubmitHook(inbox), // remembers every submission, and adds the secret
	)
	if err != nil {
		return err
	}
	mux.Handle("POST /webhook", inbox)             // answers 200 once the delivery is on disk
	go func() { ran <- inbox.Run(work, client) }() // work, retries, and the search for lost webhooks

	mux.Handle("POST /documents", submit(client))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { served <- server.Serve(listener) }()
	select {
	case <-ctx.Done():
	case err := <-served:
		served <- err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err = errors.Join(server.Shutdown(ctx), inbox.Shutdown(ctx)) // in this order
	client.CloseIdleConnections()
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return errors.Join(err, <-ran)
}

// metadata travels with a submission, and comes back with the end of its job.
type metadata struct {
	Customer string `json:"customer"`
}

func submit(client *reducto.Client) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		job, err := client.ParseAsync(r.Context(), reducto.ParseRequest{
			Input: reducto.URL(r.FormValue("url")),
			Async: reducto.Async{Metadata: metadata{Customer: r.FormValue("customer")}},
		})
		if err != nil {
			log.Print(err)
			http.Error(w, "not submitted", http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, job.JobID)
	}
}

// entry is a line of the ledger.
type entry struct {
	jobID, customer string
	pages           int
}

const (
	// The table does not refuse a second entry for a job: nothing but CompleteTx
	// sees to it that there is none.
	createLedger = `CREATE TABLE IF NOT EXISTS ledger (job_id text NOT NULL, customer text NOT NULL, pages integer NOT NULL)`
	insertEntry  = `INSERT INTO ledger (job_id, customer, pages) VALUES ($1, $2, $3)`
)

// entryFor is what a job costs; nothing if it brought no result. It is read before
// the transaction begins: a transaction that waits for the network holds up others.
func entryFor(ctx context.Context, d *webhook.Delivery) (entry, error) {
	var m metadata
	if err := d.DecodeMetadata(&m); err != nil {
		return entry{}, webhook.Permanent(err)
	}
	e := entry{jobID: d.JobID, customer: m.Customer}
	if d.Outcome != webhook.OutcomeCompleted {
		return e, nil
	}
	job, err := d.Job(ctx)
	if err != nil {
		return e, err
	}
	result, err := reducto.As[*reducto.ParseResult](job)
	if err != nil {
		return e, webhook.Permanent(err)
	}
	e.pages = result.Usage.NumPages
	return e, nil
}
