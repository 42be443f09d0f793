package main

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// compareForm reports where a member is another type in the document than in the
// library.
func (c *comparison) compareForm(r role, at string, schemas []node, f *form) {
	d := c.sort(schemas)
	switch {
	case d.anything && (f.anything() || f.partial):
		return
	case d.anything:
		c.missing("%s field %s as anything", r, at)
		return
	case f.anything():
		c.extra("%s field %s as anything", r, at)
		return
	}
	for _, kind := range slices.Sorted(maps.Keys(d.arms)) {
		if !f.takes(kind) {
			c.missing("%s field %s as %s", r, at, kind)
		}
	}
	for _, kind := range f.kinds {
		if d.arms[kind] == nil && !(kind == "integer" && d.arms["number"] != nil) &&
			!((kind == "integer" || kind == "number") && d.arms[numeric] != nil) {
			c.extra("%s field %s as %s", r, at, kind)
		}
	}
	if f.items != nil && d.arms["array"] != nil {
		c.compareForm(r, at+"[]", children(d.arms["array"], "items"), f.items)
	}
	if !f.partial && d.arms["object"] != nil && f.takes("object") {
		c.compareObjects(r, at, d.arms["object"], f)
	}
}

// children are what several schemas say of their items, or of their values. One that
// says nothing allows anything.
func children(schemas []node, key string) []node {
	var found []node
	for _, s := range schemas {
		inner, _ := s[key].(node)
		if inner == nil {
			inner = node{}
		}
		found = append(found, inner)
	}
	return found
}

// compareObjects compares the objects that a member can be.
func (c *comparison) compareObjects(r role, at string, arms []node, f *form) {
	var open []node // objects with members of any name
	bound := map[reflect.Type]bool{}
	for _, s := range arms {
		ref, _ := s["$ref"].(string)
		name, named := strings.CutPrefix(ref, schemaPrefix)
		switch {
		case named:
			b, ok := bindingOf(name, r)
			if !ok || len(b.types) == 0 {
				// A schema that is not known is reported by itself. One without a type is
				// compared by what is sent.
				for _, t := range f.structs {
					bound[t] = true
				}
				if ok && f.values != nil && len(f.structs) == 0 {
					open = append(open, node{})
				}
				continue
			}
			fits := false
			for _, t := range f.structs {
				if slices.Contains(b.types, t) {
					bound[t], fits = true, true
				}
			}
			if !fits {
				c.missing("%s field %s as %s", r, at, name)
			}
		case s["properties"] == nil:
			open = append(open, s)
		}
	}
	for _, t := range f.structs {
		if !bound[t] {
			c.extra("%s field %s as %s", r, at, t.Name())
		}
	}
	switch {
	case f.values != nil && len(open) > 0:
		c.compareForm(r, at+"{}", children(open, "additionalProperties"), f.values)
	case f.values != nil && !slices.ContainsFunc(arms, func(s node) bool { return s["properties"] != nil }):
		c.extra("%s field %s as map", r, at)
	case f.values == nil && len(open) > 0:
		c.missing("%s field %s as map", r, at)
	}
}

// compareNeed reports where only one of the two requires a member, or has null for it.
func (c *comparison) compareNeed(r role, at string, o *object, member string, field reflect.StructField, f *form) {
	_, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	omitted := options != ""
	required := o.required[member]
	switch {
	case required && omitted:
		c.missing("requirement of %s field %s", r, at)
	case !required && !omitted:
		c.extra("requirement of %s field %s", r, at)
	}
	d := c.sort(o.members[member])
	if d.anything || f.anything() {
		return
	}
	// For an optional text, list or object, absent and null mean the same.
	scalar := f.takes("integer") || f.takes("boolean")
	pointer := field.Type.Kind() == reflect.Pointer
	switch {
	case r == inResponse && d.null && !f.nilable && (required || scalar):
		c.missing("%s field %s as null", r, at)
	case !d.null && pointer && !omitted:
		c.extra("%s field %s as null", r, at)
	}
	if r == inRequest {
		for _, s := range o.members[member] {
			if s["default"] == true && !pointer {
				c.missing("%s field %s as false", r, at)
			}
			if value, ok := s["default"]; ok && value != nil && d.null {
				c.missing("%s field %s as null", r, at)
			}
		}
	}
}

// sorted is what schemas allow.
type sorted struct {
	arms     map[string][]node // by the kind of JSON; an object with a name stays a reference
	null     bool
	anything bool
}

func (c *comparison) sort(schemas []node) sorted {
	d := sorted{arms: map[string][]node{}}
	for _, s := range schemas {
		c.sortOne(s, &d, 0)
	}
	if d.anything {
		d.null = true
	}
	return d
}

func (c *comparison) sortOne(s node, into *sorted, depth int) {
	if depth > 100 {
		return // a circle of references
	}
	said := false
	if ref, ok := s["$ref"].(string); ok {
		said = true
		if _, target, err := c.doc.schema(ref); err == nil {
			inner := sorted{arms: map[string][]node{}}
			c.sortOne(target, &inner, depth+1)
			for kind, schemas := range inner.arms {
				if kind == "object" {
					schemas = []node{s}
				}
				into.arms[kind] = append(into.arms[kind], schemas...)
			}
			into.null = into.null || inner.null
			into.anything = into.anything || inner.anything
		}
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		for _, arm := range list(s[key]) {
			said = true
			if arm, ok := arm.(node); ok {
				c.sortOne(arm, into, depth+1)
			}
		}
	}
	kind, typed := s["type"].(string)
	switch {
	case kind == "null":
		into.null = true
	case typed:
		into.arms[kind] = append(into.arms[kind], s)
	case s["properties"] != nil:
		into.arms["object"] = append(into.arms["object"], s)
	case s["enum"] != nil || s["const"] != nil:
		into.arms["string"] = append(into.arms["string"], s)
	case !said:
		into.anything = true
	}
}
