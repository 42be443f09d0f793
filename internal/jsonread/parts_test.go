package jsonread

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Parts of a text need no memory, wherever they are.
func TestPartsShareMemory(t *testing.T) {
	long, longer := strings.Repeat("a sentence. ", 20), strings.Repeat("Another line\n", 30)
	for name, c := range map[string]struct {
		text   string
		parts  []string
		copies int // of parts that are longer than a few bytes
	}{
		"one after the other":   {"# " + long + "\n\n" + longer + "\n\nend of it", []string{long, longer, "end of it"}, 0},
		"escapes, non-ASCII":    {"\"ä\" \\ 😀 of it\n\n" + long, []string{"\"ä\" \\ 😀 of it", long}, 0},
		"one that is no part":   {long + "\n\n" + longer, []string{long, strings.Repeat("table ", 20), longer}, 1},
		"one that is left out":  {long + strings.Repeat("left out ", 5) + longer, []string{long, longer}, 0},
		"short, left out":       {long + strings.Repeat("left out ", 5) + "end of it", []string{long, "end of it"}, 1},
		"in another order":      {long + longer, []string{longer, long}, 1},
		"twice":                 {long + "\n" + long, []string{long, long, long}, 1},
		"longer than what is":   {long, []string{long + "and more"}, 1},
		"begins alike":          {long + longer, []string{long[:100] + longer}, 1},
		"of no text":            {"", []string{long}, 1},
		"of too long a text":    {strings.Repeat(long, maxShared/len(long)+1), []string{long}, 1},
		"nothing, and no value": {long, []string{"", "", long}, 0},
	} {
		text, err := json.Marshal(c.parts)
		require.NoError(t, err)
		eachWay(text, func(way string, r *Reader) {
			p := PartsOf(c.text)
			a := r.Array()
			for _, part := range c.parts {
				require.True(t, a.Next())
				require.Equal(t, part, r.StringOf(&p), "%s, %s", name, way)
			}
			require.False(t, a.Next())
			require.NoError(t, r.Err())
		})
		allocations := func(read func(*Reader)) float64 {
			return testing.AllocsPerRun(10, func() {
				r := &Reader{buf: text, mark: -1, end: true, stack: make([]byte, 0, 8), scratch: make([]byte, 0, 8<<10)}
				for a := r.Array(); a.Next(); {
					read(r)
				}
			})
		}
		p := PartsOf(c.text)
		copies := allocations(func(r *Reader) {
			if r.Offset() == 1 {
				p = PartsOf(c.text)
			}
			r.StringOf(&p)
		}) - allocations(func(r *Reader) { r.View() })
		assert.Equal(t, c.copies, int(copies), name)
	}
}

// All searches for absent parts read the text once in total, for any size.
func TestPartsAreSearchedOnce(t *testing.T) {
	t.Parallel()
	const last = "what is nowhere else, but at the end of it"
	text := strings.Repeat("text of a chunk ", maxShared/16-10) + last
	p := PartsOf(text)
	assert.Equal(t, -1, p.find([]byte(strings.Repeat("none of it ", 10))))
	assert.LessOrEqual(t, p.search, 0)
	assert.Equal(t, -1, p.find([]byte(last)), "nothing is searched any more")
	assert.Equal(t, 0, p.find([]byte(text[:200])), "what comes next is seen")
}

func TestInvalidPartsAreErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`7`: "where a string is expected", `"a`: "EOF", "\"a\nb\"": "invalid character"} {
		r := New(strings.NewReader(text), -1)
		p := PartsOf("a")
		assert.Empty(t, r.StringOf(&p))
		assert.ErrorContains(t, r.Err(), want)
		assert.Empty(t, r.StringOf(&p))
	}
}
