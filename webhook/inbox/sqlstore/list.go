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
	key := "r.key"
	if len(f.States) > 0 && !slices.ContainsFunc(f.States, many) {
		// These are few: read the index by state. Sorting by an expression keeps the
		// database from reading all records in the order of their keys instead.
		key = s.sql.anyKey
		q.add("AND r.due_at > 0 AND r.state <> 'pending'")
	}
	if f.After != "" {
		q.add("AND "+key+" > {}", idKey(f.After))
	}
	if len(f.States) > 0 {
		states := make([]any, 0, len(f.States))
		for _, state := range f.States {
			states = append(states, string(storable(state)))
		}
		q.addIn("AND r.state", states)
	}
	if keys := idKeys(f.Keys); s.dialect == MySQL && len(keys) > 0 {
		q.addIn("AND r.key", keys)
	} else if len(keys) > 0 {
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
	q.add("ORDER BY "+key+" LIMIT {}", limit)
	records, now, err := s.find(ctx, q)
	if err != nil {
		return nil, failed(ctx, "list", err)
	}
	return views(records, now), nil
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

// addIn adds a condition that an expression is one of these values.
func (q *query) addIn(text string, list []any) {
	q.add(text+" IN ({}"+strings.Repeat(", {}", len(list)-1)+")", list...)
}

// idKeys returns the forms of ids that keys have.
func idKeys(ids []string) []any {
	keys := make([]any, 0, len(ids))
	for _, id := range ids {
		keys = append(keys, idKey(id))
	}
	return keys
}

// find reads the records that a query selects.
func (s *Store) find(ctx context.Context, q *query) (records []*record, now int64, err error) {
	mark := "$"
	if s.dialect == SQLite {
		mark = "?"
	}
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
