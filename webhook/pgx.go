package webhook

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// PgxTx makes a transaction of pgx an Execer, for CompleteTx:
//
//	tx, err := pool.Begin(ctx) // a *pgxpool.Pool
//	...
//	err = d.CompleteTx(ctx, webhook.PgxTx(tx))
//
// The type Tag is pgconn.CommandTag, which the compiler infers. So this package does
// not link pgx.
func PgxTx[Tag interface{ RowsAffected() int64 }](tx interface {
	Exec(ctx context.Context, query string, args ...any) (Tag, error)
	Commit(ctx context.Context) error // a connection or a pool does not have it
}) Execer {
	if tx == nil {
		return nil // CompleteTx says so
	}
	return execFunc(func(ctx context.Context, query string, args ...any) (sql.Result, error) {
		tag, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		return driver.RowsAffected(tag.RowsAffected()), nil
	})
}

// execFunc is an Execer.
type execFunc func(ctx context.Context, query string, args ...any) (sql.Result, error)

// ExecContext implements Execer.
func (f execFunc) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return f(ctx, query, args...)
}
