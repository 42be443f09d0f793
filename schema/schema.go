package schema

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/reducto-go/reducto"
)

// For returns the JSON Schema of the struct T. The package documentation says how it
// treats fields and types. Its errors are of type *reducto.RequestError. Their Field is
// the path of the wrong field, such as "Lines[].Amount", or "T" for T itself.
func For[T any]() (json.RawMessage, error) {
	raw, _, err := build(reflect.TypeFor[T]())
	return raw, err
}

// MustFor returns the JSON Schema of the struct T. It panics if there is an error. Use it
// for package variables.
func MustFor[T any]() json.RawMessage {
	raw, err := For[T]()
	if err != nil {
		panic(err)
	}
	return raw
}

// build returns the schema of the struct t, and whether it contains a reducto.Cited.
func build(t reflect.Type) (raw json.RawMessage, cited bool, err error) {
	if t.Kind() != reflect.Struct {
		return nil, false, refuse("", "%s is not a struct: give a struct type", t)
	}
	if _, ok := citedValue(t); ok {
		return nil, false, refuse("", "%s is for fields: use Cited for the fields of a struct", t)
	}
	b := builder{types: maps.Clone(knownTypes)}
	if err := b.add(t, ""); err != nil {
		return nil, false, err
	}
	s := b.types[t]
	if s.Type != "object" {
		return nil, false, refuse("", "encoding/json does not read %s as an object but as type %s: give another struct", t, s.Type)
	}
	raw, err = json.Marshal(s)
	if err != nil {
		return nil, false, &reducto.RequestError{Op: "schema.For", Field: "T", Reason: "the schema does not marshal to JSON", Err: err}
	}
	return raw, b.cited, nil
}

// knownTypes are the types whose schemas do not follow from their definitions.
var knownTypes = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[time.Time]():       {Type: "string", Format: "date-time"},
	reflect.TypeFor[json.RawMessage](): {},
	reflect.TypeFor[json.Number]():     {Type: "number"},
	reflect.TypeFor[big.Int]():         {Type: "integer"}, // it does not decode a string
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
)

// builder collects the schemas of the types below T.
type builder struct {
	// types are the schemas that package jsonschema cannot infer, structs included.
	types  map[reflect.Type]*jsonschema.Schema
	within []reflect.Type // the types around the current one
	cited  bool
}

// add adds the schemas of t and of the types below it that infer needs. It refuses types
// without a schema, so that infer does not fail.
func (b *builder) add(t reflect.Type, path string) error {
	if b.types[t] != nil {
		return nil
	}
	if slices.Contains(b.within, t) {
		return refuse(path, "the type %s contains itself: a schema cannot be recursive", t)
	}
	b.within = append(b.within, t)
	defer func() { b.within = b.within[:len(b.within)-1] }()

	if value, ok := citedValue(t); ok {
		b.cited = true
		if err := b.add(value, path); err != nil {
			return err
		}
		s, err := b.infer(value, path)
		b.types[t] = s
		return err
	}
	switch {
	case t.Kind() == reflect.Pointer:
		return b.add(t.Elem(), path)
	case implements(t, textUnmarshaler):
		b.types[t] = &jsonschema.Schema{Type: "string"}
		return nil
	case implements(t, unmarshaler):
		return refuse(path, "the type %s has the method UnmarshalJSON, so its schema is unknown: use another type", t)
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return refuse(path, "the type %s has no form in JSON: use another type, or omit the field with `json:\"-\"`", t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return refuse(path, "JSON does not decode into the interface %s: use a concrete type", t)
		}
	case reflect.Map:
		if key := t.Key(); key.Kind() != reflect.String && !(key.Implements(textMarshaler) && implements(key, textUnmarshaler)) {
			return refuse(path, "the keys of %s are not strings: use a map with string keys", t)
		}
		return b.add(t.Elem(), path+"[]")
	case reflect.Slice, reflect.Array:
		elem := t.Elem()
		if t.Kind() == reflect.Slice && elem.Kind() == reflect.Uint8 && !implements(elem, unmarshaler) && !implements(elem, textUnmarshaler) {
			return refuse(path, "encoding/json reads %s as base64: use a string", t)
		}
		return b.add(elem, path+"[]")
	case reflect.Struct:
		return b.addStruct(t, path)
	}
	return nil
}

