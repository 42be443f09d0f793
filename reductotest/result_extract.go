package reductotest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

var extractKind = &kind{
	jobType: "Extract",
	request: fields{
		"input!": input, "parsing": parsing.check, "queue_priority": queuePriority,
		"instructions": fields{"schema": anything, "system_prompt": text}.check,
		"settings": fields{
			"include_images": boolean, "optimize_for_latency": boolean, "array_extract": boolean, "deep_extract": boolean,
			"citations": fields{
				"enabled": boolean, "numerical_confidence": boolean, "parent_block": enum("full", "bbox_only"),
			}.check,
			"force_url_result": boolean, "page_range": pages, "persist_results": boolean,
		}.check,
	},
	legacy: fields{"schema!": anything},
	result: extractOutcome,
}

// extractOutcome fills the schema of the request from the lines "key: value" and the
// tables of the document.
func extractOutcome(_ *Server, j *job, d *document) (*outcome, *apiError) {
	pageRange := lookup(j.request, "settings", "page_range")
	if pageRange == nil {
		pageRange = lookup(j.request, "parsing", "settings", "page_range")
	}
	pages, numbers := selectPages(d.pages, pageRange)
	return extractFrom(pages, numbers, lookup(j.request, "instructions", "schema"),
		lookupBool(j.request, "settings", "citations", "enabled"),
		lookupBool(j.request, "settings", "force_url_result"))
}

func extractFrom(pages []string, numbers []int, schema any, citations, forceURL bool) (*outcome, *apiError) {
	root, err := schemaOf(schema)
	if err != nil {
		return nil, err
	}
	x := extractor{root: root, citations: citations}
	x.facts, x.tables = factsOf(pages, numbers)
	value := x.fill(root, "", 0)
	usage := obj(
		"num_pages", len(numbers), "num_fields", x.fields,
		"credits", round(float64(len(numbers))*2), "extract_mode", "extract",
	)
	head := obj("usage", usage, "studio_link", studioLink{})
	if citations {
		return newOutcome("v3_extract", head, value, nil, forceURL), nil
	}
	return newOutcome("extract", head, []any{value}, obj("citations", nil), forceURL), nil
}

// schemaOf returns the JSON schema of a request: an object, or the text of one. Without
// a schema it returns the schema of an empty object.
func schemaOf(v any) (map[string]any, *apiError) {
	if s, ok := v.(string); ok {
		var decoded any
		if json.Unmarshal([]byte(s), &decoded) == nil {
			v = decoded
		}
	}
	switch v := v.(type) {
	case nil:
		return map[string]any{"type": "object"}, nil
	case map[string]any:
		return v, nil
	}
	return nil, newAPIError("INVALID_SCHEMA", "The schema must be a JSON schema object")
}

type extractor struct {
	root      map[string]any
	facts     []fact
	tables    []table
	citations bool
	fields    int // leaves so far
}

// fill returns the value for a schema whose property is named key.
func (x *extractor) fill(schema map[string]any, key string, depth int) any {
	if depth > 32 { // a schema that refers to itself
		return nil
	}
	schema = x.deref(schema)
	switch kind := typeOf(schema); kind {
	case "object":
		return x.object(schema, depth, func(name string, property map[string]any) any {
			return x.fill(property, name, depth+1)
		})
	case "array":
		items, _ := schema["items"].(map[string]any)
		return x.array(x.deref(items), key, depth)
	default:
		return x.nth(x.named(key), 0, kind)
	}
}

// named returns the facts with a key.
func (x *extractor) named(key string) (found []fact) {
	for _, f := range x.facts {
		if f.key == normalKey(key) {
			found = append(found, f)
		}
	}
	return found
}

// nth returns the value of a fact, or null.
func (x *extractor) nth(facts []fact, i int, kind string) any {
	if i >= len(facts) {
		return x.leaf(nil, "", nil)
	}
	f := facts[i]
	return x.leaf(parseScalar(kind, f.value), f.line, &f.block)
}

