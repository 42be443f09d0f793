package conformance_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

// letter has two pages, which every kind of job finds something in.
const letter = "Invoice\n\nNumber: 7\n\nTotal: 12.5\fContract\n\nNumber: 8"

func newServer(t *testing.T, opts ...reductotest.Option) *reductotest.Server {
	t.Helper()
	srv := reductotest.NewServer(t, append([]reductotest.Option{reductotest.OnTCP()}, opts...)...)
	t.Cleanup(func() {
		assert.Empty(t, srv.UnknownFields(), "what the SDK declares is known")
		assert.Empty(t, srv.Violations())
	})
	return srv
}

// sample is the JSON of testdata/sdk/name.json, with placeholders.
func sample(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "sdk", name+".json"))
	require.NoError(t, err)
	return string(raw)
}

// get reads what a link leads to.
func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode, url)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

func (s *sdk) testUploads(t *testing.T) {
	srv := newServer(t)
	page := srv.Mount("/page.csv", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, letter)
	}))
	path := filepath.Join(t.TempDir(), "letter.txt")
	require.NoError(t, os.WriteFile(path, []byte(letter), 0o600))

	for name, c := range map[string]struct {
		args      []any
		extension string
		presigned bool // nothing was sent, so there is a link to send it to
	}{
		"stream":                {[]any{object{"file": object{"$stream": path}}}, ".txt", false},
		"file":                  {[]any{object{"file": object{"$file": object{"name": "a.md", "text": letter}}}}, ".md", false},
		"response":              {[]any{object{"file": object{"$fetch": page}}}, ".csv", false},
		"extension over a name": {[]any{object{"file": object{"$file": object{"name": "a", "text": letter}}, "extension": ".html"}}, ".html", false},
		"nothing":               {nil, "", true},
		"extension alone":       {[]any{object{"extension": "txt"}}, ".txt", true},
		"null":                  {[]any{object{"file": nil}}, "", true},
		// A path is not read by the SDK: it sends it as JSON, and there is no file in that.
		"path": {[]any{object{"file": path}}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			var upload struct {
				FileID       string `json:"file_id"`
				PresignedURL string `json:"presigned_url"`
			}
			answer := s.call(t, srv, "Shared.Upload", "upload", c.args...)
			require.NoError(t, json.Unmarshal(answer, &upload))
			assert.Equal(t, c.extension, filepath.Ext(upload.FileID))
			if c.presigned {
				equalJSON(t, `{"file_id":"<file>","presigned_url":"<link>"}`, answer)
				put, err := http.NewRequestWithContext(t.Context(), http.MethodPut, upload.PresignedURL, strings.NewReader(letter))
				require.NoError(t, err)
				resp, err := http.DefaultClient.Do(put)
				require.NoError(t, err)
				resp.Body.Close()
				require.Equal(t, http.StatusOK, resp.StatusCode)
			} else {
				equalJSON(t, `{"file_id":"<file>","presigned_url":null}`, answer)
			}
			// What was uploaded comes back, whether by its id or by the whole answer.
			for _, input := range []any{upload.FileID, json.RawMessage(answer)} {
				var parsed struct {
					Result struct{ Chunks []struct{ Content string } }
				}
				require.NoError(t, json.Unmarshal(s.call(t, srv, "Shared.ParseResponse", "parse.run", object{"input": input}), &parsed))
				require.Len(t, parsed.Result.Chunks, 1)
				assert.Equal(t, letter, parsed.Result.Chunks[0].Content)
			}
		})
	}
}

// process is a document that is processed, at once and as a job.
type process struct {
	name     string
	method   string // "parse": of parse.run and parse.runJob
	request  object
	typeName string // of the result
	sample   string
	syncOnly bool
}

