package reducto

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// ExtractRequest is a request to extract fields from a document by your JSON Schema.
// Input and Instructions.Schema are required.
type ExtractRequest struct {
	// Input is the document, or a list of them. FromJob uses an earlier parse.
	Input Input `json:"input"`
	// Parsing selects how the document is parsed first. The service ignores it for an
	// Input from FromJob, because that document is already parsed.
	Parsing ParseOptions `json:"parsing,omitzero"`
	// Instructions describe what to extract.
	Instructions Instructions `json:"instructions,omitzero"`
	// Settings selects how to extract.
	Settings ExtractSettings `json:"settings,omitzero"`
	// QueuePriority is the queue of ExtractAsync. Extract does not support it.
	// According to Reducto's guide, only parse jobs use QueuePriorityBatch. Default:
	// QueuePriorityAuto. Newer servers only.
	QueuePriority QueuePriority `json:"queue_priority,omitzero"`
	// Async holds the options of ExtractAsync: webhook, metadata, priority.
	Async Async `json:"-"`
}

// Instructions describe what to extract.
type Instructions struct {
	// Schema is the JSON Schema of the result: a map, a json.RawMessage, or a value of
	// another package that marshals to one. Package schema makes one of a Go struct.
	// The descriptions in it guide the extraction. Required.
	Schema any `json:"schema,omitzero"`
	// SystemPrompt describes the documents and gives instructions for all fields.
	// Default: "Be precise and thorough."
	SystemPrompt string `json:"system_prompt,omitzero"`
}

// ExtractSettings selects how to extract.
type ExtractSettings struct {
	// IncludeImages extracts from images as well as from the text. Default: false.
	IncludeImages bool `json:"include_images,omitzero"`
	// OptimizeForLatency makes the job end sooner, at a higher price. Default: false.
	OptimizeForLatency bool `json:"optimize_for_latency,omitzero"`
	// ForceURLResult makes the service send the result as a URL, even if it is small
	// enough to be inline. This library reads both forms. Default: false. Newer servers
	// only.
	ForceURLResult bool `json:"force_url_result,omitzero"`
	// ArrayExtract is the mode for long lists, such as the lines of a statement. Newer
	// servers recommend DeepExtract instead. Default: false.
	ArrayExtract bool `json:"array_extract,omitzero"`
	// DeepExtract lets an agent check and refine its result repeatedly. It is the most
	// accurate mode, the slowest and the most expensive. Default: false.
	DeepExtract bool `json:"deep_extract,omitzero"`
	// Citations selects whether values come with their position in the document.
	Citations CitationSettings `json:"citations,omitzero"`
	// PageRange selects the part of the document to extract from. Default: the whole
	// document. Newer servers only. All servers support Parsing.Settings.PageRange.
	PageRange PageRange `json:"page_range,omitzero"`
}

// CitationSettings selects whether values come with their position in the document.
// Citations change the form of the result. ExtractResult.Decode hides the difference.
type CitationSettings struct {
	// Enabled adds the citations. Default: false.
	Enabled bool `json:"enabled,omitzero"`
	// NumericalConfidence adds the confidence as a number to citations. Default: true.
	NumericalConfidence *bool `json:"numerical_confidence,omitzero"`
	// ParentBlock selects how much of the block around a citation the result contains.
	// Default: ParentBlockFull. Newer servers only.
	ParentBlock ParentBlock `json:"parent_block,omitzero"`
}

// ParentBlock selects how much of the block around a citation the result contains. It
// is an open set.
type ParentBlock string

// The known values of ParentBlock.
const (
	// ParentBlockFull includes the block with its content.
	ParentBlockFull ParentBlock = "full"
	// ParentBlockBBoxOnly omits the content of the block. The result is much smaller if
	// many values come from the same large table.
	ParentBlockBBoxOnly ParentBlock = "bbox_only"
)

func (r ExtractRequest) check() error {
	if err := r.Input.check("Input"); err != nil {
		return err
	}
	if err := r.Parsing.check("Parsing."); err != nil {
		return err
	}
	if err := checkSchema(r.Instructions.Schema); err != nil {
		return err
	}
	return r.Settings.PageRange.check("Settings.PageRange")
}

// schemaKeywords are members of a JSON Schema. A schema of a result has at least one.
var schemaKeywords = []string{"type", "properties", "$ref", "anyOf", "allOf", "oneOf", "enum", "$defs"}

// checkSchema refuses a value that is certainly no JSON Schema of an object. The usual
// mistake is a struct, which would be sent as the values of its fields.
func checkSchema(schema any) error {
	const field = "Instructions.Schema"
	if _, ok := schema.([]byte); ok {
		return refuse(field, "a []byte is sent as base64: convert it to json.RawMessage")
	}
	raw, err := json.Marshal(schema)
	if err != nil {
		return &RequestError{Field: field, Reason: "it does not marshal to JSON", Err: err}
	}
	members := object(raw)
	if slices.ContainsFunc(schemaKeywords, func(name string) bool { return members[name] != nil }) {
		return nil
	}
	const give = "give a JSON Schema as a map or a json.RawMessage, or make one of a Go struct with schema.For"
	switch {
	case schema == nil || string(raw) == "null":
		return refuse(field, "there is no schema: %s", give)
	case raw[0] != '{':
		return refuse(field, "a %T does not marshal to a JSON object: %s", schema, give)
	}
	return refuse(field, "a %T marshals to an object without any of %s: %s", schema, strings.Join(schemaKeywords, ", "), give)
}

