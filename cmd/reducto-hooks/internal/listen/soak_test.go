package listen_test

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/cmd/reducto-hooks/internal/listen"
	"github.com/reducto-go/reducto/reductotest"
)

// A night of eight hours: jobs of 0 to 3 minutes, lost networks, rate limits, a receiver
// that fails or is down, and a listener that is stopped and started, with pauses of up to
// two hours.
func TestListenThroughANight(t *testing.T) {
	const night = 8 * time.Hour
	jobs := 10_000
	if testing.Short() {
		jobs = 1_000
	}
	inBubble(t, func(t *testing.T, e *env) {
		random := rand.New(rand.NewPCG(16, 11))
		upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }

		var mu sync.Mutex
		accepted := map[string]int{}
		down, calls := false, 0
		e.serve(func(w http.ResponseWriter, r *http.Request) {
			event, err := e.secret.Verify(r.Header, body(r))
			mu.Lock()
			calls++
			fail := err != nil || down || calls%20 == 0
			takes := time.Duration(calls%7) * 100 * time.Millisecond
			mu.Unlock()
			time.Sleep(takes)
			if fail {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			accepted[event.JobID]++
		})
		setDown := func(v bool) {
			mu.Lock()
			defer mu.Unlock()
			down = v
		}
		time.Sleep(time.Hour)
		e.start(e.listener()) // so that all jobs are submitted after the first run
		e.stop()

		began := time.Now()
		var world sync.WaitGroup
		ids := make([]string, 0, jobs)
		pauses := make([]time.Duration, jobs)
		for i := range pauses {
			if random.IntN(10) > 0 { // the others are bursts
				pauses[i] = upTo(2 * night / time.Duration(jobs) * 10 / 9)
			}
		}
		takes := make([]time.Duration, jobs)
		for i := range takes {
			takes[i] = upTo(3 * time.Minute)
		}
		world.Go(func() {
			for i := range jobs {
				time.Sleep(pauses[i])
				e.srv.SetProcessingTime(takes[i])
				ids = append(ids, e.srv.SeedJob(reductotest.SeedJob{Text: "a page"}))
			}
		})
		lost := []reductotest.Fault{
			reductotest.Drop(), reductotest.Status(429), reductotest.HTML(502), reductotest.Stall(),
			reductotest.Status(429).Header("Retry-After", "300"), reductotest.HTML(403), reductotest.Truncate(500),
		}
		world.Go(func() {
			weather := rand.New(rand.NewPCG(7, 7))
			for i := 0; time.Since(began) < night; i++ {
				time.Sleep(time.Duration(weather.Int64N(int64(20 * time.Minute))))
				e.srv.Fault("GET /", lost[i%len(lost)].Always())
				time.Sleep(time.Duration(weather.Int64N(int64(20 * time.Minute))))
				e.srv.ClearFaults()
				setDown(i%4 == 1)
			}
			setDown(false)
		})
		listener := func() *listen.Listener {
			l := e.listener()
			l.Interval = 10 * time.Second
			return l
		}
		runs := 0
		for time.Since(began) < night {
			runs++
			e.start(listener())
			time.Sleep(upTo(time.Hour))
			e.stop()
			if runs%3 == 0 {
				time.Sleep(upTo(2 * time.Hour)) // the process does not run
			}
		}
		world.Wait()
		e.start(listener())
		time.Sleep(20 * time.Minute)
		e.stop()

		attempts, troubles := e.reported()
		gaveUp := map[string]bool{}
		for _, a := range attempts {
			if a.Failed() {
				gaveUp[a.JobID] = true
			}
		}
		mu.Lock()
		for _, id := range ids {
			if n := accepted[id]; n != 1 && (n != 0 || !gaveUp[id]) {
				t.Errorf("job %s was accepted %d times, given up: %t", id, n, gaveUp[id])
			}
		}
		t.Logf("%d runs, %d attempts, %d troubles, %d jobs given up", runs, len(attempts), len(troubles), len(gaveUp))
		mu.Unlock()
		assert.NotEmpty(t, gaveUp)
		assert.NotEmpty(t, troubles)

		last := listener() // the receiver works again
		last.RetryFailed = true
		e.serve(func(_ http.ResponseWriter, r *http.Request) {
			event, err := e.secret.Verify(r.Header, body(r))
			assert.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			accepted[event.JobID]++
		})
		e.start(last)
		time.Sleep(20 * time.Minute)
		e.stop()
		require.Len(t, ids, jobs)
		require.Len(t, accepted, jobs)
		for id, n := range accepted {
			require.Equal(t, 1, n, id)
		}
		marks, err := listen.Marks(e.state)
		require.NoError(t, err)
		require.Len(t, marks, jobs)
	})
}
