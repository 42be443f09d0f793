package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheLibrarySpeaksTheWholeAPI(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	ok, err := run(&out, ".", false, append(documentPaths(t), sdkPath(t)))
	require.NoError(t, err)
	assert.True(t, ok, "%s", out.String())
	t.Log("\n" + out.String())
}

func TestThePageOfEndpointsIsUpToDate(t *testing.T) {
	t.Parallel()
	root, err := findRoot(".")
	require.NoError(t, err)
	var want strings.Builder
	require.NoError(t, writeTable(&want, theWorld(t)))
	got, err := os.ReadFile(filepath.Join(root, "docs", "endpoints.md"))
	require.NoError(t, err)
	assert.Equal(t, want.String(), string(got), "run: go run ./internal/contract -table > docs/endpoints.md")
	for endpoint := range remarks {
		assert.Contains(t, theWorld(t).used, endpoint, "a remark on what nobody calls")
	}
}

// What the next document may bring. Each change makes the check fail, with a line
// that names it and no other.
func TestChangesAreReported(t *testing.T) {
	t.Parallel()
	paths := func(d *document) node { return d.root["paths"].(node) }
	for name, test := range map[string]struct {
		change func(*document)
		want   []string
	}{
		"nothing": {func(*document) {}, nil},
		"a request field is renamed": {func(d *document) {
			p := properties(d, "Formatting")
			p["join_tables"] = p["merge_tables"]
			delete(p, "merge_tables")
		}, []string{"extra request field Formatting.merge_tables", "missing request field Formatting.join_tables"}},
		"a response field is renamed": {func(d *document) {
			p := properties(d, "ParseChunk")
			p["embedding"] = p["embed"]
			delete(p, "embed")
		}, []string{"extra response field ParseChunk.embed:", "missing response field ParseChunk.embedding:"}},
		"a response field is new": {func(d *document) {
			properties(d, "BoundingBox")["angle"] = node{"type": "number"}
		}, []string{"missing request field BoundingBox.angle", "missing response field BoundingBox.angle"}},
		"a response field is gone": {func(d *document) {
			delete(properties(d, "GranularConfidence"), "parse_confidence")
		}, []string{"extra response field GranularConfidence.parse_confidence"}},
		"an enum value is new": {func(d *document) {
			mode := properties(d, "Chunking")["chunk_mode"].(node)
			mode["enum"] = append(mode["enum"].([]any), "paragraph")
		}, []string{"missing enum value Chunking.chunk_mode=paragraph"}},
		"an enum value is gone": {func(d *document) {
			mode := properties(d, "Chunking")["chunk_mode"].(node)
			mode["enum"] = mode["enum"].([]any)[1:]
		}, []string{"extra enum value ChunkMode=variable"}},
		"an enum value of a named schema is new": {func(d *document) {
			s := d.schemas()["QueuePriority"].(node)
			s["enum"] = append(s["enum"].([]any), "night")
		}, []string{"missing enum value AsyncParseConfig.queue_priority=night", "missing enum value QueuePriority=night"}},
		"a const is new": {func(d *document) {
			properties(d, "TextAgentic")["scope"] = node{"const": "word"}
		}, []string{"missing enum value TextAgentic.scope=word", "extra enum value AgenticScopeName=text"}},
		"an endpoint is new": {func(d *document) {
			paths(d)["/translate"] = node{"post": node{"responses": node{}}}
		}, []string{"missing endpoint POST /translate"}},
		"an endpoint is gone": {func(d *document) {
			delete(paths(d), "/version")
		}, []string{"extra endpoint GET /version"}},
		"a query parameter is new": {func(d *document) {
			jobs := paths(d)["/jobs"].(node)["get"].(node)
			jobs["parameters"] = append(jobs["parameters"].([]any), node{"name": "status", "in": "query", "schema": node{}})
		}, []string{"missing request field GET /jobs?status"}},
		"a header is new": {func(d *document) {
			paths(d)["/version"].(node)["get"].(node)["parameters"] = []any{node{"name": "user-id", "in": "header"}}
		}, []string{"missing request field GET /version (header) user-id"}},
		"a parameter is referred to": {func(d *document) {
			d.root["components"].(node)["parameters"] = node{"order": node{"name": "order", "in": "query", "schema": node{"enum": []any{"up"}}}}
			jobs := paths(d)["/jobs"].(node)["get"].(node)
			jobs["parameters"] = append(jobs["parameters"].([]any), node{"$ref": "#/components/parameters/order"})
		}, []string{"missing request field GET /jobs?order", "missing enum value GET /jobs?order=up"}},
		"an answer is referred to": {func(d *document) {
			d.root["components"].(node)["responses"] = node{"no/tea": node{"content": node{"application/json": node{"schema": node{
				"type": "object", "properties": node{"teapot": node{"type": "boolean"}}}}}}}
			paths(d)["/version"].(node)["get"].(node)["responses"].(node)["418"] = node{"$ref": "#/components/responses/no~1tea"}
		}, []string{"missing response schema GET /version answer"}},
		"an endpoint is deprecated": {func(d *document) {
			paths(d)["/split"].(node)["post"].(node)["deprecated"] = true
		}, []string{"missing deprecation of POST /split in the comment of Client.Split"}},
		"a schema is new": {func(d *document) {
			d.schemas()["Stamp"] = node{"type": "object", "properties": node{"text": node{"type": "string"}}}
			properties(d, "ParseChunk")["stamp"] = node{"$ref": "#/components/schemas/Stamp"}
		}, []string{"missing response field ParseChunk.stamp", "missing response schema Stamp"}},
		"a result is new": {func(d *document) {
			d.schemas()["TranslateResponse"] = node{"type": "object", "properties": node{"response_type": node{"const": "translate"}}}
			result := properties(d, "AsyncJobResponse")["result"].(node)
			for _, key := range []string{"anyOf", "oneOf"} {
				if arms := list(result[key]); len(arms) > 0 {
					result[key] = append(arms, node{"$ref": "#/components/schemas/TranslateResponse"})
					break
				}
			}
		}, []string{"missing response schema TranslateResponse"}},
		"an object within a field is new": {func(d *document) {
			properties(d, "ParseUsage")["credit_breakdown"].(node)["properties"] = node{"total": node{"type": "number"}}
		}, []string{"missing response schema ParseUsage.credit_breakdown"}},
		"a field takes another kind": {func(d *document) {
			properties(d, "ParseChunk")["content"] = node{"type": []any{"string", "array"}, "items": node{"type": "string"}}
		}, []string{"missing response field ParseChunk.content as array"}},
		"whole numbers get fractions": {func(d *document) {
			properties(d, "OCRWord")["rotation"] = node{"anyOf": []any{node{"type": "number"}, node{"type": "null"}}}
		}, []string{"missing response field OCRWord.rotation as number"}},
		"the elements of a list change": {func(d *document) {
			properties(d, "ClassificationCategory")["criteria"] = node{"type": "array", "items": node{"type": "integer"}}
		}, []string{"missing request field ClassificationCategory.criteria[] as integer", "extra request field ClassificationCategory.criteria[] as string"}},
		"the values of a map change": {func(d *document) {
			properties(d, "ParseUsage")["credit_breakdown"] = node{"type": "object", "additionalProperties": node{"type": "string"}}
		}, []string{"missing response field ParseUsage.credit_breakdown{} as string", "extra response field ParseUsage.credit_breakdown{} as number"}},
		"a field gets another schema": {func(d *document) {
			properties(d, "OCRResult")["lines"] = node{"type": "array", "items": node{"$ref": "#/components/schemas/ParseBlock"}}
			properties(d, "ParseChunk")["blocks"] = node{"type": "array", "items": node{"$ref": "#/components/schemas/OCRLine"}}
		}, []string{
			"missing response field OCRResult.lines[] as ParseBlock", "extra response field OCRResult.lines[] as OCRLine",
			"missing response field ParseChunk.blocks[] as OCRLine", "extra response field ParseChunk.blocks[] as Block",
		}},
		"a form's part is new": {func(d *document) {
			properties(d, "Body_upload_upload_post")["bucket_name"] = node{"type": "string"}
		}, []string{"missing request field Body_upload_upload_post.bucket_name"}},
		"a reason is stale": {func(d *document) {
			paths(d)["/job/{job_id}"].(node)["delete"] = node{"responses": node{}, "parameters": []any{
				node{"name": "job_id", "in": "path"}, node{"name": "include_persisted", "in": "query"},
			}}
		}, []string{"| extra | endpoint DELETE /job/{job_id}"}},
		"another version": {func(d *document) { d.version = "v1.12.12-114" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertReported(t, test.change, test.want)
		})
	}
}

