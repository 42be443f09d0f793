package webhook_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func TestScenario44_SlowFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t) // gives up after 15 s, tries again 1 s later
		client := srv.Client(reducto.WithSubmitHook(newSecret(t, testSecret)))
		f := counter{then: func(ctx context.Context, _ *webhook.Delivery) error {
			select {
			case <-time.After(30 * time.Second):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}}
		h := newHandler(t, f.process, webhook.WithClient(client))
		hook := srv.Mount("/webhook", h)
		job := submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook)})
		time.Sleep(time.Minute)

		var codes []int
		for _, d := range srv.Deliveries(job.JobID) {
			codes = append(codes, d.StatusCode)
		}
		// 0 s: given up at 15 s. 16 s: joins until 20 s. 22 s: until 26 s. 30 s: done.
		assert.Equal(t, []int{0, 503, 503, 200}, codes)
		assert.Equal(t, 1, f.count(), "no second run")
		assert.Equal(t, http.StatusOK, srv.Redeliver(job.JobID).StatusCode)
		assert.Equal(t, 1, f.count())
		assert.Zero(t, h.Stats().Failures)
	})
}

func TestScenario44_RequestEndsButTheSenderIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := counter{then: func(ctx context.Context, _ *webhook.Delivery) error {
			time.Sleep(10 * time.Second)
			return context.Cause(ctx)
		}}
		h := newHandler(t, f.process)
		// net/http answers 200 for a handler that returns without a word.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		requireAnswer(t, serveRequest(h, request(genuine(jobA)).WithContext(ctx)), http.StatusServiceUnavailable)
		time.Sleep(10 * time.Second)
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		assert.Equal(t, 1, f.count())
		assert.EqualValues(t, 1, h.Stats().Refused)
	})
}

func TestFuncTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		f := counter{then: func(ctx context.Context, _ *webhook.Delivery) error {
			assert.Equal(t, "kept", ctx.Value(key{}))
			<-ctx.Done()
			assert.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			assert.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
			return ctx.Err()
		}}
		h := newHandler(t, f.process, webhook.WithFuncTimeout(time.Hour))
		began := time.Now()
		r := request(genuine(jobA))
		requireAnswer(t, serveRequest(h, r.WithContext(context.WithValue(t.Context(), key{}, "kept"))), http.StatusInternalServerError)
		assert.Equal(t, time.Hour, time.Since(began))
	})
}

func TestScenario45_JobIsGone(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]func(*reductotest.Server, string){
		"404":          func(s *reductotest.Server, id string) { s.Expire(id) },
		"410":          func(s *reductotest.Server, id string) { s.Fault("GET /job", reductotest.Status(410).Always()) },
		"422":          func(s *reductotest.Server, id string) { s.Fault("GET /job", reductotest.Status(422).Always()) },
		"empty result": func(s *reductotest.Server, id string) { s.SetStatus(id, "Completed") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := reductotest.NewServer(t)
				client := srv.Client(reducto.WithSubmitHook(newSecret(t, testSecret)))
				var f counter
				log := newLogBook(t)
				h := newHandler(t, f.process, webhook.WithClient(client), webhook.WithLogger(log.logger()))
				hook := srv.Mount("/webhook", h)
				srv.WebhookFault(reductotest.DelayBy(2 * time.Minute))
				job := submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook)})
				time.Sleep(time.Minute)
				gone(srv, job.JobID)
				time.Sleep(2 * time.Minute)
				require.Len(t, srv.Deliveries(job.JobID), 1, "no further delivery")
				assert.Equal(t, http.StatusOK, srv.Deliveries(job.JobID)[0].StatusCode)
				assert.Equal(t, 0, f.count())
				assert.EqualValues(t, 1, h.Stats().Expired)
				assert.Equal(t, 1, h.Stats().Remembered)
				assert.Len(t, srv.RequestsTo("GET /job"), 1, "no retry loop")
				alerts := log.records(slog.LevelError, "expired")
				require.Len(t, alerts, 1)
				assert.Equal(t, job.JobID, alerts[0]["job_id"])
				assert.Equal(t, "expired", alerts[0]["outcome"])
			})
		})
	}

	t.Run("a page that is not found says nothing of the job", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := reductotest.NewServer(t)
			var f counter
			h := newHandler(t, f.process, webhook.WithClient(srv.Client()))
			srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
			srv.Fault("GET /job", reductotest.HTML(404))
			requireAnswer(t, post(h, genuine(jobA)), http.StatusServiceUnavailable)
			requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
			assert.Equal(t, 1, f.count())
			assert.Equal(t, 1, f.last().Attempt)
		})
	})

	t.Run("a job just submitted is not gone but not visible yet", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := reductotest.NewServer(t)
			client := srv.Client(reducto.WithSubmitHook(newSecret(t, testSecret)))
			var f counter
			h := newHandler(t, f.process, webhook.WithClient(client))
			hook := srv.Mount("/webhook", h)
			srv.Fault("GET /job", reductotest.Status(404).Times(7)) // five looks, 1 s, two looks
			job := submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook), SubmissionID: submissionAt(time.Now())})
			time.Sleep(time.Minute)
			deliveries := srv.Deliveries(job.JobID)
			require.Len(t, deliveries, 2)
			assert.Equal(t, http.StatusServiceUnavailable, deliveries[0].StatusCode)
			assert.Equal(t, http.StatusOK, deliveries[1].StatusCode)
			assert.Equal(t, 1, f.count())
			assert.Zero(t, h.Stats().Expired)
		})
	})
}

