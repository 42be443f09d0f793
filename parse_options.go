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

// ParseOptions is how a document is parsed before it is extracted from or split.
// It has the options of a ParseRequest.
type ParseOptions struct {
	// Enhance chooses what models do beyond recognising text.
	Enhance Enhance `json:"enhance,omitzero"`
	// Retrieval chooses how the text is cut into chunks.
	Retrieval Retrieval `json:"retrieval,omitzero"`
	// Formatting chooses how the text is written.
	Formatting Formatting `json:"formatting,omitzero"`
	// Spreadsheet has what concerns spreadsheets alone.
	Spreadsheet Spreadsheet `json:"spreadsheet,omitzero"`
	// Settings chooses how the document is read and what comes back.
	Settings Settings `json:"settings,omitzero"`
}

// check takes the path to the options, which is empty or ends in a dot.
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

// Enhance chooses what models do to a page beyond recognising its text. The
// parse model r-1 (Settings.Model) does most of it by itself.
type Enhance struct {
	// Agentic has vision language models go over text, tables or figures once more:
	// better results, at a higher price and latency. With r-1 it serves to give
	// prompts and to read charts. Default: none.
	Agentic []AgenticScope `json:"agentic,omitzero"`
	// AdvancedChartAgent reads the data series out of every figure that is a chart
	// and redraws the chart from them, without needing a FigureAgentic. Slower.
	// Default: false. Newer servers only.
	AdvancedChartAgent bool `json:"advanced_chart_agent,omitzero"`
	// SummarizeFigures describes figures in words, by a small vision language model;
	// r-1 does so whatever is set here. Default: true.
	SummarizeFigures *bool `json:"summarize_figures,omitzero"`
	// IntelligentOrdering finds the reading order by a larger vision language model,
	// a little slower; r-1 ignores it. Default: false.
	IntelligentOrdering bool `json:"intelligent_ordering,omitzero"`
}

// AgenticScope is what Enhance.Agentic is applied to: TextAgentic, TableAgentic
// or FigureAgentic. Use OtherAgentic for a scope that has no type here.
type AgenticScope interface {
	agenticScope() AgenticScopeName
}

// AgenticScopeName names an AgenticScope. It is an open set.
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

// TextAgentic goes over text once more.
type TextAgentic struct {
	// Prompt are instructions of your own. They are heeded only in forms, that is for
	// blocks of the type Key Value. Default: none.
	Prompt string `json:"prompt,omitzero"`
}

// TableAgentic goes over tables once more.
type TableAgentic struct {
	// Prompt are instructions of your own. Default: none.
	Prompt string `json:"prompt,omitzero"`
	// Mode chooses the tables. Default: TableAgenticModeDefault.
	Mode TableAgenticMode `json:"mode,omitzero"`
}

// TableAgenticMode chooses which tables a TableAgentic goes over. It is an open
// set.
type TableAgenticMode string

// The modes of TableAgentic.
const (
	// TableAgenticModeDefault takes the tables that are likely to gain from it.
	TableAgenticModeDefault TableAgenticMode = "default"
	// TableAgenticModeAuto is a value of the API that its documents do not explain.
	TableAgenticModeAuto TableAgenticMode = "auto"
	// TableAgenticModeMax takes all tables.
	TableAgenticModeMax TableAgenticMode = "max"
)

// FigureAgentic goes over figures once more.
type FigureAgentic struct {
	// Prompt are instructions of your own. Default: none.
	Prompt string `json:"prompt,omitzero"`
	// AdvancedChartAgent reads the data series out of figures that are charts, and
	// redraws the charts from them. Slower. Default: false.
	AdvancedChartAgent bool `json:"advanced_chart_agent,omitzero"`
	// ReturnOverlays adds pictures that show what was read on top of the figure, to
	// check it by eye. Default: false.
	ReturnOverlays bool `json:"return_overlays,omitzero"`
}

// OtherAgentic is an agentic scope that has no type in this library. Use it for
// AgenticScopeLayout, or for a scope that is newer than this library.
type OtherAgentic struct {
	// Scope names the scope. Required.
	Scope AgenticScopeName
	// Options are the other members of the scope, such as "prompt", as encoding/json
	// encodes them. Default: none.
	Options map[string]any
}

func (TextAgentic) agenticScope() AgenticScopeName    { return AgenticScopeText }
func (TableAgentic) agenticScope() AgenticScopeName   { return AgenticScopeTable }
func (FigureAgentic) agenticScope() AgenticScopeName  { return AgenticScopeFigure }
func (a OtherAgentic) agenticScope() AgenticScopeName { return a.Scope }

