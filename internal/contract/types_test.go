package main

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

// Each change of a type makes the check fail, with lines that name it and no others.
func TestChangesOfTypesAreReported(t *testing.T) {
	t.Parallel()
	set := func(schema, member string, s node) func(*document) {
		return func(d *document) { properties(d, schema)[member] = s }
	}
	need := func(schema, member string, required bool) func(*document) {
		return func(d *document) {
			s := d.schemas()[schema].(node)
			var names []any
			for _, name := range list(s["required"]) {
				if name != member {
					names = append(names, name)
				}
			}
			if required {
				names = append(names, member)
			}
			s["required"] = names
		}
	}
	for name, test := range map[string]struct {
		change func(*document)
		want   []string
	}{
		"a boolean becomes a text": {set("Formatting", "merge_tables", node{"type": "string"}), []string{
			"missing request field Formatting.merge_tables as string", "extra request field Formatting.merge_tables as boolean",
		}},
		"a text becomes a number": {set("ParseChunk", "content", node{"type": "number"}), []string{
			"missing response field ParseChunk.content as number", "extra response field ParseChunk.content as string",
		}},
		"a number becomes whole": {set("GranularConfidence", "parse_confidence", anyOf(node{"type": "integer"}, node{"type": "null"})), []string{
			"extra response field GranularConfidence.parse_confidence as number",
		}},
		"a list becomes its element": {set("ClassificationCategory", "criteria", node{"type": "string"}), []string{
			"missing request field ClassificationCategory.criteria as string", "extra request field ClassificationCategory.criteria as array",
		}},
		"a list becomes a list of lists": {set("ClassificationCategory", "criteria", node{"type": "array", "items": node{"type": "array", "items": node{"type": "string"}}}), []string{
			"missing request field ClassificationCategory.criteria[] as array", "extra request field ClassificationCategory.criteria[] as string",
		}},
		"the elements of a list are open": {set("ClassificationCategory", "criteria", node{"type": "array"}), []string{
			"missing request field ClassificationCategory.criteria[] as anything",
		}},
		"an object becomes a map": {set("ParseBlock", "granular_confidence", node{"type": "object", "additionalProperties": node{"type": "number"}}), []string{
			"missing response field ParseBlock.granular_confidence as map", "extra response field ParseBlock.granular_confidence as GranularConfidence",
			"extra response schema GranularConfidence",
		}},
		"a map becomes an object": {set("ParseUsage", "credit_breakdown", ref("BoundingBox")), []string{
			"missing response field ParseUsage.credit_breakdown as BoundingBox", "extra response field ParseUsage.credit_breakdown as map",
		}},
		"the values of a map become whole": {set("ParseUsage", "credit_breakdown", node{"type": "object", "additionalProperties": node{"type": "integer"}}), []string{
			"extra response field ParseUsage.credit_breakdown{} as number",
		}},
		"a text becomes anything": {set("ParseChunk", "content", node{}), []string{"missing response field ParseChunk.content as anything"}},
		"anything becomes a text": {set("Instructions", "schema", node{"type": "string"}), []string{"extra request field Instructions.schema as anything"}},
		"a union loses an arm": {set("SplitLargeTables", "size", ref("SplitLargeTableSizes")), []string{
			"extra request field SplitLargeTables.size as integer",
		}},
		"a union gets an arm": {func(d *document) {
			arms := properties(d, "SplitLargeTables")["size"].(node)
			arms["anyOf"] = append(list(arms["anyOf"]), node{"type": "boolean"})
		}, []string{"missing request field SplitLargeTables.size as boolean"}},
		"a union of lists gets an arm": {func(d *document) {
			arms := properties(d, "Settings")["page_range"].(node)
			arms["anyOf"] = append(list(arms["anyOf"]), node{"type": "array", "items": node{"type": "boolean"}})
		}, []string{"missing request field Settings.page_range[] as boolean"}},
		"a count can be null": {set("ParseUsage", "num_pages", anyOf(node{"type": "integer"}, node{"type": "null"})), []string{
			"missing response field ParseUsage.num_pages as null",
		}},
		"a required text can be null": {set("ParseBlock", "content", anyOf(node{"type": "string"}, node{"type": "null"})), []string{
			"missing response field ParseBlock.content as null",
		}},
		"what is only sent changes": {set("DirectWebhookConfig", "url", node{"type": "array", "items": node{"type": "string"}}), []string{
			"missing request field DirectWebhookConfig.url as array", "extra request field DirectWebhookConfig.url as string",
		}},
		"a part of what is only sent changes": {set("SvixWebhookConfig", "channels", node{"type": "array", "items": node{"type": "integer"}}), []string{
			"missing request field SvixWebhookConfig.channels[] as integer", "extra request field SvixWebhookConfig.channels[] as string",
		}},

		"a required request field becomes optional": {need("SplitCategory", "description", false), []string{
			"extra requirement of request field SplitCategory.description",
		}},
		"a required response field becomes optional": {need("ParseBlock", "content", false), []string{
			"extra requirement of response field ParseBlock.content",
		}},
		"an optional request field becomes required": {need("Chunking", "chunk_size", true), []string{
			"missing requirement of request field Chunking.chunk_size",
		}},
		"an optional response field becomes required": {need("ParseUsage", "credits", true), []string{
			"missing requirement of response field ParseUsage.credits",
		}},
		"a field that is not always sent becomes required": {need("WebhookConfigNew", "channels", true), []string{
			"missing requirement of request field WebhookConfigNew.channels",
		}},
		"a default becomes true": {func(d *document) {
			properties(d, "Formatting")["merge_tables"].(node)["default"] = true
		}, []string{"missing request field Formatting.merge_tables as false"}},
		"null means something else than the default": {set("Chunking", "chunk_size", node{"anyOf": []any{node{"type": "integer"}, node{"type": "null"}}, "default": 1000}), []string{
			"missing request field Chunking.chunk_size as null",
		}},

		"a parameter becomes a text": {func(d *document) {
			for _, p := range list(d.root["paths"].(node)["/jobs"].(node)["get"].(node)["parameters"]) {
				if p := p.(node); p["name"] == "limit" {
					p["schema"] = node{"type": "string"}
				}
			}
		}, []string{"missing request field GET /jobs?limit as string", "extra request field GET /jobs?limit as integer"}},
		"a parameter becomes required": {func(d *document) {
			for _, p := range list(d.root["paths"].(node)["/jobs"].(node)["get"].(node)["parameters"]) {
				if p := p.(node); p["name"] == "cursor" {
					p["required"] = true
				}
			}
		}, []string{"missing requirement of request field GET /jobs?cursor"}},

		"an enum value gets a hyphen": {func(d *document) {
			mode := properties(d, "Chunking")["chunk_mode"].(node)
			for i, v := range list(mode["enum"]) {
				if v == "page_sections" {
					list(mode["enum"])[i] = "page-sections"
				}
			}
		}, []string{"missing enum value Chunking.chunk_mode=page-sections", "extra enum value ChunkMode=page_sections"}},
		"an enum value with hyphens is new": {func(d *document) {
			s := properties(d, "Settings")["ocr_system"].(node)
			s["enum"] = append(list(s["enum"]), "r-1-mini")
		}, []string{"missing enum value Settings.ocr_system=r-1-mini"}},
		"an enum value is gone in one place of two": {func(d *document) {
			properties(d, "SingleJob")["type"] = enum("Parse", "Extract", "Split", "Edit", "Classify")
		}, []string{"extra enum value SingleJob.type=Pipeline"}},
		"an enum becomes any text": {set("SingleJob", "type", node{"type": "string"}), []string{"extra enum of SingleJob.type, which is JobType"}},
		"any text becomes an enum": {set("SplitCategory", "name", enum("a-b")), []string{"missing enum value SplitCategory.name=a-b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertReported(t, test.change, test.want)
		})
	}
}

