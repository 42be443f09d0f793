// Package sqlstore keeps the records of an inbox.Inbox in a database. PostgreSQL
// and MySQL are for any number of processes, SQLite for processes on one machine. MySQL
// includes MariaDB. The package uses database/sql, and you choose the driver.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	store, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL)
//	in, err := inbox.New(secret, store, process)
//
// With MySQL and github.com/go-sql-driver/mysql, add interpolateParams=true. Otherwise
// the driver prepares each statement anew, which takes another round trip:
//
//	db, err := sql.Open("mysql", "app:password@tcp(db1:3306)/app?interpolateParams=true")
//	store, err := sqlstore.Open(ctx, db, sqlstore.MySQL)
//
// With SQLite, put the settings of each connection into the data source name. Open
// refuses other settings. For modernc.org/sqlite the name is
//
//	file:inbox.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate
//
// and for github.com/mattn/go-sqlite3
//
//	file:inbox.db?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate
//
// If you receive many deliveries, add three settings. They keep temporary data and 16
// MB of the file in memory, and copy the log into the file less often. The log then
// grows to about 16 MB:
//
//	&_pragma=temp_store(MEMORY)&_pragma=cache_size(-16000)&_pragma=wal_autocheckpoint(4000)
//
// # Guarantees
//
// When a method returns without an error, its changes are committed and on disk. Open
// refuses PostgreSQL with synchronous_commit off, SQLite below FULL, and MySQL unless
// innodb_flush_log_at_trx_commit is 1, and sync_binlog too if there is a binary log.
// Receive needs one commit for a batch. Except in MySQL, it needs a second one if a
// notification is neither for a new job nor for the only job of a submission. Very
// large batches need more.
//
// With PostgreSQL and MySQL, the store uses the clock of the server. With SQLite, it
// uses the clock of the process, also in a testing/synctest bubble. Open and close the
// database within the bubble.
//
// FinishTx ends a claim in your transaction: a *sql.Tx, or a pgx.Tx with webhook.PgxTx.
// In PostgreSQL and MySQL the transaction locks the row, so claims and heartbeats skip
// it. READ COMMITTED is enough. A stricter transaction can fail, because heartbeats
// change the record: with SQLSTATE 40001, or with the error 1020 of MariaDB. Repeat it
// then, and after a deadlock (error 1213). In SQLite your transaction is the only writer,
// and deliveries wait for it. Keep it short, and begin it with BEGIN IMMEDIATE
// (_txlock=immediate).
//
// The store repeats deadlocks, serialization failures, lock wait timeouts and
// SQLITE_BUSY within the context, a limited number of times.
//
// # Pools
//
// A method needs one connection at a time. Count one for each of your transactions that
// are open at the same time, and two to four for the store. Keep them open
// (SetMaxIdleConns), because a new connection costs more than most statements.
//
// If your functions use a pgxpool.Pool, give the store a pool of its own, because
// database/sql cannot discard the connections of stdlib.OpenDBFromPool:
//
//	db := stdlib.OpenDB(*pool.Config().ConnConfig)
//
// If the server restarts or fails over, the store discards pooled connections that are
// dead or read-only, and repeats the statement on another one.
//
// If a pooler such as PgBouncer gives a connection to each transaction, the driver must
// not prepare statements. With pgx, set default_query_exec_mode=exec. Open refuses
// other modes if it detects them. The store uses no state of a session.
//
// The file of SQLite must be on a local disk. Readers do not wait for a writer if there
// are two connections or more.
//
// # Tables
//
// Open makes or upgrades the tables. With WithoutMigrate, Migrate does it. In PostgreSQL
// it makes them in the first schema of the search path, unless another schema of the
// path has them already. In MySQL they are in the database that the connection selects.
//
//	reducto_records   a row for each record
//	reducto_jobs      the record that has a job
//	reducto_locks     the process that polls
//	reducto_schema    the version of the tables
//
// The files in the directory migrations explain the columns. Times are microseconds
// since 1970: to_timestamp(due_at / 1e6), from_unixtime(due_at / 1e6), datetime(due_at /
// 1000000, 'unixepoch'). You may read the tables. Only this package may write to them. A row needs about 600 bytes
// including its indexes, plus its metadata.
//
// After a migration, programs of the previous release still work, so you can deploy
// step by step. Older programs fail with a *SchemaError, and so do programs that need
// newer tables. If several processes start together, one of them migrates and the
// others wait. MySQL commits each change of a table by itself, so a migration that
// failed begins again at the next start.
//
// # Administration
//
// The program's role needs SELECT, INSERT, UPDATE and DELETE on the tables. Unless you
// use WithoutMigrate, it also needs CREATE on the schema and the ownership of the
// tables; in MySQL CREATE, ALTER and INDEX on the database. The store uses no extension, function or trigger.
//
// A record is updated three to five times and then deleted. In PostgreSQL, leave
// autovacuum on. Dead rows in front of the queue make claims slower, so Open lets it
// vacuum reducto_records after 50,000 changes, however many records there are.
// ALTER TABLE changes that.
//
// If any transaction in the database is open for hours, PostgreSQL and MySQL cannot
// remove dead rows, and claims become slower. In PostgreSQL a replication slot without a reader has the same
// effect. The column state has no statistics on purpose. With statistics, the planner
// would rely on an old length of the queue.
//
// If a standby becomes the primary without all commits (asynchronous replication, or
// synchronous_commit = local), the last deliveries are lost although they were
// answered.
package sqlstore
