package reducto

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Passage is a part of a document, for a search index or a prompt.
type Passage struct {
	// ID is a UUID that depends on the job, the document if a pipeline has several, the
	// position of the passage, and its text. A second read of the result gives the same
	// ids.
	ID string `json:"id"`
	// JobID is the id of the job.
	JobID string `json:"job_id"`
	// Text is the text, as WriteMarkdown writes it. It may share memory with its block.
	// Use strings.Clone to keep it without the block.
	Text string `json:"text"`
	// FirstPage and LastPage are the pages of its blocks, from 1; 0 if they are unknown.
	FirstPage int `json:"first_page"`
	LastPage  int `json:"last_page"`
	// Headings are the title and the section headers above the passage, outermost
	// first. Each has at most 256 bytes. A heading that begins the passage is in Text.
	Headings []string `json:"headings"`
	// Boxes are the places of its blocks.
	Boxes []BoundingBox `json:"boxes"`
	// Tokens counts the tokens of Text.
	Tokens int `json:"tokens"`
}

// PassageOptions chooses how Passages divides a document.
type PassageOptions struct {
	// MaxTokens is the maximum number of tokens in a passage. It is required. A single
	// character with more tokens still becomes a passage.
	MaxTokens int
	// CountTokens counts the tokens of a text, with the tokenizer of your model. Default:
	// an estimate of one token for every four ASCII characters, and one for each other
	// character. A negative count counts as 0.
	CountTokens func(text string) int
	// WithoutMargins leaves out headers, footers and page numbers.
	WithoutMargins bool
}

func (o *PassageOptions) check(op string) error {
	if o.MaxTokens < 1 {
		return &RequestError{Op: op, Field: "MaxTokens", Reason: fmt.Sprintf(
			"%d: use the most tokens that a passage may have, such as 500", o.MaxTokens)}
	}
	count := o.CountTokens
	if count == nil {
		count = estimateTokens
	}
	o.CountTokens = func(text string) int { return min(max(count(text), 0), 1<<29) } // sums do not overflow
	return nil
}

func estimateTokens(text string) int {
	ascii, others := 0, 0
	for i := range len(text) {
		switch {
		case text[i] < utf8.RuneSelf:
			ascii++
		case utf8.RuneStart(text[i]):
			others++
		}
	}
	return (ascii+3)/4 + others
}

// Passages yields the document as passages of limited size, in order. It streams as
// Blocks does, and calls CountTokens a few times at most for each text. To split a
// table of many MB, it may need two to three times the memory.
//
// A passage has as many whole blocks as fit. Each heading begins a passage, unless it is
// directly below another heading. If a block does not fit, Passages splits it. It splits
// a table between rows, and repeats a header that is not too long. A row span repeats its
// text in each row. Passages splits any other block between paragraphs, sentences, words
// or characters.
func (r *ParseResult) Passages(ctx context.Context, opts PassageOptions) iter.Seq2[*Passage, error] {
	return func(yield func(*Passage, error) bool) {
		if err := opts.check("Passages"); err != nil {
			yield(nil, err)
			return
		}
		// The result's own id comes first, because stored JSON has it too.
		p := passages{PassageOptions: opts, jobID: cmp.Or(r.JobID, r.jobID()), document: r.document, yield: yield}
		p.gap = p.CountTokens("\n\n")
		p.window = 4 * min(p.MaxTokens, 1<<20)
		for b, err := range r.Blocks(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if p.block(b); p.stopped {
				return
			}
		}
		p.flush()
	}
}

// WritePassages writes the passages as lines of JSON. After an error, w has only the
// first passages.
func (r *ParseResult) WritePassages(ctx context.Context, w io.Writer, opts PassageOptions) error {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for p, err := range r.Passages(ctx, opts) {
		if err == nil {
			err = lines.Encode(p)
		}
		if err != nil {
			_ = out.Flush()
			return err
		}
	}
	return out.Flush()
}

// passages divides the blocks of a document.
type passages struct {
	PassageOptions
	jobID    string
	document int
	yield    func(*Passage, error) bool
	stopped  bool
	count    int // passages

	gap    int // tokens between two blocks
	window int // bytes that fit as a rule

	levels []int    // of above
	above  []string // the headings above the next block; never changed in place
	body   bool     // pieces have more than headings
	indent int      // of the block
	pieces []piece
	tokens int // of the pieces, by their sum
}

