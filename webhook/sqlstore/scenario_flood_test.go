package sqlstore_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
)

// 10 000 forged requests a second, and genuine ones among them. A machine that also
// does other things cannot make so many over loopback: the rate is driven in the
// process, while the genuine ones, and some forged, come over loopback and share
// handler and store with the flood. It is measured, so nothing runs beside it. Package
// webhook floods an Inbox on memory.
func TestScenario10_FloodOfForgeries(t *testing.T) {
	flood := func(t *testing.T, s stock) {
		rate, seconds, drivers := 10_000, 2, 4
		if raceEnabled { // each request costs many times as much
			rate = 1_000
		}
		secret, err := webhook.NewSecret(testSecret)
		require.NoError(t, err)
		store := spy(s.open())
		in, err := webhook.NewInbox(secret, store, (&plant{}).work)
		require.NoError(t, err)
		server := httptest.NewServer(in)
		defer server.Close()
		send := func(body string) (code int, took time.Duration) {
			began := time.Now()
			resp, err := server.Client().Post(server.URL, "application/json", strings.NewReader(body))
			require.NoError(t, err)
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			return resp.StatusCode, time.Since(began)
		}
		forged := payload("Completed", jobA, `{"secret":"somebody else's secret"}`)
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		genuineOnes := 0
		deliver := func() time.Duration {
			genuineOnes++
			code, took := send(genuine(fmt.Sprintf("genuine-%d", genuineOnes)))
			require.Equal(t, http.StatusOK, code)
			return took
		}
		for range 20 { // connections, buffers and statements are there afterwards
			deliver()
			post(in, forged)
		}

		before := heap()
		var refused, others atomic.Int64
		var all sync.WaitGroup
		began := time.Now()
		each := time.Second * time.Duration(drivers) / time.Duration(rate)
		for range drivers {
			all.Go(func() {
				for i := range rate * seconds / drivers {
					// Who is late catches up: the mean is what counts.
					if ahead := time.Until(began.Add(time.Duration(i) * each)); ahead > time.Millisecond {
						time.Sleep(ahead)
					}
					if post(in, forged) == http.StatusUnauthorized {
						refused.Add(1)
					} else {
						others.Add(1)
					}
				}
			})
		}
		ended := make(chan time.Duration, 1)
		go func() {
			all.Wait()
			ended <- time.Since(began)
		}()
		var latencies []time.Duration
		var during []int64
		var took time.Duration
		for next := began.Add(500 * time.Millisecond); took == 0; {
			latencies = append(latencies, deliver())
			code, _ := send(forged)
			require.Equal(t, http.StatusUnauthorized, code)
			if time.Now().After(next) {
				during = append(during, heap())
				next = time.Now().Add(500 * time.Millisecond)
			}
			select {
			case took = <-ended:
			case <-time.After(5 * time.Millisecond):
			}
		}
		after := heap()

		slices.Sort(latencies)
		p99 := latencies[len(latencies)*99/100]
		reached := float64(refused.Load()) / took.Seconds()
		t.Logf("%.0f forgeries a second for %v; %d genuine deliveries over loopback, half of them within %v, 99 %% within %v; heap %+d KiB, at most %+d KiB meanwhile",
			reached, took.Round(time.Millisecond), len(latencies), latencies[len(latencies)/2], p99,
			(after-before)>>10, (slices.Max(append(during, after))-before)>>10)
		assert.EqualValues(t, rate*seconds, refused.Load())
		assert.Zero(t, others.Load())
		assert.GreaterOrEqual(t, reached, 0.8*float64(rate), "the machine is too slow to flood: nothing was measured")
		assert.Greater(t, len(latencies), 20)
		assert.Less(t, p99, time.Second)
		assert.Equal(t, genuineOnes, store.count(), "one call for each genuine delivery")
		assert.Equal(t, genuineOnes, store.count("Receive"))
		for _, now := range during {
			assert.Less(t, now-before, int64(4<<20), "bytes, of the requests in flight too")
		}
		assert.Less(t, after-before, int64(1<<20), "bytes kept")
	}
	t.Run("SQLite", func(t *testing.T) { flood(t, sqliteStock(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { flood(t, postgresStock(t)) })
}
