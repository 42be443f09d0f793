package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// runRAG runs the program with REDUCTO_API_KEY as it is set.
func runRAG(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, messages bytes.Buffer
	status = run(t.Context(), args, &out, &messages)
	return status, out.String(), messages.String()
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(raw)
}

// documentsOf counts the passages of each document.
func documentsOf(t *testing.T, lines string) map[string]int {
	t.Helper()
	found := map[string]int{}
	for line := range strings.Lines(lines) {
		var l struct {
			Document, ID, Text string
			Tokens             int
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		assert.NotEmpty(t, l.ID)
		assert.NotEmpty(t, l.Text)
		assert.Positive(t, l.Tokens)
		found[l.Document]++
	}
	return found
}

var ownPassages = map[string]int{"rules.txt": 4, "notice.txt": 2, "manual.txt": 2}

func TestRunsWithoutSettings(t *testing.T) {
	t.Setenv(reducto.EnvAPIKey, "")
	status, stdout, stderr := runRAG(t)
	require.Equal(t, 0, status, stderr)
	assert.Equal(t, ownPassages, documentsOf(t, stdout))
	assert.Contains(t, stderr, "using a Reducto in this process")
	assert.Contains(t, stderr, "3/3")
}

func TestSecondRunSkipsAndRepairs(t *testing.T) {
	t.Setenv(reducto.EnvAPIKey, "")
	out := filepath.Join(t.TempDir(), "passages.jsonl")
	status, _, stderr := runRAG(t, "-out", out)
	require.Equal(t, 0, status, stderr)
	first, state := readFile(t, out), readFile(t, statePath(out))
	require.Equal(t, ownPassages, documentsOf(t, first))

	appendTo := func(path, text string) { require.NoError(t, os.WriteFile(path, []byte(readFile(t, path)+text), 0o600)) }
	appendTo(out, "{\"document\":\"torn.txt\"}\n{\"docum")
	appendTo(statePath(out), `{"document":"torn.txt","jo`)
	status, _, stderr = runRAG(t, "-out", out)
	require.Equal(t, 0, status, stderr)
	assert.Equal(t, first, readFile(t, out))
	assert.Equal(t, state, readFile(t, statePath(out)))

	// The program died before it recorded the last document.
	lines := strings.SplitAfter(state, "\n")
	require.NoError(t, os.WriteFile(statePath(out), []byte(strings.Join(lines[:len(lines)-2], "")), 0o600))
	status, _, stderr = runRAG(t, "-out", out)
	require.Equal(t, 0, status, stderr)
	assert.Equal(t, ownPassages, documentsOf(t, readFile(t, out)), "no passage is missing or there twice")
}

func TestRealAndFakePassagesAreNotMixed(t *testing.T) {
	t.Setenv(reducto.EnvAPIKey, "")
	dir := t.TempDir()
	out := filepath.Join(dir, "passages.jsonl")
	status, _, stderr := runRAG(t, "-out", out)
	require.Equal(t, 0, status, stderr)
	before := readFile(t, out)
	status, _, stderr = runRAG(t, "-out", out, "-tokens", "100")
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "and 400 tokens, and this run uses")

	srv := reductotest.NewServer(t, reductotest.OnTCP(), reductotest.WithProcessingTime(0))
	t.Setenv(reducto.EnvAPIKey, srv.APIKey())
	t.Setenv(reducto.EnvBaseURL, srv.URL())
	status, _, stderr = runRAG(t, "-out", out, "-dir", dir)
	assert.Equal(t, 2, status, "the program's own files are no documents")
	assert.Contains(t, stderr, "there are no documents")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("# A\n\nb"), 0o600))
	status, _, stderr = runRAG(t, "-out", out, "-dir", dir)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "this output is from a run with a Reducto in the process")
	assert.Equal(t, before, readFile(t, out))
	status, _, stderr = runRAG(t, "-out", out)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "-dir is missing")
}

