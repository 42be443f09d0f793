package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// migrateInbox makes the tables of the store.
func migrateInbox(ctx context.Context, s *scratch) error {
	return s.use(ctx, func(db *sql.DB) error {
		_, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL)
		return err
	})
}

// openInbox is this library. Its function does not need the job, so it does not fetch it.
func openInbox(ctx context.Context, w *workplace) (*service, error) {
	db, err := openPool(ctx, w.postgres)
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	secret, err := webhook.NewSecret(benchSecret)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	in, err := inbox.New(secret, store, func(ctx context.Context, d *webhook.Delivery) error {
		w.task.enter(d.JobID)
		var m documentMetadata
		if err := d.DecodeMetadata(&m); err != nil {
			return webhook.Permanent(err)
		}
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // no effect after Commit
		if _, err := tx.ExecContext(ctx, insertEffect, d.JobID, m.UserID); err != nil {
			return err
		}
		if err := d.CompleteTx(ctx, tx); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		w.task.finish()
		return nil
	}, inbox.WithWorkers(peerWorkers), inbox.WithoutRefetch())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	client, err := reducto.NewClient(reducto.WithAPIKey(benchKey), reducto.WithBaseURL(w.api),
		reducto.WithWebhook(reducto.DirectWebhook(w.webhook)), reducto.WithSubmitHook(in))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	ran := make(chan error, 1)
	go func() { ran <- in.Run(context.WithoutCancel(ctx), client) }()
	return &service{
		handler: in,
		submitter: submitter{"reducto", func(ctx context.Context) (string, error) {
			job, err := client.ParseAsync(ctx, reducto.ParseRequest{
				Input: reducto.URL(documentURL),
				Async: reducto.Async{Metadata: submittedMetadata},
			})
			if err != nil {
				return "", err
			}
			return job.JobID, nil
		}, client.CloseIdleConnections},
		stop: func(ctx context.Context) error {
			return errors.Join(in.Shutdown(ctx), <-ran, db.Close())
		},
	}, nil
}
