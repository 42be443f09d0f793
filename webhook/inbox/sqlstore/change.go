package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
)

// reference names the records to read: the one with this key, the one with the job's
// key, and the one that has the job. Both are keys of ids, or empty.
type reference struct {
	Key string `json:"key"`
	Job string `json:"job"`
}

// change applies rules to n elements. It reads the records that the elements refer
// to, applies the rules in Go, and writes the records that have changed with one
// commit, unless another process has changed them meanwhile. It then starts again
// with the elements that have looked at such a record. It never waits for the lock of
// a row, because a transaction of the user may hold it.
func (s *Store) change(ctx context.Context, n int, refer func(i int) reference, apply func(snap *snapshot, i int)) error {
	todo := make([]int, n)
	for i := range todo {
		todo[i] = i
	}
	for attempt := 0; len(todo) > 0; attempt++ {
		if attempt == tries {
			return errors.New("other processes have changed the same records again and again: try again")
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		refs := make([]reference, len(todo))
		for at, i := range todo {
			refs[at] = refer(i)
		}
		snap, err := s.load(ctx, refs)
		if err != nil {
			return err
		}
		snap.hasty = attempt >= patientTries
		used := make([][]string, len(todo))
		for at, i := range todo {
			snap.used = nil
			apply(snap, i)
			used[at] = snap.used
		}
		lost, err := s.save(ctx, snap)
		if err != nil {
			return err
		}
		var again []int
		for at, i := range todo {
			if slices.ContainsFunc(used[at], func(key string) bool { return lost[key] }) {
				again = append(again, i)
			}
		}
		todo = again
	}
	return nil
}

// tries bounds how often a change starts again. In each round one of the processes
// gets further.
const tries = 50

// patientTries is the number of attempts to make a change that may be left out.
const patientTries = 6

func (s *Store) load(ctx context.Context, refs []reference) (*snapshot, error) {
	args, err := s.loadArgs(refs)
	if err != nil {
		return nil, err
	}
	var records []*record
	var now int64
	err = s.read(ctx, func(q querier) error {
		records, now, err = readRecords(q.QueryContext(ctx, s.sql.load, args...))
		return err
	})
	if err != nil {
		return nil, err
	}
	return newSnapshot(records, now, func() int64 { return s.order.stamp(now, 1) }), nil
}

func (s *Store) loadArgs(refs []reference) ([]any, error) {
	if s.dialect == MySQL {
		var keys, jobs values
		for _, r := range refs {
			keys, jobs = append(keys, r.Key, r.Job), append(jobs, r.Job)
		}
		return s.args(keys, jobs), nil
	}
	list, err := json.Marshal(refs)
	return s.args(string(list)), err
}

// errJobTaken says that another process has just given a job to another record.
// Nothing was written.
var errJobTaken = errors.New("the job has just got another record")

// save writes the records that have changed. It returns the keys of those that it
// could not write, because another process has changed or locked them.
func (s *Store) save(ctx context.Context, snap *snapshot) (lost map[string]bool, err error) {
	if len(snap.changed) == 0 {
		return nil, nil
	}
	var saved map[string]bool
	switch s.dialect {
	case SQLite:
		err = s.write(ctx, func(q querier) error {
			if saved, err = s.saveSQLite(ctx, q, snap); err != nil {
				return err
			}
			return s.forget(ctx, q, snap.removed(saved))
		})
	case MySQL:
		saved, err = s.saveMySQL(ctx, snap)
	default:
		saved, err = s.savePostgres(ctx, snap)
		if gone := snap.removed(saved); err == nil && len(gone) > 0 {
			// The records are gone, so this failure is none of the caller's: see forgetOld.
			_ = s.write(ctx, func(q querier) error { return s.forget(ctx, q, gone) })
		}
	}
	if err != nil && !errors.Is(err, errJobTaken) {
		return nil, err
	}
	lost = map[string]bool{}
	for key := range snap.changed {
		if err != nil || !saved[key] {
			lost[key] = true
		}
	}
	return lost, nil
}

func (s *Store) savePostgres(ctx context.Context, snap *snapshot) (saved map[string]bool, err error) {
	type entry struct {
		Job string `json:"job"`
		Key string `json:"key"`
	}
	records, taken, freed := []*record{}, []entry{}, []entry{}
	for _, r := range snap.changed {
		records = append(records, r)
	}
	for job, key := range snap.taken {
		taken = append(taken, entry{job, key})
	}
	for job, key := range snap.freed {
		freed = append(freed, entry{job, key})
	}
	args := s.args()
	for _, list := range []any{records, taken, freed} {
		text, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		args = append(args, string(text))
	}
	err = s.writeServer(ctx, !snap.once, func(q querier) error {
		saved, err = readKeys(q.QueryContext(ctx, s.sql.save, args...))
		return err
	})
	if uniqueViolation(err) {
		err = errJobTaken
	}
	return saved, err
}

func (s *Store) saveSQLite(ctx context.Context, q querier, snap *snapshot) (map[string]bool, error) {
	saved := map[string]bool{}
	for key, r := range snap.changed {
		statement, args := s.sql.update, append(s.args(r.fields()...), r.Metadata, r.Given)
		switch {
		case r.Removed:
			statement, args = s.sql.remove, s.args(r.Key, r.Version)
		case r.Version == 0:
			statement = s.sql.insert
		}
		var err error
		if saved[key], err = execOne(ctx, q, statement, args...); err != nil {
			return nil, err
		}
	}
	for job, key := range snap.freed {
		if saved[key] {
			if _, err := execOne(ctx, q, s.sql.free, s.args(job, key)...); err != nil {
				return nil, err
			}
		}
	}
	for job, key := range snap.taken {
		if saved[key] {
			ok, err := execOne(ctx, q, s.sql.take, s.args(job, key)...)
			if err == nil && !ok {
				err = errJobTaken
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return saved, nil
}

// execOne reports whether a statement has changed one row.
func execOne(ctx context.Context, q querier, statement string, args ...any) (bool, error) {
	result, err := q.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// readKeys reads rows of one key, and closes them.
func readKeys(rows *sql.Rows, err error) (map[string]bool, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	keys := map[string]bool{}
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys[key] = true
	}
	return keys, rows.Err()
}
