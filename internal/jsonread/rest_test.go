package jsonread

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// After a misfit the Reader can check the rest of the document.
func TestRestReadsOnAfterMisfit(t *testing.T) {
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

// The same applies after a rejected value, whatever follows it.
func TestRestReadsOnAfterReject(t *testing.T) {
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

// The same applies after Fail, before or after a value.
func TestRestReadsOnAfterFail(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	for text, whole := range map[string]bool{`[1,2]`: true, `[1]`: true, `[1`: false, `[1,]`: false, `[1]]`: false, `[1}`: false} {
		for _, before := range []bool{false, true} {
			eachWay([]byte(text), func(way string, r *Reader) {
				a := r.Array()
				a.Next()
				if !before {
					require.Equal(t, 1, r.Int())
				}
				r.Fail(failed)
				require.Equal(t, whole, r.Rest() == nil, "%s: %s", way, text)
				require.Equal(t, failed, r.Err())
			})
		}
	}
}

// Reject(nil) does not change what the error is about.
func TestRejectingNilChangesNothing(t *testing.T) {
	t.Parallel()
	eachWay([]byte(`[1,"a"]`), func(way string, r *Reader) {
		a := r.Array()
		a.Next()
		r.Skip()
		r.Reject(nil)
		a.Next()
		require.Zero(t, r.Int())
		require.ErrorAs(t, r.Err(), new(*MisfitError))
		require.NoError(t, r.Rest(), way)
	})
}
