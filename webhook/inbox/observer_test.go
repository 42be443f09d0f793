package inbox_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
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

// expvarObserver publishes measurements to expvar. Histograms become a count and a sum.
type expvarObserver struct{ *expvar.Map }

func (o expvarObserver) Count(name, label string, n int64) { o.Add(name+":"+label, n) }

func (o expvarObserver) Observe(name string, seconds float64) {
	o.Add(name+":count", 1)
	o.AddFloat(name+":sum", seconds)
}

func (o expvarObserver) Gauge(name, label string, value float64) {
	v := new(expvar.Float)
	v.Set(value)
	o.Set(name+":"+label, v)
}

func ExampleObserver() {
	observer := expvarObserver{expvar.NewMap("inbox")}
	secret, err := webhook.NewSecret("4f0c0f3b9b2f4f6f8d7e6a5b4c3d2e1f")
	if err != nil {
		panic(err)
	}
	process := func(context.Context, *webhook.Delivery) error { return nil }
	in, err := inbox.New(secret, inbox.NewMemoryStore(), process, inbox.WithObserver(observer))
	if err != nil {
		panic(err)
	}
	forged := webhook.NewTestRequest("/webhook", nil, "job_1", reducto.JobStatusCompleted, nil)
	fmt.Println(Serve(in, forged))
	_ = in.Shutdown(context.Background()) // it also waits for measurements
	fmt.Println(observer.Get("deliveries:unauthorized"), observer.Get("unauthorized:no_secret"))
	// Output:
	// 401
	// 1 1
}

func TestObserverGetsCountersHistogramsAndGauges(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(func(_ context.Context, d *webhook.Delivery) error {
			time.Sleep(2 * time.Second)
			switch {
			case d.Outcome == webhook.OutcomeFailed:
				return webhook.Permanent(errors.New("unusable"))
			case d.Attempt == 1:
				return errNotNow
			}
			return nil
		}, inbox.WithMaxBackoff(time.Second), inbox.WithWorkers(1))
		p.Submit(reducto.Async{})
		rest(20 * time.Second)
		e.Srv.FailNext("it did not work", "")
		e.Srv.WebhookFault(reductotest.Duplicate(1))
		p.Submit(reducto.Async{})
		rest(20 * time.Second)
		e.Srv.Hold()
		p.Submit(reducto.Async{})
		require.Equal(t, 400, Post(p, "nonsense"))
		require.Equal(t, 401, Post(p, Payload("Completed", JobA, "{}")))
		require.Equal(t, 413, Post(p, Payload("Completed", JobA, Signed(`"x":"`+strings.Repeat("x", 1<<20)+`"`))))
		rest(40 * time.Second)

		assert.Equal(t, map[string]int64{
			"deliveries{accepted}": 2, "deliveries{duplicate}": 1, "deliveries{invalid}": 1, "deliveries{unauthorized}": 1,
			"deliveries{too_large}": 1, "unauthorized{no_secret}": 1, "keys{current}": 3,
			"handled{done}": 1, "handled{failed}": 1, "handled{permanent}": 1, "outcomes{completed}": 1, "dead": 1,
		}, e.Meter.Counters())
		assert.Equal(t, []float64{2, 2, 2}, e.Meter.Values("handler_seconds"))
		assert.Len(t, e.Meter.Values("intake_seconds"), 6)
		assert.Len(t, e.Meter.Values("age_at_start_seconds"), 3)
		lags := e.Meter.Values("webhook_lag_seconds")
		require.Len(t, lags, 2, "once a job")
		for _, lag := range lags {
			assert.InDelta(t, 0, lag, 0.1)
		}
		assert.InDelta(t, 5, e.Meter.Values("submit_to_done_seconds")[0], 0.5)
		for name, want := range map[string]float64{
			"records{pending}": 1, "records{received}": 0, "records{claimed}": 0, "records{dead}": 1,
			"oldest_due_seconds": 0, "active_leases": 0, "oldest_call_seconds": 0,
		} {
			v, ok := e.Meter.GaugeOf(name)
			assert.True(t, ok, name)
			assert.InDelta(t, want, v, 0, name)
		}
		expiry, _ := e.Meter.GaugeOf("nearest_expiry_seconds")
		assert.InDelta(t, 12*3600-35, expiry, 15)
	})
}

