package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCompleteOffersWordsForThePosition(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for line, want := range map[string]string{
		"":                                 "dev listen trigger jobs inbox completion",
		"in":                               "inbox",
		"jobs ":                            "list get wait cancel",
		"inbox re":                         "replay",
		"inbox list --st":                  "--state",
		"inbox list --state ":              "pending received claimed done dead",
		"inbox list --db x.db --state d":   "done dead",
		"inbox list --db=x.db -n 3 --meta": "--metadata",
		"inbox list --state=d":             "--state=done --state=dead",
		"inbox list --state = d":           "done dead",
		"inbox list --state =":             "pending received claimed done dead",
		"inbox list --json --st":           "--state",
		"trigger ":                         "completed failed cancelled forged duplicate",
		"trigger completed http://x":       "",
		"--json jobs g":                    "get",
		"completion ":                      "bash zsh fish",
		"nonsense ":                        "dev listen trigger jobs inbox completion",
		"--no-such-flag jobs g":            "get",
		"inbox list --db ":                 "",
	} {
		out := s.ok(append([]string{completeCommand}, strings.Split(line, " ")...)...)
		var words []string
		for candidate := range strings.Lines(out) {
			word, help, ok := strings.Cut(strings.TrimSuffix(candidate, "\n"), "\t")
			assert.True(t, ok)
			assert.NotContains(t, help, "\t")
			words = append(words, word)
		}
		assert.Equal(t, want, strings.Join(words, " "), "%q", line)
	}
	assert.NotEmpty(t, s.ok(completeCommand))
}

func TestCompletionOfBash(t *testing.T) {
	t.Parallel()
	script := `source <(reducto-hooks completion bash)
COMP_WORDS=(reducto-hooks inbox list --state d); COMP_CWORD=4
_reducto_hooks; printf '%s\n' "${COMPREPLY[@]}"; complete -p reducto-hooks`
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Env = append(newShell(t).env, "PATH="+filepath.Dir(binary)+":/usr/bin:/bin")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "done\ndead\ncomplete -o default -F _reducto_hooks reducto-hooks\n", string(out))
}

func TestCompletionOfOtherShells(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	assert.True(t, strings.HasPrefix(s.ok("completion", "zsh"), "#compdef reducto-hooks\n"))
	assert.Contains(t, s.ok("completion", "fish"), "complete -c reducto-hooks")
	assert.Equal(t, s.ok("completion", "zsh"), objects(t, s.ok("completion", "zsh", "--json"))[0]["script"])
}
