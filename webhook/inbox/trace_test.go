package inbox

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestStoreKeepsTheTraceWithinTheMetadata(t *testing.T) {
	t.Parallel()
	member := `"traceparent":"` + traceparent + `"`
	for metadata, stored := range map[string]string{
		``:                `{` + member + `}`,
		`{}`:              `{` + member + `}`,
		`{"user":1}`:      `{"user":1,` + member + `}`,
		`{"user":"\n,}"}`: `{"user":"\n,}",` + member + `}`,
		`{"a":{"b":"c"}}`: `{"a":{"b":"c"},` + member + `}`,
	} {
		joined := joinTrace(json.RawMessage(metadata), traceparent)
		assert.Equal(t, stored, string(joined))
		records := []Record{{Metadata: joined}}
		splitTraces(records)
		assert.Equal(t, strings.TrimSuffix(metadata, "{}"), string(records[0].Metadata))
		assert.Equal(t, traceparent, records[0].Traceparent)
	}
}

func TestMetadataWithoutATraceIsKept(t *testing.T) {
	t.Parallel()
	for _, metadata := range []string{``, `{}`, `[1]`, `"text"`, `null`, `{"user":1}`} {
		assert.Equal(t, metadata, string(joinTrace(json.RawMessage(metadata), "")))
		assert.Equal(t, metadata, string(joinTrace(json.RawMessage(metadata), traceparent+"0")))
	}
	for _, metadata := range []string{`[1]`, `"text"`, `null`, `17`, `{"traceparent":"mine"}`} {
		assert.Equal(t, metadata, string(joinTrace(json.RawMessage(metadata), traceparent)), "it cannot have it")
	}
	for _, metadata := range []string{
		`[1]`, `"traceparent"`, `{"user":"traceparent"}`, `{"a":{"traceparent":"` + traceparent + `"}}`, `{"traceparent":`, `{"traceparent":"mine"}`,
	} {

		records := []Record{{Metadata: json.RawMessage(metadata)}}
		splitTraces(records)
		assert.Equal(t, metadata, string(records[0].Metadata))
		assert.Empty(t, records[0].Traceparent)
	}
}
