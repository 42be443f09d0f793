package sqlstore_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func TestScenario51_ShutdownWithRunningFunctions(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) { // that end in time
		begun, gate := make(chan string, 10), make(chan struct{})
		q := p.process(func(ctx context.Context, d *webhook.Delivery) error {
			begun <- d.JobID
			<-gate
			return p.work(ctx, d)
		}, webhook.WithWorkers(1))
		for range 3 {
			q.announced(reducto.Async{})
		}
		ran := q.run()
		running := <-begun
		down := make(chan error, 1)
		go func() { down <- q.Shutdown(t.Context()) }()
		late := q.announced(reducto.Async{}) // intake is open, and durable
		select {
		case <-down:
			require.Fail(t, "it does not wait")
		default:
		}
		close(gate)
		require.NoError(t, <-down)
		require.NoError(t, <-ran)
		p.requireDone(running, webhook.OutcomeCompleted)
		assert.Len(t, p.records(webhook.StateReceived), 3, "the others were not begun")
		p.process(p.work).once() // at once: no time has passed for the store
		assert.Len(t, p.records(webhook.StateDone), 4)
		assert.Len(t, p.called(late.JobID), 1)
	})

	t.Run("that do not", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			begun := make(chan struct{}, 10)
			q := p.process(func(ctx context.Context, _ *webhook.Delivery) error {
				begun <- struct{}{}
				<-ctx.Done()
				return context.Cause(ctx)
			})
			job := q.announced(reducto.Async{})
			ran := q.run()
			<-begun
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			var left *webhook.ShutdownError
			require.ErrorAs(t, q.Shutdown(ctx), &left)
			assert.Equal(t, 1, left.Remaining)
			require.NoError(t, <-ran)
			r := p.record(job.JobID)
			assert.Equal(t, webhook.StateReceived, r.State, "given back at once")
			assert.Zero(t, r.Attempt, "and not counted")
			p.process(p.work).once()
			p.requireDone(job.JobID, webhook.OutcomeCompleted)
		})
	})
}

func TestScenario52_ShutdownWithAFullQueue(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(func(ctx context.Context, d *webhook.Delivery) error {
			time.Sleep(10 * time.Millisecond)
			return p.work(ctx, d)
		}, webhook.WithWorkers(2))
		q.run()
		const jobs = 60
		var sending sync.WaitGroup
		for range 3 {
			sending.Go(func() {
				for range jobs / 3 {
					q.submit(reducto.Async{})
				}
			})
		}
		p.until("some are done", func() bool { return len(p.records(webhook.StateDone)) > 3 })
		require.NoError(t, q.Shutdown(t.Context()))
		sending.Wait()
		for _, j := range p.srv.Jobs() {
			p.attempts(j.ID, 1)
			p.until("it is answered", func() bool { c := p.codes(j.ID); return c[len(c)-1] == http.StatusOK })
			assert.Equal(t, []int{200}, p.codes(j.ID))
		}
		assert.Len(t, p.records(webhook.StateReceived, webhook.StateDone), jobs, "what arrived during and after Shutdown is there too")
		assert.NotEmpty(t, p.records(webhook.StateReceived))
		p.process(p.work).once()
		for _, j := range p.srv.Jobs() {
			p.requireDone(j.ID, webhook.OutcomeCompleted)
		}
	})
}

func TestScenario53_ShutdownAtAnyTime(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		expired, cancel := context.WithCancel(t.Context())
		cancel()
		q := p.process(p.work)
		require.NoError(t, q.Shutdown(expired), "before Run there is nothing to wait for")
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { assert.NoError(t, q.Shutdown(t.Context())) })
		}
		all.Wait()
		require.ErrorContains(t, q.Run(t.Context(), q.client), "shut down")
		require.Equal(t, http.StatusOK, post(q, genuine(jobA)))

		begun, gate := make(chan struct{}, 10), make(chan struct{})
		p.srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
		q = p.start(func(ctx context.Context, d *webhook.Delivery) error {
			begun <- struct{}{}
			<-gate
			return p.work(ctx, d)
		})
		<-begun
		for range 2 {
			var left *webhook.ShutdownError
			require.ErrorAs(t, q.Shutdown(expired), &left)
			assert.Equal(t, 1, left.Remaining)
		}
		close(gate)
		for range 10 {
			all.Go(func() { assert.NoError(t, q.Shutdown(t.Context())) })
		}
		all.Wait()
		require.NoError(t, q.Shutdown(expired), "it is over")
		p.requireDone(jobA, webhook.OutcomeCompleted)
	})
}

func TestScenario54_NoGoroutinesLeft(t *testing.T) { // not parallel: it counts
	story := func(t *testing.T, p *plant) {
		var inboxes []*process
		for range 5 {
			inboxes = append(inboxes, p.process(p.work))
		}
		assert.Empty(t, ownGoroutines(), "none from NewInbox alone")
		for _, q := range inboxes {
			q.run()
			require.Equal(t, http.StatusOK, post(q, genuine(jobA)))
		}
		require.NotEmpty(t, ownGoroutines())
		for _, q := range inboxes {
			require.NoError(t, q.Shutdown(t.Context()))
		}
		p.until("they have ended", func() bool { return ownGoroutines() == "" })
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { story(t, newPlant(t, memoryStock(t))) })
	})
	t.Run("SQLite", func(t *testing.T) { story(t, newPlant(t, sqliteStock(t))) })
	t.Run("PostgreSQL", func(t *testing.T) { story(t, newPlant(t, postgresStock(t))) })
}

// ownGoroutines are those that run code of packages webhook and sqlstore, but the
// test's.
func ownGoroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var found []string
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		own := strings.Contains(g, "reducto/webhook.") || strings.Contains(g, "reducto/webhook/sqlstore.")
		if own && !strings.Contains(g, "testing.tRunner(") {
			found = append(found, g)
		}
	}
	return strings.Join(found, "\n\n")
}
