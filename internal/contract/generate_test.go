package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// policy makes the choices that a schema leaves open.
type policy interface {
	include() bool    // an optional member
	null() bool       // null, where it is allowed
	arm(n int) int    // of a union
	value(n int) int  // of an enum
	unheard() bool    // a text instead that is in no enum
	unknown() bool    // one more member than the schema has
	length() int      // of a list, and of an object with names of its own
	number() float64  // any
	integer() int     // any
	text() string     // any
	anything() string // any JSON
}

// generator makes instances of a document's schemas.
type generator struct {
	doc *document
	policy
}

// open are the schemas of ours for what a document leaves open: an object of which
// it says nothing, although its predecessor has its form.
var open = map[string]node{
	"ExtractResponse": {"type": "object", "required": []any{"usage", "result", "citations"}, "properties": node{
		"job_id": nullable("string"), "studio_link": nullable("string"), "usage": extractUsage,
		"result": node{"type": "array", "items": node{}}, "citations": node{"anyOf": []any{node{"type": "array", "items": node{}}, node{"type": "null"}}},
	}},
	"V3ExtractResponse": {"type": "object", "required": []any{"usage", "result"}, "properties": node{
		"job_id": nullable("string"), "studio_link": nullable("string"), "usage": extractUsage, "result": node{},
	}},
}

var extractUsage = node{"type": "object", "required": []any{"num_pages", "num_fields"}, "properties": node{
	"num_pages": node{"type": "integer"}, "num_fields": node{"type": "integer"}, "credits": nullable("number"),
	"extract_mode": node{"anyOf": []any{node{"enum": []any{"super_agent", "extract", "spreadsheet_agent"}}, node{"type": "null"}}},
}}

func nullable(kind string) node {
	return node{"anyOf": []any{node{"type": kind}, node{"type": "null"}}}
}

// instance makes a value of a schema, which must be one that responses have.
func (g *generator) instance(s node) any {
	if ref, ok := s["$ref"].(string); ok {
		name, target, err := g.doc.schema(ref)
		if err != nil {
			panic(err)
		}
		if target["properties"] == nil && open[name] != nil {
			target = open[name]
		}
		return g.instance(target)
	}
	if arms := slices.Concat(list(s["anyOf"]), list(s["oneOf"])); len(arms) > 0 {
		return g.union(s, arms)
	}
	if c, ok := s["const"]; ok {
		return g.listed([]any{c})
	}
	if values := list(s["enum"]); len(values) > 0 {
		return g.listed(values)
	}
	switch s["type"] {
	case "object":
		return g.object(s)
	case "array":
		items, _ := s["items"].(node)
		out := make([]any, g.length())
		for i := range out {
			out[i] = g.instance(items)
		}
		return out
	case "string":
		if s["format"] == "date-time" {
			times := []string{"2026-09-06T05:17:35.492581", "2026-09-06T05:17:35", "2026-09-06T05:17:35Z", "2026-09-06T05:17:35.5+02:00", "2026-09-06 05:17:35"}
			return times[g.value(len(times))]
		}
		return g.text()
	case "integer":
		return within(s, float64(g.integer()))
	case "number":
		return within(s, g.number())
	case "boolean":
		return g.value(2) == 0
	case "null":
		return nil
	case nil:
		return parsed(g.anything())
	}
	panic(fmt.Sprintf("no instance of %v", s))
}

// within keeps a number between the limits of a schema.
func within(s node, n float64) float64 {
	if least, ok := s["minimum"].(float64); ok {
		n = max(n, least)
	}
	if most, ok := s["maximum"].(float64); ok {
		n = min(n, most)
	}
	return n
}

func (g *generator) union(s node, arms []any) any {
	isNull := func(arm any) bool { return arm.(node)["type"] == "null" }
	hasNull := slices.ContainsFunc(arms, isNull)
	if hasNull && g.null() {
		return nil
	}
	arms = slices.DeleteFunc(slices.Clone(arms), isNull)
	arm := arms[g.arm(len(arms))].(node)
	v := g.instance(arm)
	// What tells the arms apart is there, also where the document leaves it out.
	discriminator, _ := s["discriminator"].(node)
	member, _ := discriminator["propertyName"].(string)
	mapping, _ := discriminator["mapping"].(node)
	for name, target := range mapping {
		if o, ok := v.(node); ok && target == arm["$ref"] && o[member] == nil {
			o[member] = name
		}
	}
	return v
}

func (g *generator) listed(values []any) any {
	if g.unheard() {
		return "never heard of"
	}
	return values[g.value(len(values))]
}

func (g *generator) object(s node) any {
	o := node{}
	properties, _ := s["properties"].(node)
	required := list(s["required"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) || g.include() {
			o[name] = g.instance(properties[name].(node))
		}
	}
	if inner, ok := s["additionalProperties"].(node); ok {
		names, _ := s["propertyNames"].(node)
		for i := range g.length() {
			name := fmt.Sprint(i + 1)
			if listed := list(names["enum"]); len(listed) > 0 {
				name, _ = g.listed(listed).(string)
			}
			o[name] = g.instance(inner)
		}
		return o
	}
	if s["additionalProperties"] == true || g.unknown() {
		o["x_unknown"] = parsed(g.anything())
	}
	return o
}

