package jsonread

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// inPieces delivers its text in pieces of the given sizes, in turn.
type inPieces struct {
	text  []byte
	sizes []int
	n     int
}

func (p *inPieces) Read(b []byte) (int, error) {
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	size := min(p.sizes[p.n%len(p.sizes)], len(b), len(p.text))
	p.n++
	copy(b, p.text[:size])
	p.text = p.text[size:]
	return size, nil
}

// windowed returns a Reader with a small window, which moves and grows all the time.
func windowed(src io.Reader, size int) *Reader {
	return &Reader{src: src, mark: -1, buf: make([]byte, 0, size)}
}

// eachWay calls f with Readers that receive the text in every way in which it can
// arrive.
func eachWay(text []byte, f func(way string, r *Reader)) {
	f("bytes", FromBytes(text))
	f("whole", New(bytes.NewReader(text), int64(len(text))))
	f("size unknown", New(bytes.NewReader(text), -1))
	f("end with data", New(iotest.DataErrReader(bytes.NewReader(text)), -1))
	for _, window := range []int{1, 8, 37} {
		f(fmt.Sprintf("byte by byte, %d", window), windowed(iotest.OneByteReader(bytes.NewReader(text)), window))
		f(fmt.Sprintf("odd sizes, %d", window), windowed(&inPieces{text: text, sizes: []int{3, 1, 7, 2, 13}}, window))
		f(fmt.Sprintf("whole, %d", window), windowed(bytes.NewReader(text), window))
	}
}

// readAny reads any value as encoding/json reads it into an any.
func readAny(r *Reader) any {
	switch r.Kind() {
	case '{':
		m := map[string]any{}
		r.Walk(func(name []byte) bool {
			key := string(name)
			m[key] = readAny(r)
			return r.Err() == nil
		})
		return m
	case '[':
		list := []any{}
		for a := r.Array(); a.Next(); {
			list = append(list, readAny(r))
		}
		return list
	case '"':
		return r.String()
	case 't', 'f':
		return r.Bool()
	case 'n':
		r.Skip()
		return nil
	case 0:
		r.Skip()
		return nil
	}
	if k := r.Kind(); k == '-' || '0' <= k && k <= '9' {
		return r.Float()
	}
	r.Skip()
	return nil
}

// requireAgreement checks that every way of reading the text agrees with encoding/json.
func requireAgreement(t *testing.T, text []byte) {
	t.Helper()
	var want any
	wrong := json.Unmarshal(text, &want)
	valid := json.Valid(text)
	eachWay(text, func(way string, r *Reader) {
		got := readAny(r)
		if r.End(); wrong == nil {
			require.NoError(t, r.Err(), "%s: %.200q", way, text)
			require.Equal(t, want, got, "%s: %.200q", way, text)
		} else {
			require.Error(t, r.Err(), "%s: %.200q", way, text)
		}
		if _, misfit := r.Err().(*MisfitError); misfit { // a number out of range
			require.Equal(t, valid, r.Rest() == nil, "%s: %.200q", way, text)
		}
	})
	eachWay(text, func(way string, r *Reader) {
		r.Skip()
		r.End()
		require.Equal(t, valid, r.Err() == nil, "skipping, %s: %.200q: %v", way, text, r.Err())
	})
	eachWay(text, func(way string, r *Reader) {
		raw := r.Raw()
		if r.End(); !valid {
			require.Error(t, r.Err())
			return
		}
		require.NoError(t, r.Err(), way)
		require.Equal(t, string(bytes.Trim(text, " \t\r\n")), string(raw), way)
	})
	requireRecord(t, text)
}
