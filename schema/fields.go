package schema

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// field is a field of a struct as encoding/json decodes it.
type field struct {
	reflect.StructField
	name     string // in JSON
	optional bool
	tagged   bool // the json tag has the name
	depth    int  // of embedded structs around it
}

// fieldsOf returns the fields of the struct t in their order. Package jsonschema differs
// from encoding/json for embedded fields with a json tag and for names that occur twice,
// so fieldsOf follows the rules of encoding/json itself.
func fieldsOf(t reflect.Type, path string) ([]field, error) {
	all, err := collect(t, path, field{}, []reflect.Type{t})
	if err != nil {
		return nil, err
	}
	byName := map[string][]field{}
	for _, f := range all {
		byName[f.name] = append(byName[f.name], f)
	}
	return slices.DeleteFunc(all, func(f field) bool { return !dominant(f, byName[f.name]) }), nil
}

// dominant reports whether f is the field that encoding/json uses, of those with its name.
// The smallest depth wins, then a name from a tag. Without a winner there is no field.
func dominant(f field, same []field) bool {
	rank := func(f field) int {
		if f.tagged {
			return 2 * f.depth
		}
		return 2*f.depth + 1
	}
	n := 0
	for _, other := range same {
		switch cmp.Compare(rank(other), rank(f)) {
		case -1:
			return false
		case 0:
			n++
		}
	}
	return n == 1
}

// collect returns the fields of t and of the structs that it embeds. outer is the embedded
// field of type t.
func collect(t reflect.Type, path string, outer field, within []reflect.Type) ([]field, error) {
	var all []field
	for sf := range t.Fields() {
		f := field{StructField: sf, optional: outer.optional, depth: outer.depth}
		at := join(path, f.Name)
		tag := f.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, settings, _ := strings.Cut(tag, ",")
		if !validName(name) {
			return nil, refuse(at, "encoding/json ignores the name %q in the json tag: use letters, digits and common punctuation", name)
		}
		f.name, f.tagged = cmp.Or(name, f.Name), name != ""
		for setting := range strings.SplitSeq(settings, ",") {
			switch setting {
			case "omitempty", "omitzero":
				f.optional = true
			case "string":
				return nil, refuse(at, "the json tag has the option string: remove it, or use the type string")
			}
		}
		base := f.Type
		if f.Anonymous && base.Kind() == reflect.Pointer {
			base = base.Elem()
		}
		if value, ok := citedValue(f.Type); f.Type.Kind() == reflect.Pointer || ok && value.Kind() == reflect.Pointer {
			f.optional = true
		}
		if !f.Anonymous || f.tagged || base.Kind() != reflect.Struct {
			if f.IsExported() {
				all = append(all, f)
			}
			continue
		}
		if slices.Contains(within, base) {
			return nil, refuse(at, "the type %s contains itself: a schema cannot be recursive", base)
		}
		if !f.IsExported() && f.Type.Kind() == reflect.Pointer {
			return nil, refuse(at, "encoding/json cannot set the embedded pointer to the unexported type %s: embed the struct, or export it", base)
		}
		f.depth++
		inner, err := collect(base, path, f, append(slices.Clip(within), base))
		if err != nil {
			return nil, err
		}
		all = append(all, inner...)
	}
	return all, nil
}

// validName reports whether encoding/json accepts a name in a tag.
func validName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}
