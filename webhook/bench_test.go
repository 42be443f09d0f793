package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook"
)

// benchBody is a delivery as the service sends it, with what a Secret adds.
const benchBody = `{"status":"Completed","job_id":"204a39e4-dd10-4c83-a978-0cee4af8cde2","metadata":{"user_id":"123",` +
	`"secret":"` + testSecret + `","submission_id":"0199a0b4-5b7c-7d52-9d4e-3f5f0c1b2a3d"}}`

// benchWriter is a ResponseWriter that costs nothing, and has what the server's
// has.
type benchWriter struct {
	header http.Header
	status int
}

func (w *benchWriter) Header() http.Header               { return w.header }
func (w *benchWriter) WriteHeader(status int)            { w.status = status }
func (w *benchWriter) Write(p []byte) (int, error)       { return len(p), nil }
func (w *benchWriter) WriteString(s string) (int, error) { return len(s), nil }
func (w *benchWriter) SetReadDeadline(time.Time) error   { return nil }

type benchReader struct{ bytes.Reader }

func (*benchReader) Close() error { return nil }

// serve has h answer body b.N times; next changes the body before each.
func serve(b *testing.B, h http.Handler, body []byte, next func(i int, body []byte)) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://app.test/webhook", nil)
	require.NoError(b, err)
	reader := new(benchReader)
	w := &benchWriter{header: http.Header{}}
	r.ContentLength = int64(len(body))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		next(i, body)
		i++
		reader.Reset(body)
		r.Body = reader
		h.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatalf("answered %d", w.status)
		}
	}
}

func same(int, []byte) {}

// BenchmarkHandler is the cost of a delivery in the process: duplicate reads,
// verifies, parses and finds the job done; first also calls a function that does
// nothing. The others are what a handler written by hand does at least.
func BenchmarkHandler(b *testing.B) {
	secret, err := webhook.NewSecret(testSecret)
	require.NoError(b, err)
	nothing := func(context.Context, *webhook.Delivery) error { return nil }

	b.Run("duplicate", func(b *testing.B) {
		h, err := webhook.NewHandler(secret, nothing)
		require.NoError(b, err)
		serve(b, h, []byte(benchBody), same)
	})
	b.Run("first", func(b *testing.B) {
		h, err := webhook.NewHandler(secret, nothing)
		require.NoError(b, err)
		body := []byte(benchBody)
		at := bytes.Index(body, []byte("0199a0b4"))
		serve(b, h, body, func(i int, body []byte) {
			digits := strconv.AppendInt(nil, int64(10_000_000+i%90_000_000), 10)
			copy(body[at:], digits)
		})
	})
	b.Run("forged", func(b *testing.B) {
		other, err := webhook.NewSecret("canary-other-0123456789")
		require.NoError(b, err)
		h, err := webhook.NewHandler(other, nothing)
		require.NoError(b, err)
		serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			w.WriteHeader(http.StatusOK) // for the loop
		}), []byte(benchBody), same)
	})
	b.Run("peer=ReadAll", func(b *testing.B) {
		serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				b.Fatal(err)
			}
			w.WriteHeader(http.StatusOK)
		}), []byte(benchBody), same)
	})
	b.Run("peer=ReadAll+Unmarshal", func(b *testing.B) {
		serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, err := io.ReadAll(r.Body)
			if err != nil {
				b.Fatal(err)
			}
			var body struct {
				Status   string         `json:"status"`
				JobID    string         `json:"job_id"`
				Metadata map[string]any `json:"metadata"`
			}
			if err := json.Unmarshal(raw, &body); err != nil {
				b.Fatal(err)
			}
			w.WriteHeader(http.StatusOK)
		}), []byte(benchBody), same)
	})
}
