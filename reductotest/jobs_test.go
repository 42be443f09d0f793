package reductotest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestLifeCycle(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := parse("", m{"user": "123"})
		id := submit(t, srv, "/parse_async", body)
		for _, want := range []struct {
			status   string
			progress any
		}{{"Pending", nil}, {"InProgress", 0.4}, {"InProgress", 0.6}, {"Completing", 0.8}} {
			pass(20 * time.Second)
			j := ok(t, srv, "GET", "/job/"+id, nil)
			assert.Equal(t, want.status, j["status"])
			assert.Equal(t, want.progress, j["progress"])
			assert.Nil(t, j["result"])
			assert.Nil(t, j["error"])
		}
		pass(21 * time.Second)
		j := ok(t, srv, "GET", "/job/"+id, nil)
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

		// Twelve hours after its submission it is gone.
		pass(12*time.Hour - 102*time.Second)
		ok(t, srv, "GET", "/job/"+id, nil)
		pass(time.Minute)
		r := call(t, srv, "GET", "/job/"+id, nil)
		assert.Equal(t, 404, r.StatusCode)
		assert.Equal(t, "NOT_FOUND", at(t, r.object(t), "error", "name"))
		assert.Empty(t, ok(t, srv, "GET", "/jobs", nil)["jobs"])
		assert.True(t, srv.Jobs()[0].Expired)
	}, reductotest.WithProcessingTime(100*time.Second))
}

func TestPersistedJobsStay(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := parse("", nil)
		body["settings"] = m{"persist_results": true}
		id := submit(t, srv, "/parse_async", body)
		pass(1000 * time.Hour)
		assert.Equal(t, "Completed", ok(t, srv, "GET", "/job/"+id, nil)["status"])
		srv.Expire(id)
		assert.Equal(t, 404, call(t, srv, "GET", "/job/"+id, nil).StatusCode)
	})
}

func TestHoldAndControl(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		status := func(id string) any { return ok(t, srv, "GET", "/job/"+id, nil)["status"] }
		srv.Hold()
		var ids []string
		for range 5 {
			ids = append(ids, submit(t, srv, "/parse_async", parse("", nil)))
		}
		pass(time.Hour)
		for _, id := range ids {
			assert.Equal(t, "Pending", status(id))
		}
		srv.Complete(ids[0])
		assert.Equal(t, "Completed", status(ids[0]))
		srv.Fail(ids[1], "no luck")
		failed := ok(t, srv, "GET", "/job/"+ids[1], nil)
		assert.Equal(t, "Failed", failed["status"])
		assert.Equal(t, "no luck", failed["reason"])
		assert.Equal(t, "PROCESSING_FAILED", at(t, failed, "error", "name"))
		assert.Equal(t, 500.0, at(t, failed, "error", "code"))
		assert.Equal(t, ids[1], at(t, failed, "error", "job_id"))
		assert.Nil(t, failed["result"])
		srv.Cancel(ids[2])
		assert.Equal(t, "Cancelled", status(ids[2]))
		srv.SetStatus(ids[3], "Paused")
		assert.Equal(t, "Paused", status(ids[3]))

		// What has ended stays as it is.
		srv.Fail(ids[0], "x")
		srv.Complete(ids[1])
		srv.Cancel(ids[0])
		assert.Equal(t, []any{"Completed", "Failed"}, []any{status(ids[0]), status(ids[1])})

		srv.Release()
		pass(time.Second)
		assert.Equal(t, "Completed", status(ids[4]))
		assert.Equal(t, "Paused", status(ids[3]), "a status that was set stops the job")
		assert.Equal(t, "Paused", at(t, ok(t, srv, "GET", "/jobs?limit=2", nil), "jobs", 1, "status"))
		srv.SetStatus(ids[3], "")
		pass(time.Second)
		assert.Equal(t, "Completed", status(ids[3]))

		srv.SetStatus(ids[4], "Completed")
		assert.Nil(t, ok(t, srv, "GET", "/job/"+ids[4], nil)["result"], "Completed without a result")
		assert.Equal(t, []string{"Completed", "Failed", "Cancelled", "Completed", "Completed"}, statuses(srv))
	})
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

func TestPlans(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		srv.FailNext("it is broken", "DOCUMENT_CORRUPT")
		srv.NextResult(`{"response_type":"chart","result":{"chart_data":[1.50]}}`)
		srv.NextResult(m{"response_type": "next month"})
		var ids []string
		for range 4 {
			ids = append(ids, submit(t, srv, "/parse_async", parse("", nil)))
		}
		pass(time.Second)
		assert.Equal(t, "DOCUMENT_CORRUPT", at(t, ok(t, srv, "GET", "/job/"+ids[0], nil), "error", "name"))
		assert.Contains(t, string(call(t, srv, "GET", "/job/"+ids[1], nil).body),
			`"result":{"response_type":"chart","result":{"chart_data":[1.50]}}`, "verbatim")
		assert.Equal(t, m{"response_type": "next month"}, ok(t, srv, "GET", "/job/"+ids[2], nil)["result"])
		assert.Equal(t, "parse", at(t, ok(t, srv, "GET", "/job/"+ids[3], nil), "result", "response_type"))

		srv.SetResult(ids[3], []byte(`{"a":1}`))
		assert.Equal(t, m{"a": 1.0}, ok(t, srv, "GET", "/job/"+ids[3], nil)["result"])
		srv.Hold()
		held := submit(t, srv, "/parse_async", parse("", nil))
		srv.SetResult(held, m{"b": 2})
		srv.Complete(held)
		assert.Equal(t, m{"b": 2.0}, ok(t, srv, "GET", "/job/"+held, nil)["result"])
	})
}

