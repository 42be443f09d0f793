package sqlstore_test

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/sqlstore"
)

// Each round of a benchmark does the same work twice, for 64 clients: record by
// record, a commit each, and 64 records at a time. "ratio" is how many times
// faster the second is, the median of the rounds; the rates are records a second.
const (
	benchClients = 64
	benchRecords = 1024
)

func BenchmarkReceive(b *testing.B) {
	var id atomic.Int64
	arrivals := func(n int) []webhook.Arrival {
		list := make([]webhook.Arrival, n)
		for i := range list {
			list[i] = webhook.Arrival{
				JobID:  "job-" + strconv.FormatInt(id.Add(1), 10),
				Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted, Source: webhook.SourceWebhook,
				Metadata: []byte(`{"document":"0f8fad5b-d9cb-469f-a165-70867728950e"}`),
			}
		}
		return list
	}
	receive := func(b *testing.B, store *sqlstore.Store, n int) {
		receipts, err := store.Receive(context.Background(), arrivals(n))
		if err != nil || len(receipts) != n || receipts[0].Kind != webhook.ReceiptAccepted {
			b.Error(receipts, err)
		}
	}
	onBoth(b, func(b *testing.B, store *sqlstore.Store, prepare func()) {
		compare(b, prepare,
			func() { together(func() { receive(b, store, 1) }) },
			func() {
				for range benchRecords / benchClients {
					receive(b, store, benchClients)
				}
			})
	}, nil)
}

func BenchmarkClaimAndFinish(b *testing.B) {
	ctx := context.Background()
	work := func(b *testing.B, store *sqlstore.Store, n int) {
		claimed, _, err := store.Claim(ctx, n, time.Hour)
		if err != nil || len(claimed) != n {
			b.Error(len(claimed), err)
			return
		}
		verdicts := make([]webhook.Verdict, n)
		for i, r := range claimed {
			verdicts[i] = webhook.Verdict{Lease: webhook.Lease{Key: r.Key, Token: r.Token}, State: webhook.StateDone}
		}
		if held, err := store.Finish(ctx, verdicts); err != nil || slices.Contains(held, false) {
			b.Error(held, err)
		}
	}
	round := 0
	fill := func(b *testing.B, store *sqlstore.Store) {
		round++
		for i := range 2 * benchRecords / 256 {
			list := make([]webhook.Arrival, 256)
			for j := range list {
				list[j] = webhook.Arrival{
					JobID:  "job-" + strconv.Itoa(round) + "-" + strconv.Itoa(i) + "-" + strconv.Itoa(j),
					Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted, Source: webhook.SourceWebhook,
				}
			}
			_, err := store.Receive(ctx, list)
			require.NoError(b, err)
		}
	}
	onBoth(b, func(b *testing.B, store *sqlstore.Store, prepare func()) {
		compare(b, prepare,
			func() { together(func() { work(b, store, 1) }) },
			func() {
				for range benchRecords / benchClients {
					work(b, store, benchClients)
				}
			})
	}, fill)
}

// onBoth runs a benchmark on both databases; before prepares each of its rounds.
func onBoth(b *testing.B, run func(b *testing.B, store *sqlstore.Store, prepare func()), before func(*testing.B, *sqlstore.Store)) {
	for _, database := range []struct {
		name string
		open func(testing.TB, ...sqlstore.Option) (*sqlstore.Store, *sql.DB)
	}{{"PostgreSQL", openPostgres}, {"SQLite", openSQLite}} {
		b.Run(database.name, func(b *testing.B) {
			store, db := database.open(b)
			db.SetMaxOpenConns(benchClients / 2)
			db.SetMaxIdleConns(benchClients / 2)
			run(b, store, func() {
				if before != nil {
					before(b, store)
				}
			})
		})
	}
}

// together does something once for each record, from all clients.
func together(f func()) {
	var clients sync.WaitGroup
	for range benchClients {
		clients.Go(func() {
			for range benchRecords / benchClients {
				f()
			}
		})
	}
	clients.Wait()
}

func compare(b *testing.B, prepare, single, batched func()) {
	var ratios, singles, batches []float64
	for b.Loop() {
		b.StopTimer()
		prepare()
		b.StartTimer()
		began := time.Now()
		single()
		middle := time.Now()
		batched()
		one, many := middle.Sub(began).Seconds(), time.Since(middle).Seconds()
		ratios = append(ratios, one/many)
		singles = append(singles, benchRecords/one)
		batches = append(batches, benchRecords/many)
	}
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(singles), "single/s")
	b.ReportMetric(median(batches), "batched/s")
}
