package reductotest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// extractOutcome fills the schema of an extract request from the lines "key:
// value" and the tables of d.
func extractOutcome(d *document, request map[string]any) (*outcome, *apiError) {
	pageRange := lookup(request, "settings", "page_range")
	if pageRange == nil {
		pageRange = lookup(request, "parsing", "settings", "page_range")
	}
	pages, numbers := selectPages(d.pages, pageRange)
	return extractFrom(pages, numbers, lookup(request, "instructions", "schema"),
		lookupBool(request, "settings", "citations", "enabled"),
		lookupBool(request, "settings", "force_url_result"))
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
		return resultOutcome("v3_extract", head, value, nil, forceURL), nil
	}
	return resultOutcome("extract", head, []any{value}, obj("citations", nil), forceURL), nil
}

// schemaOf is the JSON schema of a request, which may be an object or the text
// of one; without one it is that of an empty object.
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

// fill makes the value of a schema whose property is named key.
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
		for _, f := range x.facts {
			if f.key == normalKey(key) {
				return x.leaf(parseScalar(kind, f.value), f.line, &f.block)
			}
		}
		return x.leaf(nil, "", nil)
	}
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

// array is a list of what is found: the rows of a table or repeated keys for
// objects, and the parts of the value, or repeated keys, for scalars.
func (x *extractor) array(items map[string]any, key string, depth int) any {
	list := []any{}
	kind := typeOf(items)
	if kind == "object" {
		return append(list, x.objects(items, depth)...)
	}
	var found []fact
	for _, f := range x.facts {
		if f.key == normalKey(key) {
			found = append(found, f)
		}
	}
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
		for _, f := range x.facts {
			if f.key == normalKey(name) {
				facts[name] = append(facts[name], f)
			}
		}
		count = max(count, len(facts[name]))
	}
	for i := range count {
		list = append(list, x.object(items, depth, func(name string, property map[string]any) any {
			if i >= len(facts[name]) {
				return x.leaf(nil, "", nil)
			}
			f := facts[name][i]
			return x.leaf(parseScalar(typeOf(x.deref(property)), f.value), f.line, &f.block)
		}))
	}
	return list
}

// leaf is a value of the result, with the place that it was found in if the
// request wants citations.
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

// deref follows references inside the schema and picks the first alternative
// that is not null.
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

// typeOf is the JSON type of a schema.
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
