package sqlstore_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func TestScenario08_TokenOfAnotherJob(t *testing.T) {
	token := func(signer *webhook.Signer, submission, jobID string) *http.Request {
		return webhook.NewTestRequest("/", signer, jobID, reducto.JobStatusCompleted, map[string]any{"submission_id": submission})
	}
	onEveryStore(t, func(t *testing.T, p *plant) { // after the job is known
		signer := newSigner(t, "k1")
		q := p.processOf(signer, p.work)
		victim := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		job := q.lost(reducto.Async{})
		require.Equal(t, http.StatusUnauthorized, serve(q, token(signer, job.SubmissionID, victim)))
		require.Equal(t, http.StatusOK, serve(q, token(signer, job.SubmissionID, job.JobID)))
		q.once()
		require.Equal(t, http.StatusUnauthorized, serve(q, token(signer, job.SubmissionID, victim)))
		p.requireDone(job.JobID, webhook.OutcomeCompleted)
		assert.Empty(t, p.called(victim))
		assert.Len(t, p.records(), 1)
	})

	t.Run("before the job is known", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			signer := newSigner(t, "k1")
			q := p.processOf(signer, p.work)
			victim := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
			gate := make(chan struct{})
			q.answersWhen(gate)
			p.srv.Hold()
			id := uuid.NewString()
			submitted := make(chan string, 1)
			go func() {
				job, err := q.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: aDocument, Async: reducto.Async{SubmissionID: id}})
				if assert.NoError(t, err) {
					submitted <- job.JobID
				}
				close(submitted)
			}()
			p.until("it is sent", func() bool { return len(p.srv.Jobs()) == 2 })
			require.Equal(t, http.StatusOK, serve(q, token(signer, id, victim)), "whose it is is not known yet")
			q.once()
			assert.Empty(t, p.called(victim), "it is quarantined")
			close(gate)
			own := <-submitted
			require.NotEmpty(t, own)
			assert.Equal(t, webhook.StatePending, p.record(own).State, "it was another job's")
			require.Equal(t, http.StatusUnauthorized, serve(q, token(signer, id, victim)))
			p.srv.WebhookFault(reductotest.Lose())
			p.srv.Release()
			p.attempts(own, 4)
			q.later(time.Minute)
			p.requireDone(own, webhook.OutcomeCompleted)
			assert.Empty(t, p.called(victim))
		})
	})

	// Nothing tells the token's own job from another but what the API says of them.
	for name, early := range map[string]bool{"nobody can bind it, the other one comes first": true, "nobody can bind it, its own comes first": false} {
		t.Run(name, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, p *plant) {
				signer := newSigner(t, "k1")
				q := p.processOf(signer, p.work)
				id := submissionAt(time.Now())
				require.NoError(t, p.store.Submit(t.Context(), webhook.Submitted{ID: id, Webhook: true, LookAfter: time.Minute}))
				own := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed", Metadata: map[string]any{"user": "1"}})
				other := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed", Metadata: map[string]any{"submission_id": uuid.NewString()}})
				jobs := []string{own, other}
				if early {
					jobs = []string{other, own}
				}
				for _, jobID := range jobs {
					require.Equal(t, http.StatusOK, serve(q, token(signer, id, jobID)))
				}
				for range 4 {
					q.later(3 * time.Minute)
				}
				p.requireDone(own, webhook.OutcomeCompleted)
				assert.Empty(t, p.called(other))
				require.NoError(t, q.Shutdown(t.Context())) // all is logged
				assert.Equal(t, early, p.log.count(t, slog.LevelWarn, "is not this submission's") > 0)
			})
		})
	}

	t.Run("sent n times", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			signer := newSigner(t, "k1")
			q := p.processOf(signer, p.work)
			q.connect(p.srv.HTTPClient(), reducto.WithMaxRetries(2))
			p.srv.Fault("POST /parse_async", reductotest.LoseAnswer())
			job, err := q.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: aDocument}, reducto.WithResubmit())
			require.NoError(t, err)
			require.Len(t, p.srv.Jobs(), 2)
			for _, j := range p.srv.Jobs() {
				p.attempts(j.ID, 1)
				assert.Equal(t, []int{200}, p.codes(j.ID), "the first is processed, the other a duplicate")
			}
			require.Equal(t, http.StatusUnauthorized, serve(q, token(signer, job.SubmissionID, jobA)))
			q.later(5 * time.Minute) // which of the two was announced first is not known: it is held for a while
			require.Len(t, p.records(webhook.StateDone), 1)
			total := 0
			for _, j := range p.srv.Jobs() {
				total += len(p.called(j.ID))
			}
			assert.Equal(t, 1, total)
		})
	})
}

