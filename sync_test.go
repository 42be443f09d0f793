package reducto_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// A scope without a type here reaches the service unchanged.
func TestOtherAgenticScopesAreSent(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		u, err := client.Upload(t.Context(), "a.txt", strings.NewReader("a"), reducto.UploadOptions{})
		require.NoError(t, err)
		req := func(scope reducto.AgenticScopeName) reducto.ParseRequest {
			return reducto.ParseRequest{Input: reducto.FromUpload(u), Enhance: reducto.Enhance{Agentic: []reducto.AgenticScope{
				reducto.TextAgentic{}, reducto.OtherAgentic{Scope: scope, Options: map[string]any{"prompt": "two columns"}},
			}}}
		}
		_, err = client.Parse(t.Context(), req(reducto.AgenticScopeLayout))
		require.NoError(t, err)
		var api *reducto.APIError
		_, err = client.Parse(t.Context(), req("margin-notes"))
		require.ErrorAs(t, err, &api)
		assert.Equal(t, 422, api.StatusCode)
		var scopes []string
		for _, r := range srv.RequestsTo("/parse") {
			var body struct {
				Enhance struct{ Agentic []map[string]string }
			}
			require.NoError(t, json.Unmarshal(r.Body, &body))
			assert.Equal(t, "two columns", body.Enhance.Agentic[1]["prompt"])
			scopes = append(scopes, body.Enhance.Agentic[1]["scope"])
		}
		assert.Equal(t, []string{"layout", "margin-notes"}, scopes)
	})
}

func TestSynchronousCallsReturnResults(t *testing.T) {
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

// The service may make a job of any synchronous call and return its id, maybe with more
// members. The client waits for the job.
func TestSynchronousCallsWaitForAJob(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		ctx := t.Context()
		for endpoint, test := range map[string]struct {
			kind, result string
			call         func() (reducto.Result, error)
		}{
			"POST /parse": {"Parse", `{"job_id":"j","duration":1,"usage":{"num_pages":1},"result":{"type":"full","chunks":[]}}`,
				func() (reducto.Result, error) { return client.Parse(ctx, parseRequest()) }},
			"POST /extract": {"Extract", `{"usage":{"num_pages":1,"num_fields":1},"result":{"a":1}}`,
				func() (reducto.Result, error) {
					return client.Extract(ctx, reducto.ExtractRequest{Input: document, Instructions: instructions})
				}},
			"POST /split": {"Split", `{"usage":{"num_pages":1},"result":{"section_mapping":{"a":[1]},"splits":[]}}`,
				func() (reducto.Result, error) {
					return client.Split(ctx, reducto.SplitRequest{Input: document, SplitDescription: []reducto.SplitCategory{{Name: "a", Description: "b"}}})
				}},
			"POST /pipeline": {"Pipeline", `{"job_id":"j","usage":{"num_pages":1},"result":{"parse":null,"extract":null,"split":null}}`,
				func() (reducto.Result, error) {
					return client.Pipeline(ctx, reducto.PipelineRequest{Input: document, PipelineID: "p"})
				}},
			"POST /edit": {"Edit", `{"document_url":"https://example.com/edited.pdf"}`,
				func() (reducto.Result, error) {
					return client.Edit(ctx, reducto.EditRequest{Input: document, Instructions: "sign it"})
				}},
			"POST /classify": {"Classify", `{"job_id":"j","result":{"category":"invoice"}}`,
				func() (reducto.Result, error) { return client.Classify(ctx, reducto.ClassifyRequest{Input: document}) }},
		} {
			for _, answer := range []string{`{"job_id":"job-7"}`, `{"job_id":"job-7","queue":"batch","eta":null}`} {
				srv.Fault(endpoint, reductotest.Status(200).JSON(answer))
				srv.Fault("GET /job/job-7", reductotest.Status(200).JSON(`{"status":"Pending","type":"`+test.kind+`"}`),
					reductotest.Status(200).JSON(`{"status":"Completed","type":"`+test.kind+`","result":`+test.result+`}`))
				result, err := test.call()
				require.NoError(t, err, endpoint)
				got, err := json.Marshal(result)
				require.NoError(t, err)
				assert.JSONEq(t, test.result, string(got), endpoint)
			}
			srv.Fault(endpoint, reductotest.Status(200).JSON(`{"job_id":"job-7"}`))
			srv.Fault("GET /job/job-7", reductotest.Status(200).JSON(`{"status":"Failed","reason":"no such file"}`))
			_, err := test.call()
			var failed *reducto.JobError
			require.ErrorAs(t, err, &failed, endpoint)
			assert.Equal(t, "no such file", failed.Job.FailureReason())
		}

		id := srv.SeedJob(reductotest.SeedJob{Text: "hello"})
		srv.Fault("POST /parse", reductotest.Status(200).JSON(map[string]string{"job_id": id}))
		result, err := client.Parse(ctx, parseRequest())
		require.NoError(t, err)
		chunks, err := result.Load(ctx)
		require.NoError(t, err)
		assert.Contains(t, chunks[0].Content, "hello")
	})
}

func TestSynchronousCallsAreRetriedOnlyIfNotAccepted(t *testing.T) {
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
		req.QueuePriority = reducto.QueuePriorityBatch
		_, err = client.Parse(t.Context(), req)
		assertRefused(t, srv, err, "QueuePriority", before)
		for _, async := range []reducto.Async{{Priority: true}} {
			_, err = client.Extract(t.Context(), reducto.ExtractRequest{Input: document, Instructions: instructions, Async: async})
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
