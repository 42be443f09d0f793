package main

import (
	"fmt"
	"maps"
	"slices"
)

// A role is where a schema is reached from.
type role int

const (
	inRequest role = iota
	inResponse
)

func (r role) String() string { return [...]string{"request", "response"}[r] }

// object is a schema with members, or a named one without. An object without a name
// of its own is called by the way to it: Owner.member.
type object struct {
	members  map[string][]node // the schemas of each member: several where arms of a union have it
	required map[string]bool   // in every arm that has the member
	named    bool
}

func newObject(named bool) *object {
	return &object{members: map[string][]node{}, required: map[string]bool{}, named: named}
}

// contract is all that a document says, as far as an operation reaches it.
type contract struct {
	doc     *document
	objects [2]map[string]*object // by role and name
	err     error
}

// read follows every operation of a document.
func read(d *document) (*contract, error) {
	c := &contract{doc: d}
	for r := range c.objects {
		c.objects[r] = map[string]*object{}
	}
	for _, o := range d.operations() {
		for _, s := range o.request {
			c.visit(s, o.endpoint+" body", inRequest)
		}
		for _, s := range o.responses {
			c.visit(s, o.endpoint+" answer", inResponse)
		}
	}
	return c, c.err
}

// visit reads a schema that is called name unless it refers to one with a name of
// its own.
func (c *contract) visit(s node, name string, r role) {
	if ref, ok := s["$ref"].(string); ok {
		target, inner, err := c.doc.schema(ref)
		if err != nil {
			c.err = err
			return
		}
		if c.objects[r][target] == nil {
			c.objects[r][target] = newObject(true)
			c.visit(inner, target, r)
		}
		s = without(s, "$ref")
	}
	for _, key := range []string{"properties", "patternProperties"} {
		properties, _ := s[key].(node)
		for _, member := range slices.Sorted(maps.Keys(properties)) {
			inner, ok := properties[member].(node)
			if !ok {
				inner = node{} // true: anything
			}
			o := c.objects[r][name]
			if o == nil {
				o = newObject(false)
				c.objects[r][name] = o
			}
			required := slices.Contains(list(s["required"]), any(member))
			o.required[member] = required && (o.members[member] == nil || o.required[member])
			o.members[member] = append(o.members[member], inner)
			c.visit(inner, name+"."+member, r)
		}
	}
	for _, part := range list(s["allOf"]) {
		// The parts of an object are no objects of their own.
		part, err := c.doc.resolve(part)
		if err != nil {
			c.err = err
			return
		}
		c.visit(part, name, r)
	}
	for _, key := range []string{"anyOf", "oneOf", "prefixItems"} {
		for _, arm := range list(s[key]) {
			if arm, ok := arm.(node); ok {
				c.visit(arm, name, r)
			}
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner, ok := s[key].(node); ok {
			c.visit(inner, name, r)
		}
	}
	discriminator, _ := s["discriminator"].(node)
	mapping, _ := discriminator["mapping"].(node)
	for _, target := range mapping {
		if ref, ok := target.(string); ok {
			c.visit(node{"$ref": ref}, name, r)
		}
	}
}

// resolve follows references until there is none.
func (d *document) resolve(v any) (node, error) {
	s, _ := v.(node)
	for range 100 {
		ref, ok := s["$ref"].(string)
		if !ok {
			return s, nil
		}
		var err error
		if _, s, err = d.schema(ref); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: references go round in a circle", d.name)
}

func without(s node, key string) node {
	rest := maps.Clone(s)
	delete(rest, key)
	return rest
}

// enums are the values that a member may have, and those that the names of its own
// members may have, as far as the schema lists them. Objects are left to themselves.
func (d *document) enums(schemas ...node) (values, keys []string) {
	add := func(to *[]string, v any) {
		if text, ok := v.(string); ok && !slices.Contains(*to, text) {
			*to = append(*to, text)
		}
	}
	var follow func(v any, seen []string)
	follow = func(v any, seen []string) {
		s, ok := v.(node)
		if !ok {
			return
		}
		if ref, ok := s["$ref"].(string); ok && !slices.Contains(seen, ref) {
			_, target, err := d.schema(ref)
			if err == nil {
				follow(target, append(seen, ref))
			}
		}
		for _, v := range list(s["enum"]) {
			add(&values, v)
		}
		add(&values, s["const"])
		for _, key := range []string{"anyOf", "oneOf", "allOf", "prefixItems"} {
			for _, arm := range list(s[key]) {
				follow(arm, seen)
			}
		}
		follow(s["items"], seen)
		follow(s["additionalProperties"], seen)
		names, _ := s["propertyNames"].(node)
		for _, v := range list(names["enum"]) {
			add(&keys, v)
		}
	}
	for _, s := range schemas {
		follow(s, nil)
	}
	return values, keys
}

// discriminators are the values that tell the arms of a member's union apart, by the
// name of the member in which they stand.
func (d *document) discriminators(schemas ...node) map[string][]string {
	found := map[string][]string{}
	var follow func(v any)
	follow = func(v any) {
		s, ok := v.(node)
		if !ok {
			return
		}
		discriminator, _ := s["discriminator"].(node)
		mapping, _ := discriminator["mapping"].(node)
		if name, ok := discriminator["propertyName"].(string); ok && len(mapping) > 0 {
			found[name] = slices.Sorted(maps.Keys(mapping))
		}
		for _, key := range []string{"anyOf", "oneOf", "allOf"} {
			for _, arm := range list(s[key]) {
				follow(arm)
			}
		}
		follow(s["items"])
	}
	for _, s := range schemas {
		follow(s)
	}
	return found
}
