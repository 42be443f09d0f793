package sqlstore_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func TestScenario41_WebhookBeforeTheAnswer(t *testing.T) {
	for name, dies := range map[string]bool{"and is bound by it": false, "and the process dies before it": true} {
		t.Run(name, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, p *plant) {
				q := p.process(p.work)
				gate := make(chan struct{})
				q.answersWhen(gate)
				answered := make(chan error, 1)
				go func() {
					_, err := q.client.ParseAsync(t.Context(), reducto.ParseRequest{
						Input: aDocument, Async: reducto.Async{Metadata: map[string]int{"order": 17}},
					})
					answered <- err
				}()
				p.until("it is sent", func() bool { return len(p.srv.Jobs()) == 1 })
				id := p.srv.Jobs()[0].ID
				p.attempts(id, 1)
				assert.Equal(t, []int{200}, p.codes(id), "it is there before the answer")
				q.once()
				assert.Empty(t, p.called(id), "it waits for the answer")
				if dies {
					q.kill()
					close(gate)
					<-answered
					q = p.process(p.work)
					q.later(10 * time.Minute)
				} else {
					close(gate)
					require.NoError(t, <-answered)
					q.once()
				}
				d := p.requireDone(id, webhook.OutcomeCompleted)
				assert.JSONEq(t, `{"order":17}`, string(d.Metadata))
				assert.NotEmpty(t, d.SubmissionID)
				assert.Len(t, p.records(), 1)
			})
		})
	}
}

func TestScenario42_AnswerToTheSubmissionLost(t *testing.T) {
	submit := func(p *plant, q *process, fault reductotest.Fault) (submissionID string) {
		p.srv.Fault("POST /parse_async", fault)
		_, err := q.client.ParseAsync(p.t.Context(), reducto.ParseRequest{
			Input: aDocument, Async: reducto.Async{Metadata: map[string]int{"order": 17}},
		})
		var unknown *reducto.UnknownOutcomeError
		require.ErrorAs(p.t, err, &unknown)
		return unknown.SubmissionID
	}
	for name, swept := range map[string]bool{"the webhook tells": false, "the list of jobs tells": true} {
		t.Run(name, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, p *plant) {
				q := p.process(p.work)
				if swept {
					p.srv.WebhookFault(reductotest.Lose())
				}
				id := submit(p, q, reductotest.LoseAnswer())
				require.Len(t, p.srv.Jobs(), 1)
				job := p.srv.Jobs()[0].ID
				p.attempts(job, 1)
				q.later(3 * time.Minute)
				d := p.requireDone(job, webhook.OutcomeCompleted)
				assert.Equal(t, id, d.SubmissionID)
				assert.JSONEq(t, `{"order":17}`, string(d.Metadata))
				assert.Equal(t, swept, p.record(job).Source == webhook.SourceSweep)
				assert.Len(t, p.srv.Jobs(), 1, "no second job")
			})
		})
	}

	t.Run("there is no job", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			q := p.process(p.work)
			id := submit(p, q, reductotest.Drop().Always())
			const lost = "a submission's answer was lost, and neither"
			q.later(59 * time.Minute)
			assert.Zero(t, p.log.count(t, slog.LevelError, lost))
			q.later(30 * time.Minute)
			p.until("there is an alert", func() bool { return p.log.count(t, slog.LevelError, lost) == 1 })
			q.later(22 * time.Hour)
			assert.Empty(t, p.called(""))
			q.later(time.Hour)
			require.Len(t, p.called(""), 1)
			d := p.called("")[0]
			assert.Equal(t, webhook.OutcomeUnknown, d.Outcome)
			assert.Equal(t, id, d.SubmissionID)
			assert.JSONEq(t, `{"order":17}`, string(d.Metadata))
			assert.Len(t, p.records(webhook.StateDone), 1)
		})
	})

	t.Run("it was refused", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			q := p.process(p.work)
			p.srv.Fault("POST /parse_async", reductotest.Status(400))
			_, err := q.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: aDocument})
			require.Error(t, err)
			assert.Empty(t, p.records(), "there is nothing to wait for")
		})
	})
}

func TestScenario43_ReceiverDown(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		p.srv.Mount("/webhook", nil)
		job := q.submit(reducto.Async{Metadata: map[string]int{"order": 17}})
		p.attempts(job.JobID, 4)
		assert.Equal(t, []int{404, 404, 404, 404}, p.codes(job.JobID))
		q.once()
		assert.Empty(t, p.called(job.JobID), "nobody looks yet")
		q.later(webhook.DefaultFirstLook + time.Second)
		d := p.requireDone(job.JobID, webhook.OutcomeCompleted)
		assert.Equal(t, webhook.SourceSweep, p.record(job.JobID).Source)
		assert.JSONEq(t, `{"order":17}`, string(d.Metadata), "that of the submission")
		require.NoError(t, q.Shutdown(t.Context())) // all is measured
		assert.Equal(t, 1, p.meter.count("reconciled"))
	})
}

// The function is slower than the sender's patience, and than a lease.
func TestScenario44_SlowFunction(t *testing.T) {
	const lease = 2 * time.Second
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.start(func(ctx context.Context, d *webhook.Delivery) error {
			_ = p.work(ctx, d)
			select {
			case <-time.After(lease + lease/2):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}, webhook.WithLease(lease))
		p.srv.WebhookFault(reductotest.Combine(reductotest.BreakAttempts(2), reductotest.Duplicate(2)))
		job := q.submit(reducto.Async{})
		p.until("it is done", func() bool { return p.record(job.JobID).State == webhook.StateDone })
		p.requireDone(job.JobID, webhook.OutcomeCompleted)
		assert.Equal(t, 1, p.record(job.JobID).Attempt)
		assert.GreaterOrEqual(t, q.spy.count("Extend"), 2)
	})
}

