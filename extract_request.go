package reducto

// ExtractRequest reads fields out of a document, by a JSON Schema of yours.
// Only Input is required.
type ExtractRequest struct {
	// Input is the document, or a list of them. FromJob uses an earlier parse.
	Input Input `json:"input"`
	// Parsing is how the document is parsed first. The service ignores it for an Input
	// from FromJob, which is parsed already.
	Parsing ParseOptions `json:"parsing,omitzero"`
	// Instructions say what to extract.
	Instructions Instructions `json:"instructions,omitzero"`
	// Settings chooses how to extract.
	Settings ExtractSettings `json:"settings,omitzero"`
	// QueuePriority is the queue of ExtractAsync; the synchronous endpoint has no such
	// option. Reducto's guide says that only parse jobs heed QueueBatch.
	// Default: QueueAuto. Newer servers only.
	QueuePriority QueuePriority `json:"queue_priority,omitzero"`
	// Async is for ExtractAsync: the webhook and its metadata, priority.
	Async Async `json:"-"`
}

// Instructions say what to extract.
type Instructions struct {
	// Schema is the JSON Schema of the result: anything that marshals to one, such as
	// a map, a struct or a json.RawMessage. The descriptions in it guide the
	// extraction. Default: {}.
	Schema any `json:"schema,omitzero"`
	// SystemPrompt describes the documents and what to mind, for all fields. Empty is
	// the default: "Be precise and thorough."
	SystemPrompt string `json:"system_prompt,omitzero"`
}

// ExtractSettings chooses how to extract.
type ExtractSettings struct {
	// IncludeImages extracts from images too, not from the text alone. Default: false.
	IncludeImages bool `json:"include_images,omitzero"`
	// OptimizeForLatency has the job done sooner, at a higher price. Default: false.
	OptimizeForLatency bool `json:"optimize_for_latency,omitzero"`
	// ForceURLResult has the result come as a URL even where it is small enough to
	// be inline. This library reads both alike. Default: false. Newer servers only.
	ForceURLResult bool `json:"force_url_result,omitzero"`
	// ArrayExtract is for long lists, such as the lines of a statement. Newer servers
	// prefer DeepExtract for them. Default: false.
	ArrayExtract bool `json:"array_extract,omitzero"`
	// DeepExtract has an agent check and refine its result again and again: the most
	// accurate, the slowest, the most expensive. Default: false.
	DeepExtract bool `json:"deep_extract,omitzero"`
	// Citations say where in the document a value was found.
	Citations CitationSettings `json:"citations,omitzero"`
	// PageRange is the part of the document to extract from. Default: all of it. Newer
	// servers only; Parsing.Settings.PageRange is known to all.
	PageRange PageRange `json:"page_range,omitzero"`
}

// CitationSettings choose whether values come with the place where they were
// found. They change the form of the result, which ExtractResult.Decode hides.
type CitationSettings struct {
	// Enabled adds the citations. Default: false.
	Enabled bool `json:"enabled,omitzero"`
	// NumericalConfidence adds confidence as numbers to them. Default: true.
	NumericalConfidence *bool `json:"numerical_confidence,omitzero"`
	// ParentBlock is how much of the block around a citation comes with it. Default:
	// ParentBlockFull. Newer servers only.
	ParentBlock ParentBlock `json:"parent_block,omitzero"`
}

// ParentBlock is how much of the block around a citation comes with it. It is an
// open set.
type ParentBlock string

// The amounts of parent block.
const (
	// ParentBlockFull is the block with its content.
	ParentBlockFull ParentBlock = "full"
	// ParentBlockBBoxOnly is the block without its content: much less to transfer
	// where many values come from the same large table.
	ParentBlockBBoxOnly ParentBlock = "bbox_only"
)

func (r ExtractRequest) check() error {
	if err := r.Input.check("Input"); err != nil {
		return err
	}
	if err := r.Parsing.check("Parsing."); err != nil {
		return err
	}
	if _, ok := r.Instructions.Schema.([]byte); ok {
		return refuse("Instructions.Schema", "a []byte is sent as base64: convert it to json.RawMessage")
	}
	return r.Settings.PageRange.check("Settings.PageRange")
}

// wire is the body to send; a is nil for the synchronous endpoint.
func (r *ExtractRequest) wire(a *asyncWire) any {
	return struct {
		*ExtractRequest
		Async *asyncWire `json:"async,omitempty"`
	}{r, a}
}
