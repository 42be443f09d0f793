package reducto_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// saturated is what the service answers while the batch queue is full.
func saturated() reductotest.Fault {
	return reductotest.Status(http.StatusServiceUnavailable).Header("Retry-After", "300").
		JSON(`{"error":{"code":503,"name":"BATCH_QUEUE_FULL","message":"the batch queue is full"},"detail":"the batch queue is full"}`)
}

func batchRequest() reducto.ParseRequest {
	req := parseRequest()
	req.QueuePriority = reducto.QueueBatch
	return req
}

// A full batch queue asks for five minutes, more than other clients care to wait. It
// gets them, as often as the client retries, and there is one job in the end.
func TestBatchSubmissionsWaitForTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		srv.Fault("POST /parse_async", saturated().Times(2))
		began := time.Now()
		job, err := client.ParseAsync(t.Context(), batchRequest())
		require.NoError(t, err)
		assert.NotEmpty(t, job.JobID)
		assert.Len(t, srv.Jobs(), 1)
		assert.Less(t, time.Since(began), 11*time.Minute)

		sent := srv.RequestsTo("POST /parse_async")
		require.Len(t, sent, 3)
		for i, r := range sent {
			assert.Contains(t, string(r.Body), `"queue_priority":"batch"`)
			if i > 0 {
				assert.GreaterOrEqual(t, r.Time.Sub(sent[i-1].Time), 5*time.Minute, "not before the time that was asked for")
			}
		}

		srv.Fault("POST /extract_async", saturated())
		began = time.Now()
		_, err = client.ExtractAsync(t.Context(), reducto.ExtractRequest{Input: document, QueuePriority: reducto.QueueBatch})
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(began), 5*time.Minute)
	})
}

// Who cannot wait that long hears at once what was asked for, and that there is no
// job.
func TestBatchSubmissionsThatCannotWait(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		impatient, err := client.With(reducto.WithMaxRetryAfter(time.Minute))
		require.NoError(t, err)
		soon, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for name, try := range map[string]func() error{
			"its context ends before": func() error { _, err := client.ParseAsync(soon, batchRequest()); return err },
			"its limit is lower":      func() error { _, err := impatient.ParseAsync(t.Context(), batchRequest()); return err },
		} {
			srv.Fault("POST /parse_async", saturated())
			began := time.Now()
			err := try()
			var refused *reducto.APIError
			require.ErrorAs(t, err, &refused, name)
			assert.Equal(t, reducto.ErrorBatchQueueFull, refused.Name, name)
			assert.True(t, refused.Name.Transient(), name)
			assert.Equal(t, 5*time.Minute, refused.RetryAfter, name)
			require.ErrorIs(t, err, reducto.ErrUnavailable, name)
			assert.Less(t, time.Since(began), time.Second, name)
			assert.Empty(t, srv.Jobs(), name)
		}

		// While it waits, the context's end ends the wait.
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Minute, cancel)
		srv.Fault("POST /parse_async", saturated())
		began := time.Now()
		_, err = client.ParseAsync(ctx, batchRequest())
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 2*time.Minute, time.Since(began))
		assert.Empty(t, srv.Jobs())
	})
}
