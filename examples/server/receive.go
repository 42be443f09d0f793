package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/sqlstore"
)

// webhookPath is where webhooks arrive. It is mounted exactly so: a path with a
// slash at its end would be redirected, and senders do not follow.
const webhookPath = "/webhook"

// receiver is the connection with Reducto, in both directions: the client that
// submits and the inbox that hears how jobs ended, or asks. What it must not forget
// is in a database on disk.
type receiver struct {
	client *reducto.Client
	inbox  *webhook.Inbox
	db     *sql.DB
	ran    chan error // how Run ended
}

// newReceiver makes a receiver that has process called for each job that ends.
func newReceiver(ctx context.Context, cfg *config, process webhook.Func, log *slog.Logger) (*receiver, error) {
	verifier, err := newVerifier(cfg)
	if err != nil {
		return nil, err
	}
	metrics, err := metrics()
	if err != nil {
		return nil, err
	}
	db, inbox, err := openInbox(ctx, cfg.db, verifier, process, append([]webhook.Option{
		webhook.WithLogger(log),
		webhook.WithObserver(metrics),
	}, cfg.inboxOptions...)...)
	if err != nil {
		return nil, err
	}
	options := []reducto.Option{
		reducto.WithSubmitHook(inbox), // which has its verifier's as well
		reducto.WithLogger(log),
		reducto.WithUserAgent("document-server"),
	}
	if cfg.publicURL != "" {
		options = append(options, reducto.WithWebhook(reducto.DirectWebhook(cfg.publicURL+webhookPath)))
	}
	client, err := reducto.NewClient(append(options, cfg.clientOptions...)...)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &receiver{client: client, inbox: inbox, db: db, ran: make(chan error, 1)}, nil
}

// metrics are published once in a process, whatever runs in it.
var metrics = sync.OnceValues(func() (*webhook.Expvar, error) { return webhook.NewExpvar("inbox") })

// newVerifier makes what tells webhooks from forgeries.
func newVerifier(cfg *config) (webhook.Verifier, error) {
	switch {
	case len(cfg.keys) > 0:
		return webhook.NewSigner(cfg.keys)
	case cfg.webhookSecret == "" && cfg.publicURL == "":
		return webhook.NewSecret(rand.Text()) // nothing is received, so nothing is believed
	}
	return webhook.NewSecret(cfg.webhookSecret, cfg.previousSecrets...)
}

// openInbox opens an inbox on a database file, which is made if it is not there.
func openInbox(ctx context.Context, file string, v webhook.Verifier, process webhook.Func, opts ...webhook.Option) (*sql.DB, *webhook.Inbox, error) {
	db, err := sql.Open("sqlite", dataSource(file))
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", file, err), db.Close())
	}
	inbox, err := webhook.NewInbox(v, store, process, opts...)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, inbox, nil
}

// dataSource names a file for the driver, with all that makes a commit survive the
// power supply, and writers wait for each other. sqlstore refuses less.
func dataSource(file string) string {
	path := (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath()
	return "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate"
}

// run works until shutdown. It has no other end: a signal ends the service, which
// then says when.
func (r *receiver) run(ctx context.Context) {
	r.ran <- r.inbox.Run(context.WithoutCancel(ctx), r.client)
}

// stragglers is how long functions whose time is over may take to notice it.
const stragglers = 5 * time.Second

// close finishes what has begun, within ctx, and closes the database after it.
// What is not finished then is done after the next start.
func (r *receiver) close(ctx context.Context) error {
	err := r.inbox.Shutdown(ctx)
	if _, late := errors.AsType[*webhook.ShutdownError](err); late {
		timer := time.NewTimer(stragglers)
		defer timer.Stop()
		select {
		case <-r.ran:
		case <-timer.C:
		}
	}
	r.client.CloseIdleConnections()
	return errors.Join(err, r.db.Close())
}
