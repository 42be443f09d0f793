package webhook_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
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

func TestScenario21_SameDeliveryFourTimes(t *testing.T) {
	t.Parallel()
	var f counter
	h := newHandler(t, f.process)
	for range 4 {
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
	}
	assert.Equal(t, 1, f.count())
	assert.Equal(t, webhook.Stats{Accepted: 1, Duplicates: 3, Calls: 1, Remembered: 1}, h.Stats())
}

func TestScenario23_ManyAtOnce(t *testing.T) {
	t.Parallel()
	const deliveries = 1000
	release := make(chan struct{})
	f := counter{then: func(context.Context, *webhook.Delivery) error { <-release; return nil }}
	h := newHandler(t, f.process, webhook.WithJoinTimeout(time.Minute))
	var all sync.WaitGroup
	answers := make([]*httptest.ResponseRecorder, deliveries)
	for i := range answers {
		all.Go(func() { answers[i] = post(h, genuine(jobA)) })
	}
	require.Eventually(t, func() bool { return h.Stats().InFlight == 1 }, 5*time.Second, time.Millisecond)
	close(release)
	all.Wait()
	for _, w := range answers {
		requireAnswer(t, w, http.StatusOK)
	}
	assert.Equal(t, 1, f.count())
	assert.Equal(t, webhook.Stats{Accepted: 1, Duplicates: deliveries - 1, Calls: 1, Remembered: 1}, h.Stats())
}

func TestScenario23_JoinersShareTheFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := counter{then: func(context.Context, *webhook.Delivery) error {
			time.Sleep(time.Second)
			return errors.New("no luck")
		}}
		h := newHandler(t, f.process)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { requireAnswer(t, post(h, genuine(jobA)), http.StatusInternalServerError) })
		}
		all.Wait()
		assert.Equal(t, 1, f.count())

		f.then = nil
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		assert.Equal(t, 2, f.count(), "a failure is forgotten")
		assert.Equal(t, 2, f.last().Attempt)
	})
}

func TestScenario24_CompletedAndFailed(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]bool{"completed, then failed": false, "failed, then completed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := reductotest.NewServer(t)
				client := srv.Client(reducto.WithSubmitHook(newSecret(t, testSecret)))
				var f counter
				log := newLogBook(t)
				h := newHandler(t, f.process, webhook.WithClient(client), webhook.WithLogger(log.logger()))
				hook := srv.Mount("/webhook", h)
				want := webhook.OutcomeCompleted
				if fail {
					srv.FailNext("it did not work", "")
					want = webhook.OutcomeFailed
				}
				srv.WebhookFault(reductotest.AlsoFailed())
				job := submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook)})
				time.Sleep(time.Minute)

				for _, d := range srv.Deliveries(job.JobID) {
					assert.Equal(t, http.StatusOK, d.StatusCode)
				}
				assert.Len(t, srv.Deliveries(job.JobID), 2)
				require.Equal(t, 1, f.count(), "one final state")
				assert.Equal(t, want, f.last().Outcome)
				assert.EqualValues(t, 1, h.Stats().Conflicts)
				assert.Len(t, log.records(slog.LevelWarn, "contradicts"), 1)
			})
		})
	}

	t.Run("the first one is the wrong one", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := reductotest.NewServer(t)
			client := srv.Client(reducto.WithSubmitHook(newSecret(t, testSecret)))
			var f counter
			h := newHandler(t, f.process, webhook.WithClient(client))
			hook := srv.Mount("/webhook", h)
			srv.WebhookFault(reductotest.WithStatus("Failed"))
			submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook)})
			time.Sleep(time.Minute)
			require.Equal(t, 1, f.count())
			assert.Equal(t, webhook.OutcomeCompleted, f.last().Outcome, "the API decides")
			assert.Equal(t, reducto.JobStatusFailed, f.last().Status)
			assert.EqualValues(t, 1, h.Stats().Conflicts)
		})
	})

	t.Run("while it is running, without a client", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := counter{then: func(context.Context, *webhook.Delivery) error { time.Sleep(time.Second); return nil }}
			h := newHandler(t, f.process)
			var all sync.WaitGroup
			all.Go(func() { requireAnswer(t, post(h, genuine(jobA)), http.StatusOK) })
			synctest.Wait()
			requireAnswer(t, post(h, payload("Failed", jobA, signed())), http.StatusOK)
			all.Wait()
			require.Equal(t, 1, f.count())
			assert.Equal(t, webhook.OutcomeCompleted, f.last().Outcome, "the first is believed")
			assert.EqualValues(t, 1, h.Stats().Conflicts)
		})
	})

	t.Run("statuses that are no end do not contradict", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, nothing)
		for _, status := range []string{"Completed", "Completing", "Vanished", "Completed"} {
			requireAnswer(t, post(h, payload(status, jobA, signed())), http.StatusOK)
		}
		assert.Zero(t, h.Stats().Conflicts)
	})
}

func TestScenario25_DuplicateOfAForgottenJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		client := srv.Client(reducto.WithSubmitHook(newSecret(t, testSecret)))
		var f counter
		log := newLogBook(t)
		h := newHandler(t, f.process, webhook.WithClient(client), webhook.WithLogger(log.logger()))
		hook := srv.Mount("/webhook", h)
		job := submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook)})
		time.Sleep(47 * time.Hour)
		require.Equal(t, 1, f.count())
		require.Equal(t, http.StatusOK, srv.Redeliver(job.JobID).StatusCode)
		assert.Len(t, srv.RequestsTo("GET /job"), 1, "remembered")

		time.Sleep(2 * time.Hour)
		assert.Zero(t, h.Stats().Remembered)
		assert.Equal(t, http.StatusOK, srv.Redeliver(job.JobID).StatusCode)
		assert.Len(t, srv.RequestsTo("GET /job"), 2, "one request to the API")
		assert.Equal(t, 1, f.count(), "the function is not called")
		assert.EqualValues(t, 1, h.Stats().Expired)
		synctest.Wait()
		assert.Len(t, log.records(slog.LevelError, "expired"), 1)

		assert.Equal(t, http.StatusOK, srv.Redeliver(job.JobID).StatusCode)
		assert.Len(t, srv.RequestsTo("GET /job"), 2, "that it has expired is remembered")
	})
}

func TestScenario25_WithoutAClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f counter
		h := newHandler(t, f.process, webhook.WithRemember(time.Hour, 2))
		requireAnswer(t, post(h, genuine("job-1")), http.StatusOK)
		time.Sleep(time.Hour - time.Second)
		requireAnswer(t, post(h, genuine("job-1")), http.StatusOK)
		assert.Equal(t, 1, f.count())
		time.Sleep(time.Second)
		requireAnswer(t, post(h, genuine("job-1")), http.StatusOK)
		assert.Equal(t, 2, f.count(), "forgotten after its time")

		requireAnswer(t, post(h, genuine("job-2")), http.StatusOK)
		requireAnswer(t, post(h, genuine("job-3")), http.StatusOK)
		assert.Equal(t, 4, f.count())
		assert.Equal(t, 2, h.Stats().Remembered)
		requireAnswer(t, post(h, genuine("job-2")), http.StatusOK)
		requireAnswer(t, post(h, genuine("job-3")), http.StatusOK)
		assert.Equal(t, 4, f.count())
		requireAnswer(t, post(h, genuine("job-1")), http.StatusOK)
		assert.Equal(t, 5, f.count(), "the oldest is forgotten first")
	})
}

func TestSubmissionIsOnePieceOfWork(t *testing.T) {
	t.Parallel()
	const submission = "0199a0b4-5b7c-7d52-9d4e-3f5f0c1b2a3d"
	of := func(jobID, status string) string {
		return payload(status, jobID, signed(`"submission_id":"`+submission+`"`))
	}

	t.Run("the first job to end is processed", func(t *testing.T) {
		t.Parallel()
		var f counter
		h := newHandler(t, f.process)
		requireAnswer(t, post(h, of(jobA, "Completed")), http.StatusOK)
		requireAnswer(t, post(h, of(jobB, "Failed")), http.StatusOK)
		assert.Equal(t, 1, f.count())
		assert.Equal(t, jobA, f.last().JobID)
		assert.Equal(t, submission, f.last().SubmissionID)
		assert.Zero(t, h.Stats().Conflicts, "two jobs can end in two ways")
	})

	t.Run("a job id is no submission id", func(t *testing.T) {
		t.Parallel()
		var f counter
		h := newHandler(t, f.process)
		requireAnswer(t, post(h, of(jobA, "Completed")), http.StatusOK)
		requireAnswer(t, post(h, genuine(submission)), http.StatusOK)
		assert.Equal(t, 2, f.count())
	})

	t.Run("attempts are counted by job", func(t *testing.T) {
		t.Parallel()
		f := counter{err: errors.New("no luck")}
		h := newHandler(t, f.process)
		for _, step := range []struct {
			job     string
			attempt int
		}{{jobA, 1}, {jobA, 2}, {jobB, 1}, {jobB, 2}, {jobA, 1}} {
			requireAnswer(t, post(h, of(step.job, "Completed")), http.StatusInternalServerError)
			assert.Equal(t, step.attempt, f.last().Attempt)
		}
	})

	t.Run("a job that is gone leaves room for the other", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := reductotest.NewServer(t)
			var f counter
			h := newHandler(t, f.process, webhook.WithClient(srv.Client()))
			srv.SeedJob(reductotest.SeedJob{ID: jobB, Status: "Completed", Text: "text"})
			srv.Fault("GET /job/"+jobA, reductotest.Status(410).After(time.Second))
			var all sync.WaitGroup
			all.Go(func() { requireAnswer(t, post(h, of(jobA, "Completed")), http.StatusOK) })
			synctest.Wait()
			requireAnswer(t, post(h, of(jobB, "Completed")), http.StatusOK) // joins, and is left over
			all.Wait()
			require.Equal(t, 1, f.count())
			assert.Equal(t, jobB, f.last().JobID)
			assert.Equal(t, 1, f.last().Attempt)
			requireAnswer(t, post(h, of(jobA, "Completed")), http.StatusOK)
			assert.Equal(t, 1, f.count())
			assert.Equal(t, webhook.Stats{Accepted: 2, Duplicates: 1, Calls: 1, Expired: 1, Remembered: 1}, h.Stats())
		})
	})
}
