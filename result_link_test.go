package reducto_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// linkedParse returns a finished parse job with its content behind a URL.
func linkedParse(t *testing.T, client *reducto.Client, text string) *reducto.ParseResult {
	t.Helper()
	u, err := client.Upload(t.Context(), "a.txt", strings.NewReader(text), reducto.UploadOptions{})
	require.NoError(t, err)
	job, err := client.ParseAsync(t.Context(), reducto.ParseRequest{
		Input:     reducto.FromUpload(u),
		Retrieval: reducto.Retrieval{Chunking: reducto.Chunking{ChunkMode: reducto.ChunkModePage}},
		Settings:  reducto.Settings{ForceURLResult: true},
	})
	require.NoError(t, err)
	result, err := job.Wait(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, result.Link())
	return result
}

func chunkTexts(t *testing.T, r *reducto.ParseResult) []string {
	t.Helper()
	var texts []string
	for chunk, err := range r.Chunks(t.Context()) {
		require.NoError(t, err)
		texts = append(texts, strings.TrimSpace(chunk.Content))
	}
	return texts
}

func TestContentBehindAURLIsReadInThreeForms(t *testing.T) {
	for _, form := range []reductotest.URLBody{reductotest.URLBodyResult, reductotest.URLBodyChunks, reductotest.URLBodyEnvelope} {
		bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
			result := linkedParse(t, client, "one\ftwo\fthree")
			for range 2 {
				assert.Equal(t, []string{"one", "two", "three"}, chunkTexts(t, result), "a second range downloads again")
			}
			assert.Len(t, srv.RequestsTo("GET storage"), 2)
			chunks, err := result.Load(t.Context())
			require.NoError(t, err)
			assert.Len(t, chunks, 3)
			assert.Equal(t, []string{"one", "two", "three"}, chunkTexts(t, result))
			assert.Len(t, srv.RequestsTo("GET storage"), 3, "what was loaded is kept")

			stored, err := json.Marshal(result)
			require.NoError(t, err)
			var again reducto.ParseResult
			require.NoError(t, json.Unmarshal(stored, &again))
			assert.Equal(t, []string{"one", "two", "three"}, chunkTexts(t, &again), "and can be stored")
		}, reductotest.WithURLBody(form))
	}
}

// Scenario 49, the part of the client: an expired link is fetched again.
func TestScenario49_ExpiredLinkIsFetchedAnewOnce(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		result := linkedParse(t, client, "one\ftwo")
		srv.ExpireLinks()
		gets := len(srv.RequestsTo("GET /job"))
		assert.Equal(t, []string{"one", "two"}, chunkTexts(t, result))
		assert.Len(t, srv.RequestsTo("GET /job"), gets+1)

		srv.Fault("GET storage", reductotest.Status(403).Times(2))
		var last error
		for _, err := range result.Blocks(t.Context()) {
			last = err
		}
		require.ErrorIs(t, last, reducto.ErrForbidden)
		assert.NotContains(t, last.Error(), "Signature")
		require.ErrorContains(t, last, "a fresh link was refused too")
		assert.NotContains(t, last.Error(), "get the job again", "that was done")
	})
}

func TestExpiredLinkOfExpiredJobIsErrNotFound(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		result := linkedParse(t, client, "one")
		srv.ExpireLinks()
		srv.Expire(result.JobID)
		_, err := result.Load(t.Context())
		require.ErrorIs(t, err, reducto.ErrNotFound)
	})
}

func TestLostDownloadEndsTheLoop(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		result := linkedParse(t, client, strings.Repeat("some words on a page\f", 2000))
		srv.Fault("GET storage", reductotest.Truncate(200_000))
		n := 0
		var last error
		for _, err := range result.Chunks(t.Context()) {
			if last = err; err == nil {
				n++
			}
		}
		require.Error(t, last)
		assert.Positive(t, n)
		require.ErrorIs(t, last, io.ErrUnexpectedEOF)
		assert.Contains(t, last.Error(), "chunks", "it says how far it came")

		// The download is retried before the first chunk, and if all content is kept.
		srv.Fault("GET storage", reductotest.Truncate(10), reductotest.Status(500), reductotest.Drop())
		_, err := result.Load(t.Context())
		require.NoError(t, err)
	})
}

