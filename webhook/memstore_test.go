package webhook_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/storetest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Harness {
		store := webhook.NewMemoryStore()
		return storetest.Harness{Store: store, Advance: store.Advance}
	})
}

func TestMemoryStoreIsVolatile(t *testing.T) {
	t.Parallel()
	assert.Equal(t, webhook.Volatile, webhook.NewMemoryStore().Durability())
}

func TestMemoryStoreTakesTheTimeOfTheBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := webhook.NewMemoryStore()
		memReceive(t, store, "j")
		_, next := memClaim(t, store, 1, time.Hour)
		assert.Equal(t, time.Hour, next)

		time.Sleep(time.Hour - time.Nanosecond)
		claimed, next := memClaim(t, store, 1, time.Hour)
		assert.Empty(t, claimed)
		assert.Equal(t, time.Nanosecond, next)

		time.Sleep(time.Nanosecond)
		claimed, _ = memClaim(t, store, 1, time.Hour)
		require.Len(t, claimed, 1)
		assert.Equal(t, 2, claimed[0].Attempt)
		assert.True(t, claimed[0].ReadAt.Equal(time.Now()))
		assert.Equal(t, time.UTC, claimed[0].ReadAt.Location())

		store.Advance(time.Minute)
		store.Advance(-time.Hour) // time does not run backwards
		records, err := store.List(t.Context(), webhook.Filter{})
		require.NoError(t, err)
		assert.True(t, records[0].ReadAt.Equal(time.Now().Add(time.Minute)))
	})
}

// A look is due when its time has come; an age is over only after that.
func TestMemoryStoreToTheMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		store := webhook.NewMemoryStore()
		require.NoError(t, store.Submit(ctx, webhook.Submitted{ID: "s", LookAfter: time.Hour}))
		memReceive(t, store, "j")
		claimed, _ := memClaim(t, store, 1, time.Minute)
		held, err := store.Finish(ctx, []webhook.Verdict{{
			Lease: webhook.Lease{Key: "j", Token: claimed[0].Token}, State: webhook.StateDone,
		}})
		require.NoError(t, err)
		require.Equal(t, []bool{true}, held)

		for _, tt := range []struct {
			wait            time.Duration
			overdue, purged int
		}{{time.Hour - 1, 0, 0}, {1, 1, 0}, {1, 0, 1}} {
			time.Sleep(tt.wait)
			overdue, err := store.Overdue(ctx, 10, false, []time.Duration{time.Hour})
			require.NoError(t, err)
			assert.Len(t, overdue, tt.overdue)
			purged, err := store.Purge(ctx, time.Hour, time.Hour, 10)
			require.NoError(t, err)
			assert.Equal(t, tt.purged, purged)
		}
	})
}

func TestMemoryStoreRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := webhook.NewMemoryStore()
	require.Error(t, store.Submit(ctx, webhook.Submitted{}))
	require.Error(t, store.Bind(ctx, "", "j", 1))
	_, err := store.Overdue(ctx, 1, true, nil)
	require.Error(t, err)

	memReceive(t, store, "j")
	claimed, _ := memClaim(t, store, 1, time.Hour)
	for _, state := range []webhook.State{"", webhook.StateClaimed} {
		_, err = store.Finish(ctx, []webhook.Verdict{{Lease: webhook.Lease{Key: "j", Token: claimed[0].Token}, State: state}})
		require.Error(t, err)
	}
	held, err := store.Extend(ctx, []webhook.Lease{{Key: "j", Token: claimed[0].Token}}, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, []bool{true}, held)
}

// Those that were received at the same moment are claimed as they came, whenever
// they were submitted.
func TestMemoryStoreIsFirstInFirstOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := webhook.NewMemoryStore()
		want := []string{"c", "a", "b", "e", "d"}
		for _, id := range []string{"e", "a"} {
			require.NoError(t, store.Submit(t.Context(), webhook.Submitted{JobID: id}))
		}
		memReceive(t, store, want[:3]...)
		memReceive(t, store, want[3:]...)
		claimed, _ := memClaim(t, store, 10, time.Hour)
		got := make([]string, 0, len(claimed))
		for _, r := range claimed {
			got = append(got, r.Key)
		}
		assert.Equal(t, want, got)
	})
}

