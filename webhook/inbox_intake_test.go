package webhook_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
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

func TestScenario02_WrongSecretInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.make(nil, nothing)
		var answers []*httptest.ResponseRecorder
		for _, body := range []string{
			payload("Completed", jobA, `{"secret":"somebody else's secret"}`),
			payload("Completed", jobA, `{}`),
			payload("Completed", jobA, `null`),
			payload("Completed", jobA, `{"secret":"v1.k1.0199a0b4.1.expired"}`),
		} {
			w := post(p, body)
			requireAnswer(t, w, http.StatusUnauthorized)
			answers = append(answers, w)
		}
		requireAnswer(t, post(p, `{"status":`), http.StatusBadRequest)
		requireAnswer(t, post(p, payload("Completed", jobA, signed(`"x":"`+strings.Repeat("x", 1<<20)+`"`))), http.StatusRequestEntityTooLarge)
		for _, w := range answers {
			assert.Equal(t, answers[0].Body.String(), w.Body.String())
			assert.Equal(t, answers[0].Header(), w.Header())
		}
		assert.Zero(t, p.spy.count(), "the store is untouched")
		synctest.Wait()
		assert.Equal(t, 4, s.meter.count("deliveries{unauthorized}"))
		assert.Equal(t, 1, s.meter.count("deliveries{invalid}"))
		assert.Equal(t, 1, s.meter.count("deliveries{too_large}"))

		requireAnswer(t, post(p, genuine(jobA)), http.StatusOK)
		assert.Len(t, s.records(webhook.StateReceived), 1, "the victim's job is not burnt")
	})
}

func TestScenario04_MetricPerKeyInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.make(nil, nothing)
		requireAnswer(t, post(p, genuine(jobA)), http.StatusOK)
		for range 2 {
			requireAnswer(t, post(p, payload("Completed", jobB, `{"secret":"`+oldSecret+`"}`)), http.StatusOK)
		}
		requireAnswer(t, post(p, payload("Completed", jobB, `{"secret":"`+canary+`removed-000000"}`)), http.StatusUnauthorized)
		synctest.Wait()
		assert.Equal(t, 1, s.meter.count("keys{current}"))
		assert.Equal(t, 2, s.meter.count("keys{previous-1}"))

		// The same for the keys of a Signer.
		signer := newSigner(t, "new", "old")
		p = s.make(signer, nothing)
		requireAnswer(t, serveRequest(p, webhook.NewTestRequest("/", signer, "job-1", reducto.JobStatusCompleted, nil)), http.StatusOK)
		requireAnswer(t, serveRequest(p, webhook.NewTestRequest("/", newSigner(t, "old"), "job-2", reducto.JobStatusCompleted, nil)), http.StatusOK)
		requireAnswer(t, serveRequest(p, webhook.NewTestRequest("/", newSigner(t, "gone"), "job-3", reducto.JobStatusCompleted, nil)), http.StatusUnauthorized)
		synctest.Wait()
		assert.Equal(t, 1, s.meter.count("keys{new}"))
		assert.Equal(t, 1, s.meter.count("keys{old}"))
		assert.Zero(t, s.meter.count("keys{gone}"))
	})
}

