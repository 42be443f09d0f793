// Package sqlstore keeps the records of a webhook.Inbox in a database: PostgreSQL,
// for any number of processes, or SQLite, for those of one machine. It uses
// database/sql alone; the driver is yours.
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	store, err := sqlstore.Open(ctx, db, sqlstore.PostgreSQL)
//	inbox, err := webhook.NewInbox(secret, store, process)
//
// With SQLite each connection has to be told how to work, which is said in the
// data source name; Open refuses any other. For modernc.org/sqlite it is
//
//	file:inbox.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate
//
// and for github.com/mattn/go-sqlite3
//
//	file:inbox.db?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate
//
// Where many deliveries come in at a time, three more settings have SQLite do less
// for each, and lose nothing: what a statement may have to undo is kept in memory
// (temp_store), so is more of the file, here 16 MB for each connection (cache_size),
// and the log is copied into the file less often (wal_autocheckpoint), which takes
// longer then and has the log grow to some 16 MB:
//
//	&_pragma=temp_store(MEMORY)&_pragma=cache_size(-16000)&_pragma=wal_autocheckpoint(4000)
//
// # What is guaranteed
//
// What a method has answered is committed, and on disk as far as the database says
// the truth: PostgreSQL with synchronous_commit off, and SQLite below FULL, are
// refused. A batch is one commit; deliveries that are not as usual, such as one that
// came before its submission was answered, are a second one, and what is very large
// is several. Time is the server's, or that of the machine that SQLite runs on.
//
// FinishTx, and with it Delivery.CompleteTx, ends a record in a transaction of
// yours, on *sql.Tx or on another driver's transaction behind an adapter. In
// PostgreSQL the row's lock then stands for the lease: claims and heartbeats pass
// over it. READ COMMITTED is enough; a stricter transaction can fail with SQLSTATE
// 40001, because heartbeats change the record, and is then to be repeated. In
// SQLite the transaction is the only writer: deliveries wait for its end, so keep
// it short, and begin it with BEGIN IMMEDIATE (_txlock=immediate), or it fails with
// SQLITE_BUSY when it has read first and another wrote meanwhile.
//
// Deadlocks, serialization failures and SQLITE_BUSY are repeated within the
// context, a bounded number of times.
//
// # Pools
//
// No method needs more than one connection at a time, and none holds one while it
// waits for another. Count one for each transaction of yours that is open at the
// same time, and two to four for the store: intake, claims, completions and
// heartbeats go on while your transactions are open. Have as many idle connections
// as open ones (SetMaxIdleConns); a new one costs more than most statements.
//
// With SQLite the processes that share a file are on one machine, and its
// directory is on a local disk. Reading never waits for a writer. Two or more
// connections let it go on meanwhile.
//
// Poolers that give a connection to a transaction at a time, such as PgBouncer, can
// be used with drivers that prepare nothing, which is default_query_exec_mode=exec
// with pgx. No state of a session is used.
//
// # Tables
//
// Open makes them, or upgrades them, unless WithoutMigrate leaves that to Migrate.
// In PostgreSQL they are in the first schema of the search path, or wherever on it
// they are already.
//
//	reducto_records   a row for each submission, or job that was submitted elsewhere
//	reducto_jobs      whose a job is
//	reducto_locks     who sweeps
//	reducto_schema    the version of the tables
//
// Columns are explained in the files of the directory migrations. Times are
// microseconds since 1970: to_timestamp(due_at / 1e6), datetime(due_at / 1000000,
// 'unixepoch'). They may be read by anybody, and written to by nobody else. A row
// takes some 600 bytes with its indexes, and its metadata; what is done is kept
// until Purge removes it.
//
// Each migration says which versions of this package can still work with its
// tables. The one before is among them, so that a rolling deploy works; an older
// one is refused with a *SchemaError, and so is a program that needs newer tables.
// Migrations are applied in one transaction, by one of the processes that start
// together, while the others wait.
//
// # For the database administrator
//
// The role that runs the program needs SELECT, INSERT, UPDATE and DELETE on the
// tables, and, unless it is WithoutMigrate, CREATE on the schema and ownership of
// the tables. No extension, function or trigger is needed.
//
// reducto_records is a queue: each record is updated some three to five times, and
// deleted. In PostgreSQL leave autovacuum on, and have it come more often where
// there are many records:
//
//	ALTER TABLE reducto_records SET (autovacuum_vacuum_scale_factor = 0.02)
//
// Transactions that stay open for hours, of anybody in the database, keep dead rows
// from being removed and make claims slower and slower; so do replication slots
// that nobody reads. The column state has no statistics, on purpose: the planner
// would believe that the queue is as short as it was when it last looked. Of the
// indexes, the primary keys find records and jobs, and reducto_records_queue,
// reducto_records_due and reducto_records_overdue say whose turn it is, what is due
// when, and what is to be looked for.
//
// A standby that takes over without having all commits (synchronous_commit = local,
// or asynchronous replication) loses what was acknowledged last.
package sqlstore
