package conformance_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// TestReductotestOnPrism puts Prism between the official SDK and reductotest: what
// reductotest answers has to fit the published document.
func TestReductotestOnPrism(t *testing.T) {
	t.Parallel()
	d := publishedDocument(t)
	operations := d.operations()
	d.weaken(operations)
	d.widen()
	d.resultsOnly("POST /parse")
	d.resultsOnly("POST /extract")
	d.pairTypes()
	d.answer("GET /job/{job_id}")["anyOf"] = []any{object{"$ref": "#/components/schemas/EnhancedAsyncJobResponse"}} // reductotest names the type
	s := startSDK(t)
	srv := newServer(t, reductotest.WithProcessingTime(0))
	p := startPrism(t, d, srv.URL())
	calls := 0
	try := func(t *testing.T, method string, args ...any) sdkAnswer {
		t.Helper()
		calls++
		return s.ask(t, srv, clientOptions{baseURL: p.url, key: srv.APIKey()}, method, args...)
	}
	fits := func(t *testing.T, method string, args ...any) json.RawMessage {
		t.Helper()
		a := try(t, method, args...)
		require.Nil(t, a.Error, "%s: %+v", method, a.Error)
		return a.Value
	}

	fits(t, "apiVersion")
	fits(t, "webhook.run")
	fits(t, "upload")
	var upload struct {
		FileID string `json:"file_id"`
	}
	require.NoError(t, json.Unmarshal(fits(t, "upload", object{"file": object{"$file": object{"name": "letter.txt", "text": letter}}}), &upload))
	srv.DefinePipeline("splits", reductotest.Pipeline{
		Schema: object{"type": "object", "properties": object{"number": object{"type": "integer"}}}, Citations: true,
		Split: []reductotest.PipelineCategory{{Name: "Invoice"}, {Name: "Contract", PartitionKey: "Number"}},
	})
	for _, c := range processes(upload.FileID) {
		t.Run(c.name, func(t *testing.T) {
			fits(t, c.method+".run", c.request)
			if c.syncOnly {
				return
			}
			var job struct {
				JobID string `json:"job_id"`
			}
			require.NoError(t, json.Unmarshal(fits(t, c.method+".runJob", c.request), &job))
			require.Equal(t, "Completed", s.awaitJob(t, srv, job.JobID, c.typeName).Status)
			fits(t, "job.get", job.JobID)
			fits(t, "job.cancel", job.JobID)
		})
	}
	srv.FailNext("The file is damaged", "DOCUMENT_CORRUPT")
	var job struct {
		JobID string `json:"job_id"`
	}
	require.NoError(t, json.Unmarshal(fits(t, "parse.runJob", object{"input": upload.FileID}), &job))
	require.Equal(t, "Failed", s.awaitJob(t, srv, job.JobID, "").Status)
	fits(t, "job.get", job.JobID)
	fits(t, "job.getAll", object{"limit": 7})
	fits(t, "job.getAll", object{"limit": 500})

	called := map[string]bool{}
	for _, r := range srv.Requests() {
		called[d.operation(r.Method, r.Path)] = true
	}
	for _, o := range operations {
		assert.True(t, called[o], "%s was not called", o)
	}
	assert.Empty(t, prismComplains.FindAllString(p.log.String(), 20), "what Prism wrote")
	t.Logf("%d calls of %d operations", calls, len(operations))

	// From here on Prism complains.
	for name, wrong := range map[string]string{
		"result lacks its usage": `{"job_id":"a","duration":1,"result":{"type":"full","chunks":[]}}`,
		"block of no type": `{"job_id":"a","duration":1,"usage":{"num_pages":1},"result":{"type":"full","chunks":[{"content":"","embed":"","enriched":null,
			"blocks":[{"content":"","type":"Poem","bbox":{"left":0,"top":0,"width":0,"height":0,"page":1}}]}]}}`,
		"result of another type": `{"job_id":"a","result":{"category":"letter"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			srv.NextResult(wrong)
			answers := []sdkAnswer{try(t, "parse.run", object{"input": upload.FileID})}
			id := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Result: json.RawMessage(wrong)})
			for _, a := range append(answers, try(t, "job.get", id)) {
				require.NotNil(t, a.Error)
				assert.Equal(t, http.StatusInternalServerError, a.Status)
				assert.Contains(t, string(a.Error.Body), "VIOLATIONS")
			}
		})
	}
}

// TestReductotestKnowsTheDocument sends reductotest the requests of TestPrism, which
// have every member that the document has.
func TestReductotestKnowsTheDocument(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.WithProcessingTime(0))
	for _, r := range requests() {
		_, err := r.call(t.Context(), srv.Client(reducto.WithMaxRetries(0)))
		if err == nil || r.operation+", "+r.name == "GET /jobs, maximal" { // "a+b/c=" is no cursor
			continue
		}
		var e *reducto.APIError // ids are made up, and a classification needs a category
		require.ErrorAs(t, err, &e, "%s, %s", r.operation, r.name)
		assert.Contains(t, []int{http.StatusNotFound, http.StatusBadRequest}, e.StatusCode, "%s, %s: %v", r.operation, r.name, err)
	}
	assert.Empty(t, srv.UnknownFields())
}