func TestReadLag(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		srv.Hold()
		id := submit(t, srv, "/parse_async", parse("", nil))
		srv.ReadLag(id, 3)
		ok(t, srv, "GET", "/job/"+id, nil) // does not count
		srv.Complete(id)
		var seen []any
		for range 4 {
			j := ok(t, srv, "GET", "/job/"+id, nil)
			seen = append(seen, j["status"], j["result"] == nil)
		}
		assert.Equal(t, []any{"Pending", true, "Completing", true, "Completing", true, "Completed", false}, seen)
	})
}

func TestSynchronousCalls(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		start := time.Now()
		result := ok(t, srv, "POST", "/parse", m{"input": "https://example.com/a.pdf"})
		assert.Equal(t, time.Minute, time.Since(start), "it waits for the job")
		assert.Equal(t, "parse", result["response_type"])
		info := srv.Jobs()[0]
		assert.True(t, info.Sync)
		assert.Equal(t, result["job_id"], info.ID)
		assert.Equal(t, "Completed", ok(t, srv, "GET", "/job/"+info.ID, nil)["status"])

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

func TestListJobs(t *testing.T) {
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

func TestCancelOverTheAPI(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		hook := srv.Mount("/webhook", answering(200))
		id := submit(t, srv, "/parse_async", parse(hook, nil))
		assert.Equal(t, 200, call(t, srv, "POST", "/cancel/"+id, nil).StatusCode)
		pass(time.Hour)
		assert.Equal(t, "Cancelled", ok(t, srv, "GET", "/job/"+id, nil)["status"])
		assert.Empty(t, srv.Deliveries(id), "a cancelled job has no webhook")

		done := submit(t, srv, "/parse_async", parse("", nil))
		srv.Complete(done)
		assert.Equal(t, 200, call(t, srv, "POST", "/cancel/"+done, nil).StatusCode)
		assert.Equal(t, "Completed", ok(t, srv, "GET", "/job/"+done, nil)["status"])
		assert.Equal(t, 404, call(t, srv, "POST", "/cancel/nobody", nil).StatusCode)
	})
}

func TestDeleteJob(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := parse("", nil)
		body["settings"] = m{"force_url_result": true}
		id := submit(t, srv, "/parse_async", body)
		srv.Complete(id)
		link := at(t, ok(t, srv, "GET", "/job/"+id, nil), "result", "result", "url").(string)
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

func TestSeededJobs(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		hook := srv.Mount("/webhook", answering(200))
		created := time.Now().Add(-time.Hour)
		id := srv.SeedJob(reductotest.SeedJob{
			ID: "job abc/1", Status: "Completed", CreatedAt: created, Text: "seeded\ftext", Metadata: m{"a": 1}, Webhook: hook,
		})
		j := ok(t, srv, "GET", "/job/"+url.PathEscape(id), nil)
		assert.Equal(t, "Completed", j["status"])
		assert.Equal(t, "seeded\ftext", at(t, j, "result", "result", "chunks", 0, "content"))
		assert.Equal(t, "1999-12-31T23:00:00.000000", j["created_at"])
		assert.Contains(t, j["raw_config"], `"metadata":{"a":1}`)
		pass(time.Minute)
		assert.Empty(t, srv.Deliveries(id), "its webhook was sent long ago")
		d := srv.Redeliver(id)
		assert.Equal(t, 200, d.StatusCode)
		assert.True(t, d.Duplicate)

		failed := srv.SeedJob(reductotest.SeedJob{Status: "Failed", Reason: "why", ErrorName: "TIMEOUT", Type: "Extract"})
		j = ok(t, srv, "GET", "/job/"+failed, nil)
		assert.Equal(t, []any{"Failed", "why", "Extract"}, []any{j["status"], j["reason"], j["type"]})
		cancelled := srv.SeedJob(reductotest.SeedJob{Status: "Cancelled"})
		assert.Equal(t, "Cancelled", ok(t, srv, "GET", "/job/"+cancelled, nil)["status"])
		idle := srv.SeedJob(reductotest.SeedJob{Status: "Idle"})
		assert.Equal(t, "Idle", ok(t, srv, "GET", "/job/"+idle, nil)["status"])
		verbatim := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Result: `{"x":1}`, Persist: true})
		assert.Equal(t, m{"x": 1.0}, ok(t, srv, "GET", "/job/"+verbatim, nil)["result"])

		running := srv.SeedJob(reductotest.SeedJob{Webhook: hook, Text: "t"})
		list, err := srv.AwaitDeliveries(t.Context(), running, 1)
		require.NoError(t, err)
		assert.JSONEq(t, `{"status":"Completed","job_id":"`+running+`","metadata":null}`, string(list[0].Body))
	})
}

func TestJobInfo(t *testing.T) {
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
		assert.Equal(t, "Pending", ok(t, srv, "GET", "/job/"+slow, nil)["status"])
		assert.False(t, srv.Jobs()[0].FinishedAt.IsZero())
	})
}
