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
	var whole scope
	whole.facts, whole.tables = factsOf(pages, numbers)
	value := x.fill(root, "", whole, 0)
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
	citations bool
	fields    int // leaves so far
	visited   int // schemas so far
}

// maxSchemas bounds how many schemas an extraction visits, because a schema can refer to
// itself in several places.
const maxSchemas = 100_000

// scope is the part of a document that fills a schema: all of it, or one row of a table.
type scope struct {
	facts  []fact
	tables []table
}

// named returns the facts with a key.
func (s scope) named(key string) (found []fact) {
	for _, f := range s.facts {
		if f.key == normalKey(key) {
			found = append(found, f)
		}
	}
	return found
}

// fill returns the value for a schema whose property is named key.
func (x *extractor) fill(schema map[string]any, key string, in scope, depth int) any {
	if x.visited++; depth > 32 || x.visited > maxSchemas { // a schema that refers to itself
		return nil
	}
	schema = x.deref(schema)
	switch typeOf(schema) {
	case "object":
		if values := schema["additionalProperties"]; values != nil && values != false && schema["properties"] == nil {
			values, _ := values.(map[string]any)
			return x.entries(values, key, in, depth)
		}
		properties, _ := schema["properties"].(map[string]any)
		o := obj()
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			property, _ := properties[name].(map[string]any)
			o = append(o, member{name, x.fill(property, name, in, depth+1)})
		}
		return o
	case "array":
		items, _ := schema["items"].(map[string]any)
		return x.array(x.deref(items), key, in, depth)
	}
	if found := in.named(key); len(found) > 0 {
		return x.leaf(schema, found[0])
	}
	return x.leaf(schema, fact{})
}

// entries returns the entries of a map. They are the rows of the tables whose first column
// has the name of the map. The first column has the keys.
func (x *extractor) entries(values map[string]any, key string, in scope, depth int) object {
	values = x.deref(values)
	o, seen := obj(), map[string]bool{}
	for _, t := range in.tables {
		if len(t.keys) < 2 || t.keys[0] != normalKey(key) {
			continue
		}
		for i, row := range t.rows {
			if row[0] == "" || seen[row[0]] {
				continue
			}
			in, name := t.scope(i), ""
			if typeOf(values) != "object" {
				name = t.keys[1] // the second column has the value
			}
			seen[row[0]] = true
			o = append(o, member{row[0], x.fill(values, name, in, depth+1)})
		}
	}
	return o
}

// array returns a list. Objects are the rows of a table, or the values of repeated keys.
// Scalars are the parts of a value, or the values of a repeated key. In a list of lists,
// a semicolon ends a list.
func (x *extractor) array(items map[string]any, key string, in scope, depth int) any {
	list := []any{}
	found := in.named(key)
	switch typeOf(items) {
	case "object":
		for _, row := range x.rows(items, in) {
			list = append(list, x.fill(items, "", row, depth+1))
		}
	case "array":
		for _, part := range parts(found, ";") {
			list = append(list, x.fill(items, key, scope{facts: []fact{part}}, depth+1))
		}
	default:
		for _, part := range parts(found, ",;") {
			list = append(list, x.leaf(items, part))
		}
	}
	return list
}

// parts divides the value of a single fact at separators.
func parts(found []fact, separators string) []fact {
	if len(found) != 1 {
		return found
	}
	var list []fact
	for value := range strings.FieldsFuncSeq(found[0].value, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		part := found[0]
		part.value = strings.TrimSpace(value)
		list = append(list, part)
	}
	return list
}

// rows returns a scope for each object of a list.
func (x *extractor) rows(items map[string]any, in scope) (rows []scope) {
	names := x.names(items, 0)
	for _, t := range in.tables {
		if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(t.keys, name) }) {
			for i := range t.rows {
				rows = append(rows, t.scope(i))
			}
		}
	}
	if rows != nil {
		return rows
	}
	// The nth fact of each property belongs to the nth object.
	count := map[string]int{}
	for _, f := range in.facts {
		if !slices.Contains(names, f.key) {
			continue
		}
		if count[f.key] == len(rows) {
			rows = append(rows, scope{})
		}
		n := count[f.key]
		rows[n].facts = append(rows[n].facts, f)
		count[f.key]++
	}
	return rows
}

// names returns the keys of the scalars below a schema of an object.
func (x *extractor) names(schema map[string]any, depth int) (names []string) {
	if x.visited++; depth > 8 || x.visited > maxSchemas {
		return nil
	}
	properties, _ := schema["properties"].(map[string]any)
	for name := range properties {
		property, _ := properties[name].(map[string]any)
		property = x.deref(property)
		items, _ := property["items"].(map[string]any)
		switch {
		case typeOf(property) == "object":
			names = append(names, x.names(property, depth+1)...)
		case typeOf(property) == "array" && typeOf(x.deref(items)) == "object":
			names = append(names, x.names(x.deref(items), depth+1)...)
		default:
			names = append(names, normalKey(name))
		}
	}
	return names
}

// leaf returns a value of the result. With citations, it adds where the value is in the
// document. The zero fact gives null.
func (x *extractor) leaf(schema map[string]any, f fact) any {
	x.fields++
	var value any
	if f.line != "" {
		value = scalarOf(schema, f.value)
	}
	if !x.citations {
		return value
	}
	citations := []any{}
	if value != nil {
		citations = append(citations, obj(
			"type", f.block.Type, "bbox", f.box, "content", f.line, "image_url", nil, "chart_data", nil,
			"confidence", "high",
			"granular_confidence", granular{Extract: new(0.9), Parse: new(0.95)},
			"extra", nil,
			"parentBlock", f.block,
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
	case schema["properties"] != nil, schema["additionalProperties"] != nil:
		return "object"
	case schema["items"] != nil:
		return "array"
	}
	return "string"
}
