package jsonread

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/members"
)

type point struct {
	X     float64                    `json:"x"`
	Label string                     `json:"label"`
	Count int                        `json:"count,omitzero"`
	Tags  []string                   `json:"tags,omitzero"`
	Next  *point                     `json:"next"`
	On    bool                       `json:"on,omitzero"`
	Many  []point                    `json:"many,omitzero"`
	Extra map[string]json.RawMessage `json:"-"`
}

var pointFields = FieldsOf[point]("kind")

func readPoint(r *Reader, p *point) {
	for o := r.Object(pointFields, &p.Extra); o.Next(); {
		switch o.Name {
		case "x":
			p.X = r.Float()
		case "label":
			p.Label = r.String()
		case "count":
			p.Count = r.Int()
		case "tags":
			Decode(r, &p.Tags)
		case "next":
			p.Next = new(point)
			readPoint(r, p.Next)
		case "on":
			p.On = r.Bool()
		case "many":
			m := r.Mark()
			for a := r.Array(); a.Next(); {
				p.Many = append(p.Many, point{})
				readPoint(r, &p.Many[len(p.Many)-1])
			}
			if r.Err() != nil {
				p.Many = nil
			}
			r.Retry(m)
		case "kind":
			if r.Kind() == 'n' {
				p.Label = "null"
			}
			r.Skip()
		}
	}
}

