package reductotest_test

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

const invoice = `# Invoice

Invoice Number: INV-7
Total: $1,575.00
Paid: yes
Tags: red, green

| Description | Quantity | Amount |
|---|---|---|
| Services | 10 | 1,500.00 |
| Materials | 1 | 75 |

## Terms

- pay soon
- thank you` + "\f" + `# Contract

Customer: Acme

The parties agree.`

// upload stores text and returns the id.
func upload(srv *reductotest.Server, text string) string { return srv.PutFile("a.txt", []byte(text)) }

func TestParseResult(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		result := ok(t, srv, "POST", "/parse", m{"input": upload(srv, invoice)})
		for _, key := range []string{"response_type", "job_id", "duration", "pdf_url", "studio_link", "usage", "result"} {
			assert.Contains(t, result, key)
		}
		assert.Equal(t, 2.0, at(t, result, "usage", "num_pages"))
		assert.Equal(t, m{"1": []any{"page"}, "2": []any{"page"}}, at(t, result, "usage", "page_billing_breakdown"))
		assert.Equal(t, "full", at(t, result, "result", "type"))
		chunks := at(t, result, "result", "chunks").([]any)
		require.Len(t, chunks, 1)
		chunk := chunks[0].(m)
		assert.Equal(t, invoice, chunk["content"])
		assert.Equal(t, invoice, chunk["embed"])
		assert.Contains(t, chunk, "enriched")

		var types, contents []string
		for _, b := range chunk["blocks"].([]any) {
			types = append(types, at(t, b, "type").(string))
			contents = append(contents, at(t, b, "content").(string))
			for _, side := range []string{"left", "top", "width", "height"} {
				n := at(t, b, "bbox", side).(float64)
				assert.True(t, n >= 0 && n <= 1, "%s %v", side, n)
			}
			assert.Equal(t, "high", at(t, b, "confidence"))
			assert.Contains(t, b, "image_url")
		}
		assert.Equal(t, []string{"Title", "Key Value", "Table", "Section Header", "List Item", "Title", "Key Value", "Text"}, types)
		assert.Equal(t, strings.ReplaceAll(invoice, "\f", "\n\n"), strings.Join(contents, "\n\n"))
		assert.Equal(t, 2.0, at(t, chunk, "blocks", 5, "bbox", "page"))
	})
}

func TestChunkModes(t *testing.T) {
	for _, test := range []struct {
		mode   string
		size   any
		chunks int
		sep    string
	}{
		{"disabled", nil, 1, ""}, {"page", nil, 2, "\f"}, {"block", nil, 8, "\n\n"}, {"section", nil, 3, "\n\n"},
		{"page_sections", nil, 3, "\n\n"}, {"variable", 60, 5, "\n\n"}, {"variable", nil, 1, "\n\n"},
	} {
		t.Run(fmt.Sprint(test.mode, test.size), func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server) {
				chunking := m{"chunk_mode": test.mode}
				if test.size != nil {
					chunking["chunk_size"] = test.size
				}
				result := ok(t, srv, "POST", "/parse", m{"input": upload(srv, invoice), "retrieval": m{"chunking": chunking}})
				var contents []string
				for _, c := range at(t, result, "result", "chunks").([]any) {
					contents = append(contents, at(t, c, "content").(string))
				}
				assert.Len(t, contents, test.chunks)
				want := invoice
				if test.sep == "\n\n" {
					want = strings.ReplaceAll(invoice, "\f", "\n\n")
				}
				assert.Equal(t, want, strings.Join(contents, test.sep))
			})
		})
	}
}

func TestParseOptions(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		id := upload(srv, "one\f# two\n\nand\fthree\ffour")
		pages := func(pageRange any) any {
			result := ok(t, srv, "POST", "/parse", m{"input": id, "settings": m{"page_range": pageRange}})
			return at(t, result, "result", "chunks", 0, "content")
		}
		assert.Equal(t, "# two\n\nand\fthree", pages(m{"start": 2, "end": 3}))
		assert.Equal(t, "three\ffour", pages(m{"start": 3}))
		assert.Equal(t, "one\ffour", pages([]any{1, 4, 9}))
		assert.Equal(t, "one\fthree\ffour", pages([]any{m{"end": 1}, m{"start": 3, "end": 100}}))
		assert.Equal(t, "one\f# two\n\nand\fthree\ffour", pages([]any{"Sheet 1"}))
		assert.Equal(t, "one\f# two\n\nand\fthree\ffour", pages([]any{}))

		filtered := ok(t, srv, "POST", "/parse", m{"input": id, "retrieval": m{"filter_blocks": []any{"Title"}}})
		assert.Equal(t, "one\n\nand\n\nthree\n\nfour", at(t, filtered, "result", "chunks", 0, "content"))
		assert.Len(t, at(t, filtered, "result", "chunks", 0, "blocks"), 5, "the blocks stay")

		empty := call(t, srv, "POST", "/parse", m{"input": srv.PutFile("a", nil)})
		assert.Equal(t, 422, empty.StatusCode)
		assert.Equal(t, "DOCUMENT_EMPTY", at(t, empty.object(t), "error", "name"))
		blank := ok(t, srv, "POST", "/parse", m{"input": upload(srv, "\n \n"), "retrieval": m{"chunking": m{"chunk_mode": "block"}}})
		assert.Equal(t, []any{}, at(t, blank, "result", "chunks"), "a list, not null")
	})
}

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

