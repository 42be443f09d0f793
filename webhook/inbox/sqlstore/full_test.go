package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// sqliteError is an error as modernc.org/sqlite returns it.
type sqliteError int

func (e sqliteError) Code() int     { return int(e) }
func (e sqliteError) Error() string { return fmt.Sprintf("text (%d)", int(e)) }

func TestFullDiskIsRecognized(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		sqliteError(13), sqliteError(4874), errors.New("database or disk is full"),
		&pgconn.PgError{Code: "53100"}, fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: "53100"}),
		&mysql.MySQLError{Number: 1021, Message: "Disk full"}, &mysql.MySQLError{Number: 1114, Message: "The table 'reducto_records' is full"},
		&mysql.MySQLError{Number: 1030, Message: `Got error 28 "No space left on device" from storage engine InnoDB`},
		&mysql.MySQLError{Number: 1026, Message: `Error writing file './binlog' (errno: 28 "No space left on device")`},
	} {
		assert.True(t, sqlstore.Full(err), "%v", err)
		assert.False(t, sqlstore.Again(err), "%v is repeated in vain", err)
		assert.False(t, sqlstore.Disconnected(err), "%v does not mean that the connection is of no use", err)
	}
	for _, err := range []error{
		nil, errors.New("other"), sqliteError(10), sqliteError(5), sqliteError(778), &pgconn.PgError{Code: "53300"}, &pgconn.PgError{Code: "53200"},
		&mysql.MySQLError{Number: 1213}, sql.ErrNoRows,
	} {
		assert.False(t, sqlstore.Full(err), "%v", err)
	}
}

// The error says what to do, and keeps the error of the driver.
func TestPostgresFullDisk(t *testing.T) {
	t.Parallel()
	store, db := openPostgres(t)
	_, err := db.Exec(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
		CREATE TRIGGER full_disk BEFORE INSERT ON reducto_records FOR EACH ROW EXECUTE FUNCTION full_disk()`)
	require.NoError(t, err)
	began := time.Now()
	_, err = store.Receive(within(t, 10*time.Second), []inbox.Notification{completed("job")})
	require.ErrorContains(t, err, "no space left: free space on its disk")
	var server *pgconn.PgError
	require.ErrorAs(t, err, &server)
	assert.Less(t, time.Since(began), 2*time.Second, "it is not repeated")
	_, err = db.Exec(`DROP TRIGGER full_disk ON reducto_records`)
	require.NoError(t, err)
	receive(t, store, "job")
}
