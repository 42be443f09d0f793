package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// historyEntry is an inbox.HistoryEntry as a parameter. N orders the entries.
type historyEntry struct {
	N       int               `json:"n"`
	Key     string            `json:"key"`
	At      int64             `json:"at"`
	Kind    inbox.HistoryKind `json:"kind"`
	Job     string            `json:"job"`
	Code    int               `json:"code"`
	Attempt int               `json:"attempt"`
	Detail  string            `json:"detail"`
}

// AppendHistory implements inbox.HistoryStore.
func (s *Store) AppendHistory(ctx context.Context, list []inbox.HistoryEntry) error {
	if len(list) == 0 {
		return nil
	}
	entries := make([]historyEntry, 0, len(list))
	keys := make([]string, 0, len(list))
	for i, e := range list {
		key := idKey(e.Key)
		entries = append(entries, historyEntry{
			i, key, e.At.UnixMicro(), storable(e.Kind), storable(e.JobID), e.StatusCode, e.Attempt, storable(e.Detail),
		})
		keys = append(keys, key)
	}
	slices.Sort(keys)
	added, err := json.Marshal(entries)
	if err != nil {
		return failed(ctx, "append history", err)
	}
	touched, err := json.Marshal(slices.Compact(keys))
	if err != nil {
		return failed(ctx, "append history", err)
	}
	if s.dialect == MySQL {
		return failed(ctx, "append history", s.appendMySQL(ctx, entries, slices.Compact(keys)))
	}
	if s.dialect == SQLite {
		err = s.write(ctx, func(q querier) error {
			if _, err := q.ExecContext(ctx, s.sql.addHistory, s.args(string(added))...); err != nil {
				return err
			}
			_, err := q.ExecContext(ctx, s.sql.trimHistory, s.args(string(touched), inbox.HistoryFirst, inbox.HistoryLatest)...)
			return err
		})
		return failed(ctx, "append history", err)
	}
	err = s.writeServer(ctx, false, func(q querier) error { // repeated, it would add the entries twice
		_, err := q.ExecContext(ctx, s.sql.addHistory, s.args(string(added))...)
		return err
	})
	if err == nil {
		err = s.exec(ctx, s.sql.trimHistory, string(touched), inbox.HistoryFirst, inbox.HistoryLatest)
	}
	return failed(ctx, "append history", err)
}

// appendMySQL adds entries of records that exist.
func (s *Store) appendMySQL(ctx context.Context, entries []historyEntry, keys []string) error {
	return s.writeServer(ctx, false, func(q querier) error {
		for _, part := range lists(keys) {
			exist, err := readKeys(q.QueryContext(ctx, s.sql.existing, s.args(part)...))
			if err != nil {
				return err
			}
			var added rows
			for _, e := range entries {
				if exist[e.Key] {
					added = append(added, values{s.namespace, e.Key, e.At, string(e.Kind), e.Job, e.Code, e.Attempt, e.Detail})
				}
			}
			if len(added) == 0 {
				continue
			}
			if _, err := q.ExecContext(ctx, s.sql.addHistory, s.args(added)...); err != nil {
				return err
			}
			if _, err := q.ExecContext(ctx, s.sql.trimHistory, s.args(part, inbox.HistoryFirst, inbox.HistoryLatest)...); err != nil {
				return err
			}
		}
		return nil
	})
}

// exec runs a statement with one commit.
func (s *Store) exec(ctx context.Context, statement string, args ...any) error {
	return s.write(ctx, func(q querier) error {
		_, err := q.ExecContext(ctx, statement, s.args(args...)...)
		return err
	})
}

// History implements inbox.HistoryStore.
func (s *Store) History(ctx context.Context, key string) ([]inbox.HistoryEntry, error) {
	key = idKey(key)
	var list []inbox.HistoryEntry
	err := s.read(ctx, func(q querier) error {
		list = nil
		rows, err := q.QueryContext(ctx, s.sql.history, s.args(key)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			e := inbox.HistoryEntry{Key: key}
			var at int64
			if err := rows.Scan(&at, &e.Kind, &e.JobID, &e.StatusCode, &e.Attempt, &e.Detail); err != nil {
				return err
			}
			e.At = time.UnixMicro(at).UTC()
			list = append(list, e)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, failed(ctx, "history", err)
	}
	return list, nil
}

// removed returns the keys of the records that were removed.
func (s *snapshot) removed(saved map[string]bool) (keys []string) {
	for key, r := range s.changed {
		if r.Removed && saved[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

// forget removes the histories of records.
func (s *Store) forget(ctx context.Context, q querier, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	if s.dialect == MySQL {
		return s.execLists(ctx, q, s.sql.forget, keys)
	}
	list, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, s.sql.forget, s.args(string(list))...)
	return err
}

// forgetBatch is how many of the oldest entries forgetOld looks at.
const forgetBatch = "1000"

// forgetOld removes entries without a record: programs of version 1 remove only the
// records, and a crash can come before forget. Entries are in the order of time, so it
// looks only at the oldest.
func (s *Store) forgetOld(ctx context.Context, age time.Duration) error {
	return s.exec(ctx, s.sql.forgetOld, micros(age))
}
