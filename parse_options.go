package reducto

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"unicode/utf8"

	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/redact"
)

// ParseOptions selects how a document is parsed before extraction or splitting. It has
// the options of a ParseRequest.
type ParseOptions struct {
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
}

// check validates the options. path is the path of the options in the request. It is
// empty or ends in a dot.
func (o ParseOptions) check(path string) error {
	if err := o.Enhance.check(path + "Enhance"); err != nil {
		return err
	}
	if err := o.Retrieval.Chunking.check(path + "Retrieval.Chunking"); err != nil {
		return err
	}
	if err := o.Spreadsheet.check(path + "Spreadsheet"); err != nil {
		return err
	}
	return o.Settings.check(path + "Settings")
}

// Format prints the options without the password.
func (o ParseOptions) Format(f fmt.State, verb rune) {
	type fields ParseOptions
	printFields(f, verb, fields(o))
}

// LogValue logs the options without the password.
func (o ParseOptions) LogValue() slog.Value { return logPrinted(o) }

// Enhance selects what models do in addition to recognising text. The parse model r-1
// (Settings.Model) does most of it by itself.
type Enhance struct {
	// Agentic lets vision language models process text, tables or figures again. The
	// result is better, but the price and the latency are higher. With r-1, use it to
	// give prompts and to read charts. Default: none.
	Agentic []AgenticScope `json:"agentic,omitzero"`
	// AdvancedChartAgent extracts the data series of every figure that is a chart, and
	// redraws the chart from them. It needs no FigureAgentic. It is slower. Default:
	// false. Newer servers only.
	AdvancedChartAgent bool `json:"advanced_chart_agent,omitzero"`
	// SummarizeFigures lets a small vision language model describe figures in words.
	// r-1 always does. Default: true.
	SummarizeFigures *bool `json:"summarize_figures,omitzero"`
	// IntelligentOrdering lets a larger vision language model determine the reading
	// order. It is a little slower. r-1 ignores it. Default: false.
	IntelligentOrdering bool `json:"intelligent_ordering,omitzero"`
}

// AgenticScope is an element of Enhance.Agentic: TextAgentic, TableAgentic or
// FigureAgentic. Use OtherAgentic for a scope that has no type here.
type AgenticScope interface {
	agenticScope() AgenticScopeName
}

// AgenticScopeName is the name of an AgenticScope. It is an open set.
type AgenticScopeName string

// The agentic scopes.
const (
	// AgenticScopeText is the scope of TextAgentic.
	AgenticScopeText AgenticScopeName = "text"
	// AgenticScopeTable is the scope of TableAgentic.
	AgenticScopeTable AgenticScopeName = "table"
	// AgenticScopeFigure is the scope of FigureAgentic.
	AgenticScopeFigure AgenticScopeName = "figure"
	// AgenticScopeLayout is a scope without documented options. Older servers refuse
	// it. Set it with OtherAgentic.
	AgenticScopeLayout AgenticScopeName = "layout"
)

// TextAgentic lets a vision language model process text again.
type TextAgentic struct {
	// Prompt holds your own instructions. They apply only to forms, that is to blocks
	// of the type Key Value. Default: none.
	Prompt string `json:"prompt,omitzero"`
}

// TableAgentic lets a vision language model process tables again.
type TableAgentic struct {
	// Prompt holds your own instructions. Default: none.
	Prompt string `json:"prompt,omitzero"`
	// Mode selects the tables. Default: TableAgenticModeDefault.
	Mode TableAgenticMode `json:"mode,omitzero"`
}

// TableAgenticMode selects the tables to which a TableAgentic applies. It is an open
// set.
type TableAgenticMode string

// The modes of TableAgentic.
const (
	// TableAgenticModeDefault selects the tables that are likely to improve.
	TableAgenticModeDefault TableAgenticMode = "default"
	// TableAgenticModeAuto is a value of the API that its documents do not explain.
	TableAgenticModeAuto TableAgenticMode = "auto"
	// TableAgenticModeMax selects all tables.
	TableAgenticModeMax TableAgenticMode = "max"
)

