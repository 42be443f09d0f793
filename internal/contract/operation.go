package main

import (
	"maps"
	"slices"
	"strings"
)

// operation is one endpoint of a document.
type operation struct {
	endpoint   string // POST /parse
	parameters []node
	request    []node          // of each content type
	responses  map[string]node // by status and content type
	deprecated bool
}

var methods = []string{"get", "put", "post", "delete", "patch", "head", "options", "trace"}

// operations are the document's endpoints, in order.
func (d *document) operations() []operation {
	paths, _ := d.root["paths"].(node)
	var ops []operation
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item, _ := paths[path].(node)
		for _, method := range methods {
			op, ok := item[method].(node)
			if !ok {
				continue
			}
			o := operation{endpoint: strings.ToUpper(method) + " " + path, responses: map[string]node{}}
			o.deprecated, _ = op["deprecated"].(bool)
			for _, params := range []any{item["parameters"], op["parameters"]} {
				for _, p := range list(params) {
					o.parameters = append(o.parameters, d.component(p))
				}
			}
			for _, s := range contents(d.component(op["requestBody"])) {
				o.request = append(o.request, s)
			}
			responses, _ := op["responses"].(node)
			for status, r := range responses {
				for format, s := range contents(d.component(r)) {
					o.responses[status+" "+format] = s
				}
			}
			ops = append(ops, o)
		}
	}
	return ops
}

// component is a parameter, a body or an answer, also where it is referred to.
func (d *document) component(v any) node {
	c, _ := v.(node)
	ref, ok := c["$ref"].(string)
	if !ok {
		return c
	}
	var at any = d.root
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		inner, _ := at.(node)
		at = inner[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
	}
	found, _ := at.(node)
	return found
}

// contents are the schemas of a body, by content type.
func contents(body node) map[string]node {
	schemas := map[string]node{}
	content, _ := body["content"].(node)
	for format, m := range content {
		media, _ := m.(node)
		if s, ok := media["schema"].(node); ok {
			schemas[format] = s
		}
	}
	return schemas
}

// answer is the schema of a success as JSON, nil if there is none.
func (o operation) answer() node {
	for _, status := range slices.Sorted(maps.Keys(o.responses)) {
		if strings.HasPrefix(status, "2") && strings.HasSuffix(status, " application/json") {
			return o.responses[status]
		}
	}
	return nil
}
