package webhook_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func TestScenario27_AnswerLostInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process)
		s.srv.WebhookFault(reductotest.BreakAttempts(1))
		job := p.submit(reducto.Async{})
		rest(time.Minute)
		require.Len(t, s.srv.Deliveries(job.JobID), 2)
		assert.Equal(t, http.StatusOK, s.srv.Deliveries(job.JobID)[1].StatusCode)
		assert.Equal(t, 1, f.count())
		assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
		assert.Equal(t, 1, s.meter.count("deliveries{duplicate}"))
	})
}

func TestScenario28_CrashBeforeClaimInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.make(nil, f.process) // receives, and dies before it claims
		job := p.submit(reducto.Async{Metadata: map[string]any{"user": "7"}})
		rest(time.Second)
		assert.Equal(t, []int{200}, s.codes(job.JobID))
		p.kill()
		rest(time.Hour)
		assert.Equal(t, 0, f.count())

		s.start(f.process)
		synctest.Wait()
		require.Equal(t, 1, f.count())
		assert.JSONEq(t, `{"user":"7"}`, string(f.last().Metadata))
		assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
	})
}

func TestScenario29_CrashBetweenClaimAndCompletionInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		died := newGate()
		first := s.start(func(context.Context, *webhook.Delivery) error { <-died; return nil })
		job := first.submit(reducto.Async{})
		rest(time.Second)
		r := s.record(job.JobID)
		require.Equal(t, webhook.StateClaimed, r.State)
		first.kill()
		close(died)

		var f counter
		claimed := time.Now()
		f.then = func(context.Context, *webhook.Delivery) error {
			assert.Equal(t, r.Token+1, s.record(job.JobID).Token)
			assert.InDelta(t, webhook.DefaultLease.Seconds(), time.Since(claimed).Seconds(), 2, "after the lease")
			return nil
		}
		s.start(f.process)
		rest(2 * webhook.DefaultLease)
		require.Equal(t, 1, f.count())
		assert.Equal(t, 2, f.last().Attempt)
		assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
	})
}

// A process that is paused past its lease neither heartbeats nor finishes; then it
// goes on as if nothing had happened.
func testPaused(t *testing.T, says error) {
	s := newSite(t)
	resume := newGate()
	var late atomic.Bool
	first := s.start(func(context.Context, *webhook.Delivery) error { // it does not heed its context
		<-resume
		late.Store(true)
		return says
	})
	frozen := func(_ context.Context, method string) error { <-resume; return nil }
	job := first.submit(reducto.Async{})
	rest(time.Second)
	require.Equal(t, webhook.StateClaimed, s.record(job.JobID).State)
	first.spy.breaks(frozen, nil)

	second := newGate()
	var f counter
	f.then = func(ctx context.Context, _ *webhook.Delivery) error {
		if says == nil {
			return nil
		}
		<-second // it still works on it when the first one fails
		return ctx.Err()
	}
	s.start(f.process)
	rest(2 * webhook.DefaultLease)
	require.Equal(t, 1, f.count())
	want := s.record(job.JobID)

	close(resume)
	rest(time.Second)
	assert.True(t, late.Load())
	got := s.record(job.JobID)
	want.ReadAt, got.ReadAt = time.Time{}, time.Time{}
	assert.Equal(t, want, got, "the record is unchanged")
	assert.Positive(t, s.meter.count("fenced"))
	close(second)
	rest(time.Hour)
	assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
	assert.Equal(t, 1, f.count())
}

func TestScenario30_PausedPastItsLeaseInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { testPaused(t, nil) })
}

func TestScenario31_PausedThenFailsInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { testPaused(t, errors.New("no luck")) })
}

