package jsonread

import (
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// partSize is the size of the parts that a long string is gathered in. The end of a
	// part has room for what one window can add.
	partSize = 256 << 10
	// maxParts is how many of them come from the pool. What is beyond them lies aside.
	maxParts = 1 << 20 / partSize
)

// long reads the rest of a string whose beginning fills scratch, and puts it into
// *like, unless it is equal to that already.
func (r *Reader) long(like *string) {
	var g gathered
	defer g.free()
	equal := 0 // how much of *like was read
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
	b.Grow(equal + g.size + len(end)) // which touches none of it
	b.WriteString((*like)[:equal])
	g.moveTo(func(text []byte) { b.Write(text) })
	b.Write(end)
	*like = b.String()
}

// begun is the length of a character at the end of s of which more is to come.
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

// gathered is the beginning of something of which nobody knows yet how long it will
// be. In the end it is copied into one piece of memory, part by part, and each part is
// given back as soon as it was: so that there is never much more than what it is. What
// is left to the collector comes back too late for that, which is why most parts of
// what has many MB lie outside of its heap, where the system lets them.
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

// Variables for tests, which count what is made and what is given back.
var newAside, freeAside = mapAside, unmapAside

// next is an empty part.
func (g *gathered) next() part {
	if len(g.parts) >= maxParts {
		if text := newAside(partSize); text != nil {
			return part{text, true}
		}
	}
	return part{newPart(), false}
}

// moveTo has all parts written, one after the other, and gives them back.
func (g *gathered) moveTo(write func(text []byte)) {
	for i, p := range g.parts {
		g.parts[i] = part{} // the collector does not like pointers to what is no more
		write(p.text)
		p.free()
	}
	g.parts, g.size = g.parts[:0], 0
}

// free gives back what was gathered.
func (g *gathered) free() { g.moveTo(func([]byte) {}) }

func (p *part) free() {
	if p.aside {
		freeAside(p.text)
	} else {
		freePart(p.text)
	}
}

// Parts are used again: to clear and collect one costs as much as to fill it.
var partPool = sync.Pool{New: func() any { return new([partSize]byte) }}

func newPart() []byte { return partPool.Get().(*[partSize]byte)[:0] }

// freePart gives back what was a part, unless it had to grow.
func freePart(b []byte) {
	if cap(b) == partSize {
		partPool.Put((*[partSize]byte)(b[:partSize]))
	}
}
