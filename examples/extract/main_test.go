package main

import (
	"context"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/report"
)

func TestWithoutAKey(t *testing.T) {
	t.Setenv(reducto.EnvAPIKey, "")
	file := filepath.Join(t.TempDir(), "r.html")
	var out, errs strings.Builder
	require.Zero(t, run(t.Context(), []string{"-report", file}, &out, &errs), errs.String())
	assert.Equal(t, `invoice_number   INV-2026-0118           page 1, high confidence
customer         Okafor & Sons           page 1, high confidence
due              2026-02-28T00:00:00Z    page 1, high confidence
currency         EUR                     page 1, high confidence
lines[0].item    Cordless drill          page 1, high confidence
lines[0].pieces  2                       page 1, high confidence
lines[0].amount  640                     page 1, high confidence
lines[1].item    Drill bits, set of ten  page 1, high confidence
lines[1].pieces  3                       page 1, high confidence
lines[1].amount  58.5                    page 1, high confidence
total            698.5                   page 1, high confidence
`, out.String())
	assert.Contains(t, errs.String(), "REDUCTO_API_KEY is not set")
	assert.Contains(t, errs.String(), "the report is in "+file)
	html, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(html), "<title>invoice.txt</title>")
	assert.Equal(t, 11, strings.Count(string(html), `<a class="place"`))
}

func TestWithAService(t *testing.T) {
	srv := reductotest.NewServer(t, reductotest.OnTCP(), reductotest.WithProcessingTime(0))
	t.Setenv(reducto.EnvAPIKey, srv.APIKey())
	t.Setenv(reducto.EnvBaseURL, srv.URL())
	text := []byte("Invoice number: 7\nTotal: 12.50 EUR")

	extracted := func(t *testing.T, document string, flags ...string) *Invoice {
		t.Helper()
		var out, errs strings.Builder
		require.Zero(t, run(t.Context(), append([]string{"-json", "-report="}, append(flags, document)...), &out, &errs), errs.String())
		invoice := new(Invoice)
		require.NoError(t, json.Unmarshal([]byte(out.String()), invoice))
		return invoice
	}
	t.Run("path", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "invoice.txt")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		invoice := extracted(t, path)
		assert.Equal(t, "7", invoice.Number.Value)
		assert.Equal(t, 12.5, invoice.Total.Value)
		assert.Nil(t, invoice.Due.Value)
		require.Len(t, invoice.Total.Citations, 1)
		assert.Equal(t, "Total: 12.50 EUR", invoice.Total.Citations[0].Content)
	})
	srv.PutDocument("https://example.com/invoice.txt?signature=5a1e", text)
	t.Run("URL", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "r.html")
		assert.Equal(t, "7", extracted(t, "https://example.com/invoice.txt?signature=5a1e", "-report", file).Number.Value)
		html, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Contains(t, string(html), "<title>invoice.txt</title>")
		assert.NotContains(t, string(html), "5a1e")
	})
	t.Run("picture", func(t *testing.T) {
		link := srv.Mount("/page.png", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = png.Encode(w, image.NewGray(image.Rect(0, 0, 85, 110)))
		}))
		var blocks []any // of more pages than a report may have
		for page := range report.MaxPages + 1 {
			blocks = append(blocks, map[string]any{
				"type": "Text", "content": "x", "bbox": map[string]any{"left": 0, "top": 0, "width": 1, "height": 1, "page": page + 1},
				"extra": map[string]any{"page_image_url": link},
			})
		}
		srv.NextResult(map[string]any{
			"response_type": "parse", "duration": 1, "usage": map[string]any{"num_pages": 1},
			"result": map[string]any{"type": "full", "chunks": []any{map[string]any{"content": "", "embed": "", "blocks": blocks}}},
		})
		file := filepath.Join(t.TempDir(), "r.html")
		extracted(t, "https://example.com/invoice.txt?signature=5a1e", "-report", file)
		html, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(html), `<image href="data:image/png;base64,`), "the page with the citations")
	})
	assert.Empty(t, srv.UnknownFields())
}

func TestFailures(t *testing.T) {
	t.Setenv(reducto.EnvAPIKey, "")
	fails := func(ctx context.Context, want int, says string, args ...string) {
		t.Helper()
		var errs strings.Builder
		assert.Equal(t, want, run(ctx, args, io.Discard, &errs))
		assert.Contains(t, errs.String(), says)
	}
	fails(t.Context(), 1, "no-such-file", "no-such-file")
	fails(t.Context(), 1, "no-such-directory", "-report", "no-such-directory/r.html")
	fails(t.Context(), 2, "usage", "one", "two")
	fails(t.Context(), 1, "deadline exceeded", "-timeout", "1ms")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	fails(ended, 1, "canceled")
}