func TestObjectsKeepUnknownMembers(t *testing.T) {
	t.Parallel()
	raw := func(pairs ...string) map[string]json.RawMessage {
		m := map[string]json.RawMessage{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = json.RawMessage(pairs[i+1])
		}
		return m
	}
	for text, want := range map[string]point{
		`{}`:   {},
		`null`: {},
		` { "x" : 1.5 , "label" : "a" , "count" : -7 , "on" : true } `: {X: 1.5, Label: "a", Count: -7, On: true},
		`{"label":"a","x":2,"on":true,"count":3}`:                      {X: 2, Label: "a", Count: 3, On: true},
		`{"x":null,"label":null,"count":null,"tags":null,"next":null}`: {},
		`{"x": null,"label": "a","next": null}`:                        {Label: "a"},
		`{"kind":null}`:                                                {Label: "null"},
		`{"kind":{"a":[null]}}`:                                        {},
		`{"l\u0061bel":"a","\u0078":1}`:                                {X: 1, Label: "a"},
		// Members without a field of exactly that name are kept as they came.
		`{"X":1,"new":{"a": [1,2]},"":null,"n\u0065w2":1.50}`: {Extra: raw("X", "1", "new", `{"a": [1,2]}`, "", "null", "new2", "1.50")},
		"{\"\xff\":1}": {Extra: raw("\ufffd", "1")},
		// Optional members that do not fit are kept too, and the rest is read.
		`{"count":"a","x":1}`:                          {X: 1, Extra: raw("count", `"a"`)},
		`{"count":1.5,"on":"yes","x":1}`:               {X: 1, Extra: raw("count", `1.5`, "on", `"yes"`)},
		`{"on":false,"x":0,"count":-0.0E2,"label":""}`: {Extra: raw("on", "false", "count", "-0.0E2")},
		`{"on":"","count":false,"x":1}`:                {X: 1, Extra: raw("on", `""`, "count", "false")},
		`{"count":0.5,"tags":[],"next":{}}`:            {Tags: []string{}, Next: &point{}, Extra: raw("count", "0.5")},
		`{"tags":[1, "a"],"x":1}`:                      {X: 1, Extra: raw("tags", `[1, "a"]`)},
		`{"many":{"a":1},"x":1}`:                       {X: 1, Extra: raw("many", `{"a":1}`)},
		`{"many":[{"x":1},{"x":"a"}],"x":1}`:           {X: 1, Extra: raw("many", `[{"x":1},{"x":"a"}]`)},
		`{"many":[null,{"x":1}],"tags":["a",null]}`:    {Many: []point{{}, {X: 1}}, Tags: []string{"a", ""}},
		`{"next":{"next":{"count":1e3}}}`:              {Next: &point{Next: &point{Extra: raw("count", "1e3")}}},
	} {
		eachWay([]byte(text), func(way string, r *Reader) {
			var got point
			readPoint(r, &got)
			r.End()
			require.NoError(t, r.Err(), "%s: %s", way, text)
			require.Equal(t, want, got, "%s: %s", way, text)
			require.Equal(t, int64(len(text)), r.Offset())
		})
	}
	for text, want := range map[string]string{
		`[]`:                            "not a JSON object",
		`"a"`:                           "not a JSON object",
		`{"x":"a"}`:                     "x: a string where a number is expected",
		`{"x":[]}`:                      "x: an array where a number is expected",
		`{"label":true}`:                "label: a boolean where a string is expected",
		`{"label":{}}`:                  "label: an object where a string is expected",
		`{"next":{"next":{"x":1e400}}}`: "next: next: x: the number 1e400 is out of range",
		`{"next":7}`:                    "next: not a JSON object",
		`{"x":1,"x":1}`:                 `duplicate member "x"`,
		`{"x":1,"\u0078":1}`:            `duplicate member "x"`,
		`{"new":1,"new":1}`:             `duplicate member "new"`,
		`{"x":null,"x":1}`:              `duplicate member "x"`,
		`{"count":"a","count":1}`:       `duplicate member "count"`,
		`{"many":[{"x":1,"x":1}]}`:      `many: duplicate member "x"`,
		`{"x":1,"label":nul}`:           "label: invalid character '}' at byte 18",
		`{"x":1,"new":nul}`:             "invalid character '}' at byte 16",
		`{"x":1 "label":"a"}`:           "invalid character '\"' at byte 7",
		`{"x":1,"label":}`:              "label: invalid character '}' at byte 15",
		`{"x":1,"label" 2}`:             "label: invalid character '2' at byte 15",
		`{"x":1,"next":{"x":}}`:         "next: x: invalid character '}' at byte 19",
		`{"x":1, "new":}`:               "invalid character '}' at byte 14",
		`{"x":`:                         "x: unexpected EOF",
		`{"next":{"x":1]}`:              "next: invalid character ']' at byte 14",
		`{"label" "a"}`:                 "label: invalid character '\"' at byte 9",
		`{"next":{"x":-}}`:              "next: x: invalid character '}' at byte 14",
	} {
		eachWay([]byte(text), func(way string, r *Reader) {
			readPoint(r, new(point))
			r.End()
			require.EqualError(t, r.Err(), want, "%s: %s", way, text)
		})
	}
	var twice *members.DuplicateError
	r := FromBytes([]byte(`{"next":{"new":1,"new":1}}`))
	readPoint(r, new(point))
	require.ErrorAs(t, r.Err(), &twice)
	assert.Equal(t, "new", twice.Name)

	// Reading into a value again replaces its unknown members.
	p := point{X: 1, Extra: raw("old", "1")}
	readPoint(FromBytes([]byte(`{"new":2}`)), &p)
	assert.Equal(t, point{X: 1, Extra: raw("new", "2")}, p)
}

func TestPointersAndShortStringsShareBlocks(t *testing.T) {
	t.Parallel()
	const n = 1000
	r := New(strings.NewReader("["+strings.Repeat(`0.5,7,"short","`+strings.Repeat("long", 30)+`",`, n)+"null]"), -1)
	var floats []*float64
	var ints []*int
	var texts []string
	a := r.Array()
	for range n {
		a.Next()
		floats = append(floats, r.FloatPointer())
		*floats[len(floats)-1] += float64(len(floats))
		a.Next()
		ints = append(ints, r.IntPointer())
		*ints[len(ints)-1] += len(ints)
		a.Next()
		texts = append(texts, r.ShortString())
		a.Next()
		shared := r.short.Len()
		require.Len(t, r.ShortString(), 120)
		require.Equal(t, shared, r.short.Len(), "a long one has its own memory")
	}
	require.Equal(t, 4<<10, r.short.Cap(), "and what is shared is not much")
	for i := range n {
		require.Equal(t, 1.5+float64(i), *floats[i], "each has its own memory")
		require.Equal(t, 8+i, *ints[i])
		require.Equal(t, "short", texts[i])
	}
}

