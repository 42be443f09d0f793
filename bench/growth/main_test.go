package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// TestMain lets the test binary be the children of its own runs.
func TestMain(m *testing.M) {
	if isChild(os.Args) {
		os.Exit(childMain())
	}
	os.Exit(m.Run())
}

// needServer skips a test without a server. In CI it fails.
func needServer(t *testing.T) *database {
	t.Helper()
	d, err := create(t.Context())
	if errors.Is(err, errNoServer) && os.Getenv("CI") == "" && os.Getenv("REDUCTO_CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.drop(context.Background())) })
	return d
}

// A quick run measures everything and asserts no figure.
func TestQuickWritesThePage(t *testing.T) {
	needServer(t)
	dir := t.TempDir()
	page, err := os.ReadFile("../../docs/performance.md")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "performance.md"), page, 0o600))
	for range 2 { // the second one replaces the sections of the first
		var out strings.Builder
		require.NoError(t, command(t.Context(), []string{"-quick", "-write", dir}, &out, io.Discard))
		written, err := os.ReadFile(filepath.Join(dir, "performance.md"))
		require.NoError(t, err)
		for _, text := range []string{"Stats", "Purge", "Requests of a sweep", "Autovacuums", "Leases lost", "met", "figures mean nothing"} {
			assert.Contains(t, out.String(), text)
			assert.Contains(t, string(written), text)
		}
		assert.Equal(t, 1, strings.Count(string(written), "| List by key |"))
		assert.Contains(t, string(written), "| Speed of decoding a 200 MB result", "the rest of the page")
	}
	svg, err := os.ReadFile(filepath.Join(dir, "growth.svg"))
	require.NoError(t, err)
	assert.Equal(t, 13, strings.Count(string(svg), "<polyline "))
}

// Copies of a record are like those that the store writes, and the store takes them as its own.
func TestFillWritesRecordsAsTheStoreDoes(t *testing.T) {
	t.Parallel()
	d := needServer(t)
	for _, state := range []inbox.State{inbox.StateDone, inbox.StateReceived, inbox.StatePending} {
		require.NoError(t, d.fill(t.Context(), state, 50, 0))
		records, err := d.store.List(t.Context(), inbox.Filter{States: []inbox.State{state}})
		require.NoError(t, err)
		require.Len(t, records, 51, "with the original")
		jobs := map[string]bool{}
		want := records[0]
		for _, r := range records {
			assert.Equal(t, r.SubmissionID, r.Key)
			assert.Equal(t, []string{r.JobID}, r.JobIDs)
			jobs[r.JobID] = true
			owner, err := d.store.List(t.Context(), inbox.Filter{JobID: r.JobID})
			require.NoError(t, err)
			require.Len(t, owner, 1)
			assert.Equal(t, r.Key, owner[0].Key)
			r.Key, r.SubmissionID, r.JobID, r.JobIDs, r.Token = want.Key, want.SubmissionID, want.JobID, want.JobIDs, want.Token
			r.ReadAt = want.ReadAt
			assert.Equal(t, want, r)
		}
		assert.Len(t, jobs, 51)
	}
}

func TestCommandRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"-only nothing", "more", "-quickly"} {
		var progress strings.Builder
		require.Error(t, command(t.Context(), strings.Fields(args), io.Discard, &progress), args)
		assert.Contains(t, progress.String(), "-only", args)
	}
	require.ErrorContains(t, command(t.Context(), []string{"-max", "10000"}, io.Discard, io.Discard), "at least 100000")
}

func TestRewriteNeedsTheSection(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "performance.md")
	require.NoError(t, os.WriteFile(page, []byte("a\n<!-- growth soak -->\nold\n<!-- end of growth soak -->\nb\n"), 0o600))
	require.NoError(t, rewrite(page, "soak", "new\n"))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, "a\n<!-- growth soak -->\n\nnew\n\n<!-- end of growth soak -->\nb\n", string(text))
	require.ErrorContains(t, rewrite(page, "sizes", "new\n"), "<!-- growth sizes -->")
}

func TestBloatIsJudged(t *testing.T) {
	t.Parallel()
	r := &run{scale: quickScale}
	list := make([]sizesOf, 16)
	for i := range list {
		list[i] = sizesOf{records: 10, recordIndexes: 10, jobs: 10, indexes: 10, claim: 10}
	}
	verdict := func() string {
		found, err := r.bloat(list, 1)
		require.NoError(t, err)
		row := found.tables[0][len(found.tables[0])-1]
		return row[len(row)-1]
	}
	assert.Equal(t, "met", verdict())
	for i := range list {
		list[i].indexes += float64(i) // from 15.5 to 23.5
	}
	assert.Equal(t, "missed", verdict())
}
