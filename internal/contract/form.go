package main

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/reducto-go/reducto"
)

// form is what a Go type is in JSON.
type form struct {
	kinds   []string       // string, integer, number, boolean, array, object; nil: anything
	items   *form          // what an array has
	values  *form          // what a map has; nil: no map
	structs []reflect.Type // what an object with fixed members can be
	nilable bool           // it has a value for null that is not its zero in JSON
	partial bool           // it was read from examples, which need not show everything
}

func (f *form) anything() bool { return f.kinds == nil }

// takes reports whether the form has a kind of JSON. A number may be whole.
func (f *form) takes(kind string) bool {
	return slices.Contains(f.kinds, kind) ||
		kind == "integer" && slices.Contains(f.kinds, "number") ||
		kind == numeric && (slices.Contains(f.kinds, "number") || slices.Contains(f.kinds, "integer"))
}

// numeric is the kind of numbers in a document that does not say whether they are
// whole.
const numeric = "numeric"

var (
	anyForm  = &form{nilable: true}
	textForm = &form{kinds: []string{"string"}}
)

// forms are the types that encode themselves, and the interfaces.
var forms = map[reflect.Type]*form{
	reflect.TypeFor[json.RawMessage](): anyForm,
	reflect.TypeFor[any]():             anyForm,
	reflect.TypeFor[reducto.Input]():   {kinds: []string{"string", "array"}, items: textForm},
	reflect.TypeFor[reducto.PageRange](): {
		kinds: []string{"object", "array"}, structs: []reflect.Type{reflect.TypeFor[reducto.Span]()},
		items: &form{kinds: []string{"integer", "object", "string"}, structs: []reflect.Type{reflect.TypeFor[reducto.Span]()}},
	},
	reflect.TypeFor[reducto.TableSize](): {kinds: []string{"integer", "object"}, structs: []reflect.Type{reflect.TypeFor[reducto.TableSize]()}},
	reflect.TypeFor[reducto.Time]():      textForm,
	reflect.TypeFor[reducto.SplitPage](): {kinds: []string{"integer", "object"}, structs: []reflect.Type{reflect.TypeFor[reducto.SplitPage]()}},
	// Both have one more arm for what the documents do not have.
	reflect.TypeFor[reducto.AgenticScope](): {kinds: []string{"object"}, structs: agentics},
	reflect.TypeFor[reducto.Result]():       {kinds: []string{"object"}, structs: results, nilable: true},
}

// results are the results that a job can have.
var results = []reflect.Type{
	reflect.TypeFor[reducto.ParseResult](), reflect.TypeFor[reducto.ExtractResult](), reflect.TypeFor[reducto.SplitResult](),
	reflect.TypeFor[reducto.EditResult](), reflect.TypeFor[reducto.PipelineResult](), reflect.TypeFor[reducto.ClassifyResult](),
	reflect.TypeFor[reducto.ChartResult](),
}

// formOf is the form of a type.
func formOf(t reflect.Type) (*form, error) {
	if f, ok := forms[t]; ok {
		return f, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		f, err := formOf(t.Elem())
		if err != nil {
			return nil, err
		}
		with := *f
		with.nilable = true
		return &with, nil
	case reflect.Bool:
		return &form{kinds: []string{"boolean"}}, nil
	case reflect.Int, reflect.Int64:
		return &form{kinds: []string{"integer"}}, nil
	case reflect.Float64:
		return &form{kinds: []string{"number"}}, nil
	case reflect.String:
		return textForm, nil
	case reflect.Slice:
		items, err := formOf(t.Elem())
		return &form{kinds: []string{"array"}, items: items, nilable: true}, err
	case reflect.Map:
		values, err := formOf(t.Elem())
		return &form{kinds: []string{"object"}, values: values, nilable: true}, err
	case reflect.Struct:
		return &form{kinds: []string{"object"}, structs: []reflect.Type{t}}, nil
	}
	return nil, fmt.Errorf("no form in JSON of the type %s: teach form.go one", t)
}

// exampleForm is the form that examples of a member have.
func exampleForm(examples []any) *form {
	f := &form{kinds: []string{}, partial: true}
	var items []any
	for _, e := range examples {
		kind := ""
		switch e := e.(type) {
		case string:
			kind = "string"
		case bool:
			kind = "boolean"
		case float64:
			kind = "number"
			if e == math.Trunc(e) {
				kind = "integer"
			}
		case []any:
			kind = "array"
			items = append(items, e...)
		case node:
			kind = "object"
		default:
			f.nilable = true
			continue
		}
		if !slices.Contains(f.kinds, kind) {
			f.kinds = append(f.kinds, kind)
		}
	}
	if len(items) > 0 {
		f.items = exampleForm(items)
	}
	return f
}
