package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// observed calls every method once for all tests, which only read.
var observed = sync.OnceValues(func() (*world, error) {
	root, err := findRoot(".")
	if err != nil {
		return nil, err
	}
	return observe(root)
})

func theWorld(t testing.TB) *world {
	t.Helper()
	w, err := observed()
	require.NoError(t, err)
	return w
}

// documentPaths are the API's documents, which lie beside the repository. Without
// them a test skips, and in CI it fails.
func documentPaths(t testing.TB) []string {
	t.Helper()
	root, err := findRoot(".")
	require.NoError(t, err)
	dir := filepath.Join(root, "..", "shared", "openapi")
	var paths []string
	for _, pattern := range []string{"*.json", "*.yml", "*.yaml"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		missing(t, "no OpenAPI documents to compare with in "+dir)
	}
	return paths
}

// sdkPath is the official Node SDK, as npm installs it in conformance. Without it, or
// without node to read it, a test skips, and in CI it fails.
func sdkPath(t testing.TB) string {
	t.Helper()
	root, err := findRoot(".")
	require.NoError(t, err)
	dir := filepath.Join(root, "conformance", "node_modules", "reductoai")
	_, err = exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(dir)
	}
	if err == nil {
		return dir
	}
	missing(t, "the Node SDK cannot be read: install Node 20 or later, and run npm ci --ignore-scripts in conformance: "+err.Error())
	return ""
}

// missing skips a test for want of something. In CI it fails the test.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" || os.Getenv("REDUCTO_CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// documents are the API's documents.
func documents(t testing.TB) []*document {
	t.Helper()
	var docs []*document
	for _, path := range documentPaths(t) {
		d, err := load(path)
		require.NoError(t, err)
		docs = append(docs, d)
	}
	return docs
}

// value is JSON as a value.
func value(t testing.TB, raw string) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(raw), &v), "%s", raw)
	return v
}

// lines are what is reported of a document besides the closing line.
func lines(t testing.TB, d *document) []string {
	t.Helper()
	found, _, err := compare(d, theWorld(t))
	require.NoError(t, err)
	reasons, err := readReasons(reviewed)
	require.NoError(t, err)
	unexplained, stale := judge(d.version, found, reasons)
	var out []string
	for _, diff := range unexplained {
		out = append(out, diff.String())
	}
	for _, r := range stale {
		out = append(out, r.String())
	}
	return out
}
