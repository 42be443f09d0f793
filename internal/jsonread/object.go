package jsonread

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/reducto-go/reducto/internal/members"
)

// Fields holds the names of a struct's members.
type Fields struct {
	names    []string
	between  []string // `,"name":`
	optional uint64   // a value that does not fit is kept among the unknown members
	zero     uint64   // an explicit zero is kept, which encoding would leave out
	raw      uint64   // null is not skipped
}

// FieldsOf returns the names of T's json tags. An omit option makes a member optional.
// further are names without a field; their nulls are not skipped. A further name with
// the suffix ",omitzero" is an optional string.
func FieldsOf[T any](further ...string) *Fields {
	f := &Fields{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		if strings.Contains(options, "omit") {
			f.optional |= 1 << len(f.names)
			if members.LosesZero(field.Type) {
				f.zero |= 1 << len(f.names)
			}
		}
		f.names = append(f.names, name)
	}
	for _, name := range further {
		if before, found := strings.CutSuffix(name, ",omitzero"); found {
			name = before
			f.optional |= 1 << len(f.names)
			f.zero |= 1 << len(f.names)
		} else {
			f.raw |= 1 << len(f.names)
		}
		f.names = append(f.names, name)
	}
	if len(f.names) == 0 || len(f.names) > 64 {
		panic(fmt.Sprintf("jsonread: %T has %d members, not 1 to 64", *new(T), len(f.names)))
	}
	for _, name := range f.names {
		f.between = append(f.between, `,"`+name+`":`)
	}
	return f
}

// TakesZero returns f for a reader that keeps an explicit zero of a member itself.
func (f *Fields) TakesZero(name string) *Fields {
	f.zero &^= 1 << f.find([]byte(name), 0)
	return f
}

// find returns the index of a name, or -1. It starts at next.
func (f *Fields) find(name []byte, next int8) int8 {
	for i := range f.names {
		at := int(next) + i
		if at >= len(f.names) {
			at -= len(f.names)
		}
		if f.names[at] == string(name) {
			return int8(at)
		}
	}
	return -1
}

// Object is an object that is being read.
type Object struct {
	// Name is the member whose value comes next. The loop must read the whole value. An
	// error of the value is labelled with Name, unless the loop has made it empty.
	Name string

	r      *Reader
	fields *Fields
	extra  *map[string]json.RawMessage
	found  map[string]json.RawMessage // the unknown members so far
	seen   uint64
	depth  int32
	index  int8 // of the member; -1 if unknown
	next   int8 // of the expected member
	open   bool
	more   bool // a member was read
}

// Object starts to read an object with the members in f. extra receives other members
// and optional ones that do not fit; nil drops them. A null has no members.
func (r *Reader) Object(f *Fields, extra *map[string]json.RawMessage) Object {
	o := Object{r: r, fields: f, extra: extra}
	if r.err != nil {
		return o
	}
	switch c := r.peek(); {
	case c == '{':
		r.push('{')
		o.open, o.depth = true, int32(len(r.stack))
	case c == 'n':
		r.literal("null")
	case startsValue[c]:
		r.Misfit(members.ErrNotObject)
	default:
		r.unexpected()
	}
	return o
}

// Next advances to the next member that has a field and a value. It returns false at
// the end and after an error.
func (o *Object) Next() bool {
	r := o.r
	for {
		if r.err != nil && o.open {
			o.forgive()
		}
		if !o.open {
			return false
		}
		c := byte(0)
		unknown := ""
		// Usually the next field follows, without white space.
		b, want := r.buf[r.pos:], o.fields.between[o.next]
		if !o.more {
			want = want[1:]
		}
		if len(b) > len(want) && string(b[:len(want)]) == want && startsValue[b[len(want)]] {
			c = b[len(want)]
			r.pos += len(want)
			o.more = true
			o.expect(o.next)
		} else {
			if c = r.peek(); c == '}' {
				r.pop()
				o.open = false
				return false
			}
			if unknown = o.name(c); r.err != nil {
				continue
			}
			if c = r.peek(); !startsValue[c] {
				r.unexpected()
				continue
			}
		}
		if o.index < 0 {
			o.keep(unknown)
			continue
		}
		bit := uint64(1) << (o.index & 63)
		if o.seen&bit != 0 {
			r.Fail(&members.DuplicateError{Name: o.fields.names[o.index]})
			o.index = -1
			continue
		}
		o.seen |= bit
		if c == 'n' && o.fields.raw&bit == 0 {
			r.literal("null")
			continue
		}
		if startsZero[c] && o.fields.zero&bit != 0 && o.extra != nil && r.isZero(c) {
			o.keep(o.Name)
			continue
		}
		return true
	}
}

