package sqlstore_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// pending has the store know n jobs whose delivery is expected, and never comes.
func (p *plant) pending(n int, seed reductotest.SeedJob) (ids []string) {
	p.t.Helper()
	for range n {
		ids = append(ids, p.srv.SeedJob(seed))
	}
	var all sync.WaitGroup
	for part := range 2 { // as many as there are connections
		all.Go(func() {
			for i := part; i < n; i += 2 {
				assert.NoError(p.t, p.store.Submit(p.t.Context(), webhook.Submitted{JobID: ids[i], Webhook: true, LookAfter: time.Minute}))
			}
		})
	}
	all.Wait()
	return ids
}

// 100 000 of them are for memory to try. These are more than a database returns at
// once.
func TestScenario55_ManyPendingJobs(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		jobs := 1050
		if raceEnabled {
			jobs = 150
		}
		q := p.process(p.work, webhook.WithoutRefetch(), webhook.WithWorkers(64))
		p.srv.Hold()
		ids := p.pending(jobs, reductotest.SeedJob{})
		for i := range 10 {
			p.srv.Complete(ids[i*jobs/10])
		}
		q.later(2 * time.Minute)
		assert.Len(t, p.records(webhook.StateDone), 10)
		assert.Len(t, p.records(webhook.StatePending), jobs-10)
		assert.LessOrEqual(t, len(p.srv.RequestsTo("GET /jobs")), jobs/500+1)
		assert.LessOrEqual(t, len(p.srv.RequestsTo("GET /job")), 2)
		lists, asked := len(p.srv.RequestsTo("GET /jobs")), len(p.srv.Requests())
		q.once()
		assert.Len(t, p.srv.Requests(), asked, "no look is due")
		q.later(2 * time.Minute)
		assert.LessOrEqual(t, len(p.srv.RequestsTo("GET /jobs"))-lists, jobs/500+1)
	})

	t.Run("the limiter is respected", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			q := p.process(p.work, webhook.WithSweeps(time.Minute, 20))
			p.srv.Hold()
			for range 5 {
				p.pending(1, reductotest.SeedJob{})
				p.srv.Fault("GET /jobs", reductotest.Status(200).JSON(`{"jobs":[],"next_cursor":null}`))
			}
			began := time.Now()
			q.later(2 * time.Minute) // one list, and five that are not on it
			requests := len(p.srv.RequestsTo("GET /jobs")) + len(p.srv.RequestsTo("GET /job"))
			assert.Equal(t, 6, requests)
			assert.GreaterOrEqual(t, time.Since(began), time.Duration(requests-1)*time.Second/20)
		})
	})
}

func TestScenario56_TooManyRequests(t *testing.T) {
	for name, after := range map[string]func() string{
		"seconds":   func() string { return "120" },
		"HTTP date": func() string { return time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, p *plant) {
				p.srv.Fault("GET /", reductotest.Status(429).Header("Retry-After", after()).Always())
				q := p.process(p.work)
				ids := p.pending(20, reductotest.SeedJob{Status: "Completed"})
				p.advance(2 * time.Minute)
				require.ErrorIs(t, q.RunOnce(t.Context(), q.client), reducto.ErrRateLimited)
				assert.Len(t, p.srv.Requests(), 1, "no hammering, of no job")

				// By the workers: one refusal is for all.
				for _, id := range ids {
					require.Equal(t, http.StatusOK, post(q, genuine(id)))
				}
				worker := p.process(p.work, webhook.WithWorkers(2))
				before := len(p.srv.Requests())
				worker.once()
				assert.LessOrEqual(t, len(p.srv.Requests()), before+3)
				before = len(p.srv.Requests())
				worker.later(time.Minute)
				assert.Len(t, p.srv.Requests(), before, "it waits")
				assert.Len(t, p.records(webhook.StateReceived), 20, "nothing is marked")

				p.srv.ClearFaults()
				next := p.process(p.work)
				next.later(15 * time.Minute)
				for _, id := range ids {
					p.requireDone(id, webhook.OutcomeCompleted)
				}
			})
		})
	}
}

func TestScenario57_NonsenseWhilePolling(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		for _, fault := range []reductotest.Fault{
			reductotest.HTML(502), reductotest.Status(200).Body("application/json", ""), reductotest.HTML(404),
			reductotest.Drop(), reductotest.Truncate(10),
		} {
			q := p.process(p.work)
			ids := p.pending(5, reductotest.SeedJob{Status: "Completed"}) // listed
			announced := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
			require.Equal(t, http.StatusOK, post(q, genuine(announced)))
			p.srv.Fault("GET /", fault.Always())
			for range 3 {
				p.advance(20 * time.Minute)
				_ = q.RunOnce(t.Context(), q.client) // it may fail
			}
			alone := p.pending(1, reductotest.SeedJob{Status: "Completed"})[0] // asked for
			p.advance(time.Minute)
			_ = q.RunOnce(t.Context(), q.client)
			assert.Len(t, p.records(webhook.StatePending), 6, "nothing is marked")
			assert.Equal(t, webhook.StateReceived, p.record(announced).State)
			p.srv.ClearFaults()
			q.later(time.Hour)
			for _, id := range append(ids, announced, alone) {
				p.requireDone(id, webhook.OutcomeCompleted)
			}
		}
	})
}

