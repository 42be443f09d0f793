package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// errFull says that a disk is full. Some messages of drivers do not say so.
var errFull = errors.New("the database has no space left: free space on its disk, or raise the limit of its size; work then continues by itself")

// failed adds the method to an error, and what to do if a pooler or a full disk is the
// cause. If the context has ended, it adds the context's error, because drivers return
// other errors then.
func failed(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	if unprepared(err) {
		err = fmt.Errorf("%w: %w", poolerSetting(), err)
	}
	if full(err) {
		err = fmt.Errorf("%w: %w", errFull, err)
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

// mysqlNumber finds the number in the text of an error of MySQL. Drivers have no method
// in common, but all of them print it.
var mysqlNumber = regexp.MustCompile(`(?i)\b(?:error|errno) (\d{4})\b`)

// mysqlCode returns the number of an error of MySQL or MariaDB, zero if it has none.
func mysqlCode(err error) int {
	if err == nil || sqlState(err) != "" {
		return 0
	}
	found := mysqlNumber.FindStringSubmatch(err.Error())
	if found == nil {
		return 0
	}
	code, _ := strconv.Atoi(found[1])
	return code
}

// uniqueViolation reports whether another row has the same key.
func uniqueViolation(err error) bool { return sqlState(err) == "23505" || mysqlCode(err) == 1062 }

// alreadyThere reports whether a migration of MySQL had made a table, a column or an index
// before it failed.
func alreadyThere(err error) bool {
	code := mysqlCode(err)
	return code == 1050 || code == 1060 || code == 1061
}

// again reports whether a server undid a transaction because of another one, so that it
// can be repeated: a serialization failure, a deadlock, a row that was locked for long.
func again(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01":
		return true
	}
	switch mysqlCode(err) {
	case 1020, // ER_CHECKREAD: the row has changed since it was read
		1205, // ER_LOCK_WAIT_TIMEOUT
		1213, // ER_LOCK_DEADLOCK
		3101: // ER_TRANSACTION_ROLLBACK_DURING_COMMIT, of a group
		return true
	}
	return false
}

// unprepared reports whether the session does not have a prepared statement that the
// driver has prepared, or has it although the driver has not. That is so behind a pooler
// that gives a session to each transaction.
func unprepared(err error) bool {
	state := sqlState(err)
	return state == "26000" || state == "42P05"
}

// readOnly reports whether a server refused a write because the session or the server
// is read-only. After a failover, pooled connections can lead to a server that has
// become a standby.
func readOnly(err error) bool {
	switch mysqlCode(err) {
	case 1290, // ER_OPTION_PREVENTS_STATEMENT: read_only, super_read_only
		1792, // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
		1836: // ER_READ_ONLY_MODE
		return true
	}
	return sqlState(err) == "25006"
}

// disconnected reports whether an established connection to a server failed, or the
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
	switch mysqlCode(err) {
	case 1053, // ER_SERVER_SHUTDOWN
		1152, 1158, 1159, 1160, 1161, // ER_ABORTING_CONNECTION, ER_NET_...
		1927, // ER_CONNECTION_KILLED
		2006, // CR_SERVER_GONE_ERROR
		2013, // CR_SERVER_LOST
		3032, // ER_SERVER_OFFLINE_MODE
		3169, // ER_SESSION_WAS_KILLED
		4031: // ER_CLIENT_INTERACTION_TIMEOUT
		return true
	}
	if err.Error() == "invalid connection" || strings.HasSuffix(err.Error(), ": invalid connection") {
		return true // of github.com/go-sql-driver/mysql
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Op != "dial"
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// full reports whether a write failed because a disk is full, or because the database has
// reached a limit of its size.
func full(err error) bool {
	if err == nil {
		return false
	}
	switch mysqlCode(err) {
	case 1021, // ER_DISK_FULL
		1114: // ER_RECORD_FILE_FULL
		return true
	}
	code := sqliteCode(err)
	return code&0xff == 13 || // SQLITE_FULL
		code == 4874 || // SQLITE_IOERR_SHMSIZE: no space for the index of the write-ahead log
		sqlState(err) == "53100" ||
		strings.Contains(err.Error(), "database or disk is full") || // of SQLite's drivers without codes
		strings.Contains(err.Error(), "No space left on device") // in several errors of MySQL
}

// sqliteCode returns the extended result code of SQLite, zero if the driver has no method
// for it.
func sqliteCode(err error) int {
	var e interface{ Code() int }
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// busy reports whether another connection has locked SQLite: SQLITE_BUSY, or
// SQLITE_LOCKED with a shared cache. Drivers differ, but all print SQLite's message.
func busy(err error) bool {
	if err == nil {
		return false
	}
	if code := sqliteCode(err); code != 0 {
		return code&0xff == 5 || code&0xff == 6
	}
	text := err.Error()
	return strings.Contains(text, "database is locked") || strings.Contains(text, "database table is locked")
}
