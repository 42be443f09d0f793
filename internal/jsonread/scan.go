package jsonread

import "encoding/binary"

// Constants with the same value in each byte of a word.
const (
	ones     = 0x0101010101010101
	highs    = 0x80 * ones
	quotes   = '"' * ones
	escapes  = '\\' * ones
	controls = 0x20 * ones
)

// plain returns the number of bytes at the start of b that are plain ASCII characters
// of a string. They end at the first quote, escape, control character or non-ASCII
// byte.
//
// Subtraction sets the high bit of a byte that is smaller than the subtracted one. A
// borrow sets bits only above the first hit, where they do not matter.
func plain(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		if ((w-controls)|((w^quotes)-ones)|((w^escapes)-ones)|w)&highs != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// plainOrHigh counts like plain, but accepts non-ASCII bytes too.
func plainOrHigh(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		if ((w-controls)|((w^quotes)-ones)|((w^escapes)-ones))&^w&highs != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// peek skips white space and returns the next byte without reading it, or 0 at the end.
func (r *Reader) peek() byte {
	for {
		for r.pos < len(r.buf) {
			switch c := r.buf[r.pos]; c {
			case ' ', '\n', '\r', '\t':
				r.pos++
			default:
				return c
			}
		}
		if !r.more() {
			return 0
		}
	}
}

// Kind returns the first byte of the next value: one of { [ " t f n, or a digit or
// minus for a number. It returns 0 at the end and after an error.
func (r *Reader) Kind() byte {
	if r.err != nil {
		return 0
	}
	return r.peek()
}

// literal reads true, false or null.
func (r *Reader) literal(word string) bool {
	n := min(r.fill(len(word)), len(word))
	for i := range n {
		if r.buf[r.pos+i] != word[i] {
			r.pos += i
			r.unexpected()
			return false
		}
	}
	r.pos += n
	if n < len(word) {
		r.unexpected()
		return false
	}
	return true
}

// Bool reads true or false.
func (r *Reader) Bool() bool {
	if r.err != nil {
		return false
	}
	switch r.peek() {
	case 't':
		return r.literal("true")
	case 'f':
		r.literal("false")
	default:
		r.misfit("a boolean")
	}
	return false
}

// push opens a bracket.
func (r *Reader) push(bracket byte) {
	r.stack = append(r.stack, bracket)
	if len(r.stack) > maxDepth {
		r.Fail(&SyntaxError{"exceeded max depth", r.Offset()})
	}
	r.pos++
}

// pop closes the innermost bracket.
func (r *Reader) pop() {
	r.stack = r.stack[:len(r.stack)-1]
	r.pos++
}
