package main

import (
	"bytes"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vbauerster/mpb/v8"
)

// The bars end whether or not they are full, and lose nothing that was said.
func TestBars(t *testing.T) {
	t.Parallel()
	for _, steps := range []int{0, 3, 10} {
		out := new(syncBuffer)
		b := newBars(10, counts{submitted: 0, finished: 0}, mpb.WithOutput(out), mpb.WithAutoRefresh())
		for range steps {
			b.submitted("a")
			b.finished("a")
		}
		b.say("something to be seen: %d", steps)
		b.close()
		assert.Contains(t, out.String(), "something to be seen")
		assert.Contains(t, out.String(), "submitted")
		assert.Contains(t, out.String(), "10")
	}
}

func TestBarsAreForTerminals(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	assert.IsType(t, &lines{}, newProgress(&b, 1, counts{}))
	f, err := os.CreateTemp(t.TempDir(), "log")
	require.NoError(t, err)
	defer f.Close()
	assert.IsType(t, &lines{}, newProgress(f, 1, counts{}))
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