func TestScenario58_KeyRevoked(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.start(p.work)
		lost := p.pending(1, reductotest.SeedJob{Status: "Completed"})[0]
		p.srv.Fault("GET /", reductotest.Status(401).Always())
		announced := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		require.Equal(t, http.StatusOK, post(q, genuine(announced)))
		p.until("it is noticed", func() bool { return q.Healthy() != nil })
		require.ErrorContains(t, q.Healthy(), "refuses the client's key")
		p.advance(30 * time.Minute)
		late := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		require.Equal(t, http.StatusOK, post(q, genuine(late)), "intake goes on")
		p.until("the alert is logged", func() bool { return p.log.count(t, slog.LevelError, "refuses the client's key") > 0 })
		require.NoError(t, q.Shutdown(t.Context()))
		assert.LessOrEqual(t, len(p.srv.Requests()), 3, "it pauses")
		assert.Equal(t, webhook.StatePending, p.record(lost).State, "not marked")
		assert.Equal(t, webhook.StateReceived, p.record(announced).State, "not marked")
		p.srv.ClearFaults()
		p.process(p.work).later(2 * time.Minute)
		for _, id := range []string{lost, announced, late} {
			p.requireDone(id, webhook.OutcomeCompleted)
		}
	})
}

func TestScenario59_TwoSweepers(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		a, b := p.process(p.work), p.process(p.work)
		ids := p.pending(20, reductotest.SeedJob{Status: "Completed"})
		p.advance(2 * time.Minute)
		var both sync.WaitGroup
		both.Go(a.once)
		both.Go(b.once)
		both.Wait()
		b.once() // what the other one found last
		for _, id := range ids {
			p.requireDone(id, webhook.OutcomeCompleted)
		}

		// When one dies in a sweep, the other takes over when its lock is over.
		sweeping := make(chan struct{})
		var once sync.Once
		a.spy.breaks(func(ctx context.Context, method string) error {
			if method == "Overdue" {
				once.Do(func() { close(sweeping) })
				<-ctx.Done()
			}
			return nil
		}, nil)
		a.run()
		<-sweeping
		a.kill()
		last := p.pending(1, reductotest.SeedJob{Status: "Completed"})[0]
		b.later(2 * time.Minute)
		p.requireDone(last, webhook.OutcomeCompleted)
	})

	t.Run("that both believe it is their turn", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			a, b := p.process(p.work), p.process(p.work)
			ids := p.pending(20, reductotest.SeedJob{Status: "Completed"})
			p.advance(2 * time.Minute)
			a.spy.Store, b.spy.Store = everybodysLock{a.spy.Store}, everybodysLock{b.spy.Store}
			var both sync.WaitGroup
			both.Go(a.once)
			both.Go(b.once)
			both.Wait()
			b.once()
			for _, id := range ids {
				p.requireDone(id, webhook.OutcomeCompleted)
			}
		})
	})
}

type everybodysLock struct{ webhook.Store }

func (everybodysLock) Lock(context.Context, string, string, time.Duration) (bool, error) {
	return true, nil
}

func TestScenario60_VanishedFromTheList(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		ids := p.pending(6, reductotest.SeedJob{Status: "Completed"})
		gone := p.pending(1, reductotest.SeedJob{Status: "Completed"})[0]
		p.srv.Expire(gone)
		p.srv.Fault("GET /jobs", reductotest.Status(200).JSON(map[string]any{"jobs": []any{}, "next_cursor": nil}).Always())
		q.later(2 * time.Minute)
		for _, id := range ids {
			p.requireDone(id, webhook.OutcomeCompleted) // GET /job has the last word
		}
		p.requireDone(gone, webhook.OutcomeExpired)
	})

	t.Run("not yet visible", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			q := p.process(p.work)
			require.NoError(t, q.Track(t.Context(), jobA))
			q.once()
			q.later(40 * time.Second)
			assert.Empty(t, p.called(jobA), "younger than a minute")
			q.later(time.Minute)
			p.requireDone(jobA, webhook.OutcomeExpired)
		})
	})

	t.Run("one of two", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			q := p.process(p.work)
			p.srv.Hold()
			gone, running := "job-gone", p.srv.SeedJob(reductotest.SeedJob{})
			require.NoError(t, p.store.Submit(t.Context(), webhook.Submitted{ID: "s", Webhook: true, LookAfter: time.Minute}))
			require.NoError(t, p.store.Bind(t.Context(), "s", gone, 1))
			require.NoError(t, p.store.Bind(t.Context(), "s", running, 1))
			q.later(10 * time.Minute)
			assert.Empty(t, p.called(gone), "the other still runs")
			p.srv.Complete(running)
			q.later(time.Hour)
			p.requireDone(running, webhook.OutcomeCompleted)
		})
	})
}
