package table

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// isMarkdown reports whether text has the line below a header, or consists of lines that
// begin with a pipe.
func isMarkdown(text string) bool {
	pipes := true
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if isRule(line) {
			return true
		}
		if line != "" && line[0] != '|' {
			pipes = false
		}
	}
	return pipes
}

// isRule reports whether a line is the one below a header, such as |---|:-:|.
func isRule(line string) bool {
	if !strings.Contains(line, "|") || strings.Trim(line, "|:- \t") != "" {
		return false
	}
	for _, cell := range splitMarkdown(line) {
		if dashes := strings.TrimSuffix(strings.TrimPrefix(cell, ":"), ":"); dashes == "" || strings.Trim(dashes, "-") != "" {
			return false
		}
	}
	return true
}

// readMarkdown reads the lines of a table. Text above it, and paragraphs below it, are no
// part of it.
func (b *builder) readMarkdown(text string) {
	var lines []string
	rule := 0 // the number of lines above the first rule
	ruled, blank := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			blank = true
		case isRule(line):
			// Other rules come from tables that were merged into this one.
			if !ruled {
				lines = lines[max(len(lines)-1, 0):]
				rule = len(lines)
			}
			ruled, blank = true, false
		case !ruled || !blank || strings.Contains(line, "|"):
			lines = append(lines, line)
			blank = false
		}
	}
	for i, line := range lines {
		cells := splitMarkdown(line)
		if i < rule && strings.Join(cells, "") == "" {
			continue // Markdown cannot omit the header, only its texts
		}
		b.addRow()
		for _, text := range cells {
			b.add(Cell{Text: markdownText(text), Header: i < rule})
		}
		if i < rule {
			b.headers = 1
		}
	}
}

// splitMarkdown splits a line at the pipes that have no backslash before them.
func splitMarkdown(line string) []string {
	line = strings.TrimPrefix(strings.TrimSpace(line), "|")
	var cells []string
	start := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			if i+1 < len(line) && line[i+1] == '|' {
				i++
			}
		case '|':
			cells = append(cells, strings.TrimSpace(line[start:i]))
			start = i + 1
		}
	}
	if rest := strings.TrimSpace(line[start:]); rest != "" || start == 0 {
		cells = append(cells, rest)
	}
	return cells
}

var lineBreak = regexp.MustCompile(`(?i)[ \t]*<br[ \t]*/?>[ \t]*`)

func markdownText(text string) string {
	text = strings.ReplaceAll(text, `\|`, "|")
	return strings.TrimSpace(html.UnescapeString(lineBreak.ReplaceAllString(text, "\n")))
}
