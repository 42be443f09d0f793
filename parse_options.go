package reducto

import (
	"encoding/json"

	"github.com/reducto-go/reducto/internal/members"
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
	// IncludeChangeTracking marks what is underlined or struck through.
	IncludeChangeTracking FormattingInclude = "change_tracking"
	// IncludeHighlight marks what is highlighted.
	IncludeHighlight FormattingInclude = "highlight"
	// IncludeComments adds the comments of the document.
	IncludeComments FormattingInclude = "comments"
	// IncludeHyperlinks adds the targets of links.
	IncludeHyperlinks FormattingInclude = "hyperlinks"
	// IncludeSignatures marks signatures.
	IncludeSignatures FormattingInclude = "signatures"
	// IncludeIgnoreWatermarks removes watermarks from the text.
	IncludeIgnoreWatermarks FormattingInclude = "ignore_watermarks"
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
	IncludeCellColors SpreadsheetInclude = "cell_colors"
	IncludeFormula    SpreadsheetInclude = "formula"
	// IncludeDropdowns adds the choices of a cell, and which is chosen.
	IncludeDropdowns SpreadsheetInclude = "dropdowns"
)

// SpreadsheetExclude is something that Spreadsheet.Exclude leaves out. It is an
// open set.
type SpreadsheetExclude string

// What Spreadsheet.Exclude can leave out.
const (
	ExcludeHiddenSheets      SpreadsheetExclude = "hidden_sheets"
	ExcludeHiddenRows        SpreadsheetExclude = "hidden_rows"
	ExcludeHiddenCols        SpreadsheetExclude = "hidden_cols"
	ExcludeStyling           SpreadsheetExclude = "styling"
	ExcludeSpreadsheetImages SpreadsheetExclude = "spreadsheet_images"
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