// jobTypes are the kinds of job that a result belongs to.
var jobTypes = map[string]string{
	"ParseResponse": "Parse", "ExtractResponse": "Extract", "V3ExtractResponse": "Extract", "SplitResponse": "Split",
	"EditResponse": "Edit", "PipelineResponse": "Pipeline", "ClassifyResponse": "Classify",
}

// job makes a job whose type is that of its result, as only a broken service has it
// otherwise. kind is the schema of the result; empty for none.
func (g *generator) job(schema, kind string) node {
	job := g.instance(node{"$ref": schemaPrefix + schema}).(node)
	delete(job, "result")
	if kind == "" {
		return job
	}
	result := g.instance(node{"$ref": schemaPrefix + kind}).(node)
	if d := g.doc.discriminators(g.doc.schemas()[schema].(node)["properties"].(node)["result"].(node)); len(d) > 0 && result["response_type"] == nil {
		// With a discriminator, a result names itself.
		result["response_type"] = map[string]string{"ExtractResponse": "extract", "V3ExtractResponse": "v3_extract"}[kind]
		if result["response_type"] == "" {
			result["response_type"] = strings.ToLower(jobTypes[kind])
		}
	}
	job["result"] = result
	if _, ok := job["type"].(string); ok {
		job["type"] = jobTypes[kind]
	}
	return job
}

// fixed is a policy that always chooses the same.
type fixed struct {
	all, nulls, odd, more bool
	nth                   int // of the arms and of the values
}

func (f fixed) String() string {
	return fmt.Sprintf("optional %t, nulls %t, unheard %t, unknown %t, choice %d", f.all, f.nulls, f.odd, f.more, f.nth)
}

func (f fixed) include() bool    { return f.all }
func (f fixed) null() bool       { return f.nulls }
func (f fixed) arm(n int) int    { return f.nth % n }
func (f fixed) value(n int) int  { return f.nth % n }
func (f fixed) unheard() bool    { return f.odd }
func (f fixed) unknown() bool    { return f.more }
func (f fixed) length() int      { return 1 }
func (f fixed) number() float64  { return float64(f.nth) + 0.25 }
func (f fixed) integer() int     { return f.nth + 1 }
func (f fixed) text() string     { return "téxt \"" + fmt.Sprint(f.nth) }
func (f fixed) anything() string { return anythings[f.nth%len(anythings)] }

// anythings are what may stand where anything may. Objects have no names that the
// API has.
var anythings = []string{
	`{"k1":1,"k2":[null,{"k3":"\u00e9"}]}`, `[]`, `"text"`, `12345678901234`, `-0.5`, `true`, `{}`, `[[1],{"k1":null}]`, `false`, `0`, `""`,
}

// policies are all fixed ones that make a difference: as many choices as the largest
// enum has values.
func policies() []fixed {
	var out []fixed
	for nth := range 16 {
		out = append(out, fixed{all: true, nth: nth}, fixed{nth: nth}, fixed{all: true, nulls: true, nth: nth},
			fixed{all: true, odd: true, nth: nth}, fixed{all: true, more: true, nth: nth}, fixed{more: true, nth: nth},
			fixed{all: true, odd: true, more: true, nth: nth})
	}
	return out
}

// drawn is a policy that a text decides; at its end, everything is zero.
type drawn struct {
	rest []byte
	odd  bool // it made something that no schema has
}

func (d *drawn) next() int {
	if len(d.rest) == 0 {
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return int(b)
}

func (d *drawn) strange(odds int) bool {
	strange := d.next()%odds == 1
	d.odd = d.odd || strange
	return strange
}

func (d *drawn) include() bool    { return d.next()%4 != 0 }
func (d *drawn) null() bool       { return d.next()%5 == 1 }
func (d *drawn) arm(n int) int    { return d.next() % n }
func (d *drawn) value(n int) int  { return d.next() % n }
func (d *drawn) unheard() bool    { return d.strange(16) }
func (d *drawn) unknown() bool    { return d.strange(8) }
func (d *drawn) length() int      { return d.next() % 3 }
func (d *drawn) anything() string { return anythings[d.next()%len(anythings)] }

func (d *drawn) number() float64 {
	return float64(d.next()-100) / []float64{1, 3, 256, 1e-9, 1e21}[d.next()%5]
}

func (d *drawn) integer() int { return d.next() << (d.next() % 40) }

func (d *drawn) text() string {
	n := min(d.next()%9, len(d.rest))
	s := strings.ToValidUTF8(string(d.rest[:n]), "\u2028")
	d.rest = d.rest[n:]
	return s
}
