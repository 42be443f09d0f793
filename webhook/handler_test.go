package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
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

func TestHandlerAnswersByTheFuncsError(t *testing.T) {
	t.Parallel()
	cause := errors.New("no such customer")
	expired := fmt.Errorf("too late: %w", reducto.ErrExpired)
	for name, tt := range map[string]struct {
		err   error
		code  int
		level slog.Level
		text  string
		stats webhook.Stats // and Accepted and Calls, which are 1
	}{
		"none":      {nil, 200, slog.LevelDebug, "processed", webhook.Stats{Remembered: 1}},
		"any":       {cause, 500, slog.LevelWarn, "the function failed", webhook.Stats{Failures: 1}},
		"permanent": {webhook.Permanent(cause), 200, slog.LevelError, "failed permanently", webhook.Stats{Failures: 1, Remembered: 1}},
		"wrapped":   {fmt.Errorf("step 2: %w", webhook.Permanent(cause)), 200, slog.LevelError, "failed permanently", webhook.Stats{Failures: 1, Remembered: 1}},
		"joined":    {errors.Join(cause, webhook.Permanent(cause)), 200, slog.LevelError, "failed permanently", webhook.Stats{Failures: 1, Remembered: 1}},
		"expired":   {expired, 200, slog.LevelError, "expired", webhook.Stats{Failures: 1, Expired: 1, Remembered: 1}},
		"both":      {webhook.Permanent(expired), 200, slog.LevelError, "expired", webhook.Stats{Failures: 1, Expired: 1, Remembered: 1}},
		"no client": {webhook.ErrNoClient, 500, slog.LevelWarn, "the function failed", webhook.Stats{Failures: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(context.Context, *webhook.Delivery) error { return tt.err })
			s.answers(tt.code, payload("Completed", jobA, signed(`"submission_id":"s-1"`)))
			tt.stats.Accepted, tt.stats.Calls = 1, 1
			assert.Equal(t, tt.stats, s.Stats())
			s.flush()
			records := s.log.records(t, tt.level, tt.text)
			require.Len(t, records, 1)
			r := records[0]
			require.Contains(t, r, "delivery_age")
			for key, want := range map[string]any{
				"job_id": jobA, "status": "Completed", "outcome": "completed", "submission_id": "s-1", "kid": "current", "attempt": 1.0,
			} {
				assert.Equal(t, want, r[key], key)
			}
			if tt.err != nil {
				assert.Equal(t, tt.err.Error(), r["error"])
			}
		})
	}
}

// hostile is an error whose methods panic.
type hostile struct{}

func (hostile) Error() string   { return "hostile" }
func (hostile) Is(error) bool   { panic("Is") }
func (hostile) Unwrap() []error { panic("Unwrap") }

type mute struct{}

func (*mute) Error() string { panic("Error") }

func TestHandlerContainsPanicsOfTheFunc(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func() error{
		"panic":             func() error { panic("boom") },
		"panic(error)":      func() error { panic(errors.New("boom")) },
		"panic(nil)":        func() error { panic(nil) }, //nolint:govet // on purpose
		"nil pointer":       func() error { var e *webhook.Event; _ = e.JobID; return nil },
		"Goexit":            func() error { runtime.Goexit(); return nil },
		"abort":             func() error { panic(http.ErrAbortHandler) },
		"error that panics": func() error { return hostile{} },
		"panic in a defer":  func() error { defer func() { panic("late") }(); panic("early") },
		"panic that panics": func() error { panic(new(mute)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(context.Context, *webhook.Delivery) error { return f() })
			s.answers(500, genuine(jobA))
			assert.Equal(t, webhook.Stats{Accepted: 1, Calls: 1, Panics: 1, Failures: 1}, s.Stats())
			s.f.do = nil
			s.answers(200, genuine(jobA))
			assert.Equal(t, 2, s.f.last().Attempt)
			s.flush()
			records := s.log.records(t, slog.LevelError, "panicked")
			require.Len(t, records, 1)
			assert.Equal(t, jobA, records[0]["job_id"])
			if name != "Goexit" {
				assert.Contains(t, records[0]["stack"], "handler_test.go")
			}
		})
	}

	t.Run("error whose text panics", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, func(context.Context, *webhook.Delivery) error { return new(mute) })
		s.answers(500, genuine(jobA))
		assert.EqualValues(t, 1, s.Stats().Failures)
	})

	t.Run("other jobs go on", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, func(_ context.Context, d *webhook.Delivery) error {
			if d.JobID == jobA {
				panic("poison")
			}
			return nil
		})
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() { s.answers(500, genuine(jobA)) })
			all.Go(func() { s.answers(200, genuine(fmt.Sprintf("job-%d", i))) })
		}
		all.Wait()
	})
}

