package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// errorNames are those that newer servers are known to give.
const errorNames = `TIMEOUT CAPACITY_TIMEOUT CUSTOMER_TIMEOUT INTERNAL_ERROR SERVICE_UNAVAILABLE GPU_ALLOCATION_ERROR GPU_POOL_SATURATED
	BATCH_QUEUE_FULL QUEUE_FULL JOB_STATE_ERROR DOCUMENT_CORRUPT DOCUMENT_EMPTY DOCUMENT_UNSUPPORTED DOCUMENT_TOO_LARGE
	OFFICE_CONVERSION_TOO_LARGE IMAGE_TOO_LARGE IMAGE_TOO_SMALL IMAGE_INVALID_ASPECT_RATIO DOCUMENT_PASSWORD_PROTECTED FORM_FILL_FAILED
	INTERNAL_INVARIANT_VIOLATION GPU_UNAVAILABLE CONTEXT_WINDOW_EXCEEDED OUTPUT_LIMIT_EXCEEDED PROCESSING_FAILED
	INFERENCE_METHOD_UNSUPPORTED SUBPROCESS_CRASHED BATCH_ORPHANED OVERSIZED_RESULT LLM_OUTPUT_PARSE_FAILED LLM_PROVIDER_ERROR
	INVALID_CONFIG INVALID_SCHEMA AUTH_ERROR NOT_APPLICABLE REGION_UNAVAILABLE NOT_FOUND JOB_DELETION_IN_PROGRESS JOB_DELETED
	JOB_NOT_COMPLETE JOB_CANCELLED RATE_LIMIT CELL_COUNT_EXCEEDED URL_NOT_ALLOWED`

func enum(values ...string) node {
	var list []any
	for _, v := range values {
		list = append(list, v)
	}
	return node{"type": "string", "enum": list}
}

func anyOf(arms ...any) node { return node{"anyOf": arms} }

// newest is the version of the servers that announced describes.
const newest = "v1.12.12-114"

// announced is the newest document that is here with what is known of the servers
// that came after it. Of undocumented members, the form is open.
func announced(t testing.TB) *document {
	t.Helper()
	docs := documents(t)
	d := docs[0]
	for _, other := range docs {
		newer, err := before(d.version, other.version)
		require.NoError(t, err)
		if newer {
			d = other
		}
	}
	if older, err := before(d.version, "v1.12"); err != nil || !older {
		t.Fatalf("%s describes newer servers by itself: this test has done its work", d.name)
	}
	d.version = newest
	null, boolean := node{"type": "null"}, node{"type": "boolean"}
	schemas := d.schemas()
	for name, s := range open {
		schemas[name] = maps.Clone(s)
	}
	schemas["ExtractUsage"] = extractUsage
	schemas["ErrorDetail"] = node{"type": "object", "required": []any{"code", "name", "message"}, "properties": node{
		"code": node{"type": "integer"}, "name": enum(strings.Fields(errorNames)...), "message": node{"type": "string"}, "job_id": nullable("string"),
	}}
	schemas["ChartResponse"] = node{"type": "object", "required": []any{"result"}, "properties": node{
		"response_type": enum("chart"), "job_id": nullable("string"), "duration": nullable("number"), "result": node{"type": "object"},
	}}
	for at, s := range map[string]node{
		"AsyncExtractConfig.queue_priority":    ref("QueuePriority"),
		"Citations.parent_block":               enum("full", "bbox_only"),
		"ClassifyConfig.category_groups":       {"type": "object", "additionalProperties": node{"type": "array", "items": node{"type": "string"}}},
		"ClassifyConfig.force_url_result":      boolean,
		"ClassifyConfig.model":                 enum("default", "accurate"),
		"ClassifyConfig.priority":              boolean,
		"Enhance.advanced_chart_agent":         boolean,
		"ExtractSettings.force_url_result":     boolean,
		"ExtractSettings.page_range":           d.schemas()["Settings"].(node)["properties"].(node)["page_range"].(node),
		"SingleJob.type":                       enum("Parse", "Extract", "Split", "Edit", "Pipeline", "Classify", "Chart"),
		"Settings.extract_document_properties": boolean,
		"Settings.model":                       anyOf(enum("r-1", "legacy"), null),
		"SplitSettings.auto_partition":         boolean,
		"SplitSettings.force_url_result":       boolean,
		"AsyncJobResponse.error":               anyOf(ref("ErrorDetail"), null),
		"EnhancedAsyncJobResponse.error":       anyOf(ref("ErrorDetail"), null),
		"EnhancedAsyncJobResponse.type":        anyOf(enum("Parse", "Extract", "Split", "Edit", "Pipeline", "Classify", "Chart"), null),
		"ClassifyResponse.extra_metadata":      {},
		"ClassifyResponse.result":              anyOf(ref("ClassifyResponseCategory"), ref("UrlResult")),
		"EditResponse.job_id":                  nullable("string"),
		"ExtractResponse.response_type":        enum("extract"),
		"ExtractResponse.usage":                ref("ExtractUsage"),
		"ExtractResponse.result":               anyOf(node{"type": "array", "items": node{}}, ref("UrlResult")),
		"ExtractResponse.citations":            anyOf(node{"type": "array", "items": node{}}, ref("UrlResult"), null),
		"V3ExtractResponse.response_type":      enum("v3_extract"),
		"V3ExtractResponse.usage":              ref("ExtractUsage"),
		"V3ExtractResponse.result":             anyOf(node{}, ref("UrlResult")),
		"V3ExtractResponse.confidence":         anyOf(enum("high", "low"), null),
		"V3ExtractResponse.confidence_reason":  nullable("string"),
		"ParseBlock.merged_tables":             {},
		"ParseResponse.document_properties":    {},
		"ParseUsage.usage_breakdown":           {},
		"SplitResponse.job_id":                 nullable("string"),
		"SplitResponse.duration":               nullable("number"),
		"SplitResponse.result":                 anyOf(ref("SplitResult"), ref("DeepSplitResult"), ref("UrlResult")),
	} {
		name, member, _ := strings.Cut(at, ".")
		owner := maps.Clone(schemas[name].(node))
		properties := maps.Clone(owner["properties"].(node))
		properties[member] = s
		owner["properties"], schemas[name] = properties, owner
	}
	for _, name := range []string{"AsyncJobResponse", "EnhancedAsyncJobResponse"} {
		properties := schemas[name].(node)["properties"].(node)
		properties["result"] = anyOf(properties["result"], ref("ChartResponse"))
	}
	paths := d.root["paths"].(node)
	for _, path := range []string{"/pipeline", "/pipeline_async"} {
		paths[path].(node)["post"].(node)["deprecated"] = true
	}
	parameter := func(name, in string) node { return node{"name": name, "in": in, "schema": node{}} }
	paths["/job/{job_id}"].(node)["delete"] = node{"responses": node{},
		"parameters": []any{parameter("job_id", "path"), parameter("include_persisted", "query")}}
	paths["/upload/{file_id}"] = node{"delete": node{"responses": node{}, "parameters": []any{parameter("file_id", "path")}}}

	raw, err := json.Marshal(d.root)
	require.NoError(t, err)
	again, err := parse(d.name, raw)
	require.NoError(t, err)
	again.version = d.version
	return again
}

// What is known of newer servers is all there: with it, a document needs no more
// reasons than those that hold for every document.
func TestNewerServersAreSpokenTo(t *testing.T) {
	t.Parallel()
	assert.Empty(t, lines(t, announced(t)))
}
