package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
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

func TestNewInboxRefuses(t *testing.T) {
	t.Parallel()
	secret := newSecret(t, testSecret)
	store := webhook.NewMemoryStore()
	var noStore *webhook.MemoryStore
	_, err := webhook.NewInbox(nil, store, nothing)
	require.ErrorContains(t, err, "the verifier")
	_, err = webhook.NewInbox(new(webhook.Secret), store, nothing)
	require.ErrorContains(t, err, "the verifier")
	for _, s := range []webhook.Store{nil, noStore} {
		_, err = webhook.NewInbox(secret, s, nothing)
		require.ErrorContains(t, err, "the store: it is nil")
	}
	_, err = webhook.NewInbox(secret, store, nil)
	require.ErrorContains(t, err, "the function: it is nil")

	client, err := reducto.NewClient(reducto.WithAPIKey("key"))
	require.NoError(t, err)
	for want, opt := range map[string]webhook.Option{
		"an option is nil":                       nil,
		"WithClient is for a Handler":            webhook.WithClient(client),
		"WithJoinTimeout is for a Handler":       webhook.WithJoinTimeout(time.Second),
		"WithRemember is for a Handler":          webhook.WithRemember(time.Hour, 1),
		"WithWorkers: 0 is not positive":         webhook.WithWorkers(0),
		"WithLease: a lease shorter":             webhook.WithLease(time.Second - 1),
		"WithBackoff: 0s is not positive":        webhook.WithBackoff(0, time.Second),
		"WithBackoff: -1ns is not positive":      webhook.WithBackoff(1, -1),
		"WithJobLife: 1h0m0s before the end":     webhook.WithJobLife(time.Hour, time.Hour),
		"WithJobLife: -1ns before the end":       webhook.WithJobLife(time.Hour, -1),
		"WithJobLife: 0s before the end of 0s":   webhook.WithJobLife(0, 0),
		"WithRetention: 0s is not positive":      webhook.WithRetention(time.Hour, 0),
		"WithIntakeTimeout: 0s is not positive":  webhook.WithIntakeTimeout(0, 1),
		"WithSweeps: 0s and 1 are not both":      webhook.WithSweeps(0, 1),
		"WithSweeps: 1s and -1 are not both":     webhook.WithSweeps(time.Second, -1),
		"WithPoll: 0s is not positive":           webhook.WithPoll(0),
		"WithObserver: the observer is nil":      webhook.WithObserver(nil),
		"WithMaxBodyBytes: 0 is not positive":    webhook.WithMaxBodyBytes(0),
		"WithFuncTimeout: 0s is not positive":    webhook.WithFuncTimeout(0),
		"WithLogger: the logger is nil":          webhook.WithLogger(nil),
		"WithRetryAfter: 0s is not positive":     webhook.WithRetryAfter(0),
		"WithReadTimeout: -1ns is not positive":  webhook.WithReadTimeout(-1),
		"WithIntakeTimeout: -1s is not positive": webhook.WithIntakeTimeout(1, -time.Second),
	} {
		in, err := webhook.NewInbox(secret, store, nothing, opt)
		require.ErrorContains(t, err, want)
		assert.Nil(t, in)
		refused := new(reducto.RequestError)
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "webhook.NewInbox", refused.Op)
	}
	for name, opt := range map[string]webhook.Option{
		"WithWorkers": webhook.WithWorkers(1), "WithLease": webhook.WithLease(time.Hour), "WithBackoff": webhook.WithBackoff(1, 2),
		"WithJobLife": webhook.WithJobLife(2, 1), "WithRetention": webhook.WithRetention(1, 1), "WithIntakeTimeout": webhook.WithIntakeTimeout(1, 1),
		"WithSweeps": webhook.WithSweeps(1, 1), "WithPoll": webhook.WithPoll(1), "WithObserver": webhook.WithObserver(newMeter()),
	} {
		_, err := webhook.NewHandler(secret, nothing, opt)
		require.ErrorContains(t, err, name+" is for an Inbox")
		_, err = webhook.NewInbox(secret, store, nothing, opt)
		require.NoError(t, err, name)
	}
}

func TestRunAtTheWrongTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.make(nil, f.process)
		require.ErrorContains(t, p.Run(t.Context(), nil), "client")
		require.ErrorContains(t, p.RunOnce(t.Context(), nil), "client")
		require.ErrorContains(t, p.Healthy(), "not running")
		require.NoError(t, p.Ready(t.Context()))

		ctx, cancel := context.WithCancelCause(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- p.Run(ctx, p.client) }()
		synctest.Wait()
		require.NoError(t, p.Healthy())
		require.ErrorContains(t, p.Run(t.Context(), p.client), "running already")
		require.ErrorContains(t, p.RunOnce(t.Context(), p.client), "running already")
		reason := errors.New("enough")
		cancel(reason)
		require.ErrorIs(t, <-ran, reason)
		require.ErrorContains(t, p.Healthy(), "not running")

		// It can run again, and receives all the while.
		job := p.submit(reducto.Async{})
		rest(time.Minute)
		assert.Equal(t, []int{200}, s.codes(job.JobID))
		assert.Equal(t, 0, f.count())
		go func() { ran <- p.Run(t.Context(), p.client) }()
		rest(time.Minute)
		assert.Equal(t, 1, f.count())
		require.NoError(t, p.Shutdown(t.Context()))
		require.NoError(t, <-ran)
		require.ErrorContains(t, p.Run(t.Context(), p.client), "shut down")
		require.ErrorContains(t, p.RunOnce(t.Context(), p.client), "shut down")

		ended, stop := context.WithCancel(t.Context())
		stop()
		q := s.make(nil, nothing)
		require.ErrorIs(t, q.Run(ended, q.client), context.Canceled)
		require.ErrorIs(t, q.RunOnce(ended, q.client), context.Canceled)
	})
}

func TestRunOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		f.then = func(_ context.Context, d *webhook.Delivery) error {
			time.Sleep(time.Second)
			if d.Attempt == 1 && strings.Contains(string(d.Metadata), "fail") {
				return errors.New("not now")
			}
			return nil
		}
		p := s.make(nil, f.process, webhook.WithBackoff(10*time.Second, time.Minute))
		require.NoError(t, p.RunOnce(t.Context(), p.client), "nothing to do")

		for range 5 {
			p.submit(reducto.Async{})
		}
		rest(100 * time.Millisecond)
		s.srv.WebhookFault(reductotest.Lose())
		lost := p.submit(reducto.Async{})
		rest(100 * time.Millisecond)
		failing := p.submit(reducto.Async{Metadata: map[string]bool{"fail": true}})
		rest(100 * time.Millisecond)
		began := time.Now()
		require.NoError(t, p.RunOnce(t.Context(), p.client))
		assert.Equal(t, 6, f.count())
		assert.Less(t, time.Since(began), 5*time.Second, "it does not wait for what is due later")
		assert.Equal(t, webhook.StateReceived, s.record(failing.JobID).State)
		assert.Equal(t, webhook.StatePending, s.record(lost.JobID).State)

		rest(time.Minute)
		require.NoError(t, p.RunOnce(t.Context(), p.client))
		assert.Equal(t, 8, f.count(), "the one that failed, and the one that was not announced")
		assert.Len(t, s.records(webhook.StateDone), 7)

		// Another process may follow at once.
		s.srv.WebhookFault(reductotest.Lose())
		p.submit(reducto.Async{})
		rest(2 * time.Minute)
		first := s.make(nil, f.process)
		require.NoError(t, first.RunOnce(t.Context(), first.client))
		assert.Equal(t, 9, f.count())
		require.NoError(t, first.Track(t.Context(), s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})))
		second := s.make(nil, f.process)
		require.NoError(t, second.RunOnce(t.Context(), second.client))
		assert.Equal(t, 10, f.count(), "the right to sweep was given up")

		// Its errors are those of the store and the API.
		second.spy.breaks(only(errDown, "Claim"), nil)
		require.ErrorIs(t, second.RunOnce(t.Context(), second.client), errDown)
		second.spy.breaks(only(errDown, "Overdue"), nil)
		require.ErrorIs(t, second.RunOnce(t.Context(), second.client), errDown)
		second.spy.breaks(nil, nil)
		require.NoError(t, second.Track(t.Context(), s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})))
		s.srv.SetAPIKey("another")
		require.ErrorIs(t, second.RunOnce(t.Context(), second.client), reducto.ErrUnauthorized)
	})
}

