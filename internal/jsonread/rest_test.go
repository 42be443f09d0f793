package jsonread

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// What does not fit, anywhere, leaves the reader where the rest can be checked.
func TestRest(t *testing.T) {
	t.Parallel()
	for text, whole := range map[string]bool{
		`{"x":"a"}`:                       true,
		`{"x":"a"`:                        false,
		`{"x":"a",}`:                      false,
		`{"x":{"a":[1,{}]},"new":[1]}`:    true,
		`{"x":1,"x":2,"new":[1,{"a":1}]}`: true,
		`{"x":1,"x":}`:                    false,
		`{"x":1,"x":2,"new":[1,{"a":1}]`:  false,
		`{"next":{"next":{"x":[]}}} `:     true,
		`{"next":{"next":{"x":[]}}}}`:     false,
		`{"next":{"next":{"x":[]}}`:       false,
		`{"new":1,"new":2}`:               true,
		`{"label":1.5e400}`:               true,
		`{"x":1e400,"a":[`:                false,
		`[]`:                              true,
		`[1,`:                             false,
		`"a"`:                             true,
	} {
		eachWay([]byte(text), func(way string, r *Reader) {
			var p point
			readPoint(r, &p)
			r.End()
			err := r.Err()
			require.Error(t, err, "%s: %s", way, text)
			rest := r.Rest()
			require.Equal(t, whole, rest == nil, "%s: %s: %v, %v", way, text, err, rest)
			require.Equal(t, err, r.Err(), "it stays")
		})
	}
}

// So does what was read and is rejected, whatever follows it.
func TestRestAfterReject(t *testing.T) {
	t.Parallel()
	rejected := errors.New("rejected")
	for text, whole := range map[string]bool{
		`{"new":1,"x":2}`: true,
		`{"new":1}`:       true,
		`{"new":1{}}`:     false,
		`{"new":1"x":2}`:  false,
		`{"new":1,}`:      false,
		`{"new":1`:        false,
	} {
		eachWay([]byte(text), func(way string, r *Reader) {
			r.Walk(func([]byte) bool {
				r.Skip()
				r.Reject(nil)
				require.NoError(t, r.Err())
				r.Reject(rejected)
				return true
			})
			require.Equal(t, rejected, r.Err(), "%s: %s", way, text)
			require.Equal(t, whole, r.Rest() == nil, "%s: %s", way, text)
		})
	}
}
