package scenarios_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// Scenario 51: the functions end in time.
func shutdownWaits(t *testing.T, e *Env) {
	begun := make(chan string, 10)
	gate, finish := Gate(t)
	p := e.Process(func(ctx context.Context, d *webhook.Delivery) error {
		begun <- d.JobID
		<-gate
		return e.Work(ctx, d)
	}, inbox.WithWorkers(1))
	for range 3 {
		p.Announced(reducto.Async{})
	}
	ran := p.Start()
	running := <-begun
	down := make(chan error, 1)
	go func() { down <- p.Shutdown(t.Context()) }()
	late := p.Announced(reducto.Async{}) // intake is open, and durable
	select {
	case <-down:
		require.Fail(t, "Shutdown does not wait")
	default:
	}
	finish()
	require.NoError(t, <-down)
	require.NoError(t, <-ran)
	e.Done(running, webhook.OutcomeCompleted)
	assert.Len(t, e.Records(inbox.StateReceived), 3, "no other function was called")
	e.Process(e.Work).Once() // long before a lease would end
	assert.Len(t, e.Records(inbox.StateDone), 4)
	assert.Len(t, e.CallsFor(late.JobID), 1)
}

// Scenario 51: the functions do not end in time. One does not even then.
func shutdownStops(t *testing.T, e *Env) {
	begun := make(chan struct{}, 10)
	gate, finish := Gate(t)
	var deaf string
	p := e.Process(func(ctx context.Context, d *webhook.Delivery) error {
		begun <- struct{}{}
		if d.JobID == deaf {
			<-gate
			return nil
		}
		<-ctx.Done()
		assert.ErrorIs(t, context.Cause(ctx), webhook.ErrShutdown)
		return context.Cause(ctx)
	})
	job := p.Announced(reducto.Async{}).JobID
	deaf = p.Announced(reducto.Async{}).JobID
	ran := p.Start()
	<-begun
	<-begun
	for remaining := 2; remaining > 0; remaining-- {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var left *webhook.ShutdownError
		require.ErrorAs(t, p.Shutdown(ctx), &left)
		require.ErrorIs(t, left, context.DeadlineExceeded)
		assert.Equal(t, remaining, left.Remaining)
		e.Until("it is given back", func() bool { return e.Record(job).State == inbox.StateReceived })
	}
	assert.Zero(t, e.Record(job).Attempt, "the attempt is not counted")
	e.Process(e.Work).Once() // long before a lease would end
	e.Done(job, webhook.OutcomeCompleted)
	finish()
	require.NoError(t, <-ran)
	assert.Equal(t, inbox.StateDone, e.Record(deaf).State, "it held its lease")
	p.Flush()
	assert.Equal(t, 1, e.Meter.Counter("handled{shutdown}"))
}

// Scenario 51: no function was called yet, so Shutdown waits for nothing.
func shutdownWhileFetching(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	job := p.Announced(reducto.Async{})
	e.Srv.Fault("GET /job", reductotest.Stall().Always())
	p.Start()
	e.Until("it is fetched", func() bool { return len(e.Srv.RequestsTo("GET /job")) > 0 })
	p.Flush()
	assert.Equal(t, inbox.StateReceived, e.Record(job.JobID).State)
	assert.Empty(t, e.Calls())
	e.Srv.ClearFaults()
}

// Scenario 51.
func contextOfRunEnds(t *testing.T, e *Env) {
	begun := make(chan struct{}, 1)
	p := e.Process(func(ctx context.Context, _ *webhook.Delivery) error {
		begun <- struct{}{}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	job := p.Announced(reducto.Async{})
	ran := p.Start()
	<-begun
	p.Cancel()
	require.ErrorIs(t, <-ran, context.Canceled)
	assert.Equal(t, inbox.StateReceived, e.Record(job.JobID).State)
	assert.Zero(t, e.Record(job.JobID).Attempt)
}

// Scenario 52.
func shutdownFullQueue(t *testing.T, e *Env) {
	p := e.Process(func(ctx context.Context, d *webhook.Delivery) error {
		time.Sleep(10 * time.Millisecond)
		return e.Work(ctx, d)
	}, inbox.WithWorkers(2))
	p.Start()
	const jobs = 60
	var sending sync.WaitGroup
	for range 3 {
		sending.Go(func() {
			for range jobs / 3 {
				p.Submit(reducto.Async{})
			}
		})
	}
	e.Until("some are done", func() bool { return len(e.Records(inbox.StateDone)) > 3 })
	p.Flush()
	sending.Wait()
	for _, j := range e.Srv.Jobs() {
		e.Attempts(j.ID, 1)
		e.Until("it is answered", func() bool { c := e.Codes(j.ID); return c[len(c)-1] == http.StatusOK })
		assert.Equal(t, []int{200}, e.Codes(j.ID))
	}
	assert.Len(t, e.Records(inbox.StateReceived, inbox.StateDone), jobs, "deliveries during and after Shutdown are there too")
	assert.NotEmpty(t, e.Records(inbox.StateReceived))
	next := e.Process(e.Work)
	e.Until("all are done", func() bool {
		next.Once()
		return len(e.Records(inbox.StateDone)) == jobs
	})
	for _, j := range e.Srv.Jobs() {
		e.Done(j.ID, webhook.OutcomeCompleted)
	}
}

// Scenario 53.
func shutdownAtAnyTime(t *testing.T, e *Env) {
	expired, cancel := context.WithCancel(t.Context())
	cancel()
	p := e.Process(e.Work)
	require.NoError(t, p.Shutdown(expired), "there is nothing to wait for before Run")
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { assert.NoError(t, p.Shutdown(t.Context())) })
	}
	all.Wait()
	require.ErrorContains(t, p.Run(t.Context(), p.Client), "shut down")
	require.Equal(t, http.StatusOK, Post(p, Genuine(JobA)))

	begun := make(chan struct{}, 10)
	gate, finish := Gate(t)
	e.Srv.SeedJob(reductotest.SeedJob{ID: JobA, Status: "Completed"})
	p = e.Start(func(ctx context.Context, d *webhook.Delivery) error {
		begun <- struct{}{}
		<-gate
		return e.Work(ctx, d)
	})
	<-begun
	for range 2 {
		var left *webhook.ShutdownError
		require.ErrorAs(t, p.Shutdown(expired), &left)
		assert.Equal(t, 1, left.Remaining)
	}
	finish()
	for range 10 {
		all.Go(func() { assert.NoError(t, p.Shutdown(t.Context())) })
	}
	all.Wait()
	require.NoError(t, p.Shutdown(expired))
	e.Done(JobA, webhook.OutcomeCompleted)
}

// Scenario 54.
func noGoroutines(t *testing.T, e *Env) {
	var inboxes []*Process
	for range 5 {
		inboxes = append(inboxes, e.Process(e.Work))
	}
	assert.Empty(t, ownGoroutines(), "New starts none")
	for _, p := range inboxes {
		p.Start()
		require.Equal(t, http.StatusOK, Post(p, Genuine(JobA)))
	}
	require.NotEmpty(t, ownGoroutines())
	for _, p := range inboxes {
		p.Flush()
	}
	e.Until("they have ended", func() bool { return ownGoroutines() == "" })
}

// ownGoroutines returns those that run code of inbox or sqlstore, but the test's.
func ownGoroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var found []string
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		own := strings.Contains(g, "webhook/inbox.") || strings.Contains(g, "inbox/sqlstore.")
		if own && !strings.Contains(g, "testing.tRunner(") {
			found = append(found, g)
		}
	}
	return strings.Join(found, "\n\n")
}
