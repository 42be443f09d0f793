package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// validator compiles the schemas of a document, which then refuse members that they
// do not list: a service ignores these, and so would hide a misspelled one.
type validator struct {
	t        testing.TB
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

func newValidator(t testing.TB, d *document, strict bool) *validator {
	t.Helper()
	raw, err := json.Marshal(d.root)
	require.NoError(t, err)
	var root node
	require.NoError(t, json.Unmarshal(raw, &root))
	schemas := (&document{root: root}).schemas()
	for _, s := range schemas {
		s := s.(node)
		if _, says := s["additionalProperties"]; strict && s["properties"] != nil && !says {
			s["additionalProperties"] = false
		}
	}
	v := &validator{t, jsonschema.NewCompiler(), map[string]*jsonschema.Schema{}}
	v.compiler.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, v.compiler.AddResource("https://api.example.com/openapi", root))
	return v
}

func (v *validator) validate(schema string, instance any) error {
	s := v.compiled[schema]
	if s == nil {
		var err error
		if s, err = v.compiler.Compile("https://api.example.com/openapi" + schemaPrefix + schema); err != nil {
			return err
		}
		v.compiled[schema] = s
	}
	return s.Validate(instance)
}

// requestSchema is the schema of an endpoint's body. Where there are several, they
// are those of the synchronous and of the asynchronous form.
func requestSchema(o operation) string {
	for _, s := range o.request {
		for _, ref := range armsOf(s) {
			name := strings.TrimPrefix(ref, schemaPrefix)
			if len(armsOf(s)) == 1 || strings.HasPrefix(name, "Sync") {
				return name
			}
		}
	}
	return ""
}

// pruner takes out of a body what the list of reasons says that a document lacks.
type pruner struct {
	doc     *document
	newer   map[string]bool // "Schema.member"
	removed map[string]bool
}

func newPruner(t testing.TB, d *document) *pruner {
	t.Helper()
	found, _, err := compare(d, theWorld(t))
	require.NoError(t, err)
	p := &pruner{doc: d, newer: map[string]bool{}, removed: map[string]bool{}}
	unexplained, _ := judge(d.version, found, theReasons(t))
	for _, diff := range found {
		if field, ok := strings.CutPrefix(diff.subject, "request field "); ok && !diff.missing && !strings.Contains(field, " as ") && !slices.Contains(unexplained, diff) {
			p.newer[field] = true
		}
	}
	return p
}

func (p *pruner) prune(v any, s node) {
	if items, ok := v.([]any); ok {
		inner, _ := s["items"].(node)
		for _, item := range items {
			p.prune(item, inner)
		}
	}
	for _, arm := range slices.Concat(list(s["anyOf"]), list(s["oneOf"]), list(s["allOf"])) {
		p.prune(v, arm.(node))
	}
	ref, ok := s["$ref"].(string)
	o, isObject := v.(node)
	if !ok || !isObject {
		return
	}
	name, target, err := p.doc.schema(ref)
	if err != nil {
		panic(err)
	}
	properties, _ := target["properties"].(node)
	for member, inner := range o {
		if known, ok := properties[member].(node); ok {
			p.prune(inner, known)
		} else if at := name + "." + member; p.newer[at] {
			p.removed[at] = true
			delete(o, member)
		}
	}
}

