package reducto_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func TestBadSubmissionsAreRefusedBeforeSending(t *testing.T) {
	srv := reductotest.NewServer(t)
	mark := &recordingHook{mark: true}
	client := srv.Client()
	marked := srv.Client(reducto.WithSubmitHook(mark))
	with := func(a reducto.Async) reducto.ParseRequest { return reducto.ParseRequest{Input: document, Async: a} }
	tests := []struct {
		name   string
		client *reducto.Client
		req    reducto.ParseRequest
		field  string
	}{
		{"no input", client, reducto.ParseRequest{}, "Input"},
		{"an empty URL", client, reducto.ParseRequest{Input: reducto.URL("")}, "Input"},
		{"a path", client, reducto.ParseRequest{Input: reducto.URL("/tmp/a.pdf")}, "Input"},
		{"no URLs", client, reducto.ParseRequest{Input: reducto.URLs()}, "Input"},
		{"no upload", client, reducto.ParseRequest{Input: reducto.FromUpload(nil)}, "Input"},
		{"a job id with a slash", client, reducto.ParseRequest{Input: reducto.FromJob("../x")}, "Input"},
		{"a webhook without a host", client, with(reducto.Async{Webhook: reducto.DirectWebhook("https:///hook")}), "Async.Webhook"},
		{"a webhook of another scheme", client, with(reducto.Async{Webhook: reducto.DirectWebhook("ftp://host/hook")}), "Async.Webhook"},
		{"an empty webhook", client, with(reducto.Async{Webhook: reducto.DirectWebhook("")}), "Async.Webhook"},
		{"metadata that does not marshal", client, with(reducto.Async{Metadata: make(chan int)}), "Async.Metadata"},
		{"metadata that is no object, with a hook", marked, with(reducto.Async{Metadata: []int{1}}), "Async.Metadata"},
		{"the reserved key secret, with a hook", marked, with(reducto.Async{Metadata: map[string]any{"secret": "x"}}), "Async.Metadata"},
		{"the reserved key submission_id, with a hook", marked, with(reducto.Async{Metadata: map[string]any{"submission_id": "x"}}), "Async.Metadata"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.client.ParseAsync(t.Context(), tt.req)
			assertRefused(t, srv, err, tt.field, 0)
		})
	}
	assert.Empty(t, srv.Requests())
}

func TestMetadataWithoutAHookGoesAsItIs(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		req := parseRequest()
		req.Async.Metadata = []any{1, "two"}
		_, err := client.ParseAsync(t.Context(), req)
		require.NoError(t, err)
		assert.Contains(t, string(srv.RequestsTo("POST /parse_async")[0].Body), `"metadata":[1,"two"]`)
	})
}

func TestJobIDsNeverReachAURLUnescaped(t *testing.T) {
	srv := reductotest.NewServer(t)
	client := srv.Client()
	ctx := t.Context()
	for _, id := range []string{"", "a/b", "../cancel/x", "a\nb", "a b", "..", ".", "a?b", "a#b", "a%2fb", "é", strings.Repeat("a", 129)} {
		_, err := client.GetJob(ctx, id)
		assertRefused(t, srv, err, "job id", 0)
		_, err = client.Wait(ctx, id)
		assertRefused(t, srv, err, "job id", 0)
		assertRefused(t, srv, client.CancelJob(ctx, id), "job id", 0)
		_, err = reducto.Attach[*reducto.ParseResult](client, id).Wait(ctx)
		assertRefused(t, srv, err, "job id", 0)
	}
}

