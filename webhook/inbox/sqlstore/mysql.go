package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mysqlNow is the time of the server in microseconds, when the statement began. It does
// not depend on the session's time zone. What is added to it is zero outside of tests.
const mysqlNow = "(timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6)) + $2)"

// mysqlList bounds the elements of a list in a statement. MariaDB turns a list of 1000
// into a table, and may then read all records to look them up in it.
const mysqlList = 400

// mysqlKey is the name of a column that is a reserved word.
var mysqlKey = regexp.MustCompile(`\bkey\b`)

// mysqlStatements returns the statements for tables in that database, which is quoted.
//
// A statement cannot return the rows that it has changed. So a transaction locks rows
// and reads them, and writes them as a whole. It skips rows that others have locked.
// FORCE INDEX keeps it from locking rows that it only reads.
func mysqlStatements(database string) *statements {
	s, text := newStatements(MySQL, database+".")
	s.load = text(`
SELECT {{columns}}, '', {{now}}
FROM (
  SELECT key AS wanted FROM {{records}} WHERE namespace = $1 AND key IN ($3)
  UNION SELECT key FROM {{jobs}} WHERE namespace = $1 AND job IN ($4)
) AS w STRAIGHT_JOIN {{records}} AS r ON r.namespace = $1 AND r.key = w.wanted
UNION ALL SELECT ` + eachColumn(func(_, _, none string) string { return none }) + `, '', {{now}}`)

	s.claim = text(`
SELECT {{columns}}, {{metadata}}, {{now}} FROM {{records}} FORCE INDEX (reducto_records_queue)
WHERE namespace = $1 AND state = 'received' AND due_at <= {{now}}
ORDER BY received_at LIMIT $3 FOR UPDATE SKIP LOCKED`)
	s.claimAgain = text(`
SELECT {{columns}}, {{metadata}}, {{now}} FROM {{records}} FORCE INDEX (reducto_records_due)
WHERE namespace = $1 AND state = 'claimed' AND due_at <= {{now}}
ORDER BY received_at LIMIT $3 FOR UPDATE SKIP LOCKED`)
	s.lockRows = text(`
SELECT {{columns}}, '', {{now}} FROM {{records}} FORCE INDEX (PRIMARY)
WHERE namespace = $1 AND key IN ($3) FOR UPDATE SKIP LOCKED`)
	s.claims = text(`SELECT key, token FROM {{records}} WHERE namespace = $1 AND key IN ($3) AND state = 'claimed'`)
	s.overdue = text(`
SELECT {{columns}}, {{metadata}}, {{now}} FROM {{records}} FORCE INDEX (reducto_records_due)
WHERE namespace = $1 AND state = 'pending' AND due_at <= {{now}}
ORDER BY due_at LIMIT $3`)

	s.insertRows = text(`INSERT INTO {{records}} (namespace, {{columns}}, metadata, given) VALUES $3`)
	// MariaDB confuses the old value of a text with the new one if an assignment has both.
	s.updateRows = s.insertRows + text(` ON DUPLICATE KEY UPDATE `+eachColumn(func(name, _, _ string) string {
		if name == "key" || name == "version" {
			return ""
		}
		return name + " = VALUES(" + name + ")"
	})+`, version = version + 1`)
	s.updateAll = s.updateRows + `, metadata = CASE WHEN length(given) = 0 THEN VALUES(metadata) ELSE '' END`
	s.removeRows = text(`DELETE FROM {{records}} WHERE namespace = $1 AND key IN ($3)`)
	s.takeRows = text(`INSERT INTO {{jobs}} (namespace, job, key) VALUES $3`)
	s.freeRows = text(`DELETE FROM {{jobs}} WHERE namespace = $1 AND job IN ($3) AND key IN ($4)`)

	// Assignments see the values of those before them.
	s.lock = text(`
INSERT INTO {{locks}} (namespace, name, owner, expires_at) VALUES ($1, $3, $4, {{now}} + $5)
ON DUPLICATE KEY UPDATE owner = CASE WHEN expires_at <= {{now}} THEN VALUES(owner) ELSE owner END,
  expires_at = CASE WHEN owner = VALUES(owner) THEN VALUES(expires_at) ELSE expires_at END`)
	s.locked = text(`SELECT count(*) FROM {{locks}} WHERE namespace = $1 AND name = $3 AND owner = $4 AND expires_at > {{now}}`)

	s.existing = text(`SELECT key FROM {{records}} WHERE namespace = $1 AND key IN ($3)`)
	s.addHistory = text(`INSERT INTO {{history}} (namespace, key, at, kind, job, code, attempt, detail) VALUES $3`)
	s.trimHistory = text(`
DELETE h FROM (
  SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY key ORDER BY id) AS n, count(*) OVER (PARTITION BY key) AS total
    FROM {{history}} WHERE namespace = $1 AND key IN ($3)
  ) AS x WHERE n > $4 AND n <= total - $5
) AS old STRAIGHT_JOIN {{history}} AS h ON h.id = old.id`)
	s.forget = text(`DELETE FROM {{history}} WHERE namespace = $1 AND key IN ($3)`)
	s.forgetOld = text(`
DELETE h FROM (
  SELECT id FROM (SELECT id, key, at FROM {{history}} WHERE namespace = $1 ORDER BY id LIMIT ` + forgetBatch + `) AS o
  WHERE at < {{now}} - $3 AND NOT EXISTS (SELECT 1 FROM {{records}} AS r WHERE r.namespace = $1 AND r.key = o.key)
) AS old STRAIGHT_JOIN {{history}} AS h ON h.id = old.id`)
	return &s
}

