package reductotest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

// GeneratedDocument is a full parse result of any size. It is generated while it is
// written and not held in memory. Equal values give equal bytes.
//
// Pass it to [Server.NextResult], [Server.SetResult] or [SeedJob] as the result of a
// job. Like any result, it is sent as a URL if it is large. WriteTo writes the same
// bytes as the URL.
//
// By default a block has about 1 KB of JSON and a chunk 12.5 KB, as from the service.
// Two thirds of the bytes are text. Each text occurs three times: in the content of a
// chunk, in its embed and in its blocks.
type GeneratedDocument struct {
	// Seed selects the text and the numbers.
	Seed uint64
	// Bytes is the approximate size of the JSON. The default is 1,000,000.
	Bytes int64
	// BlockText is the mean size of the text of a block in bytes. The default is 240.
	BlockText int
	// ChunkBytes is the size of the JSON of a chunk. The default is 12,500.
	ChunkBytes int64
	// SingleChunk puts all blocks into one chunk, as the service does with chunking
	// "disabled". It overrides ChunkBytes.
	SingleChunk bool
	// DistinctEmbed makes embed differ from content. By default they are equal.
	DistinctEmbed bool
	// Tables is the share of blocks, from 0 to 1, that are HTML tables.
	Tables float64
	// NonASCII is the share of blocks with mostly non-ASCII text in UTF-8.
	NonASCII float64
	// Escaped is the share of blocks whose text is full of JSON escapes, with surrogate
	// pairs. Every chunk also has line breaks, which are escaped.
	Escaped float64
	// OCR is the share of the bytes, from 0 to 1, that are OCR words and lines. The
	// default is "ocr": null.
	OCR float64
}

// blockFrame is the mean size of the JSON of a block without its text.
const blockFrame = 344

// blocksOnPage is the number of blocks on a generated page.
const blocksOnPage = 12

func (d GeneratedDocument) withDefaults() GeneratedDocument {
	if d.Bytes == 0 {
		d.Bytes = 1_000_000
	}
	if d.BlockText == 0 {
		d.BlockText = 240
	}
	if d.ChunkBytes == 0 {
		d.ChunkBytes = 12_500
	}
	return d
}

func (d GeneratedDocument) check() error {
	share := func(f float64) bool { return f >= 0 && f <= 1 }
	switch {
	case d.Bytes < 0 || d.BlockText < 0 || d.ChunkBytes < 0:
		return errors.New("GeneratedDocument: a size is negative")
	case !share(d.Tables) || !share(d.NonASCII) || !share(d.Escaped) || !share(d.OCR):
		return errors.New("GeneratedDocument: a share is not from 0 to 1")
	case d.Tables+d.NonASCII+d.Escaped > 1:
		return fmt.Errorf("GeneratedDocument: the shares of blocks add up to %g", d.Tables+d.NonASCII+d.Escaped)
	}
	return nil
}

// Size returns the exact number of bytes that WriteTo writes. It takes as long as
// WriteTo. It returns an error if a field is invalid.
func (d GeneratedDocument) Size() (int64, error) { return d.WriteTo(io.Discard) }

// WriteTo writes the document as a JSON object with "type" and "chunks". It returns an
// error if w fails or a field is invalid.
func (d GeneratedDocument) WriteTo(w io.Writer) (int64, error) {
	n, _, err := d.write(w, false)
	return n, err
}

// write writes the document, or only the array of its chunks. It returns the numbers of
// bytes and blocks.
func (d GeneratedDocument) write(w io.Writer, chunksOnly bool) (n int64, blocks int, err error) {
	if err := d.check(); err != nil {
		return 0, 0, err
	}
	d = d.withDefaults()
	counter := &countingWriter{w: w}
	g := &generator{
		GeneratedDocument: d,
		counter:           counter,
		out:               bufio.NewWriterSize(counter, 32<<10),
		texts:             newTexts(d),
	}
	blocks = g.write(chunksOnly)
	err = g.out.Flush()
	return counter.n, blocks, err
}

