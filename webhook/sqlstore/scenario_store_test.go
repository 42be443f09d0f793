package sqlstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func TestScenario35_StoreDown(t *testing.T) {
	for name, retried := range map[string]bool{"until the provider's retry": true, "for longer": false} {
		t.Run(name, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, p *plant) {
				q := p.process(p.work)
				p.srv.Hold()
				job := q.submit(reducto.Async{})
				mend := p.cut()
				_, err := q.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: aDocument})
				require.ErrorContains(t, err, "could not be recorded, so it is not sent")
				require.Len(t, p.srv.Jobs(), 1)
				require.Error(t, q.Ready(t.Context()))
				require.Error(t, q.RunOnce(t.Context(), q.client))
				p.srv.Release()
				if retried {
					p.attempts(job.JobID, 1)
				} else {
					p.attempts(job.JobID, 4)
				}
				assert.Empty(t, p.called(job.JobID))
				mend()
				p.until("the store is back", func() bool { return q.Ready(t.Context()) == nil })
				if !retried {
					assert.Equal(t, []int{503, 503, 503, 503}, p.codes(job.JobID))
					q.later(2 * time.Minute)
					assert.Equal(t, webhook.SourceSweep, p.record(job.JobID).Source)
				} else {
					p.until("it is taken in", func() bool {
						codes := p.codes(job.JobID)
						return codes[len(codes)-1] == 200
					})
					assert.Equal(t, 503, p.codes(job.JobID)[0])
					q.once()
				}
				p.requireDone(job.JobID, webhook.OutcomeCompleted)
			}, reductotest.WithRetrySchedule(time.Second, 50*time.Millisecond, 50*time.Millisecond))
		})
	}
}

func TestScenario36_CommitAcknowledgedLate(t *testing.T) {
	for _, method := range []string{"Receive", "Finish", "Bind", "Submit"} {
		t.Run(method, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, p *plant) {
				q := p.process(p.work)
				var once sync.Once
				q.spy.breaks(nil, func(m string) (err error) {
					if m == method {
						once.Do(func() { err = context.DeadlineExceeded })
					}
					return err
				})
				if method == "Submit" {
					_, err := q.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: aDocument})
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Empty(t, p.srv.Jobs(), "it is not sent")
					return
				}
				job := q.announced(reducto.Async{})
				want := []int{200}
				if method == "Receive" {
					want = []int{503, 200}
				}
				assert.Equal(t, want, p.codes(job.JobID))
				q.once()
				p.requireDone(job.JobID, webhook.OutcomeCompleted)
				assert.Len(t, p.records(), 1)
			})
		})
	}
}

// The store is held up by somebody else's lock.
func TestScenario37_SlowStore(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		const whole, store = 800 * time.Millisecond, 400 * time.Millisecond
		q := p.process(p.work, webhook.WithIntakeTimeout(whole, store))
		release := p.stall()
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				began := time.Now()
				assert.Equal(t, http.StatusServiceUnavailable, post(q, genuine(fmt.Sprintf("job-%d", i))))
				assert.Less(t, time.Since(began), webhook.DefaultIntakeTimeout)
			})
		}
		all.Wait()
		release()
		for i := range 20 {
			id := fmt.Sprintf("job-%d", i)
			p.srv.SeedJob(reductotest.SeedJob{ID: id, Status: "Completed"})
			p.until("it works again", func() bool { return post(q, genuine(id)) == http.StatusOK })
		}
		p.process(p.work).once()
		for i := range 20 {
			p.requireDone(fmt.Sprintf("job-%d", i), webhook.OutcomeCompleted)
		}
	})
}

func TestScenario38_DiskFull(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work)
		done := q.announced(reducto.Async{})
		mend := p.fill()
		p.srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
		w := httptest.NewRecorder()
		q.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(genuine(jobA))))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.NotEmpty(t, w.Header().Get("Retry-After"))
		assert.NotContains(t, w.Body.String(), "full")
		assert.Len(t, p.records(), 1, "no half state")
		require.Error(t, q.RunOnce(t.Context(), q.client))
		assert.Empty(t, p.called(done.JobID), "what cannot be claimed is not begun")
		mend()
		require.Equal(t, http.StatusOK, post(q, genuine(jobA)))
		q.once()
		p.requireDone(jobA, webhook.OutcomeCompleted)
		p.requireDone(done.JobID, webhook.OutcomeCompleted)
		require.NoError(t, q.Shutdown(t.Context())) // all is logged
		assert.Equal(t, 1, p.log.count(t, slog.LevelError, "the store failed; the delivery is answered 503"))
	})
}