// Scenario 21.
func TestHandlerAnswersDuplicateWithoutCallingFunc(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for range 4 {
		s.answers(200, genuine(jobA))
	}
	assert.Equal(t, 1, s.f.count())
	assert.Equal(t, webhook.Stats{Accepted: 1, Duplicates: 3, Calls: 1, Remembered: 1}, s.Stats())
}

// Scenario 23.
func TestHandlerCallsFuncOnceForConcurrentDeliveries(t *testing.T) {
	t.Parallel()
	const deliveries = 1000
	for name, failure := range map[string]error{"success": nil, "failure": errors.New("no luck")} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				s := newSite(t, func(context.Context, *webhook.Delivery) error { time.Sleep(time.Second); return failure })
				want := webhook.Stats{Accepted: 1, Duplicates: deliveries - 1, Calls: 1, Remembered: 1}
				code := http.StatusOK
				if failure != nil {
					want.Failures, want.Remembered, code = 1, 0, http.StatusInternalServerError
				}
				var all sync.WaitGroup
				for range deliveries {
					all.Go(func() { s.answers(code, genuine(jobA)) })
				}
				all.Wait()
				assert.Equal(t, 1, s.f.count())
				assert.Equal(t, want, s.Stats())
				s.f.do = nil
				s.answers(200, genuine(jobA))
				if failure != nil {
					assert.Equal(t, 2, s.f.last().Attempt, "a failure is not remembered")
				}
			})
		})
	}
}

func TestHandlerAnswers503AfterTheDuplicateTimeout(t *testing.T) {
	virtual(t, func(t *testing.T) {
		slow := func(context.Context, *webhook.Delivery) error { time.Sleep(time.Minute); return nil }
		for timeout, s := range map[time.Duration]*site{
			webhook.DefaultDuplicateTimeout: newSite(t, slow, webhook.WithRetryAfter(1500*time.Millisecond)),
			0:                               newSite(t, slow, webhook.WithDuplicateTimeout(0), webhook.WithRetryAfter(2*time.Second)),
		} {
			var all sync.WaitGroup
			all.Go(func() { s.answers(200, genuine(jobA)) })
			synctest.Wait()
			began := time.Now()
			assert.Equal(t, "2", s.answers(503, genuine(jobA)).Header().Get("Retry-After"), "seconds, rounded up")
			assert.Equal(t, timeout, time.Since(began))
			all.Wait()
			assert.Equal(t, webhook.Stats{Accepted: 1, Duplicates: 1, Refused: 1, Calls: 1, Remembered: 1}, s.Stats())
		}
	})
}

// Scenario 15.
func TestHandlerCallsFuncForAFailedJob(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newAPISite(t, func(ctx context.Context, d *webhook.Delivery) error {
			assert.Equal(t, webhook.OutcomeFailed, d.Outcome)
			job, err := d.Job(ctx)
			if assert.NoError(t, err) {
				assert.Equal(t, "the pages are blank", job.FailureReason())
				assert.Nil(t, job.Result)
			}
			return err
		})
		s.srv.FailNext("the pages are blank", "DOCUMENT_EMPTY")
		job := s.submit(reducto.Async{Metadata: map[string]any{"user_id": "123"}})
		time.Sleep(time.Minute)
		assert.Equal(t, []int{200}, s.codes(job.JobID), "a failed job is not a failed delivery")
		require.Equal(t, 1, s.f.count())
		assert.Equal(t, job.SubmissionID, s.f.last().SubmissionID)
		assert.JSONEq(t, `{"user_id":"123"}`, string(s.f.last().Metadata))
		assert.Len(t, s.srv.RequestsTo("GET /job/"+job.JobID), 1, "the job is fetched once")
	})
}