func TestScenario14_JobIDsThatAreNoUUID(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		for _, id := range []string{"job-1", "Job-1", jobA, strings.ToUpper(jobA), "a.b:c~d", strings.Repeat("x", 128)} {
			p.srv.SeedJob(reductotest.SeedJob{ID: id, Status: "Completed"})
			require.Equal(t, http.StatusOK, post(q, genuine(id)), id)
		}
		assert.Len(t, p.records(), 5, "two spellings of a UUID are one job, other ids are what they are")
		q.once()
		assert.Len(t, p.called("job-1"), 1)
		assert.Len(t, p.called("Job-1"), 1)
		assert.Len(t, p.called(jobA), 1)
		assert.Empty(t, p.called(strings.ToUpper(jobA)))
		strict := p.process(p.work, webhook.WithStrictJobIDs())
		assert.Equal(t, http.StatusBadRequest, post(strict, genuine("job-2")))
		assert.Zero(t, strict.spy.count())
	})
}

func TestScenario15_FailedJob(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		p.srv.FailNext("it did not work", "")
		job := q.announced(reducto.Async{})
		q.once()
		d := p.requireDone(job.JobID, webhook.OutcomeFailed)
		got, err := d.Job(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "it did not work", got.Reason)
		assert.Len(t, p.srv.RequestsTo("GET /job"), 1, "once, and the function sees it")
	})
}

func TestScenario16_UnknownStatus(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		for i, status := range []string{"Cancelled", "Expired", "Übergeben", strings.Repeat("x", 50)} {
			id := []string{"job-0", "job-1", "job-2", "job-3"}[i]
			p.srv.SeedJob(reductotest.SeedJob{ID: id, Status: "Completed"})
			require.Equal(t, http.StatusOK, post(q, payload(status, id, signed())))
			assert.Equal(t, webhook.StateReceived, p.record(id).State)
		}
		assert.Equal(t, webhook.OutcomeUnknown, p.record("job-1").Outcome)
		q.once()
		for _, id := range []string{"job-0", "job-1", "job-2", "job-3"} {
			p.requireDone(id, webhook.OutcomeCompleted)
		}
	})
}

func TestScenario21_SameDeliveryFourTimes(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.start(p.work)
		p.srv.WebhookFault(reductotest.Duplicate(3))
		job := q.submit(reducto.Async{})
		p.attempts(job.JobID, 4)
		assert.Equal(t, []int{200, 200, 200, 200}, p.codes(job.JobID))
		p.until("it is done", func() bool { return p.record(job.JobID).State == webhook.StateDone })
		p.requireDone(job.JobID, webhook.OutcomeCompleted)
		stats, err := q.Stats(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, stats.Accepted)
		assert.EqualValues(t, 3, stats.Duplicates)
		assert.Equal(t, 1, stats.Store.Count[webhook.StateDone])
	})
}

func TestScenario22_TwoReplicasAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		replicas := []*process{p.start(p.work), p.start(p.work)}
		var ids []string
		for range 10 {
			id := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
			ids = append(ids, id)
			var both sync.WaitGroup
			for _, q := range replicas {
				both.Go(func() { assert.Equal(t, http.StatusOK, post(q, genuine(id))) })
			}
			both.Wait()
		}
		p.until("all is done", func() bool { return len(p.records(webhook.StateDone)) == len(ids) })
		for _, id := range ids {
			p.requireDone(id, webhook.OutcomeCompleted)
		}
		a, err := replicas[0].Stats(t.Context())
		require.NoError(t, err)
		b, err := replicas[1].Stats(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 10, a.Accepted+b.Accepted)
		assert.EqualValues(t, 10, a.Duplicates+b.Duplicates)
	})
}

