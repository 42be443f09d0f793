package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// killMySQL ends all sessions on a database, and returns their number.
func killMySQL(t *testing.T, admin *sql.DB, database string) (n int) {
	t.Helper()
	rows, err := admin.Query(`SELECT id FROM information_schema.processlist WHERE db = ? AND id <> connection_id()`, database)
	require.NoError(t, err)
	defer rows.Close()
	var ids []int
	for rows.Next() {
		var id int
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	for _, id := range ids {
		if _, err := admin.Exec(fmt.Sprint("KILL ", id)); err == nil {
			n++
		}
	}
	return n
}

func TestMySQLRestartFailsNoOperation(t *testing.T) {
	t.Parallel()
	const connections = 6
	for name, workers := range map[string]int{"one by one": 1, "at once": 8} {
		t.Run(name, func(t *testing.T) {
			config := mysqlDatabase(t)
			db, admin := mysqlPool(t, config), mysqlPool(t, mysqlConfig(t))
			db.SetMaxOpenConns(connections)
			db.SetMaxIdleConns(connections)
			store := open(t, db, sqlstore.MySQL)
			onEach(t, db, connections, `SELECT 1`)
			require.Equal(t, connections, killMySQL(t, admin, config.DBName))
			var failures atomic.Int32
			numbers := make(chan int)
			var group sync.WaitGroup
			for range workers {
				group.Go(func() {
					for i := range numbers {
						var err error
						if i%4 == 0 {
							err = store.Submit(within(t, 10*time.Second), inbox.Submission{ID: fmt.Sprint("s", i), Webhook: true})
						} else {
							_, err = store.Receive(within(t, 10*time.Second), []inbox.Notification{completed(fmt.Sprint("job", i))})
						}
						if err != nil {
							failures.Add(1)
							t.Log(i, err)
						}
					}
				})
			}
			for i := range 80 {
				numbers <- i
			}
			close(numbers)
			group.Wait()
			assert.Zero(t, failures.Load())
			records, err := store.List(t.Context(), inbox.Filter{Limit: 100})
			require.NoError(t, err)
			assert.Len(t, records, 80)
		})
	}
}

// A delivery that Receive has accepted is kept, also if sessions end all the time.
func TestMySQLSessionsEndAllTheTime(t *testing.T) {
	t.Parallel()
	config := mysqlDatabase(t)
	store, admin := open(t, mysqlPool(t, config), sqlstore.MySQL), mysqlPool(t, mysqlConfig(t))
	ctx, stop := context.WithCancel(t.Context())
	var killer, group sync.WaitGroup
	killer.Go(func() {
		for ctx.Err() == nil {
			killMySQL(t, admin, config.DBName)
			time.Sleep(10 * time.Millisecond)
		}
	})
	var accepted sync.Map
	var n atomic.Int32
	for i := range 4 {
		group.Go(func() {
			for j := range 40 {
				results, err := store.Receive(within(t, 5*time.Second), []inbox.Notification{completed(fmt.Sprintf("job-%d-%d", i, j))})
				if err == nil {
					accepted.Store(results[0].Key, true)
					n.Add(1)
				}
			}
		})
	}
	group.Wait()
	stop()
	killer.Wait()
	require.Positive(t, n.Load())
	records, err := store.List(within(t, 10*time.Second), inbox.Filter{Limit: 1000})
	require.NoError(t, err)
	for _, r := range records {
		accepted.Delete(r.Key)
	}
	accepted.Range(func(key, _ any) bool {
		t.Error("accepted and lost:", key)
		return true
	})
}

// cutter cuts connections when they send a text, before or after it reaches the server.
type cutter struct {
	text   string
	before bool
	cuts   atomic.Int32
}

func (c *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	return &cutConn{conn, c}, err
}

type cutConn struct {
	net.Conn
	c *cutter
}

func (c *cutConn) Write(p []byte) (int, error) {
	if c.c.text == "" || !bytes.Contains(p, []byte(c.c.text)) || !c.c.cuts.CompareAndSwap(0, 1) {
		return c.Conn.Write(p)
	}
	if !c.c.before {
		if n, err := c.Conn.Write(p); err != nil {
			return n, err
		}
		time.Sleep(300 * time.Millisecond) // the server commits
	}
	_ = c.Conn.Close()
	return len(p), nil // it is lost, or its answer is
}

// Bind of an answer without a job counts each time. The store must not repeat it if the
// server may have committed it.
func TestMySQLBindWithoutJobIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text   string
		job    string
		before bool
		fails  bool
	}{
		{"\x03COMMIT", "", false, true},
		{"\x03COMMIT", "job", false, false},
		{"INSERT INTO", "", true, false},
		{"INSERT INTO", "job", true, false},
	} {
		t.Run(strings.Trim(test.text, "\x03")+test.job, func(t *testing.T) {
			t.Parallel()
			cut := &cutter{before: test.before}
			config := mysqlDatabase(t)
			config.DialFunc = cut.dial
			db := mysqlPool(t, config)
			db.SetMaxOpenConns(1)
			store := open(t, db, sqlstore.MySQL)
			require.NoError(t, store.Submit(t.Context(), inbox.Submission{ID: "s", Webhook: true}))
			cut.text = test.text
			err := store.Bind(within(t, 10*time.Second), inbox.Answer{SubmissionID: "s", JobID: test.job, Jobs: 1})
			assert.EqualValues(t, 1, cut.cuts.Load())
			if test.fails {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
			}
			var sent int
			require.NoError(t, db.QueryRow(`SELECT sent FROM reducto_records`).Scan(&sent))
			assert.Equal(t, 1, sent)
		})
	}
}

