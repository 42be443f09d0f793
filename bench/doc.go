// Command bench measures this library beside others, and prints every goal that
// was set for its speed and memory beside what it found on this machine:
//
//	go run ./bench                          everything, about seven minutes on two idle cores
//	go run ./bench -only decode,webhook     some areas: decode, webhook, submit, durable, peers
//	go run ./bench -markdown                the main rows as tables for a README
//	go run ./bench -quick                   shows that it works, in seconds; the figures mean nothing
//
// # What a figure means
//
// Every figure is a ratio of two things that were measured in the same run, or a
// count. Absolute times differ from one machine to the next, and from one minute to
// the next; the ratio of two ways of doing the same work, one right after the other,
// hardly does. A figure is the median over the rounds, followed by the least and the
// largest of them: what differs by less than that spread does not differ. A goal
// "≥ 5 x" asks to be that many times as fast, a goal "≤ 0.35 x" to cost at most that
// part.
//
// Rounds are interleaved: in each, every contestant does its work once for about a
// third of a second, after a garbage collection, and each round begins with another
// one. Time is the CPU time of the whole process, system calls and garbage collector
// included, except for submissions and durable deliveries a second: those need the clock.
// Allocations are those of the whole process too.
//
// Before anything is timed its result is compared with that of encoding/json. A
// contestant that read something else ends the run with an error: it would be
// measured at other work.
//
// # What is measured
//
// Documents are those of package reductotest, from a seed: blocks of 1 KB in chunks of
// 12.5 KB, of which two thirds are text, some of it tables, other scripts or escapes;
// the same as a single chunk, as it comes with chunking disabled; and one that is
// mostly recognised words (OCR).
//
// decode: the library reads a document by its public methods from an http.Client that
// answers out of memory. Its figures have in them all that these methods do (the
// request, the answer's body, the deadline's timer, checks, links) but no network. The
// other libraries decode the same bytes, which they are given, into plain structs of
// the same fields; encoding/json is what ratios refer to. Streaming is compared with a
// json.Decoder on the same bytes (Token down to a chunk, Decode of the chunk), which
// holds a chunk at a time, a single one too. Peaks of memory are those of a child process
// that does nothing else, over real HTTP, above what it had before.
//
// webhook: a delivery in the process, by ServeHTTP, with a ResponseWriter that costs
// nothing; and deliveries a second over loopback with 64 connections, from a client that
// costs little, where each delivery is of another job. The peer is a handler by hand that
// sets a deadline, reads the body and gives the same answer. Known deliveries were made
// before; a first one has the function called. The goals' ratios are of deliveries a
// second of CPU time, both ends included: both keep every core busy, and others on the
// machine disturb the clock more. The table has the clock's too.
//
// submit: ParseAsync beside a POST written by hand with net/http, to a server in
// another process, so that only the client is measured, 8 at a time over connections
// that both keep; and 64 at a time over TLS with HTTP/1.1, beside
// http.DefaultTransport.
//
// durable: requests a second of an Inbox on a database beside those of a Handler, which
// keeps nothing; commits are the store's calls. PostgreSQL is TEST_POSTGRES_URL, or
// what listens on 127.0.0.1:5432; without one its rows say so.
//
// peers: an Inbox on PostgreSQL beside what a team would write instead: River, with
// both of its drivers; a table whose rows workers claim with SKIP LOCKED; and asynq on
// Redis. Each contestant submits jobs, receives each delivery twice over loopback,
// verifies the secret, works each job once, and inserts one row per job. All but asynq
// commit that row and the completion in one transaction. asynq keeps jobs in Redis, at
// TEST_REDIS_URL or 127.0.0.1:6379, so a crash between the two repeats the row. Redis
// is used as it is configured, which may be without a sync of its disk.
//
// All contestants have the same deliveries in the same order, 16 workers, and pools of
// 32 connections to PostgreSQL, which are open before the clock starts. Each has a new
// database in each round. The run ends with an error if a job has no row, or two. The
// Inbox runs WithoutRefetch, because no other contestant fetches the job. The others
// keep no record of a submission, so the table also shows the figures without the
// submissions; goals include them. River fetches every 5 ms, not every 100 ms, and
// asynq checks an empty queue every 5 ms, not every second. Shorter times cost them more
// CPU time, and longer ones more latency.
//
// Jobs a second, CPU time and commits are those of 5,000 jobs as fast as possible. There
// the latency would be the length of the queue. So it is measured with 800 jobs that end
// at random times, 200 a second on average, which is less than each contestant can work.
// The latency is the time from the moment when the first delivery of a job is sent until
// its function begins. If no connection is free, it counts from the moment when the
// delivery was due.
//
// The API and the sender of deliveries are a child process, and its CPU time does not
// count. The CPU time of PostgreSQL is that of its processes for the contestant's
// connections. It is measured on Linux, if the server runs on the same machine.
//
// All load goes to loopback.
package main
