package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

func TestSourceHasTheConstantsOfThePackage(t *testing.T) {
	t.Parallel()
	s := theWorld(t).source
	assert.NotContains(t, s.constants, "Link", "a type of strings without constants")
	assert.NotContains(t, s.structs, "Client")
	assert.ElementsMatch(t, []string{"Client.Pipeline", "Client.PipelineAsync"}, s.deprecated)
}

func TestSourceOfAFile(t *testing.T) {
	t.Parallel()
	write := func(files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		return dir
	}
	s, err := readSource(write(map[string]string{
		"a.go": "package a\ntype Color string\ntype Size int\nconst Large Size = 1\nconst (\n\tRed Color = \"red\"\n\tBlue, Green Color = `blue`, \"gr\\u00fcn\"\n\tblack Color = \"black\"\n)\n" +
			"const plain = \"x\"\ntype T struct {\n\tA int `json:\"a\"`\n}\ntype u struct {\n\tA int `json:\"a\"`\n}\ntype V struct {\n\tA int `json:\"-\"`\n}\n",
		"b.go":      "package a\nconst Late Color = \"late\"\n",
		"a_test.go": "package a\nconst Test Color = \"test\"\n",
	}))
	require.NoError(t, err)
	assert.Equal(t, &source{constants: map[string][]string{"Color": {"red", "blue", "grün", "late"}}, structs: []string{"T"}}, s)

	for text, want := range map[string]string{
		"package a\ntype Color string\nconst Red Color = \"r\" + \"ed\"\n":                               "a.go:3:7: the value of Red is no plain string",
		"package a\ntype Color string\nconst (\n\tRed Color = \"red\"\n\tBlue, Green Color = \"b\"\n)\n": "a.go:5:2: a constant without a value",
		"package": "expected",
	} {
		_, err := readSource(write(map[string]string{"a.go": text}))
		assert.ErrorContains(t, err, want)
	}
	_, err = readSource(t.TempDir())
	assert.ErrorContains(t, err, "no Go files")
}

// A method that is new has to be put into a list: it cannot be forgotten.
func TestEveryMethodIsListed(t *testing.T) {
	t.Parallel()
	calls := theWorld(t).calls()
	assert.Empty(t, unlisted(calls))
	var without []call
	for _, c := range calls {
		if c.method != "Client.Parse" && c.method != "Handle.Wait" {
			without = append(without, c)
		}
	}
	assert.Equal(t, []string{"Client.Parse", "Handle.Wait"}, unlisted(without))
}

// A type whose values cannot be made is found out, and one that does not know a member of
// its seed.
func TestTypesMustBeKnown(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	type open struct {
		A any `json:"a"`
	}
	for _, of := range []reflect.Type{reflect.TypeFor[chan int](), reflect.TypeFor[open]()} {
		_, err := w.maximal(of)
		assert.ErrorContains(t, err, "teach fill.go one")
	}
	for want, b := range map[string]binding{
		"does not know [colour]": decoded[reducto.EditResult](`{"document_url":"a","colour":"red"}`),
		"not a JSON object":      decoded[reducto.EditResult](`7`),
		"a is not shown":         seen(func(*world) (map[string]any, error) { return map[string]any{"a": ""}, nil }),
		"returns no handle":      accepted("Client.Version"),
	} {
		_, err := b.members(w)
		assert.ErrorContains(t, err, want)
	}
	assert.False(t, knownResult("translate"))
	assert.True(t, knownResult("chart"))
}