// FigureAgentic lets a vision language model process figures again.
type FigureAgentic struct {
	// Prompt holds your own instructions. Default: none.
	Prompt string `json:"prompt,omitzero"`
	// AdvancedChartAgent extracts the data series of figures that are charts, and
	// redraws the charts from them. It is slower. Default: false.
	AdvancedChartAgent bool `json:"advanced_chart_agent,omitzero"`
	// ReturnOverlays adds images that show the extracted content on top of the figure.
	// Use them to check the extraction by eye. Default: false.
	ReturnOverlays bool `json:"return_overlays,omitzero"`
}

// OtherAgentic is an agentic scope that has no type in this library. Use it for
// AgenticScopeLayout, or for a scope that is newer than this library.
type OtherAgentic struct {
	// Scope is the name of the scope. Required.
	Scope AgenticScopeName
	// Options holds the other members of the scope, such as "prompt". encoding/json
	// encodes them. Default: none.
	Options map[string]any
}

func (TextAgentic) agenticScope() AgenticScopeName    { return AgenticScopeText }
func (TableAgentic) agenticScope() AgenticScopeName   { return AgenticScopeTable }
func (FigureAgentic) agenticScope() AgenticScopeName  { return AgenticScopeFigure }
func (a OtherAgentic) agenticScope() AgenticScopeName { return a.Scope }

// MarshalJSON adds the member scope, which identifies the type.
func (a TextAgentic) MarshalJSON() ([]byte, error) {
	type fields TextAgentic
	return json.Marshal(struct {
		Scope AgenticScopeName `json:"scope"`
		fields
	}{a.agenticScope(), fields(a)})
}

// MarshalJSON adds the member scope, which identifies the type.
func (a TableAgentic) MarshalJSON() ([]byte, error) {
	type fields TableAgentic
	return json.Marshal(struct {
		Scope AgenticScopeName `json:"scope"`
		fields
	}{a.agenticScope(), fields(a)})
}

// MarshalJSON adds the member scope, which identifies the type.
func (a FigureAgentic) MarshalJSON() ([]byte, error) {
	type fields FigureAgentic
	return json.Marshal(struct {
		Scope AgenticScopeName `json:"scope"`
		fields
	}{a.agenticScope(), fields(a)})
}

// MarshalJSON writes the scope and the options into one object.
func (a OtherAgentic) MarshalJSON() ([]byte, error) {
	all := make(map[string]any, len(a.Options)+1)
	maps.Copy(all, a.Options)
	all["scope"] = a.Scope
	return json.Marshal(all)
}

func (a OtherAgentic) check(field string) error {
	if a.Scope == "" {
		return refuse(field+".Scope", "it is empty: use the name of a scope, such as AgenticScopeLayout")
	}
	if _, ok := a.Options["scope"]; ok {
		return refuse(field+".Options", `they have a member "scope": use the field Scope`)
	}
	return nil
}

func (e Enhance) check(field string) error {
	for i, a := range e.Agentic {
		at := fmt.Sprintf("%s.Agentic[%d]", field, i)
		if a == nil {
			return refuse(at, "it is nil: use TextAgentic, TableAgentic, FigureAgentic or OtherAgentic")
		}
		if other, ok := a.(interface{ check(string) error }); ok {
			if err := other.check(at); err != nil {
				return err
			}
		}
	}
	return nil
}

// Retrieval selects how the text is prepared for search.
type Retrieval struct {
	// Chunking selects how the document is cut into chunks.
	Chunking Chunking `json:"chunking,omitzero"`
	// FilterBlocks lists the types of blocks to leave out of Chunk.Content and
	// Chunk.Embed. Chunk.Blocks still has them. Default: none.
	FilterBlocks []BlockType `json:"filter_blocks,omitzero"`
	// EmbeddingOptimized formats Chunk.Embed for embedding models. Default: false.
	EmbeddingOptimized bool `json:"embedding_optimized,omitzero"`
}

