package reductotest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestPipelineRunsDefinedSteps(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := m{"input": upload(srv, invoice), "pipeline_id": "unknown"}
		result := ok(t, srv, "POST", "/pipeline", body)
		assert.Equal(t, "pipeline", result["response_type"])
		assert.Equal(t, "parse", at(t, result, "result", "parse", "response_type"))
		assert.Equal(t, invoice, at(t, result, "result", "parse", "result", "chunks", 0, "content"))
		assert.Equal(t, "INV-7", at(t, result, "result", "extract", "result", 0, "invoice_number"))
		for _, key := range []string{"split", "edit"} {
			assert.Contains(t, result["result"], key)
			assert.Nil(t, at(t, result, "result", key))
		}

		srv.DefinePipeline("both", reductotest.Pipeline{
			Schema: m{"properties": m{"customer": m{"type": "string"}}}, Citations: true,
			Split: []reductotest.PipelineCategory{{Name: "Invoice", PartitionKey: "Invoice number"}, {Name: "Contract"}},
		})
		body["pipeline_id"] = "both"
		result = ok(t, srv, "POST", "/pipeline", body)
		parts := at(t, result, "result", "extract").([]any)
		require.Len(t, parts, 2)
		assert.Equal(t, []any{"Invoice", "INV-7", []any{1.0}},
			[]any{at(t, parts, 0, "split_name"), at(t, parts, 0, "partition"), at(t, parts, 0, "page_range")})
		assert.Equal(t, "v3_extract", at(t, parts, 1, "result", "response_type"))
		assert.Equal(t, "Acme", at(t, parts, 1, "result", "result", "customer", "value"))
		assert.Equal(t, "split", at(t, result, "result", "split", "response_type"))

		srv.DefinePipeline("parse", reductotest.Pipeline{})
		body["pipeline_id"] = "parse"
		assert.Nil(t, at(t, ok(t, srv, "POST", "/pipeline", body), "result", "extract"))
		id := submit(t, srv, "/pipeline_async", body)
		time.Sleep(time.Second)
		assert.Equal(t, "pipeline", at(t, getJob(t, srv, id), "result", "response_type"))
		srv.DefinePipeline("bad", reductotest.Pipeline{Schema: []int{1}})
		body["pipeline_id"] = "bad"
		assert.Equal(t, 400, call(t, srv, "POST", "/pipeline", body).StatusCode)
	})
}
