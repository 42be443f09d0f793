package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each change that the next document may bring makes the check fail, with lines that name
// it and no others.
func TestChangesAreReported(t *testing.T) {
	t.Parallel()
	const criteria, credits = "ClassificationCategory.criteria", "ParseUsage.credit_breakdown"
	for name, test := range map[string]struct {
		change func(*document)
		want   string // lines, parted by semicolons
	}{
		"nothing":                     {func(*document) {}, ""},
		"a request field is renamed":  {set("Formatting.merge_tables", "", "Formatting.join_tables", `{}`), "extra request field Formatting.merge_tables; missing request field Formatting.join_tables"},
		"a response field is renamed": {set("ParseChunk.embed", "", "ParseChunk.embedding", `{}`), "extra response field ParseChunk.embed:; missing response field ParseChunk.embedding:"},
		"a field of both is new":      {set("BoundingBox.angle", `{"type":"number"}`), "missing request field BoundingBox.angle; missing response field BoundingBox.angle"},
		"a form's part is new":        {set("Body_upload_upload_post.bucket_name", `{"type":"string"}`), "missing request field Body_upload_upload_post.bucket_name"},
		"a schema is new": {func(d *document) {
			d.schemas()["Stamp"] = parsed(`{"type":"object","properties":{"text":{"type":"string"}}}`)
			set("ParseChunk.stamp", `{"$ref":"#/components/schemas/Stamp"}`)(d)
		}, "missing response field ParseChunk.stamp; missing response schema Stamp"},
		"a result is new": {func(d *document) {
			d.schemas()["TranslateResponse"] = parsed(`{"type":"object","properties":{"response_type":{"const":"translate"}}}`)
			arm("AsyncJobResponse.result", `{"$ref":"#/components/schemas/TranslateResponse"}`)(d)
		}, "missing response schema TranslateResponse"},
		"an object within a field is new": {set(credits, `{"type":"object","additionalProperties":{"type":"number"},"properties":{"total":{"type":"number"}}}`), "missing response schema ParseUsage.credit_breakdown"},

		"an enum value gets a hyphen":               {swap("Chunking.chunk_mode", "page_sections", "page-sections"), "missing enum value Chunking.chunk_mode=page-sections; extra enum value ChunkMode=page_sections"},
		"an enum value is gone":                     {swap("Chunking.chunk_mode", "variable", ""), "extra enum value ChunkMode=variable"},
		"an enum value of a named schema is new":    {swap("QueuePriority", "", "night"), "missing enum value AsyncParseConfig.queue_priority=night; missing enum value QueuePriority=night"},
		"an enum value is gone in one place of two": {set("SingleJob.type", `{"enum":["Parse","Extract","Split","Edit","Classify"]}`), "extra enum value SingleJob.type=Pipeline"},
		"an enum becomes any text":                  {set("SingleJob.type", `{"type":"string"}`), "extra enum of SingleJob.type, which is JobType"},
		"any text becomes an enum":                  {set("SplitCategory.name", `{"enum":["a-b"]}`), "missing enum value SplitCategory.name=a-b"},
		"a const is new":                            {set("TextAgentic.scope", `{"const":"word"}`), "missing enum value TextAgentic.scope=word; extra enum value AgenticScopeName=text"},

		"an endpoint is new":  {item("/translate", `{"post":{"responses":{}}}`), "missing endpoint POST /translate"},
		"an endpoint is gone": {item("/version", ""), "extra endpoint GET /version"},
		"a header is new": {func(d *document) {
			operationOf(d, "/version", "get")["parameters"] = parsed(`[{"name":"user-id","in":"header"}]`)
		}, "missing request field GET /version (header) user-id"},
		"a parameter is referred to": {func(d *document) {
			d.root["components"].(node)["parameters"] = parsed(`{"order":{"name":"order","in":"query","schema":{"enum":["up"]}}}`)
			jobs := operationOf(d, "/jobs", "get")
			jobs["parameters"] = append(list(jobs["parameters"]), parsed(`{"$ref":"#/components/parameters/order"}`))
		}, "missing request field GET /jobs?order; missing enum value GET /jobs?order=up"},
		"a parameter becomes a text":   {parameter("limit", "schema", `{"type":"string"}`), "missing request field GET /jobs?limit as string; extra request field GET /jobs?limit as integer"},
		"a parameter becomes required": {parameter("cursor", "required", "true"), "missing requirement of request field GET /jobs?cursor"},
		"an answer is referred to": {func(d *document) {
			d.root["components"].(node)["responses"] = parsed(`{"no/tea":{"content":{"application/json":{"schema":{"type":"object","properties":{"teapot":{"type":"boolean"}}}}}}}`)
			operationOf(d, "/version", "get")["responses"].(node)["418"] = parsed(`{"$ref":"#/components/responses/no~1tea"}`)
		}, "missing response schema GET /version answer"},
		"an endpoint is deprecated": {func(d *document) { operationOf(d, "/split", "post")["deprecated"] = true }, "missing deprecation of POST /split in the comment of Client.Split"},
		"a reason is stale": {func(d *document) {
			d.root["paths"].(node)["/job/{job_id}"].(node)["delete"] = parsed(`{"responses":{},"parameters":[{"name":"job_id","in":"path"},{"name":"include_persisted","in":"query"}]}`)
		}, "| extra | endpoint DELETE /job/{job_id}"},
		"another version": {func(d *document) { d.version = "v1.12.12-114" }, ""},

		"a text becomes a number":         {set("ParseChunk.content", `{"type":"number"}`), "missing response field ParseChunk.content as number; extra response field ParseChunk.content as string"},
		"a text becomes a text or a list": {set("ParseChunk.content", `{"type":["string","array"],"items":{"type":"string"}}`), "missing response field ParseChunk.content as array"},
		"a text becomes anything":         {set("ParseChunk.content", `{}`), "missing response field ParseChunk.content as anything"},
		"anything becomes a text":         {set("Instructions.schema", `{"type":"string"}`), "extra request field Instructions.schema as anything"},
		"whole numbers get fractions":     {set("OCRWord.rotation", `{"anyOf":[{"type":"number"},{"type":"null"}]}`), "missing response field OCRWord.rotation as number"},
		"a number becomes whole":          {set("GranularConfidence.parse_confidence", `{"anyOf":[{"type":"integer"},{"type":"null"}]}`), "extra response field GranularConfidence.parse_confidence as number"},
		"a list becomes its element":      {set(criteria, `{"type":"string"}`), "missing request field " + criteria + " as string; extra request field " + criteria + " as array"},
		"a list becomes a list of lists":  {set(criteria, `{"type":"array","items":{"type":"array","items":{"type":"string"}}}`), "missing request field " + criteria + "[] as array; extra request field " + criteria + "[] as string"},
		"the elements of a list are open": {set(criteria, `{"type":"array"}`), "missing request field " + criteria + "[] as anything"},
		"an object becomes a map": {set("ParseBlock.granular_confidence", `{"type":"object","additionalProperties":{"type":"number"}}`),
			"missing response field ParseBlock.granular_confidence as map; extra response schema GranularConfidence;" +
				"extra response field ParseBlock.granular_confidence as GranularConfidence"},
		"a map becomes an object":          {set(credits, `{"$ref":"#/components/schemas/BoundingBox"}`), "missing response field " + credits + " as BoundingBox; extra response field " + credits + " as map"},
		"the values of a map become whole": {set(credits, `{"type":"object","additionalProperties":{"type":"integer"}}`), "extra response field " + credits + "{} as number"},
		"lists change their objects": {set("OCRResult.lines", `{"type":"array","items":{"$ref":"#/components/schemas/ParseBlock"}}`,
			"ParseChunk.blocks", `{"type":"array","items":{"$ref":"#/components/schemas/OCRLine"}}`),
			"missing response field OCRResult.lines[] as ParseBlock; extra response field OCRResult.lines[] as OCRLine;" +
				"missing response field ParseChunk.blocks[] as OCRLine; extra response field ParseChunk.blocks[] as Block"},
		"a union loses an arm":                {set("SplitLargeTables.size", `{"$ref":"#/components/schemas/SplitLargeTableSizes"}`), "extra request field SplitLargeTables.size as integer"},
		"a union gets an arm":                 {arm("SplitLargeTables.size", `{"type":"boolean"}`), "missing request field SplitLargeTables.size as boolean"},
		"a union of lists gets an arm":        {arm("Settings.page_range", `{"type":"array","items":{"type":"boolean"}}`), "missing request field Settings.page_range[] as boolean"},
		"a count can be null":                 {set("ParseUsage.num_pages", `{"anyOf":[{"type":"integer"},{"type":"null"}]}`), "missing response field ParseUsage.num_pages as null"},
		"a required text can be null":         {set("ParseBlock.content", `{"anyOf":[{"type":"string"},{"type":"null"}]}`), "missing response field ParseBlock.content as null"},
		"a field without a Go type changes":   {set("DirectWebhookConfig.url", `{"type":"array","items":{"type":"string"}}`), "missing request field DirectWebhookConfig.url as array; extra request field DirectWebhookConfig.url as string"},
		"a list without a Go type changes":    {set("SvixWebhookConfig.channels", `{"type":"array","items":{"type":"integer"}}`), "missing request field SvixWebhookConfig.channels[] as integer; extra request field SvixWebhookConfig.channels[] as string"},
		"null is not the default":             {set("Chunking.chunk_size", `{"anyOf":[{"type":"integer"},{"type":"null"}],"default":1000}`), "missing request field Chunking.chunk_size as null"},
		"a default becomes true":              {set("Formatting.merge_tables", `{"type":"boolean","default":true}`), "missing request field Formatting.merge_tables as false"},
		"a request field becomes optional":    {need("SplitCategory.description", false), "extra requirement of request field SplitCategory.description"},
		"a response field becomes optional":   {need("ParseBlock.content", false), "extra requirement of response field ParseBlock.content"},
		"a request field becomes required":    {need("Chunking.chunk_size", true), "missing requirement of request field Chunking.chunk_size"},
		"a response field becomes required":   {need("ParseUsage.credits", true), "missing requirement of response field ParseUsage.credits"},
		"a field not always sent is required": {need("WebhookConfigNew.channels", true), "missing requirement of request field WebhookConfigNew.channels"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, path := range documentPaths(t) {
				d, err := load(path)
				require.NoError(t, err)
				before := d.version
				test.change(d)
				raw, err := json.Marshal(d.root) // the changed document is read as a file is
				require.NoError(t, err)
				version := d.version
				d, err = parse(d.name, raw)
				require.NoError(t, err)
				if d.version = version; version == before {
					assertLines(t, d, test.want)
					continue
				}
				assert.Contains(t, strings.Join(lines(t, d), "\n"), "extra enum value ParseModel=r-1", "reasons end where they say")
			}
		})
	}
}