func TestScenario08_TokenOfAnotherJobInbox(t *testing.T) {
	t.Parallel()
	token := func(signer *webhook.Signer, submission, jobID string) *http.Request {
		return webhook.NewTestRequest("/", signer, jobID, reducto.JobStatusCompleted, map[string]any{"submission_id": submission})
	}

	t.Run("after the job is known", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			signer := newSigner(t, "k1")
			var f counter
			p := s.make(signer, f.process)
			p.run()
			s.srv.WebhookFault(reductotest.DelayBy(10 * time.Second))
			job := p.submit(reducto.Async{})
			victim := s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
			requireAnswer(t, serveRequest(p, token(signer, job.SubmissionID, victim)), http.StatusUnauthorized)
			rest(time.Minute)
			requireAnswer(t, serveRequest(p, token(signer, job.SubmissionID, victim)), http.StatusUnauthorized)
			requireAnswer(t, serveRequest(p, token(signer, job.SubmissionID, job.JobID)), http.StatusOK)
			synctest.Wait()
			require.Equal(t, 1, f.count())
			assert.Equal(t, job.JobID, f.last().JobID)
			assert.Equal(t, 2, s.meter.count("deliveries{refused}"))
			assert.Len(t, s.records(), 1)
			assert.NotEmpty(t, s.log.records(slog.LevelWarn, "none of those that its submission made"))
		})
	})

	t.Run("before it is known, it is quarantined", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			signer := newSigner(t, "k1")
			var f counter
			p := s.make(signer, f.process)
			p.run()
			victim := s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
			id := uuid.NewString()
			s.answersAfter(p, 5500*time.Millisecond) // between two sweeps
			done := make(chan string)
			go func() { done <- p.submit(reducto.Async{SubmissionID: id}).JobID }()
			s.srv.WebhookFault(reductotest.Lose())
			rest(time.Second)
			requireAnswer(t, serveRequest(p, token(signer, id, victim)), http.StatusOK)
			rest(time.Second)
			assert.Equal(t, 0, f.count(), "it waits for the answer to the submission")
			jobID := <-done
			synctest.Wait()
			// A sweep may have found its own job by now, at the same moment; never the other's.
			if f.count() == 0 {
				assert.Equal(t, webhook.StatePending, s.record(jobID).State, "it was another job's")
			}
			requireAnswer(t, serveRequest(p, token(signer, id, victim)), http.StatusUnauthorized)
			rest(10 * time.Minute)
			require.Equal(t, 1, f.count(), "the sweep finds its own")
			assert.Equal(t, jobID, f.last().JobID)
		})
	})

	// The process that submitted died before it could bind the job, so that nothing
	// tells the token's own job from another but what the API says of them.
	for _, test := range []struct {
		name  string
		other func(s *site) string
	}{
		{"a job of another submission", func(s *site) string {
			return s.srv.SeedJob(reductotest.SeedJob{Status: "Completed", Metadata: map[string]any{"submission_id": uuid.NewString()}})
		}},
		{"a job that does not exist", func(*site) string { return uuid.NewString() }},
		{"a job that was deleted", func(s *site) string {
			id := s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
			require.NoError(s.t, s.srv.Client().DeleteJob(s.t.Context(), id, false))
			return id
		}},
	} {
		for _, early := range []bool{true, false} {
			t.Run(fmt.Sprintf("while nobody can bind it, %s, before its own: %v", test.name, early), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t)
					signer := newSigner(t, "k1")
					var f counter
					p := s.make(signer, f.process)
					p.run()
					id := uuid.Must(uuid.NewV7()).String()
					require.NoError(t, s.mem.Submit(t.Context(), webhook.Submitted{ID: id, Webhook: true, LookAfter: time.Minute}))
					rest(2 * time.Minute) // such that a job that is not known yet would be
					own := s.srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "own", Metadata: map[string]any{"user": "1"}})
					other := test.other(s)
					if early {
						requireAnswer(t, serveRequest(p, token(signer, id, other)), http.StatusOK)
						rest(time.Second)
					}
					requireAnswer(t, serveRequest(p, token(signer, id, own)), http.StatusOK)
					rest(time.Second)
					if !early {
						requireAnswer(t, serveRequest(p, token(signer, id, other)), http.StatusOK)
					}
					rest(10 * time.Minute)
					require.Equal(t, 1, f.count())
					assert.Equal(t, own, f.last().JobID)
					assert.Equal(t, webhook.OutcomeCompleted, f.last().Outcome)
					assert.Equal(t, webhook.StateDone, s.record(own).State)
					assert.Equal(t, early, len(s.log.records(slog.LevelWarn, "is not this submission's")) > 0)
				})
			})
		}
	}

	t.Run("while nobody can bind it, a job of which the API says nothing is believed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			signer := newSigner(t, "k1")
			var f counter
			p := s.make(signer, f.process)
			p.run()
			id := uuid.Must(uuid.NewV7()).String()
			require.NoError(t, s.mem.Submit(t.Context(), webhook.Submitted{ID: id, Webhook: true, LookAfter: time.Minute}))
			other := s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
			requireAnswer(t, serveRequest(p, token(signer, id, other)), http.StatusOK)
			rest(time.Minute)
			assert.Equal(t, 0, f.count(), "not at once: the answer to the submission may be on its way")
			rest(10 * time.Minute)
			require.Equal(t, 1, f.count())
			assert.Equal(t, other, f.last().JobID)
		})
	})

	t.Run("sent n times, n jobs are accepted", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			signer := newSigner(t, "k1")
			var f counter
			p := s.make(signer, f.process)
			p.run()
			s.srv.Fault("POST /parse_async", reductotest.LoseAnswer())
			job, err := p.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")}, reducto.WithResubmit())
			require.NoError(t, err)
			rest(5 * time.Minute) // which of the two was announced first is not known: it is held for a while
			require.Len(t, s.srv.Jobs(), 2)
			for _, j := range s.srv.Jobs() {
				assert.Equal(t, []int{200}, s.codes(j.ID), "the first is processed, the other a duplicate")
			}
			require.Equal(t, 1, f.count())
			assert.Equal(t, job.SubmissionID, f.last().SubmissionID)
			requireAnswer(t, serveRequest(p, token(signer, job.SubmissionID, jobA)), http.StatusUnauthorized)
			assert.Len(t, s.records(), 1)
			assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
		})
	})
}