// Marked input is kept, unless the Reader is forgetful and the input is too long.
func TestMarkedInputIsKept(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 40_000, 200_000} {
		text := `{"many":[` + strings.Repeat(`{"x":1},`, size/8) + `{"x":"a"}],"x":7}`
		for _, forgetful := range []bool{false, true} {
			r := New(iotest.HalfReader(strings.NewReader(text)), -1)
			if forgetful {
				r.Forgetful()
			}
			var p point
			readPoint(r, &p)
			if forgetful && size > windowSize {
				require.ErrorIs(t, r.Err(), ErrForgotten)
				continue
			}
			require.NoError(t, r.Err())
			assert.Equal(t, 7.0, p.X)
			assert.True(t, text[8:len(text)-7] == string(p.Extra["many"]))
		}
	}
	// A large value replaces the window, and the input after it is not lost.
	large := `"` + strings.Repeat("a", 300_000) + `"`
	r := New(strings.NewReader(`[1,`+large+`,`+large+`,2]`), -1)
	r.KeepHead()
	a := r.Array()
	a.Next()
	assert.Equal(t, 1, r.Int())
	a.Next()
	first := r.Raw()
	a.Next()
	second := r.Raw()
	a.Next()
	assert.Equal(t, 2, r.Int())
	assert.False(t, a.Next())
	require.NoError(t, r.Err())
	assert.True(t, large == string(first) && large == string(second))
	head, whole := r.Head()
	assert.Same(t, &r.memory.head[0], &head[0], "in memory that is used again")
	assert.False(t, whole)
	assert.True(t, strings.HasPrefix(`[1,`+large, string(head)) && len(head) == headSize)
	r.Close()
	assert.True(t, large == string(first) && large == string(second), "they stay")

	r = New(strings.NewReader(`[]`), 2)
	r.KeepHead()
	r.Skip()
	head, whole = r.Head()
	assert.True(t, whole && bytes.Equal(head, []byte(`[]`)))
}

// Head returns a short document as a whole, and the beginning of a long one.
func TestHeadIsTheReadBeginning(t *testing.T) {
	t.Parallel()
	for _, size := range []int{2, headSize, headSize + 1, windowSize, 2 * windowSize} {
		text := `[` + strings.Repeat(" ", size-2) + `]`
		r := New(strings.NewReader(text), -1)
		r.KeepHead()
		r.Skip()
		r.End()
		require.NoError(t, r.Err())
		head, whole := r.Head()
		assert.Equal(t, size <= headSize, whole, "%d", size)
		assert.True(t, text[:min(size, headSize)] == string(head), "%d", size)
	}
}

// An optional member that does not fit is kept. A nested value that does not fit needs
// a mark to be read again.
func TestMisfitsWithinMembers(t *testing.T) {
	t.Parallel()
	var p point
	r := FromBytes([]byte(`{"tags":["a",1,2],"x":2}`))
	for o := r.Object(pointFields, &p.Extra); o.Next(); {
		for a := r.Array(); a.Next(); {
			_ = r.String()
		}
	}
	require.EqualError(t, r.Err(), "tags: a number where a string is expected")
	require.NoError(t, r.Rest())
	assert.Nil(t, p.Extra)
}

