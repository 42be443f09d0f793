package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/reducto-go/reducto"
)

// difference is something that only one of the two has.
type difference struct {
	missing bool   // the document has it, the library lacks it
	subject string // what it is: "response field ParseBlock.content"
}

func (d difference) String() string {
	if d.missing {
		return "missing " + d.subject + ": the document has it, the library lacks it"
	}
	return "extra " + d.subject + ": the library has it, the document lacks it"
}

// counts are how many things were compared.
type counts struct {
	endpoints, requestFields, responseFields, values int
	typed, shown                                     int // fields whose types were compared: by Go type, by examples
}

func (c counts) String() string {
	return fmt.Sprintf("%d endpoints, %d request fields, %d response fields (%d with types, %d by examples), %d enum values",
		c.endpoints, c.requestFields, c.responseFields, c.typed, c.shown, c.values)
}

func (c counts) plus(o counts) counts {
	return counts{
		c.endpoints + o.endpoints, c.requestFields + o.requestFields, c.responseFields + o.responseFields, c.values + o.values,
		c.typed + o.typed, c.shown + o.shown,
	}
}

// comparison compares one document.
type comparison struct {
	*contract
	w      *world
	counts counts
	found  []difference
	listed map[string][]string // the values that the document has for a Go type
	places []place
}

func (c *comparison) missing(format string, args ...any) {
	c.add(difference{true, fmt.Sprintf(format, args...)})
}

func (c *comparison) extra(format string, args ...any) {
	c.add(difference{false, fmt.Sprintf(format, args...)})
}

func (c *comparison) add(d difference) {
	if !slices.Contains(c.found, d) {
		c.found = append(c.found, d)
	}
}

