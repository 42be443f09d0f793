package main

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// pgxLedger is a ledger that uses pgx directly. The store has connections of its own,
// through database/sql.
type pgxLedger struct {
	pool *pgxpool.Pool
	db   *sql.DB
}

func openPostgres(ctx context.Context, url string) (*pgxLedger, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = max(config.MaxConns, inbox.DefaultWorkers) // each worker holds one in its transaction
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, createLedger); err != nil {
		pool.Close()
		return nil, err
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	return &pgxLedger{pool: pool, db: db}, nil
}

func (l *pgxLedger) close() {
	_ = l.db.Close()
	l.pool.Close()
}

// process commits the entry and the completion in one transaction.
func (l *pgxLedger) process(ctx context.Context, d *webhook.Delivery) error {
	e, err := entryFor(ctx, d)
	if err != nil {
		return err
	}
	tx, err := l.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // no effect after Commit
	if err := l.enter(ctx, tx, d, e); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func (l *pgxLedger) enter(ctx context.Context, tx pgx.Tx, d *webhook.Delivery, e entry) error {
	if _, err := tx.Exec(ctx, insertEntry, e.jobID, e.customer, e.pages); err != nil {
		return err
	}
	return d.CompleteTx(ctx, webhook.PgxTx(tx)) // last; its error means that another worker may have the job
}
