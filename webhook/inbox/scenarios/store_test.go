package scenarios_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// Scenario 35.
func storeDown(retried bool) func(*testing.T, *Env) {
	return func(t *testing.T, e *Env) {
		p := e.Process(e.Work)
		e.Srv.Hold()
		job := p.Submit(reducto.Async{})
		mend := e.Cut()
		_, err := p.Client.ParseAsync(t.Context(), Document)
		require.ErrorContains(t, err, "the submission was not sent, as it could not be recorded")
		require.Len(t, e.Srv.Jobs(), 1)
		require.ErrorContains(t, p.Ready(t.Context()), "the store does not answer")
		require.Error(t, p.RunOnce(t.Context(), p.Client))
		e.Srv.Release()
		attempts := map[bool]int{true: 1, false: 4}[retried]
		e.Attempts(job.JobID, attempts)
		assert.Empty(t, e.Calls())
		mend()
		e.Until("the store is back", func() bool {
			_, err := p.Stats(t.Context())
			return err == nil
		})
		if retried {
			e.Until("a retry is received", func() bool {
				codes := e.Codes(job.JobID)
				return codes[len(codes)-1] == 200
			})
			assert.Equal(t, 503, e.Codes(job.JobID)[0])
			p.Once()
		} else {
			assert.Equal(t, []int{503, 503, 503, 503}, e.Codes(job.JobID))
			p.Later(2 * time.Minute)
			assert.Equal(t, inbox.SourcePoll, e.Record(job.JobID).Source)
		}
		e.Done(job.JobID, webhook.OutcomeCompleted)
		p.Flush()
		assert.Positive(t, e.Meter.Counter("deliveries{store_error}"))
	}
}

// Scenario 36: the store has done what it reports as failed.
func lateCommit(method string) func(*testing.T, *Env) {
	return func(t *testing.T, e *Env) {
		p := e.Process(e.Work)
		p.Spy.After(Once(method, context.DeadlineExceeded))
		if method == "Submit" {
			_, err := p.Client.ParseAsync(t.Context(), Document)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Empty(t, e.Srv.Jobs(), "it is not sent")
			return
		}
		job := p.Announced(reducto.Async{})
		want := []int{200}
		if method == "Receive" {
			want = []int{503, 200}
		}
		assert.Equal(t, want, e.Codes(job.JobID))
		p.Once()
		e.Done(job.JobID, webhook.OutcomeCompleted)
		assert.Len(t, e.Records(), 1)
	}
}

// Scenario 37: somebody else has locked the store.
func slowStore(t *testing.T, e *Env) {
	p := e.Process(e.Work, inbox.WithIntakeTimeout(inbox.DefaultIntakeTimeout), inbox.WithStoreTimeout(inbox.DefaultStoreTimeout))
	release := e.Stall()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			began := time.Now()
			assert.Equal(t, http.StatusServiceUnavailable, Post(p, Genuine(fmt.Sprintf("job-%d", i))))
			assert.Less(t, time.Since(began), inbox.DefaultIntakeTimeout+time.Second)
		})
	}
	all.Wait()
	release()
	for i := range 20 {
		id := fmt.Sprintf("job-%d", i)
		e.Srv.SeedJob(reductotest.SeedJob{ID: id, Status: "Completed"})
		e.Until("it is received", func() bool { return Post(p, Genuine(id)) == http.StatusOK })
	}
	e.Process(e.Work).Once()
	for i := range 20 {
		e.Done(fmt.Sprintf("job-%d", i), webhook.OutcomeCompleted)
	}
}

// Scenario 38.
func fullDisk(t *testing.T, e *Env) {
	p := e.Process(e.Work)
	received := p.Announced(reducto.Async{})
	mend := e.Fill()
	e.Srv.SeedJob(reductotest.SeedJob{ID: JobA, Status: "Completed"})
	w := httptest.NewRecorder()
	p.ServeHTTP(w, Request(Genuine(JobA)))
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.NotEmpty(t, w.Header().Get("Retry-After"))
	assert.NotContains(t, w.Body.String(), "full")
	assert.Len(t, e.Records(), 1, "no half state")
	require.Error(t, p.RunOnce(t.Context(), p.Client))
	assert.Empty(t, e.Calls(), "a record that cannot be claimed is not processed")
	mend()
	require.Equal(t, http.StatusOK, Post(p, Genuine(JobA)))
	p.Once()
	e.Done(JobA, webhook.OutcomeCompleted)
	e.Done(received.JobID, webhook.OutcomeCompleted)
	p.Flush()
	assert.Equal(t, 1, e.Log.Count(slog.LevelError, "the store failed; a delivery was answered 503"))
}