// compare reports every difference between a document and the library.
func compare(d *document, w *world) ([]difference, counts, error) {
	read, err := read(d)
	if err != nil {
		return nil, counts{}, err
	}
	c := &comparison{contract: read, w: w, listed: map[string][]string{}}
	c.compareEndpoints()
	for _, r := range []role{inRequest, inResponse} {
		for _, name := range slices.Sorted(maps.Keys(c.objects[r])) {
			if err := c.compareObject(name, r); err != nil {
				return nil, counts{}, fmt.Errorf("%s: %w", name, err)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(bindings[r])) {
			if c.objects[r][name] == nil && c.objects[r][renamed[name]] == nil {
				c.extra("%s schema %s", r, name)
			}
		}
	}
	c.compareConstants()
	c.compareTypes()
	slices.SortStableFunc(c.found, func(a, b difference) int { return strings.Compare(a.subject, b.subject) })
	return c.found, c.counts, nil
}

func (c *comparison) compareEndpoints() {
	seen := map[string]bool{}
	for _, o := range c.doc.operations() {
		seen[o.endpoint] = true
		c.counts.endpoints++
		if c.w.used[o.endpoint] == nil {
			c.missing("endpoint %s", o.endpoint)
			continue
		}
		sent := c.w.query(o.endpoint)
		for _, p := range o.parameters {
			name, _ := p["name"].(string)
			c.counts.requestFields++
			switch p["in"] {
			case "path":
				if !strings.Contains(o.endpoint, "{"+name+"}") {
					c.missing("request field %s?%s", o.endpoint, name)
				}
			case "query":
				examples := sent.examples[name]
				delete(sent.examples, name)
				if examples == nil {
					c.missing("request field %s?%s", o.endpoint, name)
					break
				}
				c.compareParameter(o.endpoint+"?"+name, p, examples, sent.bodies)
			default:
				c.missing("request field %s (%v) %s", o.endpoint, p["in"], name)
			}
			if s, ok := p["schema"].(node); ok {
				c.compareValues(o.endpoint+"?"+name, []node{s}, nil)
			}
		}
		for _, name := range sent.names() {
			c.extra("request field %s?%s", o.endpoint, name)
		}
		for _, m := range c.w.used[o.endpoint] {
			if said := slices.Contains(c.w.source.deprecated, m); o.deprecated && !said {
				c.missing("deprecation of %s in the comment of %s", o.endpoint, m)
			} else if said && !o.deprecated {
				c.extra("deprecation of %s in the comment of %s", o.endpoint, m)
			}
		}
	}
	for _, endpoint := range c.w.endpoints() {
		if !seen[endpoint] {
			c.extra("endpoint %s", endpoint)
		}
	}
}

// compareParameter compares a parameter of a query by what was sent.
func (c *comparison) compareParameter(at string, p node, examples []any, requests int) {
	c.counts.shown++
	if s, ok := p["schema"].(node); ok {
		c.compareForm(inRequest, at, []node{s}, exampleForm(examples))
	}
	if p["required"] == true && len(examples) < requests {
		c.missing("requirement of request field %s", at)
	}
}

func (c *comparison) compareObject(name string, r role) error {
	o := c.objects[r][name]
	b, ok := bindingOf(name, r)
	if !ok {
		c.missing("%s schema %s", r, name)
		c.counts.add(r, len(o.members))
		return nil
	}
	var known memberSet
	if b.members != nil {
		var err error
		if known, err = b.members(c.w); err != nil {
			return err
		}
	}
	for _, member := range slices.Sorted(maps.Keys(o.members)) {
		c.counts.add(r, 1)
		at := name + "." + member
		if known.examples[member] == nil {
			c.missing("%s field %s", r, at)
			continue
		}
		if err := c.compareMember(r, at, o, member, b, known); err != nil {
			return err
		}
	}
	for _, member := range known.names() {
		if o.members[member] == nil {
			c.extra("%s field %s.%s", r, name, member)
		}
	}
	// A named schema of texts has its values here.
	if values, _ := c.doc.enums(c.named(name)); len(values) > 0 && len(b.types) > 0 {
		c.compareTexts(name, values, b.types[0])
	}
	return nil
}

// compareMember compares a member that both have.
func (c *comparison) compareMember(r role, at string, o *object, member string, b binding, known memberSet) error {
	schemas := o.members[member]
	field, ok := b.field(member)
	t := field.Type
	if shown := known.shown[member]; !ok && shown != nil {
		t = shown
	}
	if member == "scope" {
		t = reflect.TypeFor[reducto.AgenticScopeName]()
	}
	c.compareValues(at, schemas, t)
	if t == nil {
		c.counts.shown++
		c.compareForm(r, at, schemas, exampleForm(known.examples[member]))
		if o.required[member] && len(known.examples[member]) < known.bodies {
			c.missing("requirement of %s field %s", r, at)
		}
		return nil
	}
	c.counts.typed++
	f, err := formOf(t)
	if err != nil {
		return err
	}
	c.compareForm(r, at, schemas, f)
	if ok {
		c.compareNeed(r, at, o, member, field, f)
	}
	return nil
}

func (c *counts) add(r role, n int) {
	if r == inRequest {
		c.requestFields += n
	} else {
		c.responseFields += n
	}
}

// named is a named schema without what its members say.
func (c *comparison) named(name string) node {
	s, _ := c.doc.schemas()[name].(node)
	return node{"enum": s["enum"], "const": s["const"]}
}

func (c *comparison) compareValues(at string, schemas []node, t reflect.Type) {
	values, keys := c.doc.enums(schemas...)
	valueType, keyType := textType(t)
	c.compareTexts(at, values, valueType)
	if len(keys) > 0 {
		c.compareTexts(at+" (names)", keys, keyType)
	}
	for member, names := range c.doc.discriminators(schemas...) {
		c.compareTexts(at+"."+member, names, nil)
	}
}

// compareTexts compares the values that a document lists at a place with the
// constants of the field's type or, where that is none with constants, with what the
// library sends or understands there.
func (c *comparison) compareTexts(at string, values []string, t reflect.Type) {
	var known func(string) bool
	if t != nil && len(c.w.source.constants[t.Name()]) > 0 && t.PkgPath() == module {
		constants := c.w.source.constants[t.Name()]
		known = func(v string) bool { return slices.Contains(constants, v) }
		c.listed[t.Name()] = append(c.listed[t.Name()], values...)
		if !strings.HasSuffix(at, ".scope") { // each of these schemas has one of the scopes
			c.places = append(c.places, place{at, t.Name(), values})
		}
	} else {
		known = c.fixed(at)
	}
	for _, v := range values {
		c.counts.values++
		if !known(v) {
			c.missing("enum value %s=%s", at, v)
		}
	}
}

// fixed tells the values that the library itself writes or reads at a place.
func (c *comparison) fixed(at string) func(string) bool {
	_, member, _ := strings.Cut(at, ".")
	if i := strings.LastIndex(member, "."); i >= 0 {
		member = member[i+1:]
	}
	switch member {
	case "response_type":
		return knownResult
	case "mode":
		// What the maximal requests had there.
		return func(v string) bool { return c.sends(member, v) }
	case "type":
		return func(v string) bool {
			if at == "FullResult.type" {
				return v == "full"
			}
			return at == "UrlResult.type" && v == "url"
		}
	}
	return func(string) bool { return false }
}

// sends reports whether any request had this text in a member of this name.
func (c *comparison) sends(member, value string) bool {
	var has func(any) bool
	has = func(v any) bool {
		switch v := v.(type) {
		case node:
			if v[member] == value {
				return true
			}
			for _, inner := range v {
				if has(inner) {
					return true
				}
			}
		case []any:
			return slices.ContainsFunc(v, has)
		}
		return false
	}
	return slices.ContainsFunc(c.w.sent, func(s sent) bool { return has(s.body) })
}

// compareConstants reports the constants that no enum of the document has.
func (c *comparison) compareConstants() {
	for _, name := range slices.Sorted(maps.Keys(c.w.source.constants)) {
		for _, v := range c.w.source.constants[name] {
			if !slices.Contains(c.listed[name], v) {
				c.extra("enum value %s=%s", name, v)
			}
		}
	}
	for _, p := range c.places {
		if len(p.values) == 0 {
			c.extra("enum of %s, which is %s", p.at, p.typeName)
			continue
		}
		for _, v := range c.w.source.constants[p.typeName] {
			if slices.Contains(c.listed[p.typeName], v) && !slices.Contains(p.values, v) {
				c.extra("enum value %s=%s", p.at, v)
			}
		}
	}
}

// place is a member whose Go type has constants, and the values that the document
// lists for it.
type place struct {
	at, typeName string
	values       []string
}

// compareTypes reports the exported structs with members in JSON that are bound to
// no schema.
func (c *comparison) compareTypes() {
	bound := map[string]bool{}
	for _, by := range []map[string]binding{bindings[inRequest], bindings[inResponse], both} {
		for _, b := range by {
			for _, t := range b.types {
				bound[t.Name()] = true
			}
		}
	}
	for _, name := range c.w.source.structs {
		if !bound[name] {
			c.extra("type %s", name)
		}
	}
}
