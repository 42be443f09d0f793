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

func TestWithReturnsAChangedCopy(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server, client *reducto.Client) {
		id := srv.SeedJob(reductotest.SeedJob{})
		once, err := client.With(reducto.WithMaxRetries(0), reducto.WithUserAgent("sweeper/1"))
		require.NoError(t, err)
		srv.Fault("GET /job", reductotest.Status(500))
		_, err = once.GetJob(t.Context(), id)
		require.Error(t, err, "it does not retry")
		srv.Fault("GET /job", reductotest.Status(500))
		_, err = client.GetJob(t.Context(), id)
		require.NoError(t, err, "and the other still does")
		assert.Contains(t, srv.RequestsTo("GET /job")[0].Header.Get("User-Agent"), "sweeper/1 ")
		assert.Equal(t, 1, srv.NewConnections(), "they share connections")

		hook := &recordingHook{}
		hooked, err := client.With(reducto.WithSubmitHook(hook))
		require.NoError(t, err)
		_, err = client.ParseAsync(t.Context(), parseRequest())
		require.NoError(t, err)
		assert.Empty(t, hook.before, "the first client has no hooks of the second")
		_, err = hooked.ParseAsync(t.Context(), parseRequest())
		require.NoError(t, err)
		assert.Len(t, hook.before, 1)

		elsewhere, err := client.With(reducto.WithBaseURL("http://other.test/api"))
		require.NoError(t, err)
		_, err = elsewhere.GetJob(t.Context(), id)
		require.Error(t, err)
		other := reductotest.NewServer(t)
		there, err := client.With(reducto.WithHTTPClient(other.HTTPClient()))
		require.NoError(t, err)
		_, err = there.GetJob(t.Context(), id)
		require.ErrorIs(t, err, reducto.ErrNotFound)
		there.CloseIdleConnections()

		for _, bad := range []reducto.Option{nil, reducto.WithMaxRetries(-1), reducto.WithBaseURL("nonsense")} {
			_, err := client.With(bad)
			var refused *reducto.RequestError
			require.ErrorAs(t, err, &refused)
		}
	})
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

func TestDoSendsRequestsToAnyEndpoint(t *testing.T) {
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

func TestKeyFunctionIsCalledForEachAttempt(t *testing.T) {
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

func TestUnusableAnswersAreErrors(t *testing.T) {
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

func TestDeleteVersionAndWebhookPortal(t *testing.T) {
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
