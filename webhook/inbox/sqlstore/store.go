package sqlstore

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// Store is an inbox.Store in a database. Open makes one. It is safe for concurrent
// use, also by several processes.
type Store struct {
	db        *sql.DB
	dialect   Dialect
	namespace string
	sql       *statements
	prepared  map[string]*sql.Stmt // of SQLite
	writer    chan struct{}        // holds an element while this Store writes to SQLite
	order     order
	ahead     func() time.Duration // what tests add to the clock, or nil
	careful   bool                 // tests leave out the fast ways
}

var (
	_ inbox.TxStore = (*Store)(nil)
	_ inbox.Locker  = (*Store)(nil)
	_ inbox.Capable = (*Store)(nil)

	_ inbox.HistoryStore = (*Store)(nil)
)

// Capabilities implements inbox.Capable. PostgreSQL and MySQL can receive two batches at
// the same time. SQLite has one writer.
func (s *Store) Capabilities() inbox.Capabilities {
	return inbox.Capabilities{Concurrent: s.dialect != SQLite}
}

// args returns the parameters of a statement. The first two are the namespace and the
// clock. SQLite runs in this process, so its clock is the process's, also in a
// testing/synctest bubble. Servers have a clock, to which the parameter is added.
// It is called when the statement can run, and not before it waits for a lock.
func (s *Store) args(list ...any) []any {
	clock := int64(0)
	if s.dialect == SQLite {
		clock = time.Now().UnixMicro()
	}
	if s.ahead != nil {
		clock += s.ahead().Microseconds()
	}
	return append([]any{s.namespace, clock}, list...)
}

// order gives receipts different times, in the order of calls, also if the clock is
// coarse or stands still.
type order struct {
	mu   sync.Mutex
	last int64
}

// stamp returns the first of n times from now on.
func (o *order) stamp(now int64, n int) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	// A difference of more than a second means that the clock was set back.
	if now <= o.last && o.last-now < time.Second.Microseconds() {
		now = o.last + 1
	}
	o.last = now + int64(n) - 1
	return now
}

// Lock implements inbox.Locker.
func (s *Store) Lock(ctx context.Context, name, owner string, d time.Duration) (locked bool, err error) {
	statement, args := s.sql.lock, []any{storable(name), storable(owner), micros(d)}
	if d <= 0 {
		statement, args = s.sql.unlock, args[:2]
	}
	err = s.write(ctx, func(q querier) error {
		locked, err = execOne(ctx, q, statement, s.args(args...)...)
		if err == nil && s.sql.locked != "" && d > 0 {
			err = queryRow(ctx, q, &locked, s.sql.locked, s.args(args[:2]...)...)
		}
		return err
	})
	if err != nil {
		return false, failed(ctx, "lock", err)
	}
	return locked && d > 0, nil
}
