package sqlstore

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/reducto-go/reducto/webhook"
)

// defaultListLimit is what a Filter's Limit of zero means.
const defaultListLimit = 100

// List implements webhook.Store.
func (s *Store) List(ctx context.Context, f webhook.Filter) ([]webhook.Record, error) {
	var conditions []condition
	key := "r.key"
	if len(f.States) > 0 && !slices.ContainsFunc(f.States, many) {
		// They are looked up by their state. An expression keeps the database from
		// looking for them among all, in the order of the keys.
		key = "(r.key || '')"
		conditions = append(conditions, condition{"r.due_at > 0 AND r.state <> 'pending'", nil})
	}
	if f.After != "" {
		conditions = append(conditions, condition{key + " > {}", []any{fold(f.After)}})
	}
	if len(f.States) > 0 {
		states := make([]string, 0, len(f.States))
		for _, state := range f.States {
			states = append(states, storable(string(state)))
		}
		conditions = append(conditions, isIn("r.state", states))
	}
	if len(f.Keys) > 0 {
		keys := make([]string, 0, len(f.Keys))
		for _, key := range f.Keys {
			keys = append(keys, fold(key))
		}
		text, err := toJSON(keys)
		if err != nil {
			return nil, failed(ctx, "list", err)
		}
		conditions = append(conditions, condition{"r.key IN (" + s.sql.elements + ")", []any{text}})
	}
	if f.JobID != "" {
		conditions = append(conditions, condition{"r.key = (" + s.sql.owner + ")", []any{fold(f.JobID)}})
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultListLimit
	}
	conditions = append(conditions, condition{"ORDER BY " + key + " LIMIT {}", []any{limit}})
	rows, now, err := s.find(ctx, s.sql.rows, conditions...)
	if err != nil {
		return nil, failed(ctx, "list", err)
	}
	return records(rows, now), nil
}

// many reports whether there can be very many records in a state.
func many(s webhook.State) bool { return s != webhook.StateClaimed && s != webhook.StateDead }

// param stands for the next parameter of a condition.
const param = "{}"

// condition is a part of a statement, with its parameters.
type condition struct {
	text string
	args []any
}

// isIn is a condition for a few values.
func isIn(column string, values []string) condition {
	args := make([]any, 0, len(values))
	for _, v := range values {
		args = append(args, v)
	}
	return condition{column + " IN (" + strings.Join(slices.Repeat([]string{param}, len(values)), ", ") + ")", args}
}

// find reads the rows for which conditions hold, the last of which is an order.
func (s *Store) find(ctx context.Context, from string, conditions ...condition) (rows []*row, now int64, err error) {
	text := strings.Builder{}
	text.WriteString(from)
	args := []any{s.namespace}
	for i, c := range conditions {
		if i < len(conditions)-1 {
			text.WriteString(" AND ")
		} else {
			text.WriteString(" ")
		}
		for part := range strings.SplitSeq(c.text, param) {
			text.WriteString(part)
			if len(c.args) > 0 {
				args = append(args, c.args[0])
				c.args = c.args[1:]
				text.WriteString(s.sql.param + strconv.Itoa(len(args)))
			}
		}
	}
	err = s.query(ctx, func(q querier) error {
		rows, now, err = readRows(q.QueryContext(ctx, text.String(), args...))
		return err
	})
	return rows, now, err
}
