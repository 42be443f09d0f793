package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is a schema, or another object of a document.
type node = map[string]any

// document is an OpenAPI document in the form of version 3.1: the schemas are those
// of JSON Schema 2020-12, whichever version the file has.
type document struct {
	name    string // of the file
	version string // of the API
	root    node
}

// load reads a document in JSON or YAML, or the Node SDK in a directory.
func load(path string) (*document, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		d, err := loadSDK(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return d, nil
	}
	raw, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	d, err := parse(filepath.Base(path), raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

func parse(name string, raw []byte) (*document, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		var v any
		if err := yaml.Unmarshal(raw, &v); err != nil {
			return nil, err
		}
		var err error
		if raw, err = json.Marshal(named(v)); err != nil {
			return nil, err
		}
	}
	d := &document{name: name}
	if err := json.Unmarshal(raw, &d.root); err != nil {
		return nil, err
	}
	if format, _ := d.root["openapi"].(string); !strings.HasPrefix(format, "3.") {
		return nil, fmt.Errorf("it is no OpenAPI document of version 3")
	}
	info, _ := d.root["info"].(node)
	if d.version, _ = info["version"].(string); d.version == "" {
		return nil, fmt.Errorf("it does not say which version of the API it describes")
	}
	for _, s := range d.schemas() {
		modernise(s)
	}
	for _, o := range d.operations() {
		for _, p := range o.parameters {
			modernise(p["schema"])
		}
		for _, s := range o.request {
			modernise(s)
		}
		for _, s := range o.responses {
			modernise(s)
		}
	}
	return d, nil
}

// named makes texts of all names in YAML, which may be numbers: statuses are.
func named(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = named(inner)
		}
	case map[any]any:
		out := node{}
		for name, inner := range v {
			out[fmt.Sprint(name)] = named(inner)
		}
		return out
	case []any:
		for i := range v {
			v[i] = named(v[i])
		}
	}
	return v
}

// schemas are the named schemas.
func (d *document) schemas() node {
	components, _ := d.root["components"].(node)
	schemas, _ := components["schemas"].(node)
	return schemas
}

const schemaPrefix = "#/components/schemas/"

// schema finds what a reference leads to.
func (d *document) schema(ref string) (name string, s node, err error) {
	name, ok := strings.CutPrefix(ref, schemaPrefix)
	if ok {
		s, ok = d.schemas()[name].(node)
	}
	if !ok {
		return "", nil, fmt.Errorf("%s: the reference %q leads nowhere", d.name, ref)
	}
	return name, s, nil
}

// modernise turns a schema of OpenAPI 3.0 into one of JSON Schema 2020-12, in place.
// One that is so already stays as it is.
func modernise(schema any) {
	s, ok := schema.(node)
	if !ok {
		return
	}
	for _, key := range []string{"properties", "patternProperties", "$defs"} {
		named, _ := s[key].(node)
		for _, child := range named {
			modernise(child)
		}
	}
	for _, key := range []string{"items", "additionalProperties", "propertyNames", "not"} {
		modernise(s[key])
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf", "prefixItems"} {
		for _, child := range list(s[key]) {
			modernise(child)
		}
	}
	for bound, limit := range map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"} {
		if exclusive, old := s[bound].(bool); old {
			delete(s, bound)
			if exclusive {
				s[bound] = s[limit]
				delete(s, limit)
			}
		}
	}
	if kinds := list(s["type"]); len(kinds) > 0 {
		delete(s, "type")
		inner := part(s)
		var arms []any
		for _, kind := range kinds {
			arm := maps.Clone(inner)
			arm["type"] = kind
			arms = append(arms, arm)
		}
		s["anyOf"] = arms
	}
	nullable, old := s["nullable"].(bool)
	delete(s, "nullable")
	if !old || !nullable || !constrains(s) {
		return
	}
	inner := part(s)
	s["anyOf"] = []any{inner, node{"type": "null"}}
}

// part takes out of a schema what it says of values.
func part(s node) node {
	inner := node{}
	for key, value := range s {
		if !annotates(key) {
			inner[key] = value
			delete(s, key)
		}
	}
	return inner
}

func annotates(key string) bool {
	return slices.Contains([]string{"default", "description", "title", "example", "deprecated"}, key)
}

// constrains reports whether a schema says anything of values.
func constrains(s node) bool {
	for key := range s {
		if !annotates(key) {
			return true
		}
	}
	return false
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