// Chunking selects how a document is cut into chunks.
type Chunking struct {
	// ChunkMode selects where to cut. Default: ChunkModeDisabled.
	ChunkMode ChunkMode `json:"chunk_mode,omitzero"`
	// ChunkSize is the approximate number of characters in a chunk. Default: variable,
	// from 250 to 1500.
	ChunkSize int `json:"chunk_size,omitzero"`
	// ChunkOverlap is the number of characters of its neighbours that a chunk repeats.
	// Default: 0.
	ChunkOverlap int `json:"chunk_overlap,omitzero"`
}

// ChunkMode selects where a document is cut. It is an open set.
type ChunkMode string

// The known chunk modes.
const (
	// ChunkModeVariable cuts by length and by the visual layout.
	ChunkModeVariable ChunkMode = "variable"
	// ChunkModeSection cuts at section headers.
	ChunkModeSection ChunkMode = "section"
	// ChunkModePage cuts at page ends.
	ChunkModePage ChunkMode = "page"
	// ChunkModeDisabled does not cut. The result has one chunk.
	ChunkModeDisabled ChunkMode = "disabled"
	// ChunkModeBlock makes one chunk for each block.
	ChunkModeBlock ChunkMode = "block"
	// ChunkModePageSections cuts at page ends, and at the sections of each page.
	ChunkModePageSections ChunkMode = "page_sections"
)

func (c Chunking) check(field string) error {
	if c.ChunkSize < 0 {
		return refuse(field+".ChunkSize", "%d: use a number of characters, or 0 for the default", c.ChunkSize)
	}
	if c.ChunkOverlap < 0 {
		return refuse(field+".ChunkOverlap", "%d: use a number of characters, or 0 for none", c.ChunkOverlap)
	}
	return nil
}

// Formatting selects the format of the text.
type Formatting struct {
	// AddPageMarkers inserts text such as [[PAGE 1 BEGINS HERE]] between the pages. Use
	// it if readers of the text need to know the page. Default: false.
	AddPageMarkers bool `json:"add_page_markers,omitzero"`
	// TableOutputFormat is the format of tables. Default: TableFormatDynamic.
	TableOutputFormat TableFormat `json:"table_output_format,omitzero"`
	// MergeTables joins consecutive tables that have the same number of columns.
	// Default: false.
	MergeTables bool `json:"merge_tables,omitzero"`
	// Include selects optional marks in the text and other changes to it. Default:
	// none.
	Include []FormattingInclude `json:"include,omitzero"`
}

// TableFormat is the format of a table. It is an open set.
type TableFormat string

// The known table formats.
const (
	TableFormatHTML     TableFormat = "html"
	TableFormatJSON     TableFormat = "json"
	TableFormatMarkdown TableFormat = "md"
	// TableFormatJSONBBox is JSON with the position of each cell. r-1 does not support
	// it.
	TableFormatJSONBBox TableFormat = "jsonbbox"
	// TableFormatDynamic is Markdown for simple tables and HTML for other tables.
	TableFormatDynamic TableFormat = "dynamic"
	TableFormatCSV     TableFormat = "csv"
)

// FormattingInclude is an option for Formatting.Include. It is an open set.
type FormattingInclude string

// The known options for Formatting.Include. r-1 handles highlights, signatures and
// watermarks by itself and ignores these three options.
const (
	// FormattingIncludeChangeTracking marks text that is underlined or struck through.
	FormattingIncludeChangeTracking FormattingInclude = "change_tracking"
	// FormattingIncludeHighlight marks highlighted text.
	FormattingIncludeHighlight FormattingInclude = "highlight"
	// FormattingIncludeComments adds the comments of the document.
	FormattingIncludeComments FormattingInclude = "comments"
	// FormattingIncludeHyperlinks adds the targets of links.
	FormattingIncludeHyperlinks FormattingInclude = "hyperlinks"
	// FormattingIncludeSignatures marks signatures.
	FormattingIncludeSignatures FormattingInclude = "signatures"
	// FormattingIncludeIgnoreWatermarks removes watermarks from the text.
	FormattingIncludeIgnoreWatermarks FormattingInclude = "ignore_watermarks"
)