// Scenario 16.
func TestHandlerBelievesTheAPIMoreThanTheDelivery(t *testing.T) {
	t.Parallel()
	for status, conflicts := range map[string]uint64{
		"Cancelled": 1, "Failed": 1, "Completed": 0, "Expired": 0, "Vanished": 0, "completed": 0, "Pending": 0, "終了": 0,
	} {
		t.Run(status, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				s := newAPISite(t, nil)
				s.srv.WebhookFault(reductotest.WithStatus(status))
				job := s.submit(reducto.Async{})
				time.Sleep(time.Minute)
				assert.Equal(t, []int{200}, s.codes(job.JobID))
				require.Equal(t, 1, s.f.count())
				assert.Equal(t, webhook.OutcomeCompleted, s.f.last().Outcome)
				assert.EqualValues(t, status, s.f.last().Status, "the delivery's")
				assert.Equal(t, conflicts, s.Stats().Conflicts)
			})
		})
	}
}

func TestHandlerWithoutClientBelievesTheDelivery(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for status, want := range map[string]webhook.Outcome{
		"Cancelled": webhook.OutcomeCancelled,
		"Vanished":  webhook.OutcomeUnknown,
		"Pending":   webhook.OutcomeUnknown,
		"Failed":    webhook.OutcomeFailed,
		"Completed": webhook.OutcomeCompleted,
	} {
		s.answers(200, payload(status, "job-"+status, signed()))
		assert.Equal(t, want, s.f.last().Outcome)
	}
}

// Scenario 24.
func TestHandlerCountsConflictsOfOneJob(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]webhook.Outcome{
		"completed, then failed": webhook.OutcomeCompleted, "failed, then completed": webhook.OutcomeFailed,
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				s := newAPISite(t, nil)
				if want == webhook.OutcomeFailed {
					s.srv.FailNext("it did not work", "")
				}
				s.srv.WebhookFault(reductotest.AlsoFailed())
				job := s.submit(reducto.Async{})
				time.Sleep(time.Minute)
				assert.Equal(t, []int{200, 200}, s.codes(job.JobID))
				require.Equal(t, 1, s.f.count())
				assert.Equal(t, want, s.f.last().Outcome)
				assert.EqualValues(t, 1, s.Stats().Conflicts)
				assert.Len(t, s.log.records(t, slog.LevelWarn, "contradicts"), 1)
			})
		})
	}

	t.Run("during the call, without a client", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			s := newSite(t, func(context.Context, *webhook.Delivery) error { time.Sleep(time.Second); return nil })
			var all sync.WaitGroup
			all.Go(func() { s.answers(200, genuine(jobA)) })
			synctest.Wait()
			s.answers(200, payload("Failed", jobA, signed()))
			all.Wait()
			require.Equal(t, 1, s.f.count())
			assert.Equal(t, webhook.OutcomeCompleted, s.f.last().Outcome, "the first is believed")
			assert.EqualValues(t, 1, s.Stats().Conflicts)
		})
	})

	t.Run("not for statuses that are no end", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, nil)
		for _, status := range []string{"Completed", "Completing", "Vanished", "Completed"} {
			s.answers(200, payload(status, jobA, signed()))
		}
		assert.Zero(t, s.Stats().Conflicts)
	})
}

