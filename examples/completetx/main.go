// Command completetx counts the pages that customers have had parsed, for their
// bills. It counts each document exactly once, even if Reducto delivers a webhook
// twice or the process dies. Delivery.CompleteTx commits the ledger's entry and the
// end of the job in one transaction.
//
//	REDUCTO_API_KEY   the API key
//	WEBHOOK_SECRET    the secret of the webhooks: openssl rand -hex 32
//	WEBHOOK_URL       the URL at which Reducto reaches this program's /webhook
//	PORT              the port to listen on (default: 8080)
//	DATABASE_URL      a PostgreSQL database (default: SQLite, in ledger.db)
//
// POST /documents?url=...&customer=... submits a document.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, ":"+cmp.Or(os.Getenv("PORT"), "8080"), os.Getenv("DATABASE_URL")); err != nil {
		log.Fatal(err)
	}
}

// run opens the ledger, and serves until ctx ends.
func run(ctx context.Context, addr, databaseURL string) error {
	if databaseURL == "" {
		l, err := openSQLite(ctx, "ledger.db")
		if err != nil {
			return err
		}
		defer l.close()
		return serve(ctx, addr, l.db, sqlstore.SQLite, l.process)
	}
	l, err := openPostgres(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer l.close()
	return serve(ctx, addr, l.db, sqlstore.PostgreSQL, l.process)
}

// serve receives webhooks and calls process for every job, until ctx ends.
func serve(ctx context.Context, addr string, db *sql.DB, dialect sqlstore.Dialect, process webhook.Func) error {
	secret, err := webhook.NewSecret(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		return err
	}
	store, err := sqlstore.Open(ctx, db, dialect) // sqlstore.SQLite, PostgreSQL or MySQL
	if err != nil {
		return err
	}
	in, err := inbox.New(secret, store, process, inbox.WithLogger(slog.Default()))
	if err != nil {
		return err
	}
	client, err := reducto.NewClient(
		reducto.WithWebhook(reducto.DirectWebhook(os.Getenv("WEBHOOK_URL"))),
		reducto.WithSubmitHook(in), // records each submission, and adds the secret
	)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", in) // answers 200 once the delivery is in the database
	mux.Handle("POST /documents", submit(client))
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return in.Serve(ctx, server, client) // when ctx ends, running functions may finish
}

// metadata goes to Reducto with a submission, and comes back with its webhook.
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
	// The table has no unique index on the job. Only CompleteTx prevents a second
	// entry.
	createLedger = `CREATE TABLE IF NOT EXISTS ledger (job_id text NOT NULL, customer text NOT NULL, pages integer NOT NULL)`
	insertEntry  = `INSERT INTO ledger (job_id, customer, pages) VALUES ($1, $2, $3)`
)

// entryFor returns the entry of a job. It has no pages if the job has no result.
// Call it before the transaction begins, because a transaction should not wait for
// the network.
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
