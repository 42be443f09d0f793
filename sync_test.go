package reducto_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func TestSynchronousCalls(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		ctx := t.Context()
		u, err := client.Upload(ctx, "a.txt", strings.NewReader("number: A-1\ntotal: 12.5"), reducto.UploadOptions{})
		require.NoError(t, err)
		in := reducto.FromUpload(u)

		parsed, err := client.Parse(ctx, reducto.ParseRequest{Input: in, Settings: reducto.Settings{ForceURLResult: true}})
		require.NoError(t, err)
		chunks, err := parsed.Load(ctx)
		require.NoError(t, err)
		assert.NotEmpty(t, chunks)

		extracted, err := client.Extract(ctx, reducto.ExtractRequest{Input: in, Instructions: reducto.Instructions{
			Schema: map[string]any{"type": "object", "properties": map[string]any{"number": map[string]any{"type": "string"}}},
		}})
		require.NoError(t, err)
		var v struct{ Number string }
		require.NoError(t, extracted.Decode(ctx, &v))
		assert.Equal(t, "A-1", v.Number)

		split, err := client.Split(ctx, reducto.SplitRequest{Input: in, SplitDescription: []reducto.SplitCategory{{Name: "total", Description: "x"}}})
		require.NoError(t, err)
		assert.NotNil(t, split)
		pipeline, err := client.Pipeline(ctx, reducto.PipelineRequest{Input: in, PipelineID: "p"})
		require.NoError(t, err)
		assert.NotNil(t, pipeline)
		edited, err := client.Edit(ctx, reducto.EditRequest{Input: in, Instructions: "fill it in"})
		require.NoError(t, err)
		assert.NotEmpty(t, edited.DocumentURL)
		class, err := client.Classify(ctx, reducto.ClassifyRequest{Input: in, ClassificationSchema: []reducto.ClassificationCategory{
			{Category: "invoice", Criteria: []string{"total"}}, {Category: "letter", Criteria: []string{"dear"}},
		}})
		require.NoError(t, err)
		assert.Equal(t, "invoice", class.Category)
		assert.Empty(t, srv.UnknownFields())
	})
}

func TestSynchronousCallsThatAnswerWithAJob(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		id := srv.SeedJob(reductotest.SeedJob{Text: "hello"})
		srv.Fault("POST /parse", reductotest.Status(200).JSON(map[string]string{"job_id": id}))
		result, err := client.Parse(t.Context(), parseRequest())
		require.NoError(t, err)
		chunks, err := result.Load(t.Context())
		require.NoError(t, err)
		assert.Contains(t, chunks[0].Content, "hello")
	})
}

func TestSynchronousCallsAreNotSentTwiceByAccident(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		srv.Fault("POST /parse", reductotest.LoseAnswer())
		_, err := client.Parse(t.Context(), parseRequest())
		var lost *reducto.ConnectionError
		require.ErrorAs(t, err, &lost)
		assert.Len(t, srv.RequestsTo("POST /parse"), 1)

		srv.Fault("POST /parse", reductotest.Status(200).JSON(`{"job_id":"a/b"}`), reductotest.Status(200).JSON(`{"result":7,"response_type":"split"}`))
		for range 2 {
			_, err = client.Parse(t.Context(), parseRequest())
			require.Error(t, err)
		}
		before := len(srv.Requests())
		req := parseRequest()
		req.Async.Priority = true
		_, err = client.Parse(t.Context(), req)
		assertRefused(t, srv, err, "Async", before)
		req = parseRequest()
		req.QueuePriority = reducto.QueueBatch
		_, err = client.Parse(t.Context(), req)
		assertRefused(t, srv, err, "QueuePriority", before)
		for _, async := range []reducto.Async{{Priority: true}} {
			_, err = client.Extract(t.Context(), reducto.ExtractRequest{Input: document, Async: async})
			assertRefused(t, srv, err, "Async", before)
			_, err = client.Split(t.Context(), reducto.SplitRequest{Input: document, Async: async})
			assertRefused(t, srv, err, "Async", before)
			_, err = client.Pipeline(t.Context(), reducto.PipelineRequest{Input: document, Async: async})
			assertRefused(t, srv, err, "Async", before)
			_, err = client.Edit(t.Context(), reducto.EditRequest{Input: document, Async: async})
			assertRefused(t, srv, err, "Async", before)
		}
		_, err = client.Classify(t.Context(), reducto.ClassifyRequest{})
		assertRefused(t, srv, err, "Input", before)
	})
}

func TestEditAsyncHidesItsWireShape(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		job, err := client.EditAsync(t.Context(), reducto.EditRequest{
			Input: document, Instructions: "fill it in",
			Async: reducto.Async{Webhook: reducto.NoWebhook(), Metadata: map[string]int{"n": 1}},
		})
		require.NoError(t, err)
		result, err := job.Wait(t.Context())
		require.NoError(t, err)
		assert.NotEmpty(t, result.DocumentURL)
		body := string(srv.RequestsTo("POST /edit_async")[0].Body)
		assert.Contains(t, body, `"mode":"disabled"`)
		assert.Contains(t, body, `"metadata":{"n":1}`)
	})
}

func TestDeletionsVersionAndPortal(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		ctx := t.Context()
		id := srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		require.NoError(t, client.DeleteJob(ctx, id, true))
		assert.Equal(t, "true", srv.RequestsTo("DELETE /job")[0].Query.Get("include_persisted"))
		_, err := client.GetJob(ctx, id)
		require.ErrorIs(t, err, reducto.ErrDeleted)
		require.Error(t, client.DeleteJob(ctx, "a/b", false))

		u, err := client.Upload(ctx, "a.txt", strings.NewReader("x"), reducto.UploadOptions{})
		require.NoError(t, err)
		require.NoError(t, client.DeleteUpload(ctx, u.FileID))
		require.ErrorIs(t, client.DeleteUpload(ctx, u.FileID), reducto.ErrNotFound)
		require.Error(t, client.DeleteUpload(ctx, ""))

		version, err := client.Version(ctx)
		require.NoError(t, err)
		assert.NotEmpty(t, version)
		portal, err := client.ConfigureWebhook(ctx)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(portal), "https://"))
		srv.Fault("GET /version", reductotest.Status(http.StatusOK).JSON(`{"v":1}`))
		_, err = client.Version(ctx)
		require.Error(t, err)
	})
}