// Scenario 25.
func TestHandlerAsksTheAPIAboutADuplicateOfAForgottenJob(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newAPISite(t, nil)
		job := s.submit(reducto.Async{})
		for _, step := range []struct {
			later           time.Duration
			remembered, get int
		}{
			{47 * time.Hour, 1, 1},
			{2 * time.Hour, 0, 2}, // forgotten: one request, and the job has expired
			{0, 1, 2},             // this is remembered
		} {
			time.Sleep(step.later)
			assert.Equal(t, step.remembered, s.Stats().Remembered)
			assert.Equal(t, http.StatusOK, s.srv.Redeliver(job.JobID).StatusCode)
			assert.Len(t, s.srv.RequestsTo("GET /job"), step.get)
		}
		assert.Equal(t, 1, s.f.count())
		assert.EqualValues(t, 1, s.Stats().Expired)
		synctest.Wait()
		assert.Len(t, s.log.records(t, slog.LevelError, "expired"), 1)
	})
}

func TestDedupWindowAndSizeLimitTheMemory(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newSite(t, nil, webhook.WithDedupWindow(time.Hour), webhook.WithDedupSize(2))
		for _, step := range []struct {
			job   string
			later time.Duration
			calls int
		}{
			{"job-1", 0, 1},
			{"job-1", time.Hour - time.Second, 1},
			{"job-1", time.Second, 2}, // the window is over
			{"job-2", 0, 3},
			{"job-3", 0, 4},
			{"job-2", 0, 4},
			{"job-3", 0, 4},
			{"job-1", 0, 5}, // the oldest is forgotten first
		} {
			time.Sleep(step.later)
			s.answers(200, genuine(step.job))
			assert.Equal(t, step.calls, s.f.count())
		}
		assert.Equal(t, 2, s.Stats().Remembered)
	})
}

// Scenario 14.
func TestHandlerTakesTwoSpellingsOfAUUIDForOneJob(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	upper := strings.ToUpper(jobA)
	s.answers(200, genuine(upper))
	s.answers(200, genuine(jobA))
	require.Equal(t, 1, s.f.count())
	assert.Equal(t, upper, s.f.last().JobID, "as Reducto spelled it")
	s.answers(200, payload("Failed", upper, signed()))
	assert.EqualValues(t, 1, s.Stats().Conflicts)
	s.answers(200, genuine("job_x"))
	s.answers(200, genuine("JOB_X"))
	assert.Equal(t, 3, s.f.count(), "other ids have one spelling")
}

func TestHandlerProcessesASubmissionOnce(t *testing.T) {
	t.Parallel()
	of := func(jobID, status string) string {
		return payload(status, jobID, signed(`"submission_id":"`+submissionID+`"`))
	}

	t.Run("for the first job to end", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, nil)
		s.answers(200, of(jobA, "Completed"))
		s.answers(200, of(jobB, "Failed"))
		require.Equal(t, 1, s.f.count())
		assert.Equal(t, jobA, s.f.last().JobID)
		assert.Equal(t, submissionID, s.f.last().SubmissionID)
		assert.Zero(t, s.Stats().Conflicts, "two jobs can end in two ways")
		s.answers(200, genuine(submissionID))
		assert.Equal(t, 2, s.f.count(), "a job's id is no submission's")
	})

	t.Run("counting attempts by job", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, func(context.Context, *webhook.Delivery) error { return errors.New("no luck") })
		for _, step := range []struct {
			job     string
			attempt int
		}{{jobA, 1}, {jobA, 2}, {jobB, 1}, {jobB, 2}, {jobA, 1}} {
			s.answers(500, of(step.job, "Completed"))
			assert.Equal(t, step.attempt, s.f.last().Attempt)
		}
	})

	t.Run("for the second job if the first is gone", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			s := newAPISite(t, nil)
			s.srv.SeedJob(reductotest.SeedJob{ID: jobB, Status: "Completed", Text: "text"})
			s.srv.Fault("GET /job/"+jobA, reductotest.Status(410).After(time.Second))
			var all sync.WaitGroup
			all.Go(func() { s.answers(200, of(jobA, "Completed")) })
			synctest.Wait()
			s.answers(200, of(jobB, "Completed")) // joins the first, and is processed after it
			all.Wait()
			require.Equal(t, 1, s.f.count())
			assert.Equal(t, jobB, s.f.last().JobID)
			assert.Equal(t, 1, s.f.last().Attempt)
			s.answers(200, of(jobA, "Completed"))
			assert.Equal(t, webhook.Stats{Accepted: 2, Duplicates: 1, Calls: 1, Expired: 1, Remembered: 1}, s.Stats())
		})
	})
}

