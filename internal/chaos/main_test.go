package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain makes the test binary the children of its runs.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childFlag {
		os.Exit(childMain())
	}
	os.Exit(m.Run())
}

func TestCommandRefuses(t *testing.T) {
	for _, args := range []string{"-store redis", "-ci -long", "-jobs 0", "-kills -1", "more", "-parallel 0", "-own -ci", "-own -store mysql"} {
		var out strings.Builder
		require.ErrorIs(t, command(t.Context(), strings.Fields(args), &out), flag.ErrHelp, args)
		assert.Contains(t, out.String(), "-seed", args)
	}
	var out strings.Builder
	require.ErrorContains(t, command(t.Context(), []string{"-ci", "-budget", "1m"}, &out), "-budget 1m0s is too short")
	require.ErrorContains(t, command(t.Context(), []string{"-jobs", "200", "-kills", "10", "-duration", "90s"}, &out),
		"-duration 1m30s is too short for 200 jobs and 10 kills")
}

// Without PostgreSQL a single run fails, and its error says what to do. Several runs leave
// it out, but fail in CI.
func TestCommandWithoutPostgres(t *testing.T) {
	t.Setenv("TEST_POSTGRES_URL", "postgres://nobody@127.0.0.1:1/none?sslmode=disable")
	t.Setenv("CI", "")
	t.Setenv("REDUCTO_CI", "")
	runs := four(1, 1, 0, 0, 0)[2:]
	var out strings.Builder
	err := doAll(t.Context(), runs[:1], 1, t.TempDir(), &out)
	require.ErrorContains(t, err, "TEST_POSTGRES_URL")
	out.Reset()
	runs[0].Limit, runs[1].Limit = startTimeout, startTimeout
	require.NoError(t, doAll(t.Context(), runs, 2, t.TempDir(), &out))
	assert.Contains(t, out.String(), "left out: postgres, CompleteTx: no PostgreSQL")
	t.Setenv("CI", "true")
	require.Error(t, doAll(t.Context(), runs, 2, t.TempDir(), &out))
}