func properties(d *document, schema string) node {
	return d.schemas()[schema].(node)["properties"].(node)
}

// assertReported changes each document and asserts that the check reports the change,
// and nothing else.
func assertReported(t *testing.T, change func(*document), wanted []string) {
	t.Helper()
	for _, path := range documentPaths(t) {
		d, err := load(path)
		require.NoError(t, err)
		before := d.version
		change(d)
		// The changed document is read as a file is.
		raw, err := json.Marshal(d.root)
		require.NoError(t, err)
		version := d.version
		d, err = parse(d.name, raw)
		require.NoError(t, err)
		d.version = version
		if version != before {
			assert.Contains(t, strings.Join(lines(t, d), "\n"), "extra enum value ParseModel=r-1", "reasons end where they say")
			continue
		}
		assertLines(t, d, wanted)
	}
}

// assertLines asserts that the check reports these lines of a document, and no others.
func assertLines(t *testing.T, d *document, wanted []string) {
	t.Helper()
	got := lines(t, d)
	require.Len(t, got, len(wanted), "%s: %q", d.name, got)
	for _, want := range wanted {
		assert.Contains(t, strings.Join(got, "\n"), want, d.name)
	}
}

func TestACheckThatFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "next.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"openapi":"3.1.0","info":{"version":"v9"},"paths":{"/tea":{"get":{}}}}`), 0o600))
	var out strings.Builder
	ok, err := run(&out, ".", false, []string{path})
	require.NoError(t, err)
	assert.False(t, ok)
	assert.Contains(t, out.String(), "next.json: missing endpoint GET /tea: the document has it, the library lacks it\n")
	assert.Contains(t, out.String(), "next.json: extra endpoint POST /parse:")
	assert.Contains(t, out.String(), "stale reason, it explains nothing: reasons.txt:")
	assert.Contains(t, out.String(), "\ncompared: 1 endpoints, 0 request fields, 0 response fields (0 with types, 0 by examples), 0 enum values, in 1 documents\n")

	_, err = run(&out, ".", false, nil)
	assert.ErrorContains(t, err, "no document")
	_, err = run(&out, ".", false, []string{"nowhere.json"})
	assert.ErrorContains(t, err, "nowhere.json")
	_, err = run(&out, t.TempDir(), false, []string{path})
	assert.ErrorContains(t, err, "run this in its repository")
	ok, err = run(&out, ".", true, nil)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Contains(t, out.String(), "| `POST /parse_async` | `Client.ParseAsync` |")
}
