package conformance_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// document is an OpenAPI document, decoded.
type document struct {
	root object
}

// publishedDocument is the API's own, of June 2026.
func publishedDocument(t *testing.T) *document {
	t.Helper()
	path, named := os.LookupEnv("TEST_OPENAPI")
	if !named {
		path = filepath.Join("..", "..", "shared", "openapi", "reducto-v1.11.57-53.json")
	}
	raw, err := os.ReadFile(path)
	if os.IsNotExist(err) && !named {
		missing(t, "there is no OpenAPI document at "+path+": set TEST_OPENAPI to the file of one")
	}
	require.NoError(t, err)
	d := &document{}
	require.NoError(t, json.Unmarshal(raw, &d.root))
	return d
}

// save writes the document for another program.
func (d *document) save(t *testing.T) (path string) {
	t.Helper()
	raw, err := json.Marshal(d.root)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "openapi.json")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	return path
}

// operations lists "POST /parse" and so on.
func (d *document) operations() []string {
	var list []string
	for path, item := range members(d.root["paths"]) {
		for method, operation := range members(item) {
			if members(operation)["responses"] != nil { // not the path's parameters
				list = append(list, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(list)
	return list
}

// operation is the operation that a request is for, "" if there is none.
func (d *document) operation(method, path string) string {
	for _, o := range d.operations() {
		m, template, _ := strings.Cut(o, " ")
		before, variable, found := strings.Cut(template, "{")
		if m == method && (template == path || found && strings.HasSuffix(variable, "}") &&
			strings.HasPrefix(path, before) && !strings.Contains(path[len(before):], "/")) {
			return o
		}
	}
	return ""
}

func (d *document) find(operation string) object {
	method, path, _ := strings.Cut(operation, " ")
	return members(members(members(d.root["paths"])[path])[strings.ToLower(method)])
}

// request is the schema of an operation's JSON body, nil if it has none.
func (d *document) request(operation string) object {
	content := members(members(d.find(operation)["requestBody"])["content"])
	return members(members(content["application/json"])["schema"])
}

// mount adds a copy of an operation's path below prefix.
func (d *document) mount(t *testing.T, prefix, operation string) {
	t.Helper()
	_, path, _ := strings.Cut(operation, " ")
	paths := members(d.root["paths"])
	raw, err := json.Marshal(paths[path])
	require.NoError(t, err)
	var item object
	require.NoError(t, json.Unmarshal(raw, &item))
	paths[prefix+path] = item
}

// weaken lets a body fit more than one of its alternatives. The document says
// oneOf where one alternative is another with more members, all optional: nothing
// fits the smaller without fitting both, so that taken at its word nothing at all
// can be sent to /parse. It returns where it did so.
func (d *document) weaken(operations []string) (places []string) {
	weaken := func(place string, content any) {
		for _, media := range members(content) {
			schema := members(members(media)["schema"])
			if schema["oneOf"] != nil {
				schema["anyOf"] = schema["oneOf"]
				delete(schema, "oneOf")
				places = append(places, place)
			}
		}
	}
	for _, o := range operations {
		operation := d.find(o)
		weaken(o, members(operation["requestBody"])["content"])
		for status, response := range members(operation["responses"]) {
			weaken(o+" "+status, members(response)["content"])
		}
	}
	slices.Sort(places)
	return places
}

// narrow says more of answers than the document does, for those that Prism makes
// up: job ids are UUIDs, pages are numbered from 1, and the result of a
// classification is a category and nothing else, which tells it from an
// extraction where no type is named.
func (d *document) narrow() {
	schemas := members(members(d.root["components"])["schemas"])
	_, result := d.resolve("", members(members(members(schemas["ClassifyResponse"])["properties"])["result"]))
	result["additionalProperties"] = false
	for _, schema := range schemas {
		properties := members(members(schema)["properties"])
		if id := members(properties["job_id"]); id["type"] == "string" {
			id["format"] = "uuid"
		}
		for _, name := range []string{"page", "original_page"} {
			if page := members(properties[name]); page["type"] == "integer" {
				page["minimum"] = 1
			}
		}
	}
}

// resultTypes are the schemas of the results of a type of job.
var resultTypes = map[string][]string{
	"Parse": {"ParseResponse"}, "Extract": {"ExtractResponse", "V3ExtractResponse"}, "Split": {"SplitResponse"},
	"Edit": {"EditResponse"}, "Pipeline": {"PipelineResponse"}, "Classify": {"ClassifyResponse"},
}

// widen allows what the service does, against the document's word: it writes times
// without a zone.
func (d *document) widen() {
	for _, schema := range members(members(d.root["components"])["schemas"]) {
		created := members(members(members(schema)["properties"])["created_at"])
		for _, s := range append(alternatives(created), created) {
			delete(s, "format")
		}
	}
}

// pairTypes gives a job a result of its type: the document lets each job have a
// result of any.
func (d *document) pairTypes() {
	schemas := members(members(d.root["components"])["schemas"])
	job := members(schemas["EnhancedAsyncJobResponse"])
	var alternatives []any
	for _, name := range slices.Sorted(maps.Keys(resultTypes)) {
		results := []any{object{"type": "null"}}
		for _, r := range resultTypes[name] {
			results = append(results, object{"$ref": "#/components/schemas/" + r})
		}
		typed, properties := maps.Clone(job), maps.Clone(members(job["properties"]))
		properties["type"], properties["result"] = object{"const": name}, object{"anyOf": results}
		typed["properties"] = properties
		typed["required"] = []any{"status", "type"}
		alternatives = append(alternatives, typed)
	}
	schemas["EnhancedAsyncJobResponse"] = object{"anyOf": alternatives}
}

// resultsOnly takes the answer of an operation for a result: that is what the
// synchronous ones answer to a request without an "async" object.
func (d *document) resultsOnly(operation string) {
	schema := d.answer(operation)
	options, _ := schema["anyOf"].([]any)
	schema["anyOf"] = slices.DeleteFunc(options, func(o any) bool {
		_, s := d.resolve("", members(o))
		p := members(s["properties"])
		return len(p) == 1 && p["job_id"] != nil
	})
}

// answer is the schema of an operation's 200.
func (d *document) answer(operation string) object {
	responses := members(d.find(operation)["responses"])
	return members(members(members(members(responses["200"])["content"])["application/json"])["schema"])
}

// exemplify makes value what an operation is answered.
func (d *document) exemplify(operation string, value any) {
	responses := members(d.find(operation)["responses"])
	media := members(members(members(responses["200"])["content"])["application/json"])
	media["example"] = value
}

// resolve follows a reference to its schema, which it names.
func (d *document) resolve(name string, schema object) (string, object) {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return name, schema
	}
	target := d.root
	parts := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	for _, p := range parts {
		target = members(target[p])
	}
	return parts[len(parts)-1], target
}

func alternatives(schema object) (list []object) {
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		options, _ := schema[key].([]any)
		for _, o := range options {
			list = append(list, members(o))
		}
	}
	return list
}

// declared adds every member that a schema, named name, declares: "Settings.timeout".
func (d *document) declared(name string, schema object, into map[string]bool) {
	name, schema = d.resolve(name, schema)
	for _, a := range alternatives(schema) {
		d.declared(name, a, into)
	}
	if items := members(schema["items"]); items != nil {
		d.declared(name, items, into)
	}
	for key, property := range members(schema["properties"]) {
		member := name + "." + key
		if into[member] {
			continue // seen, or refers to itself
		}
		into[member] = true
		d.declared(member, members(property), into)
	}
}

// used adds the declared members that a value has.
func (d *document) used(name string, schema object, value any, into map[string]bool) {
	name, schema = d.resolve(name, schema)
	for _, a := range alternatives(schema) {
		if d.fits(a, value) {
			d.used(name, a, value, into)
		}
	}
	if list, ok := value.([]any); ok {
		for _, item := range list {
			d.used(name, members(schema["items"]), item, into)
		}
	}
	properties := members(schema["properties"])
	for key, v := range members(value) {
		if property, ok := properties[key]; ok && v != nil {
			into[name+"."+key] = true
			d.used(name+"."+key, members(property), v, into)
		}
	}
}

// answerMembers are the names of all members that answers can have.
func (d *document) answerMembers(operations []string) map[string]bool {
	declared, names := map[string]bool{}, map[string]bool{}
	for _, o := range operations {
		d.declared(o, d.answer(o), declared)
	}
	for member := range declared {
		names[member[strings.LastIndexByte(member, '.')+1:]] = true
	}
	return names
}

// fits tells the alternatives of a schema apart: by the type, the members that
// are required, and those that have one value only.
func (d *document) fits(schema object, value any) bool {
	_, schema = d.resolve("", schema)
	if options := alternatives(schema); len(options) > 0 {
		return slices.ContainsFunc(options, func(o object) bool { return d.fits(o, value) })
	}
	if c, ok := schema["const"]; ok && c != value {
		return false
	}
	switch value := value.(type) {
	case object:
		required, _ := schema["required"].([]any)
		for _, key := range required {
			if _, ok := value[key.(string)]; !ok {
				return false
			}
		}
		for key, property := range members(schema["properties"]) {
			if c, ok := members(property)["const"]; ok && value[key] != nil && value[key] != c {
				return false
			}
		}
		return schema["type"] == "object" || schema["type"] == nil
	case []any:
		if schema["type"] == "array" {
			return !slices.ContainsFunc(value, func(v any) bool { return !d.fits(members(schema["items"]), v) })
		}
	case string:
		return schema["type"] == "string" || schema["type"] == nil
	case float64:
		return schema["type"] == "number" || schema["type"] == "integer" || schema["type"] == nil
	case bool:
		return schema["type"] == "boolean" || schema["type"] == nil
	}
	return schema["type"] == nil
}

// members is a JSON object; what is none has no members.
func members(v any) object {
	o, _ := v.(object)
	return o
}

// TestDocument is about the functions above, on a document of ours.
func TestDocument(t *testing.T) {
	t.Parallel()
	d := &document{}
	require.NoError(t, json.Unmarshal([]byte(`{
		"paths": {
			"/a": {"post": {
				"requestBody": {"content": {"application/json": {"schema": {"oneOf": [
					{"$ref": "#/components/schemas/Plain"}, {"$ref": "#/components/schemas/More"}]}}}},
				"responses": {"200": {"content": {"application/json": {"schema": {}}}}}}},
			"/b/{id}": {"parameters": [], "get": {"responses": {}}}
		},
		"components": {"schemas": {
			"Plain": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}},
			"More": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}, "list": {"type": "array", "items": {
				"anyOf": [{"$ref": "#/components/schemas/Red"}, {"$ref": "#/components/schemas/Blue"}, {"type": "null"}]}}}},
			"Red": {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "red"}, "shade": {"type": "number"}}},
			"Blue": {"type": "object", "properties": {"kind": {"const": "blue"}, "shade": {"type": "number"}, "more": {"$ref": "#/components/schemas/More"}}}
		}}}`), &d.root))

	assert.Equal(t, []string{"GET /b/{id}", "POST /a"}, d.operations())
	for path, want := range map[string]string{"GET /b/7": "GET /b/{id}", "POST /a": "POST /a", "GET /a": "", "GET /b/7/c": "", "POST /b/7": "", "GET /b": ""} {
		method, path, _ := strings.Cut(path, " ")
		assert.Equal(t, want, d.operation(method, path), path)
	}
	assert.Equal(t, []string{"POST /a"}, d.weaken(d.operations()))
	assert.Empty(t, d.weaken(d.operations()))
	assert.Nil(t, d.request("GET /b/{id}"))

	declared, used := map[string]bool{}, map[string]bool{}
	d.declared("", d.request("POST /a"), declared)
	assert.Equal(t, []string{"Blue.kind", "Blue.more", "Blue.shade", "More.list", "More.x", "Plain.x", "Red.kind", "Red.shade"},
		slices.Sorted(maps.Keys(declared)))
	var value any
	require.NoError(t, json.Unmarshal([]byte(`{"x":"1","y":1,"list":[{"kind":"red","shade":1},null,{"kind":"blue","more":{"x":"2"}}]}`), &value))
	d.used("", d.request("POST /a"), value, used)
	assert.Equal(t, []string{"Blue.kind", "Blue.more", "More.list", "More.x", "Plain.x", "Red.kind", "Red.shade"}, slices.Sorted(maps.Keys(used)))
	require.NoError(t, json.Unmarshal([]byte(`{"list":[{"kind":"red"}]}`), &value))
	clear(used)
	d.used("", d.request("POST /a"), value, used)
	assert.Empty(t, used, "it fits neither: x is missing")
}
