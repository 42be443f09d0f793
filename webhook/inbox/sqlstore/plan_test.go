package sqlstore_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// Plans are made while the tables are small, and are then kept: already then they
// have to be those for large tables.
func TestPlans(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		store := open(t, db, d)
		for i := range 5 {
			receive(t, store, fmt.Sprint("job-", i))
		}
		held, err := store.Finish(t.Context(), []inbox.Completion{done(claim(t, store, 1)[0])})
		require.NoError(t, err)
		require.Equal(t, []bool{true}, held)
		for name, plan := range store.Plans() {
			lines := explain(t, db, d, plan)
			for _, line := range lines {
				// A table is not read as a whole, nor is a namespace to find a key in it.
				assert.NotContains(t, line, "Seq Scan on reducto_", "%s: %s", name, lines)
				assert.NotContains(t, line, "SCAN reducto_", "%s: %s", name, lines)
				assert.NotRegexp(t, `\|(reducto_records|r)\|(ALL|index)\|`, line, "%s: %s", name, lines)
				if name != "next" && name != "purgeable" && name != "stats" && d != sqlstore.MySQL {
					assert.NotContains(t, line, "reducto_records_due", "%s: %s", name, lines)
				}
				if name == "claim" || name == "purgeable" { // in the order of the index
					assert.NotContains(t, line, "Sort", lines)
					assert.NotContains(t, line, "filesort", lines)
					assert.NotContains(t, line, "TEMP B-TREE", lines)
				}
			}
		}
	})
}

func explain(t *testing.T, db *sql.DB, d sqlstore.Dialect, plan sqlstore.Plan) (lines []string) {
	t.Helper()
	prefix := map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "EXPLAIN ", sqlstore.SQLite: "EXPLAIN QUERY PLAN ", sqlstore.MySQL: "EXPLAIN FORMAT=TRADITIONAL ",
	}
	rows, err := db.Query(prefix[d]+plan.Statement, plan.Args...)
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		require.NoError(t, rows.Scan(values...))
		if d != sqlstore.MySQL {
			values = values[len(values)-1:]
		}
		line := ""
		for i, value := range values {
			if columns[i] == "partitions" { // MySQL has it between the table and the type, MariaDB has not
				continue
			}
			text := *value.(*any)
			if raw, ok := text.([]byte); ok {
				text = string(raw)
			}
			line += fmt.Sprint(text) + "|"
		}
		lines = append(lines, strings.TrimSpace(strings.TrimSuffix(line, "|"))+"\n")
	}
	require.NoError(t, rows.Err())
	return lines
}
