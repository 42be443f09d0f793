package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func TestWithoutAKey(t *testing.T) {
	t.Setenv(reducto.EnvAPIKey, "")
	var out, errs strings.Builder
	require.Zero(t, run(t.Context(), nil, &out, &errs), errs.String())
	assert.Equal(t, `invoice INV-2026-0118 to Okafor & Sons
   2  Cordless drill               640.00
   3  Drill bits, set of ten        58.50
      total                        698.50
the total was taken from page 1: "Total: 698.50"
`, out.String())
	assert.Contains(t, errs.String(), "REDUCTO_API_KEY is not set")
}

func TestWithAService(t *testing.T) {
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	t.Setenv(reducto.EnvAPIKey, srv.APIKey())
	t.Setenv(reducto.EnvBaseURL, srv.URL())
	text := []byte("Invoice number: 7\nTotal: 12.50 EUR")

	extracted := func(t *testing.T, document string) *Invoice {
		t.Helper()
		var out, errs strings.Builder
		require.Zero(t, run(t.Context(), []string{"-json", document}, &out, &errs), errs.String())
		invoice := new(Invoice)
		require.NoError(t, json.Unmarshal([]byte(out.String()), invoice))
		return invoice
	}
	t.Run("path", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "invoice.txt")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		invoice := extracted(t, path)
		assert.Equal(t, "7", invoice.Number)
		assert.Equal(t, 12.5, invoice.Total.Value)
		require.Len(t, invoice.Total.Citations, 1)
		assert.Equal(t, "Total: 12.50 EUR", invoice.Total.Citations[0].Content)
	})
	t.Run("URL", func(t *testing.T) {
		srv.PutDocument("https://example.com/invoice.txt", text)
		assert.Equal(t, "7", extracted(t, "https://example.com/invoice.txt").Number)
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
	fails(t.Context(), 2, "usage", "one", "two")
	fails(t.Context(), 1, "deadline exceeded", "-timeout", "1ms")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	fails(ended, 1, "canceled")
}
