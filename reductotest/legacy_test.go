package reductotest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto/reductotest"
)

func TestLegacyRequestsAreAccepted(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		srv.PutDocument("https://example.com/a.txt", []byte("Total: 12\fsecond"))
		hook := m{"mode": "direct", "url": "http://app.test/x", "metadata": m{"a": 1}}
		id := submit(t, srv, "/parse_async", m{
			"document_url": "https://example.com/a.txt", "options": m{"chunking": m{"chunk_mode": "page"}}, "webhook": hook,
		})
		info := srv.Jobs()[0]
		assert.Equal(t, "direct", info.WebhookMode)
		assert.Equal(t, "http://app.test/x", info.WebhookURL)
		assert.JSONEq(t, `{"a":1}`, string(info.Metadata))
		srv.Complete(id)
		assert.Len(t, at(t, getJob(t, srv, id), "result", "result", "chunks"), 2)

		result := ok(t, srv, "POST", "/extract", m{
			"document_url": []any{"https://example.com/a.txt"}, "schema": m{"type": "object", "properties": m{"total": m{"type": "number"}}},
		})
		assert.EqualValues(t, 12, at(t, result, "result", 0, "total"))
		split := ok(t, srv, "POST", "/split", m{
			"document_url": "https://example.com/a.txt", "split_description": []any{m{"name": "second", "description": "d"}},
		})
		assert.Equal(t, []any{2.0}, at(t, split, "result", "splits", 0, "pages"))
		ok(t, srv, "POST", "/pipeline", m{"document_url": "https://example.com/a.txt", "pipeline_id": "p", "settings": m{}})
	})
}
