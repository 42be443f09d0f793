package reductotest_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

var schema = m{
	"type": "object",
	"$defs": m{
		"Item": m{"type": "object", "properties": m{
			"description": m{"type": "string"}, "quantity": m{"type": "integer"}, "amount": m{"type": "number"}, "missing": m{"type": "string"},
		}},
		"Loop": m{"properties": m{"loop": m{"$ref": "#/$defs/Loop"}}},
	},
	"properties": m{
		"invoice_number": m{"type": "string"},
		"total":          m{"type": []any{"number", "null"}},
		"paid":           m{"anyOf": []any{m{"type": "null"}, m{"type": "boolean"}}},
		"tags":           m{"type": "array", "items": m{"type": "string"}},
		"lineItems":      m{"type": "array", "items": m{"$ref": "#/$defs/Item"}},
		"buyer":          m{"type": "object", "properties": m{"customer": m{}}},
		"due":            m{"type": "string"},
	},
}

func TestExtractFillsTheSchema(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		result := ok(t, srv, "POST", "/extract", m{"input": upload(srv, invoice), "instructions": m{"schema": schema}})
		assert.Equal(t, "extract", result["response_type"])
		assert.Contains(t, result, "citations")
		assert.Nil(t, result["citations"])
		assert.Equal(t, []any{m{
			"invoice_number": "INV-7", "total": 1575.0, "paid": true, "tags": []any{"red", "green"}, "due": nil,
			"buyer": m{"customer": "Acme"},
			"lineItems": []any{
				m{"description": "Services", "quantity": 10.0, "amount": 1500.0, "missing": nil},
				m{"description": "Materials", "quantity": 1.0, "amount": 75.0, "missing": nil},
			},
		}}, result["result"])
		assert.Equal(t, 15.0, at(t, result, "usage", "num_fields"))

		text, err := json.Marshal(schema)
		require.NoError(t, err)
		asText := ok(t, srv, "POST", "/extract", m{
			"input": upload(srv, invoice), "instructions": m{"schema": string(text)}, "settings": m{"page_range": m{"start": 2}},
		})
		assert.Equal(t, "Acme", at(t, asText, "result", 0, "buyer", "customer"))
		assert.Nil(t, at(t, asText, "result", 0, "total"), "it is on the other page")

		repeated := ok(t, srv, "POST", "/extract", m{
			"input": upload(srv, "Name: a\nAge: 1\n\nName: b\nAge: old\n\nPin: 007\nRate: 0.50\nRate: 2."),
			"instructions": m{"schema": m{"properties": m{
				"people": m{"items": m{"properties": m{"name": m{"type": "string"}, "age": m{"type": "integer"}}}},
				"pin":    m{"type": "integer"}, "rate": m{"type": "array", "items": m{"type": "number"}},
			}}},
		})
		assert.Equal(t, []any{m{
			"people": []any{m{"name": "a", "age": 1.0}, m{"name": "b", "age": nil}}, "pin": 7.0, "rate": []any{0.5, 2.0},
		}}, repeated["result"])
		assert.Equal(t, []any{m{}}, ok(t, srv, "POST", "/extract", m{"input": upload(srv, "x")})["result"])
		ok(t, srv, "POST", "/extract", m{"input": upload(srv, "x"), "instructions": m{"schema": m{
			"$defs": m{"Loop": m{"properties": m{"loop": m{"$ref": "#/$defs/Loop"}}}}, "$ref": "#/$defs/Loop"}}})
	})
}

func TestExtractAddsCitations(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := m{"input": upload(srv, invoice), "instructions": m{"schema": schema}, "settings": m{"citations": m{"enabled": true}}}
		result := ok(t, srv, "POST", "/extract", body)
		assert.Equal(t, "v3_extract", result["response_type"])
		assert.NotContains(t, result, "citations")
		total := at(t, result, "result", "total").(m)
		assert.Equal(t, 1575.0, total["value"])
		citation := at(t, total, "citations", 0).(m)
		assert.Equal(t, "Total: $1,575.00", citation["content"])
		assert.Equal(t, "Key Value", citation["type"])
		assert.Equal(t, 1.0, at(t, citation, "bbox", "page"))
		assert.Contains(t, at(t, citation, "parentBlock", "content"), "INV-7")
		assert.Equal(t, m{"value": nil, "citations": []any{}}, at(t, result, "result", "due"))
		assert.Equal(t, "red", at(t, result, "result", "tags", 0, "value"))
		assert.Equal(t, 10.0, at(t, result, "result", "lineItems", 0, "quantity", "value"))
		assert.Equal(t, 2.0, at(t, result, "result", "buyer", "customer", "citations", 0, "bbox", "page"))
	})
}
