package jsonread

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A character, or what is none, may lie anywhere on the boundary of two parts.
func TestPartsEndAnywhere(t *testing.T) {
	t.Parallel()
	const size = partSize - windowSize // a part is full with the window in which it gets longer
	for _, at := range []string{"ä", "€", "😀", "\xff", "\xe2", "\xe2\x82", "\xf0\x9f", "\xf0\x9f\x98", "\xf0\x9f\x98\xff", "\x80\x80\x80\x80", "\xed\xa0\x80", `\u20ac`, `\ud83d\ude00`} {
		for shift := range len(at) + 2 {
			text := []byte(`"é` + strings.Repeat("b", size-3-shift) + strings.Repeat(at, 300) + `c"`)
			var want string
			require.NoError(t, json.Unmarshal(text, &want))
			for name, src := range map[string]io.Reader{
				"windows":   strings.NewReader(string(text)),
				"odd sizes": &inPieces{text: text, sizes: []int{windowSize, size - windowSize + 5, 1, 2, 1, 3, 1009}},
			} {
				r := New(src, -1)
				require.True(t, want == r.String(), "%s: %q, %d", name, at, shift)
				r.End()
				require.NoError(t, r.Err())
				r.Close()
			}
		}
	}
}

func TestBegun(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "a": 0, "ä": 0, "😀": 0, "\xff": 0, "\x80": 0, "\x80\x80\x80\x80": 0, "a\x80": 0,
		"\xc3": 1, "a\xc3": 1, "\xe2": 1, "\xe2\x82": 2, "\xf0": 1, "\xf0\x9f": 2, "\xf0\x9f\x98": 3, "ab\xf0\x9f\x98": 3,
		"\xe2\xff": 0, "\xed\xa0": 0, "\xf0\x9fa": 0, "\xc0": 0,
	} {
		assert.Equal(t, want, begun([]byte(text)), "%q", text)
	}
}

// large is a value of many MB that is gathered: a string, or a value as it is.
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

// What lies aside is given back, however the reading ends; where the system has
// nothing to lie in, what is read is the same.
func TestWhatLiesAsideIsGivenBack(t *testing.T) { // not parallel: it counts
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

// The heap has what is long once, where there is memory outside of it.
func TestWhatIsLongIsInTheHeapOnce(t *testing.T) { // not parallel: it measures
	b := mapAside(partSize)
	if b == nil {
		t.Skip("this system has no memory outside of the heap")
	}
	unmapAside(b)
	for _, c := range largeValues(8) {
		r := New(strings.NewReader(c.text), -1)
		size := 0
		took := bytesOf(func() {
			s, raw := c.read(r)
			size = len(s) + len(raw)
		})
		require.NoError(t, r.Err())
		r.Close()
		require.Equal(t, len(c.want), size, c.name)
		assert.Less(t, took, uint64(size+2<<20), c.name)
	}
}