func TestScenario10_FloodOfForgeriesInbox(t *testing.T) { // not parallel: it measures
	const forgeries, workers = 10_000, 8
	store := spy(webhook.NewMemoryStore())
	in, err := webhook.NewInbox(newSecret(t, testSecret), store, nothing)
	require.NoError(t, err)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	forged := payload("Completed", jobA, `{"secret":"wrong"}`)
	post(in, forged)
	before := heap()
	var flood sync.WaitGroup
	for range workers {
		flood.Go(func() {
			for range forgeries / workers {
				w := httptest.NewRecorder()
				in.ServeHTTP(w, request(forged))
				assert.Equal(t, http.StatusUnauthorized, w.Code)
			}
		})
	}
	var slowest time.Duration
	for i := range 100 {
		began := time.Now()
		requireAnswer(t, post(in, genuine(fmt.Sprintf("genuine-%d", i))), http.StatusOK)
		slowest = max(slowest, time.Since(began))
	}
	flood.Wait()
	assert.Less(t, slowest, webhook.DefaultIntakeTimeout)
	assert.Equal(t, 100, store.count(), "one call for each genuine delivery")
	assert.Less(t, int64(heap())-int64(before), int64(1<<20), "bytes kept")
	require.NoError(t, in.Shutdown(t.Context()))
}

func TestScenario21_SameDeliveryFourTimesInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process)
		s.srv.WebhookFault(reductotest.Duplicate(3))
		job := p.submit(reducto.Async{})
		rest(time.Minute)
		assert.Equal(t, []int{200, 200, 200, 200}, s.codes(job.JobID))
		require.Equal(t, 1, f.count())
		stats, err := p.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, webhook.Stats{Accepted: 1, Duplicates: 3, Calls: 1, Remembered: 1}, stats.Stats)
		assert.Zero(t, stats.Lost)
		assert.Equal(t, 1, stats.Store.Count[webhook.StateDone])
	})
}

func TestScenario22_TwoReplicasInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		replicas := []*process{s.start(f.process), s.start(f.process)}
		for range 20 {
			jobID := s.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
			var both sync.WaitGroup
			for _, p := range replicas {
				both.Go(func() { requireAnswer(t, post(p, genuine(jobID)), http.StatusOK) })
			}
			both.Wait()
		}
		rest(time.Minute)
		assert.Equal(t, 20, f.count())
		assert.Len(t, s.records(webhook.StateDone), 20)
		assert.Equal(t, 20, s.meter.count("deliveries{accepted}"))
		assert.Equal(t, 20, s.meter.count("deliveries{duplicate}"))
	})
}

