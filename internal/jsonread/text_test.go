package jsonread

import (
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// second reads the first string of an array and skips to the next string.
func second(t *testing.T, r *Reader) (first string) {
	t.Helper()
	a := r.Array()
	require.True(t, a.Next())
	first = r.String()
	for a.Next() && r.Kind() != '"' {
		r.Skip()
	}
	return first
}

// A string that equals the one before it is compared in the window, while both are
// there.
func TestRepeatedStringsAreComparedInTheWindow(t *testing.T) {
	t.Parallel()
	same := `"same \n ` + strings.Repeat("a", 1000) + `"`
	for name, c := range map[string]struct {
		text    string
		repeats bool
	}{
		"next":               {`[` + same + `,` + same + `]`, true},
		"another":            {`[` + same + `,"` + same[2:] + `]`, false},
		"written otherwise":  {`[` + same + `,"\u0073` + same[2:] + `]`, false},
		"not much later":     {`[` + same + `,` + strings.Repeat("7,", 1000) + same + `]`, true},
		"across its end":     {`[` + strings.Repeat(" ", windowSize-1500) + same + `,` + same + `]`, true},
		"out of the window":  {`[` + same + `,` + strings.Repeat("7,", windowSize) + same + `]`, false},
		"cut":                {`[` + same + `,` + same[:1000], false},
		"longer than others": {`["` + strings.Repeat("a", maxToken) + `","` + strings.Repeat("a", maxToken) + `"]`, false},
	} {
		for way, r := range map[string]*Reader{
			"whole":        New(strings.NewReader(c.text), -1),
			"byte by byte": New(iotest.OneByteReader(strings.NewReader(c.text)), -1),
		} {
			second(t, r)
			from := r.Offset()
			assert.Equal(t, c.repeats, r.repeats(), "%s, %s", name, way)
			assert.Equal(t, c.repeats, r.Offset() > from, "it is passed over: %s, %s", name, way)
		}
		// A forgetful Reader returns the same.
		for _, forgetful := range []bool{false, true} {
			r := New(iotest.OneByteReader(strings.NewReader(c.text)), -1)
			if forgetful {
				r.Forgetful()
			}
			m := r.Mark()
			first := second(t, r)
			if s := r.StringLike(first); name == "cut" {
				require.ErrorIs(t, r.Err(), io.ErrUnexpectedEOF)
				assert.Empty(t, s)
				continue
			}
			require.NoError(t, r.Err())
			require.True(t, forgetful || r.Rewind(m), "what is marked is kept: %s", name)
		}
	}
	// Bytes after the end of the text are not compared.
	text := []byte(`["same","same"]`)
	r := FromBytes(slices.Clip(text[:len(text)-3]))
	assert.Empty(t, r.StringLike(second(t, r)))
	require.ErrorIs(t, r.Err(), io.ErrUnexpectedEOF)
}

// An equal last part does not make two strings of several parts equal.
func TestStringsWithEqualLastPartDiffer(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("a", 1000)
	// The first part ends with a window.
	for size := partSize - 8; size < partSize+8; size++ {
		want := strings.Repeat("b", size) + other
		r := New(strings.NewReader(`"`+want+`"`), -1)
		require.True(t, want == r.StringLike(other), "%d", size)
		require.NoError(t, r.Err())
		r.Close()
	}
}

// An invalid string returns nothing, not even its valid beginning.
func TestInvalidStringsReturnNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"a`, `"a\`, `"a\x"`, "\"a\nb\"", `"` + strings.Repeat("a", 600_000), `"` + strings.Repeat("a", 600_000) + "\n"} {
		for _, read := range []func(*Reader) string{
			(*Reader).String, (*Reader).ShortString,
			func(r *Reader) string { return string(r.View()) },
			func(r *Reader) string { return r.StringLike("a") },
			func(r *Reader) string { return r.StringLike(strings.Repeat("a", 600_000)) },
			func(r *Reader) string { p := PartsOf("a"); return r.StringOf(&p) },
		} {
			r := New(strings.NewReader(text), -1)
			require.Empty(t, read(r), "%.10q", text)
			require.True(t, r.Broken())
			r.Close()
		}
	}
}

// Valid non-ASCII text is checked in the window.
func TestValidTextIsNotCopied(t *testing.T) { // not parallel: it measures
	text := `"` + strings.Repeat("ä", maxToken/2-10) + `"`
	for _, read := range []func(*Reader){func(r *Reader) { r.View() }, func(r *Reader) { r.StringLike(text[1 : len(text)-1]) }} {
		r := New(strings.NewReader(text), -1)
		assert.Less(t, bytesOf(func() { read(r) }), uint64(maxToken/4))
		require.NoError(t, r.Err())
		r.Close()
	}
}