// After a failover the sessions of a pool can be on a server that has become read-only.
func TestMySQLReadOnlySessionsAreDiscarded(t *testing.T) {
	t.Parallel()
	store, db := openMySQL(t)
	onEach(t, db, 3, `SET SESSION TRANSACTION READ ONLY`)
	results, err := store.Receive(within(t, 5*time.Second), []inbox.Notification{completed("job")})
	require.NoError(t, err)
	assert.Equal(t, inbox.Accepted, results[0].Kind)
}

func TestMySQLReadOnlyServerFails(t *testing.T) {
	t.Parallel()
	config := mysqlDatabase(t)
	store := open(t, mysqlPool(t, config), sqlstore.MySQL)
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(readOnlyConnector{connector})
	t.Cleanup(func() { _ = db.Close() })
	store.Use(db)
	began := time.Now()
	_, err = store.Receive(within(t, 10*time.Second), []inbox.Notification{completed("job")})
	require.ErrorContains(t, err, "1792")
	assert.Less(t, time.Since(began), 2*time.Second)
}

// readOnlyConnector makes each new session read-only.
type readOnlyConnector struct{ driver.Connector }

func (c readOnlyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err == nil {
		_, err = conn.(driver.ExecerContext).ExecContext(ctx, `SET SESSION TRANSACTION READ ONLY`, nil)
	}
	return conn, err
}

// The server gives up after a time if a transaction keeps a row locked. Finish waits on.
func TestMySQLLockWaitTimeoutIsRepeated(t *testing.T) {
	t.Parallel()
	config := mysqlDatabase(t)
	config.Params = map[string]string{"innodb_lock_wait_timeout": "1"}
	db := mysqlPool(t, config)
	store := open(t, db, sqlstore.MySQL)
	receive(t, store, "job")
	r := claim(t, store, 1)[0]
	tx := begin(t, db, sql.LevelReadCommitted)
	finishTx(t, store, tx, r)
	time.AfterFunc(1500*time.Millisecond, func() { _ = tx.Rollback() })
	held, err := store.Finish(within(t, 10*time.Second), []inbox.Completion{done(r)})
	require.NoError(t, err)
	assert.Equal(t, []bool{true}, held)
}

// Heartbeats change the record after a transaction has taken its snapshot. From version
// 11.6 on, MariaDB then refuses the change at REPEATABLE READ.
func TestMySQLSnapshotIsolation(t *testing.T) {
	t.Parallel()
	store, db := openMySQL(t)
	if _, err := db.Exec(`SELECT @@innodb_snapshot_isolation`); err != nil {
		return // MySQL
	}
	receive(t, store, "a", "b")
	for i, r := range claim(t, store, 2) {
		level := []sql.IsolationLevel{sql.LevelRepeatableRead, sql.LevelReadCommitted}[i]
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.ExecContext(t.Context(), `SET innodb_snapshot_isolation = 1`)
		require.NoError(t, err)
		tx, err := conn.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
		require.NoError(t, err)
		var n int
		require.NoError(t, tx.QueryRow(`SELECT count(*) FROM reducto_records`).Scan(&n))
		_, err = store.Extend(t.Context(), []inbox.Lease{leaseOf(r)}, 2*time.Hour)
		require.NoError(t, err)
		held, err := store.FinishTx(t.Context(), tx, done(r))
		if level == sql.LevelRepeatableRead {
			assert.ErrorContains(t, err, "1020")
		} else {
			require.NoError(t, err)
			assert.True(t, held)
		}
		require.NoError(t, tx.Rollback())
	}
}

