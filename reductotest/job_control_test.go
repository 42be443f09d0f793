package reductotest_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestPersistedJobsDoNotExpire(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := parse("", nil)
		body["settings"] = m{"persist_results": true}
		id := submit(t, srv, "/parse_async", body)
		pass(1000 * time.Hour)
		assert.Equal(t, "Completed", getJob(t, srv, id)["status"])
		srv.Expire(id)
		assert.Equal(t, 404, call(t, srv, "GET", "/job/"+id, nil).StatusCode)
	})
}

func TestHeldJobsEndOnCommand(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		status := func(id string) any { return getJob(t, srv, id)["status"] }
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
		failed := getJob(t, srv, ids[1])
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

		// A job that has ended does not change.
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
		assert.Nil(t, getJob(t, srv, ids[4])["result"], "Completed without a result")
		assert.Equal(t, []string{"Completed", "Failed", "Cancelled", "Completed", "Completed"}, statuses(srv))
	})
}

func TestFailNextAndNextResultApplyInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		srv.FailNext("it is broken", "DOCUMENT_CORRUPT")
		srv.NextResult(`{"response_type":"chart","result":{"chart_data":[1.50]}}`)
		srv.NextResult(m{"response_type": "next month"})
		var ids []string
		for range 4 {
			ids = append(ids, submit(t, srv, "/parse_async", parse("", nil)))
		}
		pass(time.Second)
		assert.Equal(t, "DOCUMENT_CORRUPT", at(t, getJob(t, srv, ids[0]), "error", "name"))
		assert.Contains(t, string(call(t, srv, "GET", "/job/"+ids[1], nil).body),
			`"result":{"response_type":"chart","result":{"chart_data":[1.50]}}`, "verbatim")
		assert.Equal(t, m{"response_type": "next month"}, getJob(t, srv, ids[2])["result"])
		assert.Equal(t, "parse", at(t, getJob(t, srv, ids[3]), "result", "response_type"))

		srv.SetResult(ids[3], []byte(`{"a":1}`))
		assert.Equal(t, m{"a": 1.0}, getJob(t, srv, ids[3])["result"])
		srv.Hold()
		held := submit(t, srv, "/parse_async", parse("", nil))
		srv.SetResult(held, m{"b": 2})
		srv.Complete(held)
		assert.Equal(t, m{"b": 2.0}, getJob(t, srv, held)["result"])
	})
}

func TestReadLagDelaysTheFinalStatus(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		srv.Hold()
		id := submit(t, srv, "/parse_async", parse("", nil))
		srv.ReadLag(id, 3)
		getJob(t, srv, id) // does not count
		srv.Complete(id)
		var seen []any
		for range 4 {
			j := getJob(t, srv, id)
			seen = append(seen, j["status"], j["result"] == nil)
		}
		assert.Equal(t, []any{"Pending", true, "Completing", true, "Completing", true, "Completed", false}, seen)
	})
}

func TestSeedJobAddsAJob(t *testing.T) {
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
		j = getJob(t, srv, failed)
		assert.Equal(t, []any{"Failed", "why", "Extract"}, []any{j["status"], j["reason"], j["type"]})
		cancelled := srv.SeedJob(reductotest.SeedJob{Status: "Cancelled"})
		assert.Equal(t, "Cancelled", getJob(t, srv, cancelled)["status"])
		idle := srv.SeedJob(reductotest.SeedJob{Status: "Idle"})
		assert.Equal(t, "Idle", getJob(t, srv, idle)["status"])
		verbatim := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Result: `{"x":1}`, Persist: true})
		assert.Equal(t, m{"x": 1.0}, getJob(t, srv, verbatim)["result"])

		running := srv.SeedJob(reductotest.SeedJob{Webhook: hook, Text: "t"})
		list, err := srv.AwaitDeliveries(t.Context(), running, 1)
		require.NoError(t, err)
		assert.JSONEq(t, `{"status":"Completed","job_id":"`+running+`","metadata":null}`, string(list[0].Body))
	})
}
