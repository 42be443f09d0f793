package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// failed says which method an error comes from. If ctx is over, the error is
// ctx's, whatever the driver made of that.
func failed(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if over := ended(ctx); over != nil && !errors.Is(err, over) {
		return fmt.Errorf("sqlstore: %s: %w: %w", op, over, err)
	}
	return fmt.Errorf("sqlstore: %s: %w", op, err)
}

// ended is ctx's error. A driver that passes the deadline on can be told that it
// is over before ctx knows.
func ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// sqlState is the SQLSTATE of an error of PostgreSQL, empty if it has none.
// The drivers' errors have the method.
func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

// The states of PostgreSQL that are understood here.
const (
	stateUniqueViolation      = "23505"
	stateSerializationFailure = "40001"
	stateDeadlock             = "40P01"
)

// again reports whether PostgreSQL undid a transaction only because of another
// one, and it can be repeated.
func again(err error) bool {
	switch sqlState(err) {
	case stateSerializationFailure, stateDeadlock:
		return true
	}
	return false
}

const (
	sqliteBusy   = 5 // SQLITE_BUSY
	sqliteLocked = 6 // SQLITE_LOCKED, with a shared cache
)

// busy reports whether SQLite gave up waiting for another connection. Drivers
// tell in different ways, and all print SQLite's own words.
func busy(err error) bool {
	if err == nil {
		return false
	}
	var e interface{ Code() int }
	if errors.As(err, &e) {
		primary := e.Code() & 0xff
		return primary == sqliteBusy || primary == sqliteLocked
	}
	text := err.Error()
	return strings.Contains(text, "database is locked") || strings.Contains(text, "database table is locked")
}
