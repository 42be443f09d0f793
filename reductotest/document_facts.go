package reductotest

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// fact is a line "key: value" of a document.
type fact struct {
	key   string // by normalKey
	label string // the key as written
	value string
	line  string
	block block
}

// table is a table in Markdown.
type table struct {
	keys  []string // the header, by normalKey
	rows  [][]string
	block block
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
			for line := range strings.Lines(b.Content) {
				line = strings.TrimRight(line, "\r\n")
				if len(line) > 4096 || !strings.Contains(line, ":") {
					continue // regular expressions are slow
				}
				if m := factLine.FindStringSubmatch(line); m != nil && m[2] != "" {
					facts = append(facts, fact{key: normalKey(m[1]), label: strings.TrimSpace(m[1]), value: m[2], line: line, block: b})
				}
			}
		}
	}
	return facts, tables
}

func tableOf(b block) (table, bool) {
	t := table{block: b}
	for line := range strings.Lines(b.Content) {
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
		t.rows = append(t.rows, cells)
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
