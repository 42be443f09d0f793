package reducto

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/reducto-go/reducto/internal/members"
)

// Citation is the place in the document where a value was found.
type Citation struct {
	Block
	// ParentBlock is the block that contains it; nil if there is none.
	ParentBlock *Block `json:"parentBlock,omitzero"`
}

// UnmarshalJSON keeps unknown members. It also keeps known members of an unexpected
// form, so that a bad citation does not make the value unreadable.
func (v *Citation) UnmarshalJSON(data []byte) error { return members.DecodeAny(data, v) }

// MarshalJSON writes unknown members too.
func (v Citation) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// Format prints the citation without the signatures of its blocks' URLs.
func (v Citation) Format(f fmt.State, verb rune) {
	printFields(f, verb, struct { // the method of the embedded block would print only the block
		Block       Block
		ParentBlock *Block
	}{v.Block, v.ParentBlock})
}

// LogValue logs the citation without the signatures of its blocks' URLs.
func (v Citation) LogValue() slog.Value { return logPrinted(v) }

// Cited is an extracted field with its citations. Use it in the struct that
// ExtractResult.Decode fills:
//
//	type Invoice struct {
//		Number string                 `json:"invoice_number"`
//		Total  reducto.Cited[float64] `json:"total"`
//	}
type Cited[T any] struct {
	// Value is the field's value.
	Value T `json:"value"`
	// Citations are the citations; empty if they are not enabled. Citation.Extra holds
	// the members of a citation that have an unexpected form.
	Citations []Citation `json:"citations,omitzero"`
}

// UnmarshalJSON reads a value with citations, or one without.
func (c *Cited[T]) UnmarshalJSON(data []byte) error {
	var fresh Cited[T]
	t := reflect.TypeFor[T]()
	value, cites, cited := splitCitedFor(data, t)
	if !cited {
		value = data
	} else if err := fresh.readCitations(cites); err != nil {
		return err
	}
	if err := json.Unmarshal(uncite(value, t), &fresh.Value); err != nil {
		return err
	}
	*c = fresh
	return nil
}

// readCitations reads the citations that are objects. ExtractResult.Raw has the others.
func (c *Cited[T]) readCitations(list json.RawMessage) error {
	if members.Kind(list) != '[' {
		return nil
	}
	c.Citations = []Citation{}
	return members.Elements(list, func(item []byte) error {
		if members.Kind(item) != '{' {
			return nil
		}
		var citation Citation
		if err := citation.UnmarshalJSON(item); err != nil {
			return err
		}
		c.Citations = append(c.Citations, citation)
		return nil
	})
}

func (Cited[T]) isCited() {}

type citedField interface{ isCited() }

var citedType = reflect.TypeFor[citedField]()

// splitCited splits {"value": …, "citations": […]}.
func splitCited(raw []byte) (value, cites json.RawMessage, ok bool) {
	o := object(raw)
	value, hasValue := o["value"]
	cites, hasCites := o["citations"]
	if !hasValue || !hasCites {
		return nil, nil, false
	}
	if members.Kind(cites) == 'n' {
		return value, cites, len(o) == 2
	}
	var list []json.RawMessage
	if members.Kind(cites) != '[' || json.Unmarshal(cites, &list) != nil {
		return nil, nil, false
	}
	// An object with further members counts only if the list has citations.
	return value, cites, len(o) == 2 || areCertain(list)
}

// areCertain reports whether every element of a list has a bbox of numbers.
func areCertain(list []json.RawMessage) bool {
	for _, item := range list {
		if !isScalar(members.Kind(object(object(item)["bbox"])["left"])) {
			return false
		}
	}
	return len(list) > 0
}

// splitCitedFor splits like splitCited, for a value of the type t. It accepts citations
// that are no list if t cannot hold them.
func splitCitedFor(raw []byte, t reflect.Type) (value, cites json.RawMessage, ok bool) {
	if value, cites, ok = splitCited(raw); ok || mayHoldCitations(t) {
		return value, cites, ok
	}
	o := object(raw)
	value, hasValue := o["value"]
	cites, hasCites := o["citations"]
	return value, cites, hasValue && hasCites && len(o) == 2
}

// mayHoldCitations reports whether a value of the type t may have a member called value
// or citations.
func mayHoldCitations(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Map, t.Kind() == reflect.Interface, decodesItself(t):
		return true
	case t.Kind() == reflect.Struct:
		fields := jsonFields(t)
		return fields["value"] != nil || fields["citations"] != nil
	}
	return false
}

// wantsCitations reports whether type t contains a Cited.
func wantsCitations(t reflect.Type) bool { return hasCited(t, nil) }

func hasCited(t reflect.Type, within []reflect.Type) bool {
	if t.Implements(citedType) {
		return true
	}
	if slices.Contains(within, t) {
		return false
	}
	within = append(within, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return hasCited(t.Elem(), within)
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() && hasCited(f.Type, within) {
				return true
			}
		}
	}
	return false
}

var unmarshalerType = reflect.TypeFor[json.Unmarshaler]()

// decodesItself reports whether t implements json.Unmarshaler. Such a type receives the
// JSON unchanged.
func decodesItself(t reflect.Type) bool {
	return t.Implements(unmarshalerType) || reflect.PointerTo(t).Implements(unmarshalerType)
}

