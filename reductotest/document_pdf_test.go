package reductotest_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func pdfWith(filter string, streams ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	for i, s := range streams {
		if filter != "" {
			var z bytes.Buffer
			w := zlib.NewWriter(&z)
			_, _ = w.Write([]byte(s))
			_ = w.Close()
			s = z.String()
		}
		fmt.Fprintf(&b, "%d 0 obj\n<< /Length %d%s >>\nstream\n%s\nendstream\nendobj\n", i+1, len(s), filter, s)
	}
	b.WriteString("trailer << /Root 1 0 R >>\n%%EOF\n")
	return b.Bytes()
}

func TestPDFTextIsRead(t *testing.T) {
	const page = "BT /F1 12 Tf 72 720 Td (Hello \\(PDF\\)) Tj 0 -14 Td [(Tot) -20 (al: ) 3 <37>] TJ T* (caf\\351 \\\n%x) ' ET"
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		for _, filter := range []string{"", " /Filter /FlateDecode"} {
			id := srv.PutFile("a.pdf", pdfWith(filter, page, "BT (second) Tj ET", "0 0 m (no text) pop"))
			assert.Equal(t, "Hello (PDF)\nTotal: 7\ncafé %x\fsecond", textOf(t, srv, id))
		}
		job := submit(t, srv, "/parse_async", m{"input": srv.PutFile("a.pdf", pdfWith("", page))})
		srv.Complete(job)
		link := at(t, getJob(t, srv, job), "result", "pdf_url").(string)
		file := get(t, srv, link)
		assert.Equal(t, "application/pdf", file.Header.Get("Content-Type"))
		assert.True(t, bytes.HasPrefix(file.body, []byte("%PDF-1.4")))

		for name, body := range map[string][]byte{
			"no text":         pdfWith("", "0 0 m"),
			"another filter":  pdfWith(" /Filter /LZWDecode", "x"),
			"not closed":      []byte("%PDF-1.7 1 0 obj stream\nBT (x) Tj"),
			"broken flate":    []byte("%PDF-1.7 1 0 obj << /FlateDecode >> stream\nxx endstream"),
			"cut hexadecimal": pdfWith("", "<ab"),
			"image":           []byte("\x89PNG\r\n\x1a\n0000"),
		} {
			result := ok(t, srv, "POST", "/parse", m{"input": srv.PutFile("a", body)})
			blocks := at(t, result, "result", "chunks", 0, "blocks").([]any)
			require.Len(t, blocks, 1, name)
			assert.Equal(t, "Figure", at(t, blocks[0], "type"), name)
			assert.NotEmpty(t, at(t, blocks[0], "content"), name)
		}

		secret := srv.PutFile("a.pdf", []byte("%PDF-1.7\ntrailer << /Encrypt 5 0 R >>"))
		r := call(t, srv, "POST", "/parse", m{"input": secret})
		assert.Equal(t, 442, r.StatusCode)
		ok(t, srv, "POST", "/parse", m{"input": secret, "settings": m{"document_password": "p"}})
		ok(t, srv, "POST", "/extract", m{"input": secret, "parsing": m{"settings": m{"document_password": "p"}}})
	})
}