// Scenario 44.
func TestHandlerOutlivesTheSendersPatience(t *testing.T) {
	sleep := func(d time.Duration) webhook.Func {
		return func(ctx context.Context, _ *webhook.Delivery) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	t.Run("the sender gives up", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			s := newAPISite(t, sleep(30*time.Second)) // the sender gives up after 15 s
			job := s.submit(reducto.Async{})
			time.Sleep(time.Minute)
			// 0 s: given up at 15 s. 16 s: joins until 20 s. 22 s: until 26 s. 30 s: done.
			assert.Equal(t, []int{0, 503, 503, 200}, s.codes(job.JobID))
			assert.Equal(t, http.StatusOK, s.srv.Redeliver(job.JobID).StatusCode)
			assert.Equal(t, 1, s.f.count())
			assert.Zero(t, s.Stats().Failures)
		})
	})
	t.Run("the request ends, but the sender reads on", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			s := newSite(t, sleep(10*time.Second))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			// net/http answers 200 for a handler that writes nothing.
			answers(t, s, 503, request(genuine(jobA)).WithContext(ctx))
			time.Sleep(10 * time.Second)
			s.answers(200, genuine(jobA))
			assert.Equal(t, 1, s.f.count())
			assert.EqualValues(t, 1, s.Stats().Refused)
		})
	})
}

// Scenario 45.
func TestHandlerEndsAJobThatIsGone(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]func(*reductotest.Server, string){
		"404":          func(s *reductotest.Server, id string) { s.Expire(id) },
		"410":          func(s *reductotest.Server, _ string) { s.Fault("GET /job", reductotest.Status(410).Always()) },
		"422":          func(s *reductotest.Server, _ string) { s.Fault("GET /job", reductotest.Status(422).Always()) },
		"empty result": func(s *reductotest.Server, id string) { s.SetStatus(id, "Completed") },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				s := newAPISite(t, nil)
				s.srv.WebhookFault(reductotest.DelayBy(2 * time.Minute))
				job := s.submit(reducto.Async{})
				time.Sleep(time.Minute)
				gone(s.srv, job.JobID)
				time.Sleep(2 * time.Minute)
				assert.Equal(t, []int{200}, s.codes(job.JobID), "no further delivery")
				assert.Equal(t, webhook.Stats{Accepted: 1, Expired: 1, Remembered: 1}, s.Stats())
				assert.Len(t, s.srv.RequestsTo("GET /job"), 1, "no retries")
				alerts := s.log.records(t, slog.LevelError, "expired")
				require.Len(t, alerts, 1)
				assert.Equal(t, job.JobID, alerts[0]["job_id"])
				assert.Equal(t, "expired", alerts[0]["outcome"])
			})
		})
	}

	t.Run("but not one that is not visible yet", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			s := newAPISite(t, nil)
			s.srv.Fault("GET /job", reductotest.Status(404).Times(7)) // five times, after 1 s two times
			job := s.submit(reducto.Async{SubmissionID: submissionAt(time.Now())})
			time.Sleep(time.Minute)
			assert.Equal(t, []int{503, 200}, s.codes(job.JobID))
			assert.Equal(t, webhook.Stats{Accepted: 2, Calls: 1, Remembered: 1}, s.Stats())
		})
	})
}

// submissionAt returns a UUID of version 7. Those of uuid.NewV7 never go back in time,
// so they are not those of a bubble, whose year is 2000.
func submissionAt(at time.Time) string {
	id := uuid.New()
	for i := range 6 {
		id[i] = byte(at.UnixMilli() >> (40 - 8*i))
	}
	id[6] = 0x70 | id[6]&0x0f
	return id.String()
}

