package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

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

// byKey reads records without their metadata. The statement is readRows or lockRows. The
// time is zero if there are none.
func (s *Store) byKey(ctx context.Context, q querier, statement string, keys []string) (map[string]*record, int64, error) {
	records := map[string]*record{}
	var now int64
	for _, part := range lists(keys) {
		found, at, err := readRecords(q.QueryContext(ctx, statement, s.args(part)...))
		if err != nil {
			return nil, 0, err
		}
		for _, r := range found {
			records[r.Key] = r
		}
		now = max(now, at)
	}
	return records, now, nil
}

// execLists runs a statement for the elements of a list.
func (s *Store) execLists(ctx context.Context, q querier, statement string, list []string) error {
	for _, part := range lists(list) {
		if _, err := q.ExecContext(ctx, statement, s.args(part)...); err != nil {
			return err
		}
	}
	return nil
}

// execRows runs an INSERT of rows.
func (s *Store) execRows(ctx context.Context, q querier, statement string, list []values) error {
	for part := range slices.Chunk(list, mysqlList) {
		if _, err := q.ExecContext(ctx, statement, s.args(rows(part))...); err != nil {
			return err
		}
	}
	return nil
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
	err := s.execRows(ctx, q, s.sql.updateRows, changed)
	if err == nil {
		err = s.execRows(ctx, q, s.sql.updateAll, all)
	}
	if err == nil {
		err = s.execRows(ctx, q, s.sql.insertRows, added)
	}
	return err
}

// randomNumber returns the first number of a sequence that must not repeat a former one.
func randomNumber() int64 { return 1 + rand.Int64N(1e12) }

func (s *Store) saveMySQL(ctx context.Context, snap *snapshot) (saved map[string]bool, err error) {
	err = s.writeServer(ctx, !snap.once, func(q querier) error {
		saved = map[string]bool{}
		locked, _, err := s.byKey(ctx, q, s.sql.lockRows, slices.Sorted(maps.Keys(snap.changed)))
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
		if err := s.execLists(ctx, q, s.sql.removeRows, removed); err != nil {
			return err
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
	return s.execRows(ctx, q, s.sql.takeRows, taken)
}
