package reductotest_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

// behind downloads the result behind a URL.
func behind(t *testing.T, srv *reductotest.Server, envelope any) any {
	t.Helper()
	assert.Equal(t, "url", at(t, envelope, "result", "type"))
	assert.NotEmpty(t, at(t, envelope, "result", "result_id"))
	r := get(t, srv, at(t, envelope, "result", "url").(string))
	require.Equal(t, 200, r.StatusCode)
	assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
	var v any
	require.NoError(t, json.Unmarshal(r.body, &v))
	return v
}

func TestLargeResultsBecomeURLs(t *testing.T) {
	force := m{"force_url_result": true}
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		id := upload(srv, invoice)
		parsed := ok(t, srv, "POST", "/parse", m{"input": id, "settings": force})
		assert.Equal(t, invoice, at(t, behind(t, srv, parsed), "chunks", 0, "content"))
		assert.Equal(t, "full", at(t, behind(t, srv, parsed), "type"))
		extracted := ok(t, srv, "POST", "/extract", m{"input": id, "instructions": m{"schema": schema}, "settings": force})
		assert.Equal(t, "INV-7", at(t, behind(t, srv, extracted), 0, "invoice_number"), "the bare list")
		assert.Nil(t, extracted["citations"])
		cited := ok(t, srv, "POST", "/extract", m{
			"input": id, "instructions": m{"schema": schema}, "settings": m{"force_url_result": true, "citations": m{"enabled": true}}})
		assert.Equal(t, "INV-7", at(t, behind(t, srv, cited), "invoice_number", "value"), "the bare object")
		split := ok(t, srv, "POST", "/split", m{
			"input": id, "split_description": []any{m{"name": "invoice", "description": "d"}}, "settings": force})
		assert.Equal(t, "invoice", at(t, behind(t, srv, split), "splits", 0, "name"))
		classified := ok(t, srv, "POST", "/classify", m{
			"input": id, "classification_schema": []any{m{"category": "c", "criteria": []any{}}}, "force_url_result": true})
		assert.Equal(t, m{"category": "c"}, behind(t, srv, classified))
	})
	t.Run("chunks", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server) {
			parsed := ok(t, srv, "POST", "/parse", m{"input": upload(srv, invoice), "settings": force})
			assert.Equal(t, invoice, at(t, behind(t, srv, parsed), 0, "content"))
		}, reductotest.WithURLBody(reductotest.URLBodyChunks))
	})
	t.Run("envelope", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server) {
			parsed := ok(t, srv, "POST", "/parse", m{"input": upload(srv, invoice), "settings": force})
			envelope := behind(t, srv, parsed)
			assert.Equal(t, parsed["job_id"], at(t, envelope, "job_id"))
			assert.Equal(t, invoice, at(t, envelope, "result", "chunks", 0, "content"))
			extracted := ok(t, srv, "POST", "/extract", m{"input": upload(srv, invoice), "instructions": m{"schema": schema}, "settings": force})
			assert.Equal(t, "INV-7", at(t, behind(t, srv, extracted), "result", 0, "invoice_number"))
		}, reductotest.WithURLBody(reductotest.URLBodyEnvelope))
	})
	t.Run("threshold", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server) {
			small := ok(t, srv, "POST", "/parse", m{"input": upload(srv, "x")})
			assert.Equal(t, "full", at(t, small, "result", "type"))
			long := strings.Repeat("long ", 200)
			assert.Equal(t, long, at(t, behind(t, srv, ok(t, srv, "POST", "/parse", m{"input": upload(srv, long)})), "chunks", 0, "content"))
			piped := ok(t, srv, "POST", "/pipeline", m{"input": upload(srv, long), "pipeline_id": "p"})
			assert.Equal(t, long, at(t, behind(t, srv, at(t, piped, "result", "parse")), "chunks", 0, "content"))
		}, reductotest.WithURLResultThreshold(1000))
	})
	t.Run("never", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server) {
			result := ok(t, srv, "POST", "/parse", m{"input": upload(srv, strings.Repeat("x", 2_100_000))})
			assert.Equal(t, "full", at(t, result, "result", "type"))
		}, reductotest.WithURLResultThreshold(-1))
	})
}

func TestResponseTypeCanBeLastOrAbsent(t *testing.T) {
	first := func(r reply) bool { return bytes.HasPrefix(r.body, []byte(`{"response_type":"parse"`)) }
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		assert.True(t, first(call(t, srv, "POST", "/parse", m{"input": upload(srv, "x")})))
	})
	t.Run("last", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server) {
			r := call(t, srv, "POST", "/parse", m{"input": upload(srv, "x")})
			assert.True(t, bytes.HasSuffix(r.body, []byte(`"response_type":"parse"}`)), "%s", r.body)
		}, reductotest.WithResponseTypeLast())
	})
	t.Run("absent", func(t *testing.T) {
		bubble(t, func(t *testing.T, srv *reductotest.Server) {
			for _, path := range []string{"/parse", "/extract"} {
				assert.NotContains(t, ok(t, srv, "POST", path, m{"input": upload(srv, "x")}), "response_type")
			}
		}, reductotest.WithoutResponseType())
	})
}