func TestScenario23_ManyAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.start(p.work)
		id := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { assert.Equal(t, http.StatusOK, post(q, genuine(id))) })
		}
		all.Wait()
		p.until("it is done", func() bool { return p.record(id).State == webhook.StateDone })
		p.requireDone(id, webhook.OutcomeCompleted)
		if p.db != nil {
			assert.Less(t, q.spy.count("Receive"), 500, "they share commits")
		}
	})
}

func TestScenario24_CompletedAndFailed(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		for _, ended := range []string{"Completed", "Failed"} {
			for _, first := range []string{"Completed", "Failed"} {
				second := map[string]string{"Completed": "Failed", "Failed": "Completed"}[first]
				id := "job-" + ended + "-" + first
				p.srv.SeedJob(reductotest.SeedJob{ID: id, Status: ended})
				assert.Equal(t, http.StatusOK, post(q, payload(first, id, signed())))
				assert.Equal(t, http.StatusOK, post(q, payload(second, id, signed())))
				q.once()
				assert.Equal(t, http.StatusOK, post(q, payload(first, id, signed())))
				p.requireDone(id, webhook.Outcome(strings.ToLower(ended)))
			}
		}
		require.NoError(t, q.Shutdown(t.Context())) // all is measured
		assert.GreaterOrEqual(t, p.meter.count("conflicts"), 4)
	})
}

func TestScenario25_DuplicateAfterTheTombstone(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		job := q.announced(reducto.Async{SubmissionID: submissionAt(time.Now())})
		q.once()
		p.requireDone(job.JobID, webhook.OutcomeCompleted)
		p.srv.Expire(job.JobID)
		q.later(webhook.DefaultTombstones - time.Hour)
		require.Equal(t, http.StatusOK, p.srv.Redeliver(job.JobID).StatusCode)
		fetched := len(p.srv.RequestsTo("GET /job"))
		q.once()
		assert.Len(t, p.srv.RequestsTo("GET /job"), fetched, "it is known")

		q.later(2 * time.Hour)
		require.Empty(t, p.records(), "purged")
		require.Equal(t, http.StatusOK, p.srv.Redeliver(job.JobID).StatusCode)
		q.once()
		q.later(time.Hour)
		assert.Len(t, p.srv.RequestsTo("GET /job"), fetched+1, "one refetch")
		assert.Len(t, p.called(job.JobID), 1, "the function is not called")
		assert.Empty(t, p.records(), "nor is it believed that this was the submission's job")
		require.NoError(t, q.Shutdown(t.Context())) // all is logged
		assert.Equal(t, 1, p.log.count(t, slog.LevelError, "its submission is not known here"))
	})
}

func TestScenario26_WebhookAndSweepAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q, other := p.process(p.work), p.process(p.work)
		var ids []string
		for range 5 {
			ids = append(ids, q.lost(reducto.Async{}).JobID)
		}
		// The sweep has found one, and then the deliveries arrive.
		found := make(chan struct{}, len(ids))
		q.spy.breaks(func(_ context.Context, method string) error {
			if method == "Receive" {
				found <- struct{}{}
			}
			return nil
		}, nil)
		var all sync.WaitGroup
		all.Go(func() { q.later(2 * time.Minute) })
		<-found
		for _, id := range ids {
			all.Go(func() { assert.Equal(t, http.StatusOK, post(other, genuine(id))) })
		}
		all.Wait()
		other.once()
		for _, id := range ids {
			p.requireDone(id, webhook.OutcomeCompleted)
		}
		assert.Len(t, p.records(), len(ids))
	})
}