// MarshalJSON adds the scope that tells the API's three kinds apart.
func (a TextAgentic) MarshalJSON() ([]byte, error) {
	type fields TextAgentic
	return json.Marshal(struct {
		Scope AgenticScopeName `json:"scope"`
		fields
	}{a.agenticScope(), fields(a)})
}

// MarshalJSON adds the scope that tells the API's three kinds apart.
func (a TableAgentic) MarshalJSON() ([]byte, error) {
	type fields TableAgentic
	return json.Marshal(struct {
		Scope AgenticScopeName `json:"scope"`
		fields
	}{a.agenticScope(), fields(a)})
}

// MarshalJSON adds the scope that tells the API's three kinds apart.
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

// Retrieval prepares the text for search.
type Retrieval struct {
	// Chunking cuts the document into chunks.
	Chunking Chunking `json:"chunking,omitzero"`
	// FilterBlocks are the types of block that are left out of Chunk.Content and
	// Chunk.Embed. The blocks themselves stay. Default: none.
	FilterBlocks []BlockType `json:"filter_blocks,omitzero"`
	// EmbeddingOptimized writes Chunk.Embed for embedding models. Default: false.
	EmbeddingOptimized bool `json:"embedding_optimized,omitzero"`
}

// Chunking cuts a document into chunks.
type Chunking struct {
	// ChunkMode chooses where to cut. Default: ChunkModeDisabled.
	ChunkMode ChunkMode `json:"chunk_mode,omitzero"`
	// ChunkSize is about how many characters a chunk has. Default: varying, from 250
	// to 1500.
	ChunkSize int `json:"chunk_size,omitzero"`
	// ChunkOverlap is how many characters of its neighbours a chunk repeats.
	// Default: 0.
	ChunkOverlap int `json:"chunk_overlap,omitzero"`
}

// ChunkMode is where a document is cut. It is an open set.
type ChunkMode string

