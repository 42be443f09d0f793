package webhook

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goroutineID is the number of the goroutine that calls it.
func goroutineID() string {
	buf := make([]byte, 64)
	id, _, _ := strings.Cut(strings.TrimPrefix(string(buf[:runtime.Stack(buf, false)]), "goroutine "), " ")
	return id
}

// double is what a gather of these tests does.
func double(_ context.Context, questions []int) ([]int, error) {
	answers := make([]int, len(questions))
	for i, q := range questions {
		answers[i] = 2 * q
	}
	return answers, nil
}

func TestGatherAlone(t *testing.T) {
	t.Parallel()
	var where string
	g := gather[int, int]{max: 10, do: func(ctx context.Context, questions []int) ([]int, error) {
		where = goroutineID()
		assert.Len(t, questions, 1)
		return double(ctx, questions)
	}}
	for i := range 3 {
		answer, err := g.ask(t.Context(), i)
		require.NoError(t, err)
		assert.Equal(t, 2*i, answer)
		assert.Equal(t, goroutineID(), where, "no other goroutine has a part in it")
	}

	// What the caller waits for ends with it; the work does not.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	g.do = func(ctx context.Context, questions []int) ([]int, error) {
		require.NoError(t, ctx.Err())
		return double(ctx, questions)
	}
	answer, err := g.ask(ended, 21)
	require.NoError(t, err)
	assert.Equal(t, 42, answer)
}

func TestGatherBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		running := 0
		g := gather[int, int]{max: 100, do: func(ctx context.Context, questions []int) ([]int, error) {
			running++
			assert.Equal(t, 1, running, "one batch at a time")
			sizes = append(sizes, len(questions))
			time.Sleep(time.Second)
			running--
			return double(ctx, questions)
		}}
		ask := func(all *sync.WaitGroup, n int) {
			for i := range n {
				all.Go(func() {
					answer, err := g.ask(t.Context(), i)
					assert.NoError(t, err)
					assert.Equal(t, 2*i, answer)
				})
			}
		}
		var all sync.WaitGroup
		ask(&all, 1)
		synctest.Wait()
		ask(&all, 250)
		began := time.Now()
		all.Wait()
		assert.Equal(t, []int{1, 100, 100, 50}, sizes, "nobody waits for more")
		assert.Equal(t, 4*time.Second, time.Since(began))
		ask(&all, 1)
		all.Wait()
		assert.Equal(t, 1, sizes[4], "the lead was given back")
	})
}

// A second batch sets out beside the first when enough wait for it, and a third never.
func TestGatherBeside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sizes []int
		running, most := 0, 0
		g := gather[int, int]{max: 100, beside: 10, do: func(ctx context.Context, questions []int) ([]int, error) {
			mu.Lock()
			running++
			most = max(most, running)
			sizes = append(sizes, len(questions))
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return double(ctx, questions)
		}}
		var all sync.WaitGroup
		ask := func(n int) {
			for i := range n {
				all.Go(func() {
					answer, err := g.ask(t.Context(), i)
					assert.NoError(t, err)
					assert.Equal(t, 2*i, answer)
				})
			}
			synctest.Wait()
		}
		setOut := func(why string, want ...int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			assert.Equal(t, want, sizes, why)
		}
		ask(1)
		ask(9)
		setOut("nine are too few", 1)
		time.Sleep(time.Second / 2)
		ask(1)
		setOut("the tenth sets out with all that wait", 1, 10)
		ask(25)
		setOut("there is no third batch", 1, 10)
		time.Sleep(time.Second/2 + time.Millisecond)
		setOut("the first is over, and there are enough", 1, 10, 25)
		ask(3)
		time.Sleep(time.Second / 2)
		setOut("the second is over, and three are too few beside the third", 1, 10, 25)
		time.Sleep(time.Second / 2)
		setOut("with none on its way any number sets out", 1, 10, 25, 3)
		all.Wait()

		g.max, sizes = 20, nil
		ask(1)
		ask(60)
		all.Wait()
		setOut("no batch is larger than it may be", 1, 10, 20, 20, 10)
		assert.Equal(t, 2, most)
	})
}

func TestGatherUnderConcurrency(t *testing.T) {
	for _, beside := range []int{0, 2, 5} {
		t.Run(strconv.Itoa(beside), func(t *testing.T) {
			t.Parallel()
			testGatherUnderConcurrency(t, beside)
		})
	}
}

func testGatherUnderConcurrency(t *testing.T, beside int) {
	var questionsAsked, batches atomic.Int64
	g := gather[int, int]{max: 16, beside: beside, do: func(ctx context.Context, questions []int) ([]int, error) {
		batches.Add(1)
		questionsAsked.Add(int64(len(questions)))
		runtime.Gosched()
		if questions[0]%17 == 0 {
			return nil, errors.New("no luck")
		}
		return double(ctx, questions)
	}}
	var all sync.WaitGroup
	var answered atomic.Int64
	for worker := range 64 {
		all.Go(func() {
			for i := range 100 {
				q := worker*1000 + i
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if i%3 == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(i)*time.Microsecond)
				}
				answer, err := g.ask(ctx, q)
				cancel()
				if err == nil {
					answered.Add(1)
					assert.Equal(t, 2*q, answer)
				}
			}
		})
	}
	all.Wait()
	assert.Positive(t, answered.Load())
	assert.Less(t, batches.Load(), questionsAsked.Load())
	g.mu.Lock()
	defer g.mu.Unlock()
	assert.Zero(t, g.leaders)
	assert.False(t, g.told)
	assert.Empty(t, g.waiting)
}

