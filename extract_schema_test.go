package reducto_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

type invoiceFields struct {
	Number string  `json:"number"`
	Total  float64 `json:"total"`
}

// schemaFields is a schema as a struct, as in other packages.
type schemaFields struct {
	Type       string         `json:"type,omitempty"`
	Properties map[string]any `json:"properties,omitempty"`
}

type failingSchema struct{}

var errNoSchema = errors.New("the registry does not answer")

func (failingSchema) MarshalJSON() ([]byte, error) { return nil, errNoSchema }

func TestExtractRefusesSchemaBeforeSending(t *testing.T) {
	const schemaFor = "schema.For"
	for name, test := range map[string]struct {
		schema any
		reason string
	}{
		"nil":                    {nil, schemaFor},
		"nil map":                {map[string]any(nil), schemaFor},
		"nil pointer":            {(*schemaFields)(nil), schemaFor},
		"null":                   {json.RawMessage("null"), schemaFor},
		"struct value":           {invoiceFields{}, schemaFor},
		"pointer to struct":      {&invoiceFields{Number: "1"}, schemaFor},
		"string of JSON":         {`{"type":"object"}`, schemaFor},
		"object without keyword": {json.RawMessage(`{"typo":1}`), schemaFor},
		"empty object":           {map[string]any{}, schemaFor},
		"list":                   {json.RawMessage(`[]`), schemaFor},
		"list of schemas":        {[]any{map[string]any{"type": "object"}}, schemaFor},
		"number":                 {7, schemaFor},
		"true":                   {true, schemaFor}, // a valid JSON Schema, but it names no fields
		"bytes":                  {[]byte(`{"type":"object"}`), "json.RawMessage"},
		"failing Marshaler":      {failingSchema{}, errNoSchema.Error()},
		"invalid JSON":           {json.RawMessage(`{"type":`), "does not marshal"},
		"function":               {func() {}, "does not marshal"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
				request := reducto.ExtractRequest{Input: document, Instructions: reducto.Instructions{Schema: test.schema}}
				_, synchronous := client.Extract(t.Context(), request)
				_, submitted := client.ExtractAsync(t.Context(), request)
				for _, err := range []error{synchronous, submitted} {
					var refused *reducto.RequestError
					require.ErrorAs(t, err, &refused)
					assert.Equal(t, "Instructions.Schema", refused.Field)
					assert.ErrorContains(t, err, test.reason)
				}
				assert.Empty(t, srv.Requests(), "nothing was sent")
			})
		})
	}
	assert.ErrorIs(t, submitFailing(t), errNoSchema, "the Marshaler's error is kept")
}

func submitFailing(t *testing.T) (err error) {
	bubble(t, func(t *testing.T, _ *reductotest.Server, client *reducto.Client) {
		_, err = client.ExtractAsync(t.Context(), reducto.ExtractRequest{
			Input: document, Instructions: reducto.Instructions{Schema: failingSchema{}},
		})
	})
	return err
}

func TestExtractAcceptsSchema(t *testing.T) {
	for name, schema := range map[string]any{
		"map":                 map[string]any{"type": "object"},
		"json.RawMessage":     json.RawMessage(`{"type":"object"}`),
		"pointer to a struct": &schemaFields{Type: "object", Properties: map[string]any{}},
		"struct":              schemaFields{Properties: map[string]any{"a": map[string]any{"type": "string"}}},
		"type":                json.RawMessage(`{"type":"object"}`),
		"properties":          json.RawMessage(`{"properties":{"a":{"type":"string"}}}`),
		"$ref":                json.RawMessage(`{"$ref":"#/definitions/a","definitions":{"a":{"type":"object"}}}`),
		"anyOf":               json.RawMessage(`{"anyOf":[{"type":"object"}]}`),
		"allOf":               json.RawMessage(`{"allOf":[{"type":"object"}]}`),
		"oneOf":               json.RawMessage(`{"oneOf":[{"type":"object"}]}`),
		"enum":                json.RawMessage(`{"enum":[{"a":1}]}`),
		"$defs":               json.RawMessage(`{"$defs":{"a":{"type":"object"}}}`),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
				// The answer is fixed, even if the fake service would refuse the
				// schema.
				srv.Fault("POST /extract_async", reductotest.Status(200).JSON(`{"job_id":"job-7"}`))
				_, err := client.ExtractAsync(t.Context(), reducto.ExtractRequest{
					Input: document, Instructions: reducto.Instructions{Schema: schema},
				})
				require.NoError(t, err)
				sent := srv.RequestsTo("POST /extract_async")
				require.Len(t, sent, 1)
				var body struct {
					Instructions struct {
						Schema json.RawMessage `json:"schema"`
					} `json:"instructions"`
				}
				require.NoError(t, json.Unmarshal(sent[0].Body, &body))
				want, err := json.Marshal(schema)
				require.NoError(t, err)
				assert.JSONEq(t, string(want), string(body.Instructions.Schema))
			})
		})
	}
}