// The chunk modes.
const (
	// ChunkModeVariable cuts by length, and where the page looks like it.
	ChunkModeVariable ChunkMode = "variable"
	// ChunkModeSection cuts at the headers of sections.
	ChunkModeSection ChunkMode = "section"
	// ChunkModePage cuts at page ends.
	ChunkModePage ChunkMode = "page"
	// ChunkModeDisabled does not cut: there is one chunk.
	ChunkModeDisabled ChunkMode = "disabled"
	// ChunkModeBlock makes every block a chunk.
	ChunkModeBlock ChunkMode = "block"
	// ChunkModePageSections cuts at page ends, then at the sections of each page.
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

// Formatting chooses how the text is written.
type Formatting struct {
	// AddPageMarkers puts text such as [[PAGE 1 BEGINS HERE]] between the pages, for
	// readers that have to tell where something stood. Default: false.
	AddPageMarkers bool `json:"add_page_markers,omitzero"`
	// TableOutputFormat is how the content of tables is written. Default:
	// TableFormatDynamic.
	TableOutputFormat TableFormat `json:"table_output_format,omitzero"`
	// MergeTables joins tables that follow each other and have the same number of
	// columns. Default: false.
	MergeTables bool `json:"merge_tables,omitzero"`
	// Include adds marks to the text that are left out otherwise. Default: none.
	Include []FormattingInclude `json:"include,omitzero"`
}

// TableFormat is how a table is written. It is an open set.
type TableFormat string

// The table formats.
const (
	TableFormatHTML     TableFormat = "html"
	TableFormatJSON     TableFormat = "json"
	TableFormatMarkdown TableFormat = "md"
	// TableFormatJSONBBox is JSON with the place of each cell; r-1 does not write it.
	TableFormatJSONBBox TableFormat = "jsonbbox"
	// TableFormatDynamic is Markdown for simple tables, HTML for others.
	TableFormatDynamic TableFormat = "dynamic"
	TableFormatCSV     TableFormat = "csv"
)

// FormattingInclude is something that Formatting.Include adds to the text. It is
// an open set.
type FormattingInclude string

// What Formatting.Include can add; r-1 handles highlights, signatures and
// watermarks by itself and ignores these three.
const (
	// FormattingIncludeChangeTracking marks what is underlined or struck through.
	FormattingIncludeChangeTracking FormattingInclude = "change_tracking"
	// FormattingIncludeHighlight marks what is highlighted.
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

// Spreadsheet has options for spreadsheets; other documents ignore them.
type Spreadsheet struct {
	// SplitLargeTables cuts large tables into smaller ones.
	SplitLargeTables SplitLargeTables `json:"split_large_tables,omitzero"`
	// Include adds what cells have besides their values. Default: none.
	Include []SpreadsheetInclude `json:"include,omitzero"`
	// Clustering finds the separate tables of one sheet. Default:
	// ClusteringAccurate.
	Clustering Clustering `json:"clustering,omitzero"`
	// Exclude leaves parts of the spreadsheet out. Default: none.
	Exclude []SpreadsheetExclude `json:"exclude,omitzero"`
	// MaxCellCount refuses (422) a spreadsheet that has more cells with content, over
	// all its sheets: a guard against unexpected cost. At least 1. Default: no limit.
	MaxCellCount int `json:"max_cell_count,omitzero"`
}

// SplitLargeTables cuts the large tables of a spreadsheet into smaller ones.
type SplitLargeTables struct {
	// Enabled turns it on. Default: true.
	Enabled *bool `json:"enabled,omitzero"`
	// Size is that of the parts. Default: SplitEvery(50).
	Size TableSize `json:"size,omitzero"`
}

// TableSize is the size of the parts of a large table: either SplitEvery, or a
// number of rows, of columns, or of both. The zero value is the default.
type TableSize struct {
	// Row is how many rows a part has; 0: the table is not cut between rows.
	Row int
	// Column is how many columns a part has; 0: the table is not cut between columns.
	Column int

	every int // the plain number, where Row and Column are 0
}

// SplitEvery is a TableSize of n rows and n columns at most.
func SplitEvery(n int) TableSize { return TableSize{every: n} }

// MarshalJSON writes SplitEvery as a number, anything else as an object in which
// null stands for a direction without cuts.
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

// UnmarshalJSON reads a number or an object with row and column.
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

// SpreadsheetInclude is something that Spreadsheet.Include adds. It is an open
// set.
type SpreadsheetInclude string

// What Spreadsheet.Include can add.
const (
	SpreadsheetIncludeCellColors SpreadsheetInclude = "cell_colors"
	SpreadsheetIncludeFormula    SpreadsheetInclude = "formula"
	// SpreadsheetIncludeDropdowns adds the choices of a cell, and which is chosen.
	SpreadsheetIncludeDropdowns SpreadsheetInclude = "dropdowns"
)

// SpreadsheetExclude is something that Spreadsheet.Exclude leaves out. It is an
// open set.
type SpreadsheetExclude string

// What Spreadsheet.Exclude can leave out.
const (
	SpreadsheetExcludeHiddenSheets SpreadsheetExclude = "hidden_sheets"
	SpreadsheetExcludeHiddenRows   SpreadsheetExclude = "hidden_rows"
	SpreadsheetExcludeHiddenCols   SpreadsheetExclude = "hidden_cols"
	SpreadsheetExcludeStyling      SpreadsheetExclude = "styling"
	SpreadsheetExcludeImages       SpreadsheetExclude = "spreadsheet_images"
)

// Clustering is how the separate tables of one sheet are found. It is an open
// set.
type Clustering string

// The ways of clustering.
const (
	// ClusteringAccurate uses stronger models, at five times the price of a cell.
	ClusteringAccurate Clustering = "accurate"
	// ClusteringFast is cheaper.
	ClusteringFast Clustering = "fast"
	// ClusteringDisabled takes a sheet as one table.
	ClusteringDisabled Clustering = "disabled"
)

// Settings chooses how a document is read and what comes back.
type Settings struct {
	// OCRSystem recognises text in pictures; r-1 ignores it. Default: OCRSystemStandard.
	OCRSystem OCRSystem `json:"ocr_system,omitzero"`
	// ExtractionMode chooses where the text of a PDF is taken from; r-1 ignores it.
	// Default: TextExtractionModeHybrid.
	ExtractionMode TextExtractionMode `json:"extraction_mode,omitzero"`
	// ForceURLResult has the result come as a URL even where it is small enough to
	// be inline (up to about 6 MB). This library reads both alike. Default: false.
	// See https://docs.reducto.ai/parse/response-format.
	ForceURLResult bool `json:"force_url_result,omitzero"`
	// ForceFileExtension is the kind of file that the input is taken to be, whatever
	// its URL says, such as ".png". Default: found out by the service.
	ForceFileExtension string `json:"force_file_extension,omitzero"`
	// ReturnOCRData adds every recognised word and line, with its place, to the
	// result. Default: false.
	ReturnOCRData bool `json:"return_ocr_data,omitzero"`
	// ReturnImages adds links to pictures of the blocks of these kinds, as
	// Block.ImageURL; those of whole pages are in Block.Attributes, as page_image_url.
	// Default: none.
	ReturnImages []ImageKind `json:"return_images,omitzero"`
	// EmbedPDFMetadata writes the recognised text into the PDF that comes back, so
	// that it can be searched. Default: false.
	EmbedPDFMetadata bool `json:"embed_pdf_metadata,omitzero"`
	// ExtractDocumentProperties adds what the document says of itself, such as its
	// title and author, to the result. Default: false. Newer servers only.
	ExtractDocumentProperties bool `json:"extract_document_properties,omitzero"`
	// EmbedPDFMetadataDPI is the resolution, in dots per inch, at which pages are
	// drawn for EmbedPDFMetadata, from 50 to 250. Low ones make much smaller files;
	// that of the scan shows the most detail. Default: 100.
	EmbedPDFMetadataDPI int `json:"embed_pdf_metadata_dpi,omitzero"`
	// PersistResults keeps the results until they are deleted, instead of letting
	// them expire (job ids live 12 hours). Default: false.
	PersistResults bool `json:"persist_results,omitzero"`
	// TenantThrottling bounds the share of the account that one of your own
	// customers can take. Default: unbounded.
	TenantThrottling TenantThrottling `json:"tenant_throttling,omitzero"`
	// Timeout is how long the job may take, in seconds, fractions included. Default:
	// the service's own limit.
	Timeout float64 `json:"timeout,omitzero"`
	// PageRange is the part of the document to process. Default: all of it.
	PageRange PageRange `json:"page_range,omitzero"`
	// DocumentPassword opens a document that is protected by one. Default: none.
	DocumentPassword Password `json:"document_password,omitzero"`
	// HybridVPC says where in your own network the document is processed.
	HybridVPC HybridVPC `json:"hybrid_vpc,omitzero"`
	// Model is the parse model. Default: ParseModelLegacy, or ParseModelR1 for
	// organisations that began on its plan. Newer servers only.
	Model ParseModel `json:"model,omitzero"`
}

// ParseModel is a model that turns pages into blocks. It is an open set.
type ParseModel string

// The parse models.
const (
	// ParseModelR1 reads a page as a whole. It does by itself what several options
	// ask of the older one; their comments say so.
	ParseModelR1 ParseModel = "r-1"
	// ParseModelLegacy is the one that came before it.
	ParseModelLegacy ParseModel = "legacy"
)

// OCRSystem recognises text in pictures. It is an open set.
type OCRSystem string

// The OCR systems.
const (
	// OCRSystemStandard knows many languages.
	OCRSystemStandard OCRSystem = "standard"
	// OCRSystemLegacy knows Germanic languages only, and is kept for compatibility.
	OCRSystemLegacy OCRSystem = "legacy"
)

// TextExtractionMode chooses where the text of a PDF is taken from. It is an open
// set.
type TextExtractionMode string

// The extraction modes.
const (
	// TextExtractionModeOCR reads the picture of the page alone.
	TextExtractionModeOCR TextExtractionMode = "ocr"
	// TextExtractionModeHybrid combines it with the text that the PDF contains.
	TextExtractionModeHybrid TextExtractionMode = "hybrid"
)

// ImageKind is what Settings.ReturnImages takes pictures of. It is an open set.
type ImageKind string

// The kinds of image.
const (
	ImageKindFigure ImageKind = "figure"
	ImageKindTable  ImageKind = "table"
	ImageKindPage   ImageKind = "page"
)

// TenantThrottling names the customer of yours for whom a document is
// processed, so that none of them can occupy the whole account. The account's
// own limits stay.
type TenantThrottling struct {
	// TenantID is your name for the customer, 1 to 256 characters.
	TenantID string `json:"tenant_id"`
	// MaxShare is the fraction of the account's concurrency that the customer may
	// use, above 0 and up to 1. Default: 0.5.
	MaxShare float64 `json:"max_share,omitzero"`
}

// HybridVPC has options for organisations whose documents stay in their own
// network. See https://docs.reducto.ai/onprem/hybrid-vpc-aws.
type HybridVPC struct {
	// Environment is the name of an environment that is configured for the
	// organisation. Default: none.
	Environment string `json:"environment,omitzero"`
}

// Password is a document's password. It prints and logs as [redacted], in requests
// too. JSON has it as it is, since that is how it is sent: do not log what
// json.Marshal makes of a request.
type Password string

// Format never shows the password, with any verb.
func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// LogValue never shows the password.
func (p Password) LogValue() slog.Value { return slog.StringValue(redact.Mark) }

func (s Settings) check(field string) error {
	if dpi := s.EmbedPDFMetadataDPI; dpi != 0 && (dpi < 50 || dpi > 250) {
		return refuse(field+".EmbedPDFMetadataDPI", "%d: use 50 to 250, or 0 for the default", dpi)
	}
	if !(s.Timeout >= 0 && s.Timeout <= math.MaxFloat64) { // NaN and infinities too
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
	if !(t.MaxShare >= 0 && t.MaxShare <= 1) { // NaN too
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
