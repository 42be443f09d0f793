package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// failed adds the method to an error, what to set if a pooler is the cause, and the context's error if the context has
// ended: drivers return other errors then.
func failed(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	if unprepared(err) {
		err = fmt.Errorf("%w: %w", poolerSetting(), err)
	}
	if over := ended(ctx); over != nil && !errors.Is(err, over) {
		return fmt.Errorf("sqlstore: %s: %w: %w", method, over, err)
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}

// ended returns the context's error. A driver may notice the deadline a little before
// the context does.
func ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// sqlState returns the SQLSTATE of an error of PostgreSQL, empty if it has none.
func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

const stateUniqueViolation = "23505"

// again reports whether PostgreSQL undid a transaction because of another one: after
// a serialization failure or a deadlock it can be repeated.
func again(err error) bool {
	state := sqlState(err)
	return state == "40001" || state == "40P01"
}

// unprepared reports whether the session does not have a prepared statement that the
// driver has prepared, or has it although the driver has not. That is so behind a pooler
// that gives a session to each transaction.
func unprepared(err error) bool {
	state := sqlState(err)
	return state == "26000" || state == "42P05"
}

// readOnly reports whether PostgreSQL refused a write because the session or the server
// is read-only. After a failover, pooled connections can lead to a server that has
// become a standby.
func readOnly(err error) bool { return sqlState(err) == "25006" }

// disconnected reports whether an established connection to PostgreSQL failed, or the
// server ended it or could not accept it: it was restarted, or an administrator or a
// timeout ended the session. It is false if nothing listens at the address.
func disconnected(err error) bool {
	switch state := sqlState(err); {
	case err == nil:
		return false
	case state == "57P01", state == "57P02", state == "57P03", state == "57P05":
		return true
	case state != "":
		return strings.HasPrefix(state, "08") // connection exceptions; poolers send them too
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false // drivers set deadlines when contexts end
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Op != "dial"
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// busy reports whether another connection has locked SQLite: SQLITE_BUSY, or
// SQLITE_LOCKED with a shared cache. Drivers differ, but all print SQLite's message.
func busy(err error) bool {
	if err == nil {
		return false
	}
	var e interface{ Code() int }
	if errors.As(err, &e) {
		primary := e.Code() & 0xff
		return primary == 5 || primary == 6
	}
	text := err.Error()
	return strings.Contains(text, "database is locked") || strings.Contains(text, "database table is locked")
}
