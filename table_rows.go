package reducto

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"html"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/reducto-go/reducto/internal/jsonread"
)

// maxTableColumns bounds the columns of a JSON table of objects. Each row has a cell for
// each column, so a table of n objects without a common name would have n*n cells.
const maxTableColumns = 1000

// table is the content of a table. Its rows are read one by one, as often as needed, so
// the memory is that of the content and of a row.
type table struct {
	content string
	html    bool
	asItIs  bool // in Markdown
	read    func(*table, *cells, func() bool) bool
	keys    []string // the columns of JSON objects
	width   int      // the most cells of a row; 0 for content that is not a table
}

// newTable detects the format of a table, which the API does not name. The content is
// trimmed and not empty.
func newTable(content string) *table {
	t := &table{content: content}
	rows := strings.TrimLeft(content[1:], " \t\n")
	switch {
	case content[0] == '[' && rows != "" && (rows[0] == '[' || rows[0] == '{'): // a text in it may have tags or pipes
		t.read = (*table).readJSON
	case content[0] == '<', content[0] != '|' && (strings.Contains(content, "<table") || strings.Contains(content, "<TABLE")):
		t.html, t.asItIs, t.read = true, true, (*table).readHTML
	case content[0] == '|', strings.Contains(content, "\n|"):
		t.asItIs, t.read = true, (*table).readMarkdown
	case content[0] == '[':
		t.read = (*table).readJSON
	default:
		t.read = (*table).readCSV
	}
	return t
}

// measure reads all rows, and reports whether the content is a table.
func (t *table) measure() bool {
	var c cells
	valid := t.read(t, &c, func() bool {
		t.width = max(t.width, len(c.spans))
		return true
	})
	if !valid {
		t.width = 0
	}
	return t.width > 0
}

// pipes yields the lines of a Markdown table. The second one is the delimiter below the
// header. measure must have been called.
func (t *table) pipes(yield func(line []byte) bool) {
	var c cells
	var line []byte
	header := true
	t.read(t, &c, func() bool {
		line = append(line[:0], '|')
		for i := range c.spans {
			line = appendPipeCell(append(line, ' '), c.cell(i))
			line = append(line, " |"...)
		}
		if !header {
			return yield(line)
		}
		header = false
		for range t.width - len(c.spans) {
			line = append(line, "  |"...)
		}
		return yield(line) && yield(append(line[:0], "|"+strings.Repeat(" --- |", t.width)...))
	})
}

// tabs yields the rows as lines with tabs between the cells.
func (t *table) tabs(yield func(line []byte) bool) {
	var c cells
	var line []byte
	t.read(t, &c, func() bool {
		line = line[:0]
		for i := range c.spans {
			if i > 0 {
				line = append(line, '\t')
			}
			for _, b := range c.cell(i) {
				if b == '\t' || b == '\n' || b == '\r' {
					b = ' '
				}
				line = append(line, b)
			}
		}
		return yield(line)
	})
}

