package reductotest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// fact is a line "key: value" of a document.
type fact struct {
	key   string // by normalKey
	label string // the key as written
	value string
	line  string
	box   bbox // of the line
	block block
}

// table is a table in Markdown.
type table struct {
	keys  []string // the header, by normalKey
	rows  [][]string
	lines []int // of the rows in the block
	block block
}

// scope returns the cells of a row as facts.
func (t table) scope(i int) (in scope) {
	row := t.rows[i]
	for c, value := range row[:min(len(row), len(t.keys))] {
		if value == "" {
			continue
		}
		box := t.block.line(t.lines[i])
		box.Width = round(box.Width / float64(len(t.keys)))
		box.Left = round(box.Left + float64(c)*box.Width)
		in.facts = append(in.facts, fact{key: t.keys[c], value: value, line: value, box: box, block: t.block})
	}
	return in
}

// line returns the box of the nth line of a block.
func (b block) line(n int) bbox {
	box := b.BBox
	box.Height = round(box.Height / float64(strings.Count(b.Content, "\n")+1))
	box.Top = round(box.Top + float64(n)*box.Height)
	return box
}

var factLine = regexp.MustCompile(`^[\s*>#-]*([^:|]{1,80}?)[\s*]*:[\s*]*(.*?)\s*$`)

// factsOf returns the facts and tables of pages.
func factsOf(pages []string, numbers []int) (facts []fact, tables []table) {
	for i, page := range pages {
		for _, b := range blocksOf(page, numbers[i], false) {
			if b.Type == "Table" {
				if t, ok := tableOf(b); ok {
					tables = append(tables, t)
				}
				continue
			}
			n := -1
			for line := range strings.Lines(b.Content) {
				n++
				line = strings.TrimRight(line, "\r\n")
				if len(line) > 4096 || !strings.Contains(line, ":") {
					continue // regular expressions are slow
				}
				if m := factLine.FindStringSubmatch(line); m != nil && m[2] != "" {
					facts = append(facts, fact{key: normalKey(m[1]), label: strings.TrimSpace(m[1]), value: m[2], line: line, box: b.line(n), block: b})
				}
			}
		}
	}
	return facts, tables
}

func tableOf(b block) (table, bool) {
	t := table{block: b}
	n := -1
	for line := range strings.Lines(b.Content) {
		n++
		line = strings.Trim(strings.TrimSpace(line), "|")
		if strings.Trim(line, "-:| ") == "" {
			continue // the rule below the header
		}
		var cells []string
		for cell := range strings.SplitSeq(line, "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if t.keys == nil {
			for _, cell := range cells {
				t.keys = append(t.keys, normalKey(cell))
			}
			continue
		}
		t.rows, t.lines = append(t.rows, cells), append(t.lines, n)
	}
	return t, len(t.rows) > 0
}

// normalKey maps "Invoice number", "invoice_number" and "invoiceNumber" to the same
// key.
func normalKey(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

var numeral = regexp.MustCompile(`-?\d[\d,]*(?:\.\d+)?`)

// scalarOf reads text as a value of a schema of a scalar: its type, format, enum, minimum
// and maximum. It returns nil if it cannot.
func scalarOf(schema map[string]any, text string) any {
	value := parseScalar(typeOf(schema), text)
	switch v := value.(type) {
	case json.Number:
		f, _ := v.Float64()
		if f < limitOr(schema["minimum"], f) || f > limitOr(schema["maximum"], f) {
			return nil
		}
	case string:
		if values, ok := schema["enum"].([]any); ok {
			i := slices.IndexFunc(values, func(e any) bool { s, ok := e.(string); return ok && strings.EqualFold(s, v) })
			if i < 0 {
				return nil
			}
			return values[i]
		}
		switch schema["format"] {
		case "date-time":
			return parseTime(v, time.RFC3339Nano)
		case "date":
			return parseTime(v, time.DateOnly)
		}
	}
	return value
}

// limitOr returns the number of a schema, which is a json.Number, or a float64 if the
// schema came as a text.
func limitOr(v any, otherwise float64) float64 {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f
		}
	case float64:
		return v
	}
	return otherwise
}

// parseTime returns a time in the layout of a JSON Schema, or nil.
func parseTime(text, layout string) any {
	for _, known := range []string{
		time.RFC3339Nano, time.DateOnly, time.DateTime, "2006-01-02T15:04:05", "January 2, 2006", "2 January 2006", "01/02/2006",
	} {
		if t, err := time.Parse(known, text); err == nil {
			return t.Format(layout)
		}
	}
	return nil
}

// parseScalar reads text as a value of a JSON type. It returns nil if it cannot.
func parseScalar(kind, text string) any {
	switch kind {
	case "number", "integer":
		digits := strings.ReplaceAll(numeral.FindString(text), ",", "")
		if f, err := strconv.ParseFloat(digits, 64); err != nil || kind == "integer" && f != float64(int64(f)) {
			return nil
		}
		if whole, fraction, ok := strings.Cut(digits, "."); ok && strings.Trim(fraction, "0") == "" && kind == "integer" {
			digits = whole
		}
		if trimmed := strings.TrimLeft(digits, "0"); trimmed != digits { // JSON has no leading zeros
			if trimmed == "" || trimmed[0] == '.' {
				trimmed = "0" + trimmed
			}
			digits = trimmed
		}
		return json.Number(digits)
	case "boolean":
		switch strings.ToLower(text) {
		case "true", "yes", "y", "1":
			return true
		case "false", "no", "n", "0":
			return false
		}
		return nil
	}
	return text
}