// wire returns the body to send; a is nil for the synchronous endpoint.
func (r *ExtractRequest) wire(a *asyncWire) any {
	return struct {
		*ExtractRequest
		Async *asyncWire `json:"async,omitempty"`
	}{r, a}
}

func (r ExtractRequest) private() []string {
	return private(r.Input, r.Parsing.Settings.DocumentPassword)
}

// Format prints the request without password and presigned signatures.
func (r ExtractRequest) Format(f fmt.State, verb rune) {
	type fields ExtractRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without password and presigned signatures.
func (r ExtractRequest) LogValue() slog.Value { return logPrinted(r) }

// Extract extracts data and waits for the result on the same connection. See Parse
// for its limits.
func (c *Client) Extract(ctx context.Context, req ExtractRequest) (*ExtractResult, error) {
	if err := checkSync("Extract", req.Async, req.QueuePriority); err != nil {
		return nil, err
	}
	return callSync[*ExtractResult](ctx, c, "Extract", "/extract", JobTypeExtract, &req)
}

// ExtractAsync submits a document for extraction by a schema. See ParseAsync for its
// errors.
func (c *Client) ExtractAsync(ctx context.Context, req ExtractRequest, opts ...SubmitOption) (*Handle[*ExtractResult], error) {
	return submit[*ExtractResult](ctx, c, "ExtractAsync", "/extract_async", JobTypeExtract, &req, req.Async, opts)
}

// ExtractUsage is the usage of an extract job.
type ExtractUsage struct {
	// NumPages is the number of processed pages.
	NumPages int `json:"num_pages"`
	// NumFields is the number of extracted fields. MarshalJSON writes it even if it is
	// 0, because it identifies results without a response type.
	NumFields int `json:"num_fields"`
	// Credits is the cost in credits; nil for accounts that are not billed in credits.
	Credits *float64 `json:"credits,omitzero"`
	// ExtractMode is the mode of the extraction; empty if the service does not send it.
	ExtractMode ExtractUsageMode `json:"extract_mode,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	uncounted bool // the service sent no num_fields
}

// ExtractUsageMode is the mode of an extraction in ExtractUsage. It is an open set.
type ExtractUsageMode string

// The modes of an extraction. The service does not document them.
const (
	ExtractUsageModeExtract          ExtractUsageMode = "extract"
	ExtractUsageModeSuperAgent       ExtractUsageMode = "super_agent"
	ExtractUsageModeSpreadsheetAgent ExtractUsageMode = "spreadsheet_agent"
)

// UnmarshalJSON keeps unknown members.
func (v *ExtractUsage) UnmarshalJSON(data []byte) error {
	if err := members.Decode(data, v); err != nil || members.IsNull(data) {
		return err
	}
	_, counted := object(data)["num_fields"]
	v.uncounted = !counted
	return nil
}

// MarshalJSON writes unknown members too.
func (v ExtractUsage) MarshalJSON() ([]byte, error) {
	if !v.uncounted || v.NumFields != 0 {
		return members.Encode(v)
	}
	type plain ExtractUsage
	return members.Encode(struct {
		plain
		NumFields int `json:"num_fields,omitzero"`
	}{plain: plain(v)})
}

// ExtractResult is the data that was extracted by your schema. Decode decodes it into
// a Go value, for all forms of the service, inline or behind a URL.
type ExtractResult struct {
	// JobID is the id of the job.
	JobID string `json:"job_id,omitzero"`
	// StudioLink leads to the document in Reducto's studio.
	StudioLink string `json:"studio_link,omitzero"`
	// Usage is the usage of the job.
	Usage ExtractUsage `json:"usage"`
	// Confidence rates the whole extraction. ConfidenceReason explains it.
	// Newer servers only.
	Confidence       Confidence `json:"confidence,omitzero"`
	ConfidenceReason string     `json:"confidence_reason,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	resultBase
	value content
	cites content // of the form "extract" only

	mu     sync.Mutex
	loaded json.RawMessage // the downloaded value, if the result has a link
}

// ResponseType returns "extract" or "v3_extract". An "extract" result has a list of
// values and separate citations. A "v3_extract" result has one value that includes
// its citations.
func (r *ExtractResult) ResponseType() string {
	switch {
	case r.responseType != "":
		return r.responseType
	case r.cites.raw != nil, members.Kind(r.value.raw) == '[':
		return responseExtract
	}
	return responseV3Extract
}

// Link returns the URL of the value; empty if the service sent it inline. Decode and
// Raw follow it and get a fresh one if it has expired.
func (r *ExtractResult) Link() Link { return r.value.link }

// ResultID returns the service's id of a value behind a Link; empty for an inline
// value. You need it only for Reducto's support.
func (r *ExtractResult) ResultID() string { return r.value.id() }

// Raw returns the extracted value as the service wrote it. It is a list of values in
// the form "extract" and one value in the form "v3_extract". The latter wraps each
// field in {"value","citations"} if citations are enabled. Raw downloads a value
// behind a URL once and keeps it. It is safe for concurrent use.
func (r *ExtractResult) Raw(ctx context.Context) (json.RawMessage, error) {
	if r.value.link == "" {
		if members.IsNull(r.value.raw) {
			return nil, r.value.missing()
		}
		return r.value.raw, nil
	}
	r.mu.Lock()
	loaded := r.loaded
	r.mu.Unlock()
	if loaded != nil {
		return loaded, nil
	}
	value, err := readValue(ctx, r.src, r.value.link)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded = value
	return value, nil
}

// Citations returns the citations of the form "extract": a list parallel to the
// values, or nil if there are none. It returns nil for the form "v3_extract". The
// values of that form include their citations. Decode them with Cited.
func (r *ExtractResult) Citations(ctx context.Context) (json.RawMessage, error) {
	switch {
	case r.cites.link != "":
		src := r.src
		src.link = freshLink(func(fresh *ExtractResult) Link { return fresh.cites.link })
		return readValue(ctx, src, r.cites.link)
	case members.IsNull(r.cites.raw):
		return nil, nil
	}
	return r.cites.raw, nil
}

// Decode decodes the extracted value into v, a non-nil pointer, as encoding/json does.
// It hides the differences between the forms of the service:
//
//   - A struct accepts a list of one value, and a slice accepts a single value. A list
//     of several values needs a slice.
//   - With citations, a field of type Cited receives its value and its citations. Any
//     other field receives its value.
//   - Without citations, a field of type Cited receives its value.
//
// An interface (any, map[string]any) receives the JSON unchanged.
func (r *ExtractResult) Decode(ctx context.Context, v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return &RequestError{Op: "Decode", Field: "v", Reason: fmt.Sprintf("it is a %T: give a non-nil pointer", v)}
	}
	raw, err := r.Raw(ctx)
	if err != nil {
		return err
	}
	t := target.Type().Elem()
	if r.ResponseType() == responseExtract && wantsCitations(t) {
		cites, err := r.Citations(ctx)
		if err != nil {
			return err
		}
		if !members.IsNull(cites) {
			raw = joinList(raw, cites)
		}
	}
	isList := members.Kind(raw) == '['
	base := t
	for base.Kind() == reflect.Pointer {
		base = base.Elem()
	}
	wantsList := base.Kind() == reflect.Slice || base.Kind() == reflect.Array
	switch {
	case isList && !wantsList && base.Kind() != reflect.Interface && !decodesItself(base):
		var values []json.RawMessage
		if err := json.Unmarshal(raw, &values); err != nil {
			return err
		}
		if len(values) != 1 {
			return &DecodeError{JobID: r.JobID, Target: t.String(),
				Err: fmt.Errorf("it has %d values: decode it into a slice", len(values))}
		}
		raw = values[0]
	case !isList && wantsList && !decodesItself(base):
		raw = slices.Concat([]byte("["), raw, []byte("]"))
	}
	if err := json.Unmarshal(uncite(raw, t), v); err != nil {
		return &DecodeError{JobID: r.JobID, Target: t.String(), Err: err}
	}
	return nil
}

