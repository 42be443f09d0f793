package conformance_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

// testErrors has the SDK run into every class of error that it has.
func (s *sdk) testErrors(t *testing.T) {
	srv := newServer(t)
	input := srv.PutFile("letter.txt", []byte(letter))
	parse := object{"input": input}
	deleted := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: letter})
	err := srv.Client().DeleteJob(t.Context(), deleted, false)
	require.NoError(t, err)

	for _, c := range []struct {
		name    string
		prepare func()
		method  string
		args    []any
		key     string // the server's if empty
		timeout int

		class   string
		status  int // 0 if there was no answer
		message string
		body    string
	}{
		{
			name: "wrong key", method: "parse.run", args: []any{parse}, key: "wrong", class: "AuthenticationError", status: 401,
			message: `401 {"error":{"code":401,"name":"AUTH_ERROR","message":"Invalid access token"},"detail":"Invalid access token"}`,
			body:    `{"error":{"code":401,"name":"AUTH_ERROR","message":"Invalid access token"},"detail":"Invalid access token"}`,
		},
		{
			name: "no such job", method: "job.get", args: []any{"0190b6a4-7a0e-7c3e-8f0e-0a1b2c3d4e5f"}, class: "NotFoundError", status: 404,
			message: `404 {"error":{"code":404,"name":"NOT_FOUND","message":"Job not found"},"detail":"Job not found"}`,
			body:    `{"error":{"code":404,"name":"NOT_FOUND","message":"Job not found"},"detail":"Job not found"}`,
		},
		{
			name: "no such job to cancel", method: "job.cancel", args: []any{"0190b6a4-7a0e-7c3e-8f0e-0a1b2c3d4e5f"}, class: "NotFoundError", status: 404,
			body: `{"error":{"code":404,"name":"NOT_FOUND","message":"Job not found"},"detail":"Job not found"}`,
		},
		{
			name: "no such file", method: "parse.run", args: []any{object{"input": "reducto://0190b6a4-7a0e-7c3e-8f0e-0a1b2c3d4e5f.pdf"}}, class: "NotFoundError", status: 404,
			body: `{"error":{"code":404,"name":"NOT_FOUND","message":"File not found for document_url: reducto://0190b6a4-7a0e-7c3e-8f0e-0a1b2c3d4e5f.pdf"},
				"detail":"File not found for document_url: reducto://0190b6a4-7a0e-7c3e-8f0e-0a1b2c3d4e5f.pdf"}`,
		},
		{
			name: "member is missing", method: "pipeline.run", args: []any{parse}, class: "UnprocessableEntityError", status: 422,
			body: `{"detail":[
				{"type":"missing","loc":["body","V3PipelineConfig","pipeline_id"],"msg":"Field required","input":{"input":"` + input + `"}},
				{"type":"missing","loc":["body","V3PipelineConfigNew","document_url"],"msg":"Field required","input":{"input":"` + input + `"}}]}`,
		},
		{
			name: "value of another type", method: "job.getAll", args: []any{object{"limit": 501}}, class: "UnprocessableEntityError", status: 422,
			body: `{"detail":[{"type":"less_than_equal","loc":["query","limit"],"msg":"Input should be less than or equal to 500","input":501,"ctx":{"le":500}}]}`,
		},
		{
			name: "no reference", method: "parse.run", args: []any{object{"input": "letter.pdf"}}, class: "BadRequestError", status: 400,
			body: `{"error":{"code":400,"name":"INVALID_CONFIG","message":"Invalid document_url: \"letter.pdf\" is not a URL, reducto:// or jobid:// reference"},
				"detail":"Invalid document_url: \"letter.pdf\" is not a URL, reducto:// or jobid:// reference"}`,
		},
		{
			name: "rate limit", prepare: func() { srv.Fault("POST /parse_async", reductotest.Status(429)) },
			method: "parse.runJob", args: []any{parse}, class: "RateLimitError", status: 429,
			message: "429 [CODE 1000] rate limit exceeded, retry with exponential backoff",
			body:    `{"message":"[CODE 1000] rate limit exceeded, retry with exponential backoff"}`,
		},
		{
			name: "rate limit of jobs", prepare: func() { srv.Fault("GET /job", reductotest.Status(429)) },
			method: "job.get", args: []any{deleted}, class: "RateLimitError", status: 429,
			message: "429 [CODE 2000] rate limit exceeded, please use webhooks instead of polling",
			body:    `{"message":"[CODE 2000] rate limit exceeded, please use webhooks instead of polling"}`,
		},
		{
			name: "job being deleted", method: "job.get", args: []any{deleted}, class: "ConflictError", status: 409,
			body: `{"error":{"code":409,"name":"JOB_DELETION_IN_PROGRESS","message":"The job is being deleted"},"detail":"The job is being deleted"}`,
		},
		{
			// The SDK has no class of its own for 410.
			name: "deleted job", prepare: func() { time.Sleep(30 * time.Millisecond) }, method: "job.get", args: []any{deleted}, class: "APIError", status: 410,
			body: `{"error":{"code":410,"name":"JOB_DELETED","message":"The job was deleted"},"detail":"The job was deleted"}`,
		},
		{
			name: "password", prepare: func() { srv.FailNext("The document needs a password", "DOCUMENT_PASSWORD_PROTECTED") },
			method: "parse.run", args: []any{parse}, class: "APIError", status: 442,
			body: `{"error":{"code":442,"name":"DOCUMENT_PASSWORD_PROTECTED","message":"The document needs a password"},"detail":"The document needs a password"}`,
		},
		{
			name: "proxy's page", prepare: func() { srv.Fault("POST /parse", reductotest.HTML(502)) },
			method: "parse.run", args: []any{parse}, class: "InternalServerError", status: 502, body: `null`,
		},
		{
			name: "forbidden", prepare: func() { srv.Fault("POST /parse", reductotest.HTML(403)) },
			method: "parse.run", args: []any{parse}, class: "PermissionDeniedError", status: 403, body: `null`,
		},
		{
			name: "connection dropped", prepare: func() { srv.Fault("POST /parse", reductotest.Drop()) },
			method: "parse.run", args: []any{parse}, class: "APIConnectionError", message: "Connection error.", body: `null`,
		},
		{
			name: "answer too late", prepare: func() { srv.Fault("POST /parse", reductotest.Delay(2*time.Second)) },
			method: "parse.run", args: []any{parse}, timeout: 50, class: "APIConnectionTimeoutError", message: "Request timed out.", body: `null`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.prepare != nil {
				c.prepare()
			}
			if c.key == "" {
				c.key = srv.APIKey()
			}
			a := s.ask(t, srv, clientOptions{key: c.key, timeout: c.timeout}, c.method, c.args...)
			require.NotNil(t, a.Error, "it succeeded: %s", a.Value)
			assert.Contains(t, a.Error.Is, c.class)
			assert.Contains(t, a.Error.Is, "APIError")
			if c.class == "APIError" {
				assert.Equal(t, []string{"APIError", "ReductoError"}, a.Error.Is, "of no other class")
			}
			assert.Equal(t, c.status, a.Status)
			equalJSON(t, c.body, a.Error.Body)
			if c.message != "" {
				assert.Equal(t, c.message, a.Error.Message)
			}
		})
	}

	t.Run("retries", func(t *testing.T) {
		srv := newServer(t)
		srv.Fault("GET /version", reductotest.Status(429).Header("Retry-After", "0"), reductotest.HTML(503).Header("Retry-After", "0"))
		a := s.ask(t, srv, clientOptions{key: srv.APIKey(), retries: 2}, "apiVersion")
		require.Nil(t, a.Error)
		requests := srv.RequestsTo("GET /version")
		require.Len(t, requests, 3)
		for i, want := range []int{429, 503, 200} {
			assert.Equal(t, want, requests[i].StatusCode)
		}
	})
}
