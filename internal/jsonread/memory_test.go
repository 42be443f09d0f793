package jsonread

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Returned values do not change when other Readers reuse the memory.
func TestReturnedValuesSurviveReuseOfMemory(t *testing.T) {
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

// A raw value keeps little more memory than itself, however much was read ahead.
func TestRawKeepsLittleMoreThanItself(t *testing.T) { // not parallel: it measures
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

// Skipped input needs only the memory of the window.
func TestSkippedInputNeedsNoMemory(t *testing.T) { // not parallel: it measures
	long := `"` + strings.Repeat("a", 300_000) + `"`
	for _, text := range []string{`{"new":` + long + `}`, `{"count":` + long + `}`} {
		r := New(strings.NewReader(text), -1)
		assert.Less(t, bytesOf(func() { readRecord(r, new(record), false) }), uint64(windowSize/2))
		require.NoError(t, r.Err())
		r.Close()
	}
}

// Windows and the parts of long strings are reused. Under the race detector, sync.Pool
// reuses only three of four, by design.
func TestMemoryIsReused(t *testing.T) { // not parallel: it measures
	const times = 40
	long := strings.Repeat("a", 2*partSize)
	for _, c := range []struct {
		name string
		text string
		size int64
		read func(r *Reader)
		most uint64
	}{
		{"small windows", `1`, 1, func(r *Reader) { r.Int() }, 2 * minWindow},
		{"windows", `1`, -1, func(r *Reader) { r.Int() }, windowSize},
		{"the end of a string", `"` + long[:partSize] + `"`, -1, func(r *Reader) { r.StringLike(long[:partSize]) }, partSize},
		{"the parts of a string", `"` + long + `"`, -1, func(r *Reader) { _ = r.String() }, 4 * partSize},
	} {
		read := func() {
			r := New(strings.NewReader(c.text), c.size)
			c.read(r)
			require.NoError(t, r.Err())
			r.Close()
		}
		read()
		assert.Less(t, bytesOf(func() {
			for range times {
				read()
			}
		})/times, c.most, c.name)
	}
}

// After Close the Reader reads nothing and frees nothing twice.
func TestCloseEndsReading(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{-1, 10} {
		r := New(strings.NewReader(`[1,2]    `), size)
		a := r.Array()
		a.Next()
		r.Close()
		assert.Nil(t, r.memory)
		r.Close()
		assert.Zero(t, r.Int())
		require.ErrorIs(t, r.Err(), io.ErrUnexpectedEOF)
	}
}
