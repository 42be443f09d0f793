package sqlstore

import (
	"context"
	"slices"
)

// writeSQLite is write for SQLite, where a statement writes to one table.
func (s *Store) writeSQLite(ctx context.Context, c *changes) (saved map[string]bool, err error) {
	var inserted, updated, removed []*row
	for _, r := range c.rows {
		switch {
		case r.Gone:
			removed = append(removed, r)
		case r.Version == 0:
			inserted = append(inserted, r)
		default:
			updated = append(updated, r)
		}
	}
	err = s.update(ctx, func(q querier) error {
		saved = map[string]bool{}
		for _, part := range []struct {
			statement string
			rows      []*row
		}{{s.sql.update, updated}, {s.sql.remove, removed}, {s.sql.insert, inserted}} {
			keys, err := s.each(ctx, q, part.statement, part.rows, len(part.rows))
			if err != nil {
				return err
			}
			for _, key := range keys {
				saved[key] = true
			}
		}
		lost := func(e entry) bool { return !saved[e.Key] }
		freed := slices.DeleteFunc(slices.Clone(c.freed), lost)
		if _, err := s.each(ctx, q, s.sql.free, freed, len(freed)); err != nil {
			return err
		}
		taken := slices.DeleteFunc(slices.Clone(c.taken), lost)
		keys, err := s.each(ctx, q, s.sql.take, taken, len(taken))
		if err != nil {
			return err
		}
		if len(keys) < len(taken) {
			return errJobTaken
		}
		return nil
	})
	return saved, err
}

// each runs a statement on the n elements of a list, if there are any.
func (s *Store) each(ctx context.Context, q querier, statement string, list any, n int) ([]string, error) {
	if n == 0 {
		return nil, nil
	}
	text, err := toJSON(list)
	if err != nil {
		return nil, err
	}
	return readKeys(q.QueryContext(ctx, statement, s.namespace, text))
}
