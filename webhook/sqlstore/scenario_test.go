package sqlstore_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// plant is a service, a database, and inboxes on it, in real time.
type plant struct {
	t      *testing.T
	srv    *reductotest.Server
	store  webhook.Store
	secret *webhook.Secret
	calls  sync.Map // job id -> *atomic.Int64
	hook   string
}

// onBothPlants runs f with each database.
func onBothPlants(t *testing.T, f func(t *testing.T, p *plant)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T) webhook.Store{
		"SQLite":     func(t *testing.T) webhook.Store { s, _ := openSQLite(t); return s },
		"PostgreSQL": func(t *testing.T) webhook.Store { s, _ := openPostgres(t); return s },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			secret, err := webhook.NewSecret(benchSecret)
			require.NoError(t, err)
			srv := reductotest.NewServer(t, reductotest.WithRetrySchedule(50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond))
			f(t, &plant{t: t, srv: srv, store: store, secret: secret, hook: "/hook-" + uuid.NewString()})
		})
	}
}

func (p *plant) process(_ context.Context, d *webhook.Delivery) error {
	n, _ := p.calls.LoadOrStore(d.JobID, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
	return nil
}

func (p *plant) called(jobID string) int64 {
	n, ok := p.calls.Load(jobID)
	if !ok {
		return 0
	}
	return n.(*atomic.Int64).Load()
}

// inbox makes an Inbox, running unless f is nil, and a client of it.
func (p *plant) inbox(f webhook.Func, opts ...webhook.Option) (*webhook.Inbox, *reducto.Client) {
	p.t.Helper()
	work := f
	if work == nil {
		work = p.process
	}
	in, err := webhook.NewInbox(p.secret, p.store, work, append([]webhook.Option{
		webhook.WithSweeps(300*time.Millisecond, 200), webhook.WithPoll(20 * time.Millisecond),
		webhook.WithBackoff(10*time.Millisecond, 50*time.Millisecond),
	}, opts...)...)
	require.NoError(p.t, err)
	client := p.srv.Client(reducto.WithSubmitHook(in), reducto.WithWebhook(reducto.DirectWebhook(p.srv.Mount(p.hook, in))))
	if f != nil {
		p.run(in, client)
	}
	return in, client
}

func (p *plant) run(in *webhook.Inbox, client *reducto.Client) {
	ran := make(chan error, 1)
	go func() { ran <- in.Run(context.Background(), client) }()
	p.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		assert.NoError(p.t, in.Shutdown(ctx))
		assert.NoError(p.t, <-ran)
	})
}

func (p *plant) submit(client *reducto.Client) string {
	p.t.Helper()
	job, err := client.ParseAsync(p.t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
	require.NoError(p.t, err)
	return job.JobID
}

func (p *plant) deliver(in *webhook.Inbox, jobID string, status reducto.JobStatus) int {
	w := httptest.NewRecorder()
	in.ServeHTTP(w, webhook.NewTestRequest("/", p.secret, jobID, status, nil))
	return w.Code
}

// ends waits until the job's record is in one of the states that end it.
func (p *plant) ends(jobID string) webhook.Record {
	p.t.Helper()
	var last webhook.Record
	require.Eventually(p.t, func() bool {
		list, err := p.store.List(p.t.Context(), webhook.Filter{JobID: jobID})
		if err != nil || len(list) != 1 {
			return false
		}
		last = list[0]
		return last.State == webhook.StateDone || last.State == webhook.StateDead
	}, 30*time.Second, 10*time.Millisecond)
	return last
}

func TestScenario21_SameDeliveryFourTimes(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		in, client := p.inbox(p.process)
		p.srv.WebhookFault(reductotest.Duplicate(3))
		id := p.submit(client)
		p.ends(id)
		for range 4 {
			assert.Equal(t, http.StatusOK, p.deliver(in, id, "Completed"))
		}
		assert.EqualValues(t, 1, p.called(id))
	})
}