// Many records come and go in no order, and are listed in order.
func TestMemoryStoreKeepsOrder(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := webhook.NewMemoryStore()
	want := map[string]bool{}
	for i := range 6000 {
		key := fmt.Sprintf("j-%04d", rand.IntN(3000))
		if i%3 == 0 {
			key = fmt.Sprintf("z-%05d", i) // in order
		}
		if want[key] {
			require.NoError(t, store.Withdraw(ctx, key))
			delete(want, key)
		} else {
			require.NoError(t, store.Submit(ctx, webhook.Submitted{ID: key}))
			want[key] = true
		}
	}
	var keys []string
	for f := (webhook.Filter{Limit: 70}); ; f.After = keys[len(keys)-1] {
		page, err := store.List(ctx, f)
		require.NoError(t, err)
		for _, r := range page {
			keys = append(keys, r.Key)
		}
		if len(page) == 0 {
			break
		}
	}
	require.True(t, slices.Equal(keys, slices.Sorted(maps.Keys(want))))
	for key := range want {
		require.NoError(t, store.Withdraw(ctx, key))
	}
	page, err := store.List(ctx, webhook.Filter{})
	require.NoError(t, err)
	assert.Empty(t, page)
}

func memReceive(tb testing.TB, store webhook.Store, jobIDs ...string) {
	tb.Helper()
	arrivals := make([]webhook.Arrival, 0, len(jobIDs))
	for _, id := range jobIDs {
		arrivals = append(arrivals, webhook.Arrival{
			JobID: id, Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted, Source: webhook.SourceWebhook,
		})
	}
	_, err := store.Receive(tb.Context(), arrivals)
	require.NoError(tb, err)
}

func memClaim(tb testing.TB, store webhook.Store, n int, lease time.Duration) ([]webhook.Record, time.Duration) {
	tb.Helper()
	claimed, next, err := store.Claim(tb.Context(), n, lease)
	require.NoError(tb, err)
	return claimed, next
}

// What an Inbox does with a delivery, on a store in which many others wait.
func BenchmarkMemoryStore(b *testing.B) {
	for _, waiting := range []int{0, 100_000} {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("waiting=%d/batch=%d", waiting, batch), func(b *testing.B) {
				benchmarkMemoryStore(b, waiting, batch)
			})
		}
	}
}

func benchmarkMemoryStore(b *testing.B, waiting, batch int) {
	ctx := b.Context()
	store := webhook.NewMemoryStore()
	ids := make([]string, 0, waiting)
	for i := range waiting {
		ids = append(ids, fmt.Sprintf("%08x-waiting", i))
	}
	memReceive(b, store, ids...)

	number := 0
	arrivals := make([]webhook.Arrival, batch)
	verdicts := make([]webhook.Verdict, batch)
	b.ReportAllocs()
	for b.Loop() {
		for i := range arrivals {
			number++
			arrivals[i] = webhook.Arrival{JobID: fmt.Sprintf("%08x", number), Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted}
		}
		if _, err := store.Receive(ctx, arrivals); err != nil {
			b.Fatal(err)
		}
		claimed, _, err := store.Claim(ctx, batch, time.Hour)
		if err != nil || len(claimed) != batch {
			b.Fatal(len(claimed), err)
		}
		for i, r := range claimed {
			verdicts[i] = webhook.Verdict{Lease: webhook.Lease{Key: r.Key, Token: r.Token}, State: webhook.StateDone}
		}
		if _, err := store.Finish(ctx, verdicts); err != nil {
			b.Fatal(err)
		}
		if _, err := store.Purge(ctx, -1, -1, batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/delivery")
}
