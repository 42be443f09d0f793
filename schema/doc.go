// Package schema makes the JSON Schema of a Go struct, for [reducto.Instructions].Schema.
// Extract uses it to extract a document into a struct with one call:
//
//	type Invoice struct {
//		Number   string                 `json:"invoice_number" jsonschema:"The number, as printed."`
//		Currency string                 `json:"currency" enum:"EUR,USD"`
//		Due      *time.Time             `json:"due"`
//		Total    reducto.Cited[float64] `json:"total" jsonschema:"The amount due."`
//		Lines    []Line                 `json:"lines"`
//	}
//
//	invoice, err := schema.Extract[Invoice](ctx, client, reducto.FromUpload(upload))
//
// ExtractAsync submits a job, and its Handle waits for the struct. For returns only the
// schema. Use it for a pipeline, or with a webhook. ExtractResult.Decode then fills the
// struct.
//
// # Fields
//
// The schema has the fields that encoding/json decodes, under the same names. Fields of
// an embedded struct belong to the outer struct.
//
//   - A field is required unless its json tag has omitempty or omitzero, or its type is a
//     pointer. Fields of an embedded pointer are not required.
//   - The tag jsonschema is the description of the field. Descriptions guide the
//     extraction, so most fields should have one.
//   - The tag enum lists the values of a string, separated by commas. On a slice of
//     strings it lists the values of the elements.
//
// # Types
//
// Package [jsonschema] infers the schemas of types other than structs. These types have
// special schemas:
//
//   - reducto.Cited[T] has the schema of T.
//   - time.Time is a string of the format date-time.
//   - A type with the method UnmarshalText is a string.
//   - An interface without methods and json.RawMessage permit every value. Such a field
//     needs a description.
//
// These types are errors: channels, functions, complex numbers, recursive types, []byte,
// maps without string keys, structs without fields, interfaces with methods, and types
// that have UnmarshalJSON but not UnmarshalText.
//
// The schema is small. It has no "additionalProperties": false, although jsonschema adds
// it to structs, and it does not list null as a type. encoding/json ignores unknown
// members and decodes null into every type.
package schema