// Spreadsheet holds options for spreadsheets. They have no effect on other documents.
type Spreadsheet struct {
	// SplitLargeTables selects how large tables are cut into smaller ones.
	SplitLargeTables SplitLargeTables `json:"split_large_tables,omitzero"`
	// Include adds information about cells besides their values. Default: none.
	Include []SpreadsheetInclude `json:"include,omitzero"`
	// Clustering selects how the separate tables of a sheet are found. Default:
	// ClusteringAccurate.
	Clustering Clustering `json:"clustering,omitzero"`
	// Exclude leaves out parts of the spreadsheet. Default: none.
	Exclude []SpreadsheetExclude `json:"exclude,omitzero"`
	// MaxCellCount is the maximum number of cells with content, over all sheets. The
	// service refuses a larger spreadsheet (422). Use it as a guard against unexpected
	// cost. At least 1. Default: no limit.
	MaxCellCount int `json:"max_cell_count,omitzero"`
}

// SplitLargeTables selects how large tables of a spreadsheet are cut into smaller ones.
type SplitLargeTables struct {
	// Enabled turns the cutting on. Default: true.
	Enabled *bool `json:"enabled,omitzero"`
	// Size is the size of the parts. Default: SplitEvery(50).
	Size TableSize `json:"size,omitzero"`
}

// TableSize is the size of the parts of a large table. Use SplitEvery, or set Row,
// Column or both. The zero value is the default.
type TableSize struct {
	// Row is the number of rows of a part. If it is 0, the table is not cut between
	// rows.
	Row int
	// Column is the number of columns of a part. If it is 0, the table is not cut
	// between columns.
	Column int

	every int // from SplitEvery; Row and Column are then 0
}

// SplitEvery returns a TableSize of at most n rows and n columns.
func SplitEvery(n int) TableSize { return TableSize{every: n} }

// MarshalJSON writes SplitEvery as a number and any other size as an object. In the
// object, null means that the table is not cut in this direction.
func (s TableSize) MarshalJSON() ([]byte, error) {
	if s.Row == 0 && s.Column == 0 {
		return json.Marshal(s.every)
	}
	var both struct {
		Row    *int `json:"row"`
		Column *int `json:"column"`
	}
	if s.Row != 0 {
		both.Row = &s.Row
	}
	if s.Column != 0 {
		both.Column = &s.Column
	}
	return json.Marshal(both)
}

// UnmarshalJSON reads a number, or an object with row and column.
func (s *TableSize) UnmarshalJSON(data []byte) error {
	type fields TableSize
	var read fields
	var target any = &read.every
	if members.Kind(data) == '{' {
		target = &read
	}
	if err := json.Unmarshal(data, target); err != nil {
		return err
	}
	*s = TableSize(read)
	return nil
}

func (s Spreadsheet) check(field string) error {
	if size := s.SplitLargeTables.Size; size.Row < 0 || size.Column < 0 || size.every < 0 {
		return refuse(field+".SplitLargeTables.Size", "a size below 0: use a number of rows or columns, or 0")
	}
	if s.MaxCellCount < 0 {
		return refuse(field+".MaxCellCount", "%d: use at least 1, or 0 for no limit", s.MaxCellCount)
	}
	return nil
}

// SpreadsheetInclude is an option for Spreadsheet.Include. It is an open set.
type SpreadsheetInclude string

// The known options for Spreadsheet.Include.
const (
	SpreadsheetIncludeCellColors SpreadsheetInclude = "cell_colors"
	SpreadsheetIncludeFormula    SpreadsheetInclude = "formula"
	// SpreadsheetIncludeDropdowns adds the choices of a cell and the selected choice.
	SpreadsheetIncludeDropdowns SpreadsheetInclude = "dropdowns"
)

// SpreadsheetExclude is an option for Spreadsheet.Exclude. It is an open set.
type SpreadsheetExclude string

// The known options for Spreadsheet.Exclude.
const (
	SpreadsheetExcludeHiddenSheets SpreadsheetExclude = "hidden_sheets"
	SpreadsheetExcludeHiddenRows   SpreadsheetExclude = "hidden_rows"
	SpreadsheetExcludeHiddenCols   SpreadsheetExclude = "hidden_cols"
	SpreadsheetExcludeStyling      SpreadsheetExclude = "styling"
	SpreadsheetExcludeImages       SpreadsheetExclude = "spreadsheet_images"
)

