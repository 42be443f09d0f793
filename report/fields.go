package report

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/reducto-go/reducto"
)

// Field is an extracted value, and the places where it was found.
type Field struct {
	// Path is where the value is in the result, by JSON names: lines[0].amount.
	Path string
	// Value is the value in JSON, without the quotes of a string. It is empty for null and
	// for an empty list or map.
	Value string
	// Citations are the places in the document; empty if they are unknown.
	Citations []reducto.Citation
	// Confidence is the lowest confidence of the citations; empty if it is unknown.
	Confidence reducto.Confidence
}

// Fields returns the values of a struct that ExtractResult.Decode has filled, in the order
// of its fields. Values in a reducto.Cited have its citations. Other values have none.
// Each element of a slice, map or nested struct is a separate field. An empty slice or
// map is a field without a value.
func Fields(v any) []Field {
	w := walker{within: map[reference]bool{}}
	w.walk(reflect.ValueOf(v), "", nil)
	return w.fields
}

// Blocks yields the citations of fields and the blocks around them, for Images.
func Blocks(fields []Field) iter.Seq2[*reducto.Block, error] {
	return func(yield func(*reducto.Block, error) bool) {
		for _, f := range fields {
			for _, c := range f.Citations {
				if !yield(&c.Block, nil) || c.ParentBlock != nil && !yield(c.ParentBlock, nil) {
					return
				}
			}
		}
	}
}

type walker struct {
	fields []Field
	within map[reference]bool // around the current value, because a value may contain itself
}

type reference struct {
	reflect.Type
	pointer uintptr
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	reductoPath   = reflect.TypeFor[reducto.Client]().PkgPath()
)

// walk adds the fields of a value. cites are the citations of a Cited around it.
func (w *walker) walk(v reflect.Value, path string, cites []reducto.Citation) {
	if !v.IsValid() {
		w.add(path, "", cites)
		return
	}
	t := v.Type()
	switch {
	case t.Kind() == reflect.Struct && t.PkgPath() == reductoPath && strings.HasPrefix(t.Name(), "Cited["):
		if own := v.FieldByName("Citations").Interface().([]reducto.Citation); len(own) > 0 {
			cites = own
		}
		w.walk(v.FieldByName("Value"), path, cites)
		return
	case t.Kind() == reflect.Interface:
		w.walk(v.Elem(), path, cites)
		return
	case t.Kind() == reflect.Pointer && v.IsNil():
		w.add(path, "", cites)
		return
	case marshals(t), t == reflect.TypeFor[[]byte]():
		w.add(path, text(v), cites)
		return
	case t.Kind() != reflect.Pointer && marshals(reflect.PointerTo(t)): // such as big.Int
		p := reflect.New(t)
		p.Elem().Set(v)
		w.add(path, text(p), cites)
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		at := reference{t, v.Pointer()}
		if w.within[at] {
			return
		}
		w.within[at] = true
		defer delete(w.within, at)
	}
	if k := t.Kind(); (k == reflect.Map || k == reflect.Slice) && v.Len() == 0 && path != "" {
		w.add(path, "", cites) // a person must see that nothing was found
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		w.walk(v.Elem(), path, cites)
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(text(a), text(b)) })
		for _, key := range keys {
			w.walk(v.MapIndex(key), fmt.Sprintf("%s[%q]", path, text(key)), cites)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), cites)
		}
	case reflect.Struct:
		w.members(v, path, cites)
	default:
		w.add(path, text(v), cites)
	}
}

func marshals(t reflect.Type) bool {
	return t.Implements(jsonMarshaler) || t.Implements(textMarshaler)
}

func (w *walker) members(v reflect.Value, path string, cites []reducto.Citation) {
	for f, value := range v.Fields() {
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		base := f.Type
		if base.Kind() == reflect.Pointer {
			base = base.Elem()
		}
		switch {
		case tag == "-":
		case f.Anonymous && name == "" && base.Kind() == reflect.Struct:
			switch {
			case f.Type.Kind() == reflect.Struct:
				w.members(value, path, cites) // also of a time.Time, as encoding/json does
			case f.IsExported() && !value.IsNil():
				w.walk(value, path, cites)
			}
		case f.IsExported():
			if name == "" {
				name = f.Name
			}
			if path != "" {
				name = path + "." + name
			}
			w.walk(value, name, cites)
		}
	}
}

func (w *walker) add(path, value string, cites []reducto.Citation) {
	w.fields = append(w.fields, Field{Path: path, Value: value, Citations: cites, Confidence: lowest(cites)})
}

// text returns a value in JSON, without the quotes of a string.
func text(v reflect.Value) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v.Interface()); err != nil {
		return fmt.Sprint(v.Interface())
	}
	var s string
	if json.Unmarshal(b.Bytes(), &s) == nil {
		return s
	}
	return strings.TrimSpace(b.String())
}

// lowest returns the lowest level of citations that is known.
func lowest(cites []reducto.Citation) reducto.Confidence {
	for _, level := range []reducto.Confidence{reducto.ConfidenceLow, reducto.ConfidenceMedium, reducto.ConfidenceHigh} {
		if slices.ContainsFunc(cites, func(c reducto.Citation) bool { return levelOf(c.Confidence) == string(level) }) {
			return level
		}
	}
	return ""
}

// levelOf returns "high", "medium", "low", or "unknown" for other values.
func levelOf(c reducto.Confidence) string {
	switch level := strings.ToLower(string(c)); level {
	case "high", "medium", "low":
		return level
	}
	return "unknown"
}
