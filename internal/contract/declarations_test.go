package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScriptPrintsMethodsAndTheTypesTheyNeed(t *testing.T) {
	t.Parallel()
	raw, err := declare(filepath.Join(sdkPath(t), "..", "typescript"), filepath.Join("testdata", "sdk"))
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"methods":{
			"Tea.run":{"params":[{"name":"body","schema":{"$ref":"#/components/schemas/TeaParams"}},{"name":"options","schema":{}}],
				"result":{"$ref":"#/components/schemas/Tea"}},
			"Kitchen.version":{"params":[{"name":"options","schema":{}}],"result":{"type":"string"}}},
		"types":{
			"TeaParams":{"type":"object","required":["name","cups","inline"],"properties":{
				"name":{"type":"string"},
				"x-hyphen":{"anyOf":[{"type":"string","enum":["a-b","c'd"]},{"type":"null"}]},
				"cups":{"type":"array","items":{"$ref":"#/components/schemas/TeaParams.Cup"}},
				"pots":{"anyOf":[{"type":"array","items":{"type":"array","items":{"type":"string"}}},
					{"type":"array","items":{"anyOf":[{"type":"numeric"},{"type":"boolean"}]}}]},
				"any":{},
				"sugar":{"type":"object","additionalProperties":{"type":"numeric"}},
				"extras":{"anyOf":[{"type":"null"},{"type":"object","additionalProperties":{}}]},
				"inline":{"type":"object","required":["b"],"properties":{"a":{"type":"numeric"},"b":{"type":"boolean"}}},
				"kind":{"type":"string","enum":["green","black"]},
				"options":{}}},
			"TeaParams.Cup":{"type":"object","required":["size"],"properties":{"size":{"anyOf":[{"type":"null"},{"type":"numeric"}]},
				"tea":{"$ref":"#/components/schemas/Tea.Leaf"},"params":{"$ref":"#/components/schemas/TeaParams"}}},
			"Tea":{"type":"object","required":["leaves"],"properties":{"leaves":{"type":"array","items":{"$ref":"#/components/schemas/Tea.Leaf"}}}},
			"Tea.Leaf":{"type":"object","required":["colour"],"properties":{"colour":{"type":"string"}},"additionalProperties":{}}}}`, string(raw))
}

func TestDeclarationsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	compiler := filepath.Join(sdkPath(t), "..", "typescript")
	for text, want := range map[string]string{
		"interface A {":               "error TS1131",
		"interface A { a: Missing }":  "TS2304: Cannot find name 'Missing'",
		"interface A { a(): string }": "no schema of the function",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			text += "\ndeclare class APIPromise<T> { then: T }\ndeclare class B { c(): APIPromise<A> }\nexport {}\n"
			require.NoError(t, os.WriteFile(filepath.Join(dir, "index.d.ts"), []byte(text), 0o600))
			_, err := declare(compiler, dir)
			assert.ErrorContains(t, err, want)
		})
	}
	_, err := declare(t.TempDir(), "testdata")
	assert.ErrorContains(t, err, "run npm ci --ignore-scripts in conformance")
	_, err = readSDK("reductoai", "0.16.0", []byte("["))
	assert.ErrorContains(t, err, "declarations.mjs")
	_, err = load(t.TempDir())
	assert.ErrorContains(t, err, "package.json")
}

// printed is what the script prints of the official Node SDK. It runs once for all tests.
var printed = sync.OnceValues(func() ([]byte, error) {
	root, err := findRoot(".")
	if err != nil {
		return nil, err
	}
	modules := filepath.Join(root, "conformance", "node_modules")
	return declare(filepath.Join(modules, "typescript"), filepath.Join(modules, "reductoai"))
})

// Each change of the declarations makes the check fail, with lines that name it and no
// others. TestChangesAreReported has the changes that documents can have too.
func TestChangesOfTheSDKAreReported(t *testing.T) {
	t.Parallel()
	sdkPath(t)
	raw, err := printed()
	require.NoError(t, err)
	for old, test := range map[string]struct{ changed, want, err string }{
		`"merge_tables":{`: {`"join_tables":{`, "missing request field Formatting.join_tables; extra request field Formatting.merge_tables", ""},
		`"width":{"type":"numeric"}`: {`"width":{"type":"string"}`, "missing request field BoundingBox.width as string; extra request field BoundingBox.width as number;" +
			"missing response field BoundingBox.width as string; extra response field BoundingBox.width as number", ""},
		`"limit":{`:          {`"most":{`, "missing request field GET /jobs?most; extra request field GET /jobs?limit", ""},
		`"Parse.runJob":`:    {`"Parse.walk":`, "", "does not say which endpoint the method Parse.walk calls"},
		`"Job.cancel":`:      {`"Job.get":`, "", "has the method Job.cancel, which is not declared"},
		`"Upload":`:          {`"Load":`, "", "has the type Upload, which is not declared"},
		`"queue_priority":{`: {`"priority":{`, "", "AsyncParseConfig has several types in the SDK"},
	} {
		t.Run(old, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, string(raw), old)
			d, err := readSDK("reductoai", "0.16.0", []byte(strings.Replace(string(raw), old, test.changed, 1)))
			if test.err != "" {
				assert.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			assertLines(t, d, test.want)
		})
	}
}

var (
	jsClass  = regexp.MustCompile(`class (\w+) extends`)
	jsMethod = regexp.MustCompile(`^    (\w+)\(.*\) \{$`)
	jsCall   = regexp.MustCompile("_client\\.(\\w+)\\(['`]([^'`]+)")
)

// The endpoints in sdk.go are those that the SDK's code calls.
func TestSDKEndpointsAreThoseOfItsCode(t *testing.T) {
	t.Parallel()
	found := map[string]string{"Reducto.upload": "POST /upload", "Reducto.apiVersion": "GET /version"}
	paths, err := filepath.Glob(filepath.Join(sdkPath(t), "resources", "*.js"))
	require.NoError(t, err)
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Clean(path))
		require.NoError(t, err)
		class := jsClass.FindStringSubmatch(string(text))
		method := ""
		for line := range strings.Lines(string(text)) {
			if m := jsMethod.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
				method = m[1]
			}
			if call := jsCall.FindStringSubmatch(line); call != nil {
				found[class[1]+"."+method] = strings.ToUpper(call[1]) + " " + strings.ReplaceAll(call[2], "${jobId}", "{job_id}")
			}
		}
	}
	assert.Equal(t, sdkEndpoints, found)
}
