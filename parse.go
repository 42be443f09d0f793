package reducto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"sync"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// ParseRequest is a request to turn a document into text, chunks and blocks. Only
// Input is required.
type ParseRequest struct {
	// Input is the document, or a list of them.
	Input Input `json:"input"`
	// Enhance selects what models do in addition to recognising text.
	Enhance Enhance `json:"enhance,omitzero"`
	// Retrieval selects how the text is cut into chunks.
	Retrieval Retrieval `json:"retrieval,omitzero"`
	// Formatting selects the format of the text.
	Formatting Formatting `json:"formatting,omitzero"`
	// Spreadsheet holds the options for spreadsheets.
	Spreadsheet Spreadsheet `json:"spreadsheet,omitzero"`
	// Settings selects how the document is read and what the result contains.
	Settings Settings `json:"settings,omitzero"`
	// QueuePriority is the queue of ParseAsync. Parse does not support it. Default:
	// QueuePriorityAuto.
	QueuePriority QueuePriority `json:"queue_priority,omitzero"`
	// Async holds the options of ParseAsync: webhook, metadata, priority.
	Async Async `json:"-"`
}

// QueuePriority is the queue in which a job waits. It is an open set.
type QueuePriority string

// The queues.
const (
	// QueuePriorityAuto is the default queue.
	QueuePriorityAuto QueuePriority = "auto"
	// QueuePriorityStandard is another name for QueuePriorityAuto that older servers do not know.
	QueuePriorityStandard QueuePriority = "standard"
	// QueuePriorityBatch costs less and may take up to twelve hours. If the queue is
	// full, the service answers 503 and asks to retry in five minutes.
	// See https://docs.reducto.ai/workflows/batch-queue.
	QueuePriorityBatch QueuePriority = "batch"
)

func (r ParseRequest) check() error {
	if err := r.Input.check("Input"); err != nil {
		return err
	}
	return ParseOptions{
		Enhance:     r.Enhance,
		Retrieval:   r.Retrieval,
		Formatting:  r.Formatting,
		Spreadsheet: r.Spreadsheet,
		Settings:    r.Settings,
	}.check("")
}

// wire returns the body to send; a is nil for the synchronous endpoint.
func (r *ParseRequest) wire(a *asyncWire) any {
	return struct {
		*ParseRequest
		Async *asyncWire `json:"async,omitempty"`
	}{r, a}
}

func (r ParseRequest) private() []string { return private(r.Input, r.Settings.DocumentPassword) }

// Format prints the request without password and presigned signatures.
func (r ParseRequest) Format(f fmt.State, verb rune) {
	type fields ParseRequest
	printFields(f, verb, fields(r))
}

// LogValue logs the request without password and presigned signatures.
func (r ParseRequest) LogValue() slog.Value { return logPrinted(r) }

// Parse parses a document and waits for the result on the same connection. The
// service ends such calls after 15 minutes. Use ParseAsync for documents of more than
// about 50 pages.
//
// A synchronous call has no webhook and runs no submit hooks. A non-zero Async is an
// error. The client retries the call only if the service certainly did not accept it.
func (c *Client) Parse(ctx context.Context, req ParseRequest) (*ParseResult, error) {
	if err := checkSync("Parse", req.Async, req.QueuePriority); err != nil {
		return nil, err
	}
	return callSync[*ParseResult](ctx, c, "Parse", "/parse", JobTypeParse, &req)
}

// ParseAsync submits a document for parsing and returns a handle at once.
//
// The asynchronous methods return a *RequestError if nothing was sent, and an *APIError
// if the service refused. They return a *ConnectionError if the service was not
// reached, and an *UnknownOutcomeError if the outcome is unknown.
func (c *Client) ParseAsync(ctx context.Context, req ParseRequest, opts ...SubmitOption) (*Handle[*ParseResult], error) {
	return submit[*ParseResult](ctx, c, "ParseAsync", "/parse_async", JobTypeParse, &req, req.Async, opts)
}

// ParseResult is a parsed document. Blocks and Chunks stream its content. Load keeps
// all of it in memory. They work for content that the service sends inline and, from
// about 6 MB, behind a URL.
type ParseResult struct {
	// JobID is the id of the job.
	JobID string `json:"job_id"`
	// Duration is the processing time in seconds.
	Duration float64 `json:"duration"`
	// PDFURL is the document converted to PDF; empty if there is none.
	PDFURL Link `json:"pdf_url,omitzero"`
	// StudioLink leads to the document in Reducto's studio.
	StudioLink string `json:"studio_link,omitzero"`
	// Usage is the usage of the job.
	Usage ParseUsage `json:"usage"`
	// ParseMode is the parser that was used; empty means ParseModeBase. Not all servers
	// send it.
	ParseMode ParseMode `json:"parse_mode,omitzero"`
	// DocumentProperties has the properties of the document, if
	// Settings.ExtractDocumentProperties is set. Its form is not documented. Newer
	// servers only.
	DocumentProperties json.RawMessage `json:"document_properties,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`

	resultBase
	content  content
	document int // its position in the list of a pipeline

	mu   sync.Mutex
	full *fullResult // inline, or kept by Load; nil for a link
}

