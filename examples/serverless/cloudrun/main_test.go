package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/examples/serverless"
	"github.com/reducto-go/reducto/examples/serverless/internal/servicetest"
)

const token = "a token for this test"

func post(h http.Handler, path, name, value string) int {
	r := httptest.NewRequest(http.MethodPost, path, nil)
	r.Header.Set(name, value)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestEachJobIsProcessedOnce(t *testing.T) {
	t.Parallel()
	servicetest.Each(t, func(e *servicetest.Env) {
		e.Program = routes(e.Service, token)
		e.CheckLife(func() {
			require.Equal(e.T, http.StatusOK, post(e.Program, "/run", "Authorization", "Bearer "+token))
		})
	})
}

func TestRunNeedsTheToken(t *testing.T) {
	t.Parallel()
	servicetest.Each(t, func(e *servicetest.Env) {
		h := routes(e.Service, token)
		for _, sent := range []string{"", "Bearer ", "Bearer wrong", "Bearer " + token + "x"} {
			assert.Equal(e.T, http.StatusUnauthorized, post(h, "/run", "Authorization", sent), sent)
		}
		assert.Equal(e.T, http.StatusOK, post(h, "/run", "X-Run-Token", token))
		e.Srv.SetAPIKey("another key")
		require.NoError(e.T, e.Service.Inbox.Track(e.T.Context(), "job_1"))
		require.Eventually(e.T, func() bool { return post(h, "/run", "X-Run-Token", token) == http.StatusInternalServerError },
			10*time.Second, 10*time.Millisecond)
	})
}

// TestProgram runs the server with the configuration of the environment.
func TestProgram(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	_, err := serverless.Open(t.Context())
	require.ErrorContains(t, err, "set DATABASE_URL")
	t.Setenv("DATABASE_URL", servicetest.PostgresURL(t))
	t.Setenv("REDUCTO_API_KEY", "a-key-for-this-test")
	t.Setenv("WEBHOOK_SECRET", "a secret for this test")
	t.Setenv("WEBHOOK_URL", "https://your-app.com/webhook")
	service, err := serverless.Open(t.Context())
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, routes(service, token)) }()
	resp, err := http.Post("http://"+listener.Addr().String()+"/webhook", "application/json", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
	stop()
	require.NoError(t, <-served)
}
