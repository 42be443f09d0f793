package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator makes instances of a document's schemas. Bytes make the choices that a schema
// leaves open; at their end, every choice is zero.
type generator struct {
	doc     *document
	rest    []byte
	values  bool // it may make a text that is in no enum
	members bool // it may make one more member than a schema has
	odd     bool // it did one of the two
}

// rounds is how many instances of a schema a test makes.
const rounds = 120

// generate returns the nth generator of a test. Of three, one makes what the schemas allow,
// one adds members, and one adds values too.
func generate(d *document, n int) *generator {
	choices := make([]byte, 4<<10)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(choices)
	return &generator{doc: d, rest: choices, values: n%3 == 2, members: n%3 >= 1}
}

func (g *generator) next() int {
	if len(g.rest) == 0 {
		return 0
	}
	b := g.rest[0]
	g.rest = g.rest[1:]
	return int(b)
}

func (g *generator) choose(n int) int { return g.next() % n }

func (g *generator) strange(allowed bool, odds int) bool {
	strange := g.choose(odds) == 1 && allowed
	g.odd = g.odd || strange
	return strange
}

func (g *generator) length() int { return g.choose(3) }

func (g *generator) text() string {
	n := min(g.choose(9), len(g.rest))
	s := strings.ToValidUTF8(string(g.rest[:n]), "\u2028")
	g.rest = g.rest[n:]
	return s
}

// anything is any JSON. Its objects have no names that the API has.
func (g *generator) anything() any {
	return parsed([]string{
		`{"k1":1,"k2":[null,{"k3":"\u00e9"}]}`, `[]`, `"text"`, `12345678901234`, `-0.5`, `true`, `{}`, `[[1],{"k1":null}]`, `false`, `0`, `""`,
	}[g.choose(11)])
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
			return times[g.choose(len(times))]
		}
		return g.text()
	case "integer":
		return within(s, float64(g.next()<<g.choose(40)))
	case "number":
		return within(s, float64(g.next()-100)/[]float64{1, 3, 256, 1e-9, 1e21}[g.choose(5)])
	case "boolean":
		return g.choose(2) == 0
	case "null":
		return nil
	case nil:
		return g.anything()
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
	if hasNull && g.choose(5) == 1 {
		return nil
	}
	arms = slices.DeleteFunc(slices.Clone(arms), isNull)
	arm := arms[g.choose(len(arms))].(node)
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
	if g.strange(g.values, 16) {
		return "never heard of"
	}
	return values[g.choose(len(values))]
}

func (g *generator) object(s node) any {
	o := node{}
	properties, _ := s["properties"].(node)
	required := list(s["required"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) || g.choose(4) != 0 {
			o[name] = g.instance(properties[name].(node))
		}
		if o[name] == "" && (name == "url" || name == "file_id") {
			o[name] = "x" // the library refuses an answer in which these are empty
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
	if s["additionalProperties"] == true || g.strange(g.members, 8) {
		o["x_unknown"] = g.anything()
	}
	return o
}

// jobTypes are the kinds of job that a result belongs to.
var jobTypes = map[string]string{
	"ParseResponse": "Parse", "ExtractResponse": "Extract", "V3ExtractResponse": "Extract", "SplitResponse": "Split",
	"EditResponse": "Edit", "PipelineResponse": "Pipeline", "ClassifyResponse": "Classify", "ChartResponse": "Chart",
}

// kindsOf are the schemas of results that a document has.
func kindsOf(d *document) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(jobTypes)), func(kind string) bool { return d.schemas()[kind] == nil })
}

// job makes a job whose type is that of its result, as only a broken service has it
// otherwise. kind is the schema of the result; empty for none.
func (g *generator) job(schema, kind string) node {
	job := g.instance(ref(schema)).(node)
	delete(job, "result")
	if kind == "" {
		return job
	}
	result := g.instance(ref(kind)).(node)
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