// A completion that reaches the store after the lease was lost is refused by the
// store, whatever this process believes.
func TestScenario30_StoreFencesInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(func(ctx context.Context, d *webhook.Delivery) error {
			if d.Attempt == 1 {
				s.mem.Advance(2 * webhook.DefaultLease) // the store's clock is not ours
				return nil
			}
			return f.process(ctx, d)
		})
		// Somebody else takes it before the completion arrives.
		taken := make(chan struct{})
		var once sync.Once
		p.spy.breaks(func(ctx context.Context, method string) error {
			if method == "Finish" {
				once.Do(func() {
					claimed, _, err := s.mem.Claim(ctx, 1, time.Hour)
					assert.NoError(t, err)
					assert.Len(t, claimed, 1)
					close(taken)
				})
			}
			return nil
		}, nil)
		job := p.submit(reducto.Async{})
		<-taken
		rest(time.Minute)
		r := s.record(job.JobID)
		assert.Equal(t, webhook.StateClaimed, r.State)
		assert.EqualValues(t, 2, r.Token)
		assert.Equal(t, 1, s.meter.count("fenced"))
		rest(2 * time.Hour)
		assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
		assert.Equal(t, 1, f.count())
	})
}

func TestScenario32_EffectWithoutCompletionInbox(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		inTx bool
		want int
	}{"outside of the store": {false, 2}, "with CompleteTx": {true, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var effects atomic.Int64
				dead := newGate()
				crash := func(p **process) webhook.Func {
					return func(ctx context.Context, d *webhook.Delivery) error {
						if !tt.inTx {
							effects.Add(1)
						} else {
							tx := begin(func() { effects.Add(1) })
							if err := d.CompleteTx(ctx, tx); err != nil {
								return err
							}
							tx.commit()
						}
						if p != nil {
							(*p).kill() // after the effect, before anything else
							<-dead
						}
						return nil
					}
				}
				var first *process
				first = s.makeOn(withTx, nil, crash(&first))
				first.run()
				job := first.submit(reducto.Async{})
				rest(time.Second)
				second := s.makeOn(withTx, nil, crash(nil))
				second.run()
				rest(time.Hour)
				close(dead)
				assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
				assert.EqualValues(t, tt.want, effects.Load())
			})
		})
	}
}

func TestScenario33_HeartbeatFailsInbox(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(gate chan struct{}) func(context.Context, string) error{
		"with an error": func(chan struct{}) func(context.Context, string) error { return only(errDown, "Extend") },
		"slowly": func(chan struct{}) func(context.Context, string) error {
			return hang(time.Hour, "Extend")
		},
		"not at all": func(gate chan struct{}) func(context.Context, string) error { // it does not even heed its context
			return func(_ context.Context, method string) error {
				if method == "Extend" {
					<-gate
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				const lease = time.Minute
				gate := newGate()
				var began time.Time
				told := make(chan time.Duration, 1)
				var calls atomic.Int64
				p := s.start(func(ctx context.Context, d *webhook.Delivery) error {
					if calls.Add(1) > 1 {
						return nil
					}
					began = time.Now()
					<-ctx.Done()
					assert.ErrorIs(t, context.Cause(ctx), webhook.ErrLeaseLost)
					told <- time.Since(began)
					return ctx.Err()
				}, webhook.WithLease(lease))
				p.spy.breaks(breaks(gate), nil)
				job := p.submit(reducto.Async{})
				after := <-told
				assert.Less(t, after, lease-lease/10, "before the lease ends")
				assert.Greater(t, after, lease/2, "but it was tried for a while")
				assert.Equal(t, webhook.StateClaimed, s.record(job.JobID).State)
				p.spy.breaks(nil, nil)
				close(gate)
				rest(2 * lease)
				assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
				assert.EqualValues(t, 2, calls.Load())
				assert.Equal(t, 1, s.meter.count("fenced"))
				synctest.Wait()
				assert.Len(t, s.log.records(slog.LevelWarn, "could not be renewed in time"), 1)
			})
		})
	}

	t.Run("but not for long", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			f.then = func(ctx context.Context, _ *webhook.Delivery) error {
				select {
				case <-time.After(time.Hour):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			p := s.start(f.process, webhook.WithFuncTimeout(2*time.Hour))
			job := p.submit(reducto.Async{})
			for range 6 {
				rest(5 * time.Minute)
				p.spy.breaks(only(errDown, "Extend"), nil)
				rest(2 * time.Minute)
				p.spy.breaks(nil, nil)
			}
			rest(time.Hour)
			assert.Equal(t, 1, f.count(), "one call of an hour")
			assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
			assert.EqualValues(t, 1, s.record(job.JobID).Token)
		})
	})

	t.Run("somebody else has claimed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			causes := make(chan error, 1)
			p := s.start(func(ctx context.Context, d *webhook.Delivery) error {
				if d.Attempt == 1 {
					<-ctx.Done()
					causes <- context.Cause(ctx)
				}
				return nil
			})
			p.submit(reducto.Async{})
			rest(time.Second)
			s.mem.Advance(2 * webhook.DefaultLease)
			_, _, err := s.mem.Claim(t.Context(), 1, time.Minute)
			require.NoError(t, err)
			require.ErrorIs(t, <-causes, webhook.ErrLeaseLost)
			rest(time.Hour)
			assert.Len(t, s.records(webhook.StateDone), 1)
		})
	})
}

