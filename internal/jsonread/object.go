package jsonread

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/reducto-go/reducto/internal/members"
)

// Fields are the names of a struct's members.
type Fields struct {
	names    []string
	between  []string // `,"name":`
	optional uint64   // what does not fit is kept
	zero     uint64   // an explicit zero is kept: encoding would leave it out
	raw      uint64   // null is not passed over
}

// FieldsOf has the names of T's json tags. An omit option makes a member optional.
// further are names that T has no fields for. Their nulls are not passed over, unless
// they end with ",omitzero": these are optional strings.
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

// TakesZero returns f for a reader that takes an explicit zero of a member itself.
func (f *Fields) TakesZero(name string) *Fields {
	f.zero &^= 1 << f.find([]byte(name), 0)
	return f
}

// find is the index of a name; -1 if there is none. It tries next and those that
// follow first.
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
	// Name is the member whose value comes next. The loop reads it, all of it. An
	// error that comes of it is given the name that is here then, unless it is empty.
	Name string

	r      *Reader
	fields *Fields
	extra  *map[string]json.RawMessage
	found  map[string]json.RawMessage // what extra receives, and who else was there
	seen   uint64
	depth  int32
	index  int8 // the member's; -1 for none that is known
	next   int8 // that of the member that is expected
	open   bool
	more   bool // a member was read
}

// Object begins to read an object whose members f names. extra receives the others,
// and those that do not fit; nil drops them. A null has no members.
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

// Next goes to the next member that has a field and a value. False means that there
// is none, or an error.
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
		// Mostly, the next field follows, without white space.
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
		switch {
		case o.index < 0:
			o.keep(unknown)
		case o.seen&(1<<o.index) != 0:
			r.Fail(&members.DuplicateError{Name: o.fields.names[o.index]})
			o.index = -1
		default:
			o.seen |= 1 << o.index
			if c == 'n' && o.fields.raw&(1<<o.index) == 0 {
				r.literal("null")
				continue
			}
			if o.fields.zero&(1<<o.index) != 0 && o.extra != nil && r.isZero(c) {
				o.keep(o.Name)
				continue
			}
			return true
		}
	}
}

// isZero reports whether the value that comes next, of which c is the first byte, is
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

// name reads a member's name, of which c is the first byte, or the comma before it,
// and the colon. It returns the name if there is no field for it.
func (o *Object) name(c byte) (unknown string) {
	r := o.r
	o.index = -1 // an error here is none of the member before
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

// expect makes i the field that was met, and has the one after it expected.
func (o *Object) expect(i int8) {
	o.index, o.Name = i, o.fields.names[i]
	if o.next = i + 1; int(o.next) == len(o.fields.names) {
		o.next = 0
	}
}

// keep puts the value that comes next where the unknown members are.
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

// forgive keeps the value of an optional member that did not fit, and which is the
// error. It puts the member's name before any other, which ends the object.
func (o *Object) forgive() {
	r := o.r
	if o.index < 0 { // it is of no member that is known
		o.open = false
		return
	}
	_, misfit := r.err.(*MisfitError) //nolint:errorlint // one from further down is wrapped
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

// Array begins to read an array.
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

// Next goes to the next element, which the loop reads, all of it. False means that
// there is none, or an error.
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

// Retry reads what fits nowhere once more: where the error since m is a value that
// does not fit, it makes it the value at m that does not fit.
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
