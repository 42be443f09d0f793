package reducto

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
)

// The functions in this file read what a parse result is made of. Each says what
// becomes of the members that its type has; jsonread does what they have in common.

var (
	boxFields      = jsonread.FieldsOf[BoundingBox]()
	granularFields = jsonread.FieldsOf[GranularConfidence]()
	blockFields    = jsonread.FieldsOf[Block]()
	chunkFields    = jsonread.FieldsOf[Chunk]()
	wordFields     = jsonread.FieldsOf[OCRWord]()
	ocrFields      = jsonread.FieldsOf[OCRResult]()
	usageFields    = jsonread.FieldsOf[ParseUsage]()
	fullFields     = jsonread.FieldsOf[fullResult]()
)

// members is where a reader puts what has no field.
func (x *Extra) members() *map[string]json.RawMessage { return (*map[string]json.RawMessage)(x) }

// decodeBytes is an UnmarshalJSON by one of the functions here.
func decodeBytes[T any](data []byte, v *T, read func(*jsonread.Reader, *T)) error {
	if members.IsNull(data) {
		return nil
	}
	r := jsonread.FromBytes(data)
	read(r, v)
	r.End()
	return r.Err()
}

// decodeAnew is decodeBytes into what may have been used before, of which nothing
// stays.
func decodeAnew[T any](data []byte, v *T, read func(*jsonread.Reader, *T)) error {
	if !members.IsNull(data) {
		*v = *new(T)
	}
	return decodeBytes(data, v, read)
}

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

// readBlockType needs no memory for the types that are known.
func readBlockType(r *jsonread.Reader) BlockType {
	switch name := r.View(); BlockType(name) {
	case BlockText:
		return BlockText
	case BlockTable:
		return BlockTable
	case BlockTitle:
		return BlockTitle
	case BlockSectionHeader:
		return BlockSectionHeader
	case BlockListItem:
		return BlockListItem
	case BlockKeyValue:
		return BlockKeyValue
	case BlockFigure:
		return BlockFigure
	case BlockHeader:
		return BlockHeader
	case BlockFooter:
		return BlockFooter
	case BlockPageNumber:
		return BlockPageNumber
	case BlockComment:
		return BlockComment
	case BlockSignature:
		return BlockSignature
	default:
		return BlockType(name)
	}
}

// readConfidence needs no memory for the levels that are known.
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
	blocks    list[Block]    // of the chunk that is being read
	texts     jsonread.Parts // its content, which its blocks' contents are parts of
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
			v.EnrichmentSuccess = r.Bool()
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
	for o := r.Object(blockFields, b.Unknown.members()); o.Next(); {
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
			jsonread.Decode(r, &b.Extra)
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

// readLine reads a line, which has the fields of a word.
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

// readList reads a list; nil after an error.
func readList[T any](r *jsonread.Reader, pool *sync.Pool, read func(*jsonread.Reader, *T)) []T {
	l := list[T]{pool: pool}
	for a := r.Array(); a.Next(); {
		read(r, l.next())
	}
	return l.take(r)
}

// list gathers elements whose number is not known in pieces that are used again.
// They are copied once, into memory of the right size, however many there are.
type list[T any] struct {
	pool   *sync.Pool
	pieces [][]T // all but the last are full
}

// pieceLen has pieces of at most 32 KB, up to which memory is cheap.
const pieceLen = 128

// The pieces of the types of which there are many.
var blockPieces, wordPieces, linePieces, chunkPieces sync.Pool

// next is another element, which is zero.
func (l *list[T]) next() *T {
	last := len(l.pieces) - 1
	if last < 0 || len(l.pieces[last]) == pieceLen {
		piece, ok := l.pool.Get().(*[pieceLen]T)
		if !ok {
			piece = new([pieceLen]T)
		}
		l.pieces = append(l.pieces, piece[:0])
		last++
	}
	n := len(l.pieces[last])
	l.pieces[last] = l.pieces[last][:n+1]
	return &l.pieces[last][n]
}

// take returns the elements and begins anew; nil after an error.
func (l *list[T]) take(r *jsonread.Reader) (all []T) {
	if r.Err() == nil {
		all = slices.Concat(l.pieces...)
		if all == nil {
			all = []T{}
		}
	}
	for i, piece := range l.pieces {
		clear(piece) // what they point to is not kept twice
		l.pool.Put((*[pieceLen]T)(piece[:pieceLen]))
		l.pieces[i] = nil
	}
	l.pieces = l.pieces[:0]
	return all
}

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

// readFullMember reads what a full result has besides its chunks.
func readFullMember(r *jsonread.Reader, f *fullResult, name string) {
	switch name {
	case "type":
		f.Type = r.String()
	case "ocr":
		// All of it is optional, so that one word that does not fit makes it a member
		// that is not known.
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
