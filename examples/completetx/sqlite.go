package main

import (
	"context"
	"database/sql"
	"errors"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/reducto-go/reducto/webhook"
)

// sqlLedger is a ledger that uses database/sql. CompleteTx takes a *sql.Tx.
type sqlLedger struct{ db *sql.DB }

func openSQLite(ctx context.Context, file string) (*sqlLedger, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, createLedger); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &sqlLedger{db: db}, nil
}

func (l *sqlLedger) close() { _ = l.db.Close() }

// process commits the entry and the completion in one transaction.
func (l *sqlLedger) process(ctx context.Context, d *webhook.Delivery) error {
	e, err := entryFor(ctx, d)
	if err != nil {
		return err
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	if err := l.enter(ctx, tx, d, e); err != nil {
		return err
	}
	return tx.Commit()
}

func (l *sqlLedger) enter(ctx context.Context, tx *sql.Tx, d *webhook.Delivery, e entry) error {
	if _, err := tx.ExecContext(ctx, insertEntry, e.jobID, e.customer, e.pages); err != nil {
		return err
	}
	return d.CompleteTx(ctx, tx) // last; its error means that another worker may have the job
}