// goldens are the sample bodies of package reducto, by name.
func goldens(t testing.TB) map[string][]byte {
	t.Helper()
	root, err := findRoot(".")
	require.NoError(t, err)
	paths, err := filepath.Glob(filepath.Join(root, "testdata", "requests", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	bodies := map[string][]byte{}
	for _, path := range paths {
		raw, err := os.ReadFile(filepath.Clean(path))
		require.NoError(t, err)
		bodies[strings.TrimSuffix(filepath.Base(path), ".json")] = raw
	}
	return bodies
}

// Every body that the library sends is one that the API's own schema takes: the
// samples, and those made by setting every field that there is.
func TestRequestsAreValid(t *testing.T) {
	t.Parallel()
	samples := goldens(t)
	for _, d := range documents(t) {
		t.Run(d.version, func(t *testing.T) {
			t.Parallel()
			v, p := newValidator(t, d, true), newPruner(t, d)
			checked, used := 0, map[string]bool{}
			for _, o := range d.operations() {
				schema := requestSchema(o)
				if schema == "" || o.endpoint == "POST /upload" {
					continue
				}
				bodies := map[string][]byte{}
				for _, kind := range []string{"minimal", "maximal", "svix", "no_webhook"} {
					name := strings.TrimPrefix(o.endpoint, "POST /") + "_" + kind
					if raw, ok := samples[name]; ok {
						bodies[name], used[name] = raw, true
					} else {
						require.NotContains(t, []string{"minimal", "maximal"}, kind, "there is no sample %s", name)
					}
				}
				for i, s := range theWorld(t).sent {
					if s.endpoint == o.endpoint {
						bodies[fmt.Sprint("sent ", i)] = s.raw
					}
				}
				for name, raw := range bodies {
					body := value(t, string(raw))
					p.prune(body, node{"$ref": schemaPrefix + schema})
					assert.NoError(t, v.validate(schema, body), "%s against %s", name, schema)
					checked++
				}
			}
			assert.Len(t, used, len(samples), "a sample of no endpoint")
			t.Logf("%d bodies, without what the document lacks: %v", checked, slices.Sorted(maps.Keys(p.removed)))
			assert.Equal(t, p.newer, p.removed, "the maximal bodies have every field that is newer than the document")
		})
	}
}

// severalForms are the members whose value has a form for each way to give it, of
// which a body can have only one.
var severalForms = []string{"page_range", "input", "document_url", "webhook", "metadata", "schema", "category_groups"}

// members are the paths to all members of a body.
func members(v any, at string, found map[string]bool) map[string]bool {
	switch v := v.(type) {
	case node:
		for name, inner := range v {
			found[at+"."+name] = true
			if !slices.Contains(severalForms, name) {
				members(inner, at+"."+name, found)
			}
		}
	case []any:
		for _, inner := range v {
			members(inner, at, found)
		}
	}
	return found
}

// A field that is new to a request type is one that its maximal sample lacks.
func TestMaximalSamplesHaveEveryField(t *testing.T) {
	t.Parallel()
	samples := goldens(t)
	compared := 0
	for _, s := range theWorld(t).sent {
		if s.body == nil || s.endpoint == "POST /upload" {
			continue
		}
		name := strings.TrimPrefix(s.endpoint, "POST /") + "_maximal"
		require.Contains(t, samples, name)
		want, got := members(s.body, "", map[string]bool{}), members(value(t, string(samples[name])), "", map[string]bool{})
		if name == "edit_async_maximal" {
			delete(want, ".priority") // the sample shows the common one, Async.Priority
			delete(got, ".priority")
		}
		assert.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), name)
		compared++
	}
	assert.GreaterOrEqual(t, compared, 11, "every endpoint that takes a body")
}

// The validator is strict: a body with a misspelled member, or with a value of
// another kind, is refused.
func TestTheValidatorRefuses(t *testing.T) {
	t.Parallel()
	for _, d := range documents(t) {
		v := newValidator(t, d, true)
		for _, text := range []string{
			`{}`, `{"input":7}`, `{"input":"a","formating":{}}`, `{"input":"a","formatting":{"merge_table":true}}`,
			`{"input":"a","settings":{"timeout":"1"}}`, `{"input":"a","retrieval":{"chunking":{"chunk_mode":"paragraph"}}}`,
			`{"input":"a","enhance":{"agentic":[{"scope":"word"}]}}`, `{"input":"a","settings":{"page_range":{"start":1,"stop":2}}}`,
		} {
			assert.Error(t, v.validate("SyncParseConfig", value(t, text)), text)
		}
		require.NoError(t, v.validate("SyncParseConfig", value(t, `{"input":"a","settings":{"timeout":null}}`)))
	}
}

// The generator makes what the schemas allow: else it would prove nothing.
func TestGeneratedInstancesAreValid(t *testing.T) {
	t.Parallel()
	for _, d := range documents(t) {
		v := newValidator(t, d, false)
		types := whole(d)
		for _, name := range slices.Sorted(maps.Keys(types)) {
			for _, p := range policies() {
				if p.odd {
					continue
				}
				in := (&generator{d, p}).instance(node{"$ref": schemaPrefix + name})
				assert.NoError(t, v.validate(name, in), "%s: %s", name, p)
			}
		}
	}
}