// values is a parameter that is a list, or a row.
type values []any

// rows is a parameter that is the rows of an INSERT.
type rows []values

// mysqlQuerier runs statements whose parameters are numbered, or are lists or rows.
type mysqlQuerier struct{ querier }

func (q mysqlQuerier) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	query, args = expand(query, args)
	return q.querier.ExecContext(ctx, query, args...)
}

func (q mysqlQuerier) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	query, args = expand(query, args)
	return q.querier.QueryContext(ctx, query, args...)
}

// expand returns a statement in which a question mark stands for each parameter, in the
// order of args. The statement has $1 for the first parameter, and each can stand in it
// several times.
func expand(query string, args []any) (string, []any) {
	var text strings.Builder
	var list []any
	add := func(vs values) {
		text.WriteString("?" + strings.Repeat(", ?", len(vs)-1))
		list = append(list, vs...)
	}
	parts := strings.Split(query, "$")
	text.WriteString(parts[0])
	for _, part := range parts[1:] {
		end := 0
		for end < len(part) && '0' <= part[end] && part[end] <= '9' {
			end++
		}
		n, _ := strconv.Atoi(part[:end])
		switch arg := args[n-1].(type) {
		case values:
			add(arg)
		case rows:
			for i, row := range arg {
				if i > 0 {
					text.WriteString(", ")
				}
				text.WriteString("(")
				add(row)
				text.WriteString(")")
			}
		default:
			add(values{arg})
		}
		text.WriteString(part[end:])
	}
	return text.String(), list
}

// lists cuts a list into parameters.
func lists[T any](list []T) (cut []values) {
	for part := range slices.Chunk(list, mysqlList) {
		vs := make(values, 0, len(part))
		for _, v := range part {
			vs = append(vs, v)
		}
		cut = append(cut, vs)
	}
	return cut
}

// inTransaction runs write in one transaction of MySQL. At READ COMMITTED it locks rows
// only, and not the gaps between them, in which others insert.
func inTransaction(ctx context.Context, conn *sql.Conn, write func(q querier) error) error {
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err == nil {
		if err = write(mysqlQuerier{tx}); err == nil {
			return tx.Commit()
		}
		if tx.Rollback() != nil {
			discard(conn)
		}
	}
	if disconnected(err) {
		err = fmt.Errorf("%w: %w", driver.ErrBadConn, err) // nothing was committed: it can be repeated
	}
	return err
}

