package reducto

import (
	"bufio"
	"context"
	"io"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TextOption chooses what WriteMarkdown, WriteText and Markdown write.
type TextOption func(*textConfig)

type textConfig struct {
	pageBreaks bool
	noMargins  bool
	pages      map[int]bool // nil for all
}

// WithPageBreaks writes a break between pages: a thematic break (---) in Markdown, a
// form feed in text.
func WithPageBreaks() TextOption { return func(c *textConfig) { c.pageBreaks = true } }

// WithoutMargins leaves out headers, footers and page numbers.
func WithoutMargins() TextOption { return func(c *textConfig) { c.noMargins = true } }

// WithPages writes only the blocks of these pages, by BoundingBox.Page. Without a page
// it writes nothing. Use it with the PageNumbers of a Split to write a section.
func WithPages(pages ...int) TextOption {
	return func(c *textConfig) {
		if c.pages == nil {
			c.pages = map[int]bool{}
		}
		for _, page := range pages {
			c.pages[page] = true
		}
	}
}

// WriteMarkdown writes the document as Markdown, in the flavor of GitHub. It streams as
// Blocks does, so the document can have any size. After an error, w has only the
// beginning of the document.
//
// Titles and section headers become headings, and list items become lists, unless the
// content has these marks already. Indented list items are nested. Comments become
// quotes. Tables in HTML and Markdown are written as they are. Tables in JSON and CSV
// become Markdown tables. A table that cannot be read is written as it is, and so is the
// content of all other blocks. The links of images and charts are never written, because
// they give access to the document.
func (r *ParseResult) WriteMarkdown(ctx context.Context, w io.Writer, opts ...TextOption) error {
	return writeBlocks(w, true, opts, r.Blocks(ctx))
}

// WriteText writes the document as plain text. It streams as WriteMarkdown does. Titles
// and section headers have no marks. Each row of a table is a line with tabs between
// the cells. Tables in HTML become such lines too, and a row span repeats its text.
func (r *ParseResult) WriteText(ctx context.Context, w io.Writer, opts ...TextOption) error {
	return writeBlocks(w, false, opts, r.Blocks(ctx))
}

// Markdown returns what WriteMarkdown writes. Use it for small documents.
func (r *ParseResult) Markdown(ctx context.Context, opts ...TextOption) (string, error) {
	var b strings.Builder
	if err := r.WriteMarkdown(ctx, &b, opts...); err != nil {
		return "", err
	}
	return b.String(), nil
}

// WriteMarkdown writes the blocks of the chunk as ParseResult.WriteMarkdown does.
func (v *Chunk) WriteMarkdown(w io.Writer, opts ...TextOption) error {
	return writeBlocks(w, true, opts, v.eachBlock)
}

// WriteText writes the blocks of the chunk as ParseResult.WriteText does.
func (v *Chunk) WriteText(w io.Writer, opts ...TextOption) error {
	return writeBlocks(w, false, opts, v.eachBlock)
}

func (v *Chunk) eachBlock(yield func(*Block, error) bool) {
	for i := range v.Blocks {
		if !yield(&v.Blocks[i], nil) {
			return
		}
	}
}

func writeBlocks(w io.Writer, markdown bool, opts []TextOption, blocks iter.Seq2[*Block, error]) error {
	t := textWriter{w: bufio.NewWriter(w), markdown: markdown}
	for _, opt := range opts {
		opt(&t.cfg)
	}
	for b, err := range blocks {
		if err != nil {
			_ = t.w.Flush()
			return err
		}
		if t.block(b); t.err != nil {
			return t.err
		}
	}
	if t.started {
		t.between = "\n"
		t.put("")
	}
	if t.err != nil {
		return t.err
	}
	return t.w.Flush()
}

// textWriter writes blocks as Markdown or text.
type textWriter struct {
	w        *bufio.Writer
	err      error // of w
	markdown bool
	cfg      textConfig

	between string // goes before the next text
	wrote   bool   // something of the block
	started bool
	last    BlockType // of the block before
	page    int
	lists   listLevels
}

func (t *textWriter) put(text string) {
	if t.err == nil && t.between != "" {
		_, t.err = t.w.WriteString(t.between)
	}
	if t.err == nil {
		_, t.err = t.w.WriteString(text)
	}
	t.between, t.wrote = "", true
}

// line writes a line of a block of several lines.
func (t *textWriter) line(line []byte) bool {
	t.put("")
	if t.err == nil {
		_, t.err = t.w.Write(line)
	}
	t.between = "\n"
	return t.err == nil
}

func (t *textWriter) block(b *Block) {
	content, indent := trimmed(b)
	page := b.BBox.Page
	if content == "" || t.cfg.noMargins && isMargin(b.Type) || t.cfg.pages != nil && !t.cfg.pages[page] {
		return
	}
	if t.between, t.wrote = "", false; t.started {
		t.between = separator(t.last, b.Type)
		if t.cfg.pageBreaks && page != t.page && page != 0 && t.page != 0 {
			if t.between = "\n\f"; t.markdown {
				t.between = "\n\n---\n\n"
			}
		}
	}
	t.content(b.Type, content, t.lists.prefix(b.Type, indent))
	if !t.wrote { // it was HTML without text
		return
	}
	t.started, t.last = true, b.Type // not b, which would keep its content
	if page != 0 {
		t.page = page
	}
}

// separator returns the text between two blocks. Items of a list follow each other.
func separator(before, now BlockType) string {
	if before == BlockTypeListItem && now == BlockTypeListItem {
		return "\n"
	}
	return "\n\n"
}

func (t *textWriter) content(kind BlockType, content, prefix string) {
	if !holdsTable(kind, content) {
		if t.markdown {
			content = blockMarkdown(kind, content)
		} else {
			content = blockText(kind, content)
		}
		t.put(indented(content, prefix))
		return
	}
	table := newTable(content)
	switch {
	case t.markdown && table.html:
		for line := range htmlLines(content) {
			t.put(line)
			t.between = "\n"
		}
	case t.markdown && !table.asItIs && table.measure():
		table.pipes(t.line)
	case !t.markdown && (table.html || table.measure()):
		table.tabs(t.line)
	default:
		t.put(content)
	}
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// trimmed returns the content of a block with \n as line ends and without white space
// around it, and the columns by which a list item is indented.
func trimmed(b *Block) (content string, indent int) {
	content = strings.TrimSpace(b.Content)
	if strings.Contains(content, "\r") {
		content = lineEnds.Replace(content)
	}
	if b.Type != BlockTypeListItem || content == "" {
		return content, 0
	}
	space := b.Content[:len(b.Content)-len(strings.TrimLeftFunc(b.Content, unicode.IsSpace))]
	if space = space[strings.LastIndexAny(space, "\r\n")+1:]; space != "" {
		content = strings.ReplaceAll(content, "\n"+space, "\n")
	}
	return content, utf8.RuneCountInString(space) + 3*strings.Count(space, "\t")
}

// listLevels are the indentations of the list items around the next one.
type listLevels []int

// prefix returns the indentation of the next block, which nests a list item by four
// columns. CommonMark would not read a deeper one as a list item.
func (l *listLevels) prefix(t BlockType, indent int) string {
	const deepest = 8
	n := len(*l)
	for n > 0 && (t != BlockTypeListItem || (*l)[n-1] >= indent) {
		n--
	}
	*l = (*l)[:n]
	if t == BlockTypeListItem && n < deepest {
		*l = append(*l, indent)
	}
	return strings.Repeat("    ", n)
}

// indented returns the text with the prefix before each line.
func indented(text, prefix string) string {
	if prefix == "" {
		return text
	}
	return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix)
}

func isMargin(t BlockType) bool {
	return t == BlockTypeHeader || t == BlockTypeFooter || t == BlockTypePageNumber
}

// holdsTable reports whether content, which is trimmed, is a table. A figure or a form
// can be a table in HTML.
func holdsTable(t BlockType, content string) bool {
	return t == BlockTypeTable || len(content) > 6 && strings.EqualFold(content[:6], "<table")
}

// blockMarkdown returns the Markdown of a block that is no table.
func blockMarkdown(t BlockType, content string) string {
	switch t {
	case BlockTypeTitle, BlockTypeSectionHeader:
		switch marks := headingMarks(content); {
		case marks > 0 && strings.Contains(content, "\n#"): // several headings
			return content
		case marks > 0:
			return oneLine(content)
		}
		return strings.Repeat("#", headingLevel(t, content)) + " " + oneLine(content)
	case BlockTypeListItem:
		return listItem(content)
	case BlockTypeKeyValue:
		return strings.ReplaceAll(content, "\n", "  \n") // each line stays a line
	case BlockTypeComment:
		return "> " + strings.ReplaceAll(content, "\n", "\n> ")
	case BlockTypePageNumber:
		if isListItem(content) { // such as "- 3 -"
			digits := len(content) - len(strings.TrimLeft(content, "0123456789"))
			return content[:digits] + `\` + content[digits:]
		}
	}
	return content
}

// blockText returns the text of a block that is no table.
func blockText(t BlockType, content string) string {
	switch t {
	case BlockTypeTitle, BlockTypeSectionHeader:
		return oneLine(strings.TrimLeft(content[headingMarks(content):], " \t"))
	case BlockTypeListItem:
		return listItem(content)
	}
	return content
}

// headingMarks counts the marks of a Markdown heading; 0 if content is none.
func headingMarks(content string) int {
	n := len(content) - len(strings.TrimLeft(content, "#"))
	if n > 6 || len(content) == n || content[n] != ' ' && content[n] != '\t' {
		return 0
	}
	return n
}

// headingLevel returns the level of a title or section header, from 1. A section header
// is always below a title.
func headingLevel(t BlockType, content string) int {
	if t == BlockTypeSectionHeader {
		return max(2, headingMarks(content))
	}
	return max(1, headingMarks(content))
}

func oneLine(s string) string {
	if strings.Contains(s, "\n") {
		return strings.Join(strings.Fields(s), " ")
	}
	return s
}

// listItem returns the item with a mark of Markdown. Signs such as • are no such marks.
func listItem(content string) string {
	const signs = "•◦▪●‣"
	if strings.ContainsAny(content, signs) {
		lines := strings.Split(content, "\n")
		for i, line := range lines {
			text := strings.TrimLeft(line, " \t")
			if rest := strings.TrimLeft(text, signs); len(rest) < len(text) {
				lines[i] = line[:len(line)-len(text)] + "- " + strings.TrimLeft(rest, " \t")
			}
		}
		content = strings.Join(lines, "\n")
	}
	if isListItem(content) {
		return content
	}
	return "- " + strings.ReplaceAll(content, "\n", "\n  ")
}

// htmlLines yields the lines of HTML in Markdown. A blank line would end the HTML.
func htmlLines(content string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(content) {
			if line = strings.TrimRight(line, " \t\r\n"); line != "" && !yield(line) {
				return
			}
		}
	}
}

// isListItem reports whether content begins with a mark such as - or 1.
func isListItem(content string) bool {
	rest := strings.TrimLeft(content, "0123456789")
	digits := len(content) - len(rest)
	switch {
	case rest == "" || digits > 9:
		return false
	case digits > 0 && rest[0] != '.' && rest[0] != ')', digits == 0 && strings.IndexByte("-*+", rest[0]) < 0:
		return false
	}
	return len(rest) == 1 || rest[1] == ' ' || rest[1] == '\t' || rest[1] == '\n'
}
