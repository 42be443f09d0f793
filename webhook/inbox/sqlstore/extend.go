package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// Extend implements inbox.Store. It may leave a lease as it is if it would have to wait.
//
// In PostgreSQL and MySQL, a record that a transaction of FinishTx has locked is held,
// even if its lease has ended. In SQLite no other process can claim while such a
// transaction is open.
func (s *Store) Extend(ctx context.Context, leases []inbox.Lease, d time.Duration) ([]bool, error) {
	extend := s.extendPostgres
	switch {
	case len(leases) == 0:
		return nil, nil
	case s.dialect == SQLite:
		extend = s.extendSQLite
	case s.dialect == MySQL:
		extend = s.extendMySQL
	}
	held := make([]bool, len(leases))
	if err := extend(ctx, leases, micros(d), held); err != nil {
		return nil, failed(ctx, "extend", err)
	}
	return held, nil
}

func (s *Store) extendPostgres(ctx context.Context, leases []inbox.Lease, d int64, held []bool) error {
	list := make([]completion, 0, len(leases))
	for i, l := range leases {
		list = append(list, completion{N: i, Key: idKey(l.Key), Token: l.Token})
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return s.write(ctx, func(q querier) error {
		clear(held) // a former attempt may have set some
		return readNumbers(held)(q.QueryContext(ctx, s.sql.extend, s.args(string(text), d)...))
	})
}

func (s *Store) extendMySQL(ctx context.Context, leases []inbox.Lease, d int64, held []bool) error {
	keys := make([]string, 0, len(leases))
	for _, l := range leases {
		keys = append(keys, idKey(l.Key))
	}
	return s.write(ctx, func(q querier) error {
		all, _, err := s.byKey(ctx, q, s.sql.readRows, keys) // a locked one is held, too
		if err != nil {
			return err
		}
		free, now, err := s.byKey(ctx, q, s.sql.lockRows, keys)
		if err != nil {
			return err
		}
		holds := func(r *record, token int64) bool {
			return r != nil && r.State == inbox.StateClaimed && r.Token == token
		}
		var extended []*record
		for i, l := range leases {
			held[i] = holds(all[keys[i]], l.Token)
			if r := free[keys[i]]; holds(r, l.Token) {
				r.DueAt = now + d
				extended = append(extended, r)
				delete(free, keys[i])
			}
		}
		return s.putRecords(ctx, q, extended)
	})
}

// readNumbers reads rows of one number, and sets those elements of the list.
func readNumbers(list []bool) func(rows *sql.Rows, err error) error {
	return func(rows *sql.Rows, err error) error {
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				return err
			}
			list[n] = true
		}
		return rows.Err()
	}
}

// extendPatience is how long Extend waits for another writer to SQLite before it looks
// whether a lease is more than half over.
const extendPatience = 100 * time.Millisecond

func (s *Store) extendSQLite(ctx context.Context, leases []inbox.Lease, d int64, held []bool) error {
	extend := func(q querier) (err error) {
		for i, l := range leases {
			if held[i], err = execOne(ctx, q, s.sql.extendOne, s.args(idKey(l.Key), l.Token, d)...); err != nil {
				return err
			}
		}
		return nil
	}
	err := s.writeWithin(ctx, extendPatience, extend)
	if !errors.Is(err, errLocked) {
		return err
	}
	// The other writer may be the worker itself, in a transaction of FinishTx.
	urgent := false
	err = s.read(ctx, func(q querier) error {
		for i, l := range leases {
			var left int64
			err := queryRow(ctx, q, &left, s.sql.left, s.args(idKey(l.Key), l.Token)...)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			held[i] = err == nil
			urgent = urgent || held[i] && (left < d/2 || left > d)
		}
		return nil
	})
	if err == nil && urgent {
		err = s.write(ctx, extend)
	}
	return err
}