func appendPipeCell(line, cell []byte) []byte {
	for _, b := range cell {
		switch b {
		case '|':
			// After a backslash in the cell, GitHub would take \| for an escaped
			// backslash and the end of the cell.
			if backslashes := len(line) - len(bytes.TrimRight(line, `\`)); backslashes%2 == 1 {
				line = append(line, '\\')
			}
			line = append(line, `\|`...)
		case '\n':
			line = append(line, "<br>"...)
		case '\r':
		default:
			line = append(line, b)
		}
	}
	return line
}

// cells is a row. The next row uses its memory again.
type cells struct {
	text  []byte
	spans []span
	from  int // where the cell begins that is being read
}

type span struct{ from, to int }

func (c *cells) reset() { c.text, c.spans, c.from = c.text[:0], c.spans[:0], 0 }

// end ends a cell.
func (c *cells) end() {
	c.spans = append(c.spans, span{c.from, len(c.text)})
	c.from = len(c.text)
}

func (c *cells) add(text string) {
	c.text = append(c.text, text...)
	c.end()
}

func (c *cells) cell(i int) []byte {
	return bytes.TrimSpace(c.text[c.spans[i].from:c.spans[i].to])
}

// readCSV reads CSV of two rows and two columns at least. Anything else may be a text.
func (t *table) readCSV(c *cells, yield func() bool) bool {
	r := csv.NewReader(strings.NewReader(t.content))
	r.ReuseRecord = true
	for n := 0; ; n++ {
		record, err := r.Read()
		if err == io.EOF {
			return n > 1
		}
		if err != nil || len(record) < 2 {
			return false
		}
		c.reset()
		for _, cell := range record {
			c.add(cell)
		}
		if !yield() {
			return true
		}
	}
}

// readMarkdown reads the rows of a Markdown table. Other lines are rows of one cell.
func (t *table) readMarkdown(c *cells, yield func() bool) bool {
	n := 0 // of rows
	for line := range strings.Lines(t.content) {
		line = strings.TrimSpace(line)
		inside, isRow := strings.CutPrefix(line, "|")
		if n++; !isRow {
			n = 0
		}
		if line == "" || n == 2 && strings.Contains(line, "-") && strings.Trim(line, "|:- ") == "" {
			continue // the delimiter below the header
		}
		c.reset()
		for i := 0; isRow && i < len(inside); i++ {
			switch {
			case strings.HasPrefix(inside[i:], `\|`):
				c.text = append(c.text, '|')
				i++
			case strings.HasPrefix(inside[i:], "<br>"):
				c.text = append(c.text, '\n')
				i += len("<br>") - 1
			case inside[i] == '|':
				c.end()
			default:
				c.text = append(c.text, inside[i])
			}
		}
		if !isRow {
			c.text = append(c.text, line...)
		}
		if len(c.text) > c.from || len(c.spans) == 0 { // there is no | at the end
			c.end()
		}
		if !yield() {
			return true
		}
	}
	return true
}

// readJSON reads a list of lists, or a list of objects, whose names are the first row.
func (t *table) readJSON(c *cells, yield func() bool) bool {
	if t.width > 0 && len(t.keys) > 0 {
		c.reset()
		for _, key := range t.keys {
			c.add(key)
		}
		if !yield() {
			return true
		}
	}
	r := jsonread.New(strings.NewReader(t.content), int64(len(t.content)))
	defer r.Close()
	form := byte(0) // of all rows
	for rows := r.Array(); rows.Next(); {
		c.reset()
		kind := r.Kind()
		switch {
		case form != 0 && kind != form:
			return false
		case kind == '[':
			for row := r.Array(); row.Next(); c.end() {
				readJSONCell(r, c)
			}
		case kind == '{':
			t.readJSONObject(r, c)
		default:
			return false
		}
		if form = kind; len(t.keys) > maxTableColumns {
			return false
		}
		if r.Err() == nil && !yield() {
			return true
		}
	}
	r.End()
	return r.Err() == nil
}

func (t *table) readJSONObject(r *jsonread.Reader, c *cells) {
	c.spans = append(c.spans, make([]span, len(t.keys))...)
	i := -1
	r.Walk(func(name []byte) bool {
		// The members have the same order in each object as a rule.
		if i++; i >= len(t.keys) || t.keys[i] != string(name) {
			i = slices.Index(t.keys, string(name))
		}
		if i < 0 {
			i = len(t.keys)
			t.keys = append(t.keys, string(name))
			c.spans = append(c.spans, span{})
		}
		readJSONCell(r, c)
		c.spans[i] = span{c.from, len(c.text)}
		c.from = len(c.text)
		return len(t.keys) <= maxTableColumns
	})
}

// readJSONCell reads a string or another value. A cell with its place on the page is an
// object with a text.
func readJSONCell(r *jsonread.Reader, c *cells) {
	switch r.Kind() {
	case '"':
		c.text = append(c.text, r.View()...)
	case 'n':
		r.Skip()
	default:
		raw := r.Raw()
		var cell struct{ Text *string }
		if len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &cell) == nil && cell.Text != nil {
			raw = json.RawMessage(*cell.Text)
		}
		c.text = append(c.text, raw...)
	}
}

// readHTML reads the rows of HTML. Text outside of rows is a row of one cell. Spans keep
// the other cells in their columns. A row span repeats its text, because a row may stand
// alone in a passage.
func (t *table) readHTML(c *cells, yield func() bool) bool {
	c.reset()
	open := false // a cell is open
	rows, columns := 1, 1
	s := spans{left: 8 * len(t.content)}
	endCell := func() {
		if open || len(bytes.TrimSpace(c.text[c.from:])) > 0 {
			s.end(c, rows, columns)
		}
		open, rows, columns = false, 1, 1
	}
	endRow := func() bool {
		endCell()
		more := len(c.spans) == 0 || yield()
		c.reset()
		return more
	}
	for rest := t.content; rest != ""; {
		i := strings.IndexByte(rest, '<')
		if i < 0 {
			i = len(rest)
		}
		c.words(html.UnescapeString(rest[:i]))
		if rest = rest[i:]; rest == "" {
			break
		}
		name, n := htmlTag(rest)
		if n == 0 {
			c.words("<")
			rest = rest[1:]
			continue
		}
		tag := rest[:n]
		rest = rest[n:]
		switch name {
		case "td", "th":
			endCell()
			s.fill(c)
			open = true
			rows, columns = spansOf(tag)
		case "/td", "/th":
			endCell()
		case "tr", "/tr", "table", "/table", "thead", "/thead", "tbody", "/tbody", "tfoot", "/tfoot":
			if !endRow() {
				return true
			}
			s.next(name)
		case "script", "style":
			rest = afterHTML(rest, "/"+name)
		case "a", "/a", "b", "/b", "code", "/code", "em", "/em", "i", "/i", "s", "/s", "small", "/small", "span", "/span",
			"/script", "/style", "strong", "/strong", "sub", "/sub", "sup", "/sup", "u", "/u", "":
		default: // a line break, a paragraph, an unknown tag
			if c.words(" "); open || len(c.spans) > 0 {
				continue
			}
			if !endRow() {
				return true
			}
		}
	}
	endRow()
	return true
}

// spans are the cells of the rows above that reach into the current row.
type spans struct {
	row   int
	above []above // by column
	left  int     // the bytes that spans may still add, so that the output has a limit
}

type above struct {
	text string
	end  int // the row after the last one
}

// next begins a row or a group of rows, which ends all spans.
func (s *spans) next(tag string) {
	switch tag {
	case "tr":
		s.row++
	case "/tr":
	default:
		s.above = s.above[:0]
	}
}

// fill adds the cells that reach into the columns before the next cell.
func (s *spans) fill(c *cells) {
	for i := len(c.spans); i < len(s.above) && s.above[i].end > s.row && s.left > 0; i++ {
		c.add(s.above[i].text)
		s.left -= 1 + len(s.above[i].text)
	}
}

// end ends a cell of several rows and columns.
func (s *spans) end(c *cells, rows, columns int) {
	i := len(c.spans)
	c.end()
	for ; columns > 1 && len(c.spans) < maxTableColumns && s.left > 0; columns-- {
		c.end()
		s.left--
	}
	if rows == 1 {
		return
	}
	if n := len(c.spans) - len(s.above); n > 0 {
		s.above = append(s.above, make([]above, n)...)
	}
	for n := range c.spans[i:] {
		s.above[i+n] = above{end: s.row + rows}
	}
	s.above[i].text = string(c.cell(i))
}

// spansOf returns the rows and columns of a cell, from its tag. Zero rows are all of the
// group.
func spansOf(tag string) (rows, columns int) {
	if len(tag) <= len("<td>") {
		return 1, 1
	}
	tag = strings.ToLower(tag)
	if rows = spanOf(tag, "rowspan"); rows == 0 {
		rows = 1 << 30
	}
	return rows, spanOf(tag, "colspan")
}

// spanOf returns the number in an attribute; 1 if there is none.
func spanOf(tag, attribute string) int {
	_, value, _ := strings.Cut(tag, attribute)
	value = strings.TrimLeft(value, "= \t\n\"'")
	digits := len(value) - len(strings.TrimLeft(value, "0123456789"))
	n, err := strconv.Atoi(value[:min(digits, 5)])
	if err != nil {
		return 1
	}
	return n
}

// words adds text to the open cell. It writes white space as one space.
func (c *cells) words(text string) {
	for i := range len(text) {
		b := text[i]
		if b == ' ' || b == '\t' || b == '\n' || b == '\r' || b == '\f' {
			if n := len(c.text); n == c.from || c.text[n-1] == ' ' {
				continue
			}
			b = ' '
		}
		c.text = append(c.text, b)
	}
}

// htmlTag returns the name of the tag or comment at the beginning of s, in lower case,
// and its length. The name of an end tag begins with a slash. A comment has no name. The
// length is 0 if there is no tag.
func htmlTag(s string) (name string, n int) {
	if strings.HasPrefix(s, "<!--") {
		_, rest, _ := strings.Cut(s[4:], "-->")
		return "", len(s) - len(rest)
	}
	rest := s[1:]
	slash := strings.HasPrefix(rest, "/")
	rest = strings.TrimPrefix(rest, "/")
	end := strings.IndexFunc(rest, func(r rune) bool { return (r|' ' < 'a' || r|' ' > 'z') && (r < '0' || r > '9') })
	if end < 0 {
		end = len(rest)
	}
	if end == 0 && !strings.HasPrefix(rest, "!") && !strings.HasPrefix(rest, "?") {
		return "", 0
	}
	if name = strings.ToLower(rest[:min(end, 16)]); slash {
		name = "/" + name
	}
	quote := byte(0)
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"', c == '\'':
			quote = c
		case c == '>':
			return name, i + 1
		}
	}
	// A tag without an end takes all, so that the time is linear.
	return name, len(s)
}

// afterHTML returns s from the tag of the given name on; empty if there is none.
func afterHTML(s, name string) string {
	for {
		i := strings.Index(s, "</")
		if i < 0 {
			return ""
		}
		if s = s[i:]; len(s) > len(name) && strings.EqualFold(s[1:1+len(name)], name) {
			return s
		}
		s = s[2:]
	}
}