// fullResult is the content of a parse result.
type fullResult struct {
	// Type is "full"; old stored results lack it.
	Type   string          `json:"type,omitzero"`
	Chunks []Chunk         `json:"chunks"`
	OCR    *OCRResult      `json:"ocr,omitzero"`
	Custom json.RawMessage `json:"custom,omitzero"`
	Extra  Extra           `json:"-"`
}

// ResponseType returns "parse".
func (r *ParseResult) ResponseType() string { return responseParse }

// Link returns the URL of the content; empty if the service sent it inline. Blocks,
// Chunks and Load follow it and get a fresh one if it has expired.
func (r *ParseResult) Link() Link { return r.content.link }

// ResultID returns the service's id of content behind a Link; empty for inline
// content. You need it only for Reducto's support.
func (r *ParseResult) ResultID() string { return r.content.id() }

func (f *fullResult) UnmarshalJSON(data []byte) error { return decodeBytes(data, f, readFull) }
func (f fullResult) MarshalJSON() ([]byte, error)     { return members.Encode(f) }

// Chunks yields the document's chunks in order. If the content is behind a URL, the
// loop downloads it chunk by chunk and keeps one chunk in memory. A second loop
// downloads again. Leaving the loop closes the connection. An error ends the loop and
// says how much was downloaded.
func (r *ParseResult) Chunks(ctx context.Context) iter.Seq2[*Chunk, error] {
	read := func(reader *jsonread.Reader, _ func(), yield func(*Chunk) bool) error {
		return readChunks(reader, nil, yield)
	}
	return stream(ctx, r, (*fullResult).eachChunk, read, func(n, _ int) string { return fmt.Sprintf("%d chunks", n) })
}

// Blocks yields the blocks of all chunks in order, as Chunks does. If the content is
// behind a URL, the loop keeps one block in memory. A text of many MB is in memory
// once. On Windows it is there twice for a short time.
func (r *ParseResult) Blocks(ctx context.Context) iter.Seq2[*Block, error] {
	return stream(ctx, r, (*fullResult).eachBlock, readBlocks,
		func(n, chunks int) string { return fmt.Sprintf("%d blocks of %d chunks", n, chunks) })
}

func (f *fullResult) eachChunk(yield func(*Chunk) bool) {
	for i := range f.Chunks {
		if !yield(&f.Chunks[i]) {
			return
		}
	}
}

func (f *fullResult) eachBlock(yield func(*Block) bool) {
	for i := range f.Chunks {
		for j := range f.Chunks[i].Blocks {
			if !yield(&f.Chunks[i].Blocks[j]) {
				return
			}
		}
	}
}

// stream yields the elements of the content. If the content is in memory, each yields
// them. Otherwise read downloads and yields them. progress says how far the download
// came.
func stream[T any](
	ctx context.Context, r *ParseResult, each func(*fullResult, func(*T) bool),
	read func(reader *jsonread.Reader, nextChunk func(), yield func(*T) bool) error, progress func(n, chunks int) string,
) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		if full := r.kept(); full != nil {
			each(full, func(v *T) bool {
				if err := contextError(ctx); err != nil {
					yield(nil, err)
					return false
				}
				return yield(v, nil)
			})
			return
		}
		n, chunks, stopped := 0, 0, false
		var reader *jsonread.Reader
		err := r.download(ctx, func() bool { return n > 0 }, func(body io.Reader) error {
			reader, chunks = jsonread.New(body, -1), 0
			defer reader.Close()
			return read(reader, func() { chunks++ }, func(v *T) bool {
				if reader.Fail(contextError(ctx)); reader.Err() != nil {
					return true
				}
				n++
				stopped = !yield(v, nil)
				return !stopped
			})
		})
		if err != nil && !stopped {
			if n > 0 {
				err = fmt.Errorf("reducto: result of job %s, after %s, %d bytes: %w", r.jobID(), progress(n, chunks), reader.Offset(), err)
			}
			yield(nil, err)
		}
	}
}