// submissionAt is a UUID of version 7. Those of uuid.NewV7 never go back in time,
// from outside of a bubble to its year 2000 for one.
func submissionAt(at time.Time) string {
	id := uuid.New()
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = 0x70 | id[6]&0x0f
	return id.String()
}

func TestScenario48_ReadLag(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers int // that say the job runs
		codes   []int
	}{
		"within the recheck": {3, []int{200}},
		"longer":             {8, []int{503, 200}},
		"too long":           {1000, []int{503, 503, 503, 503}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := reductotest.NewServer(t)
				client := srv.Client(reducto.WithSubmitHook(newSecret(t, testSecret)))
				var f counter
				h := newHandler(t, f.process, webhook.WithClient(client))
				hook := srv.Mount("/webhook", h)
				srv.Hold()
				job := submit(t, client, reducto.Async{Webhook: reducto.DirectWebhook(hook)})
				srv.ReadLag(job.JobID, tt.answers)
				srv.Complete(job.JobID)
				time.Sleep(time.Minute)
				var codes []int
				for _, d := range srv.Deliveries(job.JobID) {
					codes = append(codes, d.StatusCode)
				}
				assert.Equal(t, tt.codes, codes)
				if tt.codes[len(tt.codes)-1] == 200 {
					require.Equal(t, 1, f.count())
					assert.Equal(t, webhook.OutcomeCompleted, f.last().Outcome)
					assert.Equal(t, 1, f.last().Attempt)
				} else {
					assert.Equal(t, 0, f.count())
				}
				assert.Zero(t, h.Stats().Failures)
				assert.Zero(t, h.Stats().Conflicts)
			})
		})
	}
}

