package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// defaultListLimit is the Limit of a Filter that has none.
const defaultListLimit = 100

// List implements inbox.Store.
func (s *Store) List(ctx context.Context, f inbox.Filter) ([]inbox.Record, error) {
	q := newQuery(s.sql.list)
	if f.WithoutMetadata {
		q = newQuery(s.sql.listBare)
	}
	key, after, order := "r.key", ">", ""
	if f.Newest {
		after, order = "<", " DESC"
	}
	// Sorting by an expression keeps the database from reading all records in the order of
	// their keys. It is right if an index finds the few that there are. A condition IS TRUE
	// keeps the database from sorting the many that there may be.
	few := s.sql.anyKey
	states, args := sortedStates(f.States)
	among := "r.state IN ({}" + strings.Repeat(", {}", max(len(states)-1, 0)) + ")"
	in := "AND " + among
	switch {
	case len(states) == 0:
	case s.dialect != MySQL && slices.Equal(states, []inbox.State{inbox.StateDead}):
		q.add("AND r.state = 'dead'") // as the index by key has it
	case len(f.Keys) > 0 || f.JobID != "":
		q.add(in, args...)
	case slices.Equal(states, []inbox.State{inbox.StatePending}):
		pending := "AND r.webhook IN (false, true) AND r.state = 'pending'"
		if ok, err := s.fewer(ctx, pending); err != nil {
			return nil, failed(ctx, "list", err)
		} else if ok {
			key = few
		} else {
			pending = "AND (r.state = 'pending') IS TRUE"
		}
		q.add(pending)
	case !slices.Contains(states, inbox.StatePending):
		others := "AND r.due_at > 0 AND r.state <> 'pending' " + in
		if ok, err := s.fewer(ctx, others, args...); err != nil {
			return nil, failed(ctx, "list", err)
		} else if ok {
			key, in = few, others
		} else {
			in = "AND (" + among + ") IS TRUE"
		}
		q.add(in, args...)
	default:
		q.add(in, args...)
	}
	if len(f.Keys) > 0 {
		key = few
	}
	if f.After != "" {
		q.add("AND "+key+" "+after+" {}", idKey(f.After))
	}
	keys := make([]any, 0, len(f.Keys))
	for _, key := range f.Keys {
		keys = append(keys, idKey(key))
	}
	if len(keys) > 0 && s.dialect == MySQL {
		q.add("AND r.key IN ({}"+strings.Repeat(", {}", len(keys)-1)+")", keys...)
	} else if len(keys) > 0 {
		text, err := json.Marshal(keys)
		if err != nil {
			return nil, failed(ctx, "list", err)
		}
		q.add("AND r.key "+s.sql.elements, string(text))
	}
	if f.JobID != "" {
		q.add("AND r.key = ("+s.sql.owner+")", idKey(f.JobID))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultListLimit
	}
	q.add("ORDER BY "+key+order+" LIMIT {}", limit)
	records, now, err := s.find(ctx, q)
	if err != nil {
		return nil, failed(ctx, "list", err)
	}
	return views(records, now), nil
}

// sortedStates returns the states that a filter has, without duplicates, also as
// parameters.
func sortedStates(states []inbox.State) (list []inbox.State, args []any) {
	list = slices.Compact(slices.Sorted(slices.Values(states)))
	for _, state := range list {
		args = append(args, string(storable(state)))
	}
	return list, args
}

// fewRecords is the number of records that List may sort.
const fewRecords = 2000

// fewer reports whether so few records meet a condition that List can sort them. The
// condition names an index.
func (s *Store) fewer(ctx context.Context, condition string, args ...any) (ok bool, err error) {
	q := newQuery(s.sql.count)
	q.add(condition, args...)
	q.add("LIMIT {}) AS few", fewRecords+1)
	var n int
	err = s.read(ctx, func(run querier) error {
		return queryRow(ctx, run, &n, q.statement(s.dialect), s.args(q.args...)...)
	})
	return n <= fewRecords, err
}

// query is a statement that is put together. {} stands for the next parameter.
type query struct {
	text strings.Builder
	args []any // from the third parameter on
}

func newQuery(text string) *query {
	q := &query{}
	q.text.WriteString(text)
	return q
}

func (q *query) add(text string, args ...any) {
	q.text.WriteString(" ")
	q.text.WriteString(text)
	q.args = append(q.args, args...)
}

// statement returns the text with the numbers of its parameters.
func (q *query) statement(d Dialect) string {
	mark := "$"
	if d == SQLite {
		mark = "?"
	}
	parts := strings.Split(q.text.String(), "{}")
	text := parts[0]
	for i, part := range parts[1:] {
		text += mark + strconv.Itoa(i+3) + part
	}
	return text
}

// find reads the records that a query selects.
func (s *Store) find(ctx context.Context, q *query) (records []*record, now int64, err error) {
	text := q.statement(s.dialect)
	err = s.read(ctx, func(run querier) error {
		records, now, err = readRecords(run.QueryContext(ctx, text, s.args(q.args...)...))
		return err
	})
	return records, now, err
}

// Stats implements inbox.Store. It reads the records that are neither done nor dead, and
// an index of the dead ones.
func (s *Store) Stats(ctx context.Context) (inbox.StoreStats, error) {
	var stats inbox.StoreStats
	err := s.read(ctx, func(q querier) error {
		stats = inbox.StoreStats{Count: map[inbox.State]int{}}
		rows, err := q.QueryContext(ctx, s.sql.stats, s.args()...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var state inbox.State
			var count, due int
			var longestDue, oldest sql.Null[int64]
			if err := rows.Scan(&state, &count, &due, &longestDue, &oldest); err != nil {
				return err
			}
			stats.Count[state] = count
			stats.Due += due
			if due > 0 {
				stats.OldestDue = max(stats.OldestDue, time.Duration(longestDue.V)*time.Microsecond)
			}
			age := time.Duration(max(oldest.V, 0)) * time.Microsecond
			stats.OldestUnfinished = max(stats.OldestUnfinished, age)
			if state == inbox.StatePending {
				stats.OldestPending = age
			}
		}
		return rows.Err()
	})
	if err != nil {
		return inbox.StoreStats{}, failed(ctx, "stats", err)
	}
	return stats, nil
}