// lockRecords reads and locks the records of these keys that no other transaction has
// locked.
func (s *Store) lockRecords(ctx context.Context, q querier, keys []string) (map[string]*record, int64, error) {
	locked := map[string]*record{}
	var now int64
	for _, part := range lists(keys) {
		found, at, err := readRecords(q.QueryContext(ctx, s.sql.lockRows, s.args(part)...))
		if err != nil {
			return nil, 0, err
		}
		for _, r := range found {
			locked[r.Key] = r
		}
		now = max(now, at)
	}
	return locked, now, nil
}

// putRecords writes records. The transaction has locked those that are in the table.
// Others get a random version, because a record of that key may have been removed.
func (s *Store) putRecords(ctx context.Context, q querier, list []*record) error {
	var added, changed, all []values
	slices.SortFunc(list, func(a, b *record) int { return strings.Compare(a.Key, b.Key) })
	for _, r := range list {
		metadata := ""
		if r.Metadata != nil && r.Given == "" {
			metadata = *r.Metadata
		}
		row := append(append(values{s.namespace}, r.fields()...), metadata, r.Given)
		switch {
		case r.Version == 0:
			row[2] = randomNumber()
			added = append(added, row)
		case r.Metadata == nil:
			changed = append(changed, row)
		default:
			all = append(all, row)
		}
	}
	for _, write := range []struct {
		statement string
		rows      []values
	}{{s.sql.updateRows, changed}, {s.sql.updateAll, all}, {s.sql.insertRows, added}} {
		for part := range slices.Chunk(write.rows, mysqlList) {
			if _, err := q.ExecContext(ctx, write.statement, s.args(rows(part))...); err != nil {
				return err
			}
		}
	}
	return nil
}

// randomNumber returns the first number of a sequence that must not repeat a former one.
func randomNumber() int64 { return 1 + rand.Int64N(1e12) }

func (s *Store) saveMySQL(ctx context.Context, snap *snapshot) (saved map[string]bool, err error) {
	err = s.writeServer(ctx, !snap.once, func(q querier) error {
		saved = map[string]bool{}
		locked, _, err := s.lockRecords(ctx, q, slices.Sorted(maps.Keys(snap.changed)))
		if err != nil {
			return err
		}
		var put []*record
		var removed []string
		for key, r := range snap.changed {
			switch has := locked[key]; {
			case r.Version == 0 && has != nil, r.Version > 0 && (has == nil || has.Version != r.Version):
				continue
			case r.Removed:
				removed = append(removed, key)
			default:
				put = append(put, r)
			}
			saved[key] = true
		}
		if err := s.putRecords(ctx, q, put); err != nil {
			return err
		}
		for _, part := range lists(removed) {
			if _, err := q.ExecContext(ctx, s.sql.removeRows, s.args(part)...); err != nil {
				return err
			}
		}
		if err := s.forget(ctx, q, removed); err != nil {
			return err
		}
		return s.moveJobs(ctx, q, snap, saved)
	})
	if uniqueViolation(err) {
		err = errJobTaken // or the record exists, and was not seen
	}
	return saved, err
}

// moveJobs frees and takes the jobs of the records that were saved. A job can go from one
// record to another, so it is freed before it is taken.
func (s *Store) moveJobs(ctx context.Context, q querier, snap *snapshot, saved map[string]bool) error {
	var freed, taken []values
	for job, key := range snap.freed {
		if saved[key] {
			freed = append(freed, values{job, key})
		}
	}
	for job, key := range snap.taken {
		if saved[key] {
			taken = append(taken, values{s.namespace, job, key})
		}
	}
	for part := range slices.Chunk(freed, mysqlList) {
		var jobs, keys values
		for _, row := range part {
			jobs, keys = append(jobs, row[0]), append(keys, row[1])
		}
		if _, err := q.ExecContext(ctx, s.sql.freeRows, s.args(jobs, keys)...); err != nil {
			return err
		}
	}
	slices.SortFunc(taken, func(a, b values) int { return strings.Compare(a[1].(string), b[1].(string)) })
	for part := range slices.Chunk(taken, mysqlList) {
		if _, err := q.ExecContext(ctx, s.sql.takeRows, s.args(rows(part))...); err != nil {
			return err
		}
	}
	return nil
}
