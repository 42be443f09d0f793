package webhook_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answersAfter makes p's submissions be answered late.
func (s *site) answersAfter(p *process, d time.Duration) {
	next := s.srv.HTTPClient()
	slow := *next
	slow.Transport = transport(func(r *http.Request) (*http.Response, error) {
		resp, err := next.Transport.RoundTrip(r)
		if r.Method == http.MethodPost {
			time.Sleep(d)
		}
		return resp, err
	})
	p.client = s.srv.Client(reducto.WithSubmitHook(p.Inbox), reducto.WithWebhook(reducto.DirectWebhook(s.hook)), reducto.WithHTTPClient(&slow))
	s.t.Cleanup(next.CloseIdleConnections)
}

func TestScenario41_WebhookBeforeTheAnswerInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		began := time.Now()
		f.then = func(_ context.Context, d *webhook.Delivery) error {
			assert.Equal(t, 5*time.Second, time.Since(began).Round(time.Second), "when it is bound")
			assert.JSONEq(t, `{"order":17}`, string(d.Metadata))
			return nil
		}
		p := s.start(f.process)
		s.answersAfter(p, 5*time.Second)
		job := p.submit(reducto.Async{Metadata: map[string]int{"order": 17}})
		assert.Equal(t, []int{200}, s.codes(job.JobID), "it was there before")
		rest(time.Minute)
		require.Equal(t, 1, f.count())
		assert.Equal(t, job.JobID, f.last().JobID)
		assert.Equal(t, job.SubmissionID, f.last().SubmissionID)
		assert.Len(t, s.records(), 1)
	})

	t.Run("and the process dies before it hears the answer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			p := s.start(f.process)
			s.answersAfter(p, 5*time.Second)
			go p.submit(reducto.Async{Metadata: map[string]int{"order": 17}})
			rest(time.Second)
			p.kill()
			s.start(f.process)
			rest(time.Hour)
			require.Equal(t, 1, f.count())
			assert.JSONEq(t, `{"order":17}`, string(f.last().Metadata))
		})
	})
}

func TestScenario42_AnswerToTheSubmissionLostInbox(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault reductotest.WebhookFault
		swept bool
	}{"the webhook tells": {}, "the list of jobs tells": {reductotest.Lose(), true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var f counter
				p := s.start(f.process)
				s.srv.Fault("POST /parse_async", reductotest.LoseAnswer())
				s.srv.WebhookFault(tt.fault)
				_, err := p.client.ParseAsync(t.Context(), reducto.ParseRequest{
					Input: reducto.URL("https://example.com/a.pdf"), Async: reducto.Async{Metadata: map[string]int{"order": 17}},
				})
				unknown := new(reducto.UnknownOutcomeError)
				require.ErrorAs(t, err, &unknown)
				rest(time.Hour)
				require.Len(t, s.srv.Jobs(), 1, "no second job")
				require.Equal(t, 1, f.count())
				assert.Equal(t, unknown.SubmissionID, f.last().SubmissionID)
				assert.Equal(t, s.srv.Jobs()[0].ID, f.last().JobID)
				assert.JSONEq(t, `{"order":17}`, string(f.last().Metadata))
				assert.Equal(t, tt.swept, s.meter.count("reconciled") == 1)
			})
		})
	}

	t.Run("the job runs for long", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, reductotest.WithJobTTL(100*time.Hour))
			var f counter
			p := s.start(f.process, webhook.WithPoll(time.Minute))
			s.srv.Hold()
			s.srv.Fault("POST /parse_async", reductotest.LoseAnswer())
			s.srv.WebhookFault(reductotest.Lose())
			_, err := p.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
			require.Error(t, err)
			rest(time.Hour)
			s.mem.Advance(25 * time.Hour)
			rest(time.Hour)
			assert.Equal(t, 0, f.count(), "the list shows that it runs")
			assert.Empty(t, s.log.records(slog.LevelError, "neither a delivery nor a job of it has been seen"))
			s.srv.Release()
			rest(time.Hour)
			require.Equal(t, 1, f.count())
			assert.Equal(t, webhook.OutcomeCompleted, f.last().Outcome)
		})
	})

	t.Run("there is no job", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			f.then = func(ctx context.Context, d *webhook.Delivery) error {
				_, err := d.Job(ctx)
				assert.ErrorContains(t, err, "no job of it was found")
				return nil
			}
			p := s.start(f.process, webhook.WithPoll(time.Minute))
			s.srv.Fault("POST /parse_async", reductotest.Drop().Always())
			_, err := p.client.ParseAsync(t.Context(), reducto.ParseRequest{
				Input: reducto.URL("https://example.com/a.pdf"), Async: reducto.Async{Metadata: map[string]int{"order": 17}},
			})
			unknown := new(reducto.UnknownOutcomeError)
			require.ErrorAs(t, err, &unknown)
			rest(59 * time.Minute)
			assert.Empty(t, s.log.records(slog.LevelError, "a submission's answer was lost"))
			rest(30 * time.Minute)
			assert.NotEmpty(t, s.log.records(slog.LevelError, "a submission's answer was lost"), "an alert")
			s.mem.Advance(21 * time.Hour)
			rest(time.Hour)
			assert.Equal(t, 0, f.count())
			rest(time.Hour)
			require.Equal(t, 1, f.count())
			assert.Equal(t, webhook.OutcomeUnknown, f.last().Outcome)
			assert.Equal(t, unknown.SubmissionID, f.last().SubmissionID)
			assert.JSONEq(t, `{"order":17}`, string(f.last().Metadata))
			assert.Equal(t, 1, s.meter.count("outcomes{unknown}"))
			assert.Empty(t, s.srv.Jobs())
		})
	})

	t.Run("it was refused", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			p := s.start(nothing)
			s.srv.Fault("POST /parse_async", reductotest.Status(400))
			_, err := p.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
			require.Error(t, err)
			assert.Empty(t, s.records(), "there is nothing to wait for")
		})
	})
}