func TestDownloadEndsWithLoopAndContext(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		result := linkedParse(t, client, strings.Repeat("some words on a page\f", 3000))
		for _, err := range result.Blocks(t.Context()) {
			require.NoError(t, err)
			break
		}
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		var last error
		for _, err := range result.Chunks(ctx) {
			if last = err; err != nil {
				break
			}
			n++
			cancel()
		}
		require.ErrorIs(t, last, context.Canceled)
		assert.Less(t, n, 3000)

		srv.Fault("GET storage", reductotest.Stall())
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := result.Load(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestDownloadsAreLimitedInSize(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
		client := srv.Client(reducto.WithMaxResultBytes(1000), reducto.WithMaxResponseBytes(100_000))
		defer client.CloseIdleConnections()
		result := linkedParse(t, client, strings.Repeat("some words on a page\f", 100))
		_, err := result.Load(t.Context())
		require.ErrorIs(t, err, reducto.ErrTooLarge)
		assert.Len(t, srv.RequestsTo("GET storage"), 1)

		srv.Fault("GET /job", reductotest.Endless())
		_, err = client.GetJob(t.Context(), result.JobID)
		require.ErrorIs(t, err, reducto.ErrTooLarge)
	})
}

func TestExtractionBehindAURLIsDecoded(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		u, err := client.Upload(t.Context(), "a.txt", strings.NewReader("number: A-1\ntotal: 12.5"), reducto.UploadOptions{})
		require.NoError(t, err)
		for _, citations := range []bool{false, true} {
			req := reducto.ExtractRequest{
				Input: reducto.FromUpload(u),
				Instructions: reducto.Instructions{Schema: map[string]any{"type": "object", "properties": map[string]any{
					"number": map[string]any{"type": "string"}, "total": map[string]any{"type": "number"},
				}}},
			}
			req.Settings.ForceURLResult = true
			req.Settings.Citations.Enabled = citations
			job, err := client.ExtractAsync(t.Context(), req)
			require.NoError(t, err)
			result, err := job.Wait(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, result.Link())
			srv.ExpireLinks()
			var invoice struct {
				Number string                 `json:"number"`
				Total  reducto.Cited[float64] `json:"total"`
			}
			require.NoError(t, result.Decode(t.Context(), &invoice))
			assert.Equal(t, "A-1", invoice.Number)
			assert.InDelta(t, 12.5, invoice.Total.Value, 0)
			if citations {
				assert.NotEmpty(t, invoice.Total.Citations)
			}
			gets := len(srv.RequestsTo("GET storage"))
			_, err = result.Raw(t.Context())
			require.NoError(t, err)
			assert.Len(t, srv.RequestsTo("GET storage"), gets, "what was downloaded is kept")
		}
	})
}

func TestLinkToALinkIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		result := linkedParse(t, client, "one")
		srv.Fault("GET storage", reductotest.Status(200).JSON(`{"type":"url","url":"https://x.example/y","result_id":"r"}`))
		_, err := result.Load(t.Context())
		require.ErrorContains(t, err, "another URL")
	})
}

func TestDownloadWritesWhatIsBehindALink(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		result := linkedParse(t, client, "one\ftwo")
		srv.Fault("GET storage", reductotest.Status(503))
		var b strings.Builder
		require.NoError(t, client.Download(t.Context(), result.Link(), &b))
		assert.Contains(t, b.String(), `"content":"one"`)
		assert.Empty(t, srv.Violations(), "storage received no key")

		for want, wrote := range map[error]int{errFullDisk: 0, io.ErrUnexpectedEOF: 0, io.ErrShortWrite: 1} {
			w := &failingWriter{n: wrote}
			if wrote == 0 {
				w.err = want
			}
			err := client.Download(t.Context(), result.Link(), w)
			require.ErrorIs(t, err, want)
			assert.ErrorContains(t, err, "the writer failed")
			assert.NotContains(t, err.Error(), "X-Amz")
			assert.Equal(t, 1, w.calls, "no second download")
		}

		small, err := client.With(reducto.WithMaxResultBytes(10))
		require.NoError(t, err)
		require.ErrorIs(t, small.Download(t.Context(), result.Link(), io.Discard), reducto.ErrTooLarge)

		srv.ExpireLinks()
		var refused *reducto.APIError
		require.ErrorAs(t, client.Download(t.Context(), result.Link(), io.Discard), &refused)
		var wrong *reducto.RequestError
		require.ErrorAs(t, client.Download(t.Context(), "", io.Discard), &wrong)
		require.Error(t, client.Download(t.Context(), "reducto://no-url", io.Discard))
	})
}

var errFullDisk = errors.New("disk is full")

type failingWriter struct {
	n     int
	err   error
	calls int
}

func (w *failingWriter) Write([]byte) (int, error) {
	w.calls++
	return w.n, w.err
}
