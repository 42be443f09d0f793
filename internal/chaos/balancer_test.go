package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// backend starts a child that answers with its name.
func backend(t *testing.T, status int, name string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, name+" "+r.Header.Get("X-Test")+" "+string(body))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func post(t *testing.T, url, body string) (status int, text string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("X-Test", "header")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return response.StatusCode, string(raw), err
}

func TestBalancer(t *testing.T) {
	t.Parallel()
	f := newBalancer(1)
	f.owner = func(job string) string { return map[string]string{"job-a": "sub-a", "job-b": "sub-b"}[job] }
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)

	status, _, err := post(t, server.URL, "x")
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadGateway, status, "no child is up")

	one, two := backend(t, 200, "one"), backend(t, 200, "two")
	f.add(0, one)
	f.add(1, two)
	seen := map[string]int{}
	for range 50 {
		status, text, err := post(t, server.URL, `{"job_id":"job-a","metadata":{"submission_id":"sub-a"}}`)
		require.NoError(t, err)
		require.Equal(t, 200, status)
		name, rest, _ := strings.Cut(text, " ")
		assert.Equal(t, `header {"job_id":"job-a","metadata":{"submission_id":"sub-a"}}`, rest)
		seen[name]++
	}
	assert.Len(t, seen, 2, "both receive deliveries")
	assert.Len(t, f.acknowledged(0), 50)
	assert.Len(t, f.acknowledged(48), 2)

	// The submission's token comes with another submission's job, or an unknown job.
	for _, job := range []string{"job-b", "job-c"} {
		_, _, err := post(t, server.URL, `{"job_id":"`+job+`","metadata":{"submission_id":"sub-a"}}`)
		require.NoError(t, err)
	}
	assert.Len(t, f.acknowledged(0), 50)

	// A child that has exited and is still listed breaks the connection.
	f.removeAddress(1, "another address")
	f.removeAddress(1, two)
	gone := httptest.NewServer(http.NotFoundHandler())
	f.add(0, strings.TrimPrefix(gone.URL, "http://"))
	gone.Close()
	_, _, err = post(t, server.URL, "x")
	require.Error(t, err)

	// A refused delivery is not acknowledged.
	f.add(0, backend(t, 401, "refuses"))
	status, _, err = post(t, server.URL, `{"job_id":"job-a","metadata":{"submission_id":"sub-a"}}`)
	require.NoError(t, err)
	assert.Equal(t, 401, status)
	assert.Len(t, f.acknowledged(0), 50)
}
