package sqlstore_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
	"github.com/reducto-go/reducto/webhook/inbox/sqlstore"
)

// A lease that is longer than the jump survives it, and so does a lock.
func TestClockJumpsWithinALease(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		var clock clock
		store := open(t, db, d, sqlstore.WithAhead(clock.ahead))
		receive(t, store, "a", "b")
		ctx := within(t, 30*time.Second)
		const lease = 2 * time.Hour
		claimed, _, err := store.Claim(ctx, 2, lease)
		require.NoError(t, err)
		require.Len(t, claimed, 2)
		locked, err := store.Lock(ctx, "lock", "owner", lease)
		require.NoError(t, err)
		require.True(t, locked)
		for _, jump := range []time.Duration{time.Hour, -time.Hour, -time.Hour, time.Hour} {
			clock.advance(jump)
			again, _, err := store.Claim(ctx, 2, lease)
			require.NoError(t, err)
			require.Empty(t, again, "the leases are held")
			locked, err := store.Lock(ctx, "lock", "other", lease)
			require.NoError(t, err)
			require.False(t, locked, "the lock is held")
			held, err := store.Extend(ctx, []inbox.Lease{leaseOf(claimed[0]), leaseOf(claimed[1])}, lease)
			require.NoError(t, err)
			require.Equal(t, []bool{true, true}, held)
			locked, err = store.Lock(ctx, "lock", "owner", lease)
			require.NoError(t, err)
			require.True(t, locked)
		}
		held, err := store.Finish(ctx, []inbox.Completion{done(claimed[0]), done(claimed[1])})
		require.NoError(t, err)
		assert.Equal(t, []bool{true, true}, held)
	})
}

// Leases are shorter than the jumps of the clock, so that they end early, or late. Two
// processes claim, extend and finish. A lease that has not ended by the store's clock is
// given to nobody else. Only the last token of a record counts. Each record is finished
// once.
func TestClockIsSetForwardAndBack(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqlstore.Dialect) {
		const (
			lease   = 10 * time.Minute
			records = 20
			slack   = time.Minute // for the time that the test takes
		)
		seed := rand.Uint64()
		t.Log("seed", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		var clock clock
		stores := []*sqlstore.Store{open(t, db, d, sqlstore.WithAhead(clock.ahead)), open(t, db, d, sqlstore.WithAhead(clock.ahead))}
		var (
			ctx      = within(t, time.Minute)
			received = 0
			all      []inbox.Record               // claims, former ones too
			tokens   = map[string]int64{}         // the last ones
			ends     = map[string]time.Duration{} // of leases, by the store's clock
			finished = map[string]int{}
		)
		step := func(store *sqlstore.Store, action int) {
			switch {
			case action == 0 && received < records:
				receive(t, store, fmt.Sprint("job-", received))
				received++
			case action <= 3:
				claimed, _, err := store.Claim(ctx, 2, lease)
				require.NoError(t, err)
				for _, r := range claimed {
					require.Zero(t, finished[r.Key])
					if end, ok := ends[r.Key]; ok {
						require.GreaterOrEqual(t, clock.ahead()+slack, end, "the lease is held")
					}
					require.NotEqual(t, tokens[r.Key], r.Token)
					tokens[r.Key], ends[r.Key] = r.Token, clock.ahead()+lease
					all = append(all, r)
				}
			case len(all) == 0:
			default:
				r := all[random.IntN(len(all))]
				current := tokens[r.Key] == r.Token && finished[r.Key] == 0
				if action <= 5 {
					held, err := store.Extend(ctx, []inbox.Lease{leaseOf(r)}, lease)
					require.NoError(t, err)
					require.Equal(t, []bool{current}, held)
					if current {
						ends[r.Key] = clock.ahead() + lease
					}
					return
				}
				held, err := store.Finish(ctx, []inbox.Completion{done(r)})
				require.NoError(t, err)
				require.Equal(t, []bool{current}, held, "only the last token counts")
				if current {
					finished[r.Key]++
				}
			}
		}
		hour := time.Duration(0)
		for range 300 {
			if random.IntN(6) == 0 {
				jump := time.Duration(random.IntN(3)-1)*time.Hour - hour // to an hour before or after, or back
				clock.advance(jump)
				hour += jump
			}
			step(stores[random.IntN(2)], random.IntN(8))
		}
		for received < records {
			step(stores[0], 0)
		}
		clock.advance(3 * time.Hour)
		for range records {
			step(stores[1], 1)
		}
		for _, r := range all {
			held, err := stores[0].Finish(ctx, []inbox.Completion{done(r)})
			require.NoError(t, err)
			if held[0] {
				finished[r.Key]++
				require.Equal(t, tokens[r.Key], r.Token)
			}
		}
		require.Len(t, finished, records, "a record was lost")
		for key, n := range finished {
			assert.Equal(t, 1, n, key)
		}
		left, err := stores[0].List(ctx, inbox.Filter{States: []inbox.State{inbox.StateDone}, Limit: records + 1})
		require.NoError(t, err)
		assert.Len(t, left, records)
	})
}