// Names of tables have the database, because a transaction can use another one.
func TestMySQLFinishTxAfterUse(t *testing.T) {
	t.Parallel()
	store, db := openMySQL(t)
	receive(t, store, "job")
	r := claim(t, store, 1)[0]
	tx := begin(t, db, sql.LevelDefault)
	_, err := tx.Exec(`USE information_schema`)
	require.NoError(t, err)
	finishTx(t, store, tx, r)
	require.NoError(t, tx.Commit())
	assert.Equal(t, inbox.StateDone, stateOf(t, store, "job"))
}

// A migration that was interrupted goes on where it was.
func TestMySQLMigrationGoesOn(t *testing.T) {
	t.Parallel()
	db := mysqlPool(t, mysqlDatabase(t))
	open(t, db, sqlstore.MySQL)
	_, err := db.Exec(`DELETE FROM reducto_schema`)
	require.NoError(t, err)
	_, err = db.Exec(`DROP TABLE reducto_locks`)
	require.NoError(t, err)
	live(t, open(t, db, sqlstore.MySQL), db, "s")
	assert.Equal(t, []int{1, 2, 3}, versions(t, db))
}

func TestMySQLDriverSettings(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*mysql.Config){
		"prepared statements": func(c *mysql.Config) { c.InterpolateParams = false },
		"found rows":          func(c *mysql.Config) { c.ClientFoundRows = true },
		"times":               func(c *mysql.Config) { c.ParseTime, c.Loc = true, time.FixedZone("far", 9*3600) },
		"time zone":           func(c *mysql.Config) { c.Params = map[string]string{"time_zone": "'-07:30'"} },
		"sql_mode": func(c *mysql.Config) {
			c.Params = map[string]string{"sql_mode": "'STRICT_ALL_TABLES,ANSI,NO_BACKSLASH_ESCAPES'"}
		},
		"isolation": func(c *mysql.Config) { c.Params = map[string]string{"tx_isolation": "'SERIALIZABLE'"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := mysqlDatabase(t)
			set(config)
			db := mysqlPool(t, config)
			if _, err := db.Exec(`SELECT 1`); err != nil && name == "isolation" {
				config.Params = map[string]string{"transaction_isolation": "'SERIALIZABLE'"} // of MySQL
				db = mysqlPool(t, config)
			}
			store := open(t, db, sqlstore.MySQL)
			live(t, store, db, "it's \\ \"quoted\"")
			receive(t, store, "job")
			r := claim(t, store, 1)[0]
			assert.InDelta(t, 0, time.Since(r.ReceivedAt), float64(time.Minute))
		})
	}
}