// Clustering selects how the separate tables of a sheet are found. It is an open set.
type Clustering string

// The known ways of clustering.
const (
	// ClusteringAccurate uses stronger models. The price of a cell is five times as
	// high.
	ClusteringAccurate Clustering = "accurate"
	// ClusteringFast is cheaper.
	ClusteringFast Clustering = "fast"
	// ClusteringDisabled treats a sheet as one table.
	ClusteringDisabled Clustering = "disabled"
)

// Settings selects how a document is read and what the result contains.
type Settings struct {
	// OCRSystem selects how text in images is recognised. r-1 ignores it. Default:
	// OCRSystemStandard.
	OCRSystem OCRSystem `json:"ocr_system,omitzero"`
	// ExtractionMode selects the source of the text of a PDF. r-1 ignores it. Default:
	// TextExtractionModeHybrid.
	ExtractionMode TextExtractionMode `json:"extraction_mode,omitzero"`
	// ForceURLResult makes the service send the result as a URL, even if it is small
	// enough to be inline (up to about 6 MB). This library reads both forms. Default:
	// false. See https://docs.reducto.ai/parse/response-format.
	ForceURLResult bool `json:"force_url_result,omitzero"`
	// ForceFileExtension is the file type of the input, such as ".png". It overrides
	// the type that its URL suggests. Default: the service detects the type.
	ForceFileExtension string `json:"force_file_extension,omitzero"`
	// ReturnOCRData adds every recognised word and line, with its position, to the
	// result. Default: false.
	ReturnOCRData bool `json:"return_ocr_data,omitzero"`
	// ReturnImages selects the kinds of images to return. Block.ImageURL links to the
	// image of a block. Block.Attributes has the link to the image of the whole page, as
	// page_image_url. Default: none.
	ReturnImages []ImageKind `json:"return_images,omitzero"`
	// EmbedPDFMetadata writes the recognised text into the returned PDF, which makes it
	// searchable. Default: false.
	EmbedPDFMetadata bool `json:"embed_pdf_metadata,omitzero"`
	// ExtractDocumentProperties adds properties of the document, such as its title and
	// author, to the result. Default: false. Newer servers only.
	ExtractDocumentProperties bool `json:"extract_document_properties,omitzero"`
	// EmbedPDFMetadataDPI is the resolution of the page images for EmbedPDFMetadata, in
	// dots per inch, from 50 to 250. A low resolution makes a much smaller file. The
	// resolution of the scan shows the most detail. Default: 100.
	EmbedPDFMetadataDPI int `json:"embed_pdf_metadata_dpi,omitzero"`
	// PersistResults keeps the results until you delete them. Otherwise they expire
	// (job ids are valid for 12 hours). Default: false.
	PersistResults bool `json:"persist_results,omitzero"`
	// TenantThrottling limits the share of the account that one of your customers can
	// use. Default: no limit.
	TenantThrottling TenantThrottling `json:"tenant_throttling,omitzero"`
	// Timeout is the maximum duration of the job in seconds. It may have a fraction.
	// Default: the limit of the service.
	Timeout float64 `json:"timeout,omitzero"`
	// PageRange selects the part of the document to process. Default: the whole
	// document.
	PageRange PageRange `json:"page_range,omitzero"`
	// DocumentPassword is the password of a protected document. Default: none.
	DocumentPassword Password `json:"document_password,omitzero"`
	// HybridVPC selects where in your own network the document is processed.
	HybridVPC HybridVPC `json:"hybrid_vpc,omitzero"`
	// Model selects the parse model. Default: ParseModelLegacy, or ParseModelR1 for
	// organisations that started on the plan of r-1. Newer servers only.
	Model ParseModel `json:"model,omitzero"`
}

// ParseModel is a model that converts pages to blocks. It is an open set.
type ParseModel string

