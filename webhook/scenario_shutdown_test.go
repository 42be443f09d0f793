package webhook_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func TestScenario53_ShutdownAtAnyTime(t *testing.T) {
	t.Parallel()
	make := func(t *testing.T, f webhook.Func) *webhook.Handler {
		h, err := webhook.NewHandler(newSecret(t, testSecret), f)
		require.NoError(t, err)
		return h
	}
	expired, cancel := context.WithCancel(t.Context())
	cancel()

	t.Run("before any request, twice, at once", func(t *testing.T) {
		t.Parallel()
		h := make(t, nothing)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { assert.NoError(t, h.Shutdown(t.Context())) })
		}
		all.Wait()
		require.NoError(t, h.Shutdown(expired), "there is nothing to wait for")
	})

	t.Run("intake", func(t *testing.T) {
		t.Parallel()
		h := make(t, nothing)
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		require.NoError(t, h.Shutdown(t.Context()))
		requireAnswer(t, post(h, genuine(jobB)), http.StatusServiceUnavailable)
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		requireAnswer(t, post(h, payload("Completed", jobB, `{}`)), http.StatusUnauthorized)
		assert.Equal(t, webhook.Stats{Accepted: 1, Duplicates: 1, Refused: 1, Unauthorized: 1, Calls: 1, Remembered: 1}, h.Stats())
	})

	t.Run("a call that ends in time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h := make(t, func(ctx context.Context, _ *webhook.Delivery) error {
				time.Sleep(10 * time.Second)
				return ctx.Err()
			})
			var all sync.WaitGroup
			all.Go(func() { requireAnswer(t, post(h, genuine(jobA)), http.StatusOK) })
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			all.Go(func() {
				time.Sleep(8 * time.Second)
				requireAnswer(t, post(h, genuine(jobA)), http.StatusOK) // joins, although it is shutting down
			})
			began := time.Now()
			require.NoError(t, h.Shutdown(ctx))
			assert.Equal(t, 10*time.Second, time.Since(began))
			all.Wait()
		})
	})

	t.Run("calls that do not", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			release := newGate()
			h := make(t, func(ctx context.Context, d *webhook.Delivery) error {
				if d.JobID == "job-deaf" {
					<-release
					return nil
				}
				<-ctx.Done()
				assert.ErrorIs(t, context.Cause(ctx), webhook.ErrShutdown)
				return context.Cause(ctx)
			})
			var all sync.WaitGroup
			for _, job := range []string{jobA, jobB} {
				all.Go(func() { requireAnswer(t, post(h, genuine(job)), http.StatusServiceUnavailable) })
			}
			all.Go(func() { requireAnswer(t, post(h, genuine("job-deaf")), http.StatusOK) })
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := h.Shutdown(ctx)
			left := new(webhook.ShutdownError)
			require.ErrorAs(t, err, &left)
			assert.Equal(t, 3, left.Remaining)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Contains(t, err.Error(), "3 calls remain")
			synctest.Wait()
			require.ErrorAs(t, h.Shutdown(expired), &left)
			assert.Equal(t, 1, left.Remaining, "the others obeyed")
			close(release)
			all.Wait()
			require.NoError(t, h.Shutdown(expired))
			assert.Zero(t, h.Stats().InFlight)
		})
	})

	t.Run("while the API is asked", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := reductotest.NewServer(t)
			srv.Fault("GET /job", reductotest.Stall().Always())
			h, err := webhook.NewHandler(newSecret(t, testSecret), nothing, webhook.WithClient(srv.Client()))
			require.NoError(t, err)
			var all sync.WaitGroup
			all.Go(func() { requireAnswer(t, post(h, genuine(jobA)), http.StatusServiceUnavailable) })
			synctest.Wait()
			assert.Error(t, h.Shutdown(expired))
			all.Wait()
			require.NoError(t, h.Shutdown(t.Context()))
		})
	})

	t.Run("between two looks at the API", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := reductotest.NewServer(t)
			srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "InProgress"})
			h, err := webhook.NewHandler(newSecret(t, testSecret), nothing, webhook.WithClient(srv.Client()))
			require.NoError(t, err)
			var all sync.WaitGroup
			all.Go(func() { requireAnswer(t, post(h, genuine(jobA)), http.StatusServiceUnavailable) })
			synctest.Wait()
			began := time.Now()
			assert.Error(t, h.Shutdown(expired))
			all.Wait()
			assert.Zero(t, time.Since(began), "it does not wait for the next look")
		})
	})

	t.Run("with a logger that is stuck", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			stuck := newGate()
			h, err := webhook.NewHandler(newSecret(t, testSecret), nothing,
				webhook.WithLogger(slog.New(hookHandler(func(slog.Record) { <-stuck }))))
			require.NoError(t, err)
			requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err = h.Shutdown(ctx)
			left := new(webhook.ShutdownError)
			require.ErrorAs(t, err, &left)
			assert.Zero(t, left.Remaining)
			assert.Contains(t, err.Error(), "log records")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			close(stuck)
			require.NoError(t, h.Shutdown(t.Context()))
		})
	})
}

func newGate() chan struct{} { return make(chan struct{}) }

func TestScenario54_NoGoroutinesLeft(t *testing.T) { // not parallel: it counts
	before := runtime.NumGoroutine()
	handlers := make([]*webhook.Handler, 100)
	for i := range handlers {
		h, err := webhook.NewHandler(newSecret(t, testSecret), func(context.Context, *webhook.Delivery) error {
			if i%2 == 0 {
				return nil
			}
			return errors.New("no luck")
		}, webhook.WithLogger(newLogBook(t).logger()))
		require.NoError(t, err)
		handlers[i] = h
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before, "none from NewHandler alone") // others may end
	for _, h := range handlers {
		post(h, genuine(jobA))
		post(h, payload("Completed", jobA, `{}`))
	}
	for _, h := range handlers {
		require.NoError(t, h.Shutdown(t.Context()))
	}
	assert.Empty(t, leftovers(2*time.Second))
}
