package jsonread

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

const (
	// windowSize is the size of the window. The window grows for a value that must be
	// in it as a whole. It is smaller for a smaller document.
	windowSize = 64 << 10
	minWindow  = 4 << 10

	// maxDepth is the maximum nesting that encoding/json allows.
	maxDepth = 10000

	// maxGrow bounds the growth of the window, because the announced size may be wrong.
	maxGrow = 8 << 20

	// headSize is the number of bytes that Head returns.
	headSize = 8 << 10

	// scratchSize is the first size of scratch. Most strings with escapes are shorter.
	scratchSize = 8 << 10
)

// Reader reads one JSON document. It is not safe for concurrent use.
type Reader struct {
	src    io.Reader // nil if the window has the whole document
	end    bool      // src has ended
	size   int64     // of the document; -1 if unknown
	buf    []byte    // the window
	memory *memory   // from the pool; nil for a small document
	pos    int       // the next byte in the window
	base   int64     // the offset of the window in the document

	mark      int  // index of the first byte to keep; -1 for none
	forgetful bool // a mark is dropped instead of growing the window

	spills  bool     // marked input is moved to spilled instead of growing the window
	spilled gathered // the input before the mark

	err      error  // the first error
	rejected bool   // err is about the value before the position
	srcErr   error  // of the source
	stack    []byte // the open brackets

	scratch []byte // a string that is being unescaped
	high    bool   // the string has bytes beyond ASCII
	lastRaw span   // the position of the last string
	last    string // its value

	keepHead bool
	head     []byte

	floats []float64
	ints   []int
	short  *strings.Builder
}

type span struct{ from, to int64 }

// New returns a Reader of src. size is the size of the document, or -1 if it is
// unknown. A known small size saves memory.
func New(src io.Reader, size int64) *Reader {
	window := int64(windowSize)
	if size >= 0 {
		window = min(window, size+1) // one byte more, to see the end
	}
	r := &Reader{src: src, size: size, mark: -1, stack: make([]byte, 0, 16)}
	if window == windowSize {
		r.memory = memories.Get().(*memory)
		r.buf, r.scratch = r.memory.window[:0], r.memory.scratch[:0]
	} else {
		r.buf = make([]byte, 0, max(window, minWindow))
	}
	return r
}

// Close frees the memory of the Reader. Do not use the Reader afterwards. Values that
// it returned stay valid, except those of View.
func (r *Reader) Close() {
	if r.memory != nil {
		memories.Put(r.memory)
	}
	freePart(r.scratch)
	r.spilled.free() // after a panic
	r.src, r.end, r.buf, r.memory, r.scratch, r.head = nil, true, nil, nil, nil, nil
}

// memory holds the buffers of a Reader.
type memory struct {
	window  [windowSize]byte
	scratch [scratchSize]byte
	head    [headSize]byte
}

// memories pools buffers: allocating one costs as much as reading it full.
var memories = sync.Pool{New: func() any { return new(memory) }}

// FromBytes returns a Reader of data. It does not modify or keep data.
func FromBytes(data []byte) *Reader {
	return &Reader{buf: data, mark: -1, end: true, stack: make([]byte, 0, 16)}
}

// KeepHead makes the Reader keep the beginning for Head.
func (r *Reader) KeepHead() { r.keepHead = true }

// Head returns the beginning of the document as far as it was read, up to 8 KB. whole
// reports whether nothing else was read. Head needs KeepHead and is valid until Close.
func (r *Reader) Head() (head []byte, whole bool) {
	if r.head != nil {
		return r.head, false
	}
	return r.buf[:min(headSize, len(r.buf))], len(r.buf) <= headSize
}

// Offset returns the number of bytes that were read of the document.
func (r *Reader) Offset() int64 { return r.base + int64(r.pos) }

// Err returns the first error. It returns an error of the source unchanged.
func (r *Reader) Err() error { return r.err }

// SourceErr returns the error of the source; nil if it did not fail.
func (r *Reader) SourceErr() error { return r.srcErr }

// Fail sets the error, unless there is one. An error ends every loop.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Reject sets the error of the value that was just read, unless err is nil or there is
// an error.
func (r *Reader) Reject(err error) {
	if r.err == nil && err != nil {
		r.err, r.rejected = err, true
	}
}

// Label adds a prefix to the error, if there is one.
func (r *Reader) Label(label string) {
	if r.err != nil {
		r.err = fmt.Errorf("%s: %w", label, r.err)
	}
}

// SyntaxError is the error for a document that is not valid JSON.
type SyntaxError struct {
	what   string
	Offset int64 // of the wrong byte
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.what, e.Offset) }

// MisfitError is the error for a value of an unexpected form.
type MisfitError struct{ err error }

