package main

import (
	"encoding/json"
	"flag"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the children of its own runs.
func TestMain(m *testing.M) {
	if isChild(os.Args) {
		os.Exit(childMain())
	}
	os.Exit(m.Run())
}

// A quick run measures every goal, after it has seen that all contestants agree with
// encoding/json. It asserts no figure.
func TestQuick(t *testing.T) {
	var out strings.Builder
	require.NoError(t, command(t.Context(), []string{"-quick", "-dir", t.TempDir()}, &out, io.Discard))
	rows := strings.Split(out.String(), "\n")
	for _, g := range goals {
		found := 0
		for _, row := range rows {
			what, rest, ok := strings.Cut(row, g.String())
			if ok && strings.TrimSpace(what) == g.what {
				found++
				absent := strings.Contains(rest, errNoPostgres.Error()) || strings.Contains(rest, errNoPeak.Error()) ||
					strings.Contains(rest, errNoRedis.Error())
				assert.True(t, absent || strings.HasSuffix(rest, " met") || strings.HasSuffix(rest, " missed"), row)
			}
		}
		assert.Equal(t, 1, found, g.what)
	}
	for _, peer := range []string{"sonic", "goccy", "go-json-experiment", "stripe-go", "svix", "go-github", "http.DefaultTransport"} {
		assert.Contains(t, out.String(), peer)
	}
	for _, p := range peers() {
		absent := strings.Contains(out.String(), errNoPostgres.Error()) || p.id == "asynq" && strings.Contains(out.String(), errNoRedis.Error())
		assert.True(t, absent || strings.Contains(out.String(), "\n"+p.name+"  "), p.name)
	}
	assert.Contains(t, out.String(), "figures mean nothing")
}

func TestMarkdownOfSomeAreas(t *testing.T) {
	var out strings.Builder
	require.NoError(t, command(t.Context(), []string{"-quick", "-markdown", "-only", "webhook"}, &out, io.Discard))
	assert.Contains(t, out.String(), "| "+goalNamed("secret CPU").what+" | ≤ 0.35 x | ")
	assert.NotContains(t, out.String(), goalNamed("kept 10M").what)
}

func TestCommandRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"-only nothing", "-only decode,nothing", "more", "-quickly"} {
		var progress strings.Builder
		require.Error(t, command(t.Context(), strings.Fields(args), io.Discard, &progress), args)
		assert.Contains(t, progress.String(), "-only", args)
	}
	require.ErrorIs(t, command(t.Context(), []string{"-only", ""}, io.Discard, io.Discard), flag.ErrHelp)
}

func TestGoals(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, g := range goals {
		assert.False(t, ids[g.id], g.id)
		ids[g.id] = true
		assert.Contains(t, areaNames(), g.area, g.id)
		assert.True(t, (g.least > 0) != (g.most > 0), g.id)
	}
	least, most := goal{least: 4, unit: "x"}, goal{most: 8, unit: "MB"}
	assert.Equal(t, "≥ 4.00 x", least.String())
	assert.Equal(t, "≤ 8 MB", most.String())
	assert.True(t, least.met(spread{median: 4}))
	assert.False(t, least.met(spread{median: 3.9, most: 5}))
	assert.True(t, most.met(spread{median: 8}))
	assert.False(t, most.met(spread{median: 8.1, least: 7}))
}

func TestComplete(t *testing.T) {
	t.Parallel()
	r := newRun(quickScale, "", io.Discard)
	require.ErrorContains(t, r.complete([]string{"submit"}), "was not measured")
	for _, g := range goals {
		if g.area == "submit" {
			r.record(g.id, spreadOf([]float64{1}))
		}
	}
	require.NoError(t, r.complete([]string{"submit"}))
	r.leaveOut("for a reason", "no such goal")
	require.ErrorContains(t, r.complete([]string{"submit"}), `no goal "no such goal"`)
}

func TestAbsentFigureSaysWhy(t *testing.T) {
	t.Parallel()
	r := newRun(quickScale, "", io.Discard)
	r.leaveOut("no server", "postgres claim")
	assert.Equal(t, []string{"", "", "no server"}, r.shown(goalNamed("postgres claim")))
}

func TestSpread(t *testing.T) {
	t.Parallel()
	assert.Equal(t, spread{median: 2, least: 1, most: 9, rounds: 3}, spreadOf([]float64{9, 1, 2}))
	assert.Equal(t, spread{median: 2.5, least: 1, most: 4, rounds: 4}, spreadOf([]float64{4, 1, 3, 2}))
	assert.Equal(t, spread{median: 3, least: 2, most: 4, rounds: 2}, ratios([]float64{6, 4}, []float64{3, 1}))
}

// wrong decodes as encoding/json does, and changes something.
func wrong(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if c, ok := v.(*plainContent); ok && err == nil {
		c.Chunks[len(c.Chunks)-1].Blocks[0].BBox.Top += 1e-9
	}
	return err
}

func TestDisagreementEndsTheRun(t *testing.T) {
	t.Parallel()
	_, err := reading{chunked, quickScale.size100K, false}.contestants(t.Context(), []unmarshaler{{"wrong", wrong}})
	var mismatch *mismatchError
	require.ErrorAs(t, err, &mismatch)
	assert.Equal(t, "wrong", mismatch.name)
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, s := range []shape{chunked, oneChunk, mostlyOCR} {
		const size = 200_000
		raw, err := generate(s, size)
		require.NoError(t, err)
		assert.InEpsilon(t, size, len(raw), 0.1)
		var c plainContent
		require.NoError(t, json.Unmarshal(raw, &c))
		switch s {
		case oneChunk:
			assert.Len(t, c.Chunks, 1)
			assert.Greater(t, len(c.Chunks[0].Blocks), 150)
		case mostlyOCR:
			assert.Greater(t, len(c.OCR.Words), 500)
		default:
			assert.Greater(t, len(c.Chunks), 10)
			assert.Nil(t, c.OCR)
		}
	}
}
