package conformance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

// prismTest is the state of TestPrism.
type prismTest struct {
	*prism
	document   *document
	operations []string
	calls      int
	seed       int             // of the next made-up answer
	called     map[string]bool // operations
	used       map[string]bool // members of requests
	answered   map[string]bool // names of members of answers, in the document
}

const (
	// madeUp is how many answers each request gets that Prism makes up.
	madeUp = 10
	// madeUpJobs is how many of GET /job, whose answers can be anything.
	madeUpJobs = 300
)

// unsent are the members of requests that the client never sends, and why.
var unsent = map[string]string{
	"UploadResponse.file_id":       "an upload is sent as its id alone",
	"UploadResponse.presigned_url": "an upload is sent as its id alone",
}

// TestPrism calls every operation of the published document with the client.
func TestPrism(t *testing.T) {
	t.Parallel()
	d := publishedDocument(t)
	p := &prismTest{document: d, operations: d.operations(), called: map[string]bool{}, used: map[string]bool{}}
	require.Subset(t, p.operations, []string{"POST /parse", "POST /extract_async", "GET /job/{job_id}"})

	d.mount(t, "/published", "POST /parse")
	assert.NotEmpty(t, d.weaken(p.operations))
	d.narrow()
	d.pairTypes()
	for _, o := range []string{"POST /parse", "POST /upload", "GET /job/{job_id}"} {
		d.mount(t, "/examples", o)
	}
	d.resultsOnly("POST /parse")
	d.resultsOnly("POST /extract")
	storage := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(storage.Close)
	d.exemplify("POST /examples/upload", object{"file_id": "reducto://a.pdf", "presigned_url": storage.URL + "/put?a=b"})
	d.exemplify("POST /examples/parse", object{"job_id": aJob, "queue_position": 4})
	d.exemplify("GET /examples/job/{job_id}", object{"status": "Completed", "type": "Parse", "result": object{
		"job_id": aJob, "duration": 1.5, "usage": object{"num_pages": 1}, "result": object{"type": "full", "chunks": []any{
			object{"content": "Dear reader", "embed": "", "enriched": nil, "blocks": []any{}},
		}},
	}})
	p.answered = d.answerMembers(p.operations)
	p.prism = startPrism(t, d, "")

	for _, r := range requests() {
		t.Run(r.operation+", "+r.name, func(t *testing.T) {
			p.check(t, r, "")
			for range madeUp {
				p.seed++
				p.check(t, r, fmt.Sprintf("dynamic=true, seed=%d", p.seed))
			}
		})
	}
	t.Run("GET /job/{job_id}, any answer", func(t *testing.T) {
		for _, r := range requests() {
			for range madeUpJobs {
				if r.operation == "GET /job/{job_id}" {
					p.seed++
					p.check(t, r, fmt.Sprintf("dynamic=true, seed=%d", p.seed))
				}
			}
		}
	})
	t.Run("POST /upload to storage", p.testPresigned)
	t.Run("POST /parse answered with a job", p.testAnsweredWithJob)
	for _, o := range p.operations {
		assert.True(t, p.called[o], "%s was not called", o)
	}
	p.checkMembers(t)
	assert.Empty(t, prismComplains.FindAllString(p.log.String(), 20), "what Prism wrote")
	t.Logf("%d calls of %d operations, with %d members of requests", p.calls, len(p.called), len(p.used))

	// From here on Prism complains.
	t.Run("refused", p.testRefused)
	t.Run("errors", p.testErrors)
}

// check makes a call that is one request, and says whether the request and the
// answer fit, and whether the client kept all of the answer.
func (p *prismTest) check(t *testing.T, r request, prefer string) {
	t.Helper()
	c, rec := p.client(t, "", prefer)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	v, err := r.call(ctx, c)
	require.Len(t, rec.exchanges, 1, "%v", err)
	e := rec.exchanges[0]
	require.Equal(t, r.operation, p.document.operation(e.method, e.path))
	p.fits(t, r.operation, e)
	require.NoError(t, err, "the answer does not decode, to %q: %s", prefer, e.answer)
	require.Empty(t, lost(t, v, e.answer), "the client does not keep all of the answer to %q: %s", prefer, e.answer)
	for _, name := range unknown(t, v) {
		require.False(t, p.answered[name], "the document has %s, which the client does not know, in an answer to %q: %s", name, prefer, e.answer)
	}
}

// fits says whether Prism found anything wrong with an exchange.
func (p *prismTest) fits(t *testing.T, operation string, e exchange) {
	t.Helper()
	p.calls++
	p.called[operation] = true
	require.Empty(t, e.header.Values("Sl-Violations"), "%s %s %s", e.method, e.path, e.sent)
	require.Equal(t, http.StatusOK, e.status, "%s", e.answer)
	require.Equal(t, "application/json", e.header.Get("Content-Type"), "%s", e.answer)
	if schema := p.document.request(operation); schema != nil {
		p.document.used(operation, schema, e.body(t), p.used)
	}
}

// body is what was sent, as JSON is decoded; of a form, the names of its parts.
func (e exchange) body(t *testing.T) any {
	t.Helper()
	kind, params, err := mime.ParseMediaType(e.contentType)
	require.NoError(t, err)
	var body any
	if kind != "multipart/form-data" {
		require.NoError(t, json.Unmarshal(e.sent, &body))
		return body
	}
	form := object{}
	parts := multipart.NewReader(strings.NewReader(string(e.sent)), params["boundary"])
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return form
		}
		require.NoError(t, err)
		form[part.FormName()] = part.FileName()
	}
}

