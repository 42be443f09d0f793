package sqlstore_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
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
		"PostgreSQL": openPostgres, "SQLite": openSQLite,
	} {
		for _, known := range []bool{false, true} {
			b.Run(fmt.Sprintf("Receive/%s/known=%v", name, known), func(b *testing.B) {
				store, _ := open(b)
				for b.Loop() {
					b.StopTimer()
					list := benchNotifications(b, store, known)
					b.StartTimer()
					benchReceive(b, store, list, inbox.Accepted)
				}
			})
		}
		b.Run("Duplicate/"+name, func(b *testing.B) {
			store, _ := open(b)
			list := benchNotifications(b, store, false)
			benchReceive(b, store, list, inbox.Accepted)
			for b.Loop() {
				benchReceive(b, store, list, inbox.Duplicate)
			}
		})
		b.Run("ClaimExtendFinish/"+name, func(b *testing.B) {
			store, _ := open(b)
			for b.Loop() {
				b.StopTimer()
				benchReceive(b, store, benchNotifications(b, store, false), inbox.Accepted)
				b.StartTimer()
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
		})
		b.Run("SubmitAndBind/"+name, func(b *testing.B) {
			store, _ := open(b)
			for b.Loop() {
				id := benchID()
				require.NoError(b, store.Submit(b.Context(), inbox.Submission{ID: id, Webhook: true, PollAfter: time.Hour}))
				require.NoError(b, store.Bind(b.Context(), inbox.Answer{SubmissionID: id, JobID: "job-" + id, Jobs: 1}))
			}
		})
	}
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
