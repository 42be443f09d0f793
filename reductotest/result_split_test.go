package reductotest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto/reductotest"
)

func TestSplitFindsPagesOfCategories(t *testing.T) {
	const text = "Cover of the Summary\fInvoice\nNumber: 1\fInvoice\nNumber: 2\fInvoice goes on\nNumber: 2\fnothing"
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		categories := []any{m{"name": "summary", "description": "d"}, m{"name": "Invoice", "description": "d"}, m{"name": "Absent", "description": "d"}}
		body := m{"input": upload(srv, text), "split_description": categories}
		result := ok(t, srv, "POST", "/split", body)
		assert.Equal(t, "split", result["response_type"])
		assert.Equal(t, m{"summary": []any{1.0}, "Invoice": []any{2.0, 3.0, 4.0}, "Absent": []any{}}, at(t, result, "result", "section_mapping"))
		assert.Equal(t, m{"name": "Invoice", "pages": []any{2.0, 3.0, 4.0}, "conf": "high", "partitions": nil}, at(t, result, "result", "splits", 1))
		assert.Equal(t, "low", at(t, result, "result", "splits", 2, "conf"))

		categories[1].(m)["partition_key"] = "number"
		result = ok(t, srv, "POST", "/split", body)
		assert.Nil(t, at(t, result, "result", "section_mapping"))
		assert.Equal(t, []any{
			m{"name": "1", "pages": []any{2.0}, "conf": "high"}, m{"name": "2", "pages": []any{3.0, 4.0}, "conf": "high"},
		}, at(t, result, "result", "splits", 1, "partitions"))

		body["settings"] = m{"deep_split": true}
		result = ok(t, srv, "POST", "/split", body)
		assert.NotContains(t, result["result"], "section_mapping")
		assert.Equal(t, m{"page_number": 1.0, "evidence": "Cover of the Summary", "confidence": "high"}, at(t, result, "result", "splits", 0, "pages", 0))
		assert.Equal(t, 4.0, at(t, result, "result", "splits", 1, "partitions", 1, "pages", 1, "page_number"))

		overlapping := m{"input": upload(srv, "a b\fb"), "split_description": []any{m{"name": "a", "description": "d"}, m{"name": "b", "description": "d"}}}
		assert.Equal(t, []any{1.0, 2.0}, at(t, ok(t, srv, "POST", "/split", overlapping), "result", "splits", 1, "pages"))
		overlapping["settings"] = m{"allow_page_overlap": false}
		assert.Equal(t, []any{2.0}, at(t, ok(t, srv, "POST", "/split", overlapping), "result", "splits", 1, "pages"))
	})
}
