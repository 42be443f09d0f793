package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
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

// pending records a job of the service's whose delivery is expected.
func (s *site) pending(jobID string) {
	s.t.Helper()
	ctx := s.t.Context()
	require.NoError(s.t, s.mem.Submit(ctx, webhook.Submitted{ID: "s-" + jobID, Webhook: true, LookAfter: time.Minute}))
	require.NoError(s.t, s.mem.Bind(ctx, "s-"+jobID, jobID, 1))
}

func TestScenario55_ManyPendingJobsInbox(t *testing.T) {
	t.Parallel()
	t.Run("the list serves them all", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			jobs := 100_000
			if testing.Short() || raceEnabled {
				jobs = 5_000
			}
			s := newSite(t)
			for i := range jobs {
				if i%1000 == 999 {
					time.Sleep(time.Millisecond)
				}
				s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"}))
			}
			var f counter
			p := s.start(f.process, webhook.WithWorkers(64), webhook.WithoutRefetch())
			began := time.Now()
			for f.count() < jobs && time.Since(began) < time.Hour {
				rest(time.Second)
			}
			assert.Equal(t, jobs, f.count())
			lists, gets := s.srv.RequestsTo("GET /jobs"), s.srv.RequestsTo("GET /job")
			assert.LessOrEqual(t, len(lists), jobs/500+1)
			assert.LessOrEqual(t, len(gets), 2)
			assert.GreaterOrEqual(t, lists[len(lists)-1].Time.Sub(lists[0].Time), time.Duration(len(lists)-1)*time.Second/2, "2 requests a second")
			assert.Equal(t, jobs, s.meter.count("reconciled"))
			require.NoError(t, p.Healthy())
		})
	})

	t.Run("fewer than there are pages", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			s.start(f.process)
			for i := range 10 {
				s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"}))
			}
			for range 20 { // 20 pages of other jobs
				time.Sleep(2 * time.Second)
				for range 500 {
					s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
				}
			}
			rest(time.Minute)
			assert.Equal(t, 10, f.count())
			assert.LessOrEqual(t, len(s.srv.RequestsTo("GET /jobs")), 2, "the list is not worth it")
		})
	})

	t.Run("a few are asked for at once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			s.start(f.process)
			for i := range 2 {
				s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"}))
			}
			rest(2 * time.Minute)
			assert.Equal(t, 2, f.count())
			assert.Empty(t, s.srv.RequestsTo("GET /jobs"))
		})
	})
}

func TestScenario56_TooManyRequestsInbox(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func() string{
		"in seconds":   func() string { return "120" },
		"as a date":    func() string { return time.Now().Add(2*time.Minute + 30*time.Second).UTC().Format(http.TimeFormat) },
		"without":      func() string { return "" },
		"beyond bound": func() string { return "31536000" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var f counter
				s.start(f.process)
				s.srv.SetProcessingTime(time.Hour)
				for i := range 20 {
					s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"}))
				}
				rest(50 * time.Second)
				fault := reductotest.Status(429)
				if v := after(); v != "" {
					fault = fault.Header("Retry-After", v)
				}
				s.srv.Fault("GET /", fault.Always())
				rest(40 * time.Second)
				refused := len(s.srv.Requests())
				assert.Positive(t, refused)
				if name == "without" {
					assert.LessOrEqual(t, refused, 10)
				} else {
					assert.Equal(t, 1, refused, "no hammering, of no job")
				}
				rest(70 * time.Second)
				if name != "without" {
					assert.Len(t, s.srv.Requests(), refused, "it waits")
				}
				s.srv.ClearFaults()
				rest(time.Hour)
				assert.Equal(t, 20, f.count())
				assert.Equal(t, 20, s.meter.count("reconciled"))
				assert.Positive(t, s.meter.count("polls{rate_limited}"))
				assert.Zero(t, s.meter.count("outcomes{expired}"))
			})
		})
	}

	t.Run("by the workers", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			p := s.make(nil, f.process)
			p.client = s.srv.Client(reducto.WithMaxRetries(0))
			p.run()
			s.srv.Fault("GET /job", reductotest.Status(429).Header("Retry-After", "120").Always())
			for i := range 100 {
				id := s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"})
				requireAnswer(t, post(p, genuine(id)), http.StatusOK)
			}
			rest(100 * time.Second)
			assert.LessOrEqual(t, len(s.srv.RequestsTo("GET /job")), webhook.DefaultWorkers+1, "one refusal is for all")
			s.srv.ClearFaults()
			rest(time.Hour)
			assert.Equal(t, 100, f.count())
		})
	})
}