// rude is an error whose methods misbehave.
type rude struct{ is, text func() }

func (r rude) Error() string {
	if r.text != nil {
		r.text()
	}
	return "rude"
}

func (r rude) Is(error) bool {
	if r.is != nil {
		r.is()
	}
	return false
}

func TestScenario34_PoisonInbox(t *testing.T) {
	t.Parallel()
	var nothingThere map[string]int
	for name, tt := range map[string]struct {
		poison func() error
		want   string
		stack  bool
	}{
		"panic":                    {func() error { panic("poison") }, "the function panicked: poison", true},
		"panic(nil)":               {func() error { panic(nil) }, "the function panicked: ", true},
		"runtime error":            {func() error { nothingThere["a"] = 1; return nil }, "nil map", true},
		"Goexit":                   {func() error { runtime.Goexit(); return nil }, "Goexit", false},
		"error whose Is panics":    {func() error { return rude{is: func() { panic("is") }} }, "panicked: is", true},
		"error whose Is exits":     {func() error { return rude{is: runtime.Goexit} }, "Goexit", false},
		"error whose text panics":  {func() error { return rude{text: func() { panic("text") }} }, "PANIC", false},
		"error whose text exits":   {func() error { return rude{text: runtime.Goexit} }, "Goexit", false},
		"panic whose text panics":  {func() error { panic(rude{text: func() { panic("text") }}) }, "PANIC", true},
		"a permanent one it wraps": {func() error { return webhook.Permanent(errors.New("bad document")) }, "bad document", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var poisoned string
				var calls atomic.Int64
				var others counter
				p := s.make(nil, func(ctx context.Context, d *webhook.Delivery) error {
					if d.JobID == poisoned {
						calls.Add(1)
						return tt.poison()
					}
					return others.process(ctx, d)
				}, webhook.WithWorkers(2), webhook.WithJobLife(2*time.Hour, time.Hour))
				poisoned = p.submit(reducto.Async{}).JobID
				p.run()
				for range 5 {
					p.submit(reducto.Async{})
				}
				rest(2 * time.Hour)
				r := s.record(poisoned)
				require.Equal(t, webhook.StateDead, r.State)
				assert.Contains(t, r.Error, tt.want)
				assert.Equal(t, 5, others.count(), "the others are unaffected")
				assert.Equal(t, 1, s.meter.count("dead"))
				if name == "a permanent one it wraps" {
					assert.EqualValues(t, 1, calls.Load())
					assert.Equal(t, 1, s.meter.count("handled{permanent}"))
				} else {
					assert.Greater(t, calls.Load(), int64(5))
					assert.EqualValues(t, r.Attempt, calls.Load())
				}
				if tt.stack {
					assert.Contains(t, r.Error, "TestScenario34", "the stack is kept")
				}
				assert.Len(t, s.log.records(slog.LevelError, "dead: "), 1)
			})
		})
	}
}