func (x *extractor) object(schema map[string]any, depth int, value func(string, map[string]any) any) object {
	properties, _ := schema["properties"].(map[string]any)
	o := obj()
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property, _ := properties[name].(map[string]any)
		o = append(o, member{name, value(name, property)})
	}
	return o
}

// array returns a list. Objects are the rows of a table, or the values of repeated keys.
// Scalars are the parts of a value, or the values of a repeated key.
func (x *extractor) array(items map[string]any, key string, depth int) any {
	list := []any{}
	kind := typeOf(items)
	if kind == "object" {
		return append(list, x.objects(items, depth)...)
	}
	found := x.named(key)
	for _, f := range found {
		values := []string{f.value}
		if len(found) == 1 {
			values = strings.FieldsFunc(f.value, func(r rune) bool { return r == ',' || r == ';' })
		}
		for _, v := range values {
			list = append(list, x.leaf(parseScalar(kind, strings.TrimSpace(v)), f.line, &f.block))
		}
	}
	return list
}

func (x *extractor) objects(items map[string]any, depth int) []any {
	var list []any
	properties, _ := items["properties"].(map[string]any)
	for _, t := range x.tables {
		column := map[string]int{}
		for name := range properties {
			if i := slices.Index(t.keys, normalKey(name)); i >= 0 {
				column[name] = i
			}
		}
		if len(column) == 0 {
			continue
		}
		for _, row := range t.rows {
			list = append(list, x.object(items, depth, func(name string, property map[string]any) any {
				i, ok := column[name]
				if !ok || i >= len(row) {
					return x.leaf(nil, "", nil)
				}
				return x.leaf(parseScalar(typeOf(x.deref(property)), row[i]), strings.Join(row, " | "), &t.block)
			}))
		}
	}
	if len(list) > 0 {
		return list
	}
	// The nth fact of each property belongs to the nth object.
	facts := map[string][]fact{}
	count := 0
	for name := range properties {
		facts[name] = x.named(name)
		count = max(count, len(facts[name]))
	}
	for i := range count {
		list = append(list, x.object(items, depth, func(name string, property map[string]any) any {
			return x.nth(facts[name], i, typeOf(x.deref(property)))
		}))
	}
	return list
}

// leaf returns a value of the result. With citations, it adds where the value is in the
// document.
func (x *extractor) leaf(value any, line string, b *block) any {
	x.fields++
	if !x.citations {
		return value
	}
	citations := []any{}
	if value != nil && b != nil {
		citations = append(citations, obj(
			"type", b.Type, "bbox", b.BBox, "content", line, "image_url", nil, "chart_data", nil,
			"confidence", "high",
			"granular_confidence", granular{Extract: new(0.9), Parse: new(0.95)},
			"extra", nil,
			"parentBlock", *b,
		))
	}
	return obj("value", value, "citations", citations)
}

// deref follows references inside the schema and chooses the first alternative that is
// not null.
func (x *extractor) deref(schema map[string]any) map[string]any {
	for range 32 {
		if ref, ok := schema["$ref"].(string); ok {
			var at any = x.root
			for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				at = lookup(at, part)
			}
			schema, _ = at.(map[string]any)
			continue
		}
		next := alternative(schema)
		if next == nil {
			break
		}
		schema = next
	}
	return schema
}

func alternative(schema map[string]any) map[string]any {
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		options, _ := schema[key].([]any)
		for _, option := range options {
			if o, ok := option.(map[string]any); ok && o["type"] != "null" {
				return o
			}
		}
	}
	return nil
}

// typeOf returns the JSON type of a schema.
func typeOf(schema map[string]any) string {
	switch t := schema["type"].(type) {
	case string:
		return t
	case []any:
		for _, item := range t {
			if s, ok := item.(string); ok && s != "null" {
				return s
			}
		}
	}
	switch {
	case schema["properties"] != nil:
		return "object"
	case schema["items"] != nil:
		return "array"
	}
	return "string"
}