func TestFormOfTypes(t *testing.T) {
	t.Parallel()
	number := 1.5
	for _, test := range []struct {
		value any
		want  *form
	}{
		{true, &form{kinds: []string{"boolean"}}},
		{7, &form{kinds: []string{"integer"}}},
		{&number, &form{kinds: []string{"number"}, nilable: true}},
		{reducto.Link(""), textForm},
		{[]string{}, &form{kinds: []string{"array"}, items: textForm, nilable: true}},
		{map[string]any{}, &form{kinds: []string{"object"}, values: anyForm, nilable: true}},
		{reducto.Span{}, &form{kinds: []string{"object"}, structs: []reflect.Type{reflect.TypeFor[reducto.Span]()}}},
		{json.RawMessage{}, anyForm},
	} {
		f, err := formOf(reflect.TypeOf(test.value))
		require.NoError(t, err)
		assert.Equal(t, test.want, f, "%T", test.value)
	}
	for _, value := range []any{make(chan int), []chan int{}, map[string]chan int{}, new(chan int)} {
		_, err := formOf(reflect.TypeOf(value))
		assert.ErrorContains(t, err, "teach form.go one", "%T", value)
	}
}

func TestFormOfExamples(t *testing.T) {
	t.Parallel()
	assert.Equal(t, &form{
		kinds: []string{"array", "string", "integer", "number", "boolean", "object"}, nilable: true, partial: true,
		items: &form{kinds: []string{"string"}, partial: true},
	}, exampleForm([]any{[]any{"a"}, []any{"b"}, "a", 1.0, 1.5, true, node{"a": 1.0}, nil}))
}
