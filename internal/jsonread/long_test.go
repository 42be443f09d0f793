package jsonread

import (
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A character or an invalid byte can be at the boundary of two parts. A part ends where
// the received text ends.
func TestCharactersMayCrossPartBoundaries(t *testing.T) {
	t.Parallel()
	for _, at := range []string{
		"ä", "€", "😀", "\xff", "\xe2", "\xe2\x82", "\xf0\x9f", "\xf0\x9f\x98", "\xf0\x9f\x98\xff", "\x80\x80\x80\x80", "\xed\xa0\x80", `\u20ac`, `\ud83d\ude00`,
	} {
		for shift := range len(at) {
			text := []byte(`"é` + strings.Repeat("b", shift) + strings.Repeat(at, 2*partSize/len(at)) + `c"`)
			var want string
			require.NoError(t, json.Unmarshal(text, &want))
			r := New(&inPieces{text: text, sizes: []int{1009}}, -1)
			require.True(t, want == r.String(), "%q, %d", at, shift)
			r.End()
			require.NoError(t, r.Err())
			r.Close()
		}
	}
}

func TestBegunReturnsLengthOfIncompleteCharacter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "a": 0, "ä": 0, "😀": 0, "\xff": 0, "\x80": 0, "\x80\x80\x80\x80": 0, "a\x80": 0,
		"\xc3": 1, "a\xc3": 1, "\xe2": 1, "\xe2\x82": 2, "\xf0": 1, "\xf0\x9f": 2, "\xf0\x9f\x98": 3, "ab\xf0\x9f\x98": 3,
		"\xe2\xff": 0, "\xed\xa0": 0, "\xf0\x9fa": 0, "\xc0": 0,
	} {
		assert.Equal(t, want, begun([]byte(text)), "%q", text)
	}
}

// large is a value of many MB that is gathered: a string, or raw JSON.
type large struct {
	name, text, want string
	read             func(r *Reader) (string, json.RawMessage)
}

func largeValues(mb int) []large {
	type known struct {
		Known int `json:"known"`
	}
	fields := FieldsOf[known]()
	words := strings.Repeat("words of a large block ", mb<<20/23)
	numbers := "[" + strings.Repeat("12345.678, ", mb<<20/11) + "0]"
	str := func(r *Reader) (string, json.RawMessage) { return r.String(), nil }
	raw := func(r *Reader) (string, json.RawMessage) { return "", r.Raw() }
	member := func(r *Reader) (string, json.RawMessage) {
		var extra map[string]json.RawMessage
		for o := r.Object(fields, &extra); o.Next(); {
			r.Skip()
		}
		if r.Err() != nil {
			return "", nil
		}
		return "", extra["new"]
	}
	return []large{
		{"a string", `"` + words + `"`, words, str},
		{"a string as it is", `"` + words + `"`, `"` + words + `"`, raw},
		{"a list as it is", numbers, numbers, raw},
		{"a member as it is", `{"new":` + numbers + `,"known":1}`, numbers, member},
	}
}

// Memory outside the heap is freed after every kind of end. Without such memory the
// Reader returns the same values.
func TestMemoryOutsideTheHeapIsFreed(t *testing.T) { // not parallel: it counts
	defer func() { newAside, freeAside = mapAside, unmapAside }()
	made, left := 0, map[*byte]bool{}
	counted := func(n int) []byte {
		b := mapAside(n)
		if b != nil {
			made++
			left[&b[:1][0]] = true
		}
		return b
	}
	newAside = counted
	freeAside = func(b []byte) {
		assert.True(t, left[&b[:1][0]])
		delete(left, &b[:1][0])
		unmapAside(b)
	}
	lost := errors.New("lost")
	for _, c := range largeValues(3) {
		read := func(src io.Reader) (string, error) {
			r := New(src, -1)
			defer r.Close()
			s, raw := c.read(r)
			require.Empty(t, left, c.name)
			return s + string(raw), r.Err()
		}
		made = 0
		got, err := read(strings.NewReader(c.text))
		require.NoError(t, err)
		require.True(t, c.want == got, c.name)
		asides := made > 0

		half := func(then io.Reader) io.Reader { return io.MultiReader(strings.NewReader(c.text[:2<<20]), then) }
		for what, then := range map[string]io.Reader{
			"unexpected EOF": strings.NewReader(""), "lost": iotest.ErrReader(lost), "invalid character": strings.NewReader("\x00\""),
		} {
			made = 0
			got, err := read(half(then))
			require.ErrorContains(t, err, what, c.name)
			require.Empty(t, got)
			require.Equal(t, asides, made > 0, c.name)
		}
		require.PanicsWithValue(t, lost, func() { _, _ = read(half(panicking{lost})) }, c.name)
		require.Empty(t, left, c.name)

		newAside = func(int) []byte { return nil }
		got, err = read(strings.NewReader(c.text))
		require.NoError(t, err)
		require.True(t, c.want == got, c.name)
		newAside = counted
	}
}

// panicking is a source that panics.
type panicking struct{ with error }

func (p panicking) Read([]byte) (int, error) { panic(p.with) }

// A value that fits into the window is not gathered, however it arrives.
func TestSmallValuesAreNotGathered(t *testing.T) { // not parallel: it measures
	for _, size := range []int{3500, 10_000, 40_000, 60_000} {
		text := []byte(`"` + strings.Repeat("a", size) + `"`)
		for _, known := range []int64{int64(len(text)), -1} {
			runtime.GC()
			runtime.GC() // for pools
			r := New(&inPieces{text: text, sizes: []int{1000}}, known)
			assert.Less(t, bytesOf(func() { r.Raw() }), uint64(size+size/2+minWindow), "%d of %d", size, known)
			require.NoError(t, r.Err())
			r.Close()
		}
	}
}

// No pointer to freed memory remains.
func TestFreedPartsAreNotReferenced(t *testing.T) {
	t.Parallel()
	r := New(strings.NewReader(`"`+strings.Repeat("a", 4<<20)+`"`), -1)
	defer r.Close()
	require.Len(t, r.Raw(), 4<<20+2)
	all := r.spilled.parts[:cap(r.spilled.parts)]
	require.Greater(t, len(all), maxParts)
	for _, p := range all {
		require.Zero(t, cap(p.text))
	}
}