// The known parse models.
const (
	// ParseModelR1 reads a page as a whole. It does by itself the work of several
	// options. The comments of these options say so.
	ParseModelR1 ParseModel = "r-1"
	// ParseModelLegacy is the model before r-1.
	ParseModelLegacy ParseModel = "legacy"
)

// OCRSystem is a system that recognises text in images. It is an open set.
type OCRSystem string

// The known OCR systems.
const (
	// OCRSystemStandard supports many languages.
	OCRSystemStandard OCRSystem = "standard"
	// OCRSystemLegacy supports Germanic languages only. It exists for compatibility.
	OCRSystemLegacy OCRSystem = "legacy"
)

// TextExtractionMode selects the source of the text of a PDF. It is an open set.
type TextExtractionMode string

// The known extraction modes.
const (
	// TextExtractionModeOCR uses OCR only.
	TextExtractionModeOCR TextExtractionMode = "ocr"
	// TextExtractionModeHybrid combines OCR with the text that the PDF contains.
	TextExtractionModeHybrid TextExtractionMode = "hybrid"
)

// ImageKind is a kind of image for Settings.ReturnImages. It is an open set.
type ImageKind string

// The known kinds of images.
const (
	ImageKindFigure ImageKind = "figure"
	ImageKindTable  ImageKind = "table"
	ImageKindPage   ImageKind = "page"
)

// TenantThrottling names the customer for whom you process a document, so that one
// customer cannot use the whole account. The limits of the account still apply.
type TenantThrottling struct {
	// TenantID is your name for the customer, 1 to 256 characters.
	TenantID string `json:"tenant_id"`
	// MaxShare is the maximum fraction of the account's concurrency for the customer,
	// above 0 and up to 1. Default: 0.5.
	MaxShare float64 `json:"max_share,omitzero"`
}

// HybridVPC holds options for organisations that keep their documents in their own
// network. See https://docs.reducto.ai/onprem/hybrid-vpc-aws.
type HybridVPC struct {
	// Environment is the name of an environment that is configured for the
	// organisation. Default: none.
	Environment string `json:"environment,omitzero"`
}

// Password is the password of a document. It prints and logs as [redacted], also as a
// part of a request. The JSON of a request contains it in plain text, because the API
// needs it. Do not log that JSON.
type Password string

// Format prints [redacted], with every verb.
func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// LogValue logs [redacted].
func (p Password) LogValue() slog.Value { return slog.StringValue(redact.Mark) }

func (s Settings) check(field string) error {
	if dpi := s.EmbedPDFMetadataDPI; dpi != 0 && (dpi < 50 || dpi > 250) {
		return refuse(field+".EmbedPDFMetadataDPI", "%d: use 50 to 250, or 0 for the default", dpi)
	}
	if !(s.Timeout >= 0 && s.Timeout <= math.MaxFloat64) { // also refuses NaN and infinities
		return refuse(field+".Timeout", "%v: use seconds, or 0 for the default", s.Timeout)
	}
	if s.TenantThrottling != (TenantThrottling{}) {
		if err := s.TenantThrottling.check(field + ".TenantThrottling"); err != nil {
			return err
		}
	}
	if s.PageRange.IsZero() {
		return nil
	}
	return s.PageRange.check(field + ".PageRange")
}

func (t TenantThrottling) check(field string) error {
	if t.TenantID == "" {
		return refuse(field+".TenantID", "it is empty: name the tenant whose share is to be bounded")
	}
	if n := utf8.RuneCountInString(t.TenantID); n > 256 {
		return refuse(field+".TenantID", "it has %d characters: use at most 256, a hash of a longer name for example", n)
	}
	if !(t.MaxShare >= 0 && t.MaxShare <= 1) { // also refuses NaN
		return refuse(field+".MaxShare", "%v: use a fraction above 0 and up to 1, or 0 for the default", t.MaxShare)
	}
	return nil
}

// Format prints the settings without the password.
func (s Settings) Format(f fmt.State, verb rune) {
	type fields Settings
	printFields(f, verb, fields(s))
}

// LogValue logs the settings without the password.
func (s Settings) LogValue() slog.Value { return logPrinted(s) }
