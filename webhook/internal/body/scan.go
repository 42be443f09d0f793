package body

import "bytes"

// scanner reads JSON of the form that Reducto sends, in one pass and without
// allocations. It accepts only valid JSON, and rejects unusual JSON, valid or not.
// decode then reads the rejected.
type scanner struct {
	data []byte
	pos  int
}

// maxScanDepth is the deepest nesting that the scanner accepts.
const maxScanDepth = 64

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// take consumes c if it comes next, after white space.
func (s *scanner) take(c byte) bool {
	if s.skip(c) { // Reducto sends no white space
		return true
	}
	s.peek()
	return s.skip(c)
}

// atEnd reports whether only white space remains.
func (s *scanner) atEnd() bool { return s.peek() == 0 && s.pos == len(s.data) }

// members reads an object with plain names. It calls value to read the value of each
// member; start is the position of the member's name.
func (s *scanner) members(value func(name []byte, start int) bool) bool {
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	for {
		s.peek()
		start := s.pos
		name, ok := s.plain()
		if !ok || !s.take(':') || !value(name, start) {
			return false
		}
		if s.take(',') {
			continue
		}
		return s.take('}')
	}
}

// plain reads a string of printable ASCII without escapes.
func (s *scanner) plain() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	for i, c := range s.data[s.pos:] {
		switch byteKinds[c] {
		case plainByte:
		case quoteByte:
			text := s.data[s.pos : s.pos+i]
			s.pos += i + 1
			return text, true
		default:
			return nil, false
		}
	}
	return nil, false
}

// byteKind is what a byte is within a string.
type byteKind uint8

const (
	plainByte   byteKind = iota // printable ASCII
	otherByte                   // beyond ASCII, and DEL
	controlByte                 // not allowed unless escaped
	quoteByte
	escapeByte
)

// byteKinds has the kind of every byte. A table is faster than three comparisons.
var byteKinds = func() (kinds [256]byteKind) {
	for c := range kinds {
		switch {
		case c == '"':
			kinds[c] = quoteByte
		case c == '\\':
			kinds[c] = escapeByte
		case c < ' ':
			kinds[c] = controlByte
		case c > '~':
			kinds[c] = otherByte
		}
	}
	return kinds
}()

// value skips a value.
func (s *scanner) value(depth int) bool {
	switch c := s.peek(); c {
	case '"':
		return s.str()
	case '{':
		return depth > 0 && s.list('}', func() bool {
			return s.peek() == '"' && s.str() && s.take(':') && s.value(depth-1)
		})
	case '[':
		return depth > 0 && s.list(']', func() bool { return s.value(depth - 1) })
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

// list skips an array or an object, whose bracket comes next.
func (s *scanner) list(end byte, item func() bool) bool {
	s.pos++
	if s.take(end) {
		return true
	}
	for item() {
		if !s.take(',') {
			return s.take(end)
		}
	}
	return false
}

// str skips a string, whose quote comes next.
func (s *scanner) str() bool {
	for i := s.pos + 1; i < len(s.data); i++ {
		switch byteKinds[s.data[i]] {
		case quoteByte:
			s.pos = i + 1
			return true
		case controlByte:
			return false
		case escapeByte:
			i++
			if i == len(s.data) {
				return false
			}
			if s.data[i] == 'u' {
				if !isHex(s.data[i+1:]) {
					return false
				}
				i += 4
			} else if bytes.IndexByte([]byte(`"\/bfnrt`), s.data[i]) < 0 {
				return false
			}
		}
	}
	return false
}

// isHex reports whether b begins with four hexadecimal digits.
func isHex(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	for _, c := range b[:4] {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

func (s *scanner) literal(text string) bool {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(text)) {
		return false
	}
	s.pos += len(text)
	return true
}

// number skips a number of JSON's grammar.
func (s *scanner) number() bool {
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return false
	}
	if s.skip('.') && !s.digits() {
		return false
	}
	if s.skip('e') || s.skip('E') {
		_ = s.skip('+') || s.skip('-')
		return s.digits()
	}
	return true
}

// skip consumes c if it is the next byte.
func (s *scanner) skip(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}
