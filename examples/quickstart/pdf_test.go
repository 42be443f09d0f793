package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/invoice.pdf")

const invoicePath = "testdata/invoice.pdf"

// invoiceLines is the invoice: size of the letters, distance to the line above, text.
var invoiceLines = []struct {
	size, down int
	text       string
}{
	{24, 0, "Invoice"},
	{11, 36, "Harbour Tools Ltd, 12 Harbour Road, Bristol"},
	{11, 36, "Invoice number: INV-2026-0117"},
	{11, 16, "Issued: 2026-10-01"},
	{11, 16, "Customer: Okafor & Sons (Leeds)"},
	{11, 36, "2 cordless drills at 320.00 each, 640.00"},
	{11, 16, "Service of the band saw, 644.50"},
	{11, 36, "Total: 1,284.50"},
	{11, 16, "Due: 2026-10-31"},
}

// makePDF writes the invoice as a PDF of one page, uncompressed, so that it can be
// read in an editor.
func makePDF() []byte {
	var content strings.Builder
	content.WriteString("BT\n72 760 Td\n")
	for _, l := range invoiceLines {
		text := strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(l.text)
		fmt.Fprintf(&content, "/F1 %d Tf\n0 %d Td\n(%s) Tj\n", l.size, -l.down, text)
	}
	content.WriteString("ET\n")
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 4 0 R >> >> /Contents 5 0 R >>",
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%sendstream", content.Len(), content.String()),
		"<< /Title (Invoice INV-2026-0117) /Producer (reducto-go) >>",
	}
	var pdf bytes.Buffer
	pdf.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n") // bytes above 127 say that it is binary
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, pdf.Len())
		fmt.Fprintf(&pdf, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := pdf.Len()
	fmt.Fprintf(&pdf, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&pdf, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&pdf, "trailer\n<< /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref)
	return pdf.Bytes()
}

func TestInvoicePDFIsTheOneWrittenHere(t *testing.T) {
	if *update {
		require.NoError(t, os.WriteFile(invoicePath, makePDF(), 0o644))
	}
	got, err := os.ReadFile(invoicePath)
	require.NoError(t, err)
	require.True(t, bytes.Equal(makePDF(), got), "run go test -run PDF -update, and look at the file with a PDF reader")
}

// The offsets are what a file written by hand gets wrong.
func TestInvoicePDFIsWellFormed(t *testing.T) {
	pdf, err := os.ReadFile(invoicePath)
	require.NoError(t, err)
	start := regexp.MustCompile(`startxref\n(\d+)\n%%EOF\n$`).FindSubmatch(pdf)
	require.NotNil(t, start)
	xref, err := strconv.Atoi(string(start[1]))
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(pdf[xref:], []byte("xref\n")))

	entries := regexp.MustCompile(`(\d{10}) 00000 n \n`).FindAllSubmatch(pdf[xref:], -1)
	require.NotEmpty(t, entries)
	for i, e := range entries {
		offset, err := strconv.Atoi(string(e[1]))
		require.NoError(t, err)
		assert.True(t, bytes.HasPrefix(pdf[offset:], fmt.Appendf(nil, "%d 0 obj\n", i+1)), "object %d", i+1)
	}
	stream := regexp.MustCompile(`(?s)/Length (\d+) >>\nstream\n(.*)endstream`).FindSubmatch(pdf)
	require.NotNil(t, stream)
	assert.Equal(t, string(stream[1]), strconv.Itoa(len(stream[2])))
}
