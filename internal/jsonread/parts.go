package jsonread

import "strings"

// Parts is a text that contains later strings, usually one after the other. These
// strings share its memory. The zero value contains none.
type Parts struct {
	text   string
	at     int // the end of the last part
	search int // how many bytes may still be searched
}

const (
	// maxShared is the maximum length of a text to share. A string that shares it keeps
	// the whole text in memory.
	maxShared = 16 << 10
	// partGap is the maximum gap between two parts, such as white space or the marks of
	// a heading.
	partGap = 8
	// partStart is the length of the prefix that is searched beyond the gap. Shorter
	// parts would occur anywhere.
	partStart = 32
)

// PartsOf returns the Parts of text. A long text is not shared.
func PartsOf(text string) Parts {
	if len(text) > maxShared {
		return Parts{}
	}
	// All searches together read the text once, so a text without parts costs little.
	return Parts{text: text, search: len(text)}
}

// StringOf reads a string. It allocates nothing if the string is the next part of p.
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

// find returns the index of a part, or -1.
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