func TestScenario45_JobIsGone(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		for i, tt := range []struct {
			gone  func(*reductotest.Server, string)
			swept bool
		}{
			{func(s *reductotest.Server, id string) { s.Expire(id) }, false}, // 404
			{func(s *reductotest.Server, id string) { s.Fault("GET /job", reductotest.Status(410).Always()) }, false},
			{func(s *reductotest.Server, id string) { s.Fault("GET /job", reductotest.Status(422).Always()) }, false},
			{func(s *reductotest.Server, id string) { s.SetStatus(id, "Completed") }, false}, // without a result
			{func(s *reductotest.Server, id string) { s.Expire(id) }, true},
		} {
			q := p.process(func(ctx context.Context, d *webhook.Delivery) error {
				_, err := d.Job(ctx)
				assert.ErrorIs(t, err, reducto.ErrExpired)
				return p.work(ctx, d)
			})
			send := q.announced
			if tt.swept {
				send = q.lost
			}
			job := send(reducto.Async{})
			before := len(p.srv.RequestsTo("GET /job"))
			tt.gone(p.srv, job.JobID)
			for range 3 {
				q.later(time.Hour)
			}
			p.requireDone(job.JobID, webhook.OutcomeExpired)
			assert.Len(t, p.srv.RequestsTo("GET /job"), before+1, "no retry loop")
			_, err := q.Wait(t.Context(), job.JobID)
			require.ErrorIs(t, err, reducto.ErrExpired)
			require.NoError(t, q.Shutdown(t.Context())) // all is logged
			assert.Equal(t, i+1, p.log.count(t, slog.LevelError, "expired"), "an alert")
			p.srv.ClearFaults()
		}
	})
}

func TestScenario48_ReadLag(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work, webhook.WithWorkers(1))
		p.srv.Hold()
		job, other := q.submit(reducto.Async{}), q.submit(reducto.Async{})
		p.srv.ReadLag(job.JobID, 5)
		p.srv.Complete(job.JobID)
		p.attempts(job.JobID, 1)
		p.srv.Complete(other.JobID)
		p.attempts(other.JobID, 1)
		q.once()
		p.requireDone(other.JobID, webhook.OutcomeCompleted)
		for range 8 {
			q.later(time.Minute)
		}
		d := p.requireDone(job.JobID, webhook.OutcomeCompleted)
		assert.Equal(t, 1, d.Attempt, "looking is no attempt")
		assert.Zero(t, p.meter.count("conflicts"))
	})

	t.Run("for ever", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			q := p.process(p.work, webhook.WithJobLife(time.Hour, time.Minute))
			p.srv.Hold()
			job := q.submit(reducto.Async{})
			require.Equal(t, http.StatusOK, post(q, genuine(job.JobID)))
			q.later(2 * time.Hour)
			assert.Empty(t, p.called(job.JobID))
			q.later(2 * time.Hour)
			p.requireDone(job.JobID, webhook.OutcomeUnknown)
			assert.Less(t, len(p.srv.RequestsTo("GET /job")), 50)
		})
	})
}

func TestScenario49_FreshLinkAtEveryAttempt(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(func(ctx context.Context, d *webhook.Delivery) error {
			if d.Attempt == 1 {
				p.srv.ExpireLinks()
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
				assert.Contains(t, c.Content, "Dear reader")
			}
			return p.work(ctx, d)
		})
		p.srv.PutDocument("https://example.com/a.pdf", []byte("Dear reader, "+strings.Repeat("this is long. ", 100)))
		job := q.announced(reducto.Async{})
		q.once()
		q.later(time.Minute)
		assert.Equal(t, 2, p.requireDone(job.JobID, webhook.OutcomeCompleted).Attempt)
	}, reductotest.WithURLResultThreshold(10))
}

func TestScenario50_CancelledOrDeleted(t *testing.T) {
	for name, tt := range map[string]struct {
		end     func(q *process, jobID string) error
		outcome webhook.Outcome
	}{
		"cancelled": {func(q *process, id string) error { return q.client.CancelJob(context.Background(), id) }, webhook.OutcomeCancelled},
		"deleted":   {func(q *process, id string) error { return q.client.DeleteJob(context.Background(), id, false) }, webhook.OutcomeExpired},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, p *plant) {
				q := p.process(p.work)
				p.srv.Hold()
				p.srv.WebhookFault(reductotest.Lose()) // nobody says so
				job := q.submit(reducto.Async{})
				waited := make(chan error, 1)
				go func() {
					_, err := q.Wait(t.Context(), job.JobID)
					waited <- err
				}()
				require.NoError(t, tt.end(q, job.JobID))
				p.until("it has ended", func() bool {
					q.later(2 * time.Minute)
					return p.record(job.JobID).State == webhook.StateDone
				})
				p.requireDone(job.JobID, tt.outcome)
				var ended *webhook.OutcomeError
				require.ErrorAs(t, <-waited, &ended)
				assert.Equal(t, tt.outcome, ended.Record.Outcome)
				polls := len(p.srv.Requests())
				q.later(2 * time.Hour)
				assert.Len(t, p.srv.Requests(), polls, "no endless polling")
			})
		})
	}
}
