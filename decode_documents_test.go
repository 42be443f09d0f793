package reducto

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

// document describes a content object that is made as it is read.
type document struct {
	chunks int
	blocks int // of each chunk
	words  int // in the OCR, and a line to every eight
	seed   uint64
}

// sized is a document of about size bytes: 1 KB a block, 12.5 KB a chunk, two thirds
// of it text.
func sized(size int) document { return document{chunks: max(1, size/12_500), blocks: 12, seed: 7} }

// ocrHeavy is a document of about size bytes that are words for the most part.
func ocrHeavy(size int) document {
	return document{chunks: max(1, size/125_000), blocks: 12, words: size / 215, seed: 7}
}

var vocabulary = strings.Fields(`the harbour dues for berths of visiting yachts are paid at the office before
	noon each master shall show papers on demand and keep clear fairway no vessel may anchor within two cables
	pier lights between sunset sunrise pilotage is compulsory above forty metres über Möwe 1,250.00 B-4 EUR`)

// text is about size bytes of text, as it stands in JSON.
func (d *document) text(rnd *rand.Rand, b *bytes.Buffer, size int) {
	line := 0
	for from := b.Len(); b.Len()-from < size; {
		word := vocabulary[rnd.IntN(len(vocabulary))]
		b.WriteString(word)
		if line += len(word) + 1; line > 75 {
			b.WriteString(`\n`)
			line = 0
		} else {
			b.WriteByte(' ')
		}
	}
}

var blockTypes = []string{"Text", "Text", "Text", "Title", "Section Header", "List Item", "Table", "Key Value"}

func (d *document) block(rnd *rand.Rand, b *bytes.Buffer, content []byte) {
	fmt.Fprintf(b, `{"type":%q,`, blockTypes[rnd.IntN(len(blockTypes))])
	d.box(rnd, b)
	fmt.Fprintf(b, `,"content":"%s","image_url":null,"chart_data":null,"confidence":%q,`,
		content, []string{"high", "high", "low"}[rnd.IntN(3)])
	fmt.Fprintf(b, `"granular_confidence":{"extract_confidence":null,"parse_confidence":%v},"extra":null}`, rnd.Float64())
}

func (d *document) box(rnd *rand.Rand, b *bytes.Buffer) {
	fmt.Fprintf(b, `"bbox":{"left":%v,"top":%v,"width":%v,"height":%v,"page":%d,"original_page":%d}`,
		rnd.Float64(), rnd.Float64(), float64(rnd.IntN(1000))/1000, float64(rnd.IntN(10000))/10000, rnd.IntN(900), rnd.IntN(900))
}

func (d *document) word(rnd *rand.Rand, b *bytes.Buffer, words int) {
	b.WriteString(`{"text":"`)
	for i := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(vocabulary[rnd.IntN(len(vocabulary))])
	}
	b.WriteString(`",`)
	d.box(rnd, b)
	fmt.Fprintf(b, `,"confidence":%v,"chunk_index":%d,"rotation":0}`, float64(rnd.IntN(1000))/1000, rnd.IntN(5000))
}

// WriteTo writes the document, of which it keeps no more than a block; but for its
// blocks' contents, of which a chunk's content is made.
func (d document) WriteTo(w io.Writer) (int64, error) {
	rnd := rand.New(rand.NewPCG(d.seed, 1))
	var b bytes.Buffer
	var n int64
	var failed error
	flush := func() {
		if b.Len() > 64<<10 && failed == nil {
			var m int64
			m, failed = b.WriteTo(w)
			n += m
		}
	}
	b.WriteString(`{"type":"full","chunks":[`)
	for c := range d.chunks {
		if c > 0 {
			b.WriteByte(',')
		}
		// The same texts come three times; they are made anew rather than kept.
		texts := rnd.Uint64()
		for _, name := range []string{"content", "embed"} {
			fmt.Fprintf(&b, `%s%q:"`, map[string]string{"content": "{", "embed": ","}[name], name)
			again := rand.New(rand.NewPCG(texts, 1))
			for range d.blocks {
				d.text(again, &b, 230)
				flush()
			}
			b.WriteByte('"')
		}
		b.WriteString(`,"enriched":null,"enrichment_success":false,"blocks":[`)
		again := rand.New(rand.NewPCG(texts, 1))
		var content bytes.Buffer
		for i := range d.blocks {
			if i > 0 {
				b.WriteByte(',')
			}
			content.Reset()
			d.text(again, &content, 230)
			d.block(rnd, &b, content.Bytes())
			flush()
			if failed != nil {
				return n, failed
			}
		}
		b.WriteString(`]}`)
	}
	b.WriteString(`],"ocr":`)
	if d.words == 0 {
		b.WriteString(`null`)
	} else {
		b.WriteString(`{"words":[`)
		for i := range d.words {
			if i > 0 {
				b.WriteByte(',')
			}
			d.word(rnd, &b, 1)
			flush()
		}
		b.WriteString(`],"lines":[`)
		for i := range d.words / 8 {
			if i > 0 {
				b.WriteByte(',')
			}
			d.word(rnd, &b, 8)
			flush()
		}
		b.WriteString(`]}`)
	}
	b.WriteString(`,"custom":null}`)
	if failed == nil {
		var m int64
		m, failed = b.WriteTo(w)
		n += m
	}
	return n, failed
}

func (d document) bytes() []byte {
	var b bytes.Buffer
	_, _ = d.WriteTo(&b)
	return b.Bytes()
}