func TestScenario43_ReceiverDownInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		p := s.start(f.process)
		s.srv.Mount("/webhook", nil)
		job := p.submit(reducto.Async{Metadata: map[string]int{"order": 17}})
		began := time.Now()
		r, err := p.Wait(t.Context(), job.JobID)
		require.NoError(t, err)
		assert.Less(t, time.Since(began), 2*webhook.DefaultFirstLook)
		assert.Equal(t, webhook.SourceSweep, r.Source)
		rest(time.Minute)
		assert.Equal(t, []int{404, 404, 404, 404}, s.codes(job.JobID))
		require.Equal(t, 1, f.count())
		assert.JSONEq(t, `{"order":17}`, string(f.last().Metadata), "that of the submission")
		assert.Equal(t, 1, s.meter.count("reconciled"))
		synctest.Wait()
		assert.Len(t, s.log.records(slog.LevelWarn, "no delivery came"), 1)
	})
}

func TestScenario44_SlowFunctionInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var f counter
		f.then = func(ctx context.Context, _ *webhook.Delivery) error {
			select {
			case <-time.After(10 * time.Minute): // two leases
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		p := s.start(f.process)
		s.srv.WebhookFault(reductotest.Combine(reductotest.BreakAttempts(2), reductotest.Duplicate(2)))
		job := p.submit(reducto.Async{})
		rest(time.Hour)
		require.Equal(t, 1, f.count())
		assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
		assert.EqualValues(t, 1, s.record(job.JobID).Token)
		assert.Equal(t, []float64{600}, s.meter.all("handler_seconds"))
	})
}

func TestScenario45_JobIsGoneInbox(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		gone func(*reductotest.Server, string)
		lost bool // its delivery too
	}{
		"404":           {func(s *reductotest.Server, id string) { s.Expire(id) }, false},
		"410":           {func(s *reductotest.Server, id string) { s.Fault("GET /job", reductotest.Status(410).Always()) }, false},
		"422":           {func(s *reductotest.Server, id string) { s.Fault("GET /job", reductotest.Status(422).Always()) }, false},
		"empty result":  {func(s *reductotest.Server, id string) { s.SetStatus(id, "Completed") }, false},
		"404, by sweep": {func(s *reductotest.Server, id string) { s.Expire(id) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var f counter
				f.then = func(ctx context.Context, d *webhook.Delivery) error {
					_, err := d.Job(ctx)
					assert.ErrorIs(t, err, reducto.ErrExpired)
					return nil
				}
				p := s.start(f.process, webhook.WithSweeps(3*time.Minute, 2))
				s.srv.WebhookFault(reductotest.DelayBy(2 * time.Minute))
				if tt.lost {
					s.srv.ClearFaults()
					s.srv.Mount("/webhook", nil)
				}
				job := p.submit(reducto.Async{})
				rest(time.Minute)
				tt.gone(s.srv, job.JobID)
				rest(time.Hour)
				require.Equal(t, 1, f.count(), "it was submitted here: the function sees it")
				assert.Equal(t, webhook.OutcomeExpired, f.last().Outcome)
				r := s.record(job.JobID)
				assert.Equal(t, webhook.StateDone, r.State)
				assert.Equal(t, webhook.OutcomeExpired, r.Outcome)
				assert.Len(t, s.srv.RequestsTo("GET /job"), 1, "no retry loop")
				assert.Len(t, s.log.records(slog.LevelError, "expired"), 1, "an alert")
				assert.Equal(t, 1, s.meter.count("outcomes{expired}"))
				_, err := p.Wait(t.Context(), job.JobID)
				require.ErrorIs(t, err, reducto.ErrExpired)
			})
		})
	}

	t.Run("the function finds it gone", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			f.then = func(ctx context.Context, d *webhook.Delivery) error {
				s.srv.Expire(d.JobID)
				if d.Attempt == 1 {
					return errors.New("not now")
				}
				_, err := d.Job(ctx)
				return err
			}
			p := s.start(f.process, webhook.WithoutRefetch())
			job := p.submit(reducto.Async{})
			rest(time.Hour)
			assert.Equal(t, 2, f.count())
			assert.Equal(t, webhook.StateDone, s.record(job.JobID).State)
			assert.Equal(t, webhook.OutcomeExpired, s.record(job.JobID).Outcome)
			assert.Equal(t, 1, s.meter.count("handled{expired}"))
			assert.Equal(t, 1, s.meter.count("outcomes{expired}"))
		})
	})

	t.Run("a job just submitted is not visible yet", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			var f counter
			p := s.start(f.process)
			s.srv.Fault("GET /job", reductotest.Status(404).Times(3))
			p.submit(reducto.Async{})
			rest(time.Minute)
			require.Equal(t, 1, f.count())
			assert.Equal(t, webhook.OutcomeCompleted, f.last().Outcome)
			assert.Equal(t, 1, f.last().Attempt, "looking is no attempt")
		})
	})
}