// countingWriter counts the bytes that it passes on.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// generator writes one document. An error of the writer stays in out.
type generator struct {
	GeneratedDocument
	counter *countingWriter
	out     *bufio.Writer
	texts   texts
	scratch []byte
}

// written returns the size so far.
func (g *generator) written() int64 { return g.counter.n + int64(g.out.Buffered()) }

func (g *generator) write(chunksOnly bool) (blocks int) {
	if !chunksOnly {
		g.string(`{"type":"full","chunks":`)
	}
	chunkBytes := g.Bytes - int64(g.OCR*float64(g.Bytes))
	g.string("[")
	chunks := 0
	for {
		to := g.fit(blocks, chunkBytes-g.written())
		if to == blocks || g.failed() {
			break
		}
		if chunks > 0 {
			g.string(",")
		}
		g.chunk(blocks, to)
		blocks = to
		chunks++
		if g.SingleChunk {
			break
		}
	}
	g.string("]")
	if chunksOnly {
		return blocks
	}
	g.string(`,"ocr":`)
	if g.OCR > 0 {
		g.ocr(chunks)
	} else {
		g.string("null")
	}
	g.string(`,"custom":null}`)
	return blocks
}

// failed reports whether the writer has failed.
func (g *generator) failed() bool {
	_, err := g.out.Write(nil)
	return err != nil
}

// fit returns the end of a chunk that begins with block from, if left bytes remain for
// the document. A chunk has at least one block, unless less than half a block remains.
// Then fit returns from.
func (g *generator) fit(from int, left int64) (to int) {
	limit := left
	if !g.SingleChunk {
		limit = min(left, g.ChunkBytes)
	}
	for to = from; ; to++ {
		cost := int64(blockFrame + 3*len(g.texts.of(to)))
		if left < cost/2 || to > from && limit < cost/2 {
			return to
		}
		limit -= cost
		left -= cost
	}
}

// chunk writes a chunk with the blocks [from, to). It generates their texts again for
// each member, so that a chunk can have any size.
func (g *generator) chunk(from, to int) {
	content := func() {
		for i := from; i < to && !g.failed(); i++ {
			if i > from {
				g.string(`\n\n`)
			}
			_, _ = g.out.Write(g.texts.of(i))
		}
	}
	g.string(`{"content":"`)
	content()
	g.string(`","embed":"`)
	if g.DistinctEmbed {
		g.string(`Prepared for embedding:\n`)
	}
	content()
	g.string(`","enriched":null,"enrichment_success":false,"blocks":[`)
	for i := from; i < to && !g.failed(); i++ {
		if i > from {
			g.string(",")
		}
		g.block(i)
	}
	g.string("]}")
}

func (g *generator) block(i int) {
	r := newDice(g.Seed, domainBlocks, i)
	kind := "Table"
	if g.texts.kind(i) != tableText {
		kind = textTypes[r.below(len(textTypes))]
	}
	b := append(g.scratch[:0], `{"type":"`...)
	b = append(b, kind...)
	b = append(b, `","bbox":`...)
	row := float64(i % blocksOnPage)
	b = appendBox(b, box{
		left: 0.05 + r.fraction()/10, top: (row + 0.5 + r.fraction()/4) / (blocksOnPage + 1),
		width: 0.3 + r.fraction()/2, height: (0.2 + r.fraction()/2) / (blocksOnPage + 1),
		page: i/blocksOnPage + 1,
	})
	b = append(b, `,"content":"`...)
	b = append(b, g.texts.of(i)...)
	b = append(b, `","image_url":null,"chart_data":null,"confidence":"`...)
	confidence := 0.7 + 0.3*r.fraction()
	if confidence < 0.75 {
		b = append(b, "low"...)
	} else {
		b = append(b, "high"...)
	}
	b = append(b, `","granular_confidence":{"extract_confidence":null,"parse_confidence":`...)
	b = appendDecimal(b, confidence)
	b = append(b, `},"extra":null}`...)
	g.scratch = b
	_, _ = g.out.Write(b)
}

// textTypes are the types of text blocks, as often as they occur.
var textTypes = []string{
	"Text", "Text", "Text", "Text", "Text", "Text", "Text",
	"List Item", "List Item", "Key Value", "Section Header", "Title",
}

