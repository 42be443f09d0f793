package inbox

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
)

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestStoreKeepsTheTraceWithinTheMetadata(t *testing.T) {
	t.Parallel()
	for metadata, stored := range map[string]string{
		``:                ` {"traceparent":"` + traceparent + `"}`,
		`{}`:              `{ "traceparent":"` + traceparent + `"}`,
		`{ }`:             `{  "traceparent":"` + traceparent + `"}`,
		`{"user":1}`:      `{"user":1, "traceparent":"` + traceparent + `"}`,
		`{ "user": 1 }`:   `{ "user": 1 , "traceparent":"` + traceparent + `"}`,
		`{"user":"\n,"}`:  `{"user":"\n,", "traceparent":"` + traceparent + `"}`,
		`{"a":{"b":"c"}}`: `{"a":{"b":"c"}, "traceparent":"` + traceparent + `"}`,
	} {
		joined := joinTrace(json.RawMessage(metadata), traceparent)
		assert.Equal(t, stored, string(joined))
		assert.True(t, json.Valid(joined))
		var got map[string]any
		assert.NoError(t, json.Unmarshal(joined, &got))
		assert.Equal(t, traceparent, got["traceparent"])
		back, trace := splitTrace(joined)
		assert.Equal(t, metadata, string(back))
		assert.Equal(t, metadata == "", back == nil)
		assert.Equal(t, traceparent, trace)
		assert.Equal(t, stored, string(joined), "it is not changed")
	}
}

func TestMetadataWithoutATraceIsKept(t *testing.T) {
	t.Parallel()
	for _, metadata := range []string{``, `{}`, `[1]`, `"text"`, `null`, `{"user":1}`} {
		assert.Equal(t, metadata, string(joinTrace(json.RawMessage(metadata), "")))
		assert.Equal(t, metadata, string(joinTrace(json.RawMessage(metadata), traceparent+"0")))
	}
	for _, metadata := range []string{
		`[1]`, `"text"`, `{"user":1}`,
		`{"traceparent":"` + traceparent + `"}`, `{"user":1,"traceparent":"` + traceparent + `"}`, // the user's own
		`{"a":{"b":1, "traceparent":"` + traceparent + `"}}`,
		`{"a":1, "traceparent":"` + traceparent[:54] + `x"}`,
		` "traceparent":"` + traceparent + `"}`, `"traceparent":"` + traceparent + `"}`,
		`[ "traceparent":"` + traceparent + `"}`,
	} {
		kept, trace := splitTrace(json.RawMessage(metadata))
		assert.Equal(t, metadata, string(kept))
		assert.Empty(t, trace)
	}
	for _, list := range []string{`[1]`, `"text"`, `null`, `17`} {
		assert.Equal(t, list, string(joinTrace(json.RawMessage(list), traceparent)), "only objects can have it")
	}
}

func FuzzTraceOfMetadata(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{ }`, `{"user":1}`, `[1]`, ` {"traceparent":"` + traceparent + `"}`, `{"a":1, "traceparent":"` + traceparent + `"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		kept, trace := splitTrace(stored)
		if trace == "" {
			assert.Equal(t, string(stored), string(kept))
		} else if json.Valid(stored) {
			assert.True(t, kept == nil || json.Valid(kept), "%q", kept)
		}
		if json.Valid(stored) && (len(stored) == 0 || stored[0] == '{') {
			back, trace := splitTrace(joinTrace(stored, traceparent))
			assert.Equal(t, string(stored), string(back))
			assert.Equal(t, traceparent, trace)
		}
	})
}
