package reductotest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

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

func TestAllDocumentedFieldsAreAccepted(t *testing.T) {
	const u = "https://example.com/a.pdf"
	parsing := m{
		"enhance": m{"agentic": []any{
			m{"scope": "table", "prompt": nil, "mode": "max"}, m{"scope": "figure", "prompt": "p", "advanced_chart_agent": true, "return_overlays": false},
			m{"scope": "text"},
		}, "summarize_figures": true, "intelligent_ordering": false},
		"retrieval": m{
			"chunking": m{"chunk_mode": "page_sections", "chunk_size": nil, "chunk_overlap": 3}, "filter_blocks": []any{"Key Value"}, "embedding_optimized": true,
		},
		"formatting": m{"add_page_markers": true, "table_output_format": "jsonbbox", "merge_tables": true, "include": []any{"hyperlinks"}},
		"spreadsheet": m{
			"split_large_tables": m{"enabled": true, "size": m{"row": 3, "column": nil}}, "include": []any{"formula"},
			"clustering": "fast", "exclude": []any{"hidden_cols"}, "max_cell_count": 5,
		},
		"settings": m{
			"ocr_system": "legacy", "extraction_mode": "ocr", "force_url_result": false, "force_file_extension": ".png", "return_ocr_data": true,
			"return_images": []any{"page"}, "embed_pdf_metadata": true, "embed_pdf_metadata_dpi": 100, "persist_results": true, "timeout": 1.5,
			"page_range": m{"start": 1, "end": nil}, "document_password": "p", "tenant_throttling": m{"tenant_id": "t", "max_share": 0.5},
			"hybrid_vpc": m{"environment": "e"}, "model": "r-1",
		},
	}
	async := m{"metadata": []any{1, "two"}, "priority": true, "webhook": m{"mode": "svix", "channels": []any{"a"}}}
	parse := m{"input": []any{u, u}, "async": async, "queue_priority": "batch"}
	for key, value := range parsing {
		parse[key] = value
	}
	bodies := map[string]m{
		"/parse_async": parse,
		"/extract_async": {"input": u, "async": async, "parsing": parsing, "instructions": m{"schema": m{"type": "object"}, "system_prompt": "p"},
			"settings": m{"include_images": true, "optimize_for_latency": true, "array_extract": true, "deep_extract": true, "force_url_result": true,
				"citations": m{"enabled": true, "numerical_confidence": false, "parent_block": "full"}, "page_range": []any{1, 2}}},
		"/split_async": {"input": u, "async": async, "parsing": parsing, "split_rules": "r",
			"split_description": []any{m{"name": "n", "description": "d", "partition_key": nil}},
			"settings":          m{"table_cutoff": "preserve", "allow_page_overlap": false, "auto_partition": true, "deep_split": true, "force_url_result": true}},
		"/pipeline_async": {"input": m{"file_id": "reducto://x", "presigned_url": nil}, "async": async, "pipeline_id": "p", "settings": m{"document_password": nil}},
		"/edit_async": {"document_url": m{"file_id": "reducto://x"}, "edit_instructions": "i", "priority": true,
			"edit_options": m{"color": "#FF0000", "font_size": 12, "llm_provider_preference": "google", "enable_overflow_pages": true, "flatten": true},
			"form_schema": []any{m{"bbox": m{"left": 0, "top": 0, "width": 1, "height": 1, "page": 1}, "description": "d", "type": "text",
				"fill": false, "value": nil, "font_size": 9}},
			"webhook": m{"mode": "disabled", "metadata": "m", "channels": []any{}, "url": "https://example.com"}},
		"/classify": {"input": u, "classification_schema": []any{m{"category": "c", "criteria": []any{"x"}}}, "page_range": []any{m{"start": 1}},
			"document_metadata": "d", "persist_results": true, "model": "accurate", "priority": true, "force_url_result": false, "category_groups": m{}},
	}
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		for path, body := range bodies {
			r := call(t, srv, "POST", path, body)
			assert.Equal(t, 200, r.StatusCode, "%s: %s", path, r.body)
		}
		assert.Empty(t, srv.UnknownFields())
		for _, j := range srv.Jobs() {
			if j.Type == "Edit" {
				assert.Equal(t, `"m"`, string(j.Metadata))
				assert.Empty(t, j.WebhookMode)
			}
		}
	})
}
