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

// querier runs statements, on any connection of the pool or in a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// preparedQuerier is a querier that uses prepared statements as far as there are any.
type preparedQuerier struct {
	querier
	prepared map[string]*sql.Stmt
}

func (q preparedQuerier) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := q.prepared[query]; stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return q.querier.ExecContext(ctx, query, args...)
}

func (q preparedQuerier) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := q.prepared[query]; stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return q.querier.QueryContext(ctx, query, args...)
}

// sqliteTx runs the prepared statements in a transaction. It looks at the context before
// each statement. To interrupt one, drivers need a goroutine for each, which takes longer
// than most statements.
type sqliteTx struct {
	tx       *sql.Tx
	prepared map[string]*sql.Stmt
	bound    map[string]*sql.Stmt // to tx
}

func (q sqliteTx) stmt(ctx context.Context, query string) (context.Context, *sql.Stmt, error) {
	if err := ended(ctx); err != nil {
		return nil, nil, err
	}
	ctx = context.WithoutCancel(ctx)
	if q.bound[query] == nil {
		q.bound[query] = q.tx.StmtContext(ctx, q.prepared[query])
	}
	return ctx, q.bound[query], nil
}

func (q sqliteTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx, stmt, err := q.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

func (q sqliteTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx, stmt, err := q.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// queryRow reads one value. Without a row its error is sql.ErrNoRows.
func queryRow(ctx context.Context, q querier, value any, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(rows.Err(), sql.ErrNoRows)
	}
	if err := rows.Scan(value); err != nil {
		return err
	}
	return rows.Err()
}

// prepare prepares the statements for SQLite, which takes longer to parse one than to
// run it. Drivers of PostgreSQL do so themselves, if what is between them and the
// server allows it. Open does it, because it takes a connection, and a caller in a
// transaction may have the only one.
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

// lockPatience bounds how long a write waits for another writer to SQLite.
const lockPatience = 30 * time.Second

// read runs statements that read. It repeats them if they failed because of another
// process, or because the connection had failed.
func (s *Store) read(ctx context.Context, read func(q querier) error) error {
	switch s.dialect {
	case PostgreSQL:
		return s.run(ctx, true, func(conn *sql.Conn) error { return read(conn) })
	case MySQL:
		return s.run(ctx, true, func(conn *sql.Conn) error { return read(mysqlQuerier{conn}) })
	}
	for attempt := 0; ; attempt++ {
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		err := read(preparedQuerier{s.db, s.prepared})
		if err == nil || attempt == tries || !busy(err) {
			return err
		}
	}
}

// write runs statements that write, with one commit. For PostgreSQL it is a single
// statement. For servers it must be safe to repeat after it was committed. write repeats
// it as read does.
func (s *Store) write(ctx context.Context, write func(q querier) error) error {
	if s.dialect == SQLite {
		return s.writeWithin(ctx, lockPatience, write)
	}
	return s.writeServer(ctx, true, write)
}

// writeServer is write for PostgreSQL and MySQL. A statement that is not idempotent is not
// repeated if the server may have committed it.
func (s *Store) writeServer(ctx context.Context, idempotent bool, write func(q querier) error) error {
	return s.run(ctx, idempotent, func(conn *sql.Conn) error {
		if s.dialect == MySQL {
			return inTransaction(ctx, conn, write)
		}
		return write(conn)
	})
}

// run runs a statement on a connection to PostgreSQL or MySQL. It repeats the statement after a
// conflict with another process. If a pooled connection has failed or has become
// read-only, run discards it and repeats the statement on another one. A statement that
// is not idempotent is not repeated if the server may have committed it.
func (s *Store) run(ctx context.Context, idempotent bool, do func(conn *sql.Conn) error) error {
	conflicts, stale, left := 0, false, 0
	for {
		sent, err := s.runOnce(ctx, do)
		unsent := !sent || errors.Is(err, driver.ErrBadConn)
		if err == nil || ended(ctx) != nil {
			return err
		}
		wait := 0
		switch {
		case again(err) && conflicts < tries:
			conflicts++
			wait = conflicts
		case readOnly(err) || disconnected(err) && (idempotent || unsent):
			if !stale {
				// All idle connections may be stale. The one after them is new.
				stale, left = true, s.db.Stats().Idle+1
			}
			if !sent {
				left, wait = min(left, 1), connectPause // the connection was new
			}
			if left--; left < 0 {
				return err
			}
		default:
			return err
		}
		if pause(ctx, wait) != nil {
			return err
		}
	}
}

// connectPause is the attempt of pause before the store connects again.
const connectPause = 8

// runOnce runs do on one connection of the pool. It discards the connection if it is of
// no more use. sent reports whether the server may have got the statement.
func (s *Store) runOnce(ctx context.Context, do func(conn *sql.Conn) error) (sent bool, err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if err = do(conn); readOnly(err) || disconnected(err) {
		discard(conn)
	}
	return true, err
}

// pause waits before an attempt, but not before the first, which is 0. The time is
// random and grows, so that processes that hinder each other do not start again
// together.
func pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return nil
	}
	longest := min(time.Millisecond<<min(attempt-1, 10), 100*time.Millisecond)
	timer := time.NewTimer(rand.N(longest))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errLocked says that SQLite's writer, or a connection to write with, did not become
// free in time.
var errLocked = errors.New("another connection keeps the database locked, or the pool has none left: end the transactions that are open")

// writeWithin runs write in a transaction of SQLite. Its first statement writes, so
// that the transaction has the lock from the beginning, and cannot fail because it has
// read before another process wrote. The writers of this Store queue here, which is
// fairer and faster than SQLite's polling. The error is errLocked if the lock is not
// free within the given time.
func (s *Store) writeWithin(ctx context.Context, patience time.Duration, write func(q querier) error) error {
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
	return writeAlone(ctx, waiting, conn, func(tx *sql.Tx) error {
		return write(sqliteTx{tx, s.prepared, map[string]*sql.Stmt{}})
	})
}

// writeAlone runs write in a transaction on a connection to SQLite. It waits for the
// lock as long as the context waiting lasts.
func writeAlone(ctx, waiting context.Context, conn *sql.Conn, write func(tx *sql.Tx) error) error {
	restore, err := prepareWriter(ctx, conn)
	if err != nil {
		return err
	}
	defer restore()
	for attempt := 0; ; attempt++ {
		if pause(waiting, min(attempt, 4)) != nil {
			return context.Cause(waiting)
		}
		if err := transact(ctx, conn, write); !busy(err) {
			return err
		}
	}
}

// prepareWriter checks that what the connection writes is durable, because settings of
// SQLite are a connection's, and the pool opens connections at any time. Until restore,
// the connection does not wait for another writer by itself: not all drivers interrupt
// that when the context ends, and the clock of a testing/synctest bubble would stop.
func prepareWriter(ctx context.Context, conn *sql.Conn) (restore func(), err error) {
	// These are short, and a context that can end costs a goroutine for each.
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
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}

// transact runs write in one transaction. Its begin and commit are not interrupted, so
// that their result is known.
func transact(ctx context.Context, conn *sql.Conn, write func(tx *sql.Tx) error) error {
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	if err := write(tx); err != nil {
		if tx.Rollback() != nil {
			discard(conn) // SQLite has rolled back some errors itself; to close is right in any case
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		discard(conn) // the pool takes it for ended, and SQLite perhaps not
		return err
	}
	return nil
}

// discard makes the pool close the connection.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}
