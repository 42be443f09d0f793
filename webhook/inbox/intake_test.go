package inbox_test

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

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// Records of a MemoryStore end with the process, so a 200 before the function has run
// would promise too much.
func TestVolatileStoreIsAnsweredAfterTheFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		client := srv.Client()
		defer client.CloseIdleConnections()
		secret, err := webhook.NewSecret(Secret)
		require.NoError(t, err)
		results := make(chan error, 1)
		in, err := inbox.New(secret, inbox.NewMemoryStore(), func(context.Context, *webhook.Delivery) error { return <-results },
			inbox.WithMinBackoff(time.Hour), inbox.WithMaxBackoff(time.Hour))
		require.NoError(t, err)
		srv.SeedJob(reductotest.SeedJob{ID: JobA, Status: "Completed"})

		post := func(code int) time.Duration {
			t.Helper()
			began := time.Now()
			require.Equal(t, code, Post(in, Genuine(JobA)))
			return time.Since(began)
		}
		assert.Equal(t, inbox.DefaultIntakeTimeout, post(http.StatusServiceUnavailable), "nothing runs")
		ran := make(chan error, 1)
		go func() { ran <- in.Run(t.Context(), client) }()
		synctest.Wait()
		assert.Equal(t, webhook.DefaultDuplicateTimeout, post(http.StatusServiceUnavailable))
		results <- errNotNow
		synctest.Wait()
		post(http.StatusInternalServerError)
		rest(2 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.Equal(t, http.StatusServiceUnavailable, Serve(in, Request(Genuine(JobA)).WithContext(ctx)), "the sender is gone")
		results <- nil
		synctest.Wait()
		post(http.StatusOK)
		require.NoError(t, in.Shutdown(t.Context()))
		require.NoError(t, <-ran)
	})
}

// volatile makes a store that can be broken say that it is memory.
type volatile struct{ *Spy }

func (volatile) Capabilities() inbox.Capabilities { return inbox.Capabilities{Volatile: true} }

func TestVolatileStoreThatCannotBeReadIsAnswered503(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		spy := NewSpy(e.Open())
		p := e.ProcessOn(spy, func(inbox.Store) inbox.Store { return volatile{spy} }, e.Secret, e.Work)
		p.Start()
		spy.Break("List")
		assert.Equal(t, http.StatusServiceUnavailable, seeded(e, p, JobA))
		spy.Mend()
		assert.Equal(t, http.StatusOK, Post(p, Genuine(JobA)))
		assert.Len(t, e.Calls(), 1)
	})
}

// concurrent says that a store can process two batches at a time.
type concurrent struct{ inbox.Store }

func (concurrent) Capabilities() inbox.Capabilities { return inbox.Capabilities{Concurrent: true} }

func TestConcurrentStoreGetsASecondBatch(t *testing.T) {
	eachInBubble(t, map[string]int64{"one": 1, "two": 2}, func(t *testing.T, e *Env, most int64) {
		spy := NewSpy(e.Open())
		p := e.ProcessOn(spy, func(s inbox.Store) inbox.Store {
			if most == 2 {
				return concurrent{s}
			}
			return s
		}, e.Secret, nothing)
		var running, seen atomic.Int64
		spy.Before(func(_ context.Context, method string) error {
			if method == "Receive" {
				seen.Store(max(seen.Load(), running.Add(1)))
				time.Sleep(time.Second / 10)
			}
			return nil
		})
		spy.After(func(method string) error {
			if method == "Receive" {
				running.Add(-1)
			}
			return nil
		})
		var all sync.WaitGroup
		for i := range 200 {
			for range 2 { // a duplicate, which can be in the other batch
				all.Go(func() { assert.Equal(t, http.StatusOK, Post(p, Genuine(fmt.Sprintf("job-%d", i)))) })
			}
		}
		all.Wait()
		synctest.Wait()
		assert.Equal(t, most, seen.Load())
		assert.Equal(t, 200, e.Meter.Counter("deliveries{accepted}"))
		assert.Equal(t, 200, e.Meter.Counter("deliveries{duplicate}"))
	})
}
