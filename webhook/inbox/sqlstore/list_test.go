//go:build unix

package sqlstore_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// statements keeps the last statement and its parameters.
type statements struct{ last sqlstore.Plan }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.last = sqlstore.Plan{Statement: data.SQL, Args: data.Args}
	return ctx
}

func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// While a state has many records, a page of it is read in the order of the keys. The
// planner does not know how many they are, and would sort all of them for each page.
func TestPostgreSQLListsManyRecordsOfAStateWithoutSorting(t *testing.T) {
	t.Parallel()
	config := postgresSchema(t)
	seen := new(statements)
	config.Tracer = seen
	db := postgresPool(t, config)
	store := open(t, db, sqlstore.PostgreSQL)
	fill(t, db, sqlstore.PostgreSQL, 5000)
	for _, state := range []inbox.State{inbox.StatePending, inbox.StateReceived} {
		_, err := db.ExecContext(t.Context(), `UPDATE reducto_records SET state = $1`, string(state))
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), `VACUUM ANALYZE reducto_records`)
		require.NoError(t, err)
		records, err := store.List(t.Context(), inbox.Filter{States: []inbox.State{state}, Newest: true, Limit: 5})
		require.NoError(t, err)
		require.Len(t, records, 5)
		for _, line := range explain(t, db, sqlstore.PostgreSQL, seen.last) {
			assert.NotContains(t, line, "Sort", "%s", seen.last.Statement)
		}
	}
}
