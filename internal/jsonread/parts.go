package jsonread

import "strings"

// Parts is a text of which strings that come later are parts, mostly one after the
// other. The zero value has none.
type Parts struct {
	text   string
	at     int // where the part that was found last ends
	search int // how many more bytes may be searched
}

const (
	// maxShared is the longest text that parts share memory with: who keeps one part
	// keeps all of it.
	maxShared = 16 << 10
	// partGap is how much may be between two parts: white space, the marks of a heading.
	partGap = 8
	// partStart is what a part that comes later is searched by. Shorter ones are not,
	// for they are anywhere.
	partStart = 32
)

// PartsOf returns a text to be found in. One that is long is not searched.
func PartsOf(text string) Parts {
	if len(text) > maxShared {
		return Parts{}
	}
	// All searches together pass over a text once, so that one of which nothing is a
	// part costs little.
	return Parts{text: text, search: len(text)}
}

// StringOf reads a string. It needs no memory if it is a part of p that follows the
// one before.
func (r *Reader) StringOf(p *Parts) string {
	if !r.atString() {
		return ""
	}
	view, whole := r.begin()
	if !whole {
		var long string
		var short bool
		if view, short = r.rest(&long); !short {
			return long
		}
	}
	if i := p.find(view); i >= 0 {
		p.at = i + len(view)
		return p.text[i:p.at]
	}
	return string(view)
}

// find is the index of a part; -1 if it was not found.
func (p *Parts) find(part []byte) int {
	if len(part) == 0 || len(part) > len(p.text)-p.at {
		return -1
	}
	last := len(p.text) - len(part)
	for i := p.at; i <= min(p.at+partGap, last); i++ {
		if p.text[i:i+len(part)] == string(part) {
			return i
		}
	}
	if len(part) < partStart || p.search <= 0 {
		return -1
	}
	n := strings.Index(p.text[p.at:], string(part[:partStart]))
	if n < 0 {
		p.search -= len(p.text) - p.at
		return -1
	}
	p.search -= n
	if i := p.at + n; i <= last && p.text[i:i+len(part)] == string(part) {
		return i
	}
	return -1
}