func TestPDF(t *testing.T) {
	const page = "BT /F1 12 Tf 72 720 Td (Hello \\(PDF\\)) Tj 0 -14 Td [(Tot) -20 (al: ) 3 <37>] TJ T* (caf\\351 \\\n%x) ' ET"
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		for _, filter := range []string{"", " /Filter /FlateDecode"} {
			id := srv.PutFile("a.pdf", pdfWith(filter, page, "BT (second) Tj ET", "0 0 m (no text) pop"))
			assert.Equal(t, "Hello (PDF)\nTotal: 7\ncafé %x\fsecond", textOf(t, srv, id))
		}
		job := submit(t, srv, "/parse_async", m{"input": srv.PutFile("a.pdf", pdfWith("", page))})
		srv.Complete(job)
		link := at(t, ok(t, srv, "GET", "/job/"+job, nil), "result", "pdf_url").(string)
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

var schema = m{
	"type": "object",
	"$defs": m{
		"Item": m{"type": "object", "properties": m{
			"description": m{"type": "string"}, "quantity": m{"type": "integer"}, "amount": m{"type": "number"}, "missing": m{"type": "string"},
		}},
		"Loop": m{"properties": m{"loop": m{"$ref": "#/$defs/Loop"}}},
	},
	"properties": m{
		"invoice_number": m{"type": "string"},
		"total":          m{"type": []any{"number", "null"}},
		"paid":           m{"anyOf": []any{m{"type": "null"}, m{"type": "boolean"}}},
		"tags":           m{"type": "array", "items": m{"type": "string"}},
		"lineItems":      m{"type": "array", "items": m{"$ref": "#/$defs/Item"}},
		"buyer":          m{"type": "object", "properties": m{"customer": m{}}},
		"due":            m{"type": "string"},
	},
}

func TestExtract(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		result := ok(t, srv, "POST", "/extract", m{"input": upload(srv, invoice), "instructions": m{"schema": schema}})
		assert.Equal(t, "extract", result["response_type"])
		assert.Contains(t, result, "citations")
		assert.Nil(t, result["citations"])
		assert.Equal(t, []any{m{
			"invoice_number": "INV-7", "total": 1575.0, "paid": true, "tags": []any{"red", "green"}, "due": nil,
			"buyer": m{"customer": "Acme"},
			"lineItems": []any{
				m{"description": "Services", "quantity": 10.0, "amount": 1500.0, "missing": nil},
				m{"description": "Materials", "quantity": 1.0, "amount": 75.0, "missing": nil},
			},
		}}, result["result"])
		assert.Equal(t, 15.0, at(t, result, "usage", "num_fields"))

		text, err := json.Marshal(schema)
		require.NoError(t, err)
		asText := ok(t, srv, "POST", "/extract", m{
			"input": upload(srv, invoice), "instructions": m{"schema": string(text)}, "settings": m{"page_range": m{"start": 2}},
		})
		assert.Equal(t, "Acme", at(t, asText, "result", 0, "buyer", "customer"))
		assert.Nil(t, at(t, asText, "result", 0, "total"), "it is on the other page")

		repeated := ok(t, srv, "POST", "/extract", m{
			"input": upload(srv, "Name: a\nAge: 1\n\nName: b\nAge: old\n\nPin: 007\nRate: 0.50\nRate: 2."),
			"instructions": m{"schema": m{"properties": m{
				"people": m{"items": m{"properties": m{"name": m{"type": "string"}, "age": m{"type": "integer"}}}},
				"pin":    m{"type": "integer"}, "rate": m{"type": "array", "items": m{"type": "number"}},
			}}},
		})
		assert.Equal(t, []any{m{
			"people": []any{m{"name": "a", "age": 1.0}, m{"name": "b", "age": nil}}, "pin": 7.0, "rate": []any{0.5, 2.0},
		}}, repeated["result"])
		assert.Equal(t, []any{m{}}, ok(t, srv, "POST", "/extract", m{"input": upload(srv, "x")})["result"])
		ok(t, srv, "POST", "/extract", m{"input": upload(srv, "x"), "instructions": m{"schema": m{
			"$defs": m{"Loop": m{"properties": m{"loop": m{"$ref": "#/$defs/Loop"}}}}, "$ref": "#/$defs/Loop"}}})
	})
}