func TestAnswersThatAreNoAnswers(t *testing.T) {
	tests := []struct {
		name  string
		fault reductotest.Fault
		check func(t *testing.T, err error)
	}{
		{"a page", reductotest.HTML(200), func(t *testing.T, err error) {
			assert.ErrorContains(t, err, "check the base URL")
		}},
		{"empty", reductotest.Status(200).Body("application/json", ""), func(t *testing.T, err error) {
			assert.ErrorContains(t, err, "empty")
		}},
		{"truncated", reductotest.Truncate(20), func(t *testing.T, err error) {
			assert.ErrorContains(t, err, "ended early")
		}},
		{"never ends", reductotest.Endless().Every(time.Second), func(t *testing.T, err error) {
			assert.ErrorContains(t, err, "took too long")
		}},
		{"stalls", reductotest.Stall(), func(t *testing.T, err error) {
			assert.ErrorContains(t, err, "took too long")
		}},
		{"another JSON", reductotest.Status(200).JSON(`{"status":7}`), nil},
		{"no job", reductotest.Status(200).JSON(`{"hello":"world"}`), nil},
		{"twice", reductotest.Status(200).Body("application/json", `{"status":"Pending"} {"status":"Completed"}`), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
				client := srv.Client(reducto.WithMaxRetries(0))
				defer client.CloseIdleConnections()
				id := srv.SeedJob(reductotest.SeedJob{})
				srv.Fault("GET /job", tt.fault)
				start := time.Now()
				_, err := client.GetJob(t.Context(), id)
				var lost *reducto.ConnectionError
				require.ErrorAs(t, err, &lost)
				assert.LessOrEqual(t, time.Since(start), reducto.DefaultTimeout)
				if tt.check != nil {
					tt.check(t, err)
				}
			})
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		id := srv.SeedJob(reductotest.SeedJob{})
		for _, status := range []int{301, 302, 307, 308} {
			srv.Fault("GET /job", reductotest.Redirect(status, "http://storage.reducto.test/steal?token=1"))
			_, err := client.GetJob(t.Context(), id)
			var api *reducto.APIError
			require.ErrorAs(t, err, &api)
			assert.Equal(t, status, api.StatusCode)
			assert.ErrorContains(t, err, "storage.reducto.test")
			assert.NotContains(t, err.Error(), "token=1")
		}
		assert.Empty(t, srv.RequestsTo("* storage"), "the key must not follow")
	})
}

func TestDo(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		ctx := t.Context()
		var version string
		require.NoError(t, client.Do(ctx, http.MethodGet, "/version", nil, &version))
		assert.NotEmpty(t, version)
		var page reducto.JobPage
		srv.Fault("GET /jobs", reductotest.Status(503))
		require.NoError(t, client.Do(ctx, http.MethodGet, "/jobs?limit=3", nil, &page))
		assert.Equal(t, "3", srv.RequestsTo("GET /jobs")[1].Query.Get("limit"))

		var accepted struct {
			JobID string `json:"job_id"`
		}
		require.NoError(t, client.Do(ctx, http.MethodPost, "/parse_async", map[string]any{"input": "https://example.com/a.pdf"}, &accepted))
		assert.NotEmpty(t, accepted.JobID)
		before := len(srv.Requests())
		srv.Fault("POST /parse_async", reductotest.Status(500))
		err := client.Do(ctx, http.MethodPost, "/parse_async", map[string]any{"input": "x"}, nil)
		var api *reducto.APIError
		require.ErrorAs(t, err, &api)
		assert.Len(t, srv.Requests(), before+1, "a POST is not repeated")

		for _, path := range []string{"", "jobs", "//evil.example/x", "https://evil.example/", "/%zz"} {
			err := client.Do(ctx, http.MethodGet, path, nil, nil)
			assertRefused(t, srv, err, "path", before+1)
		}
		assertRefused(t, srv, client.Do(ctx, "get it", "/x", nil, nil), "method", before+1)
		var refused *reducto.RequestError
		require.ErrorAs(t, client.Do(ctx, http.MethodPost, "/x", make(chan int), nil), &refused)
	})
}

func TestKeyFunction(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, _ *reducto.Client) {
		broken := errors.New("the vault is sealed")
		key, failure := srv.APIKey(), error(nil)
		client := srv.Client(reducto.WithAPIKeyFunc(func(context.Context) (string, error) { return key, failure }))
		defer client.CloseIdleConnections()
		id := srv.SeedJob(reductotest.SeedJob{})
		_, err := client.GetJob(t.Context(), id)
		require.NoError(t, err)

		srv.SetAPIKey("rotated-key-0123456789")
		_, err = client.GetJob(t.Context(), id)
		require.ErrorIs(t, err, reducto.ErrUnauthorized)
		key = "rotated-key-0123456789"
		_, err = client.GetJob(t.Context(), id)
		require.NoError(t, err)

		before := len(srv.Requests())
		failure = broken
		_, err = client.ParseAsync(t.Context(), parseRequest())
		require.ErrorIs(t, err, broken)
		assertRefused(t, srv, err, "API key", before)
		key, failure = "two\nlines", nil
		_, err = client.GetJob(t.Context(), id)
		assertRefused(t, srv, err, "API key", before)
	})
}
