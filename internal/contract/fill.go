package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/reducto-go/reducto"
)

// valid are values for the fields that do not take just any.
var valid = map[string]any{
	"Settings.EmbedPDFMetadataDPI": 150,
	"EditOptions.Color":            "#0a0B0c",
	"TenantThrottling.MaxShare":    0.25,
	"Settings.ForceFileExtension":  ".pdf",
	"Instructions.Schema":          map[string]any{"type": "object"},
}

// maximal is a value of a type with every exported field set that takes part in
// JSON, and every element that there can be.
func (w *world) maximal(t reflect.Type) (reflect.Value, error) {
	v := reflect.New(t).Elem()
	return v, w.fill(v)
}

func maximalOf[T any](w *world) (T, error) {
	v, err := w.maximal(reflect.TypeFor[T]())
	if err != nil {
		var zero T
		return zero, err
	}
	return v.Interface().(T), nil
}

func (w *world) fill(v reflect.Value) error {
	switch v.Interface().(type) {
	case reducto.Input:
		v.Set(reflect.ValueOf(reducto.URL("https://example.com/document.pdf")))
		return nil
	case reducto.PageRange:
		v.Set(reflect.ValueOf(reducto.PageSpan(2, 5)))
		return nil
	case reducto.TableSize:
		v.Set(reflect.ValueOf(reducto.TableSize{Row: 100, Column: 20}))
		return nil
	case reducto.Time:
		return json.Unmarshal([]byte(`"2026-09-06T05:17:35.492581"`), v.Addr().Interface())
	case json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(`{"a":1}`)))
		return nil
	case []reducto.AgenticScope:
		return w.fillAgentic(v)
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.String:
		v.SetString("text")
		if constants := w.source.constants[v.Type().Name()]; len(constants) > 0 {
			v.SetString(constants[0])
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return w.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return w.fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if err := w.fill(key); err != nil {
			return err
		}
		if err := w.fill(value); err != nil {
			return err
		}
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		return w.fillStruct(v)
	default:
		if v.Type() == reflect.TypeFor[reducto.Result]() {
			v.Set(reflect.ValueOf(&reducto.UnknownResult{Raw: []byte(`{"a":1}`)}))
			return nil
		}
		return fmt.Errorf("no maximal value for the type %s: teach fill.go one", v.Type())
	}
	return nil
}

func (w *world) fillStruct(v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Tag.Get("json") == "-" {
			continue
		}
		at := v.Type().Name() + "." + f.Name
		if value, ok := valid[at]; ok {
			v.Field(i).Set(reflect.ValueOf(value).Convert(f.Type))
			continue
		}
		if f.Type.Kind() == reflect.Interface && f.Type.NumMethod() == 0 {
			return fmt.Errorf("no maximal value for %s: teach fill.go one", at)
		}
		if err := w.fill(v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// agentics are all that an AgenticScope can be.
var agentics = []reflect.Type{
	reflect.TypeFor[reducto.TextAgentic](), reflect.TypeFor[reducto.TableAgentic](), reflect.TypeFor[reducto.FigureAgentic](),
}

func (w *world) fillAgentic(v reflect.Value) error {
	for _, t := range agentics {
		scope, err := w.maximal(t)
		if err != nil {
			return err
		}
		v.Set(reflect.Append(v, scope))
	}
	return nil
}

// fieldOf is the field that has a member's name in JSON.
func fieldOf(t reflect.Type, member string) (reflect.StructField, bool) {
	if t.Kind() != reflect.Struct {
		return reflect.StructField{}, false
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name == member {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// textType is the type of the strings in t, and that of the names in it if it is a
// map. Either is nil if it has none.
func textType(t reflect.Type) (value, key reflect.Type) {
	for t != nil {
		switch t.Kind() {
		case reflect.Map:
			if key == nil {
				key = t.Key()
			}
			t = t.Elem()
		case reflect.Pointer, reflect.Slice, reflect.Array:
			t = t.Elem()
		case reflect.String:
			return t, key
		default:
			return nil, key
		}
	}
	return nil, nil
}
