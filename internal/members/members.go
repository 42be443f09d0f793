// Package members decodes and encodes structs that keep unknown members.
//
// A struct has ordinary json tags and one field of the type map[string]json.RawMessage,
// or of a type of that form, tagged `json:"-"`. This field receives every member
// without a field.
//
// Unlike in encoding/json, names match only exactly, and an object that has a member
// twice is an error. Otherwise two readers of one document could disagree about its
// meaning.
//
// An optional member (omitzero) that does not fit its field is kept as an unknown
// member, so that the rest can be read. An explicit zero of an optional member is kept
// too, because Encode would omit it.
package members

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

type layout struct {
	fields []field
	byName map[string]int
	extra  []int // index path of the field for unknown members
}

type field struct {
	name     string
	index    []int
	omitZero bool
}

var layouts sync.Map // reflect.Type -> *layout

var extraType = reflect.TypeFor[map[string]json.RawMessage]()

func layoutOf(t reflect.Type) *layout {
	if l, ok := layouts.Load(t); ok {
		return l.(*layout)
	}
	l := &layout{byName: map[string]int{}}
	for _, f := range reflect.VisibleFields(t) {
		if !f.IsExported() || f.Anonymous {
			continue
		}
		tag := f.Tag.Get("json")
		if tag == "-" {
			if f.Type.ConvertibleTo(extraType) && f.Type.Kind() == reflect.Map {
				l.extra = f.Index
			}
			continue
		}
		name, opts, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		l.byName[name] = len(l.fields)
		l.fields = append(l.fields, field{
			name:     name,
			index:    f.Index,
			omitZero: strings.Contains(opts, "omitzero") || strings.Contains(opts, "omitempty"),
		})
	}
	actual, _ := layouts.LoadOrStore(t, l)
	return actual.(*layout)
}

// LosesZero reports whether an optional field of the type t has the same value for an
// explicit zero as for an absent member. A pointer, a slice and a map do not. A pointer
// to a struct has no room for an empty object: Encode would fill it.
func LosesZero(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Interface:
		return false
	case reflect.Pointer:
		return t.Elem().Kind() == reflect.Struct
	}
	return true
}

// Decode reads the object in data, which must be valid JSON, into the struct that v
// points to. A null leaves *v unchanged.
func Decode(data []byte, v any) error { return decode(data, v, false) }

// DecodeAny decodes like Decode, but treats all members of the struct as optional.
func DecodeAny(data []byte, v any) error { return decode(data, v, true) }

func decode(data []byte, v any, anyForm bool) error {
	if IsNull(data) {
		return nil
	}
	target := reflect.ValueOf(v).Elem()
	l := layoutOf(target.Type())
	seen := make([]bool, len(l.fields))
	var extra map[string]json.RawMessage
	keep := func(name string, value []byte) {
		if extra == nil {
			extra = map[string]json.RawMessage{}
		}
		extra[name] = bytes.Clone(value)
	}
	err := Each(data, func(name string, value []byte) error {
		i, known := l.byName[name]
		if !known {
			if _, twice := extra[name]; twice {
				return &DuplicateError{name}
			}
			keep(name, value)
			return nil
		}
		if seen[i] {
			return &DuplicateError{name}
		}
		seen[i] = true
		if value[0] == 'n' {
			return nil
		}
		f := target.FieldByIndex(l.fields[i].index)
		optional := l.extra != nil && (l.fields[i].omitZero || anyForm)
		err := json.Unmarshal(value, f.Addr().Interface())
		if err == nil {
			if optional && l.fields[i].omitZero && LosesZero(f.Type()) && IsZero(value) {
				f.SetZero()
				keep(name, value)
			}
			return nil
		}
		_, twice := errors.AsType[*DuplicateError](err)
		if twice || !optional {
			return fmt.Errorf("%s: %w", name, err)
		}
		// An optional member of an unexpected form must not make the rest unreadable.
		f.SetZero()
		keep(name, value)
		return nil
	})
	if err != nil {
		return err
	}
	if l.extra != nil && extra != nil {
		f := target.FieldByIndex(l.extra)
		f.Set(reflect.ValueOf(extra).Convert(f.Type()))
	}
	return nil
}

// Member is an additional member for Encode.
type Member struct {
	Name  string
	Value json.RawMessage // nil leaves the member out
}

// Encode encodes a struct that Decode decoded. It writes the given members first, in
// order, then the struct's own, then the unknown ones sorted by name. If a member of
// the struct is zero, an unknown member of the same name replaces it. If it is not
// zero, it replaces the unknown member.
func Encode(v any, first ...Member) ([]byte, error) {
	source := reflect.ValueOf(v)
	if source.Kind() == reflect.Pointer {
		source = source.Elem()
	}
	l := layoutOf(source.Type())
	var extra reflect.Value
	if l.extra != nil {
		extra = source.FieldByIndex(l.extra)
	}
	kept := func(name string) bool {
		return extra.IsValid() && extra.Len() > 0 && extra.MapIndex(reflect.ValueOf(name)).IsValid()
	}
	var written []string // of those that are unknown too
	var b bytes.Buffer
	b.WriteByte('{')
	add := func(name string, value []byte) {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		quoted, _ := json.Marshal(name)
		b.Write(quoted)
		b.WriteByte(':')
		b.Write(value)
	}
	for _, m := range first {
		if m.Value != nil {
			add(m.Name, m.Value)
			if kept(m.Name) {
				written = append(written, m.Name)
			}
		}
	}
	for _, f := range l.fields {
		value := source.FieldByIndex(f.index)
		known := kept(f.name)
		if (f.omitZero || known) && isZero(value) {
			continue
		}
		if known {
			written = append(written, f.name)
		}
		raw, err := json.Marshal(value.Interface())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		add(f.name, raw)
	}
	if extra.IsValid() {
		names := make([]string, 0, extra.Len())
		for _, k := range extra.MapKeys() {
			names = append(names, k.String())
		}
		slices.Sort(names)
		for _, name := range names {
			if slices.Contains(written, name) {
				continue
			}
			raw := extra.MapIndex(reflect.ValueOf(name)).Bytes()
			if !json.Valid(raw) {
				return nil, fmt.Errorf("%s: not valid JSON", name)
			}
			add(name, raw)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func isZero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok {
		return z.IsZero()
	}
	return v.IsZero()
}
