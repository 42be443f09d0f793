package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheLibrarySpeaksTheWholeAPI(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	ok, err := run(&out, ".", false, append(documentPaths(t), sdkPath(t)))
	require.NoError(t, err)
	assert.True(t, ok, "%s", out.String())
	t.Log("\n" + out.String())
}

func TestThePageOfEndpointsIsUpToDate(t *testing.T) {
	t.Parallel()
	root, err := findRoot(".")
	require.NoError(t, err)
	var want strings.Builder
	require.NoError(t, writeTable(&want, theWorld(t)))
	got, err := os.ReadFile(filepath.Join(root, "docs", "endpoints.md"))
	require.NoError(t, err)
	assert.Equal(t, want.String(), string(got), "run: go run ./internal/contract -table > docs/endpoints.md")
	for endpoint := range remarks {
		assert.Contains(t, theWorld(t).used, endpoint, "a remark on what nobody calls")
	}
}

func TestACheckThatFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "next.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"openapi":"3.1.0","info":{"version":"v9"},"paths":{"/tea":{"get":{}}}}`), 0o600))
	var out strings.Builder
	ok, err := run(&out, ".", false, []string{path})
	require.NoError(t, err)
	assert.False(t, ok)
	assert.Contains(t, out.String(), "next.json: missing endpoint GET /tea: the document has it, the library lacks it\n")
	assert.Contains(t, out.String(), "next.json: extra endpoint POST /parse:")
	assert.Contains(t, out.String(), "stale reason, it explains nothing: reasons.txt:")
	assert.Contains(t, out.String(), "\ncompared: 1 endpoints, 0 request fields, 0 response fields (0 with types, 0 by examples), 0 enum values, in 1 documents\n")

	_, err = run(&out, ".", false, nil)
	assert.ErrorContains(t, err, "no document")
	_, err = run(&out, ".", false, []string{"nowhere.json"})
	assert.ErrorContains(t, err, "nowhere.json")
	_, err = run(&out, t.TempDir(), false, []string{path})
	assert.ErrorContains(t, err, "run this in its repository")
	ok, err = run(&out, ".", true, nil)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Contains(t, out.String(), "| `POST /parse_async` | `Client.ParseAsync` |")
}