func TestScenario48_ReadLagInbox(t *testing.T) {
	t.Parallel()
	for name, lag := range map[string]int{"short": 1, "long": 12} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var f counter
				p := s.start(f.process, webhook.WithWorkers(1))
				s.srv.Hold()
				job := p.submit(reducto.Async{})
				other := p.submit(reducto.Async{})
				s.srv.ReadLag(job.JobID, lag)
				s.srv.Complete(job.JobID)
				rest(100 * time.Millisecond)
				s.srv.Complete(other.JobID)
				rest(100 * time.Millisecond)
				require.Equal(t, 1, f.count(), "it does not hold up the other")
				assert.Equal(t, other.JobID, f.last().JobID)
				rest(2 * time.Hour)
				require.Equal(t, 2, f.count())
				assert.Equal(t, webhook.OutcomeCompleted, f.last().Outcome)
				assert.Equal(t, 1, f.last().Attempt, "looking is no attempt")
				assert.Zero(t, s.meter.count("conflicts"))
			})
		})
	}

	t.Run("for ever", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, reductotest.WithJobTTL(1000*time.Hour))
			var f counter
			p := s.start(f.process, webhook.WithJobLife(time.Hour, time.Minute))
			s.srv.Hold()
			job := p.submit(reducto.Async{})
			requireAnswer(t, post(p, payload("Completed", job.JobID, signed())), http.StatusOK)
			rest(175 * time.Minute)
			assert.Equal(t, 0, f.count())
			rest(20 * time.Minute)
			require.Equal(t, 1, f.count(), "bounded")
			assert.Equal(t, webhook.OutcomeUnknown, f.last().Outcome)
			_, err := f.last().Job(t.Context())
			require.ErrorContains(t, err, "still runs")
			assert.Less(t, len(s.srv.RequestsTo("GET /job")), 50)
		})
	})
}

func TestScenario49_FreshLinkAtEveryAttemptInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, reductotest.WithURLResultThreshold(10))
		var texts []string
		p := s.start(func(ctx context.Context, d *webhook.Delivery) error {
			if d.Attempt == 1 {
				s.srv.ExpireLinks()
				return errors.New("not now")
			}
			job, err := d.Job(ctx)
			if err != nil {
				return err
			}
			result, err := reducto.As[*reducto.ParseResult](job)
			if err != nil {
				return err
			}
			for c, err := range result.Chunks(ctx) {
				if err != nil {
					return err
				}
				texts = append(texts, c.Content)
			}
			return nil
		})
		s.srv.PutDocument("https://example.com/document.pdf", []byte("Dear reader, "+strings.Repeat("this is long. ", 100)))
		p.submit(reducto.Async{})
		rest(time.Minute)
		require.NotEmpty(t, texts)
		assert.Contains(t, texts[0], "Dear reader")
		assert.Len(t, s.records(webhook.StateDone), 1)
	})
}

func TestScenario50_CancelledOrDeletedInbox(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end     func(p *process, jobID string) error
		outcome webhook.Outcome
		expired bool
	}{
		"cancelled": {func(p *process, id string) error { return p.client.CancelJob(context.Background(), id) }, webhook.OutcomeCancelled, false},
		"deleted":   {func(p *process, id string) error { return p.client.DeleteJob(context.Background(), id, false) }, webhook.OutcomeExpired, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				var f counter
				p := s.start(f.process)
				s.srv.Hold()
				job := p.submit(reducto.Async{})
				waited := make(chan error, 1)
				go func() {
					_, err := p.Wait(t.Context(), job.JobID)
					waited <- err
				}()
				rest(10 * time.Second)
				require.NoError(t, tt.end(p, job.JobID))
				err := <-waited
				ended := new(webhook.OutcomeError)
				require.ErrorAs(t, err, &ended)
				assert.Equal(t, tt.outcome, ended.Record.Outcome)
				assert.Equal(t, tt.expired, errors.Is(err, reducto.ErrExpired))
				assert.ErrorContains(t, err, string(tt.outcome))
				rest(time.Hour)
				require.Equal(t, 1, f.count())
				assert.Equal(t, tt.outcome, f.last().Outcome)
				polls := len(s.srv.Requests())
				rest(2 * time.Hour)
				assert.Len(t, s.srv.Requests(), polls, "no endless polling")
			})
		})
	}
}