func TestGatherLeavers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked [][]int
		g := gather[int, int]{max: 2, least: 2 * time.Second, do: func(ctx context.Context, questions []int) ([]int, error) {
			asked = append(asked, questions)
			time.Sleep(3 * time.Second)
			return double(ctx, questions)
		}}
		var all sync.WaitGroup
		ask := func(q int, patience time.Duration) <-chan error {
			done := make(chan error, 1)
			all.Go(func() {
				ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errIntakeTimeout)
				defer cancel()
				answer, err := g.ask(ctx, q)
				if err == nil {
					assert.Equal(t, 2*q, answer)
				}
				done <- err
			})
			synctest.Wait()
			return done
		}
		first := ask(1, time.Hour)
		gone := ask(2, time.Second)    // leaves before its turn
		short := ask(3, 4*time.Second) // is offered the lead with too little time left
		second := ask(4, time.Hour)    // leads instead
		taken := ask(5, 5*time.Second) // leaves while its question is asked
		last := ask(6, time.Hour)      // leads the third batch
		require.NoError(t, <-first)
		require.ErrorIs(t, <-gone, errIntakeTimeout)
		require.ErrorIs(t, <-short, context.DeadlineExceeded)
		require.ErrorIs(t, <-taken, errIntakeTimeout)
		require.NoError(t, <-second)
		require.NoError(t, <-last)
		all.Wait()
		assert.Equal(t, [][]int{{1}, {4, 5}, {6}}, asked)

		require.NoError(t, <-ask(7, time.Millisecond), "a caller that is alone is not refused")
	})
}

// Who is handed the lead at the very moment at which it gives up hands it on.
func TestGatherLeadHandedToALeaver(t *testing.T) {
	t.Parallel()
	for i := range 200 {
		synctest.Test(t, func(t *testing.T) {
			g := gather[int, int]{max: 1, beside: i % 3, do: func(ctx context.Context, questions []int) ([]int, error) {
				time.Sleep(time.Second)
				return double(ctx, questions)
			}}
			var all sync.WaitGroup
			all.Go(func() { _, err := g.ask(t.Context(), 1); assert.NoError(t, err) })
			synctest.Wait()
			for range 3 { // their time is over when the batch is
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_, _ = g.ask(ctx, 2)
				})
			}
			synctest.Wait()
			all.Go(func() { _, err := g.ask(t.Context(), 3); assert.NoError(t, err) })
			all.Wait()
		})
	}
}

func TestGatherStoreThatMisbehaves(t *testing.T) {
	t.Parallel()
	failure := errors.New("no luck")
	for name, tt := range map[string]struct {
		do   func(context.Context, []int) ([]int, error)
		want string
	}{
		"fails":        {func(context.Context, []int) ([]int, error) { return []int{1}, failure }, "no luck"},
		"panics":       {func(context.Context, []int) ([]int, error) { panic("secret") }, "the store panicked: string"},
		"too few":      {func(context.Context, []int) ([]int, error) { return nil, nil }, "0 answers to "},
		"too many":     {func(_ context.Context, q []int) ([]int, error) { return append(q, 1), nil }, "answers to "},
		"ends its own": {func(context.Context, []int) ([]int, error) { runtime.Goexit(); return nil, nil }, "the store panicked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := gather[int, int]{max: 100, do: func(ctx context.Context, q []int) ([]int, error) {
					time.Sleep(time.Second)
					return tt.do(ctx, q)
				}}
				var all sync.WaitGroup
				var told atomic.Int64
				for i := range 10 {
					all.Go(func() {
						_, err := g.ask(t.Context(), i)
						assert.ErrorContains(t, err, tt.want)
						assert.NotContains(t, err.Error(), "secret")
						told.Add(1)
					})
				}
				all.Wait()
				if name == "ends its own" {
					assert.GreaterOrEqual(t, told.Load(), int64(8), "all but those who led")
				} else {
					assert.EqualValues(t, 10, told.Load())
				}
				g.do = double
				answer, err := g.ask(t.Context(), 21)
				require.NoError(t, err)
				assert.Equal(t, 42, answer)
			})
		})
	}
}

func TestBackoffIsBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ first, longest time.Duration }{
		{time.Second, 10 * time.Minute}, {time.Hour, 2 * time.Hour}, {time.Minute, math.MaxInt64}, {1, 1}, {math.MaxInt64, math.MaxInt64},
	} {
		in := &Inbox{}
		in.cfg = &config{inbox: inboxConfig{backoffMin: tt.first, backoffMax: tt.longest}}
		about := float64(tt.first)
		for attempt := range 100 {
			d := in.backoff(attempt + 1)
			assert.GreaterOrEqual(t, d, tt.first/2)
			assert.LessOrEqual(t, d, tt.longest)
			assert.GreaterOrEqual(t, float64(d), math.Floor(about/4), "attempt %d", attempt+1)
			about = min(2*about, float64(tt.longest))
		}
	}
}
