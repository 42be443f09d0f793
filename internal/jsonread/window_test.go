package jsonread

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The window keeps its first size as long as that is enough for the input to keep.
func TestTheWindowDoesNotGrow(t *testing.T) {
	t.Parallel()
	long := `"` + strings.Repeat("a", 300_000) + `"`
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		first string
		read  func(*Reader)
	}{
		"a mark that was released": {`{"a":1}`, func(r *Reader) {
			m := r.Mark()
			r.Skip()
			r.Release(m)
		}},
		"a mark within another": {`{"a":1}`, func(r *Reader) {
			outer := r.Mark()
			inner := r.Mark()
			r.Skip()
			r.Release(inner)
			r.Release(outer)
		}},
		"a mark that was returned to": {`{"a":1}`, func(r *Reader) {
			m := r.Mark()
			r.Skip()
			require.True(t, r.Rewind(m))
			r.Skip()
		}},
		"what fits, tried":                {`7`, func(r *Reader) { m := r.Mark(); r.Int(); r.Retry(m) }},
		"what does not fit, tried":        {`"a"`, func(r *Reader) { m := r.Mark(); r.Int(); r.Retry(m) }},
		"what failed, tried":              {`7`, func(r *Reader) { m := r.Mark(); r.Int(); r.Reject(failed); r.Retry(m) }},
		"a value, decoded":                {`7`, func(r *Reader) { Decode(r, new(int)) }},
		"a value that does not fit":       {`"a"`, func(r *Reader) { Decode(r, new(int)) }},
		"a name twice":                    {`{"a":1,"a":1}`, func(r *Reader) { Decode(r, new(record)) }},
		"nothing decoded, after an error": {`7`, func(r *Reader) { r.Misfit(failed); Decode(r, new(int)) }},
		"nothing kept, after an error":    {`7`, func(r *Reader) { r.Misfit(failed); r.Raw() }},
		"a value as it is":                {`{"a":1}`, func(r *Reader) { r.Raw() }},
		"a long string":                   {long, func(r *Reader) { assert.Len(t, r.String(), 300_000) }},
		"a long string, looked at":        {long, func(r *Reader) { assert.Len(t, r.View(), 300_000) }},
		"a long string, passed over":      {long, func(r *Reader) { r.SkipString() }},
		"white space":                     {strings.Repeat(" ", 300_000) + `7`, func(r *Reader) { assert.Equal(t, 7, r.Int()) }},
		"a member that is dropped":        {`{"new":` + long + `,"b":true}`, func(r *Reader) { readRecord(r, new(record), false) }},
		"a member that nobody reads":      {`{"new":` + long + `,"b":true}`, func(r *Reader) { r.Walk(func([]byte) bool { return true }) }},
		"equal strings":                   {`["` + strings.Repeat(`same","`, 9) + `"]`, readAlike},
		"equal strings too long for it":   {`["` + long[1:maxToken] + `","` + long[1:maxToken] + `"]`, readAlike},
	} {
		for _, forgetful := range []bool{false, true} {
			r := New(io.MultiReader(
				iotest.OneByteReader(strings.NewReader(`[`+c.first)),
				strings.NewReader(strings.Repeat(`,{"a":[1,"b"]}`, 30_000)+`]`)), -1)
			if forgetful {
				r.Forgetful()
			}
			a := r.Array()
			require.True(t, a.Next())
			if c.read(r); r.Err() == nil {
				for a.Next() {
					r.Skip()
				}
				r.End()
				require.NoError(t, r.Err(), name)
			} else {
				require.NoError(t, r.Rest(), name)
			}
			assert.Equal(t, windowSize, cap(r.buf), name)
			r.Close()
		}
	}
}

// readAlike reads an array of strings. Each may equal the one before it.
func readAlike(r *Reader) {
	last := ""
	for a := r.Array(); a.Next(); {
		last = r.StringLike(last)
	}
}

// For a document of known small size, the window is no larger than the document.
func TestWindowOfSmallDocumentIsSmall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ announced, size, first, last int }{
		{2, 2, minWindow, minWindow},
		{minWindow - 1, minWindow - 1, minWindow, minWindow},
		{10_000, 10_000, 10_001, 10_001}, // and one byte, to see the end
		{windowSize - 1, windowSize - 1, windowSize, windowSize},
		{windowSize, windowSize, windowSize, windowSize},
		{300_000, 300_000, windowSize, windowSize},
		{-1, 2, windowSize, windowSize},
		{0, 10_000, minWindow, minWindow}, // the announced size was wrong
	} {
		r := New(strings.NewReader(`[`+strings.Repeat(" ", c.size-2)+`]`), int64(c.announced))
		assert.Equal(t, c.first, cap(r.buf), "%d", c.announced)
		assert.Equal(t, c.first == windowSize, r.memory != nil, "%d", c.announced)
		r.Skip()
		r.End()
		require.NoError(t, r.Err())
		assert.Equal(t, c.last, cap(r.buf), "%d", c.announced)
		r.Close()
	}
}

