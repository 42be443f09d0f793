package main

import (
	"math/rand/v2"
	"strconv"
)

// shape is what a generated document is made of.
type shape int

const (
	// chunked has chunks of some twelve blocks, of which each block, with its part of
	// the chunk's content and embed, is 1 KB, two thirds of it text.
	chunked shape = iota
	// oneChunk has the same blocks in a single chunk: chunking disabled.
	oneChunk
	// mostlyOCR is chunked, and nine tenths of it are recognised words and lines.
	mostlyOCR
)

// blocksPerChunk makes chunks of 12.5 KB.
const blocksPerChunk = 12

// blockShare is about what a block adds to a document, in bytes.
const blockShare = 1040

// generate makes the content of a parse result of about that many bytes, as it lies
// behind a link. The same arguments give the same bytes.
func generate(s shape, size int) []byte {
	g := &generator{out: make([]byte, 0, size+size/8+4096)}
	g.raw(`{"type":"full","chunks":[`)
	text := size
	if s == mostlyOCR {
		text /= 10
	}
	blocks := max(1, text/blockShare)
	step := blocksPerChunk
	if s == oneChunk {
		step = blocks
	}
	for first := 0; first < blocks; first += step {
		if first > 0 {
			g.raw(",")
		}
		g.chunk(first, min(first+step, blocks))
	}
	g.raw(`],"ocr":`)
	if s == mostlyOCR {
		g.ocr(size)
	} else {
		g.raw("null")
	}
	g.raw(`,"custom":null}`)
	return g.out
}

// answer wraps content into the job as GET /job answers it.
func answer(content []byte) []byte {
	g := &generator{out: make([]byte, 0, len(content)+1024)}
	g.raw(`{"status":"Completed","result":{"response_type":"parse","job_id":"` + benchJob + `","duration":12.25,` +
		`"pdf_url":null,"studio_link":"https://studio.reducto.test/job/` + benchJob + `",` +
		`"usage":{"num_pages":12,"credits":18.5,"credit_breakdown":{"page":18.5},"page_billing_breakdown":{"1":["page"]}},"result":`)
	g.out = append(g.out, content...)
	g.raw(`,"document_properties":null,"parse_mode":"base"},"progress":null,"reason":null}`)
	return g.out
}

// link is content that lies behind a URL.
func link(url string) []byte {
	return []byte(`{"type":"url","url":` + strconv.Quote(url) + `,"result_id":"` + benchJob + `"}`)
}

// benchJob is the job whose result all documents are.
const benchJob = "204a39e4-dd10-4c83-a978-0cee4af8cde2"

// generator appends a document in the compact form that the service writes.
type generator struct{ out []byte }

func (g *generator) raw(s string) { g.out = append(g.out, s...) }

func (g *generator) number(f float64) { g.out = strconv.AppendFloat(g.out, f, 'g', -1, 64) }

func (g *generator) integer(n int) { g.out = strconv.AppendInt(g.out, int64(n), 10) }

// chunk appends the chunk of the blocks from first to end. Its text is that of its
// blocks, which is made anew each time: a single chunk may have 200 MB.
func (g *generator) chunk(first, end int) {
	for _, name := range []string{`{"content":"`, `","embed":"`} {
		g.raw(name)
		for n := first; n < end; n++ {
			if n > first {
				g.raw(`\n\n`)
			}
			g.text(n)
		}
	}
	g.raw(`","enriched":null,"enrichment_success":false,"blocks":[`)
	for n := first; n < end; n++ {
		if n > first {
			g.raw(",")
		}
		g.block(n)
	}
	g.raw("]}")
}

// The seeds of the texts, which are made several times, and of all else.
const (
	textSeed  = 20260301
	otherSeed = 20260302
)

func random(seed uint64, n int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(n))) }

var kinds = []string{"Text", "Text", "Text", "Text", "List Item", "Section Header", "Table", "Key Value", "Figure", "Footer"}

func (g *generator) block(n int) {
	r := random(otherSeed, n)
	g.raw(`{"type":"` + kinds[n%len(kinds)] + `","bbox":`)
	g.box(r, 1+n/24)
	g.raw(`,"content":"`)
	g.text(n)
	g.raw(`","image_url":null,"chart_data":null,"confidence":"`)
	if r.IntN(10) == 0 {
		g.raw("low")
	} else {
		g.raw("high")
	}
	g.raw(`","granular_confidence":{"extract_confidence":null,"parse_confidence":`)
	g.number(r.Float64())
	g.raw(`},"extra":null}`)
}

func (g *generator) box(r *rand.Rand, page int) {
	for i, name := range []string{`{"left":`, `,"top":`, `,"width":`, `,"height":`} {
		g.raw(name)
		g.number(r.Float64() / float64(1+i/2))
	}
	g.raw(`,"page":`)
	g.integer(page)
	g.raw(`,"original_page":`)
	g.integer(page)
	g.raw(`}`)
}

// words are what texts are made of: some with letters beyond ASCII, and some that
// JSON escapes.
var words = []string{
	"the", "amount", "of", "each", "invoice", "is", "due", "within", "thirty", "days", "and", "payable", "to", "account",
	"number", "4711-0815", "total", "1,284.50", "net", "weight", "kg", "delivery", "on", "March", "pallets", "between",
	"Zürich", "and", "Köln", "café", "the", "supplier", "warrants", "that", "goods", "conform", "with", "section", "7.2",
	"as", "agreed", "in", "writing", "subject", "§", "—", "naïve", "per", "cent", `\"as is\"`, `and\/or`, `below:\n`, `| 12 |`, `**bold**`,
}

// text appends the text of block n, about 230 bytes, escaped.
func (g *generator) text(n int) {
	r := random(textSeed, n)
	began := len(g.out)
	for len(g.out)-began < 225 {
		if len(g.out) > began {
			g.raw(" ")
		}
		g.raw(words[r.IntN(len(words))])
	}
}

// ocr appends words, and a line for every eight of them, until the document has its
// size.
func (g *generator) ocr(size int) {
	r := random(otherSeed, -1)
	const perLine = 8
	g.raw(`{"words":[`)
	n := 0
	for ; len(g.out) < size*8/9 || n == 0; n++ {
		if n > 0 {
			g.raw(",")
		}
		g.recognised(r, n/(perLine*40), words[r.IntN(40)])
	}
	g.raw(`],"lines":[`)
	for i := range max(1, n/perLine) {
		if i > 0 {
			g.raw(",")
		}
		g.recognised(r, i/40, words[r.IntN(40)]+" "+words[r.IntN(40)]+" "+words[r.IntN(40)])
	}
	g.raw(`]}`)
}

func (g *generator) recognised(r *rand.Rand, page int, text string) {
	g.raw(`{"text":"` + text + `","bbox":`)
	g.box(r, 1+page)
	g.raw(`,"confidence":`)
	g.number(r.Float64())
	g.raw(`,"chunk_index":`)
	g.integer(page)
	g.raw(`,"rotation":null}`)
}