// Scenario 48.
func TestHandlerWaitsForAnAPIThatLags(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers int // that say that the job runs
		codes   []int
	}{
		"for seconds":         {3, []int{200}},
		"for two deliveries":  {8, []int{503, 200}},
		"for four deliveries": {1000, []int{503, 503, 503, 503}},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				s := newAPISite(t, nil)
				s.srv.Hold()
				job := s.submit(reducto.Async{})
				s.srv.ReadLag(job.JobID, tt.answers)
				s.srv.Complete(job.JobID)
				time.Sleep(time.Minute)
				assert.Equal(t, tt.codes, s.codes(job.JobID))
				if tt.codes[len(tt.codes)-1] == 200 {
					require.Equal(t, 1, s.f.count())
					assert.Equal(t, webhook.OutcomeCompleted, s.f.last().Outcome)
					assert.Equal(t, 1, s.f.last().Attempt)
				} else {
					assert.Zero(t, s.f.count())
				}
				assert.Zero(t, s.Stats().Failures)
				assert.Zero(t, s.Stats().Conflicts)
			})
		})
	}
}

func TestHandlerAnswers503IfTheAPIFails(t *testing.T) {
	t.Parallel()
	const failed, refused = "could not be fetched", "refused the client's key"
	for name, tt := range map[string]struct {
		fault reductotest.Fault
		level slog.Level
		text  string
	}{
		"unavailable":   {reductotest.Status(503), slog.LevelWarn, failed},
		"a page":        {reductotest.HTML(502), slog.LevelWarn, failed},
		"no such page":  {reductotest.HTML(404), slog.LevelWarn, failed}, // says nothing about the job
		"empty answer":  {reductotest.Status(200).Body("application/json", ""), slog.LevelWarn, failed},
		"dropped":       {reductotest.Drop(), slog.LevelWarn, failed},
		"bad request":   {reductotest.Status(400), slog.LevelWarn, failed},
		"key unknown":   {reductotest.Status(401), slog.LevelError, refused},
		"key forbidden": {reductotest.Status(403), slog.LevelError, refused},
		"no answer":     {reductotest.Stall(), slog.LevelWarn, failed},
		"rate limited":  {reductotest.Status(429).Header("Retry-After", "600"), slog.LevelWarn, failed},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				s := newAPISite(t, nil)
				s.srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
				s.srv.Fault("GET /job", tt.fault.Always())
				began := time.Now()
				s.answers(503, genuine(jobA))
				assert.LessOrEqual(t, time.Since(began), 30*time.Second)
				synctest.Wait()
				assert.Len(t, s.log.records(t, tt.level, tt.text), 1)
				assert.Equal(t, webhook.Stats{Accepted: 1}, s.Stats())

				s.srv.ClearFaults()
				s.answers(200, genuine(jobA))
				assert.Equal(t, 1, s.f.last().Attempt, "the function was not called before")
			})
		})
	}
}

func TestHandlerWithoutRefetch(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := newAPISite(t, nil, webhook.WithoutRefetch())
		s.answers(200, payload("Failed", jobB, signed()))
		assert.Equal(t, webhook.OutcomeFailed, s.f.last().Outcome, "the delivery is believed")
		assert.Empty(t, s.srv.Requests())

		s.f.do = func(ctx context.Context, d *webhook.Delivery) error {
			assert.ErrorIs(t, d.CompleteTx(ctx, nil), webhook.ErrTxUnsupported)
			_, err := d.Job(ctx)
			_, again := d.Job(ctx)
			assert.Equal(t, err, again)
			return err
		}
		s.srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
		s.answers(200, genuine(jobA))
		assert.Len(t, s.srv.Requests(), 1)

		s.answers(200, genuine("job_gone"))
		assert.EqualValues(t, 1, s.Stats().Expired, "the function found out")
		s.answers(200, genuine("job_gone"))
		assert.Equal(t, 3, s.f.count(), "this is remembered")
	})
}

