package webhook_test

import (
	"context"
	"fmt"
	"net/http"
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

func TestFuncContextEndsWithTheCallOnly(t *testing.T) {
	virtual(t, func(t *testing.T) {
		contexts := make(chan context.Context)
		s := newSite(t, func(ctx context.Context, d *webhook.Delivery) error {
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
		deliver := func(job string) (context.Context, context.CancelFunc) {
			ctx := context.WithValue(t.Context(), http.ServerContextKey, new(http.Server))
			ctx, cancel := context.WithTimeout(context.WithValue(ctx, ctxKey{}, job), time.Hour)
			all.Go(func() { answers(t, s, 503, request(genuine(job)).WithContext(ctx)) })
			return <-contexts, cancel
		}

		a, hangUp := deliver(jobA)
		hangUp()
		all.Wait()
		require.NoError(t, a.Err(), "the request has ended, the call has not")
		assert.Equal(t, jobA, a.Value(ctxKey{}))
		assert.NotNil(t, a.Value(http.ServerContextKey))
		assert.Nil(t, a.Value("nothing"))
		deadline, ok := a.Deadline()
		assert.True(t, ok)
		assert.Equal(t, began.Add(webhook.DefaultFuncTimeout), deadline, "not the request's")

		b, hangUp := deliver(jobB)
		defer hangUp()
		derived, stop := context.WithCancel(context.WithValue(b, ctxKey{}, "other"))
		defer stop()
		assert.Equal(t, jobB, b.Value(ctxKey{}))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ErrorIs(t, a.Err(), context.Canceled, "the call has ended")
		s.answers(200, genuine(jobA))
		require.NoError(t, b.Err(), "the other call has not")

		expired, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, s.Shutdown(expired))
		all.Wait()
		for _, ctx := range []context.Context{b, derived} {
			require.ErrorIs(t, context.Cause(ctx), webhook.ErrShutdown)
		}
		assert.NotErrorIs(t, context.Cause(a), webhook.ErrShutdown)
	})
}

func TestFuncTimeoutEndsTheContext(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newSite(t, func(ctx context.Context, _ *webhook.Delivery) error {
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
			return ctx.Err()
		}, webhook.WithFuncTimeout(time.Hour))
		began := time.Now()
		s.answers(500, genuine(jobA))
		assert.Equal(t, time.Hour, time.Since(began))
	})
}

// The context is made when the function first asks for its end. Its answer does not
// depend on when that is.
func TestFuncContextAnswersLateQuestions(t *testing.T) {
	virtual(t, func(t *testing.T) {
		contexts := make(chan context.Context, 1)
		timeout := time.Minute
		s := newSite(t, func(ctx context.Context, d *webhook.Delivery) error {
			contexts <- ctx
			if d.JobID == jobA {
				return nil
			}
			time.Sleep(timeout + time.Second)
			return ctx.Err()
		}, webhook.WithFuncTimeout(timeout))

		s.answers(200, genuine(jobA))
		over := <-contexts
		s.answers(500, genuine(jobB))
		late := <-contexts
		require.ErrorIs(t, late.Err(), context.DeadlineExceeded, "the timeout was first")
		require.ErrorIs(t, context.Cause(late), context.DeadlineExceeded)
		require.Equal(t, context.Canceled, over.Err(), "the function was first")
		s.flush()
		require.Equal(t, context.Canceled, context.Cause(over))
		derived, cancel := context.WithCancel(over)
		defer cancel()
		require.Equal(t, context.Canceled, derived.Err())

		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			assert.Equal(t, "webhook.Func's context", fmt.Sprintf(verb, over))
		}
	})
}

func TestFuncContextIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	var ended atomic.Int64
	s := newSite(t, func(ctx context.Context, _ *webhook.Delivery) error {
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
		s.answers(200, genuine(fmt.Sprintf("job-%d", i)))
	}
	all.Wait()
	assert.Eventually(t, func() bool { return ended.Load() == 400 }, 5*time.Second, time.Millisecond)
}
