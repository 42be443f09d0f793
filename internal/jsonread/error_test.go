package jsonread

import (
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The error says what was found and what was expected. The value is still to be read.
func TestMisfitNamesFoundAndExpectedValue(t *testing.T) {
	t.Parallel()
	for want, read := range map[string]func(r *Reader){
		"a number":  func(r *Reader) { assert.Zero(t, r.Float()); assert.Zero(t, r.Int()); assert.Nil(t, r.FloatPointer()) },
		"a string":  func(r *Reader) { assert.Empty(t, r.String()); assert.Empty(t, r.StringOf(&Parts{})); r.SkipString() },
		"a boolean": func(r *Reader) { assert.False(t, r.Bool()) },
		"an array":  func(r *Reader) { a := r.Array(); assert.False(t, a.Next()) },
		"an object": func(r *Reader) { r.Walk(nil) },
	} {
		for text, got := range map[string]string{
			`{}`: "an object", `[]`: "an array", `""`: "a string", `true`: "a boolean", `false`: "a boolean", `null`: "null", `0`: "a number", `9`: "a number", `-1`: "a number",
		} {
			if got == want {
				continue
			}
			r := FromBytes([]byte(text))
			read(r)
			require.EqualError(t, r.Err(), got+" where "+want+" is expected")
			require.ErrorAs(t, r.Err(), new(*MisfitError))
			assert.Zero(t, r.Offset())
			assert.NoError(t, r.Rest())
		}
		for text, what := range map[string]string{`x`: "invalid character 'x' at byte 0", `+`: "invalid character '+' at byte 0", ``: io.ErrUnexpectedEOF.Error()} {
			r := FromBytes([]byte(text))
			read(r)
			require.EqualError(t, r.Err(), what)
		}
	}
}

// After an error the Reader reads nothing and keeps the first error.
func TestReaderStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"a":[1]}`, `[1]`, `"a"`, `7`, `true`, `null`} {
		r := FromBytes([]byte(text))
		r.Misfit(io.ErrClosedPipe)
		r.Fail(io.ErrNoProgress)
		r.Reject(io.ErrNoProgress)
		assert.Zero(t, r.Kind())
		assert.Zero(t, r.Float())
		assert.Zero(t, r.Int())
		assert.Nil(t, r.FloatPointer())
		assert.Nil(t, r.IntPointer())
		assert.Empty(t, r.String())
		assert.Empty(t, r.ShortString())
		assert.False(t, r.Bool())
		assert.Nil(t, r.Raw())
		o := r.Object(pointFields, nil)
		assert.False(t, o.Next())
		a := r.Array()
		assert.False(t, a.Next())
		r.Walk(func([]byte) bool { t.Fatal("called"); return false })
		r.Skip()
		r.SkipString()
		v := 7
		Decode(r, &v)
		r.End()
		assert.Zero(t, r.Offset())
		require.ErrorIs(t, r.Err(), io.ErrClosedPipe)
		require.ErrorAs(t, r.Err(), new(*MisfitError))
		require.NoError(t, r.Rest(), "all of it is left: %s", text)
	}
	// It does not read the source either.
	r := New(iotest.ErrReader(io.ErrNoProgress), -1)
	r.Misfit(io.ErrClosedPipe)
	r.End()
	require.NoError(t, r.SourceErr())
}

// Label adds a prefix to an error and nothing to a success.
func TestLabelPrefixesErrors(t *testing.T) {
	t.Parallel()
	r := FromBytes([]byte(`7`))
	r.Label("nothing")
	require.NoError(t, r.Err())
	r.Misfit(io.ErrClosedPipe)
	r.Label("b")
	r.Label("a")
	require.EqualError(t, r.Err(), "a: b: "+io.ErrClosedPipe.Error())
	require.ErrorIs(t, r.Err(), io.ErrClosedPipe)
}
