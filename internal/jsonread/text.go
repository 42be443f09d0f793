package jsonread

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxToken is the maximum length of a string that is read within the window.
const maxToken = windowSize / 2

// String reads a string.
func (r *Reader) String() string { return r.StringLike("") }

// StringLike reads a string. If the string equals like, it returns like and allocates
// nothing.
func (r *Reader) StringLike(like string) string {
	if !r.atString() {
		return ""
	}
	if like != "" && like == r.last && r.repeats() {
		return like
	}
	from := r.Offset()
	view, whole := r.begin()
	if !whole {
		var ok bool
		if view, ok = r.rest(&like); !ok {
			return like
		}
	}
	s := like
	if string(view) != like {
		s = string(view)
	}
	r.lastRaw, r.last = span{from, r.Offset()}, s
	return s
}

// View reads a string. The result is valid until the next call.
func (r *Reader) View() []byte {
	if !r.atString() {
		return nil
	}
	view, whole := r.begin()
	if !whole {
		for r.run(&r.scratch) {
		}
		view = r.valid(r.scratch)
	}
	if r.err != nil {
		return nil
	}
	return view
}

// ShortString reads a string. Short strings share blocks of 4 KB. A short string that
// you keep keeps its block.
func (r *Reader) ShortString() string {
	view := r.View()
	if len(view) > 64 {
		return string(view)
	}
	if r.short == nil || r.short.Cap()-r.short.Len() < len(view) {
		r.short = new(strings.Builder)
		r.short.Grow(4 << 10)
	}
	from := r.short.Len()
	r.short.Write(view)
	return r.short.String()[from:]
}

// atString reports whether a string comes next. Otherwise it sets an error.
func (r *Reader) atString() bool {
	if r.err != nil {
		return false
	}
	if r.peek() == '"' {
		return true
	}
	r.misfit("a string")
	return false
}

// repeats skips a string that equals the last one, if the last one is still in the
// window.
func (r *Reader) repeats() bool {
	n := int(r.lastRaw.to - r.lastRaw.from)
	if n > maxToken {
		return false
	}
	if len(r.buf)-r.pos < n && r.mark < 0 {
		r.mark = int(r.lastRaw.from - r.base)
		r.fill(n)
		r.mark = -1
	}
	from := int(r.lastRaw.from - r.base)
	if from < 0 || len(r.buf)-r.pos < n || !bytes.Equal(r.buf[from:from+n], r.buf[r.pos:r.pos+n]) {
		return false
	}
	r.pos += n
	return true
}

// begin reads the string at the position up to the first escape, or about maxToken bytes
// of it. If this is the whole string, begin returns it in the window. Otherwise it copies
// the beginning to scratch and returns false.
func (r *Reader) begin() (view []byte, whole bool) {
	i := r.pos + 1
	ascii := true
	for {
		if ascii {
			i += plain(r.buf[i:])
			ascii = i == len(r.buf) || r.buf[i] < 0x80
		}
		if !ascii {
			i += plainOrHigh(r.buf[i:])
		}
		if i < len(r.buf) {
			break
		}
		width := i - r.pos
		end := width > maxToken || !r.more()
		if i = r.pos + width; end { // the window may have moved
			break
		}
	}
	r.high = !ascii
	if i == len(r.buf) || r.buf[i] != '"' {
		r.scratch = append(r.scratch[:0], r.buf[r.pos+1:i]...)
		r.pos = i
		return nil, false
	}
	view = r.buf[r.pos+1 : i]
	r.pos = i + 1
	return r.valid(view), true
}

// run appends more of the string to dst, up to the end of the window or to a rare
// escape. It returns false if the string has ended or is invalid.
func (r *Reader) run(dst *[]byte) bool {
	for {
		n := 0
		if !r.high {
			n = plain(r.buf[r.pos:])
			r.high = r.pos+n < len(r.buf) && r.buf[r.pos+n] >= 0x80
		}
		if r.high {
			n += plainOrHigh(r.buf[r.pos+n:])
		}
		*dst = append(*dst, r.buf[r.pos:r.pos+n]...)
		r.pos += n
		if r.pos == len(r.buf) {
			if r.more() {
				return true
			}
			break
		}
		switch r.buf[r.pos] {
		case '"':
			r.pos++
			return false
		case '\\':
			if r.pos+1 == len(r.buf) || escaped[r.buf[r.pos+1]] == 0 {
				return r.escape(dst)
			}
			*dst = append(*dst, escaped[r.buf[r.pos+1]])
			r.pos += 2
		default:
			r.unexpected()
			return false
		}
	}
	r.unexpected()
	return false
}

// escaped maps the letter of an escape sequence to its character.
var escaped = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// rest reads the rest of a string after the beginning in scratch. It returns a short
// string in scratch. It stores a long one in *like, unless both are equal, and returns
// false. After an error it returns false too.
func (r *Reader) rest(like *string) (view []byte, short bool) {
	for r.run(&r.scratch) {
		switch n := len(r.scratch); {
		case n > partSize-windowSize:
			r.long(like)
			return nil, false
		case n > maxToken && cap(r.scratch) < partSize:
			r.scratch = append(newPart(), r.scratch...)
		}
	}
	if r.err != nil {
		*like = ""
		return nil, false
	}
	return r.valid(r.scratch), true
}

// escape reads the escape sequence at the position and appends its character.
func (r *Reader) escape(dst *[]byte) bool {
	if r.fill(2) < 2 {
		r.pos = len(r.buf)
		r.unexpected()
		return false
	}
	c := r.buf[r.pos+1]
	switch {
	case c == 'u':
		u, ok := r.unit()
		if !ok {
			return false
		}
		if utf16.IsSurrogate(u) {
			u = r.pair(u)
		}
		*dst = utf8.AppendRune(*dst, u)
		return r.err == nil
	case escaped[c] == 0:
		r.pos++
		r.unexpected()
		return false
	}
	*dst = append(*dst, escaped[c])
	r.pos += 2
	return true
}

// unit reads an escape sequence of a UTF-16 code unit.
func (r *Reader) unit() (rune, bool) {
	n := min(r.fill(6), 6)
	var u rune
	for i := 2; i < n; i++ {
		switch c := r.buf[r.pos+i]; {
		case '0' <= c && c <= '9':
			u = u<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			u = u<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			u = u<<4 | rune(c-'A'+10)
		default:
			r.pos += i
			r.unexpected()
			return 0, false
		}
	}
	r.pos += n
	if n < 6 {
		r.unexpected()
		return 0, false
	}
	return u, true
}

// pair returns the character of the surrogate first and the following escape sequence.
// If they are no pair, it returns U+FFFD and does not read the escape sequence.
func (r *Reader) pair(first rune) rune {
	if r.fill(6) < 6 || r.buf[r.pos] != '\\' || r.buf[r.pos+1] != 'u' {
		return utf8.RuneError
	}
	at := r.pos
	second, ok := r.unit()
	if !ok {
		return utf8.RuneError
	}
	c := utf16.DecodeRune(first, second)
	if c == utf8.RuneError {
		r.pos = at
	}
	return c
}

// valid replaces each byte that is not UTF-8 by U+FFFD.
func (r *Reader) valid(s []byte) []byte {
	if !r.high || utf8.Valid(s) {
		return s
	}
	fixed := make([]byte, 0, len(s)+len(s)/2)
	for len(s) > 0 {
		c, size := utf8.DecodeRune(s)
		fixed = utf8.AppendRune(fixed, c)
		s = s[size:]
	}
	return fixed
}
