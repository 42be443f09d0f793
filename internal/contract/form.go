package main

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/reducto-go/reducto"
)

// forms are the kinds of JSON that the types which read it by themselves take; nil
// stands for any.
var forms = map[reflect.Type][]string{
	reflect.TypeFor[json.RawMessage]():      nil,
	reflect.TypeFor[reducto.Input]():        nil,
	reflect.TypeFor[reducto.PageRange]():    nil,
	reflect.TypeFor[reducto.Result]():       nil,
	reflect.TypeFor[reducto.TableSize]():    {"integer", "object"},
	reflect.TypeFor[reducto.Time]():         {"string"},
	reflect.TypeFor[reducto.SplitPage]():    {"integer", "object"},
	reflect.TypeFor[reducto.AgenticScope](): {"object"},
}

// formsOf are the kinds of JSON that a type takes besides null, and whether it takes
// any.
func formsOf(t reflect.Type) (kinds []string, anything bool) {
	if kinds, ok := forms[t]; ok {
		return kinds, kinds == nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return formsOf(t.Elem())
	case reflect.Bool:
		return []string{"boolean"}, false
	case reflect.Int, reflect.Int64:
		return []string{"integer"}, false
	case reflect.Float64:
		return []string{"integer", "number"}, false
	case reflect.String:
		return []string{"string"}, false
	case reflect.Slice:
		return []string{"array"}, false
	case reflect.Struct, reflect.Map:
		return []string{"object"}, false
	}
	return nil, true
}

// compareForms reports the kinds of JSON that a document has for a member and that
// the field's type does not take, and the schemas that are another type than it.
func (c *comparison) compareForms(r role, at string, schemas []node, t reflect.Type) {
	takes, anything := formsOf(t)
	if anything {
		return
	}
	arms := map[string][]node{}
	for _, s := range schemas {
		c.arms(s, arms, 0)
	}
	for _, kind := range slices.Sorted(maps.Keys(arms)) {
		if !slices.Contains(takes, kind) {
			c.missing("%s field %s as %s", r, at, kind)
		}
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice:
		for _, s := range arms["array"] {
			if items, ok := s["items"].(node); ok {
				c.compareForms(r, at+"[]", []node{items}, t.Elem())
			}
		}
	case reflect.Map:
		for _, s := range arms["object"] {
			if inner, ok := s["additionalProperties"].(node); ok {
				c.compareForms(r, at+"{}", []node{inner}, t.Elem())
			}
		}
	case reflect.Struct:
		for _, s := range arms["object"] {
			name, _ := s["$ref"].(string)
			name = strings.TrimPrefix(name, schemaPrefix)
			if b, ok := bindingOf(name, r); ok && len(b.types) > 0 && !slices.Contains(b.types, t) {
				c.missing("%s field %s as %s", r, at, name)
			}
		}
	}
}

// arms sorts what a schema allows by the kind of JSON. An object that has a name
// stays a reference.
func (c *comparison) arms(s node, into map[string][]node, depth int) {
	if depth > 100 {
		return // a circle of references
	}
	if ref, ok := s["$ref"].(string); ok {
		_, target, err := c.doc.schema(ref)
		if err != nil {
			return
		}
		inner := map[string][]node{}
		c.arms(target, inner, depth+1)
		for kind, schemas := range inner {
			if kind == "object" {
				schemas = []node{s}
			}
			into[kind] = append(into[kind], schemas...)
		}
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		for _, arm := range list(s[key]) {
			if arm, ok := arm.(node); ok {
				c.arms(arm, into, depth+1)
			}
		}
	}
	if kind, ok := s["type"].(string); ok && kind != "null" {
		into[kind] = append(into[kind], s)
	}
}
