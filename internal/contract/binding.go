package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/reducto-go/reducto"
)

// binding says what of the library a schema is.
type binding struct {
	types   []reflect.Type // the Go types that have its members, for their fields' types
	members func(*world) (memberSet, error)
}

// memberSet has the members of a schema that the library has, with examples of their
// values as encoding/json decodes them. Where an accessor shows a member, shown has
// its type.
type memberSet struct {
	examples map[string][]any
	shown    map[string]reflect.Type
	bodies   int // how many bodies there were, if the members are those of bodies
}

func (m *memberSet) add(name string, value any) {
	if m.examples == nil {
		m.examples = map[string][]any{}
	}
	m.examples[name] = append(m.examples[name], value)
}

func (m memberSet) names() []string { return slices.Sorted(maps.Keys(m.examples)) }

// structOf is a schema that a struct encodes to: its members are those that a
// maximal value has.
func structOf[T any]() binding {
	t := reflect.TypeFor[T]()
	return binding{types: []reflect.Type{t}, members: func(w *world) (memberSet, error) {
		v, err := w.maximal(t)
		if err != nil {
			return memberSet{}, err
		}
		return encoded(v.Interface())
	}}
}

// text is a schema of strings, which are a type of their own.
func text[T ~string]() binding { return binding{types: []reflect.Type{reflect.TypeFor[T]()}} }

// decoded is a schema whose type reads some members by itself. The seeds have these,
// in each form; the type has to know them all.
func decoded[T any](seeds ...string) binding {
	t := reflect.TypeFor[T]()
	return binding{types: []reflect.Type{t}, members: func(w *world) (memberSet, error) {
		var all memberSet
		for _, seed := range seeds {
			v := reflect.New(t)
			if err := json.Unmarshal([]byte(seed), v.Interface()); err != nil {
				return memberSet{}, err
			}
			if extra := v.Elem().FieldByName("Extra"); extra.IsValid() && extra.Len() > 0 {
				return memberSet{}, fmt.Errorf("%s does not know %v", t, extra.MapKeys())
			}
			if err := w.fillStruct(v.Elem()); err != nil {
				return memberSet{}, err
			}
			found, err := encoded(v.Interface())
			if err != nil {
				return memberSet{}, err
			}
			for name, values := range found.examples {
				all.add(name, values[0])
			}
		}
		return all, nil
	}}
}

// body is a schema of what is sent to an endpoint, or of what lies in it at a path.
func body(endpoint string, path ...string) binding {
	return binding{members: func(w *world) (memberSet, error) {
		var found memberSet
		for _, b := range w.bodies(endpoint) {
			for _, step := range path {
				b, _ = b[step].(node)
			}
			if b == nil {
				continue
			}
			found.bodies++
			for name, value := range b {
				found.add(name, value)
			}
		}
		return found, nil
	}}
}

// bodyOf is a body whose fields have their types in T.
func bodyOf[T any](endpoint string) binding {
	b := body(endpoint)
	b.types = []reflect.Type{reflect.TypeFor[T]()}
	return b
}

// webhookOf is what lies in a body at a path if the webhook there has that mode.
func webhookOf(mode, endpoint string, path ...string) binding {
	return binding{members: func(w *world) (memberSet, error) {
		var found memberSet
		for _, b := range w.bodies(endpoint) {
			for _, step := range path {
				b, _ = b[step].(node)
			}
			if b["mode"] != mode {
				continue
			}
			if b == nil {
				continue
			}
			found.bodies++
			for name, value := range b {
				found.add(name, value)
			}
		}
		return found, nil
	}}
}

// seen is a schema whose members the library shows by fields and methods of another
// type. Each has to show something.
func seen(show func(*world) (map[string]any, error), types ...reflect.Type) binding {
	return binding{types: types, members: func(w *world) (memberSet, error) {
		shown, err := show(w)
		if err != nil {
			return memberSet{}, err
		}
		found := memberSet{shown: map[string]reflect.Type{}}
		for name, value := range shown {
			v := reflect.ValueOf(value)
			if !v.IsValid() || v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
				return memberSet{}, fmt.Errorf("%s is not shown", name)
			}
			found.add(name, value)
			found.shown[name] = v.Type()
		}
		return found, nil
	}}
}

// accepted is the answer of an asynchronous endpoint, shown by the handle that a
// method returns.
func accepted(method string) binding {
	return seen(func(w *world) (map[string]any, error) {
		h := reflect.ValueOf(w.values[method])
		if h.Kind() != reflect.Pointer {
			return nil, fmt.Errorf("%s returns no handle", method)
		}
		id := h.Elem().FieldByName("JobID").String()
		if id != testID {
			return nil, fmt.Errorf("%s returns the job %q", method, id)
		}
		return map[string]any{"job_id": id}, nil
	})
}

// unsent is a schema of requests that the library never sends.
var unsent = binding{members: func(*world) (memberSet, error) { return memberSet{}, nil }}

func encoded(v any) (memberSet, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return memberSet{}, err
	}
	var values node
	if err := json.Unmarshal(raw, &values); err != nil {
		return memberSet{}, err
	}
	var found memberSet
	for name, value := range values {
		found.add(name, value)
	}
	return found, nil
}

// field is the Go field for a member.
func (b binding) field(member string) (reflect.StructField, bool) {
	for _, t := range b.types {
		if f, ok := fieldOf(t, member); ok {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// refused shows what an error makes of the validator's complaints.
func refused(*world) (*reducto.APIError, error) {
	r := &recorder{answers: map[string]answer{"GET /version": {http.StatusUnprocessableEntity,
		`{"detail":[{"loc":["query","limit"],"msg":"too large","type":"less_than_equal","input":1000,"ctx":{"le":500}}]}`}}}
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	_, err = client.Version(context.Background())
	api, ok := err.(*reducto.APIError) //nolint:errorlint // as it is returned
	if !ok || len(api.Fields) != 1 {
		return nil, fmt.Errorf("no complaint of the validator, but %w", err)
	}
	return api, nil
}

// result decodes a result of a job.
func result[R reducto.Result](raw string) (R, error) {
	var job reducto.Job
	if err := json.Unmarshal([]byte(`{"status":"Completed","result":`+raw+`}`), &job); err != nil {
		var none R
		return none, err
	}
	return reducto.As[R](&job)
}

// knownResult reports whether a response_type is one that the library has a type for.
func knownResult(name string) bool {
	quoted, _ := json.Marshal(name)
	r, err := result[reducto.Result](strings.ReplaceAll(
		`{"response_type":NAME,"usage":{"num_pages":1},"result":{"splits":[],"category":"a"}}`, "NAME", string(quoted)))
	if err != nil {
		return false
	}
	_, unknown := r.(*reducto.UnknownResult)
	return !unknown && r.ResponseType() == name
}