func TestScenario22_TwoReplicasAtOnce(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		a, client := p.inbox(p.process)
		b, _ := p.inbox(p.process)
		for range 5 {
			p.srv.WebhookFault(reductotest.Lose())
			id := p.submit(client)
			var wg sync.WaitGroup
			for _, in := range []*webhook.Inbox{a, b, a, b} {
				wg.Go(func() { assert.Equal(t, http.StatusOK, p.deliver(in, id, "Completed")) })
			}
			wg.Wait()
			p.ends(id)
			assert.EqualValues(t, 1, p.called(id))
		}
	})
}

func TestScenario23_ManyAtOnce(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		in, _ := p.inbox(p.process)
		id := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { assert.Equal(t, http.StatusOK, p.deliver(in, id, "Completed")) })
		}
		wg.Wait()
		p.ends(id)
		assert.EqualValues(t, 1, p.called(id))
	})
}

func TestScenario24_CompletedAndFailed(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		in, _ := p.inbox(p.process)
		id := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		assert.Equal(t, http.StatusOK, p.deliver(in, id, "Failed"))
		assert.Equal(t, http.StatusOK, p.deliver(in, id, "Completed"))
		assert.Equal(t, webhook.OutcomeCompleted, p.ends(id).Outcome, "the API decides")
		assert.EqualValues(t, 1, p.called(id))
		stats, err := in.Stats(t.Context())
		require.NoError(t, err)
		assert.Positive(t, stats.Conflicts)
	})
}

func TestScenario28_ReceivedAndNotClaimedBeforeTheEnd(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		first, client := p.inbox(nil) // it receives, and dies before it works
		id := p.submit(client)
		_, err := p.srv.AwaitDeliveries(t.Context(), id, 1)
		require.NoError(t, err)
		require.NoError(t, first.Shutdown(t.Context()))
		assert.Zero(t, p.called(id))
		p.inbox(p.process)
		assert.Equal(t, webhook.OutcomeCompleted, p.ends(id).Outcome)
		assert.EqualValues(t, 1, p.called(id))
	})
}

func TestScenario34_Poison(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		var poison atomic.Value
		poison.Store("")
		_, client := p.inbox(func(ctx context.Context, d *webhook.Delivery) error {
			if d.JobID == poison.Load() {
				panic("poison")
			}
			return p.process(ctx, d)
		}, webhook.WithJobLife(400*time.Millisecond, 100*time.Millisecond))
		p.srv.Hold()
		bad, good := p.submit(client), p.submit(client)
		poison.Store(bad)
		p.srv.Release()
		assert.Equal(t, webhook.StateDone, p.ends(good).State, "others are not affected")
		dead := p.ends(bad)
		assert.Equal(t, webhook.StateDead, dead.State)
		assert.Contains(t, dead.Error, "poison")
		assert.GreaterOrEqual(t, dead.Attempt, 3)
	})
}

func TestScenario41_WebhookBeforeTheAnswer(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		_, client := p.inbox(p.process)
		p.srv.Fault("POST /parse_async", reductotest.LoseAnswer())
		_, err := client.ParseAsync(t.Context(), reducto.ParseRequest{
			Input: reducto.URL("https://example.com/a.pdf"), Async: reducto.Async{Metadata: map[string]int{"order": 7}},
		})
		var unknown *reducto.UnknownOutcomeError
		require.ErrorAs(t, err, &unknown)
		id := p.srv.Jobs()[0].ID
		deliveries, err := p.srv.AwaitDeliveries(t.Context(), id, 1)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, deliveries[0].StatusCode)
		list, err := p.store.List(t.Context(), webhook.Filter{Keys: []string{unknown.SubmissionID}})
		require.NoError(t, err)
		require.Len(t, list, 1, "it is bound by the submission's id")
		assert.JSONEq(t, `{"order":7}`, string(list[0].Metadata))
	})
}

func TestScenario43_ReceiverDown(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		_, client := p.inbox(p.process)
		p.srv.WebhookFault(reductotest.Lose())
		id := p.submit(client)
		r := p.ends(id)
		assert.Equal(t, webhook.SourceSweep, r.Source)
		assert.EqualValues(t, 1, p.called(id))
	})
}

