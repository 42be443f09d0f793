package inbox_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/storetest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Harness {
		store := inbox.NewMemoryStore()
		return storetest.Harness{Store: store, Advance: store.Advance}
	})
}

func TestMemoryStoreIsVolatile(t *testing.T) {
	t.Parallel()
	assert.Equal(t, inbox.Capabilities{Volatile: true}, inbox.NewMemoryStore().Capabilities())
}

func TestMemoryStoreUsesTheClockOfTheBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := inbox.NewMemoryStore()
		memReceive(t, store, "j")
		_, next := memClaim(t, store, 1)
		assert.Equal(t, time.Hour, next)

		time.Sleep(time.Hour - time.Nanosecond)
		claimed, next := memClaim(t, store, 1)
		assert.Empty(t, claimed)
		assert.Equal(t, time.Nanosecond, next)

		time.Sleep(time.Nanosecond)
		claimed, _ = memClaim(t, store, 1)
		require.Len(t, claimed, 1)
		assert.Equal(t, 2, claimed[0].Attempt)
		assert.True(t, claimed[0].ReadAt.Equal(time.Now()))
		assert.Equal(t, time.UTC, claimed[0].ReadAt.Location())

		store.Advance(time.Minute)
		store.Advance(-time.Hour) // time does not run backwards
		records, err := store.List(t.Context(), inbox.Filter{})
		require.NoError(t, err)
		assert.True(t, records[0].ReadAt.Equal(time.Now().Add(time.Minute)))
	})
}

// A poll is due at its time. Purge removes a record only after its time.
func TestMemoryStoreIsExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := inbox.NewMemoryStore()
		require.NoError(t, store.Submit(t.Context(), inbox.Submission{ID: "s", PollAfter: time.Hour}))
		memReceive(t, store, "j")
		memFinish(t, store, inbox.StateDone)
		for _, tt := range []struct {
			wait            time.Duration
			overdue, purged int
		}{{time.Hour - 1, 0, 0}, {1, 1, 0}, {1, 0, 1}} {
			time.Sleep(tt.wait)
			overdue, err := store.Overdue(t.Context(), 10, func(*inbox.Record) time.Duration { return time.Hour })
			require.NoError(t, err)
			assert.Len(t, overdue, tt.overdue)
			purged, err := store.Purge(t.Context(), time.Hour, time.Hour, 10)
			require.NoError(t, err)
			assert.Equal(t, tt.purged, purged)
		}
	})
}

func TestMemoryStoreRefusesInvalidArguments(t *testing.T) {
	t.Parallel()
	store := inbox.NewMemoryStore()
	require.Error(t, store.Submit(t.Context(), inbox.Submission{}))
	require.Error(t, store.Bind(t.Context(), inbox.Answer{JobID: "j", Jobs: 1}))
	memReceive(t, store, "j")
	claimed, _ := memClaim(t, store, 1)
	for _, state := range []inbox.State{"", inbox.StateClaimed, inbox.StatePending} {
		c := inbox.Completion{Lease: inbox.Lease{Key: "j", Token: claimed[0].Token}, State: state}
		_, err := store.Finish(t.Context(), []inbox.Completion{c})
		require.Error(t, err)
	}
	records, err := store.List(t.Context(), inbox.Filter{})
	require.NoError(t, err)
	assert.Equal(t, inbox.StateClaimed, records[0].State)
}

// Records that were received at one moment are claimed in the order of arrival.
func TestMemoryStoreClaimsFirstInFirstOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := inbox.NewMemoryStore()
		want := []string{"c", "a", "b", "e", "d"}
		for _, id := range []string{"e", "a"} {
			require.NoError(t, store.Submit(t.Context(), inbox.Submission{JobID: id}))
		}
		memReceive(t, store, want[:3]...)
		memReceive(t, store, want[3:]...)
		claimed, _ := memClaim(t, store, 10)
		got := make([]string, 0, len(claimed))
		for _, r := range claimed {
			got = append(got, r.Key)
		}
		assert.Equal(t, want, got)
	})
}

// A job's life does not take longer because many other records wait.
func TestMemoryStoreStaysFast(t *testing.T) {
	t.Parallel()
	measure := func(others int) time.Duration {
		store := inbox.NewMemoryStore()
		for i := range others {
			require.NoError(t, store.Submit(t.Context(), inbox.Submission{ID: fmt.Sprintf("s%d", i), PollAfter: time.Hour}))
			memReceive(t, store, fmt.Sprintf("j%d", i))
		}
		best := time.Hour
		for round := range 5 {
			began := time.Now()
			for i := range 200 {
				memReceive(t, store, fmt.Sprintf("new-%d-%d", round, i))
				memFinish(t, store, inbox.StateDone)
				_, err := store.Purge(t.Context(), -1, -1, 1)
				require.NoError(t, err)
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	few, many := measure(10), measure(50_000)
	assert.Less(t, many, 20*few+20*time.Millisecond, "few records: %v", few)
}

func memReceive(tb testing.TB, store *inbox.MemoryStore, jobIDs ...string) {
	tb.Helper()
	list := make([]inbox.Notification, 0, len(jobIDs))
	for _, id := range jobIDs {
		list = append(list, inbox.Notification{JobID: id, Status: reducto.StatusCompleted, Outcome: webhook.OutcomeCompleted})
	}
	_, err := store.Receive(tb.Context(), list)
	require.NoError(tb, err)
}

func memClaim(tb testing.TB, store *inbox.MemoryStore, n int) ([]inbox.Record, time.Duration) {
	tb.Helper()
	claimed, next, err := store.Claim(tb.Context(), n, time.Hour)
	require.NoError(tb, err)
	return claimed, next
}

// memFinish claims one record and finishes it.
func memFinish(tb testing.TB, store *inbox.MemoryStore, state inbox.State) {
	tb.Helper()
	claimed, _ := memClaim(tb, store, 1)
	require.Len(tb, claimed, 1)
	held, err := store.Finish(tb.Context(), []inbox.Completion{{
		Lease: inbox.Lease{Key: claimed[0].Key, Token: claimed[0].Token}, State: state,
	}})
	require.NoError(tb, err)
	require.Equal(tb, []bool{true}, held)
}
