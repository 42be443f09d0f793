package safe

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCallsRunInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := Calls{Max: 10}
		require.NoError(t, c.Wait(t.Context()), "there is nothing to wait for")
		var got []int
		for round := range 2 { // the second starts the goroutine again
			for i := range 5 {
				c.Do(func(context.Context) { time.Sleep(time.Second); got = append(got, round*5+i) })
			}
			require.NoError(t, c.Wait(t.Context()))
		}
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got)
		assert.Zero(t, c.Lost.Load())
	})
}

func TestCallsThatMisbehaveDelayNobodyAndEndNothing(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]func(context.Context){
		"panic":      func(context.Context) { panic("boom") },
		"panic(nil)": func(context.Context) { panic(nil) }, //nolint:govet // on purpose
		"Goexit":     func(context.Context) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := Calls{Max: 10}
				good := 0
				for range 3 {
					c.Do(bad)
					c.Do(func(context.Context) { good++ })
				}
				require.NoError(t, c.Wait(t.Context()))
				assert.Equal(t, 3, good)
				assert.EqualValues(t, 3, c.Lost.Load())
			})
		})
	}
}

func TestCallsDropWhatABlockedCallHoldsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := Calls{Max: 10}
		stuck := make(chan struct{})
		c.Do(func(context.Context) { <-stuck })
		synctest.Wait()
		good := 0
		for range 15 {
			c.Do(func(context.Context) { good++ }) // does not block
		}
		assert.EqualValues(t, 5, c.Lost.Load())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Wait(ctx), context.DeadlineExceeded)
		close(stuck)
		require.NoError(t, c.Wait(t.Context()))
		assert.Equal(t, 10, good)
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.NoError(t, Sleep(t.Context(), time.Minute))
		assert.Equal(t, time.Minute, time.Since(began))
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("enough")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		require.ErrorIs(t, Sleep(ctx, time.Minute), cause)
		assert.Equal(t, time.Minute+time.Second, time.Since(began))
	})
}
