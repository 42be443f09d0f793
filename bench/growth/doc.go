// Command growth measures how the cost of an Inbox on PostgreSQL grows with its work:
//
//	go run ./bench/growth                     all parts, about half an hour on two idle cores
//	go run ./bench/growth -only sizes         some parts: sizes, soak, processes
//	go run ./bench/growth -write docs         also writes docs/performance.md and docs/growth.svg
//	go run ./bench/growth -quick              shows in seconds that it works; the figures mean nothing
//
// TEST_POSTGRES_URL names the server. The default is 127.0.0.1:5432. Each part makes schemas
// of its own and drops them.
//
// # sizes
//
// Four tables have 10 thousand, 100 thousand, 1 million and 10 million done records. Each
// also has 100,000 pending and 10,000 due records, so only the number of done records grows.
// The store itself writes one record of each kind, and SQL copies it with other ids and times.
//
// Rounds are interleaved: in each, every table does every operation some times. A figure is
// the median over the rounds of the cost in the same round, as a multiple of the small table's.
//
// At last a process for each table runs Inbox.RunOnce: a sweep of the reconciler over the
// pending records, and a call for each due one. The API is a stub whose jobs all run still. It
// counts the requests of the sweep. The process measures the peak of its memory.
//
// # soak
//
// One process submits, receives, claims, finishes and purges as fast as it can, beside
// pending records that are polled. Records are kept for a minute, so the number of rows is
// steady. Then the sizes of tables and indexes have to be steady too, and the time of a
// claim. Another namespace has a million records, so the tables are large. The server needs
// autovacuum. A long transaction in the same database would hold it up.
//
// # processes
//
// Processes with an Inbox of 16 workers share a database with due records. The function does
// nothing, so they compete for claims as much as possible. The total of jobs a second has to
// be no less than with fewer processes.
package main