// assertLines asserts that the check reports these lines of a document, and no others.
func assertLines(t *testing.T, d *document, want string) {
	t.Helper()
	wanted := strings.FieldsFunc(want, func(r rune) bool { return r == ';' })
	got := lines(t, d)
	require.Len(t, got, len(wanted), "%s: %q", d.name, got)
	for _, line := range wanted {
		assert.Contains(t, strings.Join(got, "\n"), strings.TrimSpace(line), d.name)
	}
}

// at finds a schema, "Formatting", or one of a member, "Formatting.merge_tables".
func at(d *document, name string) node {
	schema, member, isMember := strings.Cut(name, ".")
	s := d.schemas()[schema].(node)
	if isMember {
		s = s["properties"].(node)[member].(node)
	}
	return s
}

// set sets the schemas of members: a name, a schema, and so on. Without a schema, the
// member goes.
func set(pairs ...string) func(*document) {
	return func(d *document) {
		for pair := range slices.Chunk(pairs, 2) {
			owner, member, _ := strings.Cut(pair[0], ".")
			change(at(d, owner)["properties"].(node), member, pair[1])
		}
	}
}

func item(name, raw string) func(*document) {
	return func(d *document) { change(d.root["paths"].(node), name, raw) }
}

func change(of node, name, raw string) {
	if raw == "" {
		delete(of, name)
		return
	}
	of[name] = parsed(raw)
}

