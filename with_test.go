package reducto_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func TestWithMakesAClientThatDiffers(t *testing.T) {
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