// Scenario 53.
func TestHandlerShutdown(t *testing.T) {
	t.Parallel()
	expired, cancel := context.WithCancel(t.Context())
	cancel()

	t.Run("twice, at once, before any request", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, nil)
		var all sync.WaitGroup
		for range 10 {
			all.Go(s.flush)
		}
		all.Wait()
		require.NoError(t, s.Shutdown(expired), "there is nothing to wait for")
	})

	t.Run("answers 503 to what would begin a call", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, nil)
		s.answers(200, genuine(jobA))
		s.flush()
		s.answers(503, genuine(jobB))
		s.answers(200, genuine(jobA))
		s.answers(401, payload("Completed", jobB, `{}`))
		assert.Equal(t, webhook.Stats{Accepted: 1, Duplicates: 1, Refused: 1, Unauthorized: 1, Calls: 1, Remembered: 1}, s.Stats())
	})

	t.Run("waits for calls", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			s := newSite(t, func(ctx context.Context, _ *webhook.Delivery) error { time.Sleep(10 * time.Second); return ctx.Err() })
			var all sync.WaitGroup
			all.Go(func() { s.answers(200, genuine(jobA)) })
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			all.Go(func() {
				time.Sleep(8 * time.Second)
				s.answers(200, genuine(jobA)) // a duplicate joins the call still
			})
			began := time.Now()
			require.NoError(t, s.Shutdown(ctx))
			assert.Equal(t, 10*time.Second, time.Since(began))
			all.Wait()
		})
	})

	t.Run("ends the contexts of calls that take too long", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			release := make(chan struct{})
			s := newSite(t, func(ctx context.Context, d *webhook.Delivery) error {
				if d.JobID == "job-deaf" {
					<-release
					return nil
				}
				<-ctx.Done()
				return context.Cause(ctx)
			})
			var all sync.WaitGroup
			for job, code := range map[string]int{jobA: 503, jobB: 503, "job-deaf": 200} {
				all.Go(func() { s.answers(code, genuine(job)) })
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := s.Shutdown(ctx)
			left := new(webhook.ShutdownError)
			require.ErrorAs(t, err, &left)
			assert.Equal(t, 3, left.Remaining)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "3 calls of the function are still running")
			synctest.Wait()
			require.ErrorAs(t, s.Shutdown(expired), &left)
			assert.Equal(t, 1, left.Remaining, "the others obeyed")
			close(release)
			all.Wait()
			s.flush()
			assert.Zero(t, s.Stats().InFlight)
			assert.Len(t, s.log.records(t, slog.LevelWarn, "Shutdown stopped the function"), 2)
		})
	})

	for name, prepare := range map[string]func(*reductotest.Server){
		"ends a request to the API":        func(srv *reductotest.Server) { srv.Fault("GET /job", reductotest.Stall().Always()) },
		"ends a pause between two of them": func(srv *reductotest.Server) { srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "InProgress"}) },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				s := newAPISite(t, nil)
				prepare(s.srv)
				var all sync.WaitGroup
				all.Go(func() { s.answers(503, genuine(jobA)) })
				synctest.Wait()
				began := time.Now()
				require.Error(t, s.Shutdown(expired))
				all.Wait()
				assert.Zero(t, time.Since(began))
			})
		})
	}

	t.Run("says that the logger is stuck", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			stuck := make(chan struct{})
			s := newSite(t, nil, webhook.WithLogger(slog.New(hookHandler(func(slog.Record) { <-stuck }))))
			s.answers(200, genuine(jobA))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := s.Shutdown(ctx)
			left := new(webhook.ShutdownError)
			require.ErrorAs(t, err, &left)
			assert.Zero(t, left.Remaining)
			require.ErrorContains(t, err, "log records")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			close(stuck)
		})
	})
}

// Scenario 54.
func TestHandlerLeavesNoGoroutine(t *testing.T) { // not parallel: it counts
	before := runtime.NumGoroutine()
	sites := make([]*site, 100)
	for i := range sites {
		sites[i] = newSite(t, func(context.Context, *webhook.Delivery) error {
			return []error{nil, errors.New("no luck")}[i%2]
		})
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before, "NewHandler starts none") // others may end
	for i, s := range sites {
		s.answers([]int{200, 500}[i%2], genuine(jobA))
		s.answers(401, payload("Completed", jobA, `{}`))
	}
	for _, s := range sites {
		s.flush()
	}
	assert.Empty(t, leftovers(10*time.Second))
}