// To keep much input, the window grows at once to the announced size, or by a
// reasonable amount if none was announced.
func TestTheWindowGrowsAtOnce(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	for announced, most := range map[int64]int{size: size + size/4, 1 << 40: windowSize + maxGrow + maxGrow/4, -1: 3 * size} {
		r := New(strings.NewReader(`"`+strings.Repeat("a", size-2)+`"`), announced)
		m := r.Mark()
		moved := 0
		for before := cap(r.buf); r.more(); before = cap(r.buf) {
			if cap(r.buf) != before {
				moved++
			}
		}
		assert.Equal(t, announced > 0, moved == 1, "%d: %d", announced, moved)
		assert.Less(t, cap(r.buf), most, "%d", announced)
		require.True(t, r.Rewind(m))
		assert.Len(t, r.View(), size-2)
		require.NoError(t, r.Err())
	}
}

// Marks nest. The end of an inner mark does not end the outer one.
func TestMarksNest(t *testing.T) {
	t.Parallel()
	value := `{"a":"` + strings.Repeat("a", 200_000) + `"}`
	for name, inner := range map[string]func(r *Reader){
		"released":         func(r *Reader) { m := r.Mark(); r.Skip(); r.Release(m) },
		"returned to":      func(r *Reader) { m := r.Mark(); r.Skip(); r.Rewind(m); r.Skip() },
		"of a large value": func(r *Reader) { assert.True(t, value == string(r.Raw())) },
		"of what is decoded": func(r *Reader) {
			var v record
			Decode(r, &v)
			assert.Len(t, v.Extra, 1)
		},
	} {
		text := `[` + value + `,7]`
		r := New(iotest.HalfReader(strings.NewReader(text)), int64(len(text)))
		m := r.Mark()
		a := r.Array()
		a.Next()
		inner(r)
		a.Next()
		assert.Equal(t, 7, r.Int(), name)
		require.True(t, r.Rewind(m), name)
		assert.True(t, text == string(r.Raw()), name)
		r.End()
		require.NoError(t, r.Err(), name)
	}
}

// Rewind undoes everything after the mark, including Reject.
func TestRewindUndoesErrors(t *testing.T) {
	t.Parallel()
	r := FromBytes([]byte(`[[1,2]]`))
	a := r.Array()
	a.Next()
	m := r.Mark()
	r.Skip()
	r.Reject(errors.New("rejected"))
	require.True(t, r.Rewind(m))
	require.NoError(t, r.Err())
	inner := r.Array()
	inner.Next()
	assert.Empty(t, r.String())
	require.EqualError(t, r.Err(), "a number where a string is expected")
	assert.NoError(t, r.Rest(), "which is what comes next")
}

// A forgetful Reader also keeps a raw value as a whole, and is still forgetful
// afterwards.
func TestForgetfulReadersKeepValues(t *testing.T) {
	t.Parallel()
	value := `"` + strings.Repeat("a", 200_000) + `"`
	r := New(iotest.HalfReader(strings.NewReader(`[`+value+`,`+value+`,[`+strings.Repeat(value+",", 20)+`7]]`)), -1)
	r.Forgetful()
	a := r.Array()
	a.Next()
	assert.True(t, value == string(r.Raw()))
	a.Next()
	var text string
	Decode(r, &text)
	assert.Len(t, text, 200_000)
	a.Next()
	m := r.Mark()
	r.Skip()
	require.NoError(t, r.Err())
	require.False(t, r.Rewind(m))
	require.ErrorIs(t, r.Err(), ErrForgotten)
}

// A forgetful Reader keeps what fits into the window, even if it must move it to the
// beginning.
func TestForgetfulReadersKeepWhatFits(t *testing.T) {
	t.Parallel()
	value := `["` + strings.Repeat("a", windowSize/2) + `"]`
	r := New(strings.NewReader(strings.Repeat(" ", windowSize*2/3)+value), -1)
	r.Forgetful()
	require.Equal(t, byte('['), r.Kind())
	m := r.Mark()
	r.Skip()
	require.True(t, r.Rewind(m))
	assert.True(t, value == string(r.Raw()))
	assert.Equal(t, windowSize, cap(r.buf))
}

// A raw value belongs to the caller. Reuse of the window does not change it, and
// changing it has no other effect.
func TestRawBelongsToTheCaller(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, windowSize/2 + 1, windowSize - 1, windowSize, windowSize + 1, 2 * windowSize, 300_000} {
		value := `"` + strings.Repeat("a", size-2) + `"`
		text := `[` + value + `,"b"]`
		for _, announced := range []int{-1, max(len(text), windowSize)} {
			r := New(strings.NewReader(text), int64(announced))
			a := r.Array()
			a.Next()
			raw := r.Raw()
			assert.True(t, value == string(raw), "%d", size)
			clear(raw)
			a.Next()
			assert.Equal(t, "b", r.String(), "%d", size)
			assert.False(t, a.Next())
			r.End()
			require.NoError(t, r.Err(), "%d", size)
			for _, window := range [][]byte{r.buf, r.memory.window[:]} {
				copy(window, text)
			}
			assert.Equal(t, size, bytes.Count(raw, []byte{0}), "%d", size)
		}
		given := []byte(text)
		r := FromBytes(given)
		a := r.Array()
		a.Next()
		clear(r.Raw())
		assert.True(t, text == string(given), "%d", size)
	}
}
