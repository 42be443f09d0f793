package conformance_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

// lost lists the members of an answer that are not written back from what it was
// decoded to, and those that are new. Null is as good as absent, and so is what
// the document has as the default.
func lost(t *testing.T, v any, answer []byte) []string {
	t.Helper()
	var want, got any
	require.NoError(t, json.Unmarshal(answer, &want), "%s", answer)
	if v == nil { // nothing is made of it
		return nil
	}
	if id := reflect.Indirect(reflect.ValueOf(v)); id.Kind() == reflect.Struct && strings.HasPrefix(id.Type().Name(), "Handle[") {
		return differences("$", members(want)["job_id"], id.FieldByName("JobID").String())
	}
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &got))
	if job, ok := v.(*reducto.Job); ok {
		require.Equal(t, aJob, job.JobID)
		delete(members(got), "job_id") // of the request: the answer has none
	}
	return differences("$", withoutDefaults(want), withoutDefaults(got))
}

func withoutDefaults(v any) any {
	switch v := v.(type) {
	case object:
		maps.DeleteFunc(v, func(key string, m any) bool { return m == nil || key == "enrichment_success" && m == false })
		for key := range v {
			v[key] = withoutDefaults(v[key])
		}
	case []any:
		for i := range v {
			v[i] = withoutDefaults(v[i])
		}
	}
	return v
}

// unknown lists the names of members that the client has kept without knowing
// them, wherever they were in what it has made of an answer.
func unknown(t *testing.T, v any) (names []string) {
	t.Helper()
	switch v := v.(type) {
	case *reducto.ParseResult:
		if v != nil && v.Link() == "" {
			chunks, err := v.Load(t.Context())
			require.NoError(t, err)
			ocr, err := v.OCR(t.Context())
			require.NoError(t, err)
			require.Empty(t, lostContent(t, v, chunks, ocr))
			names = append(append(names, unknown(t, chunks)...), unknown(t, ocr)...)
		}
	case reducto.Extra:
		for name := range v {
			names = append(names, name)
		}
		return names
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Pointer:
		if !r.IsNil() {
			names = append(names, unknown(t, r.Elem().Interface())...)
		}
	case reflect.Struct:
		for field, value := range r.Fields() {
			if field.IsExported() {
				names = append(names, unknown(t, value.Interface())...)
			}
		}
	case reflect.Slice:
		for i := range r.Len() {
			names = append(names, unknown(t, r.Index(i).Interface())...)
		}
	}
	return names
}

// lostContent compares the content of a result with what it was decoded to.
func lostContent(t *testing.T, r *reducto.ParseResult, chunks []reducto.Chunk, ocr *reducto.OCRResult) []string {
	t.Helper()
	whole, err := json.Marshal(r)
	require.NoError(t, err)
	var want struct{ Result object }
	require.NoError(t, json.Unmarshal(whole, &want))
	decoded, err := json.Marshal(object{"chunks": chunks, "ocr": ocr})
	require.NoError(t, err)
	var got any
	require.NoError(t, json.Unmarshal(decoded, &got))
	content := object{"chunks": want.Result["chunks"], "ocr": want.Result["ocr"]}
	return differences("$.result", withoutDefaults(content), withoutDefaults(got))
}

// TestUnknown is about the function above.
func TestUnknown(t *testing.T) {
	t.Parallel()
	job := &reducto.Job{}
	require.NoError(t, json.Unmarshal([]byte(`{"status":"Completed","type":"Parse","a":1,"result":{"b":1,"usage":{"num_pages":1,"c":1},"result":{"type":"full",
		"chunks":[{"d":1,"content":"","embed":"","enriched":null,"blocks":[{"e":1,"type":"Text","content":"","bbox":{"f":1,"page":1}}]}]}}}`), job))
	assert.ElementsMatch(t, []string{"a", "b", "c", "d", "e", "f"}, unknown(t, job))
}