func operationOf(d *document, path, verb string) node {
	return d.root["paths"].(node)[path].(node)[verb].(node)
}

// parameter sets what GET /jobs says of a parameter.
func parameter(name, key, raw string) func(*document) {
	return func(d *document) {
		for _, p := range list(operationOf(d, "/jobs", "get")["parameters"]) {
			if p := p.(node); p["name"] == name {
				p[key] = parsed(raw)
			}
		}
	}
}

// arm adds an arm to a union.
func arm(name, schema string) func(*document) {
	return func(d *document) {
		for _, key := range []string{"anyOf", "oneOf"} {
			if arms := list(at(d, name)[key]); len(arms) > 0 {
				at(d, name)[key] = append(arms, parsed(schema))
			}
		}
	}
}

// swap takes a value out of an enum, and adds another.
func swap(name, gone, added string) func(*document) {
	return func(d *document) {
		s := at(d, name)
		s["enum"] = slices.DeleteFunc(append(list(s["enum"]), added), func(v any) bool { return v == gone || v == "" })
	}
}

// need makes a member required or optional.
func need(name string, required bool) func(*document) {
	return func(d *document) {
		owner, member, _ := strings.Cut(name, ".")
		s := at(d, owner)
		names := slices.DeleteFunc(list(s["required"]), func(v any) bool { return v == member })
		if required {
			names = append(names, member)
		}
		s["required"] = names
	}
}
