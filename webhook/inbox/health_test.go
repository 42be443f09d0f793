package inbox_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

func TestReadyAsksTheStore(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(nothing)
		require.NoError(t, p.Ready(t.Context()), "without Run too")
		p.Spy.Break("List")
		require.ErrorIs(t, p.Ready(t.Context()), ErrDown)
		p.Spy.Slow(time.Hour, "List")
		began := time.Now()
		require.Error(t, p.Ready(t.Context()))
		assert.Equal(t, inbox.DefaultStoreTimeout, time.Since(began))
	})
}

func TestReadyReportsFailedWrites(t *testing.T) {
	writes := map[string]func(t *testing.T, p *Process) error{
		"Receive": func(_ *testing.T, p *Process) error {
			if code := Post(p, Genuine(JobA)); code != 200 {
				return ErrDown
			}
			return nil
		},
		"Submit": func(t *testing.T, p *Process) error {
			_, err := p.Client.ParseAsync(t.Context(), Document)
			return err
		},
		"Track": func(t *testing.T, p *Process) error { return p.Track(t.Context(), "job-1") },
	}
	eachInBubble(t, writes, func(t *testing.T, e *Env, write func(t *testing.T, p *Process) error) {
		p := e.Process(nothing)
		p.Start() // claims go on
		p.Spy.Break("Receive", "Submit")
		require.ErrorIs(t, write(t, p), ErrDown)
		attempts := p.Spy.Count("Receive", "Submit")
		rest(29 * time.Second)
		require.ErrorIs(t, p.Ready(t.Context()), ErrDown)
		require.NoError(t, p.Healthy(), "the other methods work")
		rest(time.Second)
		require.NoError(t, p.Ready(t.Context()), "the last failure is 30 s old")
		require.ErrorIs(t, write(t, p), ErrDown)
		require.ErrorIs(t, p.Ready(t.Context()), ErrDown)
		p.Spy.Mend()
		require.ErrorIs(t, p.Ready(t.Context()), ErrDown, "no write has succeeded since")
		assert.Equal(t, attempts+1, p.Spy.Count("Receive", "Submit"), "Ready writes nothing")
		require.NoError(t, write(t, p))
		require.NoError(t, p.Ready(t.Context()))
	})
}

func TestReadyReportsAStoreThatIsTooSlowToWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(nothing)
		p.Spy.Slow(time.Hour, "Submit")
		require.Error(t, p.Track(t.Context(), "job-1"))
		require.ErrorIs(t, p.Ready(t.Context()), context.DeadlineExceeded)
	})
}

// A caller that goes away is not the store's failure.
func TestReadyIgnoresCancelledSubmissions(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(nothing)
		p.Spy.Slow(time.Second, "Submit")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.Error(t, p.Track(ctx, "job-1"))
		require.NoError(t, p.Ready(t.Context()))
	})
}

func TestHealthyReportsWhetherWorkGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(nothing)
		require.ErrorContains(t, p.Healthy(), "Run is not running")
		p.Start()
		require.NoError(t, p.Healthy())

		p.Spy.Break("Receive", "Claim")
		require.Equal(t, 503, Post(p, Genuine(JobA)))
		rest(10 * time.Second)
		require.ErrorIs(t, p.Healthy(), ErrDown)
		require.ErrorContains(t, p.Healthy(), "the store has failed for 10s")
		p.Spy.Mend()
		rest(10 * time.Second)
		require.NoError(t, p.Healthy())
		p.Flush()
		rest(0)
		require.ErrorContains(t, p.Healthy(), "Run is not running")
	})
}

func TestHealthyReportsAReconcilerWithoutSuccess(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(nothing)
		p.Spy.Break("Lock", "Overdue", "Purge", "Stats")
		rest(2 * time.Minute)
		require.NoError(t, p.Healthy())
		rest(2 * time.Minute)
		require.ErrorContains(t, p.Healthy(), "the reconciler has had no success for")
		assert.Positive(t, e.Log.Count(slog.LevelWarn, "the reconciler failed"))
		rest(10 * time.Minute)
		assert.Positive(t, e.Log.Count(slog.LevelWarn, "old records could not be removed"))
		p.Spy.Break("Receive")
		e.Seed(completed)
		rest(10 * time.Minute)
		assert.Empty(t, e.Records(inbox.StateDone))
		p.Spy.Mend()
		rest(time.Hour)
		require.NoError(t, p.Healthy())
		assert.Len(t, e.Records(inbox.StateDone), 1)
	})
}

// A function that ignores its context keeps its worker. When all workers are kept,
// nothing goes on.
func TestHealthyReportsFunctionsThatIgnoreTheirContexts(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		const timeout = 10 * time.Minute
		gate, finish := Gate(t)
		p := e.Start(e.Then(func(_ context.Context, d *webhook.Delivery) error { <-gate; return nil }),
			inbox.WithWorkers(2), inbox.WithFuncTimeout(timeout))
		require.Equal(t, 200, seeded(e, p, "job-1"))
		rest(timeout + 2*time.Minute)
		require.NoError(t, p.Healthy(), "one worker is free")
		require.Equal(t, 200, seeded(e, p, "job-2"))
		require.Equal(t, 200, seeded(e, p, "job-3"))
		rest(timeout)
		require.NoError(t, p.Healthy(), "the second has just been told to stop")
		rest(2 * time.Minute)
		require.ErrorContains(t, p.Healthy(), "all 2 workers run functions that ignore their contexts")
		assert.Len(t, e.Calls(), 2, "the third job waits")
		stats, err := p.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2*timeout+4*time.Minute, stats.OldestCall)
		assert.Equal(t, 2, stats.InFlight)
		oldest, ok := e.Meter.GaugeOf(inbox.MetricOldestCallSeconds)
		assert.True(t, ok)
		assert.InDelta(t, stats.OldestCall.Seconds(), oldest, 15)
		finish()
		rest(time.Minute)
		require.NoError(t, p.Healthy())
		assert.Len(t, e.Records(inbox.StateDone), 3)
		oldest, _ = e.Meter.GaugeOf(inbox.MetricOldestCallSeconds)
		assert.Zero(t, oldest)
	})
}