func TestGaugesFollowTheRecords(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(nothing)
		e.Srv.Hold()
		job := p.Submit(reducto.Async{})
		rest(time.Hour)
		expiry, _ := e.Meter.GaugeOf("nearest_expiry_seconds")
		assert.Less(t, expiry, 11*3600.0+60)
		e.Srv.Complete(job.JobID)
		rest(time.Minute)
		expiry, _ = e.Meter.GaugeOf("nearest_expiry_seconds")
		assert.InDelta(t, 12*3600, expiry, 0)
		oldest, _ := e.Meter.GaugeOf("oldest_pending_seconds")
		assert.Zero(t, oldest)
	})
}

// misbehaving is an Observer.
type misbehaving func()

func (f misbehaving) Count(string, string, int64)   { f() }
func (f misbehaving) Observe(string, float64)       { f() }
func (f misbehaving) Gauge(string, string, float64) { f() }

func TestShutdownReportsAnObserverThatBlocks(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		gate, open := Gate(t)
		p := e.Process(nothing, inbox.WithObserver(misbehaving(func() { <-gate })))
		require.Equal(t, 200, Post(p, Genuine(JobA)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var left *webhook.ShutdownError
		require.ErrorAs(t, p.Shutdown(ctx), &left)
		assert.Zero(t, left.Remaining)
		open()
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

// tracer is a reducto.Tracer that keeps the operations that ended.
type tracer struct {
	mu    sync.Mutex
	ended []reducto.Operation
}

const submitted = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func (tr *tracer) Traceparent(context.Context) string { return submitted }

func (tr *tracer) Start(ctx context.Context, op *reducto.Operation) (context.Context, func(error)) {
	return ctx, func(error) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.ended = append(tr.ended, *op)
	}
}

func TestTracerFollowsASubmissionThroughTheStore(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		tr := new(tracer)
		e.Client = []reducto.Option{reducto.WithTracer(tr)}
		p := e.Start(e.Work, inbox.WithTracer(tr))
		e.Srv.WebhookFault(reductotest.Lose())
		job, err := p.Client.ParseAsync(t.Context(), reducto.ParseRequest{
			Input: reducto.URL("https://example.com/a.pdf"), Async: reducto.Async{Metadata: map[string]int{"user": 7}},
		})
		require.NoError(t, err)
		pending, err := p.Get(t.Context(), job.JobID)
		require.NoError(t, err)
		assert.Equal(t, submitted, pending.Traceparent)
		assert.Equal(t, `{"user":7}`, string(pending.Metadata))
		rest(time.Hour)
		d := e.Call()
		assert.Equal(t, submitted, d.Traceparent)
		assert.Equal(t, `{"user":7}`, string(d.Metadata))
		of := reducto.Operation{JobID: job.JobID, SubmissionID: job.SubmissionID, Traceparent: submitted}
		for _, name := range []string{"Reconciled", "Confirm"} {
			of.Name = name
			assert.Contains(t, tr.ended, of)
		}
		assert.Contains(t, tr.ended, reducto.Operation{Name: "Reconcile"})
	})
}

// brokenTracer is a reducto.Tracer that panics.
type brokenTracer struct{ tracer }

func (*brokenTracer) Start(context.Context, *reducto.Operation) (context.Context, func(error)) {
	panic("broken")
}

func TestTracerThatPanicsStopsNoWork(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		e.Client = []reducto.Option{reducto.WithTracer(&brokenTracer{})}
		p := e.Start(e.Work, inbox.WithTracer(&brokenTracer{}))
		e.Srv.WebhookFault(reductotest.Lose())
		p.Submit(reducto.Async{})
		rest(time.Hour)
		e.Call()
		assert.True(t, e.Log.Has("the tracer panicked"))
	})
}
