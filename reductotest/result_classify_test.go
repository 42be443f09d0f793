package reductotest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto/reductotest"
)

func TestClassifyChoosesTheBestCategory(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := m{
			"input": upload(srv, "Amount due for services.\fThe parties agree to these terms.\f\f\f\freceipt"),
			"classification_schema": []any{
				m{"category": "contract", "criteria": []any{"contains legal terms", "names parties"}},
				m{"category": "invoice", "criteria": []any{"amount due", "has itemized charges"}},
				m{"category": "receipt", "criteria": []any{}},
			},
		}
		result := ok(t, srv, "POST", "/classify", body)
		assert.Equal(t, "classify", result["response_type"])
		assert.Equal(t, "contract", at(t, result, "result", "category"))
		assert.Equal(t, 0.5, at(t, result, "response_confidence", "categories", 1, "confidence"))
		assert.Equal(t, m{"criterion": "amount due", "confidence": "high"},
			at(t, result, "response_confidence", "categories", 1, "criteria_confidence", 0))
		assert.Equal(t, 5.0, at(t, result, "usage", "num_pages"), "the first five by default")
		body["page_range"] = []any{6}
		assert.Equal(t, "receipt", at(t, ok(t, srv, "POST", "/classify", body), "result", "category"))
		assert.Equal(t, "Classify", srv.Jobs()[0].Type)
	})
}
