//go:build unix

package sqlstore_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// BenchmarkPages measures the calls that the pages of package dashboard make. Each has to
// take less than 100 ms, also with a million records:
//
//	STORE_RECORDS=1000000 go test -run='^$' -bench=Pages -benchtime=5x
func BenchmarkPages(b *testing.B) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("STORE_RECORDS"), "100000"))
	require.NoError(b, err)
	for name, open := range map[string]func(testing.TB, ...sqlstore.Option) (*sqlstore.Store, *sql.DB){
		"PostgreSQL": openPostgres, "SQLite": openSQLite,
	} {
		store, db := open(b)
		fill(b, db, map[string]sqlstore.Dialect{"PostgreSQL": sqlstore.PostgreSQL, "SQLite": sqlstore.SQLite}[name], n)
		for _, c := range pageCalls(b, store) {
			b.Run(fmt.Sprintf("%s/%s/%s", c.page, c.call, name), func(b *testing.B) {
				found, worst := 0, time.Duration(0)
				for b.Loop() {
					began := time.Now()
					var err error
					found, err = c.run()
					require.NoError(b, err)
					worst = max(worst, time.Since(began))
				}
				b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
				b.ReportMetric(float64(found), "found")
				if c.page != "background" && worst > 100*time.Millisecond {
					b.Errorf("it takes %v", worst)
				}
			})
		}
	}
}

// manyRecords inserts records that were submitted in the last two days: 1 % are dead, and
// 60 of the newest and 6 of the oldest are pending, received or claimed.
const manyRecords = `
WITH %s, stated AS (
  SELECT i, at, CASE
    WHEN i %% 100 = 7 THEN 'dead'
    WHEN i > {n} - 60 OR i <= 6 THEN CASE i %% 3 WHEN 0 THEN 'pending' WHEN 1 THEN 'received' ELSE 'claimed' END
    ELSE 'done' END AS state,
    substr({hex}, 1, 8) || '-' || substr({hex}, 9, 4) || '-7' || substr({random}, 1, 3) || '-8' || substr({random}, 4, 3) || '-' || substr({random}, 7, 12) AS key
  FROM numbers
)
INSERT INTO reducto_records (namespace, key, version, submission_id, type, webhook, state, due_at, submitted_at, received_at,
  jobs, open_sends, sent, heard, held, status, outcome, source, metadata, given, attempt, token, looks, error)
SELECT 'default', key, 1, key, CASE i %% 4 WHEN 0 THEN 'Extract' ELSE 'Parse' END, {true}, state, at + 9000000, at,
  CASE state WHEN 'pending' THEN 0 ELSE at + 8000000 END,
  '[{"id":"job-' || key || '","bound":true,"answer":true}]', 0, 1, CASE state WHEN 'pending' THEN '' ELSE 'job-' || key END, {false},
  'Completed', 'completed', 'webhook', '', '{"order":' || i || ',"customer":"0f8fad5b-d9cb-469f-a165-70867728950e"}', 1, i, 0,
  CASE state WHEN 'dead' THEN 'the database refuses connections' ELSE '' END
FROM stated`

func fill(t testing.TB, db *sql.DB, d sqlstore.Dialect, n int) {
	t.Helper()
	now := time.Now().UnixMicro()
	step := (48 * time.Hour).Microseconds() / int64(n)
	numbers, hex, random, yes, no := fmt.Sprintf(`RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d), `+
		`numbers AS (SELECT i, %d - (%d - i) * %d AS at FROM c)`, n, now, n, step), `printf('%%012x', at / 1000)`, `printf('%%018x', i * 7919)`, "1", "0"
	if d == sqlstore.PostgreSQL {
		numbers, hex, random, yes, no = fmt.Sprintf(`numbers AS (SELECT i, %d::bigint - (%d - i) * %d::bigint AS at FROM generate_series(1, %d) AS g(i))`,
			now, n, step, n), `lpad(to_hex(at / 1000), 12, '0')`, `lpad(to_hex(i * 7919::bigint), 18, '0')`, "true", "false"
	}
	statement := strings.NewReplacer("{n}", strconv.Itoa(n), "{hex}", hex, "{random}", random, "{true}", yes, "{false}", no).
		Replace(fmt.Sprintf(manyRecords, numbers))
	statement = strings.ReplaceAll(statement, "%%", "%")
	for _, s := range []string{
		statement,
		`INSERT INTO reducto_jobs (namespace, job, key) SELECT namespace, 'job-' || key, key FROM reducto_records`,
		`INSERT INTO reducto_history (namespace, key, at, kind, job, code, attempt, detail)
			SELECT r.namespace, r.key, r.submitted_at + n, 'claimed', '', 0, n, '' FROM reducto_records r, (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) AS three
			WHERE r.token % 5 = 0`,
		map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "VACUUM ANALYZE", sqlstore.SQLite: "PRAGMA wal_checkpoint(TRUNCATE)"}[d],
	} {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err)
	}
}

// pageCall is a call that a page makes. It returns how much it found.
type pageCall struct {
	page, call string
	run        func() (int, error)
}

func pageCalls(t testing.TB, store *sqlstore.Store) []pageCall {
	t.Helper()
	ctx := t.Context()
	list := func(f inbox.Filter) func() (int, error) {
		f.Newest, f.WithoutMetadata = true, true
		return func() (int, error) {
			records, err := store.List(ctx, f)
			return len(records), err
		}
	}
	in := func(states ...inbox.State) []inbox.State { return states }
	middle := fmt.Sprintf("%012x", time.Now().Add(-24*time.Hour).UnixMilli())
	middle = middle[:8] + "-" + middle[8:]
	sample, err := store.List(ctx, inbox.Filter{After: middle, Limit: 100})
	require.NoError(t, err)
	keys := make([]string, 0, len(sample))
	told := "" // has a history
	for _, r := range sample {
		if keys = append(keys, r.Key); r.Token%5 == 0 {
			told = r.Key
		}
	}
	return []pageCall{
		{"background", "Stats", func() (int, error) {
			stats, err := store.Stats(ctx)
			return stats.Count[inbox.StateDead], err
		}},
		{"overview", "DeadFirst5", list(inbox.Filter{States: in(inbox.StateDead), Limit: 5})},
		{"records", "First51", list(inbox.Filter{Limit: 51})},
		{"records", "Middle51", list(inbox.Filter{Limit: 51, After: middle})},
		{"records", "FewPending", list(inbox.Filter{States: in(inbox.StatePending), Limit: 51})},
		{"records", "FewReceived", list(inbox.Filter{States: in(inbox.StateReceived), Limit: 51})},
		{"records", "FewClaimed", list(inbox.Filter{States: in(inbox.StateClaimed), Limit: 51})},
		{"records", "SearchFirst250", list(inbox.Filter{Limit: 250})},
		{"records", "SearchMiddle250", list(inbox.Filter{Limit: 250, After: middle})},
		{"records", "ByJob", list(inbox.Filter{JobID: sample[0].JobID, Limit: 1})},
		{"record", "ByKey", list(inbox.Filter{Keys: keys[:1], Limit: 1})},
		{"record", "History", func() (int, error) {
			list, err := store.History(ctx, told)
			return len(list), err
		}},
		{"dead", "DeadFirst51", list(inbox.Filter{States: in(inbox.StateDead), Limit: 51})},
		{"dead", "DeadMiddle51", list(inbox.Filter{States: in(inbox.StateDead), Limit: 51, After: middle})},
		{"replay", "Dead100Keys", list(inbox.Filter{States: in(inbox.StateDead), Keys: keys, Limit: 100})},
	}
}
