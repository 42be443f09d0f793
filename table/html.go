package table

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

var htmlTag = regexp.MustCompile(`(?i)<(?:table|thead|tbody|tr|td|th)(?:[\s/>]|$)`)

// readHTML reads the tokens of HTML. It needs no tree, so that nesting costs no memory and
// every damaged table gives its cells.
func (b *builder) readHTML(content string) {
	h := htmlReader{builder: b}
	z := html.NewTokenizer(strings.NewReader(content))
	for b.err == nil {
		kind := z.Next()
		switch kind {
		case html.ErrorToken: // the end
			h.endRow()
			h.finish()
			return
		case html.TextToken:
			if !h.skip {
				h.write(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, attributes := z.TagName()
			tag := string(name)
			h.skip = tag == "script" || tag == "style"
			h.start(tag)
			for attributes && h.cell != nil && h.nested == 0 && (tag == "td" || tag == "th") {
				var key, value []byte
				key, value, attributes = z.TagAttr()
				switch string(key) {
				case "colspan":
					h.cell.ColSpan = span(string(value), 1)
				case "rowspan":
					h.cell.RowSpan = span(string(value), 0)
				}
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			h.skip = false
			h.end(string(name))
		}
	}
}

// htmlReader holds the place in the HTML.
type htmlReader struct {
	*builder
	heads  []bool // for each row, whether it is in a thead
	groups []int  // for each row, its thead, tbody or tfoot, which ends its row spans
	group  int
	inHead bool
	inRow  bool
	skip   bool  // the text of a script or style
	cell   *Cell // the open cell
	text   cellText
	nested int // the open tables in the cell
}

func (h *htmlReader) start(tag string) {
	switch {
	case tag == "br":
		h.text.lines++
	case tag == "p" || tag == "div" || tag == "li" || h.nested > 0 && tag == "tr":
		h.text.newLine()
	case tag == "table" && h.cell != nil:
		h.nested++
		h.text.newLine()
	case h.nested > 0:
		h.text.space = h.text.space || tag == "td" || tag == "th"
	case tag == "table" || tag == "thead" || tag == "tbody" || tag == "tfoot":
		h.startGroup(tag == "thead")
	case tag == "tr":
		h.endRow()
		h.startRow()
	case tag == "td" || tag == "th":
		h.endCell()
		h.startCell(tag == "th")
	}
}

func (h *htmlReader) end(tag string) {
	switch {
	case tag == "p" || tag == "div" || tag == "li":
		h.text.newLine()
	case tag == "table" && h.nested > 0:
		h.nested--
		h.text.newLine()
	case h.nested > 0:
	case tag == "table" || tag == "thead" || tag == "tbody" || tag == "tfoot":
		h.startGroup(false)
	case tag == "tr":
		h.endRow()
	case tag == "td" || tag == "th":
		h.text.space = true // the cell stays open for text without a cell of its own
	}
}

func (h *htmlReader) startGroup(head bool) {
	h.endRow()
	h.group++
	h.inHead = head
}

func (h *htmlReader) startRow() {
	h.addRow()
	h.heads = append(h.heads, h.inHead)
	h.groups = append(h.groups, h.group)
	h.inRow = true
}

func (h *htmlReader) endRow() {
	h.endCell()
	h.inRow = false
}

func (h *htmlReader) startCell(header bool) {
	if !h.inRow {
		h.startRow()
	}
	h.cell = &Cell{RowSpan: 1, ColSpan: 1, Header: header || h.inHead}
	h.text = cellText{}
}

func (h *htmlReader) endCell() {
	if h.cell != nil {
		h.cell.Text = h.text.String()
		h.add(*h.cell)
	}
	h.cell, h.nested = nil, 0
}

// write adds text to the open cell. Text at the beginning of a row is a cell whose tag is
// lost. Text outside of rows, such as a caption, is no part of the rows.
func (h *htmlReader) write(text string) {
	if h.cell == nil {
		if !h.inRow || strings.TrimSpace(text) == "" {
			return
		}
		h.startCell(false)
	}
	h.text.write(text)
}

// finish ends row spans with their group, and counts the header rows.
func (h *htmlReader) finish() {
	end := len(h.rows) // the end of the group
	for r := len(h.rows) - 1; r >= 0; r-- {
		if r+1 < len(h.rows) && h.groups[r+1] != h.groups[r] {
			end = r + 1
		}
		for i := range h.rows[r] {
			if c := &h.rows[r][i]; c.RowSpan == 0 || c.RowSpan > end-r {
				c.RowSpan = end - r
			}
		}
	}
	for h.headers < len(h.rows) && (h.heads[h.headers] || allHeaders(h.rows[h.headers])) {
		h.headers++
	}
}

func allHeaders(row []Cell) bool {
	for _, c := range row {
		if !c.Header {
			return false
		}
	}
	return len(row) > 0
}

// span reads a number of rows or columns. A wrong one is 1, as in browsers. A number
// beyond every limit stays beyond it.
func span(text string, least int) int {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if err != nil && n <= 0 || n < int64(least) {
		return 1
	}
	return int(n)
}

// cellText collapses white space.
type cellText struct {
	strings.Builder
	space bool // there was white space since the last character
	lines int  // there were line breaks
}

func (t *cellText) newLine() { t.lines = max(t.lines, 1) }

func (t *cellText) write(text string) {
	for _, r := range text {
		if unicode.IsSpace(r) {
			t.space = true
			continue
		}
		if t.Len() > 0 {
			switch {
			case t.lines > 0:
				t.WriteString(strings.Repeat("\n", t.lines))
			case t.space:
				t.WriteByte(' ')
			}
		}
		t.space, t.lines = false, 0
		t.WriteRune(r)
	}
}