// piece is a block, or a part of one.
type piece struct {
	text     string
	kind     BlockType
	indent   int // of a list item
	box      BoundingBox
	headings []string
}

func (p *passages) block(b *Block) {
	content, indent := trimmed(b)
	if content == "" || p.WithoutMargins && isMargin(b.Type) {
		return
	}
	p.indent = indent
	heading := b.Type == BlockTypeTitle || b.Type == BlockTypeSectionHeader
	level, n := 0, len(p.levels)
	if heading {
		if p.body {
			p.flush()
		}
		for level = headingLevel(b.Type, content); n > 0 && p.levels[n-1] >= level; n-- {
		}
		p.levels, p.above = p.levels[:n], p.above[:n:n]
	}
	if holdsTable(b.Type, content) {
		p.table(b, content)
	} else {
		p.text(b, blockMarkdown(b.Type, content))
	}
	if heading {
		text := blockText(b.Type, content[:runeCut(content, 1<<10)])
		p.levels = append(p.levels, level)
		p.above = append(p.above, strings.Clone(text[:runeCut(text, 256)]))
	} else if !isMargin(b.Type) {
		p.body = len(p.pieces) > 0
	}
}

// text adds a block that may be split.
func (p *passages) text(b *Block, text string) {
	for whole := true; text != "" && !p.stopped; whole = false {
		n, tokens := p.fit(text, p.MaxTokens)
		if n == len(text) {
			if len(p.pieces) > 0 && p.tokens+p.gap+tokens > p.MaxTokens {
				p.flush()
			}
			if !whole {
				text = strings.Clone(text) // a part would keep all of the block
			}
			p.add(b, text, tokens)
			return
		}
		switch {
		case whole && (p.body || p.tokens > p.MaxTokens/2):
			p.flush()
		case whole && len(p.pieces) > 0: // only headings, which stay with the text
			n, tokens = p.fit(text, p.MaxTokens-p.tokens-p.gap)
		}
		n = boundary(text, n)
		p.add(b, strings.TrimRightFunc(text[:n], unicode.IsSpace), tokens)
		p.flush()
		text = strings.TrimLeftFunc(text[n:], unicode.IsSpace)
	}
}

// table adds a table. One that does not fit is split between its rows.
func (p *passages) table(b *Block, content string) {
	t := newTable(content)
	whole := false // it goes as it is
	if t.asItIs {
		n, _ := p.fit(content, p.MaxTokens)
		whole = n == len(content)
	}
	if whole || !t.measure() {
		if t.html {
			content = strings.Join(slices.Collect(htmlLines(content)), "\n")
		}
		p.text(b, content)
		return
	}
	var group strings.Builder // rows that fit into a passage, under the header
	header, headerTokens := "", 0
	tokens, rows, n := 0, 0, 0
	begin := func() {
		group.Reset()
		group.Grow(min(p.window, len(content)))
		_, _ = group.WriteString(header)
		if tokens, rows = headerTokens, 0; !p.body {
			tokens += p.tokens // headings stay with the first rows
		}
	}
	t.pipes(func(line []byte) bool {
		text := string(line)
		count := p.CountTokens(text) + p.gap
		switch n++; {
		case n == 1:
			header, headerTokens = text, count
		case n == 2:
			header, headerTokens = header+"\n"+text, headerTokens+count
			if headerTokens > p.MaxTokens/2 { // it is not repeated
				p.text(b, header)
				header, headerTokens = "", 0
			}
			begin()
		default:
			if rows > 0 && tokens+count > p.MaxTokens {
				p.text(b, group.String())
				p.flush()
				begin()
			}
			if group.Len() > 0 {
				_ = group.WriteByte('\n')
			}
			_, _ = group.WriteString(text)
			tokens += count
			rows++
		}
		return !p.stopped
	})
	p.text(b, group.String())
}

// fit returns the length of a beginning of text that has limit tokens at most, and its
// tokens. If text fits, it is all of it. Otherwise up to a sixteenth more might fit.
//
// The counted beginnings grow to twice their length until one does not fit. So fit
// counts about ten times for a passage, and never a text of any length.
func (p *passages) fit(text string, limit int) (n, tokens int) {
	over := len(text) + 1 // a length that does not fit
	for next := runeCut(text, p.window); next < over; {
		if count := p.CountTokens(text[:next]); count <= limit {
			n, tokens = next, count
		} else {
			over = next
		}
		switch {
		case n == len(text):
			return n, tokens
		case over > len(text):
			next *= 2
		case over-n > n/16:
			next = (n + over) / 2
		default:
			next = over
			continue
		}
		next = max(runeCut(text, next), n+runeCut(text[n:], 1))
	}
	if n == 0 {
		return over, limit // a single character
	}
	p.window = max(n+n/16, 64)
	return n, tokens
}