func TestScenario45_JobIsGone(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		_, client := p.inbox(func(ctx context.Context, d *webhook.Delivery) error {
			_ = p.process(ctx, d)
			_, err := d.Job(ctx)
			return err
		})
		p.srv.Hold()
		id := p.submit(client)
		require.NoError(t, client.DeleteJob(t.Context(), id, false))
		r := p.ends(id)
		assert.Equal(t, webhook.OutcomeExpired, r.Outcome)
		assert.EqualValues(t, 1, p.called(id), "the user's code sees it")
	})
}

func TestScenario50_Cancelled(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		in, client := p.inbox(p.process)
		p.srv.Hold()
		id := p.submit(client)
		require.NoError(t, client.CancelJob(t.Context(), id))
		assert.Equal(t, webhook.OutcomeCancelled, p.ends(id).Outcome)
		_, err := in.Wait(t.Context(), id)
		var ended *webhook.OutcomeError
		require.ErrorAs(t, err, &ended)
	})
}

func TestScenario51_ShutdownGivesBack(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		started := make(chan struct{}, 1)
		first, client := p.inbox(nil)
		slow, err := webhook.NewInbox(p.secret, p.store, func(ctx context.Context, _ *webhook.Delivery) error {
			started <- struct{}{}
			<-ctx.Done()
			return context.Cause(ctx)
		}, webhook.WithPoll(20*time.Millisecond))
		require.NoError(t, err)
		ran := make(chan error, 1)
		go func() { ran <- slow.Run(context.Background(), client) }()
		id := p.submit(client)
		<-started
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var left *webhook.ShutdownError
		require.ErrorAs(t, slow.Shutdown(ctx), &left)
		assert.Equal(t, 1, left.Remaining)
		require.NoError(t, <-ran)
		assert.Equal(t, http.StatusOK, p.deliver(first, id, "Completed"), "intake stays open")
		begin := time.Now()
		p.inbox(p.process)
		assert.Equal(t, webhook.StateDone, p.ends(id).State)
		assert.Less(t, time.Since(begin), webhook.DefaultLease/10, "at once, not after the lease")
	})
}

func TestScenario59_TwoSweepers(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		p.inbox(p.process)
		_, client := p.inbox(p.process)
		var ids []string
		for range 20 {
			p.srv.WebhookFault(reductotest.Lose())
			ids = append(ids, p.submit(client))
		}
		for _, id := range ids {
			p.ends(id)
			assert.EqualValues(t, 1, p.called(id))
		}
	})
}

// What a store that fails is answered, with a real one behind it.
func TestScenario35_StoreDown(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		down := &switchable{Store: p.store}
		p.store = down
		in, client := p.inbox(p.process)
		p.srv.Hold()
		id := p.submit(client)
		down.broken.Store(true)
		assert.Equal(t, http.StatusServiceUnavailable, p.deliver(in, id, "Completed"))
		assert.Zero(t, p.called(id))
		down.broken.Store(false)
		p.srv.Release()
		p.ends(id)
		assert.EqualValues(t, 1, p.called(id))
	})
}

// A commit that is acknowledged late is an error first, and a duplicate after.
func TestScenario36_CommitAcknowledgedLate(t *testing.T) {
	onBothPlants(t, func(t *testing.T, p *plant) {
		late := &switchable{Store: p.store}
		p.store = late
		in, _ := p.inbox(p.process)
		id := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		late.after.Store(true)
		assert.Equal(t, http.StatusServiceUnavailable, p.deliver(in, id, "Completed"))
		late.after.Store(false)
		assert.Equal(t, http.StatusOK, p.deliver(in, id, "Completed"))
		p.ends(id)
		assert.EqualValues(t, 1, p.called(id))
	})
}

// switchable is a store whose Receive can fail, before or after it was done.
type switchable struct {
	webhook.Store
	broken, after atomic.Bool
}

func (s *switchable) Receive(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
	if s.broken.Load() {
		return nil, errors.New("the store is down")
	}
	receipts, err := s.Store.Receive(ctx, arrivals)
	if s.after.Load() {
		return nil, context.DeadlineExceeded
	}
	return receipts, err
}
