package reductotest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto/reductotest"
)

func TestSynchronousCallsWaitForTheJob(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		start := time.Now()
		result := ok(t, srv, "POST", "/parse", m{"input": "https://example.com/a.pdf"})
		assert.Equal(t, time.Minute, time.Since(start), "it waits for the job")
		assert.Equal(t, "parse", result["response_type"])
		info := srv.Jobs()[0]
		assert.True(t, info.Sync)
		assert.Equal(t, result["job_id"], info.ID)
		assert.Equal(t, "Completed", getJob(t, srv, info.ID)["status"])

		submit(t, srv, "/parse", parse("", nil)) // with an "async" object
		submit(t, srv, "/extract", parse("", nil))

		for name, status := range map[string]int{
			"DOCUMENT_PASSWORD_PROTECTED": 442, "INVALID_CONFIG": 400, "TIMEOUT": 504, "LLM_PROVIDER_ERROR": 502,
			"SERVICE_UNAVAILABLE": 503, "DOCUMENT_CORRUPT": 415, "IMAGE_TOO_LARGE": 413, "DOCUMENT_EMPTY": 422, "": 500, "NEW": 500,
		} {
			srv.FailNext("because", name)
			r := call(t, srv, "POST", "/parse", m{"input": "https://example.com/a.pdf"})
			assert.Equal(t, status, r.StatusCode, name)
			assert.Equal(t, "because", r.object(t)["detail"])
		}

		srv.Hold()
		done := make(chan reply)
		go func() {
			r, _ := try(srv, "POST", "/parse", m{"input": "https://example.com/a.pdf"})
			done <- r
		}()
		synctest.Wait()
		jobs := srv.Jobs()
		srv.Cancel(jobs[len(jobs)-1].ID)
		assert.Equal(t, 409, (<-done).StatusCode)
	}, reductotest.WithProcessingTime(time.Minute))
}