func processes(input string) []process {
	schema := object{"type": "object", "properties": object{
		"number": object{"type": "integer"}, "total": object{"type": "number"}, "date": object{"type": "string"},
	}}
	categories := []any{
		object{"name": "Invoice", "description": "what is to be paid"},
		object{"name": "Contract", "description": "what was agreed"},
	}
	return []process{
		{name: "parse", method: "parse", typeName: "Shared.ParseResponse", sample: "parse", request: object{"input": input}},
		{name: "parse pages", method: "parse", typeName: "Shared.ParseResponse", sample: "parse_pages", request: object{
			"input":     []any{input},
			"retrieval": object{"chunking": object{"chunk_mode": "page"}, "filter_blocks": []any{"Key Value"}},
			"settings":  object{"page_range": object{"start": 2, "end": 2}},
		}},
		{name: "parse to a link", method: "parse", typeName: "Shared.ParseResponse", sample: "parse_url", request: object{
			"input": input, "settings": object{"force_url_result": true},
		}},
		{name: "extract", method: "extract", typeName: "Shared.ExtractResponse", sample: "extract", request: object{
			"input": input, "instructions": object{"schema": schema, "system_prompt": "Be precise."},
		}},
		{name: "extract with citations", method: "extract", typeName: "Reducto.V3Extract", sample: "extract_cited", request: object{
			"input": input, "instructions": object{"schema": schema}, "settings": object{"citations": object{"enabled": true}},
		}},
		{name: "split", method: "split", typeName: "Shared.SplitResponse", sample: "split", request: object{
			"input": input, "split_description": categories,
		}},
		{name: "split into partitions", method: "split", typeName: "Shared.SplitResponse", sample: "split_partitions", request: object{
			"input": input, "split_description": []any{object{"name": "Number", "description": "numbered pages", "partition_key": "Number"}},
			"split_rules": "Pages belong to one category.", "settings": object{"table_cutoff": "preserve", "allow_page_overlap": false},
		}},
		{name: "edit", method: "edit", typeName: "Shared.EditResponse", sample: "edit", request: object{
			"document_url": input, "edit_instructions": "Signed: Ada",
			"form_schema": []any{object{
				"bbox":        object{"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4, "page": 1},
				"description": "the signature", "type": "text", "value": "Ada",
			}},
		}},
		{name: "pipeline", method: "pipeline", typeName: "Shared.PipelineResponse", sample: "pipeline", request: object{
			"input": input, "pipeline_id": "parses-and-extracts",
		}},
		{name: "pipeline that splits", method: "pipeline", typeName: "Shared.PipelineResponse", sample: "pipeline_split", request: object{
			"input": input, "pipeline_id": "splits",
		}},
		{name: "classify", method: "classify", syncOnly: true, typeName: "Shared.ClassifyResponse", sample: "classify", request: object{
			"input": input, "classification_schema": []any{
				object{"category": "letter", "criteria": []any{"greets somebody", "has a signature"}},
				object{"category": "invoice", "criteria": []any{"states a total"}},
			},
			"page_range": []any{1, 2}, "document_metadata": "found in a drawer", "persist_results": true,
		}},
	}
}

// testProcessing runs every kind of job, at once and as a job, and compares
// every member of the two results.
func (s *sdk) testProcessing(t *testing.T) {
	srv := newServer(t)
	srv.DefinePipeline("splits", reductotest.Pipeline{
		Schema:    object{"type": "object", "properties": object{"number": object{"type": "integer"}}},
		Citations: true,
		Split:     []reductotest.PipelineCategory{{Name: "Invoice"}, {Name: "Contract"}},
	})
	input := srv.PutFile("letter.txt", []byte(letter))
	for _, p := range processes(input) {
		t.Run(p.name, func(t *testing.T) {
			want := sample(t, p.sample)
			answer := s.call(t, srv, p.typeName, p.method+".run", p.request)
			equalJSON(t, want, answer)
			p.checkLinks(t, answer)
			if p.syncOnly {
				return
			}
			id := s.submit(t, srv, p.method+".runJob", p.request)
			job := s.awaitJob(t, srv, id, p.typeName)
			equalJSON(t, want, job.Result)
			p.checkLinks(t, job.Result)
			require.Equal(t, id, job.id(t))
		})
	}
	t.Run("asynchronous by an async object", func(t *testing.T) {
		for _, p := range processes(input)[:4] {
			request := object{"async": object{"priority": true}}
			for k, v := range p.request {
				request[k] = v
			}
			equalJSON(t, `{"job_id":"<uuid>"}`, s.call(t, srv, "Shared.AsyncParseResponse", p.method+".run", request))
		}
	})
}

// checkLinks follows the links of a result.
func (p process) checkLinks(t *testing.T, answer json.RawMessage) {
	t.Helper()
	var r struct {
		DocumentURL string `json:"document_url"`
		Result      struct{ URL string }
	}
	_ = json.Unmarshal(answer, &r) // results that are lists have no links
	switch p.sample {
	case "edit":
		assert.Equal(t, letter+"\n\nSigned: Ada\n", get(t, r.DocumentURL))
	case "parse_url":
		var full struct{ Result json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(sample(t, "parse")), &full))
		equalJSON(t, string(full.Result), json.RawMessage(get(t, r.Result.URL)))
	}
}

// submit calls a method that answers a job id.
func (s *sdk) submit(t *testing.T, srv *reductotest.Server, method string, request object) (jobID string) {
	t.Helper()
	answer := s.call(t, srv, "Shared.AsyncParseResponse", method, request)
	equalJSON(t, `{"job_id":"<uuid>"}`, answer)
	var job struct {
		JobID string `json:"job_id"`
	}
	require.NoError(t, json.Unmarshal(answer, &job))
	return job.JobID
}

// sdkJob is what job.get answers.
type sdkJob struct {
	Status string
	Reason string
	Result json.RawMessage
}

// id is the job id that a result has in itself.
func (j sdkJob) id(t *testing.T) string {
	t.Helper()
	var r struct {
		JobID string `json:"job_id"`
	}
	require.NoError(t, json.Unmarshal(j.Result, &r))
	return r.JobID
}

// awaitJob asks for a job until it has ended, as a user of the SDK does.
func (s *sdk) awaitJob(t *testing.T, srv *reductotest.Server, id, resultType string) sdkJob {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		a := s.ask(t, srv, clientOptions{key: srv.APIKey()}, "job.get", id)
		require.Nil(t, a.Error)
		var job sdkJob
		require.NoError(t, json.Unmarshal(a.Value, &job))
		switch job.Status {
		case "Pending", "InProgress", "Completing":
			require.Equal(t, "null", string(job.Result))
			continue
		case "Completed":
			s.mu.Lock()
			s.answers = append(s.answers, typed{"Ended<" + resultType + ">", a.Value})
			s.mu.Unlock()
		}
		return job
	}
	require.Fail(t, "the job did not end", id)
	return sdkJob{}
}
