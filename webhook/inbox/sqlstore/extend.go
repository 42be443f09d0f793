package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// extendPatience is how long Extend waits for SQLite's writer before it looks whether
// it has to. extendTries is how often it tries again for rows of PostgreSQL that were
// locked, perhaps for a moment only.
const (
	extendPatience = 100 * time.Millisecond
	extendTries    = 8
)

// Extend implements inbox.Store. It may leave a lease as it is that is not half over,
// if it would have to wait.
//
// In PostgreSQL a record that a transaction of FinishTx has locked is held, whatever
// its lease says. In SQLite no other process can claim while such a transaction is
// open.
func (s *Store) Extend(ctx context.Context, leases []inbox.Lease, d time.Duration) ([]bool, error) {
	held := make([]bool, len(leases))
	if len(leases) == 0 {
		return held, nil
	}
	extend := s.extendPostgres
	if s.dialect == SQLite {
		extend = s.extendSQLite
	}
	left, err := extend(ctx, leases, micros(d))
	if err != nil {
		return nil, failed(ctx, "extend", err)
	}
	for i := range leases {
		_, held[i] = left[i]
	}
	return held, nil
}

// enough reports whether no lease that was left as it is has to be renewed now.
func enough(left map[int]int64, d int64) bool {
	for _, l := range left {
		if l < d/2 || l > d {
			return false
		}
	}
	return true
}

// extendPostgres returns what is left of the leases that are held, by their numbers.
func (s *Store) extendPostgres(ctx context.Context, leases []inbox.Lease, d int64) (left map[int]int64, err error) {
	list := make([]completion, 0, len(leases))
	for i, l := range leases {
		list = append(list, completion{N: i, Key: idKey(l.Key), Token: l.Token})
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	for attempt := range extendTries {
		if err := pause(ctx, attempt); err != nil {
			return nil, err
		}
		err = s.write(ctx, func(q querier) error {
			rows, err := q.QueryContext(ctx, s.sql.extend, s.args(string(text), d)...)
			if err != nil {
				return err
			}
			defer rows.Close()
			left = map[int]int64{}
			for rows.Next() {
				var n int
				var l int64
				if err := rows.Scan(&n, &l); err != nil {
					return err
				}
				left[n] = l
			}
			return rows.Err()
		})
		if err != nil || enough(left, d) {
			break
		}
	}
	return left, err
}

// extendSQLite returns what is left of the leases that are held, by their numbers.
func (s *Store) extendSQLite(ctx context.Context, leases []inbox.Lease, d int64) (left map[int]int64, err error) {
	extend := func(q querier) error {
		left = map[int]int64{}
		for i, l := range leases {
			ok, err := execOne(ctx, q, s.sql.extendOne, s.args(idKey(l.Key), l.Token, d)...)
			if err != nil {
				return err
			}
			if ok {
				left[i] = d
			}
		}
		return nil
	}
	if err = s.writeWithin(ctx, extendPatience, extend); !errors.Is(err, errLocked) {
		return left, err
	}
	// There is another writer, perhaps for long, and perhaps it is the worker itself in
	// a transaction of FinishTx.
	err = s.read(ctx, func(q querier) error {
		left = map[int]int64{}
		for i, l := range leases {
			var us int64
			err := queryRow(ctx, q, &us, s.sql.left, s.args(idKey(l.Key), l.Token)...)
			if err == nil {
				left[i] = us
			} else if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		return nil
	})
	if err == nil && !enough(left, d) {
		err = s.write(ctx, extend)
	}
	return left, err
}