func TestExtractWithCitations(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := m{"input": upload(srv, invoice), "instructions": m{"schema": schema}, "settings": m{"citations": m{"enabled": true}}}
		result := ok(t, srv, "POST", "/extract", body)
		assert.Equal(t, "v3_extract", result["response_type"])
		assert.NotContains(t, result, "citations")
		total := at(t, result, "result", "total").(m)
		assert.Equal(t, 1575.0, total["value"])
		citation := at(t, total, "citations", 0).(m)
		assert.Equal(t, "Total: $1,575.00", citation["content"])
		assert.Equal(t, "Key Value", citation["type"])
		assert.Equal(t, 1.0, at(t, citation, "bbox", "page"))
		assert.Contains(t, at(t, citation, "parentBlock", "content"), "INV-7")
		assert.Equal(t, m{"value": nil, "citations": []any{}}, at(t, result, "result", "due"))
		assert.Equal(t, "red", at(t, result, "result", "tags", 0, "value"))
		assert.Equal(t, 10.0, at(t, result, "result", "lineItems", 0, "quantity", "value"))
		assert.Equal(t, 2.0, at(t, result, "result", "buyer", "customer", "citations", 0, "bbox", "page"))
	})
}

func TestSplit(t *testing.T) {
	const text = "Cover of the Summary\fInvoice\nNumber: 1\fInvoice\nNumber: 2\fInvoice goes on\nNumber: 2\fnothing"
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		categories := []any{m{"name": "summary", "description": "d"}, m{"name": "Invoice", "description": "d"}, m{"name": "Absent", "description": "d"}}
		body := m{"input": upload(srv, text), "split_description": categories}
		result := ok(t, srv, "POST", "/split", body)
		assert.Equal(t, "split", result["response_type"])
		assert.Equal(t, m{"summary": []any{1.0}, "Invoice": []any{2.0, 3.0, 4.0}, "Absent": []any{}}, at(t, result, "result", "section_mapping"))
		assert.Equal(t, m{"name": "Invoice", "pages": []any{2.0, 3.0, 4.0}, "conf": "high", "partitions": nil}, at(t, result, "result", "splits", 1))
		assert.Equal(t, "low", at(t, result, "result", "splits", 2, "conf"))

		categories[1].(m)["partition_key"] = "number"
		result = ok(t, srv, "POST", "/split", body)
		assert.Nil(t, at(t, result, "result", "section_mapping"))
		assert.Equal(t, []any{
			m{"name": "1", "pages": []any{2.0}, "conf": "high"}, m{"name": "2", "pages": []any{3.0, 4.0}, "conf": "high"},
		}, at(t, result, "result", "splits", 1, "partitions"))

		body["settings"] = m{"deep_split": true}
		result = ok(t, srv, "POST", "/split", body)
		assert.NotContains(t, result["result"], "section_mapping")
		assert.Equal(t, m{"page_number": 1.0, "evidence": "Cover of the Summary", "confidence": "high"}, at(t, result, "result", "splits", 0, "pages", 0))
		assert.Equal(t, 4.0, at(t, result, "result", "splits", 1, "partitions", 1, "pages", 1, "page_number"))

		overlapping := m{"input": upload(srv, "a b\fb"), "split_description": []any{m{"name": "a", "description": "d"}, m{"name": "b", "description": "d"}}}
		assert.Equal(t, []any{1.0, 2.0}, at(t, ok(t, srv, "POST", "/split", overlapping), "result", "splits", 1, "pages"))
		overlapping["settings"] = m{"allow_page_overlap": false}
		assert.Equal(t, []any{2.0}, at(t, ok(t, srv, "POST", "/split", overlapping), "result", "splits", 1, "pages"))
	})
}