// uncite replaces {"value","citations"} by the value if type t has no place for
// citations. The type decides, so a user's own struct with these two members keeps
// them. encoding/json reports JSON that does not fit t.
func uncite(raw json.RawMessage, t reflect.Type) json.RawMessage {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Implements(citedType) || t.Kind() == reflect.Interface {
		return raw
	}
	if value, _, ok := splitCitedFor(raw, t); ok && !ownsValue(t) {
		return uncite(value, t)
	}
	if decodesItself(t) {
		return raw
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		if members.Kind(raw) != '[' || t.Elem().Kind() == reflect.Uint8 {
			return raw
		}
		out := []byte{'['}
		_ = members.Elements(raw, func(item []byte) error {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, uncite(item, t.Elem())...)
			return nil
		})
		return append(out, ']')
	case reflect.Map:
		return mapMembers(raw, func(_ string, value []byte) json.RawMessage { return uncite(value, t.Elem()) })
	case reflect.Struct:
		fields := jsonFields(t)
		return mapMembers(raw, func(name string, value []byte) json.RawMessage {
			if ft, ok := fields[strings.ToLower(name)]; ok {
				return uncite(value, ft)
			}
			return value
		})
	}
	return raw
}

// ownsValue reports whether t is a struct with the members value and citations.
func ownsValue(t reflect.Type) bool {
	if t.Kind() == reflect.Map {
		return false
	}
	if t.Kind() != reflect.Struct || decodesItself(t) {
		return false
	}
	fields := jsonFields(t)
	return fields["value"] != nil && fields["citations"] != nil
}

// jsonFields returns the fields of a struct by their JSON names in lower case, because
// encoding/json ignores case.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-", !f.IsExported(), f.Anonymous && name == "":
			continue
		case name == "":
			name = f.Name
		}
		fields[strings.ToLower(name)] = f.Type
	}
	return fields
}

func mapMembers(raw json.RawMessage, f func(name string, value []byte) json.RawMessage) json.RawMessage {
	if members.Kind(raw) != '{' {
		return raw
	}
	out := []byte{'{'}
	_ = members.Each(raw, func(name string, value []byte) error {
		if len(out) > 1 {
			out = append(out, ',')
		}
		quoted, _ := json.Marshal(name)
		out = append(append(append(out, quoted...), ':'), f(name, value)...)
		return nil
	})
	return append(out, '}')
}

// joinList merges the citations of the form "extract", a list parallel to the values,
// into the values: every leaf becomes {"value","citations"}.
func joinList(values, cites json.RawMessage) json.RawMessage {
	var parallel []json.RawMessage
	if members.Kind(values) != '[' || members.Kind(cites) != '[' || json.Unmarshal(cites, &parallel) != nil {
		return join(values, cites)
	}
	return joinElements(values, parallel)
}

// join merges the citations of one value, a tree parallel to it, into the value.
func join(value, cites json.RawMessage) json.RawMessage {
	switch members.Kind(value) {
	case '{':
		byName := object(cites)
		return mapMembers(value, func(name string, v []byte) json.RawMessage {
			if c, ok := byName[name]; ok {
				return join(v, c)
			}
			return v
		})
	case '[':
		var parallel []json.RawMessage
		if members.Kind(cites) != '[' || json.Unmarshal(cites, &parallel) != nil {
			return value
		}
		if isCitations(parallel) {
			return cited(value, cites)
		}
		return joinElements(value, parallel)
	}
	if members.Kind(cites) == '[' {
		return cited(value, cites)
	}
	return value
}

func joinElements(value json.RawMessage, parallel []json.RawMessage) json.RawMessage {
	out, i := []byte{'['}, 0
	_ = members.Elements(value, func(item []byte) error {
		if i > 0 {
			out = append(out, ',')
		}
		if i < len(parallel) {
			item = join(item, parallel[i])
		}
		out = append(out, item...)
		i++
		return nil
	})
	return append(out, ']')
}

// isCitations reports whether a list has citations, rather than the citations of the
// elements of a list. A citation has a member that is a text, a number or a boolean. A
// tree of citations has only objects and lists above its citations.
func isCitations(list []json.RawMessage) bool {
	found := false
	for _, item := range list {
		switch k := members.Kind(item); {
		case isScalar(k):
			found = true // a citation of an unusual form
		case k == '[':
			return false
		case k == '{':
			o := object(item)
			is := isScalar(members.Kind(object(o["bbox"])["left"]))
			for _, member := range o {
				is = is || isScalar(members.Kind(member))
			}
			if !is && len(o) > 0 {
				return false
			}
			found = found || is
		}
	}
	return found
}

// isScalar reports whether a JSON value that starts with kind is a text, a number or a
// boolean.
func isScalar(kind byte) bool {
	switch kind {
	case '"', 't', 'f', '-':
		return true
	}
	return '0' <= kind && kind <= '9'
}

func cited(value, cites json.RawMessage) json.RawMessage {
	return slices.Concat([]byte(`{"value":`), value, []byte(`,"citations":`), cites, []byte("}"))
}