// The loop does not receive bytes that start no value, which it could call a misfit.
func TestLoopDoesNotReceiveInvalidValues(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"x":}`, `{ "x" : }`, `{"x": ,"label":1}`, `{"x":+1}`, `{"x":`, `{ "x" :`, `[}`, `[,1]`, `[`} {
		eachWay([]byte(text), func(way string, r *Reader) {
			if text[0] == '{' {
				o := r.Object(pointFields, nil)
				require.False(t, o.Next(), "%s: %s", way, text)
			} else {
				a := r.Array()
				require.False(t, a.Next(), "%s: %s", way, text)
			}
			require.True(t, r.Broken(), "%s: %s", way, text)
		})
		eachWay([]byte(text), func(way string, r *Reader) {
			if text[0] == '{' {
				r.Walk(func([]byte) bool { t.Fatal("called"); return false })
				require.True(t, r.Broken(), "%s: %s", way, text)
			}
		})
	}
}

// A type has 1 to 64 members, from its tags or from the further names.
func TestFieldsOfRefusesInvalidTypes(t *testing.T) {
	t.Parallel()
	assert.Panics(t, func() { FieldsOf[struct{}]() })
	assert.Panics(t, func() {
		FieldsOf[struct {
			Untagged int
			Omitted  int `json:"-"`
		}]()
	})
	names := make([]string, 65)
	for i := range names {
		names[i] = strings.Repeat("a", i+1)
	}
	assert.Panics(t, func() { FieldsOf[struct{}](names...) })
	r := FromBytes([]byte(`{"` + names[63] + `":null,"a":null}`))
	o := r.Object(FieldsOf[struct{}](names[:64]...), nil)
	for _, name := range []string{names[63], "a"} {
		require.True(t, o.Next())
		assert.Equal(t, name, o.Name)
		r.Skip()
	}
	assert.False(t, o.Next())
	assert.False(t, o.Next(), "it stays at the end")
	require.NoError(t, r.Err())
	assert.Equal(t, byte(0), r.Kind())
}

// An UnmarshalJSON method can refuse a duplicate name, which is an error and not a
// misfit. A misfit leaves the value zero.
func TestDecodeRefusesDuplicatesAndKeepsMisfits(t *testing.T) {
	t.Parallel()
	var v record
	r := FromBytes([]byte(`{"any":1,"any":2}`))
	Decode(r, &v)
	assert.True(t, isDuplicate(r.Err()))
	assert.NotErrorAs(t, r.Err(), new(*MisfitError))
	assert.Zero(t, v)
	list := []int{7}
	r = FromBytes([]byte(`[1,"a"] x`))
	Decode(r, &list)
	require.ErrorAs(t, r.Err(), new(*MisfitError))
	assert.Nil(t, list)
	assert.Zero(t, r.Offset(), "it comes next")
}

func TestWalkVisitsMembersUntilFalse(t *testing.T) {
	t.Parallel()
	eachWay([]byte(` {"a":1 , "a":{"b":2},"\u0063":[3],"d":4}`), func(way string, r *Reader) {
		var names []string
		r.Walk(func(name []byte) bool {
			names = append(names, string(name))
			if string(name) == "c" {
				r.Skip() // by the visitor
			}
			return string(name) != "d"
		})
		require.NoError(t, r.Err(), way)
		require.Equal(t, []string{"a", "a", "c", "d"}, names)
		require.Equal(t, 4, r.Int(), "it stopped there")
	})
	eachWay([]byte(`{"the first name" :`+strings.Repeat(" ", 100)+`1}`), func(way string, r *Reader) {
		r.Walk(func(name []byte) bool {
			require.Equal(t, "the first name", string(name), "wherever the window is by then: %s", way)
			return true
		})
		require.NoError(t, r.Err())
	})
	r := FromBytes([]byte(`[]`))
	r.Walk(nil)
	require.EqualError(t, r.Err(), "an array where an object is expected")
	r = FromBytes([]byte(`"a"`))
	r.SkipString()
	r.End()
	require.NoError(t, r.Err())
}
