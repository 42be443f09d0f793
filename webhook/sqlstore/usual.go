package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// receiveUsual receives arrivals without reading anything first, in one commit, as
// far as one of two things is true of each, as it nearly always is:
//
//   - Neither the record that it is for nor its job is known.
//   - The record of the submission that it names, or that its job's id names if it
//     names none, is pending, and was bound to this job alone.
//
// In both cases that is all that the rules (book.receive) look at. So they are
// applied to a book in which nothing is known, and what comes of it is written: in
// the first case the new record and its job, in the second what an arrival changes
// in a record, which is the same. The statements find out whether the case is true
// as they write, and write all of an element or nothing. Everything else is in
// rest, and is for change, which has all rules. So is what shares submission or job
// with an earlier arrival of the call, to come after it: two that share neither are
// for one record only if that has several jobs.
func (s *Store) receiveUsual(ctx context.Context, arrivals []webhook.Arrival, answers []webhook.Receipt) (rest []int, err error) {
	if s.careful {
		return everything(len(arrivals)), nil
	}
	received := int64(-1)
	b := newBook(nil, 0, func() int64 { received++; return received })
	// As large as they become, which saves a good part of what a book costs.
	b.rows, b.owners = make(map[string]*row, len(arrivals)), make(map[string]*row, len(arrivals))
	b.dirty, b.taken = make(map[string]*row, len(arrivals)), make(map[string]string, len(arrivals))
	rows := make([]heardRow, 0, len(arrivals))
	late := map[string]bool{} // jobs and submissions of what is in rest
	for i := range arrivals {
		if arrivals[i].JobID == "" {
			// It cannot be told what else in the call is for the same record.
			return everything(len(arrivals)), nil
		}
		a, answer := &arrivals[i], webhook.Receipt{}
		job, submission := fold(a.JobID), fold(a.SubmissionID)
		if !late[job] && !late[submission] && !a.Confirmed {
			answer = b.receive(a)
		}
		if answers[i] = answer; answer.Kind == webhook.ReceiptAccepted {
			rows = append(rows, heardRow{b.rows[answer.Key]})
			continue
		}
		late[job] = true
		if submission != "" {
			late[submission] = true
		}
	}
	written, err := s.writeHeard(ctx, rows)
	if errors.Is(err, errJobTaken) || errors.Is(err, errLocked) {
		return everything(len(arrivals)), nil
	}
	if err != nil {
		return nil, err
	}
	for i, a := range answers {
		if a.Kind != webhook.ReceiptAccepted || !written[a.Key] {
			rest = append(rest, i)
		}
	}
	return rest, nil
}

// usualPatience is how long to wait for another connection to SQLite to end its
// transaction. After it change reads first, so that duplicates are answered while
// somebody else writes.
const usualPatience = 20 * time.Millisecond

// writeHeard writes rows as far as a usual case is true of them, and returns the
// keys of those.
func (s *Store) writeHeard(ctx context.Context, rows []heardRow) (written map[string]bool, err error) {
	since, latest := s.order.latest(), int64(0)
	if s.dialect == SQLite {
		err = s.immediate(ctx, usualPatience, func(q querier) error {
			written, latest, err = s.writeHeardSQLite(ctx, q, rows, since)
			return err
		})
	} else {
		list := heardJSON(rows)
		err = s.update(ctx, func(q querier) error {
			written, latest, err = readHeard(q.QueryContext(ctx, s.sql.hear, s.namespace, list, since))
			return err
		})
		if sqlState(err) == stateUniqueViolation {
			return nil, errJobTaken
		}
	}
	if err == nil && len(written) > 0 {
		s.order.reached(since, latest)
	}
	return written, err
}

// writeHeardSQLite is writeHeard for SQLite, where a statement writes to one table.
// Which case is looked for first is only a matter of time: where jobs are known when
// they end, nearly all are, and elsewhere none. So it is the one of the last call.
func (s *Store) writeHeardSQLite(ctx context.Context, q querier, rows []heardRow, since int64) (written map[string]bool, latest int64, err error) {
	first, second := s.hearPending, s.hearNew
	newFirst := s.newFirst.Load()
	if newFirst {
		first, second = second, first
	}
	written, latest, err = first(ctx, q, rows, since)
	if err != nil || len(written) == len(rows) {
		return written, latest, err
	}
	n := len(written)
	rows = slices.DeleteFunc(slices.Clone(rows), func(r heardRow) bool { return written[r.Key] })
	keys, last, err := second(ctx, q, rows, since)
	if len(keys) > n {
		s.newFirst.Store(!newFirst)
	}
	maps.Copy(written, keys)
	return written, max(latest, last), err
}

func (s *Store) hearPending(ctx context.Context, q querier, rows []heardRow, since int64) (keys map[string]bool, latest int64, err error) {
	return readHeard(q.QueryContext(ctx, s.sql.hearPending, s.namespace, heardJSON(rows), since))
}

func (s *Store) hearNew(ctx context.Context, q querier, rows []heardRow, since int64) (keys map[string]bool, latest int64, err error) {
	keys, latest, err = readHeard(q.QueryContext(ctx, s.sql.hearNew, s.namespace, heardJSON(rows), since))
	if err != nil || len(keys) == 0 {
		return keys, latest, err
	}
	if len(keys) < len(rows) {
		rows = slices.DeleteFunc(slices.Clone(rows), func(r heardRow) bool { return !keys[r.Key] })
	}
	_, err = q.ExecContext(ctx, s.sql.hearJobs, s.namespace, jobsJSON(rows))
	return keys, latest, err
}

// readHeard reads the keys of rows that were written, and when the last of them was
// received.
func readHeard(rows *sql.Rows, err error) (written map[string]bool, latest int64, _ error) {
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	written = map[string]bool{}
	for rows.Next() {
		var key string
		var received int64
		if err := rows.Scan(&key, &received); err != nil {
			return nil, 0, err
		}
		written[key] = true
		latest = max(latest, received)
	}
	return written, latest, rows.Err()
}

// everything is all numbers below n.
func everything(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