// Load returns all chunks and keeps them, so that later calls of Load, Chunks,
// Blocks, OCR and Custom download nothing. It is safe for concurrent use.
func (r *ParseResult) Load(ctx context.Context) ([]Chunk, error) {
	full, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	return full.Chunks, nil
}

// OCR returns the recognised words and lines; nil unless Settings.ReturnOCRData is
// set. It loads and keeps content behind a URL.
func (r *ParseResult) OCR(ctx context.Context) (*OCRResult, error) {
	full, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	return full.OCR, nil
}

// Custom returns the output of custom processing; nil if there is none. It loads and
// keeps content behind a URL.
func (r *ParseResult) Custom(ctx context.Context) (json.RawMessage, error) {
	full, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	return full.Custom, nil
}

func (r *ParseResult) kept() *fullResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full
}

func (r *ParseResult) load(ctx context.Context) (*fullResult, error) {
	if full := r.kept(); full != nil {
		return full, nil
	}
	full, err := r.loadOnce(ctx, true)
	if errors.Is(err, jsonread.ErrForgotten) {
		// A large member has an unknown form. To keep it unchanged, it must be read
		// again, and it is in memory twice.
		full, err = r.loadOnce(ctx, false)
	}
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full = full
	return full, nil
}

func (r *ParseResult) loadOnce(ctx context.Context, forgetful bool) (full *fullResult, err error) {
	err = r.download(ctx, func() bool { return false }, func(body io.Reader) error {
		full = &fullResult{Type: "full", Chunks: []Chunk{}} // a new one for each attempt
		reader := jsonread.New(body, -1)
		defer reader.Close()
		if forgetful {
			reader.Forgetful()
		}
		return readChunks(reader, full, func(c *Chunk) bool {
			full.Chunks = append(full.Chunks, *c)
			return true
		})
	})
	return full, err
}

func (r *ParseResult) download(ctx context.Context, started func() bool, read func(io.Reader) error) error {
	if r.content.link == "" {
		return r.content.missing()
	}
	return r.src.download(ctx, r.content.link, started, read)
}

func (r *ParseResult) jobID() string {
	if r.src.jobID != "" {
		return r.src.jobID
	}
	return r.JobID
}

func (r *ParseResult) bind(s source) {
	if s.link == nil {
		s.link = freshLink((*ParseResult).Link)
	}
	r.src = s
}

func (r *ParseResult) describe() (responseType, jobID string) { return r.responseType, r.jobID() }

// Format prints the response type and the job, with every verb.
func (r *ParseResult) Format(f fmt.State, _ rune) { printResult(f, r) }

// LogValue logs what Format prints.
func (r *ParseResult) LogValue() slog.Value { return logPrinted(r) }

// UnmarshalJSON reads a result with its content, or with the link to it.
func (r *ParseResult) UnmarshalJSON(data []byte) error {
	return decodeAnew(data, r)
}

var parseFields = jsonread.FieldsOf[ParseResult]("response_type,omitzero", "result")

func (r *ParseResult) read(in *jsonread.Reader) {
	for o := in.Object(parseFields, r.Extra.members()); o.Next(); {
		switch o.Name {
		case "response_type":
			r.responseType = in.String()
		case "job_id":
			r.JobID = in.String()
		case "duration":
			r.Duration = in.Float()
		case "pdf_url":
			r.PDFURL = Link(in.String())
		case "studio_link":
			r.StudioLink = in.String()
		case "usage":
			readUsage(in, &r.Usage)
		case "parse_mode":
			r.ParseMode = ParseMode(in.String())
		case "document_properties":
			r.DocumentProperties = in.Raw()
		case "result":
			readParseContent(in, r)
		}
	}
}

// readParseContent reads content with a list of chunks. It keeps any other content
// unchanged.
func readParseContent(r *jsonread.Reader, v *ParseResult) {
	if r.Kind() != '{' {
		v.content = readContent(r)
		return
	}
	m := r.Mark()
	var chunks byte
	r.Walk(func(member []byte) bool {
		if string(member) == "chunks" {
			chunks = r.Kind()
		}
		return chunks == 0 // of duplicates, the first counts
	})
	switch {
	case r.Err() != nil || !r.Rewind(m):
	case chunks == '[':
		v.full = new(fullResult)
		readFull(r, v.full)
	default:
		v.content = readContent(r)
	}
}

// MarshalJSON writes the result as it came. After Load it includes the content.
func (r *ParseResult) MarshalJSON() ([]byte, error) {
	result := r.content.raw
	if full := r.kept(); full != nil {
		var err error
		if result, err = full.MarshalJSON(); err != nil {
			return nil, err
		}
	}
	return r.encode(r, result)
}

var fullFields = jsonread.FieldsOf[fullResult]()

