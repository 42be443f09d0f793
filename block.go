package reducto

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// BoundingBox is a rectangle on a page. Coordinates are fractions of the page's width
// and height, from 0 to 1. The origin is the top left corner.
type BoundingBox struct {
	Left   float64 `json:"left"`
	Top    float64 `json:"top"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
	// Page is the number of the page among the processed pages, from 1.
	Page int `json:"page"`
	// OriginalPage is the number of the page in the whole document, from 1, if the
	// request has a page range. It is 0 if absent.
	OriginalPage int `json:"original_page,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// BlockType is the type of a block. It is an open set.
type BlockType string

// The known types of blocks.
const (
	BlockTypeHeader        BlockType = "Header"
	BlockTypeFooter        BlockType = "Footer"
	BlockTypeTitle         BlockType = "Title"
	BlockTypeSectionHeader BlockType = "Section Header"
	BlockTypePageNumber    BlockType = "Page Number"
	BlockTypeListItem      BlockType = "List Item"
	BlockTypeFigure        BlockType = "Figure"
	BlockTypeTable         BlockType = "Table"
	BlockTypeKeyValue      BlockType = "Key Value"
	BlockTypeText          BlockType = "Text"
	BlockTypeComment       BlockType = "Comment"
	BlockTypeSignature     BlockType = "Signature"
)

// Confidence is a level of confidence: "high", "medium" or "low". It is an open set.
// Older answers have "High".
type Confidence string

// The levels of confidence.
const (
	ConfidenceHigh   Confidence = "high"
	ConfidenceMedium Confidence = "medium"
	ConfidenceLow    Confidence = "low"
)

// GranularConfidence holds confidences as numbers from 0 to 1.
type GranularConfidence struct {
	// ExtractConfidence is the confidence in an extracted value.
	ExtractConfidence *float64 `json:"extract_confidence,omitzero"`
	// ParseConfidence is the confidence in the recognised text.
	ParseConfidence *float64 `json:"parse_confidence,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// Block is an element of a page, such as a paragraph, a table or a figure.
type Block struct {
	// Type is the type of the block.
	Type BlockType `json:"type"`
	// BBox is the position of the block on the page.
	BBox BoundingBox `json:"bbox"`
	// Content is the text of the block. A table has the format of
	// Formatting.TableOutputFormat. The string may share memory with the content of its
	// chunk, up to 16 KB. Use strings.Clone to keep it without the chunk.
	Content string `json:"content"`
	// ImageURL links to an image of the block if Settings.ReturnImages asked for one.
	ImageURL Link `json:"image_url,omitzero"`
	// ChartData holds links to the data of charts.
	ChartData []Link `json:"chart_data,omitzero"`
	// Confidence combines the confidence in the text and in the structure of the table.
	Confidence Confidence `json:"confidence,omitzero"`
	// GranularConfidence holds the confidence as numbers, if the request asked for
	// them.
	GranularConfidence *GranularConfidence `json:"granular_confidence,omitzero"`
	// MergedTables describes the tables that were merged into this one. Its form is not
	// documented. Newer servers only.
	MergedTables json.RawMessage `json:"merged_tables,omitzero"`
	// Attributes holds further facts, such as is_chart or page_image_url. Its JSON name
	// is extra. Its form is not documented.
	Attributes Extra `json:"extra,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// Chunk is a part of a document. It consists of blocks. Retrieval.Chunking selects how
// a document is cut into chunks.
type Chunk struct {
	// Content is the text of the chunk.
	Content string `json:"content"`
	// Embed is the text of the chunk for an embedding model. It often equals Content.
	Embed string `json:"embed"`
	// Enriched is the enriched text; nil if the request did not ask for enrichment.
	Enriched *string `json:"enriched,omitzero"`
	// EnrichmentSuccess reports whether enrichment succeeded.
	EnrichmentSuccess bool `json:"enrichment_success,omitzero"`
	unsuccessful      bool // the service sent an explicit false
	// Blocks holds the blocks of the chunk in reading order.
	Blocks []Block `json:"blocks"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// OCRWord is a word that OCR recognised.
type OCRWord struct {
	// Text is the recognised text.
	Text string `json:"text"`
	// BBox is the position of the word on the page.
	BBox BoundingBox `json:"bbox"`
	// Confidence is the confidence in the text, from 0 to 1; nil if unknown.
	Confidence *float64 `json:"confidence,omitzero"`
	// ChunkIndex is the index of the chunk that contains the word, from 0; nil if none.
	ChunkIndex *int `json:"chunk_index,omitzero"`
	// Rotation is the rotation in degrees counterclockwise, from 0 to 360; nil if
	// unknown.
	Rotation *int `json:"rotation,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// OCRLine is a line that OCR recognised. It has the same fields as an OCRWord.
type OCRLine struct {
	// Text is the recognised text.
	Text string `json:"text"`
	// BBox is the position of the line on the page.
	BBox BoundingBox `json:"bbox"`
	// Confidence is the confidence in the text, from 0 to 1; nil if unknown.
	Confidence *float64 `json:"confidence,omitzero"`
	// ChunkIndex is the index of the chunk that contains the line, from 0; nil if none.
	ChunkIndex *int `json:"chunk_index,omitzero"`
	// Rotation is the rotation in degrees counterclockwise, from 0 to 360; nil if
	// unknown.
	Rotation *int `json:"rotation,omitzero"`
	// Extra has the members that this version of the library does not know.
	Extra Extra `json:"-"`
}

// OCRResult is the raw output of OCR, if Settings.ReturnOCRData asked for it.
type OCRResult struct {
	Words []OCRWord `json:"words"`
	Lines []OCRLine `json:"lines"`
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
func (v Chunk) MarshalJSON() ([]byte, error) {
	success := members.Member{Name: "enrichment_success"}
	if v.unsuccessful && !v.EnrichmentSuccess {
		success.Value = json.RawMessage("false")
	}
	return members.Encode(v, success)
}

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

var (
	boxFields      = jsonread.FieldsOf[BoundingBox]()
	granularFields = jsonread.FieldsOf[GranularConfidence]()
	blockFields    = jsonread.FieldsOf[Block]()
	chunkFields    = jsonread.FieldsOf[Chunk]().TakesZero("enrichment_success")
	wordFields     = jsonread.FieldsOf[OCRWord]()
	ocrFields      = jsonread.FieldsOf[OCRResult]()
)

func readBox(r *jsonread.Reader, b *BoundingBox) {
	for o := r.Object(boxFields, b.Extra.members()); o.Next(); {
		switch o.Name {
		case "left":
			b.Left = r.Float()
		case "top":
			b.Top = r.Float()
		case "width":
			b.Width = r.Float()
		case "height":
			b.Height = r.Float()
		case "page":
			b.Page = r.Int()
		case "original_page":
			b.OriginalPage = r.Int()
		}
	}
}

func readGranular(r *jsonread.Reader, g *GranularConfidence) {
	for o := r.Object(granularFields, g.Extra.members()); o.Next(); {
		switch o.Name {
		case "extract_confidence":
			g.ExtractConfidence = r.FloatPointer()
		case "parse_confidence":
			g.ParseConfidence = r.FloatPointer()
		}
	}
}

// readBlockType reads a block type. It allocates nothing for a known one.
func readBlockType(r *jsonread.Reader) BlockType {
	switch name := r.View(); BlockType(name) {
	case BlockTypeText:
		return BlockTypeText
	case BlockTypeTable:
		return BlockTypeTable
	case BlockTypeTitle:
		return BlockTypeTitle
	case BlockTypeSectionHeader:
		return BlockTypeSectionHeader
	case BlockTypeListItem:
		return BlockTypeListItem
	case BlockTypeKeyValue:
		return BlockTypeKeyValue
	case BlockTypeFigure:
		return BlockTypeFigure
	case BlockTypeHeader:
		return BlockTypeHeader
	case BlockTypeFooter:
		return BlockTypeFooter
	case BlockTypePageNumber:
		return BlockTypePageNumber
	case BlockTypeComment:
		return BlockTypeComment
	case BlockTypeSignature:
		return BlockTypeSignature
	default:
		return BlockType(name)
	}
}

// readConfidence reads a confidence. It allocates nothing for a known one.
func readConfidence(r *jsonread.Reader) Confidence {
	switch name := r.View(); Confidence(name) {
	case ConfidenceHigh:
		return ConfidenceHigh
	case ConfidenceMedium:
		return ConfidenceMedium
	case ConfidenceLow:
		return ConfidenceLow
	default:
		return Confidence(name)
	}
}

// blockReader reads blocks and chunks.
type blockReader struct {
	r         *jsonread.Reader
	blocks    list[Block]    // blocks of the current chunk
	texts     jsonread.Parts // content of the chunk; it contains the contents of the blocks
	granulars []GranularConfidence
}

func newBlockReader(r *jsonread.Reader) *blockReader {
	return &blockReader{r: r, blocks: list[Block]{pool: &blockPieces}}
}

func readChunk(r *jsonread.Reader, v *Chunk) { newBlockReader(r).chunk(v) }

func (c *blockReader) chunk(v *Chunk) {
	r := c.r
	c.texts = jsonread.Parts{}
	for o := r.Object(chunkFields, v.Extra.members()); o.Next(); {
		switch o.Name {
		case "content":
			v.Content = r.StringLike(v.Embed)
			c.texts = jsonread.PartsOf(v.Content)
		case "embed":
			v.Embed = r.StringLike(v.Content)
		case "enriched":
			if text := r.String(); r.Err() == nil {
				v.Enriched = &text
			}
		case "enrichment_success":
			// The service sends an explicit false in every chunk. A field keeps it
			// instead of Extra.
			v.EnrichmentSuccess = r.Bool()
			v.unsuccessful = !v.EnrichmentSuccess && r.Err() == nil
		case "blocks":
			for a := r.Array(); a.Next(); {
				c.block(c.blocks.next())
			}
			v.Blocks = c.blocks.take(r)
		}
	}
}

func readBlock(r *jsonread.Reader, b *Block) { newBlockReader(r).block(b) }

func (c *blockReader) block(b *Block) {
	r := c.r
	for o := r.Object(blockFields, b.Extra.members()); o.Next(); {
		switch o.Name {
		case "type":
			b.Type = readBlockType(r)
		case "bbox":
			readBox(r, &b.BBox)
		case "content":
			b.Content = r.StringOf(&c.texts)
		case "image_url":
			b.ImageURL = Link(r.String())
		case "chart_data":
			jsonread.Decode(r, &b.ChartData)
		case "confidence":
			b.Confidence = readConfidence(r)
		case "granular_confidence":
			if len(c.granulars) == 0 {
				c.granulars = make([]GranularConfidence, 16)
			}
			g := &c.granulars[0]
			if readGranular(r, g); r.Err() == nil {
				b.GranularConfidence, c.granulars = g, c.granulars[1:]
			}
		case "merged_tables":
			b.MergedTables = r.Raw()
		case "extra":
			jsonread.Decode(r, &b.Attributes)
		}
	}
}

func readWord(r *jsonread.Reader, w *OCRWord) {
	for o := r.Object(wordFields, w.Extra.members()); o.Next(); {
		switch o.Name {
		case "text":
			w.Text = r.ShortString()
		case "bbox":
			readBox(r, &w.BBox)
		case "confidence":
			w.Confidence = r.FloatPointer()
		case "chunk_index":
			w.ChunkIndex = r.IntPointer()
		case "rotation":
			w.Rotation = r.IntPointer()
		}
	}
}

// readLine reads a line. A line has the fields of a word.
func readLine(r *jsonread.Reader, l *OCRLine) {
	w := OCRWord(*l)
	readWord(r, &w)
	*l = OCRLine(w)
}

func readOCR(r *jsonread.Reader, v *OCRResult) {
	for o := r.Object(ocrFields, v.Extra.members()); o.Next(); {
		switch o.Name {
		case "words":
			v.Words = readList(r, &wordPieces, readWord)
		case "lines":
			v.Lines = readList(r, &linePieces, readLine)
		}
	}
}

// Format prints the block without the signatures of its URLs.
func (v Block) Format(f fmt.State, verb rune) {
	type fields Block
	printFields(f, verb, fields(v))
}

// LogValue logs the block without the signatures of its URLs.
func (v Block) LogValue() slog.Value { return logPrinted(v) }

// Format prints the chunk without the signatures of its blocks' URLs.
func (v Chunk) Format(f fmt.State, verb rune) {
	type fields struct {
		Content, Embed    string
		Enriched          *string
		EnrichmentSuccess bool
		Blocks            []Block
		Extra             Extra
	}
	printFields(f, verb, fields{v.Content, v.Embed, v.Enriched, v.EnrichmentSuccess, v.Blocks, v.Extra})
}

// LogValue logs the chunk without the signatures of its blocks' URLs.
func (v Chunk) LogValue() slog.Value { return logPrinted(v) }
