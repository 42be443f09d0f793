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
	key, after, order := "r.key", ">", ""
	if f.Newest {
		after, order = "<", " DESC"
	}
	if states := sortedStates(f.States); slices.Equal(states, []inbox.State{inbox.StateDead}) {
		q.add("AND r.state = 'dead'") // as the index by key has it
	} else if len(states) > 0 {
		if !slices.ContainsFunc(states, many) {
			// These are few: read the index by state. Sorting by an expression keeps the
			// database from reading all records in the order of their keys instead.
			key = "(r.key || '')"
			q.add("AND r.due_at > 0 AND r.state <> 'pending'")
		}
		args := make([]any, 0, len(states))
		for _, state := range states {
			args = append(args, string(storable(state)))
		}
		q.add("AND r.state IN ({}"+strings.Repeat(", {}", len(args)-1)+")", args...)
	}
	if f.After != "" {
		q.add("AND "+key+" "+after+" {}", idKey(f.After))
	}
	if len(f.Keys) > 0 {
		keys := make([]string, 0, len(f.Keys))
		for _, key := range f.Keys {
			keys = append(keys, idKey(key))
		}
		text, err := json.Marshal(keys)
		if err != nil {
			return nil, failed(ctx, "list", err)
		}
		q.add("AND r.key IN ("+s.sql.elements+")", string(text))
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

func sortedStates(states []inbox.State) []inbox.State {
	return slices.Compact(slices.Sorted(slices.Values(states)))
}

// many reports whether there can be very many records in a state.
func many(s inbox.State) bool { return s != inbox.StateClaimed && s != inbox.StateDead }

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

// find reads the records that a query selects.
func (s *Store) find(ctx context.Context, q *query) (records []*record, now int64, err error) {
	mark := map[Dialect]string{PostgreSQL: "$", SQLite: "?"}[s.dialect]
	parts := strings.Split(q.text.String(), "{}")
	text := parts[0]
	for i, part := range parts[1:] {
		text += mark + strconv.Itoa(i+3) + part
	}
	err = s.read(ctx, func(run querier) error {
		records, now, err = readRecords(run.QueryContext(ctx, text, s.args(q.args...)...))
		return err
	})
	return records, now, err
}

// Stats implements inbox.Store. It reads an index of all records, and the records that
// are not finished.
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