func readFull(r *jsonread.Reader, f *fullResult) {
	chunks := newBlockReader(r)
	for o := r.Object(fullFields, f.Extra.members()); o.Next(); {
		if o.Name == "chunks" {
			f.Chunks = readList(r, &chunkPieces, func(_ *jsonread.Reader, c *Chunk) { chunks.chunk(c) })
			continue
		}
		readFullMember(r, f, o.Name)
	}
}

// readFullMember reads a member of a full result other than its chunks.
func readFullMember(r *jsonread.Reader, f *fullResult, name string) {
	switch name {
	case "type":
		f.Type = r.String()
	case "ocr":
		// All of it is optional. If one word does not fit, the member is kept as
		// unknown.
		m := r.Mark()
		f.OCR = new(OCRResult)
		readOCR(r, f.OCR)
		if r.Err() != nil {
			f.OCR = nil
		}
		r.Retry(m)
	case "custom":
		f.Custom = r.Raw()
	}
}

// ParseMode is the parser of a document. It is an open set.
type ParseMode string

// The known parse modes.
const (
	// ParseModeBase is the standard parser.
	ParseModeBase ParseMode = "base"
	// ParseModeLite is Reducto Flash Lite.
	ParseModeLite ParseMode = "lite"
)

// ParseUsage is the usage of a job.
type ParseUsage struct {
	// NumPages is the number of processed pages.
	NumPages int `json:"num_pages"`
	// Credits is the cost in credits; nil for accounts that are not billed in credits.
	Credits *float64 `json:"credits,omitzero"`
	// CreditBreakdown has the credits of each feature.
	CreditBreakdown map[BillingFeature]float64 `json:"credit_breakdown,omitzero"`
	// PageBillingBreakdown has the features used on each page. Its keys are page
	// numbers, from "1". Newer servers only.
	PageBillingBreakdown map[string][]BillingFeature `json:"page_billing_breakdown,omitzero"`
	// NonEmptyCellCount is the number of cells with content in a spreadsheet; nil for
	// other documents. Newer servers only.
	NonEmptyCellCount *int `json:"non_empty_cell_count,omitzero"`
	// UsageBreakdown holds undocumented details of newer servers.
	UsageBreakdown json.RawMessage `json:"usage_breakdown,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// UnmarshalJSON keeps unknown members.
func (v *ParseUsage) UnmarshalJSON(data []byte) error { return decodeBytes(data, v, readUsage) }

// MarshalJSON writes unknown members too.
func (v ParseUsage) MarshalJSON() ([]byte, error) { return members.Encode(v) }

var usageFields = jsonread.FieldsOf[ParseUsage]()

func readUsage(r *jsonread.Reader, u *ParseUsage) {
	for o := r.Object(usageFields, u.Extra.members()); o.Next(); {
		switch o.Name {
		case "num_pages":
			u.NumPages = r.Int()
		case "credits":
			u.Credits = r.FloatPointer()
		case "credit_breakdown":
			jsonread.Decode(r, &u.CreditBreakdown)
		case "page_billing_breakdown":
			jsonread.Decode(r, &u.PageBillingBreakdown)
		case "non_empty_cell_count":
			u.NonEmptyCellCount = r.IntPointer()
		case "usage_breakdown":
			u.UsageBreakdown = r.Raw()
		}
	}
}

// BillingFeature is a feature that is billed separately. It is an open set.
type BillingFeature string

// The known features in a usage. The service documents only their names.
const (
	BillingFeaturePage                     BillingFeature = "page"
	BillingFeatureHTMLPage                 BillingFeature = "html_page"
	BillingFeatureDocxNativePage           BillingFeature = "docx_native_page"
	BillingFeatureLitePage                 BillingFeature = "reducto_lite_page"
	BillingFeatureComplex                  BillingFeature = "complex"
	BillingFeatureAgentic                  BillingFeature = "agentic"
	BillingFeatureAgenticText              BillingFeature = "agentic_text"
	BillingFeaturePromptableAgenticText    BillingFeature = "promptable_agentic_text"
	BillingFeatureChartAgent               BillingFeature = "chart_agent"
	BillingFeatureSpreadsheetCells         BillingFeature = "spreadsheet_cells"
	BillingFeatureBillableSpreadsheetPages BillingFeature = "billable_spreadsheet_pages"
	BillingFeatureEnrichTable              BillingFeature = "enrich_table"
	BillingFeatureTableSummary             BillingFeature = "table_summary"
	BillingFeatureFigureSummary            BillingFeature = "figure_summary"
	BillingFeatureKeyValue                 BillingFeature = "key_value"
)
