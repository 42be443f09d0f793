package jsonread

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What was returned stays as it is when other Readers use the memory again.
func TestMemoryIsUsedAgainAfterClose(t *testing.T) {
	t.Parallel()
	document := func(seed int) []byte {
		list := []any{float64(seed)}
		for _, size := range []int{1, 50, 3000, scratchSize + 9, maxToken + 9, windowSize, partSize + 9, 3*partSize + 9} {
			plain := strings.Repeat(fmt.Sprint("text ", seed), size/6+1)
			list = append(list, plain, "\n\t"+plain, plain+"\"ä", map[string]any{"name": plain, "a\n" + plain: "b"})
		}
		text, err := json.Marshal(list)
		require.NoError(t, err)
		return text
	}
	type kept struct{ value, want any }
	var all []kept
	for seed := range 8 {
		text := document(seed)
		r := New(strings.NewReader(string(text)), -1)
		k := kept{value: readAny(r)}
		r.End()
		require.NoError(t, r.Err())
		r.Close()
		raw := New(strings.NewReader(string(text)), -1)
		value := raw.Raw()
		raw.Close()
		require.NoError(t, json.Unmarshal(text, &k.want))
		all = append(all, k, kept{string(value), string(text)})
	}
	for _, k := range all {
		require.Equal(t, k.want, k.value)
	}
}

// A value that is kept as it came keeps not much more than itself, however much was
// read ahead.
func TestRawKeepsNoMoreThanItself(t *testing.T) { // not parallel: it measures
	const size = 100_000
	text := "[" + strings.Repeat(`"`+strings.Repeat("a", size-3)+`",`, 60) + "0]"
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // for pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	r := New(strings.NewReader(text), int64(len(text)))
	var kept []json.RawMessage
	for a := r.Array(); a.Next(); {
		kept = append(kept, r.Raw())
	}
	r.End()
	require.NoError(t, r.Err())
	r.Close()
	require.Less(t, float64(heap()-before), 2*float64(len(text)))
	require.Len(t, kept, 61)
	runtime.KeepAlive(text)
}
