package reductotest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// rule checks the decoded JSON value at the path loc.
type rule func(c *checker, loc []any, v any)

// checker collects the problems of a request.
type checker struct {
	problems problems
	unknown  []string // members that no rule names
}

func (c *checker) problem(kind, message string, loc []any, input any, ctx object) {
	p := obj("type", kind, "loc", slices.Clone(loc), "msg", message, "input", input)
	if ctx != nil {
		p = append(p, member{"ctx", ctx})
	}
	c.problems = append(c.problems, p)
}

func at(loc []any, item any) []any { return append(slices.Clone(loc), item) }

var (
	anything rule = func(*checker, []any, any) {}
	boolean       = ofType[bool]("bool_parsing", "Input should be a valid boolean")
	text          = ofType[string]("string_type", "Input should be a valid string")
	number        = ofType[json.Number]("float_parsing", "Input should be a valid number")
)

func ofType[T any](kind, message string) rule {
	return func(c *checker, loc []any, v any) {
		if _, ok := v.(T); !ok {
			c.problem(kind, message, loc, v, nil)
		}
	}
}

func integer(c *checker, loc []any, v any) {
	n, _ := v.(json.Number)
	if _, err := n.Int64(); err != nil {
		c.problem("int_parsing", "Input should be a valid integer", loc, v, nil)
	}
}

// between accepts what r accepts, if it is a number from low to high.
func between(low, high float64, r rule) rule {
	return func(c *checker, loc []any, v any) {
		before := len(c.problems)
		r(c, loc, v)
		n, ok := v.(json.Number)
		if !ok || len(c.problems) > before {
			return
		}
		f, _ := n.Float64()
		switch {
		case f < low:
			c.problem("greater_than_equal", fmt.Sprintf("Input should be greater than or equal to %g", low), loc, v, obj("ge", low))
		case f > high:
			c.problem("less_than_equal", fmt.Sprintf("Input should be less than or equal to %g", high), loc, v, obj("le", high))
		}
	}
}

func nullable(r rule) rule {
	return func(c *checker, loc []any, v any) {
		if v != nil {
			r(c, loc, v)
		}
	}
}

func enum(values ...string) rule {
	expected := "'" + strings.Join(values, "', '") + "'"
	if i := strings.LastIndex(expected, ", "); i >= 0 {
		expected = expected[:i] + " or" + expected[i+1:]
	}
	return func(c *checker, loc []any, v any) {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			c.problem("literal_error", "Input should be "+expected, loc, v, obj("expected", expected))
		}
	}
}

func list(r rule) rule {
	return func(c *checker, loc []any, v any) {
		items, ok := v.([]any)
		if !ok {
			c.problem("list_type", "Input should be a valid list", loc, v, nil)
			return
		}
		for i, item := range items {
			r(c, at(loc, i), item)
		}
	}
}

// oneOf accepts what any of the rules accepts. Otherwise it reports the problems of all.
func oneOf(rules ...rule) rule {
	return func(c *checker, loc []any, v any) {
		var all problems
		for _, r := range rules {
			var tried checker
			r(&tried, loc, v)
			if len(tried.problems) == 0 {
				c.unknown = append(c.unknown, tried.unknown...)
				return
			}
			all = append(all, tried.problems...)
		}
		c.problems = append(c.problems, all...)
	}
}

// fields are the members of an object. A key that ends in "!" is required.
type fields map[string]rule

// with returns f with another member.
func (f fields) with(key string, r rule) fields {
	g := maps.Clone(f)
	if g == nil {
		g = fields{}
	}
	g[key] = r
	return g
}

func (f fields) check(c *checker, loc []any, v any) {
	o, ok := v.(map[string]any)
	if !ok {
		c.problem("model_attributes_type", "Input should be a valid dictionary or object to extract fields from", loc, v, nil)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(f)) {
		name, required := strings.CutSuffix(key, "!")
		value, present := o[name]
		switch {
		case present:
			f[key](c, at(loc, name), value)
		case required:
			c.problem("missing", "Field required", at(loc, name), v, nil)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if f[key] == nil && f[key+"!"] == nil {
			var path strings.Builder
			for _, item := range loc[min(2, len(loc)):] { // without "body" and the model
				fmt.Fprintf(&path, "%v.", item)
			}
			c.unknown = append(c.unknown, path.String()+key)
		}
	}
}

// tagged checks an object by the fields that its member "mode" selects.
func tagged(byMode map[string]fields) rule {
	return func(c *checker, loc []any, v any) {
		mode := lookupString(v, "mode")
		if f, known := byMode[mode]; known {
			f.check(c, at(loc, mode), v)
			return
		}
		fields{"mode!": enum(slices.Sorted(maps.Keys(byMode))...)}.check(c, loc, v)
	}
}

// intOr returns the integer of a decoded JSON value, or a default.
func intOr(v any, otherwise int) int {
	if n, ok := v.(json.Number); ok {
		if i, err := strconv.Atoi(n.String()); err == nil {
			return i
		}
	}
	return otherwise
}

// lookup follows keys into a decoded JSON object. It returns nil if one is absent.
func lookup(v any, keys ...string) any {
	for _, key := range keys {
		o, _ := v.(map[string]any)
		v = o[key]
	}
	return v
}

func lookupString(v any, keys ...string) string {
	s, _ := lookup(v, keys...).(string)
	return s
}

func lookupBool(v any, keys ...string) bool {
	b, _ := lookup(v, keys...).(bool)
	return b
}

// lookupStrings returns the strings of a list.
func lookupStrings(v any, keys ...string) (list []string) {
	items, _ := lookup(v, keys...).([]any)
	for _, item := range items {
		if s, ok := item.(string); ok {
			list = append(list, s)
		}
	}
	return list
}