// runeCut returns the largest length up to n that does not cut a character of s; at least
// one character.
func runeCut(s string, n int) int {
	if n >= len(s) {
		return len(s)
	}
	for i := n; i > 0 && i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return i
		}
	}
	if n >= utf8.UTFMax {
		return n // it is not UTF-8
	}
	_, size := utf8.DecodeRuneInString(s)
	return size
}

// boundary returns where to split s, at n or before: behind the last paragraph or else
// sentence in the second half, or else before the last word, or else at n.
func boundary(s string, n int) int {
	if i := strings.LastIndex(s[n/2:n], "\n\n"); i >= 0 {
		return n/2 + i + 2
	}
	for i := n; i > n/2; i-- {
		if endsSentence(s, i) {
			return i
		}
	}
	if isSpace(s[n]) {
		return n
	}
	if i := strings.LastIndexFunc(s[:n], unicode.IsSpace); i > 0 {
		return i
	}
	return n
}

// endsSentence reports whether a sentence or a line ends at i.
func endsSentence(s string, i int) bool {
	switch s[i-1] {
	case '\n':
		return true
	case '.', '!', '?':
		return isSpace(s[i])
	}
	before := s[:i]
	return strings.HasSuffix(before, "。") || strings.HasSuffix(before, "！") || strings.HasSuffix(before, "？")
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

func (p *passages) add(b *Block, text string, tokens int) {
	if text == "" {
		return
	}
	if len(p.pieces) > 0 {
		tokens += p.gap
	}
	p.pieces = append(p.pieces, piece{text, b.Type, p.indent, b.BBox, p.above})
	p.tokens += tokens
}

// flush ends the passage.
func (p *passages) flush() {
	p.emit(p.pieces)
	clear(p.pieces)
	p.pieces, p.tokens, p.body = p.pieces[:0], 0, false
}

func (p *passages) emit(pieces []piece) {
	if p.stopped || len(pieces) == 0 {
		return
	}
	text := pieces[0].text
	if len(pieces) > 1 {
		var b strings.Builder
		var lists listLevels
		for i, piece := range pieces {
			if i > 0 {
				_, _ = b.WriteString(separator(pieces[i-1].kind, piece.kind))
			}
			_, _ = b.WriteString(indented(piece.text, lists.prefix(piece.kind, piece.indent)))
		}
		text = b.String()
	}
	tokens := p.CountTokens(text)
	if tokens > p.MaxTokens {
		// The pieces fit by their sum. Together they may have more tokens.
		if half := len(pieces) / 2; half > 0 {
			p.emit(pieces[:half])
			p.emit(pieces[half:])
			return
		}
		if half := runeCut(text, len(text)/2); half < len(text) {
			head, tail := pieces[0], pieces[0]
			head.text, tail.text = text[:half], text[half:]
			p.emit([]piece{head})
			p.emit([]piece{tail})
			return
		}
	}
	passage := &Passage{
		JobID: p.jobID, Text: text, Tokens: tokens,
		Headings: append([]string{}, pieces[0].headings...),
		Boxes:    make([]BoundingBox, 0, len(pieces)),
	}
	for _, piece := range pieces {
		if page := piece.box.Page; page > 0 { // 0 is unknown
			passage.FirstPage = min(cmp.Or(passage.FirstPage, page), page)
			passage.LastPage = max(passage.LastPage, page)
		}
		passage.Boxes = append(passage.Boxes, piece.box)
	}
	passage.ID = passageID(p.jobID, p.document, p.count, text)
	p.count++
	p.stopped = !p.yield(passage, nil)
}

// passageID hashes text in parts, because a copy of it would be garbage.
func passageID(jobID string, document, index int, text string) string {
	h := sha256.New()
	if document > 0 {
		fmt.Fprintf(h, "%d ", document)
	}
	fmt.Fprintf(h, "%s\n%d\n", jobID, index)
	var part [512]byte
	for text != "" {
		n := copy(part[:], text)
		_, _ = h.Write(part[:n])
		text = text[n:]
	}
	id := uuid.UUID(h.Sum(part[:0])[:16])
	id[6] = id[6]&0x0f | 0x80 // version 8, of one's own making
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}
