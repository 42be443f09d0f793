package inbox

import (
	"context"
	"errors"
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

// double is what a batcher of these tests does.
func double(_ context.Context, questions []int) ([]int, error) {
	answers := make([]int, len(questions))
	for i, q := range questions {
		answers[i] = 2 * q
	}
	return answers, nil
}

func TestBatcherLoneCallerDoesItsOwnWork(t *testing.T) {
	t.Parallel()
	var where string
	b := batcher[int, int]{max: 10, do: func(ctx context.Context, questions []int) ([]int, error) {
		where = goroutineID()
		assert.Len(t, questions, 1)
		return double(ctx, questions)
	}}
	for i := range 3 {
		answer, err := b.ask(t.Context(), i)
		require.NoError(t, err)
		assert.Equal(t, 2*i, answer)
		assert.Equal(t, goroutineID(), where, "no other goroutine takes part")
	}

	// A batch is not cancelled with its caller.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	b.do = func(ctx context.Context, questions []int) ([]int, error) {
		require.NoError(t, ctx.Err())
		return double(ctx, questions)
	}
	answer, err := b.ask(ended, 21)
	require.NoError(t, err)
	assert.Equal(t, 42, answer)
}

func TestBatcherJoinsCallersWhileABatchRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		running := 0
		b := batcher[int, int]{max: 100, do: func(ctx context.Context, questions []int) ([]int, error) {
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
					answer, err := b.ask(t.Context(), i)
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
		assert.Equal(t, []int{1, 100, 100, 50}, sizes, "no caller waits for more")
		assert.Equal(t, 4*time.Second, time.Since(began))
		ask(&all, 1)
		all.Wait()
		assert.Equal(t, 1, sizes[4], "there is no leader left")
	})
}

func TestBatcherSendsASecondBatchBesideTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sizes []int
		running, most := 0, 0
		b := batcher[int, int]{max: 100, beside: 10, do: func(ctx context.Context, questions []int) ([]int, error) {
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
					answer, err := b.ask(t.Context(), i)
					assert.NoError(t, err)
					assert.Equal(t, 2*i, answer)
				})
			}
			synctest.Wait()
		}
		sent := func(why string, want ...int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			assert.Equal(t, want, sizes, why)
		}
		ask(1)
		ask(9)
		sent("nine are too few", 1)
		time.Sleep(time.Second / 2)
		ask(1)
		sent("the tenth leads all that wait", 1, 10)
		ask(25)
		sent("there is no third batch", 1, 10)
		time.Sleep(time.Second/2 + time.Millisecond)
		sent("the first is over, and there are enough", 1, 10, 25)
		ask(3)
		time.Sleep(time.Second / 2)
		sent("the second is over, and three are too few beside the third", 1, 10, 25)
		time.Sleep(time.Second / 2)
		sent("if none runs, any number is sent", 1, 10, 25, 3)
		all.Wait()

		b.max, sizes = 20, nil
		ask(1)
		ask(60)
		all.Wait()
		sent("batches have a largest size", 1, 10, 20, 20, 10)
		assert.Equal(t, 2, most)
	})
}

func TestBatcherAnswersEachCaller(t *testing.T) {
	for _, beside := range []int{0, 2, 5} {
		t.Run(strconv.Itoa(beside), func(t *testing.T) {
			t.Parallel()
			testBatcherUnderConcurrency(t, beside)
		})
	}
}

func testBatcherUnderConcurrency(t *testing.T, beside int) {
	var questionsAsked, batches atomic.Int64
	b := batcher[int, int]{max: 16, beside: beside, do: func(ctx context.Context, questions []int) ([]int, error) {
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
				answer, err := b.ask(ctx, q)
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
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Zero(t, b.leaders)
	assert.False(t, b.elected)
	assert.Empty(t, b.waiting)
}

func TestBatcherCallerLeavesWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked [][]int
		b := batcher[int, int]{max: 2, least: 2 * time.Second, do: func(ctx context.Context, questions []int) ([]int, error) {
			asked = append(asked, questions)
			time.Sleep(3 * time.Second)
			return double(ctx, questions)
		}}
		var all sync.WaitGroup
		ask := func(q int, patience time.Duration) <-chan error {
			done := make(chan error, 1)
			all.Go(func() {
				ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errStoreTimeout)
				defer cancel()
				answer, err := b.ask(ctx, q)
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
		require.ErrorIs(t, <-gone, errStoreTimeout)
		require.ErrorIs(t, <-short, context.DeadlineExceeded)
		require.ErrorIs(t, <-taken, errStoreTimeout)
		require.NoError(t, <-second)
		require.NoError(t, <-last)
		all.Wait()
		assert.Equal(t, [][]int{{1}, {4, 5}, {6}}, asked)

		require.NoError(t, <-ask(7, time.Millisecond), "a lone caller is not refused")
	})
}

func TestBatcherLeaderThatLeavesAppointsAnother(t *testing.T) {
	t.Parallel()
	for i := range 200 {
		synctest.Test(t, func(t *testing.T) {
			b := batcher[int, int]{max: 1, beside: i % 3, do: func(ctx context.Context, questions []int) ([]int, error) {
				time.Sleep(time.Second)
				return double(ctx, questions)
			}}
			var all sync.WaitGroup
			all.Go(func() { _, err := b.ask(t.Context(), 1); assert.NoError(t, err) })
			synctest.Wait()
			for range 3 { // their time is over when the batch is
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_, _ = b.ask(ctx, 2)
				})
			}
			synctest.Wait()
			all.Go(func() { _, err := b.ask(t.Context(), 3); assert.NoError(t, err) })
			all.Wait()
		})
	}
}

func TestBatcherReturnsTheErrorsOfItsStore(t *testing.T) {
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
				b := batcher[int, int]{max: 100, do: func(ctx context.Context, q []int) ([]int, error) {
					time.Sleep(time.Second)
					return tt.do(ctx, q)
				}}
				var all sync.WaitGroup
				var answered atomic.Int64
				for i := range 10 {
					all.Go(func() {
						_, err := b.ask(t.Context(), i)
						assert.ErrorContains(t, err, tt.want)
						assert.NotContains(t, err.Error(), "secret")
						answered.Add(1)
					})
				}
				all.Wait()
				if name == "ends its own" {
					assert.GreaterOrEqual(t, answered.Load(), int64(8), "all but the leaders")
				} else {
					assert.EqualValues(t, 10, answered.Load())
				}
				b.do = double
				answer, err := b.ask(t.Context(), 21)
				require.NoError(t, err)
				assert.Equal(t, 42, answer)
			})
		})
	}
}

// BenchmarkBatcher is what a caller pays for a batch, alone and with others.
func BenchmarkBatcher(b *testing.B) {
	ask := func(b *testing.B, batch *batcher[int, int], more func() bool) {
		for more() {
			if _, err := batch.ask(context.Background(), 1); err != nil {
				b.Error(err)
			}
		}
	}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		ask(b, &batcher[int, int]{max: batchSize, do: double}, b.Loop)
	})
	b.Run("parallel", func(b *testing.B) {
		batch := &batcher[int, int]{max: batchSize, do: double, beside: besideSize}
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) { ask(b, batch, pb.Next) })
	})
}
