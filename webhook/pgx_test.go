package webhook_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
)

// rowsTag is as pgconn.CommandTag.
type rowsTag int64

func (t rowsTag) RowsAffected() int64 { return int64(t) }

// rowsTx has the methods of pgx.Tx that PgxTx needs. Package sqlstore tests pgx.Tx itself.
type rowsTx interface {
	Exec(ctx context.Context, query string, args ...any) (rowsTag, error)
	Commit(ctx context.Context) error
}

type fakePgxTx struct {
	rows  rowsTag
	err   error
	query string
	args  []any
}

func (x *fakePgxTx) Exec(_ context.Context, query string, args ...any) (rowsTag, error) {
	x.query, x.args = query, args
	return x.rows, x.err
}

func (*fakePgxTx) Commit(context.Context) error { return errors.New("PgxTx does not commit") }

func TestPgxTxExecutesInTheTransaction(t *testing.T) {
	t.Parallel()
	tx := &fakePgxTx{rows: 3}
	result, err := webhook.PgxTx(tx).ExecContext(t.Context(), "UPDATE x SET y = $1", 7, "z")
	require.NoError(t, err)
	n, err := result.RowsAffected()
	require.NoError(t, err)
	assert.EqualValues(t, 3, n)
	assert.Equal(t, "UPDATE x SET y = $1", tx.query)
	assert.Equal(t, []any{7, "z"}, tx.args)
}

func TestPgxTxReturnsTheErrorUnchanged(t *testing.T) {
	t.Parallel()
	want := errors.New("closed")
	result, err := webhook.PgxTx(&fakePgxTx{err: want}).ExecContext(t.Context(), "SELECT 1")
	assert.Equal(t, want, err)
	assert.Nil(t, result)
}

func TestPgxTxOfNilIsNil(t *testing.T) {
	t.Parallel()
	var tx rowsTx
	assert.Nil(t, webhook.PgxTx(tx))
}
