//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package jsonread

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A long string is in the heap only once, because its parts are outside the heap.
func TestLongStringIsInTheHeapOnce(t *testing.T) { // not parallel: it measures
	b := mapAside(partSize)
	require.Equal(t, partSize, cap(b))
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
