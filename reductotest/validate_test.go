package reductotest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestInvalidRequestsAreRefused(t *testing.T) {
	const u = "https://example.com/a.pdf"
	for _, test := range []struct {
		name, path string
		body       any
		status     int
		contains   string // in the body
	}{
		{"no JSON", "/parse_async", `{"input":`, 400, "INVALID_CONFIG"},
		{"two values", "/parse_async", `{"input":"` + u + `"}{}`, 400, "INVALID_CONFIG"},
		{"no object", "/parse_async", `[]`, 400, "INVALID_CONFIG"},
		{"empty body", "/parse_async", ``, 400, "INVALID_CONFIG"},
		{"no input", "/parse_async", m{}, 422, `"loc":["body","AsyncParseConfig","input"],"msg":"Field required"`},
		{"complaint about the other form", "/parse", m{}, 422, `"document_url"`},
		{"input null", "/parse", m{"input": nil}, 422, "string_type"},
		{"input number", "/extract_async", m{"input": 7}, 422, `"input":7`},
		{"input object without id", "/parse", m{"input": m{"id": "x"}}, 422, "file_id"},
		{"input list of numbers", "/parse", m{"input": []any{1}}, 422, "string_type"},
		{"no inputs", "/parse_async", m{"input": []any{}}, 400, "document_url"},
		{"input no URL", "/parse_async", m{"input": "a.pdf"}, 400, "document_url"},
		{"input of another scheme", "/parse_async", m{"input": "ftp://example.com/a"}, 400, "INVALID_CONFIG"},
		{"input without host", "/parse_async", m{"input": "https:///a"}, 400, "INVALID_CONFIG"},
		{"mixed forms", "/parse_async", m{"document_url": u, "retrieval": m{}}, 400, "INVALID_CONFIG"},
		{"mixed forms of pipeline", "/pipeline_async", m{"document_url": u, "pipeline_id": "p", "async": m{}}, 400, "INVALID_CONFIG"},
		{"legacy without schema", "/extract_async", m{"document_url": u}, 422, `"schema"`},
		{"settings null", "/parse", m{"input": u, "settings": nil}, 422, "model_attributes_type"},
		{"setting of another type", "/parse", m{"input": u, "settings": m{"force_url_result": "yes"}}, 422, "bool_parsing"},
		{"enum", "/parse", m{"input": u, "retrieval": m{"chunking": m{"chunk_mode": "sentence"}}}, 422, "'disabled', 'block' or 'page_sections'"},
		{"integer", "/parse", m{"input": u, "retrieval": m{"chunking": m{"chunk_size": 1.5}}}, 422, "int_parsing"},
		{"number", "/parse", m{"input": u, "settings": m{"timeout": "1"}}, 422, "float_parsing"},
		{"range", "/parse", m{"input": u, "settings": m{"embed_pdf_metadata_dpi": 7}}, 422, "greater_than_equal"},
		{"upper range", "/parse", m{"input": u, "settings": m{"embed_pdf_metadata_dpi": 700}}, 422, "less_than_equal"},
		{"list", "/parse", m{"input": u, "retrieval": m{"filter_blocks": "Text"}}, 422, "list_type"},
		{"item of a list", "/parse", m{"input": u, "enhance": m{"agentic": []any{m{"scope": "sky"}}}}, 422, "'table', 'figure', 'text' or 'layout'"},
		{"webhook without url", "/parse_async", m{"input": u, "async": m{"webhook": m{"mode": "direct"}}}, 422, `"direct","url"`},
		{"webhook of unknown mode", "/parse_async", m{"input": u, "async": m{"webhook": m{"mode": "fax"}}}, 422, "literal_error"},
		{"webhook no object", "/parse_async", m{"input": u, "async": m{"webhook": u}}, 422, "model_attributes_type"},
		{"tenant", "/parse", m{"input": u, "settings": m{"tenant_throttling": m{}}}, 422, "tenant_id"},
		{"no split description", "/split_async", m{"input": u}, 422, "split_description"},
		{"split description without name", "/split", m{"input": u, "split_description": []any{m{"description": "d"}}}, 422, `"name"`},
		{"no pipeline", "/pipeline_async", m{"input": u}, 422, "pipeline_id"},
		{"pipeline setting", "/pipeline", m{"input": u, "pipeline_id": "p", "settings": m{"document_password": 1}}, 422, "string_type"},
		{"edit with input", "/edit_async", m{"input": u, "edit_instructions": "x"}, 422, "document_url"},
		{"edit without instructions", "/edit", m{"document_url": u}, 422, "edit_instructions"},
		{"edit with a list", "/edit", m{"document_url": []string{u}, "edit_instructions": "x"}, 422, "string_type"},
		{"edit widget", "/edit", m{"document_url": u, "edit_instructions": "x", "form_schema": []any{m{}}}, 422, "bbox"},
		{"no categories", "/classify", m{"input": u}, 400, "INVALID_CONFIG"},
		{"category without criteria", "/classify", m{"input": u, "classification_schema": []any{m{"category": "a"}}}, 422, "criteria"},
		{"schema no object", "/extract", m{"input": u, "instructions": m{"schema": 7}}, 400, "INVALID_SCHEMA"},
		{"limit too small", "/jobs?limit=0", nil, 422, "greater_than_equal"},
		{"limit too large", "/jobs?limit=501", nil, 422, "less_than_equal"},
		{"limit no number", "/jobs?limit=many", nil, 422, `"loc":["query","limit"]`},
		{"cursor", "/jobs?cursor=!", nil, 422, "cursor"},
		{"flag", "/jobs?exclude_configs=maybe", nil, 422, "bool_parsing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server) {
				method := "POST"
				if test.body == nil {
					method = "GET"
				}
				r := call(t, srv, method, test.path, test.body)
				assert.Equal(t, test.status, r.StatusCode, "%s", r.body)
				assert.Contains(t, string(r.body), test.contains)
				o := r.object(t)
				if test.status == 422 {
					assert.NotEmpty(t, o["detail"].([]any))
				} else {
					assert.Equal(t, o["detail"], at(t, o, "error", "message"))
					assert.EqualValues(t, test.status, at(t, o, "error", "code"))
				}
				for _, j := range srv.Jobs() {
					assert.Equal(t, "Failed", j.Status, "only a job that looks at its document fails later")
				}
			})
		})
	}
}

func TestUnknownFieldsAreListedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := parse("", nil)
		body["settings"] = m{"forceUrl": true, "page_range": []any{m{"start": 1, "last": 2}}}
		body["queuePriority"] = "batch"
		submit(t, srv, "/parse_async", body)
		submit(t, srv, "/parse_async", body)
		assert.ElementsMatch(t, []string{
			"POST /parse_async: queuePriority", "POST /parse_async: settings.forceUrl",
			"POST /parse_async: settings.page_range.0.last",
		}, srv.UnknownFields())
	})
}

// The client's tests write these files. In the maximal ones every field is set.
func TestEveryRequestOfTheClientIsAccepted(t *testing.T) {
	files, err := filepath.Glob("../testdata/requests/*_maximal.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		for _, file := range files {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			// The uploaded files that they name are not on this server.
			body = regexp.MustCompile(`reducto://[a-z.]+`).ReplaceAll(body, []byte("https://example.com/a.pdf"))
			r := call(t, srv, "POST", "/"+strings.TrimSuffix(filepath.Base(file), "_maximal.json"), string(body))
			assert.Equal(t, 200, r.StatusCode, "%s: %s", file, r.body)
		}
		assert.Empty(t, srv.UnknownFields())
	})
}

func TestNullIsAcceptedForNullableFields(t *testing.T) {
	const u = "https://example.com/a.pdf"
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		for path, body := range map[string]m{
			"/parse": {"input": u, "enhance": m{"agentic": []any{m{"scope": "table", "prompt": nil}}},
				"retrieval": m{"chunking": m{"chunk_size": nil}}, "settings": m{"page_range": m{"start": 1, "end": nil}},
				"spreadsheet": m{"split_large_tables": m{"size": m{"row": 3, "column": nil}}}},
			"/split":      {"input": u, "split_description": []any{m{"name": "n", "description": "d", "partition_key": nil}}},
			"/pipeline":   {"input": u, "pipeline_id": "p", "settings": m{"document_password": nil}},
			"/edit_async": {"document_url": u, "edit_instructions": "i", "webhook": m{"mode": "disabled", "metadata": "m"}},
		} {
			r := call(t, srv, "POST", path, body)
			assert.Equal(t, 200, r.StatusCode, "%s: %s", path, r.body)
		}
		assert.Empty(t, srv.UnknownFields())
	})
}
