package jsonread

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/reducto-go/reducto/internal/members"
)

// Skip skips a value, which must be valid JSON.
func (r *Reader) Skip() {
	if r.err == nil {
		r.skip(len(r.stack), false)
	}
}

// SkipString skips a string. Any other value does not fit.
func (r *Reader) SkipString() {
	if r.atString() {
		r.skipString()
	}
}

// skip skips a value until only depth brackets are open. If after is true, the position
// is after a value, not before one.
func (r *Reader) skip(depth int, after bool) {
	if after {
		goto next
	}
value:
	switch c := r.peek(); c {
	case '"':
		r.skipString()
	case '{':
		r.push('{')
		if r.peek() == '}' {
			r.pop()
			break
		}
		goto name
	case '[':
		r.push('[')
		if r.peek() == ']' {
			r.pop()
			break
		}
		if r.err == nil {
			goto value
		}
	case 't':
		r.literal("true")
	case 'f':
		r.literal("false")
	case 'n':
		r.literal("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		r.number()
	default:
		r.unexpected()
	}
next:
	for r.err == nil && len(r.stack) > depth {
		top := r.stack[len(r.stack)-1]
		switch c := r.peek(); {
		case c == ',':
			r.pos++
			if top == '{' {
				goto name
			}
			goto value
		case c == top+2: // in ASCII, the opening and the closing bracket are two apart
			r.pop()
		default:
			r.unexpected()
		}
	}
	return
name:
	if r.err != nil {
		return
	}
	if r.peek() != '"' {
		r.unexpected()
		return
	}
	if r.skipString(); r.err != nil {
		return
	}
	if r.peek() != ':' {
		r.unexpected()
		return
	}
	r.pos++
	goto value
}

// skipString skips the string at the position.
func (r *Reader) skipString() {
	var dropped [8]byte
	r.pos++
	for {
		r.pos += plainOrHigh(r.buf[r.pos:])
		if r.pos == len(r.buf) {
			if !r.more() {
				r.unexpected()
				return
			}
			continue
		}
		switch r.buf[r.pos] {
		case '"':
			r.pos++
			return
		case '\\':
			dst := dropped[:0]
			if !r.escape(&dst) {
				return
			}
		default:
			r.unexpected()
			return
		}
	}
}

// Walk reads an object with any members, even repeated ones. It calls visit before each
// value, which visit may read. It stops if visit returns false. name is valid until
// visit reads something.
func (r *Reader) Walk(visit func(name []byte) bool) {
	if r.err != nil {
		return
	}
	if r.peek() != '{' {
		r.misfit("an object")
		return
	}
	r.push('{')
	var name []byte // a copy, because the window may move
	for first := true; r.err == nil; first = false {
		c := r.peek()
		if c == '}' {
			r.pop()
			return
		}
		if !first {
			if c != ',' {
				break
			}
			r.pos++
			c = r.peek()
		}
		if c != '"' {
			break
		}
		name = append(name[:0], r.View()...)
		if r.err != nil || r.peek() != ':' {
			break
		}
		r.pos++
		if !startsValue[r.peek()] {
			break
		}
		from := r.Offset()
		if !visit(name) {
			return
		}
		if r.Offset() == from {
			r.Skip()
		}
	}
	r.unexpected()
}

// Broken reports whether the document is invalid JSON, ends early, or its source failed.
func (r *Reader) Broken() bool {
	_, syntax := errors.AsType[*SyntaxError](r.err)
	return syntax || r.err != nil && r.srcErr != nil || errors.Is(r.err, io.ErrUnexpectedEOF)
}

// Raw returns the next value as it is.
func (r *Reader) Raw() json.RawMessage {
	if r.err != nil {
		return nil
	}
	r.peek()
	m := r.Mark()
	defer r.Release(m)
	forgetful := r.forgetful
	r.forgetful = false
	r.spills = m.outer
	r.Skip()
	r.spills = false
	r.forgetful = forgetful
	switch {
	case r.err != nil:
		r.spilled.free()
		return nil
	case len(r.spilled.parts) == 0:
		return r.Since(m)
	}
	raw := make([]byte, 0, r.spilled.size+r.pos-r.mark)
	r.spilled.moveTo(func(text []byte) { raw = append(raw, text...) })
	return append(raw, r.buf[r.mark:r.pos]...)
}

// Since returns the input since m as it is; nil after an error.
func (r *Reader) Since(m Mark) json.RawMessage {
	if r.err != nil {
		return nil
	}
	return bytes.Clone(r.buf[m.offset-r.base : r.pos])
}

// Decode reads a value with encoding/json. Use it for rare values. A value that does
// not fit leaves *v zero.
func Decode[T any](r *Reader, v *T) {
	r.Kind()
	m := r.Mark()
	defer r.Release(m)
	raw := r.Raw()
	if r.err != nil {
		return
	}
	err := json.Unmarshal(raw, v)
	if err == nil {
		return
	}
	*v = *new(T)
	if _, twice := errors.AsType[*members.DuplicateError](err); twice {
		r.Fail(err)
	} else if r.Rewind(m) {
		r.Misfit(err)
	}
}

// End sets an error if anything but white space follows.
func (r *Reader) End() {
	if r.err != nil {
		return
	}
	if r.peek() != 0 || r.pos < len(r.buf) {
		r.Fail(&SyntaxError{fmt.Sprintf("invalid character %q after the end", rune(r.buf[r.pos])), r.Offset()})
	} else if r.srcErr != nil {
		r.Fail(r.srcErr)
	}
}

// Rest reads the rest of a document after an error. It returns an error if the document
// is not valid JSON. The error of the Reader stays.
func (r *Reader) Rest() error {
	err := r.err
	if r.Broken() {
		return err
	}
	r.err = nil
	r.skip(0, r.rejected || !startsValue[r.peek()])
	r.End()
	rest := r.err
	r.err = err
	return rest
}
