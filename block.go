package reducto

import (
	"encoding/json"

	"github.com/reducto-go/reducto/internal/members"
)

// BoundingBox is a rectangle on a page. Coordinates are fractions of the page's
// width and height, from 0 to 1, from the top left corner.
type BoundingBox struct {
	Left   float64 `json:"left"`
	Top    float64 `json:"top"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
	// Page is the page within what was processed, from 1.
	Page int `json:"page"`
	// OriginalPage is the page of the whole document, from 1, where a page range was
	// asked for; 0 if absent.
	OriginalPage int `json:"original_page,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// BlockType is what a block is. It is an open set.
type BlockType string

// The types of block.
const (
	BlockHeader        BlockType = "Header"
	BlockFooter        BlockType = "Footer"
	BlockTitle         BlockType = "Title"
	BlockSectionHeader BlockType = "Section Header"
	BlockPageNumber    BlockType = "Page Number"
	BlockListItem      BlockType = "List Item"
	BlockFigure        BlockType = "Figure"
	BlockTable         BlockType = "Table"
	BlockKeyValue      BlockType = "Key Value"
	BlockText          BlockType = "Text"
	BlockComment       BlockType = "Comment"
	BlockSignature     BlockType = "Signature"
)

// Confidence is how sure the service is: "high", "medium" or "low". It is an
// open set; older answers write "High".
type Confidence string

// The levels of confidence.
const (
	ConfidenceHigh   Confidence = "high"
	ConfidenceMedium Confidence = "medium"
	ConfidenceLow    Confidence = "low"
)

// GranularConfidence has confidence as numbers from 0 to 1.
type GranularConfidence struct {
	// ExtractConfidence is that of an extracted value.
	ExtractConfidence *float64 `json:"extract_confidence,omitzero"`
	// ParseConfidence is that of the recognised text.
	ParseConfidence *float64 `json:"parse_confidence,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// Block is one piece of a page: a paragraph, a table, a figure.
type Block struct {
	// Type is what the block is.
	Type BlockType `json:"type"`
	// BBox is where it stands.
	BBox BoundingBox `json:"bbox"`
	// Content is its text; for tables in the format that was asked for. It may share
	// memory with the content of its chunk, up to 16 KB; strings.Clone gives it its own.
	Content string `json:"content"`
	// ImageURL is a picture of the block, if Settings.ReturnImages asked for it.
	ImageURL Link `json:"image_url,omitzero"`
	// ChartData are links to the data of charts.
	ChartData []Link `json:"chart_data,omitzero"`
	// Confidence takes recognition and table structure together.
	Confidence Confidence `json:"confidence,omitzero"`
	// GranularConfidence has numbers, where they were asked for.
	GranularConfidence *GranularConfidence `json:"granular_confidence,omitzero"`
	// MergedTables describes the tables that were merged into this one; its form is
	// not documented. Newer servers only.
	MergedTables json.RawMessage `json:"merged_tables,omitzero"`
	// Extra is the service's own object of further facts, such as is_chart or
	// page_image_url.
	Extra Extra `json:"extra,omitzero"`
	// Unknown has the members that this version of the library does not know.
	// (Elsewhere they are called Extra; a block has a member of that name.)
	Unknown Extra `json:"-"`
}

// Chunk is a part of a document that belongs together, made of blocks. How a
// document is cut into chunks is chosen by Retrieval.Chunking.
type Chunk struct {
	// Content is the chunk's text.
	Content string `json:"content"`
	// Embed is the text made ready for embedding; often equal to Content.
	Embed string `json:"embed"`
	// Enriched is the enriched text, where enrichment was asked for; nil if not.
	Enriched *string `json:"enriched,omitzero"`
	// EnrichmentSuccess says whether enrichment succeeded.
	EnrichmentSuccess bool `json:"enrichment_success,omitzero"`
	// Blocks are the chunk's parts in reading order.
	Blocks []Block `json:"blocks"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// OCRWord is a recognised word.
type OCRWord struct {
	// Text is what was recognised.
	Text string `json:"text"`
	// BBox is where it stands.
	BBox BoundingBox `json:"bbox"`
	// Confidence goes from 0 to 1; nil if unknown.
	Confidence *float64 `json:"confidence,omitzero"`
	// ChunkIndex is the chunk that it belongs to, from 0; nil if none.
	ChunkIndex *int `json:"chunk_index,omitzero"`
	// Rotation is in degrees counterclockwise, from 0 to 360; nil if unknown.
	Rotation *int `json:"rotation,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// OCRLine is a recognised line. Its fields are those of an OCRWord.
type OCRLine struct {
	// Text is what was recognised.
	Text string `json:"text"`
	// BBox is where it stands.
	BBox BoundingBox `json:"bbox"`
	// Confidence goes from 0 to 1; nil if unknown.
	Confidence *float64 `json:"confidence,omitzero"`
	// ChunkIndex is the chunk that it belongs to, from 0; nil if none.
	ChunkIndex *int `json:"chunk_index,omitzero"`
	// Rotation is in degrees counterclockwise, from 0 to 360; nil if unknown.
	Rotation *int `json:"rotation,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// OCRResult is the raw recognition, where Settings.ReturnOCRData asked for it.
type OCRResult struct {
	Words []OCRWord `json:"words"`
	Lines []OCRLine `json:"lines"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// ParseUsage is what a job consumed.
type ParseUsage struct {
	// NumPages counts the pages that were processed.
	NumPages int `json:"num_pages"`
	// Credits is what they cost; nil for accounts that are not billed in credits.
	Credits *float64 `json:"credits,omitzero"`
	// CreditBreakdown has the credits of each feature.
	CreditBreakdown map[BillingFeature]float64 `json:"credit_breakdown,omitzero"`
	// PageBillingBreakdown has the features used on each page; its keys are page
	// numbers, from "1". Newer servers only.
	PageBillingBreakdown map[string][]BillingFeature `json:"page_billing_breakdown,omitzero"`
	// NonEmptyCellCount counts the cells of a spreadsheet; nil for others. Newer
	// servers only.
	NonEmptyCellCount *int `json:"non_empty_cell_count,omitzero"`
	// UsageBreakdown is undocumented detail of newer servers.
	UsageBreakdown json.RawMessage `json:"usage_breakdown,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// UnmarshalJSON keeps unknown members.
func (v *BoundingBox) UnmarshalJSON(data []byte) error { return decodeBytes(data, v, readBox) }

// MarshalJSON writes unknown members too.
func (v BoundingBox) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// UnmarshalJSON keeps unknown members.
func (v *GranularConfidence) UnmarshalJSON(data []byte) error {
	return decodeBytes(data, v, readGranular)
}

// MarshalJSON writes unknown members too.
func (v GranularConfidence) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// UnmarshalJSON keeps unknown members.
func (v *Block) UnmarshalJSON(data []byte) error { return decodeBytes(data, v, readBlock) }

// MarshalJSON writes unknown members too.
func (v Block) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// UnmarshalJSON keeps unknown members.
func (v *Chunk) UnmarshalJSON(data []byte) error { return decodeBytes(data, v, readChunk) }

// MarshalJSON writes unknown members too.
func (v Chunk) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// UnmarshalJSON keeps unknown members.
func (v *OCRWord) UnmarshalJSON(data []byte) error { return decodeBytes(data, v, readWord) }

// MarshalJSON writes unknown members too.
func (v OCRWord) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// UnmarshalJSON keeps unknown members.
func (v *OCRLine) UnmarshalJSON(data []byte) error { return decodeBytes(data, v, readLine) }

// MarshalJSON writes unknown members too.
func (v OCRLine) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// UnmarshalJSON keeps unknown members.
func (v *OCRResult) UnmarshalJSON(data []byte) error { return decodeBytes(data, v, readOCR) }

// MarshalJSON writes unknown members too.
func (v OCRResult) MarshalJSON() ([]byte, error) { return members.Encode(v) }

// UnmarshalJSON keeps unknown members.
func (v *ParseUsage) UnmarshalJSON(data []byte) error { return decodeBytes(data, v, readUsage) }

// MarshalJSON writes unknown members too.
func (v ParseUsage) MarshalJSON() ([]byte, error) { return members.Encode(v) }
