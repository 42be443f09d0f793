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

// A schema that package schema makes can have all of these.
func TestExtractFillsFormatsMapsAndNestedLists(t *testing.T) {
	const text = `Due: January 31, 2026
Signed: 2026-01-02T15:04:05Z
Born: 2001-02-03
Late: soon
Currency: eur
Colour: mauve
Small: 300
Negative: -1
Matrix: 1, 2; 3
Row: 1, 2
Row: 3

| Totals | Net |
|---|---|
| EUR | 12.50 |
| USD | 7 |
| EUR | 9 |

| Offices | City | Tags |
|---|---|---|
| first | Oslo | a, b |

| Item | Days | Zip |
|---|---|---|
| Drill | 1, 2 | 0150 |
`
	date := m{"type": "string", "format": "date-time"}
	numbers := m{"type": "array", "items": m{"type": "number"}}
	schema := m{"type": "object", "properties": m{
		"due": date, "signed": date, "late": date, "born": m{"type": "string", "format": "date"},
		"currency": m{"type": "string", "enum": []any{"EUR", "USD"}}, "colour": m{"type": "string", "enum": []any{"red"}},
		"small": m{"type": "integer", "minimum": 0, "maximum": 255}, "negative": m{"type": "integer", "minimum": 0},
		"matrix": m{"type": "array", "items": numbers}, "row": m{"type": "array", "items": numbers}, "none": m{"type": "array", "items": numbers},
		"totals": m{"type": "object", "additionalProperties": m{"type": "number"}},
		"offices": m{"type": "object", "additionalProperties": m{"type": "object", "properties": m{
			"city": m{"type": "string"}, "tags": m{"type": "array", "items": m{"type": "string"}}}}},
		"empty": m{"type": "object", "additionalProperties": true},
		"lines": m{"type": "array", "items": m{"type": "object", "properties": m{
			"item": m{"type": "string"}, "days": m{"type": "array", "items": m{"type": "integer"}},
			"address": m{"type": "object", "properties": m{"zip": m{"type": "string"}}}}}},
	}}
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		want := m{
			"due": "2026-01-31T00:00:00Z", "signed": "2026-01-02T15:04:05Z", "born": "2001-02-03", "late": nil,
			"currency": "EUR", "colour": nil, "small": nil, "negative": nil,
			"matrix": []any{[]any{1.0, 2.0}, []any{3.0}}, "row": []any{[]any{1.0, 2.0}, []any{3.0}}, "none": []any{},
			"totals":  m{"EUR": 12.5, "USD": 7.0},
			"offices": m{"first": m{"city": "Oslo", "tags": []any{"a", "b"}}},
			"empty":   m{},
			"lines":   []any{m{"item": "Drill", "days": []any{1.0, 2.0}, "address": m{"zip": "0150"}}},
		}
		raw, err := json.Marshal(schema)
		require.NoError(t, err)
		for _, s := range []any{schema, string(raw)} {
			result := ok(t, srv, "POST", "/extract", m{"input": upload(srv, text), "instructions": m{"schema": s}})
			assert.Equal(t, []any{want}, result["result"])
		}
		cited := ok(t, srv, "POST", "/extract", m{
			"input": upload(srv, text), "instructions": m{"schema": schema}, "settings": m{"citations": m{"enabled": true}}})
		due, signed := at(t, cited, "result", "due", "citations", 0, "bbox"), at(t, cited, "result", "signed", "citations", 0, "bbox")
		assert.Less(t, at(t, due, "top"), at(t, signed, "top"), "each line has its box")
		assert.InDelta(t, at(t, due, "top").(float64)+at(t, due, "height").(float64), at(t, signed, "top"), 1e-5)
	})
}

// A schema that refers to itself twice would have 2^32 values.
func TestExtractBoundsRecursiveSchemas(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		loop := m{"$ref": "#/$defs/Loop"}
		list := m{"type": "array", "items": loop}
		schema := m{"$defs": m{"Loop": m{"properties": m{"a": loop, "b": loop, "c": list, "d": list, "name": m{"type": "string"}}}}, "$ref": "#/$defs/Loop"}
		result := ok(t, srv, "POST", "/extract", m{"input": upload(srv, "Name: x"), "instructions": m{"schema": schema}})
		assert.Contains(t, at(t, result, "result", 0), "name", "it is answered")
	})
}