func TestTrack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process)
		s.srv.Hold()
		job := s.srv.SeedJob(reductotest.SeedJob{})
		require.NoError(t, p.Track(t.Context(), job))
		require.NoError(t, p.Track(t.Context(), job))
		rest(time.Minute)
		assert.Equal(t, 0, f.count())
		s.srv.Complete(job)
		r, err := p.Wait(t.Context(), job)
		require.NoError(t, err)
		assert.Equal(t, webhook.OutcomeCompleted, r.Outcome)
		rest(time.Minute)
		require.Equal(t, 1, f.count())
		assert.Equal(t, job, f.last().JobID)
		assert.Zero(t, s.meter.count("reconciled"), "no delivery was expected")
		require.NoError(t, p.Track(t.Context(), job), "it is known already")
		rest(time.Minute)
		assert.Equal(t, 1, f.count())

		// Without a public URL it is the same for what is submitted here.
		job2 := p.submit(reducto.Async{Webhook: reducto.NoWebhook(), Metadata: map[string]int{"order": 17}})
		s.srv.Complete(job2.JobID)
		rest(time.Minute)
		require.Equal(t, 2, f.count())
		assert.JSONEq(t, `{"order":17}`, string(f.last().Metadata))
		assert.Empty(t, s.codes(job2.JobID))

		for _, id := range []string{"", "../x", strings.Repeat("x", 129)} {
			refused := new(reducto.RequestError)
			require.ErrorAs(t, p.Track(t.Context(), id), &refused)
			_, err := p.Wait(t.Context(), id)
			require.ErrorAs(t, err, &refused)
		}
		p.spy.breaks(only(errDown, "Submit", "List"), nil)
		require.ErrorIs(t, p.Track(t.Context(), jobA), errDown)
		_, err = p.Wait(t.Context(), jobA)
		require.ErrorIs(t, err, errDown)
	})
}

func TestInboxWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		release := newGate()
		p := s.start(func(context.Context, *webhook.Delivery) error { <-release; return nil })
		_, err := p.Wait(t.Context(), jobA)
		require.ErrorIs(t, err, reducto.ErrNotFound)

		s.srv.Hold()
		job := p.submit(reducto.Async{})
		reason := errors.New("no patience")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, reason)
		defer cancel()
		r, err := p.Wait(ctx, job.JobID)
		require.ErrorIs(t, err, reason)
		assert.Equal(t, webhook.StatePending, r.State)

		began := time.Now()
		go func() { time.Sleep(1500 * time.Millisecond); s.srv.Complete(job.JobID) }()
		r, err = p.Wait(t.Context(), job.JobID)
		require.NoError(t, err)
		assert.Equal(t, 1500*time.Millisecond, time.Since(began).Round(100*time.Millisecond), "the delivery wakes it")
		assert.NotEqual(t, webhook.StateDone, r.State, "the function may still run")
		close(release)

		// Another process is not woken, and asks.
		job = p.submit(reducto.Async{})
		other := s.make(nil, nothing)
		s.mount(p)
		go func() { time.Sleep(1500 * time.Millisecond); s.srv.Fail(job.JobID, "it did not work") }()
		began = time.Now()
		r, err = other.Wait(t.Context(), job.JobID)
		ended := new(webhook.OutcomeError)
		require.ErrorAs(t, err, &ended)
		require.NotErrorIs(t, err, reducto.ErrExpired)
		assert.Equal(t, webhook.OutcomeFailed, ended.Record.Outcome)
		assert.Equal(t, job.JobID, r.JobID)
		assert.LessOrEqual(t, time.Since(began), 4*time.Second)
	})
}

func TestDeadAreListedCountedAndReplayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		f.err = webhook.Permanent(errors.New("unusable"))
		p := s.start(f.process)
		const jobs = 25
		for range jobs {
			p.submit(reducto.Async{Metadata: map[string]int{"order": 17}})
		}
		rest(time.Minute)
		require.Equal(t, jobs, f.count(), "once each")
		dead := slices.Collect(first(p.List(t.Context(), webhook.Filter{States: []webhook.State{webhook.StateDead}, Limit: 10})))
		require.Len(t, dead, jobs)
		assert.True(t, slices.IsSortedFunc(dead, func(a, b webhook.Record) int { return strings.Compare(a.Key, b.Key) }))
		for _, r := range dead {
			assert.Equal(t, "unusable", r.Error)
			assert.Equal(t, webhook.OutcomeCompleted, r.Outcome)
		}
		for range p.List(t.Context(), webhook.Filter{}) {
			break // whoever stops is not called again
		}
		stats, err := p.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, jobs, stats.Store.Count[webhook.StateDead])
		assert.Equal(t, jobs, s.meter.count("dead"))
		rest(20 * time.Second)
		assert.InDelta(t, jobs, s.meter.gauge("records{dead}"), 0)

		f.err = nil
		err = p.Replay(t.Context(), dead[0].Key, "nobody", dead[1].Key)
		require.ErrorContains(t, err, `no dead record "nobody"`)
		rest(time.Minute)
		assert.Equal(t, jobs+2, f.count())
		assert.Equal(t, 1, f.last().Attempt, "as if for the first time")
		assert.Len(t, s.records(webhook.StateDone), 2)
		require.Error(t, p.Replay(t.Context(), dead[0].Key), "it is done")

		p.spy.breaks(only(errDown, "List", "Replay", "Stats"), nil)
		require.ErrorIs(t, p.Replay(t.Context(), dead[2].Key), errDown)
		_, err = p.Stats(t.Context())
		require.ErrorIs(t, err, errDown)
		for _, err := range p.List(t.Context(), webhook.Filter{}) {
			require.ErrorIs(t, err, errDown)
		}
		rest(time.Minute) // gauges wait
	})
}

// first are the records of a list that has no error.
func first(list iter.Seq2[webhook.Record, error]) iter.Seq[webhook.Record] {
	return func(yield func(webhook.Record) bool) {
		for r, err := range list {
			if err != nil || !yield(r) {
				return
			}
		}
	}
}

func TestBackoffAndGivingUp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts     []webhook.Option
		late     time.Duration // between the submission and the delivery
		min, max int           // attempts
		pause    func(n int) time.Duration
	}{
		"default": {
			min: 15, max: 40,
			pause: func(n int) time.Duration { return min(time.Second<<min(n-1, 20), 10*time.Minute) },
		},
		"as told": {
			opts: []webhook.Option{webhook.WithBackoff(time.Minute, 4*time.Minute), webhook.WithJobLife(2*time.Hour, 30*time.Minute)},
			min:  20, max: 50,
			pause: func(n int) time.Duration { return min(time.Minute<<min(n-1, 20), 4*time.Minute) },
		},
		"longest shorter than first": {
			opts: []webhook.Option{webhook.WithBackoff(10*time.Minute, time.Minute), webhook.WithJobLife(3*time.Hour, time.Hour)},
			min:  11, max: 25,
			pause: func(int) time.Duration { return 10 * time.Minute },
		},
		"too late for more than three": {
			opts: []webhook.Option{webhook.WithJobLife(time.Hour, time.Minute), webhook.WithSweeps(10*time.Hour, 1)},
			late: 2 * time.Hour, min: 3, max: 3,
			pause: func(n int) time.Duration { return time.Second << (n - 1) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, reductotest.WithJobTTL(1000*time.Hour))
				var calls []time.Time
				p := s.start(func(_ context.Context, d *webhook.Delivery) error {
					calls = append(calls, time.Now())
					assert.Equal(t, len(calls), d.Attempt)
					return errors.New("no luck")
				}, tt.opts...)
				if tt.late > 0 {
					s.srv.WebhookFault(reductotest.DelayBy(tt.late))
				}
				began := time.Now()
				job := p.submit(reducto.Async{})
				jumped := 0 // attempts before time was made to jump
				const jump = 9*time.Hour + 40*time.Minute
				if name == "default" {
					rest(time.Hour)
					s.mem.Advance(jump)
					jumped = len(calls)
				}
				for s.record(job.JobID).State != webhook.StateDead {
					rest(5 * time.Minute)
				}
				assert.GreaterOrEqual(t, len(calls), tt.min)
				assert.LessOrEqual(t, len(calls), tt.max)
				for n := 1; n < len(calls); n++ {
					if n == jumped {
						continue
					}
					pause, about := calls[n].Sub(calls[n-1]), tt.pause(n)
					assert.GreaterOrEqual(t, pause, about/2, "after attempt %d", n)
					assert.LessOrEqual(t, pause, about+2*time.Second, "after attempt %d", n)
				}
				if name == "default" {
					last := calls[len(calls)-1].Sub(began) + jump
					assert.LessOrEqual(t, last, 11*time.Hour, "an hour before the service forgets the job")
					assert.Greater(t, last, 10*time.Hour+40*time.Minute)
				}
			})
		})
	}
}

func TestScenario51_ShutdownWithRunningFunctionsInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		f.then = func(ctx context.Context, _ *webhook.Delivery) error {
			select {
			case <-time.After(10 * time.Second):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		p := s.make(nil, f.process, webhook.WithWorkers(2))
		p.run()
		for range 5 {
			p.submit(reducto.Async{})
		}
		rest(time.Second)
		require.Equal(t, 2, f.count())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		down := make(chan error, 1)
		began := time.Now()
		go func() { down <- p.Shutdown(ctx) }()
		rest(time.Second)
		late := p.submit(reducto.Async{})
		rest(time.Second)
		assert.Equal(t, []int{200}, s.codes(late.JobID), "intake is open, and durable")
		require.NoError(t, <-down)
		assert.Less(t, time.Since(began), 10*time.Second)
		require.NoError(t, <-p.ran)
		p.ran <- nil
		assert.Len(t, s.records(webhook.StateDone), 2, "those that ran have ended in time")
		assert.Len(t, s.records(webhook.StateReceived), 4, "the others were not begun")
		assert.Equal(t, 2, f.count())

		s.start(f.process)
		rest(20 * time.Second) // far less than a lease
		assert.Len(t, s.records(webhook.StateDone), 6)
	})

	t.Run("that do not end in time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			stopped := make(chan error, 1)
			p := s.make(nil, func(ctx context.Context, _ *webhook.Delivery) error {
				<-ctx.Done()
				stopped <- context.Cause(ctx)
				return ctx.Err()
			})
			p.run()
			job := p.submit(reducto.Async{})
			rest(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			left := new(webhook.ShutdownError)
			require.ErrorAs(t, p.Shutdown(ctx), &left)
			assert.Equal(t, 1, left.Remaining)
			require.ErrorIs(t, left, context.DeadlineExceeded)
			require.ErrorIs(t, <-stopped, webhook.ErrShutdown)
			synctest.Wait()
			r := s.record(job.JobID)
			assert.Equal(t, webhook.StateReceived, r.State, "given back at once")
			assert.Zero(t, r.Attempt, "and not counted")
			assert.Equal(t, 1, s.meter.count("handled{shutdown}"))
			require.NoError(t, p.Shutdown(t.Context()))
		})
	})

	t.Run("that do not even then", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			release := newGate()
			p := s.make(nil, func(context.Context, *webhook.Delivery) error { <-release; return nil })
			p.run()
			job := p.submit(reducto.Async{})
			rest(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			require.Error(t, p.Shutdown(ctx))
			rest(time.Hour)
			left := new(webhook.ShutdownError)
			require.ErrorAs(t, p.Shutdown(ctx), &left)
			assert.Equal(t, 1, left.Remaining)
			close(release)
			require.NoError(t, p.Shutdown(t.Context()))
			assert.Equal(t, webhook.StateDone, s.record(job.JobID).State, "it held its lease all the while")
		})
	})

	t.Run("while the API does not answer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			p := s.start(f.process)
			s.srv.Fault("GET /job", reductotest.Stall().Always())
			job := p.submit(reducto.Async{})
			rest(time.Second)
			began := time.Now()
			require.NoError(t, p.Shutdown(t.Context()))
			assert.Zero(t, time.Since(began), "nothing was begun, nothing is waited for")
			assert.Equal(t, webhook.StateReceived, s.record(job.JobID).State)
			assert.Equal(t, 0, f.count())
		})
	})

	t.Run("when Run's context ends", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			p := s.make(nil, func(ctx context.Context, _ *webhook.Delivery) error {
				<-ctx.Done()
				return context.Cause(ctx)
			})
			p.run()
			job := p.submit(reducto.Async{})
			rest(time.Second)
			p.stop()
			require.ErrorIs(t, <-p.ran, context.Canceled)
			p.ran <- nil
			assert.Equal(t, webhook.StateReceived, s.record(job.JobID).State)
			assert.Zero(t, s.record(job.JobID).Attempt)
		})
	})
}

func TestScenario52_ShutdownWithAFullQueueInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		calls := new(byJob)
		f := func(_ context.Context, d *webhook.Delivery) error {
			time.Sleep(time.Second)
			calls.add(d.JobID)
			return nil
		}
		p := s.make(nil, f, webhook.WithWorkers(2))
		p.run()
		const jobs = 200
		go func() {
			for range jobs {
				p.submit(reducto.Async{})
				time.Sleep(50 * time.Millisecond)
			}
		}()
		rest(5 * time.Second)
		require.NoError(t, p.Shutdown(t.Context()))
		rest(time.Minute)
		received := len(s.records(webhook.StateReceived, webhook.StateDone))
		assert.Equal(t, jobs, received, "what arrived during and after Shutdown is there too")
		for _, j := range s.srv.Jobs() {
			assert.Equal(t, []int{200}, s.codes(j.ID))
		}
		s.start(f, webhook.WithWorkers(50))
		rest(time.Minute)
		assert.Len(t, s.records(webhook.StateDone), jobs)
		for _, j := range s.srv.Jobs() {
			assert.Equal(t, 1, calls.of(j.ID))
		}
	})
}

func TestScenario53_ShutdownAtAnyTimeInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		expired, cancel := context.WithCancel(t.Context())
		cancel()
		p := s.make(nil, nothing)
		require.NoError(t, p.Shutdown(expired), "before Run there is nothing to wait for")
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { assert.NoError(t, p.Shutdown(t.Context())) })
		}
		all.Wait()
		require.Error(t, p.Run(t.Context(), p.client))
		requireAnswer(t, post(p, genuine(jobA)), http.StatusOK)

		release := newGate()
		q := s.make(nil, func(context.Context, *webhook.Delivery) error { <-release; return nil })
		q.run()
		s.srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
		rest(time.Second)
		left := new(webhook.ShutdownError)
		require.ErrorAs(t, q.Shutdown(expired), &left)
		assert.Equal(t, 1, left.Remaining)
		require.ErrorAs(t, q.Shutdown(expired), &left)
		close(release)
		for range 10 {
			all.Go(func() { assert.NoError(t, q.Shutdown(t.Context())) })
		}
		all.Wait()
		require.NoError(t, q.Shutdown(expired), "it is over")
	})

	t.Run("with an observer that is stuck", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			stuck := newGate()
			in, err := webhook.NewInbox(newSecret(t, testSecret), durable{webhook.NewMemoryStore()}, nothing,
				webhook.WithObserver(observerFunc(func(string, string, float64) { <-stuck })))
			require.NoError(t, err)
			requireAnswer(t, post(in, genuine(jobA)), http.StatusOK)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			left := new(webhook.ShutdownError)
			require.ErrorAs(t, in.Shutdown(ctx), &left)
			assert.Zero(t, left.Remaining)
			close(stuck)
			require.NoError(t, in.Shutdown(t.Context()))
		})
	})
}

func TestScenario54_NoGoroutinesLeftInbox(t *testing.T) { // not parallel: it counts
	srv := reductotest.NewServer(t)
	client := srv.Client()
	before := runtime.NumGoroutine()
	inboxes := make([]*webhook.Inbox, 30)
	for i := range inboxes {
		in, err := webhook.NewInbox(newSecret(t, testSecret), durable{webhook.NewMemoryStore()}, func(context.Context, *webhook.Delivery) error {
			if i%2 == 0 {
				return nil
			}
			return errors.New("no luck")
		}, webhook.WithLogger(newLogBook(t).logger()), webhook.WithObserver(newMeter()))
		require.NoError(t, err)
		inboxes[i] = in
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before, "none from NewInbox alone")
	var all sync.WaitGroup
	srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
	for _, in := range inboxes {
		all.Go(func() {
			if err := in.Run(context.Background(), client); err != nil {
				assert.ErrorContains(t, err, "the inbox was shut down") // before it ran
			}
		})
		requireAnswer(t, post(in, genuine(jobA)), http.StatusOK)
		requireAnswer(t, post(in, payload("Completed", jobA, `{}`)), http.StatusUnauthorized)
	}
	time.Sleep(50 * time.Millisecond)
	for _, in := range inboxes {
		all.Go(func() { assert.NoError(t, in.Shutdown(t.Context())) })
	}
	all.Wait()
	for _, in := range inboxes {
		require.NoError(t, in.Shutdown(t.Context()))
	}
	client.CloseIdleConnections()
	assert.Empty(t, leftovers(2*time.Second))
}

