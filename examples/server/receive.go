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

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// webhookPath is the path of the webhook. It has no slash at its end, because
// http.ServeMux would redirect then, and Reducto does not follow redirects.
const webhookPath = "/webhook"

// receiver has the client, which submits, and the Inbox, which learns how jobs end.
// The Inbox keeps its records in a database on disk.
type receiver struct {
	client *reducto.Client
	inbox  *inbox.Inbox
	db     *sql.DB
}

// newReceiver returns a receiver that calls process for each job that ends.
func newReceiver(ctx context.Context, cfg *config, process webhook.Func, log *slog.Logger) (*receiver, error) {
	verifier, err := newVerifier(cfg)
	if err != nil {
		return nil, err
	}
	db, in, err := openInbox(ctx, cfg.db, verifier, process, append([]inbox.Option{
		inbox.WithLogger(log),
		inbox.WithObserver(metrics{published}),
		inbox.WithShutdownTimeout(cfg.shutdownTimeout),
	}, cfg.inboxOptions...)...)
	if err != nil {
		return nil, err
	}
	options := []reducto.Option{
		reducto.WithSubmitHook(in), // it calls the verifier's hook too
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
	return &receiver{client: client, inbox: in, db: db}, nil
}

// newVerifier returns the verifier of webhooks.
func newVerifier(cfg *config) (webhook.Verifier, error) {
	switch {
	case len(cfg.keys) > 0:
		return webhook.NewSigner(cfg.keys)
	case cfg.webhookSecret == "" && cfg.publicURL == "":
		return webhook.NewSecret(rand.Text()) // no webhooks arrive
	}
	return webhook.NewSecret(cfg.webhookSecret, cfg.previousSecrets...)
}

// openInbox opens an Inbox on a database file. It makes the file if there is none.
func openInbox(ctx context.Context, file string, v webhook.Verifier, process webhook.Func, opts ...inbox.Option) (*sql.DB, *inbox.Inbox, error) {
	db, err := sql.Open("sqlite", dataSource(file))
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", file, err), db.Close())
	}
	in, err := inbox.New(v, store, process, opts...)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, in, nil
}

// dataSource returns the data source name of a file. With these settings a commit
// survives a power failure, and writers wait for each other. sqlstore refuses weaker
// ones.
func dataSource(file string) string {
	path := (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath()
	return "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate"
}

// close closes the database. Call it after the Inbox has stopped.
func (r *receiver) close() error {
	r.client.CloseIdleConnections()
	return r.db.Close()
}
