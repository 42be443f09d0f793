package scenarios_test

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

	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// Scenario 10: 10 000 forged requests a second, and genuine ones among them. The
// forged ones are made in the process, as loopback cannot carry so many. The genuine
// ones come over loopback, and share the Inbox and the store with the flood.
func flood(t *testing.T, e *Env) {
	const seconds, drivers = 2, 4
	rate := 10_000
	if raceEnabled { // each request costs many times as much
		rate = 1_000
	}
	spy := NewSpy(e.Open())
	in, err := inbox.New(e.Secret, spy, e.Work)
	require.NoError(t, err)
	server := httptest.NewServer(in)
	defer server.Close()
	forged := Payload("Completed", JobA, `{"secret":"somebody else's secret"}`)
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	genuine := 0
	deliver := func() time.Duration {
		genuine++
		began := time.Now()
		resp, err := server.Client().Post(server.URL, "application/json", strings.NewReader(Genuine(fmt.Sprintf("genuine-%d", genuine))))
		require.NoError(t, err)
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		return time.Since(began)
	}
	for range 20 { // afterwards there are connections, buffers and statements
		deliver()
		Post(in, forged)
	}

	before := heap()
	var refused atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	each := time.Second * drivers / time.Duration(rate)
	for range drivers {
		all.Go(func() {
			for i := range rate * seconds / drivers {
				if ahead := time.Until(began.Add(time.Duration(i) * each)); ahead > time.Millisecond {
					time.Sleep(ahead)
				}
				if Post(in, forged) == http.StatusUnauthorized {
					refused.Add(1)
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
		if time.Now().After(next) {
			during = append(during, heap())
			next = time.Now().Add(500 * time.Millisecond)
		}
		select {
		case took = <-ended:
		case <-time.After(5 * time.Millisecond):
		}
	}
	kept := heap() - before
	slices.Sort(latencies)
	p99 := latencies[len(latencies)*99/100]
	t.Logf("%.0f forged a second; %d genuine, half within %v, 99 %% within %v; heap %+d KiB",
		float64(refused.Load())/took.Seconds(), len(latencies), latencies[len(latencies)/2], p99, kept>>10)
	assert.EqualValues(t, rate*seconds, refused.Load())
	assert.Greater(t, len(latencies), 20)
	assert.Less(t, p99, time.Second)
	assert.Equal(t, genuine, spy.Count(), "one call for each genuine delivery")
	for _, now := range during {
		assert.Less(t, now-before, int64(8<<20), "bytes, with requests in flight")
	}
	assert.Less(t, kept, int64(1<<20), "bytes")
	require.NoError(t, in.Shutdown(t.Context()))
}
