package reductotest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestJobRunsThroughItsLifeCycle(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := parse("", m{"user": "123"})
		id := submit(t, srv, "/parse_async", body)
		for _, want := range []struct {
			status   string
			progress any
		}{{"Pending", nil}, {"InProgress", 0.4}, {"InProgress", 0.6}, {"Completing", 0.8}} {
			pass(20 * time.Second)
			j := getJob(t, srv, id)
			assert.Equal(t, want.status, j["status"])
			assert.Equal(t, want.progress, j["progress"])
			assert.Nil(t, j["result"])
			assert.Nil(t, j["error"])
		}
		pass(21 * time.Second)
		j := getJob(t, srv, id)
		assert.Equal(t, "Completed", j["status"])
		assert.NotContains(t, j, "job_id", "the answer does not say whose it is")
		assert.Equal(t, "Parse", j["type"])
		assert.Equal(t, 100.0, j["duration"])
		assert.Equal(t, 1.0, j["num_pages"])
		assert.Equal(t, "https://example.com/a.pdf", j["source"])
		assert.Equal(t, "2000-01-01T00:00:00.000000", j["created_at"], "without a zone")
		assert.JSONEq(t, `{"input":"https://example.com/a.pdf","async":{"metadata":{"user":"123"}}}`, j["raw_config"].(string))
		assert.Equal(t, id, at(t, j, "result", "job_id"))
		assert.Equal(t, "parse", at(t, j, "result", "response_type"))
		assert.Equal(t, 100.0, at(t, j, "result", "duration"))

		// It expires twelve hours after its submission.
		pass(12*time.Hour - 102*time.Second)
		getJob(t, srv, id)
		pass(time.Minute)
		r := call(t, srv, "GET", "/job/"+id, nil)
		assert.Equal(t, 404, r.StatusCode)
		assert.Equal(t, "NOT_FOUND", at(t, r.object(t), "error", "name"))
		assert.Empty(t, ok(t, srv, "GET", "/jobs", nil)["jobs"])
		assert.True(t, srv.Jobs()[0].Expired)
	}, reductotest.WithProcessingTime(100*time.Second))
}

func statuses(srv *reductotest.Server) []string {
	var list []string
	for _, j := range srv.Jobs() {
		list = append(list, j.Status)
	}
	return list
}

func TestJobsEndInTheOrderOfSubmission(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		hook := srv.Mount("/webhook", answering(200))
		srv.Hold()
		var ids []string
		for range 50 {
			ids = append(ids, submit(t, srv, "/parse_async", parse(hook, nil)))
			srv.WebhookFault(reductotest.WithStatus(fmt.Sprint("status ", len(ids)-1)))
		}
		srv.Release()
		pass(time.Second)
		for i, id := range ids {
			d := srv.Deliveries(id)
			require.Len(t, d, 1)
			assert.Contains(t, string(d[0].Body), fmt.Sprintf(`"status %d"`, i))
		}
	})
}

func TestJobsDescribesTheSubmission(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		submit(t, srv, "/extract_async", m{
			"input": "https://example.com/a", "async": m{"webhook": m{"mode": "svix", "channels": []any{"a", "b"}}, "metadata": []any{1}},
		})
		info := srv.Jobs()[0]
		assert.Equal(t, "Extract", info.Type)
		assert.Equal(t, "svix", info.WebhookMode)
		assert.Equal(t, []string{"a", "b"}, info.WebhookChannels)
		assert.Equal(t, "[1]", string(info.Metadata))
		assert.True(t, strings.HasPrefix(info.RawConfig, "{"))
		assert.True(t, info.FinishedAt.IsZero())
		assert.Equal(t, time.Now(), info.CreatedAt)
		srv.SetProcessingTime(time.Hour)
		slow := submit(t, srv, "/parse_async", parse("", nil))
		pass(time.Minute)
		assert.Equal(t, "Pending", getJob(t, srv, slow)["status"])
		assert.False(t, srv.Jobs()[0].FinishedAt.IsZero())
	})
}