func TestMySQLSettingsAreRefused(t *testing.T) {
	t.Parallel()
	good := sqlstore.MySQLSettings{
		Version: "10.11.19-MariaDB-0+deb12u1", Flush: "1", Binlog: "1", SyncBinlog: "1", ReadOnly: "0", Autocommit: "1",
		Charset: "utf8mb4", Mode: "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION", Packet: 16 << 20,
	}
	for name, set := range map[string]func(*sqlstore.MySQLSettings){
		"MySQL":         func(s *sqlstore.MySQLSettings) { s.Version = "8.0.36" },
		"MySQL 8.4":     func(s *sqlstore.MySQLSettings) { s.Version = "8.4.3-azure" },
		"no binary log": func(s *sqlstore.MySQLSettings) { s.Binlog, s.SyncBinlog = "0", "0" },
		"flush 3":       func(s *sqlstore.MySQLSettings) { s.Flush = "3" },
		"OFF":           func(s *sqlstore.MySQLSettings) { s.ReadOnly = "OFF" },
	} {
		s := good
		set(&s)
		assert.NoError(t, s.Check(), name)
	}
	for name, test := range map[string]struct {
		set     func(*sqlstore.MySQLSettings)
		setting string
	}{
		"old MariaDB":       {func(s *sqlstore.MySQLSettings) { s.Version = "10.5.22-MariaDB" }, "version"},
		"old MySQL":         {func(s *sqlstore.MySQLSettings) { s.Version = "5.7.44" }, "version"},
		"no flush":          {func(s *sqlstore.MySQLSettings) { s.Flush = "2" }, "innodb_flush_log_at_trx_commit"},
		"flush 3 of MySQL":  {func(s *sqlstore.MySQLSettings) { s.Version, s.Flush = "8.0.36", "3" }, "innodb_flush_log_at_trx_commit"},
		"binary log":        {func(s *sqlstore.MySQLSettings) { s.SyncBinlog = "0" }, "sync_binlog"},
		"read-only":         {func(s *sqlstore.MySQLSettings) { s.ReadOnly = "1" }, "read_only"},
		"no autocommit":     {func(s *sqlstore.MySQLSettings) { s.Autocommit = "0" }, "autocommit"},
		"three-byte text":   {func(s *sqlstore.MySQLSettings) { s.Charset = "utf8mb3" }, "character_set_client"},
		"values are cut":    {func(s *sqlstore.MySQLSettings) { s.Mode = "NO_ENGINE_SUBSTITUTION" }, "sql_mode"},
		"packets are small": {func(s *sqlstore.MySQLSettings) { s.Packet = 4 << 20 }, "max_allowed_packet"},
	} {
		s := good
		test.set(&s)
		var refused *sqlstore.SettingError
		require.ErrorAs(t, s.Check(), &refused, name)
		assert.Equal(t, test.setting, refused.Setting, name)
	}

	// The same of a session.
	config := mysqlDatabase(t)
	config.Params = map[string]string{"sql_mode": "''"}
	_, err := sqlstore.Open(t.Context(), mysqlPool(t, config), sqlstore.MySQL)
	var refused *sqlstore.SettingError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "sql_mode", refused.Setting)

	config = mysqlConfig(t)
	config.DBName = ""
	_, err = sqlstore.Open(t.Context(), mysqlPool(t, config), sqlstore.MySQL)
	require.ErrorContains(t, err, "no database is selected")
	_, err = sqlstore.Open(t.Context(), mysqlPool(t, mysqlDatabase(t)), sqlstore.PostgreSQL)
	require.ErrorContains(t, err, "sqlstore: open: ")
}

func TestMySQLErrors(t *testing.T) {
	t.Parallel()
	number := func(n uint16) error {
		return &mysql.MySQLError{Number: n, SQLState: [5]byte([]byte("HY000")), Message: "words"}
	}
	for _, err := range []error{
		number(1213), fmt.Errorf("wrapped: %w", number(1205)), number(1020), number(3101), errors.New("ERROR 1213 (40001): Deadlock"),
		errors.New("Deadlock found (errno 1213) (sqlstate 40001)"), errors.New("Error 1213: Deadlock"),
	} {
		assert.True(t, sqlstore.Again(err), "%v", err)
	}
	for _, n := range []uint16{1290, 1792, 1836} {
		assert.True(t, sqlstore.ReadOnly(number(n)), n)
	}
	for _, n := range []uint16{1053, 1927, 2006, 2013, 3032, 4031} {
		assert.True(t, sqlstore.Disconnected(number(n)), n)
	}
	assert.True(t, sqlstore.Disconnected(mysql.ErrInvalidConn))
	assert.True(t, sqlstore.Disconnected(fmt.Errorf("wrapped: %w", mysql.ErrInvalidConn)))
	for _, err := range []error{number(1062), number(1146), errors.New(strings.Repeat("error 12", 9)), nil} {
		assert.False(t, sqlstore.Again(err), "%v", err)
		assert.False(t, sqlstore.ReadOnly(err), "%v", err)
		assert.False(t, sqlstore.Disconnected(err), "%v", err)
	}
	assert.Zero(t, sqlstore.MySQLCode(&pgconn.PgError{Code: "23505", Message: "not the error 1213"}))
}