// testPresigned uploads a file that is too large for the API.
func (p *prismTest) testPresigned(t *testing.T) {
	c, rec := p.client(t, "/examples", "", reducto.WithMaxDirectUpload(1))
	u, err := c.Upload(t.Context(), "a.pdf", strings.NewReader("12345"), reducto.UploadOptions{Extension: "pdf"})
	require.NoError(t, err)
	assert.Equal(t, "reducto://a.pdf", u.FileID)
	require.Len(t, rec.exchanges, 2)
	p.fits(t, "POST /upload", rec.exchanges[0])
	assert.Equal(t, "PUT", rec.exchanges[1].method)
	assert.Equal(t, "12345", string(rec.exchanges[1].sent))
}

// testAnsweredWithJob is a synchronous call that is answered as an asynchronous one.
func (p *prismTest) testAnsweredWithJob(t *testing.T) {
	c, rec := p.client(t, "/examples", "")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	result, err := c.Parse(ctx, reducto.ParseRequest{Input: inputs[0]})
	require.NoError(t, err)
	chunks, err := result.Load(t.Context())
	require.NoError(t, err)
	require.Len(t, chunks, 1)
	assert.Equal(t, "Dear reader", chunks[0].Content)
	require.Len(t, rec.exchanges, 2)
	p.fits(t, "POST /parse", rec.exchanges[0])
	p.fits(t, "GET /job/{job_id}", rec.exchanges[1])
	assert.Equal(t, "/examples/job/"+aJob, rec.exchanges[1].path)
}

// checkMembers says which members of requests were never sent.
func (p *prismTest) checkMembers(t *testing.T) {
	t.Helper()
	declared := map[string]bool{}
	for _, o := range p.operations {
		if schema := p.document.request(o); schema != nil {
			p.document.declared(o, schema, declared)
		}
	}
	for _, m := range slices.Sorted(maps.Keys(declared)) {
		if why, ok := unsent[m]; ok {
			assert.False(t, p.used[m], "%s is sent after all: %s", m, why)
		} else {
			assert.True(t, p.used[m], "the document has %s, which is never sent", m)
		}
	}
	for m := range unsent {
		assert.True(t, declared[m], "%s is not in the document", m)
	}
}

// testRefused sends what the document does not allow: Prism would say so.
func (p *prismTest) testRefused(t *testing.T) {
	for name, c := range map[string]struct {
		operation string
		body      any
		complaint string
	}{
		"no input":           {"POST /parse_async", object{}, "request.body Request body must have required property 'input'"},
		"input of a number":  {"POST /parse", object{"input": 1}, "request.body.input Request body property input must be string"},
		"unknown chunk mode": {"POST /parse_async", object{"input": anInput, "retrieval": object{"chunking": object{"chunk_mode": "x"}}}, "request.body.retrieval.chunking.chunk_mode Request body property retrieval.chunking.chunk_mode must be equal to one of the allowed values"},
		"webhook of a list":  {"POST /split_async", object{"input": anInput, "split_description": []any{}, "async": object{"webhook": []any{}}}, "request.body.async.webhook "},
		"direct without URL": {"POST /extract_async", object{"input": anInput, "async": object{"webhook": object{"mode": "direct"}}}, "request.body.async.webhook "},
		"large font":         {"POST /edit", object{"document_url": anInput, "edit_instructions": "", "form_schema": []any{object{"font_size": 73}}}, "request.body.form_schema"},
		"no pipeline":        {"POST /pipeline", object{"input": anInput}, "request.body Request body must have required property 'pipeline_id'"},
		"limit of a word":    {"GET /jobs?limit=many", nil, "request.query.limit "},
		// The document as it is allows no request at all here: see weaken.
		"one of two that overlap": {"POST /published/parse", object{"input": anInput}, "request.body Request body must match exactly one schema in oneOf"},
	} {
		t.Run(name, func(t *testing.T) {
			client, rec := p.client(t, "", "")
			method, path, _ := strings.Cut(c.operation, " ")
			err := client.Do(t.Context(), method, path, c.body, nil)
			var e *reducto.APIError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, http.StatusUnprocessableEntity, e.StatusCode)
			require.Len(t, rec.exchanges, 1)
			assert.NotEmpty(t, rec.exchanges[0].header.Get("Sl-Violations"))
			assert.Eventually(t, func() bool { return strings.Contains(p.log.String(), "Violation: "+c.complaint) },
				5*time.Second, 5*time.Millisecond, "Prism logs it")
		})
	}
	assert.NotEmpty(t, prismComplains.FindString(p.log.String()))
}

// testErrors reads the only error that the document declares, of every operation.
func (p *prismTest) testErrors(t *testing.T) {
	done := map[string]bool{}
	for _, r := range requests() {
		declares := members(p.document.find(r.operation)["responses"])["422"] != nil
		if done[r.operation] || !declares {
			continue
		}
		done[r.operation] = true
		t.Run(r.operation, func(t *testing.T) {
			for _, prefer := range []string{"code=422", "code=422, dynamic=true, seed=1"} {
				c, _ := p.client(t, "", prefer)
				_, err := r.call(t.Context(), c)
				var e *reducto.APIError
				require.ErrorAs(t, err, &e, prefer)
				assert.Equal(t, http.StatusUnprocessableEntity, e.StatusCode)
				require.NotEmpty(t, e.Fields)
				assert.NotEmpty(t, e.Fields[0].Message)
				assert.NotEmpty(t, e.Fields[0].Type)
				assert.Error(t, err)
			}
		})
	}
	assert.Len(t, done, len(p.operations)-1, "all but GET /version")
}