// notifier is a Store that tells of what others receive.
type notifier struct {
	webhook.Store
	mu   sync.Mutex
	wake func()
	fail chan error
}

func (n *notifier) Notify(ctx context.Context, wake func()) error {
	n.mu.Lock()
	n.wake = wake
	n.mu.Unlock()
	select {
	case err := <-n.fail:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestNotifier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		store := &notifier{fail: make(chan error)}
		var f counter
		p := s.makeOn(func(inner webhook.Store) webhook.Store { store.Store = inner; return store }, nil, f.process, webhook.WithPoll(time.Hour))
		p.run()
		other := s.make(nil, nothing) // receives
		jobID := s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		rest(time.Minute)
		requireAnswer(t, post(other, genuine(jobID)), http.StatusOK)
		rest(time.Minute)
		require.Equal(t, 0, f.count(), "nobody told")
		store.wake()
		synctest.Wait()
		assert.Equal(t, 1, f.count())

		// Notifications that break are taken up again, and meanwhile the store is asked.
		store.fail <- errDown
		synctest.Wait()
		assert.NotEmpty(t, s.log.records(slog.LevelWarn, "notifications broke"))
		rest(time.Minute)
		store.fail <- fmt.Errorf("again: %w", errDown)
		jobID = s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		requireAnswer(t, post(other, genuine(jobID)), http.StatusOK)
		rest(2 * time.Hour)
		assert.Equal(t, 2, f.count())
	})
}

func TestWithoutRefetchInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process, webhook.WithoutRefetch())
		requireAnswer(t, post(p, payload("Failed", jobA, signed())), http.StatusOK)
		rest(time.Minute)
		require.Equal(t, 1, f.count())
		assert.Equal(t, webhook.OutcomeFailed, f.last().Outcome)
		assert.Empty(t, s.srv.RequestsTo("GET /job"))
		_, err := f.last().Job(t.Context())
		require.ErrorIs(t, err, reducto.ErrExpired, "there is a client to ask")
		s.srv.SeedJob(reductotest.SeedJob{ID: jobB, Status: "Completed"})
		requireAnswer(t, post(p, payload("Vanished", jobB, signed())), http.StatusOK)
		rest(time.Minute)
		require.Equal(t, 2, f.count())
		assert.Equal(t, webhook.OutcomeCompleted, f.last().Outcome, "an unknown status is asked about all the same")
	})
}

func TestResubmissionIsProcessedOnceInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process)
		s.srv.Fault("POST /parse_async", reductotest.LoseAnswer())
		_, err := p.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
		unknown := new(reducto.UnknownOutcomeError)
		require.ErrorAs(t, err, &unknown)
		// The user sends the same submission again.
		job := p.submit(reducto.Async{SubmissionID: unknown.SubmissionID})
		require.Equal(t, unknown.SubmissionID, job.SubmissionID)
		rest(time.Hour)
		require.Len(t, s.srv.Jobs(), 2)
		require.Equal(t, 1, f.count())
		assert.Equal(t, unknown.SubmissionID, f.last().SubmissionID)
		assert.Len(t, s.records(), 1)
	})
}

func TestMetadataOfTheSubmissionWhenASweepFindsTheJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process)
		s.srv.WebhookFault(reductotest.Lose())
		p.submit(reducto.Async{Metadata: map[string]any{"order": 17}})
		rest(10 * time.Minute)
		require.Equal(t, 1, f.count())
		d := f.last()
		assert.JSONEq(t, `{"order":17}`, string(d.Metadata))
		var m struct{ Order int }
		require.NoError(t, d.DecodeMetadata(&m))
		assert.Equal(t, 17, m.Order)
		assert.Equal(t, reducto.JobStatusCompleted, d.Status)
	})
}
