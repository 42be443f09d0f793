package main

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/reducto-go/reducto/reductotest"
)

// shape is what a generated document is made of.
type shape int

const (
	// chunked has blocks of 1 KB in chunks of 12.5 KB, of which two thirds are text: in
	// the chunk's content, in its embed, which is equal, and in the blocks.
	chunked shape = iota
	// oneChunk has the same blocks in a single chunk: chunking disabled.
	oneChunk
	// mostlyOCR is chunked, and nine tenths of it are recognised words and lines.
	mostlyOCR
)

// generate makes the content of a parse result of about that many bytes, as it lies
// behind a link. The same arguments give the same bytes.
func generate(s shape, size int) ([]byte, error) {
	d := reductotest.GeneratedDocument{
		Seed: 20260301, Bytes: int64(size),
		SingleChunk: s == oneChunk,
		// What documents have besides English prose.
		Tables: 0.08, NonASCII: 0.05, Escaped: 0.02,
	}
	if s == mostlyOCR {
		d.OCR = 0.9
	}
	var b bytes.Buffer
	b.Grow(size + size/16 + 64<<10)
	_, err := d.WriteTo(&b)
	return b.Bytes(), err
}

// benchJob is the job whose result all documents are.
const benchJob = "204a39e4-dd10-4c83-a978-0cee4af8cde2"

// answer wraps content into the job as GET /job answers it.
func answer(content []byte) []byte {
	return fmt.Appendf(nil, `{"status":"Completed","result":{"response_type":"parse","job_id":%q,"duration":12.25,`+
		`"pdf_url":null,"studio_link":"https://studio.reducto.test/job/1",`+
		`"usage":{"num_pages":12,"credits":18.5,"credit_breakdown":{"page":18.5},"page_billing_breakdown":{"1":["page"]}},`+
		`"result":%s,"document_properties":null,"parse_mode":"base"},"progress":null,"reason":null}`, benchJob, content)
}

// link is content that lies behind a URL.
func link(url string) []byte {
	return fmt.Appendf(nil, `{"type":"url","url":%s,"result_id":%q}`, strconv.Quote(url), benchJob)
}
