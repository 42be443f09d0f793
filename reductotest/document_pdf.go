package reductotest

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// readPDF reads the text of a PDF. It supports the operators Tj, TJ, ' and " in streams
// that are plain or compressed by Flate, with a Latin encoding. Each stream with text
// is a page. A file without such text is one figure.
func readPDF(body []byte) *document {
	d := figureDocument(body, "application/pdf")
	if regexp.MustCompile(`/Encrypt\b`).Match(body) {
		d.encrypted = true
		return d
	}
	var pages []string
	for _, stream := range pdfStreams(body) {
		if text := pdfText(stream); strings.TrimSpace(text) != "" {
			pages = append(pages, text)
		}
	}
	if len(pages) > 0 {
		d.pages, d.figure = pages, false
	}
	return d
}

// maxStream is the number of bytes that readPDF reads of a compressed stream.
const maxStream = 16 << 20

// pdfStreams returns the decompressed streams in the order of the file.
func pdfStreams(body []byte) [][]byte {
	var streams [][]byte
	for {
		at := bytes.Index(body, []byte("stream"))
		if at < 0 {
			return streams
		}
		dict := body[max(0, at-512):at]
		if i := bytes.LastIndex(dict, []byte("obj")); i >= 0 {
			dict = dict[i:]
		}
		body = bytes.TrimPrefix(body[at+len("stream"):], []byte("\r"))
		body = bytes.TrimPrefix(body, []byte("\n"))
		end := bytes.Index(body, []byte("endstream"))
		if end < 0 {
			return streams
		}
		data := body[:end]
		body = body[end+len("endstream"):]
		switch {
		case bytes.Contains(dict, []byte("/FlateDecode")):
			r, err := zlib.NewReader(bytes.NewReader(data))
			if err != nil {
				continue
			}
			// Text before an error is still useful.
			data, _ = io.ReadAll(io.LimitReader(r, maxStream))
		case bytes.Contains(dict, []byte("/Filter")):
			continue
		}
		streams = append(streams, data)
	}
}

// pdfText runs the operators of a stream that show text or begin a line.
func pdfText(stream []byte) string {
	var text strings.Builder
	var shown []byte // strings since the last operator
	inText := false
	newline := func() {
		if text.Len() > 0 && !strings.HasSuffix(text.String(), "\n") {
			text.WriteByte('\n')
		}
	}
	for i := 0; i < len(stream); {
		switch c := stream[i]; {
		case c == '(':
			s, n := pdfString(stream[i:])
			shown = append(shown, s...)
			i += n
		case c == '<' && i+1 < len(stream) && stream[i+1] != '<':
			end := bytes.IndexByte(stream[i:], '>')
			if end < 0 {
				return text.String()
			}
			digits := strings.Join(strings.Fields(string(stream[i+1:i+end])), "")
			if s, err := hex.DecodeString(digits); err == nil {
				shown = append(shown, s...)
			}
			i += end + 1
		case c == '%':
			end := bytes.IndexAny(stream[i:], "\r\n")
			if end < 0 {
				end = len(stream) - i
			}
			i += end
		case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '\'' || c == '"':
			end := i
			for end < len(stream) && !bytes.ContainsRune([]byte(" \t\r\n\x00\f()<>[]{}/%"), rune(stream[end])) {
				end++
			}
			switch string(stream[i:end]) {
			case "BT":
				inText = true
				newline()
			case "ET":
				inText = false
			case "Td", "TD", "T*", "Tm":
				newline()
			case "'", "\"":
				newline()
				fallthrough
			case "Tj", "TJ":
				if inText {
					text.WriteString(latin(shown))
				}
			}
			shown = nil
			i = end
		default:
			i++
		}
	}
	return strings.TrimRight(text.String(), "\n")
}

// pdfString reads a string in parentheses. It also returns the number of bytes.
func pdfString(p []byte) (s []byte, n int) {
	depth := 0
	for i := 0; i < len(p); i++ {
		switch c := p[i]; c {
		case '(':
			if depth++; depth > 1 {
				s = append(s, c)
			}
		case ')':
			if depth--; depth == 0 {
				return s, i + 1
			}
			s = append(s, c)
		case '\\':
			i++
			if i == len(p) {
				return s, i
			}
			if escaped, ok := map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'f': '\f'}[p[i]]; ok {
				s = append(s, escaped)
				continue
			}
			digits := i
			for digits < len(p) && digits < i+3 && p[digits] >= '0' && p[digits] <= '7' {
				digits++
			}
			switch {
			case digits > i:
				v, _ := strconv.ParseUint(string(p[i:digits]), 8, 16)
				s = append(s, byte(v))
				i = digits - 1
			case p[i] == '\n':
			default:
				s = append(s, p[i])
			}
		default:
			s = append(s, c)
		}
	}
	return s, len(p)
}

// latin converts a PDF string to UTF-8. It assumes Latin-1, which most encodings
// extend.
func latin(p []byte) string {
	if utf8.Valid(p) {
		return string(p)
	}
	var b strings.Builder
	for _, c := range p {
		b.WriteRune(rune(c))
	}
	return b.String()
}
