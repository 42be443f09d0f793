package webhook

import (
	"context"
	"database/sql"
	"errors"
)

// Execer is what is needed of a transaction: *sql.Tx has it, and other drivers'
// transactions get it with an adapter of a few lines.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// ErrTxUnsupported is returned for a delivery that does not come from a store that
// could complete it within a transaction of yours.
var ErrTxUnsupported = errors.New("webhook: this delivery cannot be completed in a transaction")