func TestScenario23_ManyAtOnceInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process)
		s.srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
		p.spy.breaks(hang(10*time.Millisecond, "Receive"), nil) // so that they gather
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { requireAnswer(t, post(p, genuine(jobA)), http.StatusOK) })
		}
		all.Wait()
		rest(time.Minute)
		require.Equal(t, 1, f.count())
		assert.LessOrEqual(t, p.spy.count("Receive"), 1+1000/256+1, "they share commits")
	})
}

// overlapping is a store that says that calls which overlap get more done.
type overlapping struct{ webhook.Store }

func (overlapping) Overlaps() bool { return true }

// Where many deliveries arrive at once, a store that says so is given a second batch
// beside the first.
func TestInboxGivesASecondBatchBesideTheFirst(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wrap func(webhook.Store) webhook.Store
		most int
	}{
		"says so":  {func(s webhook.Store) webhook.Store { return overlapping{s} }, 2},
		"does not": {nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				p := s.makeOn(tt.wrap, nil, nothing)
				var running, most atomic.Int64
				p.spy.breaks(func(_ context.Context, method string) error {
					if method != "Receive" {
						return nil
					}
					if n := running.Add(1); n > most.Load() {
						most.Store(n)
					}
					time.Sleep(time.Second / 10)
					return nil
				}, func(method string) error {
					if method == "Receive" {
						running.Add(-1)
					}
					return nil
				})
				var all sync.WaitGroup
				for i := range 200 {
					for range 2 { // with a duplicate, which may well be in the other batch
						all.Go(func() { requireAnswer(t, post(p, genuine(fmt.Sprintf("job-%d", i))), http.StatusOK) })
					}
				}
				all.Wait()
				synctest.Wait() // for the meter
				assert.EqualValues(t, tt.most, most.Load())
				assert.Equal(t, 200, s.meter.count("deliveries{accepted}"))
				assert.Equal(t, 200, s.meter.count("deliveries{duplicate}"))
			})
		})
	}
}

func TestScenario24_CompletedAndFailedInbox(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fail  bool
		fault reductotest.WebhookFault
		want  webhook.Outcome
	}{
		"completed, then failed":     {false, reductotest.AlsoFailed(), webhook.OutcomeCompleted},
		"failed, then completed":     {true, reductotest.AlsoFailed(), webhook.OutcomeFailed},
		"the delivery says failed":   {false, reductotest.WithStatus("Failed"), webhook.OutcomeCompleted},
		"the delivery says complete": {true, reductotest.WithStatus("Completed"), webhook.OutcomeFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var f counter
				p := s.start(f.process)
				if tt.fail {
					s.srv.FailNext("it did not work", "")
				}
				s.srv.WebhookFault(tt.fault)
				job := p.submit(reducto.Async{})
				rest(time.Minute)
				for _, code := range s.codes(job.JobID) {
					assert.Equal(t, 200, code)
				}
				require.Equal(t, 1, f.count())
				assert.Equal(t, tt.want, f.last().Outcome, "the API decides")
				r := s.record(job.JobID)
				assert.Equal(t, webhook.StateDone, r.State)
				assert.Equal(t, tt.want, r.Outcome)
				assert.Equal(t, 1, s.meter.count("conflicts"))
				assert.Equal(t, 1, s.meter.count("outcomes{"+string(tt.want)+"}"))
			})
		})
	}

	t.Run("a status that is no end does not contradict", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			p := s.make(nil, nothing)
			for _, status := range []string{"Completed", "Completing", "Vanished", "Completed"} {
				requireAnswer(t, post(p, payload(status, jobA, signed())), http.StatusOK)
			}
			synctest.Wait()
			assert.Zero(t, s.meter.count("conflicts"))
		})
	})
}

func TestScenario25_DuplicateAfterTheTombstoneInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process, webhook.WithRetention(4*time.Hour, time.Hour), webhook.WithPoll(time.Minute))
		job := p.submit(reducto.Async{SubmissionID: submissionAt(time.Now())})
		rest(3 * time.Hour)
		s.srv.Expire(job.JobID)
		require.Equal(t, 1, f.count())
		require.Equal(t, http.StatusOK, s.srv.Redeliver(job.JobID).StatusCode)
		rest(time.Minute)
		assert.Equal(t, 1, s.meter.count("deliveries{duplicate}"))
		fetched := len(s.srv.RequestsTo("GET /job"))

		rest(2 * time.Hour)
		require.Empty(t, s.records(), "purged")
		require.Equal(t, http.StatusOK, s.srv.Redeliver(job.JobID).StatusCode)
		rest(time.Hour)
		assert.Len(t, s.srv.RequestsTo("GET /job"), fetched+1, "one refetch")
		assert.Equal(t, 1, f.count(), "the function is not called")
		assert.Empty(t, s.records(), "nor is it believed that this was the submission's job")
		assert.Len(t, s.log.records(slog.LevelError, "its submission is not known here"), 1)
	})

	t.Run("whose submission nobody knows", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			p := s.start(f.process)
			requireAnswer(t, post(p, genuine(jobA)), http.StatusOK)
			rest(time.Hour)
			assert.Equal(t, 0, f.count())
			assert.Equal(t, webhook.StateDone, s.record(jobA).State)
			assert.LessOrEqual(t, len(s.srv.RequestsTo("GET /job")), 10, "for a minute it may not be visible yet")
		})
	})
}

func TestScenario26_WebhookAndSweepAtOnceInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		calls := new(byJob)
		f.then = func(_ context.Context, d *webhook.Delivery) error { calls.add(d.JobID); return nil }
		p := s.start(f.process)
		const jobs = 60
		for i := range jobs {
			// Deliveries come around the time of the first look.
			s.srv.WebhookFault(reductotest.DelayBy(webhook.DefaultFirstLook - 2*time.Second + time.Duration(i)*100*time.Millisecond))
			p.submit(reducto.Async{})
		}
		rest(time.Hour)
		assert.Equal(t, jobs, f.count())
		for _, j := range s.srv.Jobs() {
			assert.Equal(t, 1, calls.of(j.ID))
			assert.Equal(t, []int{200}, s.codes(j.ID))
		}
		accepted, duplicate, swept := s.meter.count("deliveries{accepted}"), s.meter.count("deliveries{duplicate}"), s.meter.count("reconciled")
		assert.Equal(t, jobs, accepted+swept)
		assert.Equal(t, duplicate, swept)
		assert.Positive(t, accepted)
		assert.Positive(t, swept)
	})

	t.Run("at the same moment", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			p := s.start(f.process)
			s.srv.WebhookFault(reductotest.Lose())
			job := p.submit(reducto.Async{})
			held := newGate()
			var found atomic.Bool
			p.spy.breaks(func(_ context.Context, method string) error {
				if method == "Receive" && !found.Swap(true) { // the sweep has found it
					<-held
				}
				return nil
			}, nil)
			rest(2 * time.Minute)
			require.True(t, found.Load())
			require.Equal(t, 0, f.count())
			var all sync.WaitGroup
			all.Go(func() { requireAnswer(t, post(p, genuine(job.JobID)), http.StatusOK) })
			synctest.Wait()
			close(held)
			all.Wait()
			rest(time.Minute)
			require.Equal(t, 1, f.count())
		})
	})
}

func TestScenario35_StoreDownInbox(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]time.Duration{"until the provider's retry": 4 * time.Second, "for an hour": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var f counter
				p := s.start(f.process)
				s.srv.WebhookFault(reductotest.DelayBy(time.Second))
				job := p.submit(reducto.Async{})
				p.spy.breaks(func(context.Context, string) error { return errDown }, nil)
				rest(2 * time.Second)
				require.Error(t, p.Ready(t.Context()))
				require.ErrorIs(t, p.Ready(t.Context()), errDown)
				require.ErrorIs(t, p.Healthy(), errDown)
				_, err := p.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
				require.ErrorIs(t, err, errDown, "nothing is sent that is not recorded")
				require.Len(t, s.srv.Jobs(), 1)
				rest(down - 2*time.Second)
				assert.Equal(t, 0, f.count())
				p.spy.breaks(nil, nil)
				rest(time.Hour)
				require.NoError(t, p.Ready(t.Context()))
				require.NoError(t, p.Healthy())

				codes := s.codes(job.JobID)
				assert.Equal(t, 503, codes[0])
				assert.Equal(t, down > time.Minute, codes[len(codes)-1] == 503)
				require.Equal(t, 1, f.count())
				assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
				assert.Equal(t, down > time.Minute, s.meter.count("reconciled") == 1)
				assert.Positive(t, s.meter.count("deliveries{store_error}"))
			})
		})
	}
}

func TestScenario36_CommitAcknowledgedLateInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process)
		var once sync.Once
		p.spy.breaks(nil, func(method string) (err error) {
			if method == "Receive" {
				once.Do(func() { err = context.DeadlineExceeded })
			}
			return err
		})
		job := p.submit(reducto.Async{})
		rest(time.Minute)
		assert.Equal(t, []int{503, 200}, s.codes(job.JobID))
		require.Equal(t, 1, f.count())
		assert.Len(t, s.records(), 1)
		assert.Equal(t, 1, s.meter.count("deliveries{duplicate}"))
	})

	t.Run("of the completion", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			p := s.start(f.process)
			var once sync.Once
			p.spy.breaks(nil, func(method string) (err error) {
				if method == "Finish" {
					once.Do(func() { err = context.DeadlineExceeded })
				}
				return err
			})
			job := p.submit(reducto.Async{})
			rest(time.Hour)
			require.Equal(t, 1, f.count())
			assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
		})
	})

	t.Run("of the submission", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			p := s.start(f.process)
			p.spy.breaks(nil, func(method string) error {
				if method == "Bind" {
					return context.DeadlineExceeded
				}
				return nil
			})
			p.submit(reducto.Async{})
			rest(time.Hour)
			require.Equal(t, 1, f.count())
			assert.Len(t, s.records(webhook.StateDone), 1)
		})
	})
}

func TestScenario37_SlowStoreInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.make(nil, nothing)
		p.spy.breaks(hang(10*time.Second, "Receive"), nil)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				began := time.Now()
				requireAnswer(t, post(p, genuine(fmt.Sprintf("job-%d", i))), http.StatusServiceUnavailable)
				assert.LessOrEqual(t, time.Since(began), 4*time.Second)
			})
		}
		all.Wait()
		synctest.Wait()
		for _, seconds := range s.meter.all("intake_seconds") {
			assert.LessOrEqual(t, seconds, 4.0)
		}
		p.spy.breaks(hang(time.Second, "Receive"), nil) // slow, but not too slow
		for i := range 50 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				began := time.Now()
				requireAnswer(t, post(p, genuine(fmt.Sprintf("job-%d", i))), http.StatusOK)
				assert.LessOrEqual(t, time.Since(began), 4*time.Second)
			})
		}
		all.Wait()
	})
}

func TestScenario38_DiskErrorInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process)
		full := fmt.Errorf("insert: %w", context.Canceled) // whatever it is: it is no success
		p.spy.breaks(only(full, "Receive", "Finish", "Submit", "Bind", "Overdue", "Extend"), nil)
		s.srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
		w := post(p, genuine(jobA))
		requireAnswer(t, w, http.StatusServiceUnavailable)
		assert.Equal(t, "5", w.Header().Get("Retry-After"))
		assert.Empty(t, s.records(), "no half state")
		synctest.Wait()
		assert.Len(t, s.log.records(slog.LevelError, "the store failed; the delivery is answered 503"), 1)
		p.spy.breaks(nil, nil)
		requireAnswer(t, post(p, genuine(jobA)), http.StatusOK)
		rest(time.Minute)
		require.Equal(t, 1, f.count())
	})

	t.Run("or a panic", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			p := s.start(f.process)
			p.spy.breaks(func(_ context.Context, method string) error {
				switch method {
				case "Receive", "Claim", "Extend", "Finish":
					panic("disk")
				}
				return nil
			}, nil)
			requireAnswer(t, post(p, genuine(jobA)), http.StatusServiceUnavailable)
			rest(time.Minute)
			p.spy.breaks(nil, nil)
			s.srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
			requireAnswer(t, post(p, genuine(jobA)), http.StatusOK)
			rest(time.Minute)
			require.Equal(t, 1, f.count())
		})
	})
}
