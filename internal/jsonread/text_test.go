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

// second reads the first string of an array, passes over what follows it up to the
// next string, and is there.
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

// A string that is the one before it is compared with that in the window, as long as
// both are there.
func TestRepeatedStrings(t *testing.T) {
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
		// To who reads them it is all the same.
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
	// Nothing is compared with what lies behind the text.
	text := []byte(`["same","same"]`)
	r := FromBytes(slices.Clip(text[:len(text)-3]))
	assert.Empty(t, r.StringLike(second(t, r)))
	require.ErrorIs(t, r.Err(), io.ErrUnexpectedEOF)
}