// ocr writes words for four fifths of the remaining bytes, then lines.
func (g *generator) ocr(chunks int) {
	chunks = max(chunks, 1)
	left := g.Bytes - g.written()
	g.string(`{"words":[`)
	g.recognised(domainWords, g.written()+left*4/5, chunks, func(b []byte, r *dice) []byte {
		return append(b, g.texts.word(r)...)
	})
	g.string(`],"lines":[`)
	g.recognised(domainLines, g.Bytes, chunks, func(b []byte, r *dice) []byte {
		for range 8 {
			b = append(append(b, g.texts.word(r)...), ' ')
		}
		return b[:len(b)-1]
	})
	g.string("]}")
}

// recognised writes words or lines up to the size end, and at least one.
func (g *generator) recognised(domain uint64, end int64, chunks int, text func([]byte, *dice) []byte) {
	for i := 0; i == 0 || g.written() < end && !g.failed(); i++ {
		r := newDice(g.Seed, domain, i)
		b := g.scratch[:0]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"text":"`...)
		b = text(b, r)
		b = append(b, `","bbox":`...)
		b = appendBox(b, box{
			left: 0.05 + 0.8*r.fraction(), top: 0.05 + 0.9*r.fraction(),
			width: r.fraction() / 10, height: 0.01 + r.fraction()/100,
			page: i/400 + 1,
		})
		b = append(b, `,"confidence":`...)
		b = appendDecimal(b, 0.9+r.fraction()/10)
		b = append(b, `,"chunk_index":`...)
		b = strconv.AppendInt(b, int64(i%chunks), 10)
		b = append(b, `,"rotation":null}`...)
		g.scratch = b
		_, _ = g.out.Write(b)
	}
}

func (g *generator) string(s string) { _, _ = g.out.WriteString(s) }

type box struct {
	left, top, width, height float64
	page                     int
}

func appendBox(b []byte, v box) []byte {
	b = appendDecimal(append(b, `{"left":`...), v.left)
	b = appendDecimal(append(b, `,"top":`...), v.top)
	b = appendDecimal(append(b, `,"width":`...), v.width)
	b = appendDecimal(append(b, `,"height":`...), v.height)
	b = strconv.AppendInt(append(b, `,"page":`...), int64(v.page), 10)
	b = strconv.AppendInt(append(b, `,"original_page":`...), int64(v.page), 10)
	return append(b, '}')
}

// appendDecimal writes all digits of f, as the service does.
func appendDecimal(b []byte, f float64) []byte { return strconv.AppendFloat(b, f, 'f', -1, 64) }

// Each domain has its own random numbers, so that it does not depend on the others.
const (
	domainTexts uint64 = iota
	domainKinds
	domainBlocks
	domainWords
	domainLines
)

// dice is a source of random numbers that depend only on its seed.
type dice struct{ pcg rand.PCG }

func newDice(seed, domain uint64, i int) *dice {
	r := &dice{}
	r.pcg.Seed(seed, domain<<56|uint64(i))
	return r
}

// fraction returns a number in [0, 1).
func (r *dice) fraction() float64 { return float64(r.pcg.Uint64()>>11) / (1 << 53) }

// below returns a number in [0, n).
func (r *dice) below(n int) int { return int(r.pcg.Uint64() % uint64(n)) }

// generatedBody is a generated document, or the array of its chunks, as a part of a
// response. It is generated each time it is written.
type generatedBody struct {
	doc        GeneratedDocument
	chunksOnly bool
	size       int64
	blocks     int
}

func newGeneratedBody(d GeneratedDocument, chunksOnly bool) (*generatedBody, error) {
	size, blocks, err := d.write(io.Discard, chunksOnly)
	return &generatedBody{doc: d, chunksOnly: chunksOnly, size: size, blocks: blocks}, err
}

// isStream reports whether a value contains a generated document.
func isStream(v any) bool {
	switch v := v.(type) {
	case *generatedBody:
		return true
	case object:
		for _, m := range v {
			if isStream(m.value) {
				return true
			}
		}
	}
	return false
}