// addStruct adds the schema of the struct t.
func (b *builder) addStruct(t reflect.Type, path string) error {
	fields, err := fieldsOf(t, path)
	if err != nil {
		return err
	}
	if len(fields) == 0 {
		return refuse(path, "the struct %s has no exported fields: add fields, or use another type", t)
	}
	s := &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}}
	for _, f := range fields {
		at := join(path, f.Name)
		property, err := b.property(f, at)
		if err != nil {
			return err
		}
		s.Properties[f.name] = property
		s.PropertyOrder = append(s.PropertyOrder, f.name)
		if !f.optional {
			s.Required = append(s.Required, f.name)
		}
	}
	b.types[t] = s
	return nil
}

// otherSyntax matches the tags of other packages, such as description=The total.
// Package jsonschema refuses them too.
var otherSyntax = regexp.MustCompile(`^[^ \t\n]*=`)

// property returns the schema of a field.
func (b *builder) property(f field, path string) (*jsonschema.Schema, error) {
	if err := b.add(f.Type, path); err != nil {
		return nil, err
	}
	s, err := b.infer(f.Type, path)
	if err != nil {
		return nil, err
	}
	if description, ok := f.Tag.Lookup("jsonschema"); ok {
		if description == "" {
			return nil, refuse(path, "the tag jsonschema is empty: write a description, or remove the tag")
		}
		if key := otherSyntax.FindString(description); key != "" {
			return nil, refuse(path, "the tag jsonschema begins with %q: write only the description", key)
		}
		s.Description = description
	}
	if s.Type == "" && s.Description == "" {
		return nil, refuse(path, "the type %s permits every value: describe the field with the tag jsonschema, or use another type", f.Type)
	}
	if list, ok := f.Tag.Lookup("enum"); ok {
		return s, addEnum(s, list, path)
	}
	return s, nil
}

// addEnum adds the values of the tag enum to the schema of a string, or of a list of them.
func addEnum(s *jsonschema.Schema, list, path string) error {
	for s.Type == "array" {
		s = s.Items
	}
	if s.Type != "string" || s.Format != "" {
		return refuse(path, "the tag enum is for strings and slices of strings: remove it, or use a string")
	}
	for value := range strings.SplitSeq(list, ",") {
		value = strings.TrimSpace(value)
		switch {
		case value == "":
			return refuse(path, "the tag enum has an empty value: separate the values by single commas")
		case slices.Contains(s.Enum, any(value)):
			return refuse(path, "the tag enum has the value %q twice: remove one", value)
		}
		s.Enum = append(s.Enum, value)
	}
	return nil
}

// infer returns a new schema of t. Call add before it.
func (b *builder) infer(t reflect.Type, path string) (*jsonschema.Schema, error) {
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: b.types})
	if err != nil {
		return nil, &reducto.RequestError{Op: "schema.For", Field: cmp.Or(path, "T"), Reason: "no schema for the type", Err: err}
	}
	removeNull(s)
	return s, nil
}

// removeNull removes the type null, which jsonschema adds to pointers and slices.
func removeNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	for _, t := range s.Types {
		if t != "null" {
			s.Type = t
		}
	}
	s.Types = nil
	removeNull(s.Items)
	removeNull(s.AdditionalProperties)
}

var reductoPath = reflect.TypeFor[reducto.Client]().PkgPath()

// citedValue returns the type T of a reducto.Cited[T].
func citedValue(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct || t.PkgPath() != reductoPath || !strings.HasPrefix(t.Name(), "Cited[") {
		return nil, false
	}
	f, ok := t.FieldByName("Value")
	return f.Type, ok
}

// implements reports whether encoding/json finds the methods of i on a value of type t.
func implements(t, i reflect.Type) bool {
	return t.Kind() != reflect.Interface && (t.Implements(i) || reflect.PointerTo(t).Implements(i))
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func refuse(path, format string, args ...any) error {
	return &reducto.RequestError{Op: "schema.For", Field: cmp.Or(path, "T"), Reason: fmt.Sprintf(format, args...)}
}