func TestScenario57_NonsenseWhilePollingInbox(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]reductotest.Fault{
		"HTML 502":     reductotest.HTML(502),
		"empty 200":    reductotest.Status(200).Body("application/json", ""),
		"HTML 200":     reductotest.HTML(200),
		"HTML 404":     reductotest.HTML(404),
		"dropped":      reductotest.Drop(),
		"503":          reductotest.Status(503),
		"408":          reductotest.Status(408),
		"cut":          reductotest.Truncate(10),
		"a lost 12th":  reductotest.LoseAnswer(),
		"another form": reductotest.Status(200).JSON(`{"jobs":17}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var f counter
				p := s.start(f.process)
				s.srv.WebhookFault(reductotest.Lose())
				alone := p.submit(reducto.Async{}) // asked for
				s.srv.Fault("GET /", fault.Always())
				rest(2 * time.Minute)
				for i := range 5 { // listed
					s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"}))
				}
				// Announced, but the end cannot be read.
				announced := s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
				requireAnswer(t, post(p, genuine(announced)), http.StatusOK)
				rest(30 * time.Minute)
				assert.Equal(t, 0, f.count(), "nothing is marked")
				assert.Equal(t, webhook.StatePending, s.record(alone.JobID).State)
				s.srv.ClearFaults()
				rest(time.Hour)
				assert.Equal(t, 7, f.count())
				assert.Equal(t, 7, s.meter.count("outcomes{completed}"))
				assert.Positive(t, s.meter.count("polls{error}")+s.meter.count("polls{not_found}"))
			})
		})
	}
}

func TestScenario58_KeyRevokedInbox(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(s *site) func(){
		"401": func(s *site) func() {
			s.srv.SetAPIKey("another")
			key := "test"
			return func() { s.srv.SetAPIKey(key) }
		},
		"403": func(s *site) func() {
			s.srv.Fault("GET /", reductotest.Status(403).Always())
			return s.srv.ClearFaults
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var f counter
				key := s.srv.APIKey()
				p := s.start(f.process)
				s.srv.WebhookFault(reductotest.Lose())
				lost := p.submit(reducto.Async{})
				rest(time.Second)
				s.srv.Hold()
				announced := p.submit(reducto.Async{})
				mend := fault(s)
				if name == "401" {
					mend = func() { s.srv.SetAPIKey(key) }
				}
				s.srv.Complete(announced.JobID)
				rest(30 * time.Minute)
				assert.Equal(t, []int{200}, s.codes(announced.JobID), "intake goes on")
				assert.Equal(t, 0, f.count())
				assert.Equal(t, webhook.StatePending, s.record(lost.JobID).State, "not marked")
				assert.Equal(t, webhook.StateReceived, s.record(announced.JobID).State, "not marked")
				assert.NotEmpty(t, s.log.records(slog.LevelError, "refuses the client's key"), "an alert")
				assert.LessOrEqual(t, len(s.log.records(slog.LevelError, "refuses the client's key")), 31)
				assert.LessOrEqual(t, s.meter.count("polls{unauthorized}"), 31, "it pauses")
				assert.LessOrEqual(t, len(s.srv.RequestsTo("GET /job")), 70)
				require.ErrorContains(t, p.Healthy(), "refuses the client's key")
				mend()
				rest(time.Hour)
				require.NoError(t, p.Healthy())
				assert.Equal(t, 2, f.count())
				assert.Len(t, s.records(webhook.StateDone), 2)
			})
		})
	}
}

func TestScenario59_TwoSweepersInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		calls := new(byJob)
		f := func(_ context.Context, d *webhook.Delivery) error { calls.add(d.JobID); return nil }
		a, b := s.start(f), s.start(f)
		const jobs = 50
		for i := range jobs {
			s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"}))
		}
		rest(10 * time.Minute)
		for i := range jobs {
			assert.Equal(t, 1, calls.of(fmt.Sprintf("job-%d", i)))
		}
		assert.Equal(t, jobs, s.meter.count("reconciled"))
		assert.True(t, (a.spy.count("Overdue") == 0) != (b.spy.count("Overdue") == 0), "one sweeps: %d %d", a.spy.count("Overdue"), b.spy.count("Overdue"))

		// When it dies the other takes over; when it is shut down, at once.
		sweeping, other := a, b
		if a.spy.count("Overdue") == 0 {
			sweeping, other = b, a
		}
		sweeping.kill()
		s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: "after-the-crash", Status: "Completed"}))
		rest(10 * time.Minute)
		assert.Positive(t, other.spy.count("Overdue"))
	})
}

func TestScenario59_LockLostInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		calls := new(byJob)
		f := func(_ context.Context, d *webhook.Delivery) error { calls.add(d.JobID); return nil }
		// Both believe that the right to sweep is theirs.
		wrap := func(inner webhook.Store) webhook.Store { return everybodysLock{inner} }
		a, b := s.makeOn(wrap, nil, f), s.makeOn(wrap, nil, f)
		a.run()
		b.run()
		for i := range 50 {
			s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"}))
		}
		rest(10 * time.Minute)
		for i := range 50 {
			assert.Equal(t, 1, calls.of(fmt.Sprintf("job-%d", i)), "no double effects")
		}
	})
}

type everybodysLock struct{ webhook.Store }

func (everybodysLock) Lock(context.Context, string, string, time.Duration) (bool, error) {
	return true, nil
}

func TestScenario60_VanishedFromTheListInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		calls := new(byJob)
		outcomes := map[string]webhook.Outcome{}
		var mu sync.Mutex
		p := s.make(nil, func(_ context.Context, d *webhook.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			outcomes[d.JobID] = d.Outcome
			calls.add(d.JobID)
			return nil
		})
		// The list forgets some jobs, as a cursor that shifts does.
		next := s.srv.HTTPClient()
		shifting := *next
		shifting.Transport = transport(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/jobs" {
				q := r.URL.Query()
				q.Set("limit", "3")
				r = r.Clone(r.Context())
				r.URL.RawQuery = q.Encode()
			}
			return next.Transport.RoundTrip(r)
		})
		p.client = s.srv.Client(reducto.WithHTTPClient(&shifting))
		p.run()
		for i := range 10 {
			s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"}))
		}
		s.pending("job-gone")
		s.srv.Fault("GET /jobs", reductotest.Status(200).JSON(map[string]any{"jobs": []any{}, "next_cursor": nil}).Always())
		rest(30 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		assert.Len(t, outcomes, 11)
		for id, o := range outcomes {
			assert.Equal(t, 1, calls.of(id))
			if id == "job-gone" {
				assert.Equal(t, webhook.OutcomeExpired, o)
			} else {
				assert.Equal(t, webhook.OutcomeCompleted, o, "GET /job has the last word")
			}
		}
	})

	t.Run("not yet visible", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			p := s.start(f.process)
			require.NoError(t, p.Track(t.Context(), jobA))
			rest(50 * time.Second)
			assert.Equal(t, 0, f.count(), "younger than a minute")
			rest(2 * time.Minute)
			require.Equal(t, 1, f.count())
			assert.Equal(t, webhook.OutcomeExpired, f.last().Outcome)
		})
	})

	t.Run("one of two", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			s.start(f.process)
			s.pending("job-gone")
			s.srv.Hold()
			running := s.srv.SeedJob(reductotest.SeedJob{})
			require.NoError(t, s.mem.Bind(t.Context(), "s-job-gone", running, 1))
			rest(10 * time.Minute)
			assert.Equal(t, 0, f.count(), "the other still runs")
			s.srv.Complete(running)
			rest(30 * time.Minute)
			require.Equal(t, 1, f.count())
			assert.Equal(t, running, f.last().JobID)
		})
	})
}

// poisoned is a store that cannot receive one job, nor what comes with it.
type poisoned struct {
	webhook.Store
	job atomic.Pointer[string]
}

func (p *poisoned) Receive(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
	if job := p.job.Load(); job != nil && slices.ContainsFunc(arrivals, func(a webhook.Arrival) bool { return a.JobID == *job }) {
		return nil, errDown
	}
	return p.Store.Receive(ctx, arrivals)
}

// What a sweep cannot record keeps it from nothing else, whether it asks for a list or
// for each.
func TestSweepGoesOnAfterWhatItCannotRecord(t *testing.T) {
	t.Parallel()
	for _, jobs := range []int{2, 1200} { // 1200: several pages, and batches
		t.Run(strconv.Itoa(jobs), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				store := new(poisoned)
				first := "job-0" // asked for before the others
				if jobs > 2 {
					first = fmt.Sprintf("job-%d", jobs-1) // on the first page
				}
				store.job.Store(&first)
				var f counter
				p := s.makeOn(func(inner webhook.Store) webhook.Store { store.Store = inner; return store }, nil, f.process, webhook.WithoutRefetch())
				for i := range jobs {
					if i%100 == 99 {
						time.Sleep(time.Millisecond) // the list is in order
					}
					s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"}))
				}
				p.run()
				rest(90 * time.Second)
				assert.Equal(t, jobs-1, f.count(), "in the first look")
				require.NotEmpty(t, s.log.records(slog.LevelWarn, "a sweep failed"))
				assert.Contains(t, s.log.text.String(), "what a sweep found could not be recorded: the store is down")

				store.job.Store(nil)
				rest(10 * time.Minute)
				assert.Equal(t, jobs, f.count(), "it was looked for again")
				require.NoError(t, p.Healthy())
			})
		})
	}
}

// A store that is down is not asked once for each of what was found.
func TestSweepGivesUpWhereTheStoreIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.make(nil, f.process, webhook.WithoutRefetch())
		for i := range 600 {
			s.pending(s.srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprintf("job-%d", i), Status: "Completed"}))
		}
		p.spy.breaks(only(errDown, "Receive"), nil)
		time.Sleep(time.Minute)
		err := p.RunOnce(t.Context(), p.client)
		require.ErrorIs(t, err, errDown)
		assert.Equal(t, 3, p.spy.count("Receive"))
		assert.Len(t, s.srv.RequestsTo("GET /jobs"), 1)

		p.spy.breaks(nil, nil)
		time.Sleep(5 * time.Minute)
		err = p.RunOnce(t.Context(), p.client)
		require.NoError(t, err)
		assert.Equal(t, 600, f.count())
	})
}

func TestPendingForTooLongIsAnAlert(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.start(nothing)
		s.srv.Hold()
		s.pending(s.srv.SeedJob(reductotest.SeedJob{}))
		rest(time.Hour)
		assert.Empty(t, s.log.records(slog.LevelError, ""))
		s.mem.Advance(10 * time.Hour)
		rest(time.Hour)
		assert.NotEmpty(t, s.log.records(slog.LevelError, "still pending"))
		assert.LessOrEqual(t, len(s.log.records(slog.LevelError, "still pending")), 6)
		rest(time.Minute)
		assert.Greater(t, s.meter.gauge("oldest_pending_seconds"), 11*3600.0)
		assert.Less(t, s.meter.gauge("nearest_expiry_seconds"), 3600.0)
	})
}

func TestSweepsAreMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.start(nothing)
		p.spy.breaks(only(errDown, "Lock", "Overdue", "Purge", "Stats"), nil)
		rest(2 * time.Minute)
		require.NoError(t, p.Healthy())
		rest(2 * time.Minute)
		require.ErrorContains(t, p.Healthy(), "no sweep has succeeded for")
		assert.NotEmpty(t, s.log.records(slog.LevelWarn, "a sweep failed"))
		assert.NotEmpty(t, s.log.records(slog.LevelWarn, "old records could not be removed"))
		p.spy.breaks(only(errDown, "Receive"), nil)
		s.pending(s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"}))
		rest(10 * time.Minute)
		assert.Empty(t, s.records(webhook.StateDone))
		p.spy.breaks(nil, nil)
		rest(time.Hour)
		require.NoError(t, p.Healthy())
		assert.Len(t, s.records(webhook.StateDone), 1)
	})
}

func TestHandlerOfTheStoreIsNotAskedForSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.start(func(context.Context, *webhook.Delivery) error { return errors.New("no luck") })
		p.submit(reducto.Async{Metadata: map[string]any{"order": 17}})
		rest(time.Minute)
		for _, r := range s.records() {
			assert.NotContains(t, fmt.Sprintf("%+v %s", r, r.Metadata), canary)
			assert.False(t, strings.Contains(string(r.Metadata), "secret"))
		}
	})
}
