//go:build unix

package sqlstore_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// benchBatch is the number of records in a call.
const benchBatch = 64

// BenchmarkStore measures a call of each method with 64 records. Receive has new jobs,
// jobs that the API has named, and duplicates.
func BenchmarkStore(b *testing.B) {
	for name, open := range map[string]func(testing.TB, ...sqlstore.Option) (*sqlstore.Store, *sql.DB){
		"PostgreSQL": openPostgres, "SQLite": openSQLite, "MySQL": openMySQL,
	} {
		for _, known := range []bool{false, true} {
			b.Run(fmt.Sprintf("Receive/%s/known=%v", name, known), func(b *testing.B) {
				store, _ := open(b)
				measure(b, func() func() {
					list := benchNotifications(b, store, known)
					return func() { benchReceive(b, store, list, inbox.Accepted) }
				})
			})
		}
		b.Run("Duplicate/"+name, func(b *testing.B) {
			store, _ := open(b)
			list := benchNotifications(b, store, false)
			benchReceive(b, store, list, inbox.Accepted)
			measure(b, func() func() { return func() { benchReceive(b, store, list, inbox.Duplicate) } })
		})
		b.Run("ClaimExtendFinish/"+name, func(b *testing.B) {
			store, _ := open(b)
			measure(b, func() func() {
				benchReceive(b, store, benchNotifications(b, store, false), inbox.Accepted)
				return func() { benchWork(b, store) }
			})
		})
		b.Run("SubmitAndBind/"+name, func(b *testing.B) {
			store, _ := open(b)
			measure(b, func() func() {
				id := benchID()
				return func() {
					require.NoError(b, store.Submit(b.Context(), inbox.Submission{ID: id, Webhook: true, PollAfter: time.Hour}))
					require.NoError(b, store.Bind(b.Context(), inbox.Answer{SubmissionID: id, JobID: "job-" + id, Jobs: 1}))
				}
			})
		})
	}
}

// measure runs what prepare returns, and reports its time and CPU time.
func measure(b *testing.B, prepare func() func()) {
	var cpu int64
	now := func() int64 {
		var u syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return u.Utime.Nano() + u.Stime.Nano()
	}
	for b.Loop() {
		b.StopTimer()
		run := prepare()
		before := now()
		b.StartTimer()
		run()
		b.StopTimer()
		cpu += now() - before
		b.StartTimer()
	}
	b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
}

func benchWork(b *testing.B, store *sqlstore.Store) {
	claimed, _, err := store.Claim(b.Context(), benchBatch, time.Hour)
	require.NoError(b, err)
	require.Len(b, claimed, benchBatch)
	leases, list := make([]inbox.Lease, benchBatch), make([]inbox.Completion, benchBatch)
	for i, r := range claimed {
		leases[i], list[i] = leaseOf(r), done(r)
	}
	_, err = store.Extend(b.Context(), leases, time.Hour)
	require.NoError(b, err)
	held, err := store.Finish(b.Context(), list)
	require.NoError(b, err)
	require.False(b, slices.Contains(held, false))
}

func benchID() string { return fmt.Sprintf("%016x-%015x", rand.Uint64(), rand.Uint64()>>4) }

func benchNotifications(b *testing.B, store *sqlstore.Store, known bool) []inbox.Notification {
	list := make([]inbox.Notification, benchBatch)
	ids, jobs := make([]string, benchBatch), make([]string, benchBatch)
	for i := range list {
		ids[i], jobs[i] = benchID(), benchID()
		list[i] = completed(jobs[i])
		list[i].SubmissionID, list[i].Metadata = ids[i], []byte(`{"document":"0f8fad5b-d9cb-469f-a165-70867728950e"}`)
	}
	if known {
		require.NoError(b, store.SubmitAndBind(b.Context(), ids, jobs))
	}
	return list
}

func benchReceive(b *testing.B, store *sqlstore.Store, list []inbox.Notification, want inbox.ReceiveKind) {
	results, err := store.Receive(b.Context(), list)
	require.NoError(b, err)
	for _, r := range results {
		require.Equal(b, want, r.Kind)
	}
}
