package reductotest_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestListJobsReturnsPages(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		assert.Equal(t, m{"jobs": []any{}, "next_cursor": nil}, ok(t, srv, "GET", "/jobs", nil))
		var ids []string
		for i := range 250 {
			ids = append(ids, srv.SeedJob(reductotest.SeedJob{ID: fmt.Sprint("job-", i), Status: "Completed"}))
		}
		var seen []string
		cursor := ""
		pages := 0
		for {
			page := ok(t, srv, "GET", "/jobs?cursor="+url.QueryEscape(cursor), nil)
			pages++
			for _, j := range page["jobs"].([]any) {
				seen = append(seen, j.(m)["job_id"].(string))
			}
			if page["next_cursor"] == nil {
				break
			}
			cursor = page["next_cursor"].(string)
			srv.SeedJob(reductotest.SeedJob{}) // does not move the pages that follow
		}
		assert.Equal(t, 3, pages)
		require.Len(t, seen, 250)
		for i, id := range seen {
			assert.Equal(t, ids[249-i], id, "the latest first")
		}

		first := at(t, ok(t, srv, "GET", "/jobs?limit=500", nil), "jobs", 5).(m)
		for _, key := range []string{"job_id", "status", "type", "raw_config", "created_at", "num_pages", "total_pages", "duration", "source", "bucket"} {
			assert.Contains(t, first, key)
		}
		assert.NotContains(t, first, "result")
		without := at(t, ok(t, srv, "GET", "/jobs?limit=1&exclude_configs=true", nil), "jobs", 0)
		assert.NotContains(t, without, "raw_config")
	})
}

func TestCancelEndsAJobWithoutWebhook(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		hook := srv.Mount("/webhook", answering(200))
		id := submit(t, srv, "/parse_async", parse(hook, nil))
		assert.Equal(t, 200, call(t, srv, "POST", "/cancel/"+id, nil).StatusCode)
		pass(time.Hour)
		assert.Equal(t, "Cancelled", getJob(t, srv, id)["status"])
		assert.Empty(t, srv.Deliveries(id), "a cancelled job has no webhook")

		done := submit(t, srv, "/parse_async", parse("", nil))
		srv.Complete(done)
		assert.Equal(t, 200, call(t, srv, "POST", "/cancel/"+done, nil).StatusCode)
		assert.Equal(t, "Completed", getJob(t, srv, done)["status"])
		assert.Equal(t, 404, call(t, srv, "POST", "/cancel/nobody", nil).StatusCode)
	})
}

func TestDeletedJobResponds409Then410(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := parse("", nil)
		body["settings"] = m{"force_url_result": true}
		id := submit(t, srv, "/parse_async", body)
		srv.Complete(id)
		link := resultURL(t, srv, id)
		require.Equal(t, 200, get(t, srv, link).StatusCode)

		r := call(t, srv, "DELETE", "/job/"+id, nil)
		assert.Equal(t, 202, r.StatusCode)
		assert.Equal(t, m{"job_id": id}, r.object(t))
		pass(time.Hour)
		for _, want := range []struct {
			status int
			name   string
		}{{409, "JOB_DELETION_IN_PROGRESS"}, {410, "JOB_DELETED"}, {410, "JOB_DELETED"}} {
			r := call(t, srv, "GET", "/job/"+id, nil)
			assert.Equal(t, want.status, r.StatusCode)
			assert.Equal(t, want.name, at(t, r.object(t), "error", "name"))
		}
		assert.Equal(t, 410, call(t, srv, "DELETE", "/job/"+id, nil).StatusCode)
		assert.Equal(t, 404, get(t, srv, link).StatusCode, "its result is gone")
		assert.Empty(t, ok(t, srv, "GET", "/jobs", nil)["jobs"])
		assert.Equal(t, 404, call(t, srv, "DELETE", "/job/nobody?include_persisted=true", nil).StatusCode)

		hook := srv.Mount("/webhook", answering(200))
		running := submit(t, srv, "/parse_async", parse(hook, nil))
		assert.Equal(t, 202, call(t, srv, "DELETE", "/job/"+running, nil).StatusCode)
		for range 3 {
			assert.Equal(t, 409, call(t, srv, "GET", "/job/"+running, nil).StatusCode, "while it lasts")
		}
		pass(time.Hour)
		assert.Equal(t, 410, call(t, srv, "GET", "/job/"+running, nil).StatusCode)
		assert.Empty(t, srv.Deliveries(running))
	}, reductotest.WithDeletionTime(time.Minute))
}