// Error implements error.
func (e *MisfitError) Error() string { return e.err.Error() }

// Unwrap returns the reason.
func (e *MisfitError) Unwrap() error { return e.err }

// Misfit sets the error that the next value does not fit, unless there is an error. An
// Object keeps the value instead if the member is optional.
func (r *Reader) Misfit(err error) { r.Fail(&MisfitError{err}) }

func (r *Reader) misfit(want string) {
	got := ""
	switch c := r.peek(); {
	case c == '{':
		got = "an object"
	case c == '[':
		got = "an array"
	case c == '"':
		got = "a string"
	case c == 't', c == 'f':
		got = "a boolean"
	case c == 'n':
		got = "null"
	case c == '-', '0' <= c && c <= '9':
		got = "a number"
	default:
		r.unexpected()
		return
	}
	r.Misfit(errors.New(got + " where " + want + " is expected"))
}

// unexpected sets an error for the byte at the position, or for the end.
func (r *Reader) unexpected() {
	if r.err != nil {
		return
	}
	if r.pos < len(r.buf) || r.more() {
		r.err = &SyntaxError{fmt.Sprintf("invalid character %q", rune(r.buf[r.pos])), r.Offset()}
		return
	}
	r.err = r.srcErr
	if r.err == nil {
		r.err = io.ErrUnexpectedEOF
	}
}

// more reads more input into the window. It keeps unread and marked input. It returns
// false at the end.
func (r *Reader) more() bool {
	if r.end {
		return false
	}
	full := cap(r.buf)-len(r.buf) < cap(r.buf)/4
	if full && r.forgetful && r.mark < cap(r.buf)/4 {
		r.mark = -1
	}
	if r.spills && r.mark == 0 && len(r.buf) == cap(r.buf) {
		r.spilled.add(r.buf[:r.pos])
		r.mark = r.pos
	}
	keep := r.pos
	if r.mark >= 0 {
		keep = min(keep, r.mark)
	}
	if keep > 0 && full {
		r.saveHead()
		n := copy(r.buf[:cap(r.buf)], r.buf[keep:])
		r.buf = r.buf[:n]
		r.base += int64(keep)
		r.pos -= keep
		if r.mark >= 0 {
			r.mark -= keep
		}
	}
	if len(r.buf) == cap(r.buf) {
		grow := len(r.buf)
		if r.mark >= 0 { // all of it may have to be kept
			grow = max(grow, int(min(r.size-r.base-int64(len(r.buf))+1, maxGrow)))
		}
		r.buf = slices.Grow(r.buf, grow) // without clearing memory
	}
	for range 100 {
		n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if err != nil {
			r.end = true
			if err != io.EOF {
				r.srcErr = err
			}
		}
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	r.end, r.srcErr = true, io.ErrNoProgress
	return false
}

// saveHead copies the beginning for Head before the window moves.
func (r *Reader) saveHead() {
	if r.keepHead && r.base == 0 && r.head == nil {
		if r.memory != nil {
			r.head = r.memory.head[:0]
		}
		r.head = append(r.head, r.buf[:min(headSize, len(r.buf))]...)
	}
}

// fill reads until the window has n unread bytes, or the input ends. It returns the
// number of unread bytes.
func (r *Reader) fill(n int) int {
	for len(r.buf)-r.pos < n && r.more() {
	}
	return len(r.buf) - r.pos
}

// Mark is a position to return to.
type Mark struct {
	offset int64
	depth  int
	outer  bool // the outermost mark
}

// Mark keeps the following input until Release or Rewind ends the mark. Marks nest.
func (r *Reader) Mark() Mark {
	m := Mark{offset: r.Offset(), depth: len(r.stack), outer: r.mark < 0}
	if m.outer {
		r.mark = r.pos
	}
	return m
}

// Release ends a mark.
func (r *Reader) Release(m Mark) {
	if m.outer {
		r.mark = -1
	}
}

// Rewind returns to m, clears the error and ends the mark. If a Forgetful reader has
// dropped the input, Rewind returns false and the error is ErrForgotten.
func (r *Reader) Rewind(m Mark) bool {
	kept := r.mark >= 0 && m.offset >= r.base+int64(r.mark)
	if kept {
		r.pos = int(m.offset - r.base)
		r.stack = r.stack[:m.depth]
		r.err, r.rejected = nil, false
	} else {
		r.err = ErrForgotten
	}
	r.Release(m)
	return kept
}

// ErrForgotten is the error of Rewind if a Forgetful reader has dropped the input.
var ErrForgotten = errors.New("jsonread: the input to read again was not kept")

// Forgetful limits marks to the size of the window.
func (r *Reader) Forgetful() { r.forgetful = true }
