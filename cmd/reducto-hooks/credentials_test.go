package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestKeyComesFromTheFileOfReductosCommand(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.OnTCP(), reductotest.WithAPIKey("the-key"))
	for _, test := range []struct {
		text string
		mode os.FileMode
		code int
		says string
	}{
		{"credentials:\n  reducto-cli:\n    api_key: the-key\n", 0o600, exitDone, ""},
		{"api_key: \"the-key\"\n", 0o600, exitDone, ""},
		{"region: eu\ncredentials: {a: {api_key: the-key, x: [1]}}\napi_key: the-key", 0o600, exitDone, ""},
		{"credentials: {a: {api_key: the-key}}\napi_key: an-older-key", 0o600, exitDone, "2 different keys"},
		{"api_key: the-key\n", 0o644, exitDone, "chmod 600"},
		{"api_key: a-wrong-key\n", 0o600, exitFailure, ""},
		{"region: eu\n", 0o600, exitUsage, "has no api_key"},
		{"api_key: [\n", 0o600, exitUsage, "not YAML"},
		{"api_key: null\n", 0o600, exitUsage, "has no api_key"},
		{"", 0o600, exitUsage, "has no api_key"},
		{strings.Repeat("#", maxSecretFile+1), 0o600, exitUsage, "no file with a key"},
	} {
		s := newShell(t, "REDUCTO_BASE_URL="+srv.URL())
		saveKey(t, s, test.text, test.mode)
		e := s.run("jobs", "list")
		assert.Equal(t, test.code, e.code, "%.40q: %s", test.text, e.stderr)
		assert.Contains(t, e.stderr, test.says)
		if test.code == exitDone && test.says == "" {
			assert.Empty(t, e.stderr)
		}
	}
	s := newShell(t, "REDUCTO_BASE_URL="+srv.URL(), "REDUCTO_API_KEY=the-key")
	saveKey(t, s, "api_key: [", 0o644)
	assert.Empty(t, s.run("jobs", "list").stderr, "the file is not read if the variable is set")
}

func FuzzKeysIn(f *testing.F) {
	for _, text := range []string{
		"", "api_key: k", "credentials:\n  a:\n    api_key: k\n  b:\n    api_key: k\n", "a: &x {api_key: k}\nb: *x", "[", "- api_key: 1", "api_key: {api_key: k}", "? {api_key: a}\n: b",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := keysIn(text)
		if err != nil {
			require.Equal(t, "the file is not YAML", err.Error())
		}
		seen := map[string]bool{}
		for _, k := range keys {
			require.NotEmpty(t, strings.TrimSpace(k))
			require.False(t, seen[k])
			seen[k] = true
		}
	})
}

func TestNewSignerDoesNotRepeatKeys(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "canary-without-id", "id=canary", "a b=canary-canary-canary", "a=canary-canary-canary,a=canary-canary-canary2"} {
		_, err := newSigner(text)
		require.Error(t, err, text)
		assert.NotContains(t, err.Error(), "canary")
	}
}