func (r *ExtractResult) bind(s source) {
	if s.link == nil {
		s.link = freshLink((*ExtractResult).Link)
	}
	r.src = s
}

func (r *ExtractResult) describe() (responseType, jobID string) { return r.responseType, r.JobID }

// Format prints the response type and the job, with every verb.
func (r *ExtractResult) Format(f fmt.State, _ rune) { printResult(f, r) }

// LogValue logs what Format prints.
func (r *ExtractResult) LogValue() slog.Value { return logPrinted(r) }

// UnmarshalJSON reads a result of either form.
func (r *ExtractResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r)
}

var extractFields = jsonread.FieldsOf[ExtractResult]("response_type,omitzero", "result", "citations")

func (r *ExtractResult) read(in *jsonread.Reader) {
	for o := in.Object(extractFields, r.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			r.responseType = in.String()
		case "job_id":
			r.JobID = in.String()
		case "studio_link":
			r.StudioLink = in.String()
		case "usage":
			jsonread.Decode(in, &r.Usage)
		case "confidence":
			r.Confidence = readConfidence(in)
		case "confidence_reason":
			r.ConfidenceReason = in.String()
		case "result":
			r.value = readContent(in)
		case "citations":
			r.cites = readContent(in)
		}
	}
}

// MarshalJSON writes the result as it came. After a download it includes the value.
func (r *ExtractResult) MarshalJSON() ([]byte, error) {
	r.mu.Lock()
	value := r.value.raw
	if r.loaded != nil {
		value = r.loaded
	}
	r.mu.Unlock()
	return r.encode(r, value, members.Member{Name: "citations", Value: r.cites.raw})
}