func TestPipeline(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := m{"input": upload(srv, invoice), "pipeline_id": "unknown"}
		result := ok(t, srv, "POST", "/pipeline", body)
		assert.Equal(t, "pipeline", result["response_type"])
		assert.Equal(t, "parse", at(t, result, "result", "parse", "response_type"))
		assert.Equal(t, invoice, at(t, result, "result", "parse", "result", "chunks", 0, "content"))
		assert.Equal(t, "INV-7", at(t, result, "result", "extract", "result", 0, "invoice_number"))
		for _, key := range []string{"split", "edit"} {
			assert.Contains(t, result["result"], key)
			assert.Nil(t, at(t, result, "result", key))
		}

		srv.DefinePipeline("both", reductotest.Pipeline{
			Schema: m{"properties": m{"customer": m{"type": "string"}}}, Citations: true,
			Split: []reductotest.PipelineCategory{{Name: "Invoice", PartitionKey: "Invoice number"}, {Name: "Contract"}},
		})
		body["pipeline_id"] = "both"
		result = ok(t, srv, "POST", "/pipeline", body)
		parts := at(t, result, "result", "extract").([]any)
		require.Len(t, parts, 2)
		assert.Equal(t, []any{"Invoice", "INV-7", []any{1.0}},
			[]any{at(t, parts, 0, "split_name"), at(t, parts, 0, "partition"), at(t, parts, 0, "page_range")})
		assert.Equal(t, "v3_extract", at(t, parts, 1, "result", "response_type"))
		assert.Equal(t, "Acme", at(t, parts, 1, "result", "result", "customer", "value"))
		assert.Equal(t, "split", at(t, result, "result", "split", "response_type"))

		srv.DefinePipeline("parse", reductotest.Pipeline{})
		body["pipeline_id"] = "parse"
		assert.Nil(t, at(t, ok(t, srv, "POST", "/pipeline", body), "result", "extract"))
		id := submit(t, srv, "/pipeline_async", body)
		time.Sleep(time.Second)
		assert.Equal(t, "pipeline", at(t, ok(t, srv, "GET", "/job/"+id, nil), "result", "response_type"))
		srv.DefinePipeline("bad", reductotest.Pipeline{Schema: []int{1}})
		body["pipeline_id"] = "bad"
		assert.Equal(t, 400, call(t, srv, "POST", "/pipeline", body).StatusCode)
	})
}

func TestEdit(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		form := []any{m{"bbox": m{"left": 0.0, "top": 0.0, "width": 1.0, "height": 1.0, "page": 1.0}, "description": "d", "type": "text"}}
		id := submit(t, srv, "/edit_async", m{"document_url": upload(srv, "text"), "edit_instructions": "Sign it", "form_schema": form})
		time.Sleep(time.Second)
		result := at(t, ok(t, srv, "GET", "/job/"+id, nil), "result").(m)
		assert.Equal(t, "edit", result["response_type"])
		assert.NotContains(t, result, "result")
		assert.Equal(t, form, result["form_schema"])
		link := result["document_url"].(string)
		assert.Equal(t, "text\n\nSign it\n", string(get(t, srv, link).body))
		time.Sleep(2 * time.Hour)
		assert.Equal(t, 403, get(t, srv, link).StatusCode)
		link = at(t, ok(t, srv, "GET", "/job/"+id, nil), "result", "document_url").(string)
		assert.Equal(t, 200, get(t, srv, link).StatusCode, "each answer has a fresh link")

		pdf := pdfWith("", "BT (x) Tj ET")
		result = ok(t, srv, "POST", "/edit", m{"document_url": srv.PutFile("a.pdf", pdf), "edit_instructions": "x"})
		assert.Equal(t, pdf, get(t, srv, result["document_url"].(string)).body)
	})
}

func TestClassify(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		body := m{
			"input": upload(srv, "Amount due for services.\fThe parties agree to these terms.\f\f\f\freceipt"),
			"classification_schema": []any{
				m{"category": "contract", "criteria": []any{"contains legal terms", "names parties"}},
				m{"category": "invoice", "criteria": []any{"amount due", "has itemized charges"}},
				m{"category": "receipt", "criteria": []any{}},
			},
		}
		result := ok(t, srv, "POST", "/classify", body)
		assert.Equal(t, "classify", result["response_type"])
		assert.Equal(t, "contract", at(t, result, "result", "category"))
		assert.Equal(t, 0.5, at(t, result, "response_confidence", "categories", 1, "confidence"))
		assert.Equal(t, m{"criterion": "amount due", "confidence": "high"},
			at(t, result, "response_confidence", "categories", 1, "criteria_confidence", 0))
		assert.Equal(t, 5.0, at(t, result, "usage", "num_pages"), "the first five by default")
		body["page_range"] = []any{6}
		assert.Equal(t, "receipt", at(t, ok(t, srv, "POST", "/classify", body), "result", "category"))
		assert.Equal(t, "Classify", srv.Jobs()[0].Type)
	})
}
