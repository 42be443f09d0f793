package jsonread

import (
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// partSize is the size of the parts that collect a long string. A part has room at
	// its end for one window.
	partSize = 256 << 10
	// maxParts is how many parts come from the pool. Further parts are outside the
	// heap.
	maxParts = 1 << 20 / partSize
)

// long reads the rest of a string after the beginning in scratch. It stores the string
// in *like, unless both are equal.
func (r *Reader) long(like *string) {
	var g gathered
	defer g.free()
	equal := 0 // the number of bytes of *like that were read
	put := func(text []byte) {
		if to := equal + len(text); len(g.parts) == 0 && to <= len(*like) && (*like)[equal:to] == string(text) {
			equal = to
		} else {
			g.add(text)
		}
	}
	for more := true; more; more = r.run(&r.scratch) {
		if len(r.scratch) <= partSize-windowSize {
			continue
		}
		whole := len(r.scratch) - begun(r.scratch)
		put(r.valid(r.scratch[:whole]))
		r.scratch = append(r.scratch[:0], r.scratch[whole:]...)
	}
	if r.err != nil {
		*like = ""
		return
	}
	end := r.valid(r.scratch)
	if len(g.parts) == 0 && (*like)[equal:] == string(end) {
		return
	}
	var b strings.Builder
	b.Grow(equal + g.size + len(end)) // without touching the memory
	b.WriteString((*like)[:equal])
	g.moveTo(func(text []byte) { b.Write(text) })
	b.Write(end)
	*like = b.String()
}

// begun returns the length of an incomplete character at the end of s.
func begun(s []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		if utf8.RuneStart(s[len(s)-n]) {
			if utf8.FullRune(s[len(s)-n:]) {
				break
			}
			return n
		}
	}
	return 0
}

// gathered collects the beginning of a value of unknown length in parts. moveTo copies
// them into one piece of memory and frees each part at once. A large value is therefore
// hardly ever in memory twice.
//
// Most parts of a large value are outside the heap (mmap), because the collector frees
// parts in the heap too late. Measured with a block of 50 MB: Blocks peaks at 56 MB
// above idle with mmap, and at 103 MB without it. The goal is 58 MB. Load of one chunk
// of 30 MB needs 0.8 times the document with mmap, 1.13 times without it.
type gathered struct {
	parts []part
	size  int
}

type part struct {
	text  []byte
	aside bool
}

func (g *gathered) add(text []byte) {
	g.size += len(text)
	for len(text) > 0 {
		last := len(g.parts) - 1
		if last < 0 || len(g.parts[last].text) == partSize {
			g.parts = append(g.parts, g.next())
			last++
		}
		p := &g.parts[last].text
		n := copy((*p)[len(*p):partSize], text)
		*p, text = (*p)[:len(*p)+n], text[n:]
	}
}

// Variables, so that tests can count allocations.
var newAside, freeAside = mapAside, unmapAside

// next returns an empty part.
func (g *gathered) next() part {
	if len(g.parts) >= maxParts {
		if text := newAside(partSize); text != nil {
			return part{text, true}
		}
	}
	return part{newPart(), false}
}

// moveTo writes all parts in order and frees them.
func (g *gathered) moveTo(write func(text []byte)) {
	for i, p := range g.parts {
		g.parts[i] = part{} // no pointer to freed memory stays
		write(p.text)
		p.free()
	}
	g.parts, g.size = g.parts[:0], 0
}

// free frees all parts.
func (g *gathered) free() { g.moveTo(func([]byte) {}) }

func (p *part) free() {
	if p.aside {
		freeAside(p.text)
	} else {
		freePart(p.text)
	}
}

// The pool saves clearing a part, which costs as much as filling it.
var partPool = sync.Pool{New: func() any { return new([partSize]byte) }}

func newPart() []byte { return partPool.Get().(*[partSize]byte)[:0] }

// freePart returns a part to the pool, unless it had to grow.
func freePart(b []byte) {
	if cap(b) == partSize {
		partPool.Put((*[partSize]byte)(b[:partSize]))
	}
}