var startsZero = [256]bool{'f': true, '"': true, '{': true, '-': true, '0': true}

// isZero reports whether the value that comes next, which starts with c, is
// false, 0, "" or {}. It need not be valid.
func (r *Reader) isZero(c byte) bool {
	switch c {
	case 'f':
		return true
	case '"':
		return r.fill(2) >= 2 && r.buf[r.pos+1] == '"'
	case '{':
		for n := 1; n <= members.MaxGap && r.fill(n+1) > n; n++ {
			switch r.buf[r.pos+n] {
			case ' ', '\n', '\r', '\t':
			default:
				return r.buf[r.pos+n] == '}'
			}
		}
	case '-', '0':
		for n := 1; r.fill(n+1) > n; n++ {
			switch b := r.buf[r.pos+n]; {
			case b == '0', b == '.':
			default:
				return b < '1' || b > '9' // an exponent changes nothing
			}
		}
		return true
	}
	return false
}

// name reads the name of a member and the colon. c is the first byte of the name, or
// the comma before it. If no field has the name, name returns it.
func (o *Object) name(c byte) (unknown string) {
	r := o.r
	o.index = -1 // an error in the name is not an error of the previous member
	if o.more {
		if c != ',' {
			r.unexpected()
			return ""
		}
		r.pos++
		c = r.peek()
	}
	o.more = true
	if c != '"' {
		r.unexpected()
		return ""
	}
	name := r.View()
	if o.index = o.fields.find(name, o.next); o.index < 0 {
		unknown = string(name)
	} else {
		o.expect(o.index)
	}
	if r.Kind() != ':' {
		r.unexpected()
		return ""
	}
	r.pos++
	return unknown
}

// expect makes i the current field and the one after it the expected field.
func (o *Object) expect(i int8) {
	o.index, o.Name = i, o.fields.names[i]
	if o.next = i + 1; int(o.next) == len(o.fields.names) {
		o.next = 0
	}
}

// keep stores the next value among the unknown members.
func (o *Object) keep(name string) {
	r := o.r
	if _, twice := o.found[name]; twice {
		r.Fail(&members.DuplicateError{Name: name})
		return
	}
	if o.found == nil {
		o.found = map[string]json.RawMessage{}
		if o.extra != nil {
			*o.extra = o.found
		}
	}
	if o.extra == nil {
		r.Skip()
		o.found[name] = nil
		return
	}
	o.found[name] = r.Raw()
}

// forgive handles an error in a member. If an optional member did not fit, forgive
// keeps its value. Otherwise it adds the name to the error and ends the object.
func (o *Object) forgive() {
	r := o.r
	if o.index < 0 { // not in a known member
		o.open = false
		return
	}
	_, misfit := r.err.(*MisfitError) //nolint:errorlint // a nested error is wrapped
	if misfit && len(r.stack) == int(o.depth) && o.fields.optional&(1<<o.index) != 0 {
		r.err = nil
		o.keep(o.fields.names[o.index])
		if r.err == nil {
			return
		}
	}
	if o.Name != "" {
		r.Label(o.Name)
	}
	o.open = false
}

// Array is an array that is being read.
type Array struct {
	r          *Reader
	open, more bool
}

// Array starts to read an array.
func (r *Reader) Array() Array {
	a := Array{r: r}
	if r.err != nil {
		return a
	}
	if r.peek() == '[' {
		r.push('[')
		a.open = true
	} else {
		r.misfit("an array")
	}
	return a
}

// Next advances to the next element. The loop must read the whole element. Next
// returns false at the end and after an error.
func (a *Array) Next() bool {
	r := a.r
	if r.err != nil || !a.open {
		return false
	}
	c := r.peek()
	if c == ']' {
		r.pop()
		a.open = false
		return false
	}
	if a.more {
		if c != ',' {
			r.unexpected()
			return false
		}
		r.pos++
		c = r.peek()
	}
	a.more = true
	if !startsValue[c] {
		r.unexpected()
		return false
	}
	return true
}

var startsValue = [256]bool{
	'{': true, '[': true, '"': true, 't': true, 'f': true, 'n': true, '-': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
}

// Retry turns the error of a nested value that does not fit into an error of the whole
// value at m. An optional member is then kept as it is.
func (r *Reader) Retry(m Mark) {
	err := r.err
	if _, misfit := errors.AsType[*MisfitError](err); !misfit {
		r.Release(m)
		return
	}
	if r.Rewind(m) {
		r.Misfit(err)
	}
}
