package reductotest_test

import (
	"fmt"
	"strings"
	"testing"

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

func TestParseReturnsTheTextAndItsBlocks(t *testing.T) {
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

func TestParseChunksByMode(t *testing.T) {
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

func TestParseObeysPageRangeAndFilter(t *testing.T) {
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