func TestFailedDocumentIsNotSubmittedAgain(t *testing.T) {
	srv := reductotest.NewServer(t, reductotest.OnTCP(), reductotest.WithProcessingTime(0))
	t.Setenv(reducto.EnvAPIKey, srv.APIKey())
	t.Setenv(reducto.EnvBaseURL, srv.URL())
	dir := t.TempDir()
	out := filepath.Join(t.TempDir(), "passages.jsonl")
	for _, name := range []string{"a.txt", "b.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("# A\n\nb"), 0o600))
	}
	srv.FailNext("page 3 cannot be read", "DOCUMENT_CORRUPT")
	status, _, stderr := runRAG(t, "-dir", dir, "-out", out, "-c", "1")
	require.Equal(t, 1, status, stderr)
	assert.Contains(t, stderr, "a.txt: ")
	assert.Contains(t, stderr, "page 3 cannot be read")
	assert.Equal(t, map[string]int{"b.txt": 1}, documentsOf(t, readFile(t, out)))
	status, _, _ = runRAG(t, "-dir", dir, "-out", out)
	assert.Equal(t, 1, status)
	assert.Len(t, srv.Jobs(), 2)
}

func TestInterruptedRunGoesOn(t *testing.T) {
	srv := reductotest.NewServer(t, reductotest.OnTCP(), reductotest.WithProcessingTime(0))
	t.Setenv(reducto.EnvAPIKey, srv.APIKey())
	t.Setenv(reducto.EnvBaseURL, srv.URL())
	dir := t.TempDir()
	out := filepath.Join(t.TempDir(), "passages.jsonl")
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("# A\n\nb"), 0o600))
	}
	srv.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	var stderr bytes.Buffer
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"-dir", dir, "-out", out, "-c", "2"}, &bytes.Buffer{}, &stderr) }()
	require.Eventually(t, func() bool { return strings.Count(readState(out), "job_id") == 2 }, 10*time.Second, 10*time.Millisecond)
	cancel()
	require.Equal(t, 130, <-ended, &stderr)
	assert.Contains(t, stderr.String(), "interrupted: 0 of 3")

	srv.Release()
	status, _, messages := runRAG(t, "-dir", dir, "-out", out)
	require.Equal(t, 0, status, messages)
	assert.Equal(t, map[string]int{"a.txt": 1, "b.txt": 1, "c.txt": 1}, documentsOf(t, readFile(t, out)))
	assert.Len(t, srv.Jobs(), 3, "no document was submitted twice")
}

func readState(out string) string {
	raw, _ := os.ReadFile(statePath(out))
	return string(raw)
}

func TestFilesOfOthersAreRefused(t *testing.T) {
	t.Setenv(reducto.EnvAPIKey, "")
	for name, c := range map[string]struct{ out, state, want string }{
		"passages of another": {"{}\n", "", "has content"},
		"another file":        {"", "hello\n", "is not a state file"},
		"another line":        {"", "{\"api\":\"fake\",\"fake\":true,\"tokens\":400}\n7\n", "is not that of a state file"},
		"too short":           {"", "{\"api\":\"fake\",\"fake\":true,\"tokens\":400}\n{\"document\":\"a\",\"done\":true,\"size\":9}\n", "shorter"},
	} {
		out := filepath.Join(t.TempDir(), "passages.jsonl")
		require.NoError(t, os.WriteFile(out, []byte(c.out), 0o600))
		require.NoError(t, os.WriteFile(statePath(out), []byte(c.state), 0o600))
		status, _, stderr := runRAG(t, "-out", out)
		assert.Equal(t, 2, status, name)
		assert.Contains(t, stderr, c.want, name)
		assert.Equal(t, c.out, readFile(t, out), name)
	}
	for _, args := range [][]string{{"-c", "0"}, {"-tokens", "0"}, {"-what"}, {"scans"}, {"-dir", "scans"}} {
		status, stdout, stderr := runRAG(t, args...)
		assert.Equal(t, 2, status)
		assert.Empty(t, stdout)
		assert.True(t, args[0] != "scans" && args[0] != "-dir" || strings.Contains(stderr, "scans"), stderr)
	}
}
