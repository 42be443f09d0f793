package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// querier is what statements are run on: a pool or a connection.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// lockPatience bounds how long a write waits for another connection to SQLite to
// end its transaction, if ctx does not end before.
const lockPatience = 30 * time.Second

// query reads, and does so again if that failed because of somebody else.
func (s *Store) query(ctx context.Context, read func(q querier) error) error {
	return s.repeat(ctx, func() error { return read(pool{s}) })
}

// update runs what changes something, all in one commit: write is a single
// statement where the dialect is PostgreSQL. It is run again if it failed because
// of somebody else.
func (s *Store) update(ctx context.Context, write func(q querier) error) error {
	if s.dialect == SQLite {
		return s.immediate(ctx, lockPatience, write)
	}
	return s.repeat(ctx, func() error { return write(pool{s}) })
}

// pool runs statements on any connection.
type pool struct{ s *Store }

func (p pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := p.s.prepared[query]; stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return p.s.db.ExecContext(ctx, query, args...)
}

func (p pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := p.s.prepared[query]; stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return p.s.db.QueryContext(ctx, query, args...)
}

// transaction runs statements in a transaction.
type transaction struct {
	*sql.Tx
	prepared map[string]*sql.Stmt
}

func (t transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := t.prepared[query]; stmt != nil {
		return t.StmtContext(ctx, stmt).ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

func (t transaction) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := t.prepared[query]; stmt != nil {
		return t.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

// prepare keeps the statements of SQLite, which takes longer to understand them
// than to run them. Drivers of PostgreSQL do so themselves as far as what is
// between them and the server allows. It is done beforehand: to prepare one takes
// a connection, and whoever is in a transaction may have the only one.
func (s *Store) prepare(ctx context.Context) error {
	if s.dialect != SQLite {
		return nil
	}
	s.prepared = map[string]*sql.Stmt{}
	for _, text := range s.sql.all() {
		stmt, err := s.db.PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		s.prepared[text] = stmt
	}
	return nil
}

func (s *Store) repeat(ctx context.Context, f func() error) error {
	for attempt := 0; ; attempt++ {
		err := f()
		if err == nil || attempt == tries || !again(err) && !busy(err) {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// pause waits a little, the longer the more attempts there were, so that those
// who hinder each other do not begin together again.
func pause(ctx context.Context, attempt int) error {
	longest := min(time.Millisecond<<min(attempt, 10), 100*time.Millisecond)
	timer := time.NewTimer(rand.N(longest))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errLocked: SQLite's only place for a writer, or a connection to write with, did
// not become free in time.
var errLocked = errors.New("another connection keeps the database locked, or the pool has none left: end the transactions that are open")

// busySlice is how long SQLite waits by itself, in milliseconds, before ctx is
// looked at: not all drivers interrupt it when ctx ends.
const busySlice = 50

// immediate runs write in a transaction of SQLite. Its first statement has to be
// one that writes, so that the transaction has the write lock from its beginning
// and cannot fail for having read before another's write. The writers of this
// Store queue here, which is fairer and faster than to have them poll the lock.
func (s *Store) immediate(ctx context.Context, patience time.Duration, write func(q querier) error) error {
	waiting, cancel := context.WithTimeoutCause(ctx, patience, errLocked)
	defer cancel()
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
	case <-waiting.Done():
		return context.Cause(waiting)
	}
	conn, err := s.db.Conn(waiting)
	if err != nil {
		if waiting.Err() != nil {
			return context.Cause(waiting)
		}
		return err
	}
	defer conn.Close()
	return alone(ctx, waiting, conn, func(tx *sql.Tx) error { return write(transaction{tx, s.prepared}) })
}

// alone runs write in a transaction on the connection. It waits for the write lock
// as long as waiting says, and begins again if it has read what is not true any
// more when it gets it.
func alone(ctx, waiting context.Context, conn *sql.Conn, write func(tx *sql.Tx) error) error {
	restore, err := prepareWriter(ctx, conn)
	if err != nil {
		return err
	}
	defer restore()
	for {
		err := transact(ctx, conn, write)
		if !busy(err) {
			return err
		}
		if waiting.Err() != nil {
			return context.Cause(waiting)
		}
	}
}

// prepareWriter makes sure that what is written on the connection is durable: a
// setting of SQLite's is one connection's, and the pool opens them as it likes. It
// has the connection wait in slices.
func prepareWriter(ctx context.Context, conn *sql.Conn) (restore func(), err error) {
	// The connection knows all of this by itself. Whatever could be interrupted would
	// cost some goroutines that wait for it.
	ctx = context.WithoutCancel(ctx)
	if err := checkSynchronous(ctx, conn); err != nil {
		return nil, err
	}
	wait, err := pragmaInt(ctx, conn, "busy_timeout")
	if err != nil {
		return nil, err
	}
	restore = func() {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", wait)); err != nil {
			discard(conn)
		}
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busySlice)); err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}

// transact runs write in one transaction. What begins and ends it is not
// interrupted, so that it is known what became of it: to begin takes no longer
// than busySlice, to commit as long as the disk.
func transact(ctx context.Context, conn *sql.Conn, write func(tx *sql.Tx) error) error {
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	if err := write(tx); err != nil {
		if tx.Rollback() != nil {
			// After some errors SQLite has done so already. To close it is right in any case.
			discard(conn)
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		discard(conn) // for the pool it has ended, and for SQLite perhaps not
		return err
	}
	return nil
}

// discard has the pool close the connection instead of using it again.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}