func TestAPITrouble(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault reductotest.Fault
		level slog.Level
		text  string
	}{
		"unavailable":   {reductotest.Status(503), slog.LevelWarn, "could not be fetched"},
		"a page":        {reductotest.HTML(502), slog.LevelWarn, "could not be fetched"},
		"empty answer":  {reductotest.Status(200).Body("application/json", ""), slog.LevelWarn, "could not be fetched"},
		"dropped":       {reductotest.Drop(), slog.LevelWarn, "could not be fetched"},
		"bad request":   {reductotest.Status(400), slog.LevelWarn, "could not be fetched"},
		"key unknown":   {reductotest.Status(401), slog.LevelError, "refuses the client's key"},
		"key forbidden": {reductotest.Status(403), slog.LevelError, "refuses the client's key"},
		"no answer":     {reductotest.Stall(), slog.LevelWarn, "could not be fetched"},
		"rate limited":  {reductotest.Status(429).Header("Retry-After", "600"), slog.LevelWarn, "could not be fetched"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := reductotest.NewServer(t)
				var f counter
				log := newLogBook(t)
				h := newHandler(t, f.process, webhook.WithClient(srv.Client()), webhook.WithLogger(log.logger()))
				srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
				srv.Fault("GET /job", tt.fault.Always())
				began := time.Now()
				requireAnswer(t, post(h, genuine(jobA)), http.StatusServiceUnavailable)
				assert.LessOrEqual(t, time.Since(began), 30*time.Second)
				assert.Equal(t, 0, f.count())
				synctest.Wait()
				assert.Len(t, log.records(tt.level, tt.text), 1)
				assert.Zero(t, h.Stats().Remembered, "it marks nothing")

				srv.ClearFaults()
				requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
				assert.Equal(t, 1, f.count())
				assert.Equal(t, 1, f.last().Attempt, "the function was not called before")
			})
		})
	}
}

func TestWithoutRefetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		f := counter{then: func(ctx context.Context, d *webhook.Delivery) error {
			if d.JobID == jobB {
				return nil
			}
			job, err := d.Job(ctx)
			if err == nil {
				assert.Equal(t, reducto.JobStatusCompleted, job.Status)
			}
			return err
		}}
		h := newHandler(t, f.process, webhook.WithClient(srv.Client()), webhook.WithoutRefetch())
		requireAnswer(t, post(h, payload("Failed", jobB, signed())), http.StatusOK)
		assert.Equal(t, webhook.OutcomeFailed, f.last().Outcome)
		assert.Empty(t, srv.Requests())

		srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		assert.Len(t, srv.Requests(), 1)

		requireAnswer(t, post(h, genuine("job_gone")), http.StatusOK)
		assert.EqualValues(t, 1, h.Stats().Expired, "the function found out")
		requireAnswer(t, post(h, genuine("job_gone")), http.StatusOK)
		assert.Equal(t, 3, f.count(), "and it is remembered")
	})
}

func TestDeliveryJobIsFetchedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		client := srv.Client(reducto.WithMaxRetries(0))
		srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed", Text: "text"})
		f := counter{then: func(ctx context.Context, d *webhook.Delivery) error {
			srv.Fault("GET /job", reductotest.Status(503))
			_, err := d.Job(ctx)
			assert.ErrorIs(t, err, reducto.ErrUnavailable, "a failure is not kept")

			srv.Fault("GET /job", reductotest.Delay(time.Second))
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					job, err := d.Job(ctx)
					if assert.NoError(t, err) {
						assert.IsType(t, new(reducto.ParseResult), job.Result)
					}
				})
			}
			synctest.Wait()
			impatient, cancel := context.WithCancelCause(ctx)
			cause := errors.New("enough")
			cancel(cause)
			_, err = d.Job(impatient)
			assert.ErrorIs(t, err, cause, "a waiter's context is obeyed")
			all.Wait()
			assert.Len(t, srv.RequestsTo("GET /job/"+jobA), 2)

			srv.Expire(jobA)
			_, err = d.Job(ctx)
			assert.NoError(t, err, "it was fetched before it expired")
			return nil
		}}
		h := newHandler(t, f.process, webhook.WithClient(client), webhook.WithoutRefetch())
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)

		f.then = func(ctx context.Context, d *webhook.Delivery) error {
			_, err := d.Job(ctx)
			assert.ErrorIs(t, err, reducto.ErrExpired)
			_, again := d.Job(ctx)
			assert.Equal(t, err, again)
			assert.Contains(t, err.Error(), "job "+jobB+" is gone")
			api := new(reducto.APIError)
			assert.ErrorAs(t, err, &api)
			return err
		}
		requireAnswer(t, post(h, genuine(jobB)), http.StatusOK)
		assert.Len(t, srv.RequestsTo("GET /job/"+jobB), 1, "gone is for good")
	})
}
