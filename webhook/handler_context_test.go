package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
)

type ctxKey struct{}

// The context of a call has what the request carries, and ends with nothing but the
// call, its timeout and Shutdown.
func TestContextOfACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		contexts := make(chan context.Context)
		h := newHandler(t, func(ctx context.Context, d *webhook.Delivery) error {
			contexts <- ctx
			if d.JobID == jobA {
				time.Sleep(time.Minute)
				return ctx.Err()
			}
			<-ctx.Done()
			return context.Cause(ctx)
		})
		began := time.Now()
		var all sync.WaitGroup
		deliver := func(job string, code int) (context.Context, context.CancelFunc) {
			ctx := context.WithValue(t.Context(), http.ServerContextKey, new(http.Server))
			ctx, cancel := context.WithTimeout(context.WithValue(ctx, ctxKey{}, job), time.Hour)
			w := httptest.NewRecorder()
			all.Go(func() {
				h.ServeHTTP(w, request(genuine(job)).WithContext(ctx))
				requireAnswer(t, w, code)
			})
			return <-contexts, cancel
		}

		a, hangUp := deliver(jobA, http.StatusServiceUnavailable)
		hangUp()
		all.Wait()
		require.NoError(t, a.Err(), "the sender's end is not the call's")
		assert.Equal(t, jobA, a.Value(ctxKey{}))
		assert.NotNil(t, a.Value(http.ServerContextKey))
		assert.Nil(t, a.Value("nothing"))
		deadline, ok := a.Deadline()
		assert.True(t, ok)
		assert.Equal(t, began.Add(webhook.DefaultFuncTimeout), deadline, "not the request's")

		b, hangUp := deliver(jobB, http.StatusServiceUnavailable)
		defer hangUp()
		derived, stop := context.WithCancel(context.WithValue(b, ctxKey{}, "other"))
		defer stop()
		assert.Equal(t, jobB, b.Value(ctxKey{}))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ErrorIs(t, a.Err(), context.Canceled, "it ends with the call")
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		require.NoError(t, b.Err(), "another call's end is not this one's")

		expired, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, h.Shutdown(expired))
		all.Wait()
		for _, ctx := range []context.Context{b, derived} {
			require.ErrorIs(t, context.Cause(ctx), webhook.ErrShutdown)
		}
		assert.NotErrorIs(t, context.Cause(a), webhook.ErrShutdown)
	})
}

// What a call's context says does not depend on when it is first asked.
func TestContextOfACallAskedLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		contexts := make(chan context.Context, 1)
		timeout := time.Minute
		h := newHandler(t, func(ctx context.Context, d *webhook.Delivery) error {
			contexts <- ctx
			if d.JobID == jobA {
				return nil
			}
			time.Sleep(timeout + time.Second) // deaf
			return ctx.Err()
		}, webhook.WithFuncTimeout(timeout))

		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		over := <-contexts
		requireAnswer(t, post(h, genuine(jobB)), http.StatusInternalServerError)
		late := <-contexts
		require.ErrorIs(t, late.Err(), context.DeadlineExceeded, "its time was over before the function was")
		require.ErrorIs(t, context.Cause(late), context.DeadlineExceeded)
		require.Equal(t, context.Canceled, over.Err(), "the function was over before its time was")
		require.NoError(t, h.Shutdown(t.Context()))
		require.Equal(t, context.Canceled, context.Cause(over))
		derived, cancel := context.WithCancel(over)
		defer cancel()
		require.Equal(t, context.Canceled, derived.Err())

		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			assert.Equal(t, "webhook.Func's context", fmt.Sprintf(verb, over))
		}
	})
}

// A context is made once, however many goroutines ask for it while it ends.
func TestContextOfACallAskedByMany(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	var ended atomic.Int64
	h := newHandler(t, func(ctx context.Context, _ *webhook.Delivery) error {
		for range 10 {
			all.Go(func() {
				<-ctx.Done()
				assert.Equal(t, context.Canceled, context.Cause(ctx))
				ended.Add(1)
			})
			context.AfterFunc(ctx, func() { ended.Add(1) })
			all.Go(func() { _, _ = ctx.Err(), ctx.Value(ctxKey{}) })
		}
		return nil
	})
	for i := range 20 {
		requireAnswer(t, post(h, genuine(fmt.Sprintf("job-%d", i))), http.StatusOK)
	}
	all.Wait()
	assert.Eventually(t, func() bool { return ended.Load() == 400 }, 5*time.Second, time.Millisecond)
}
