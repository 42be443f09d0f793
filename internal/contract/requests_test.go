package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// validator returns a function that validates an instance against a schema of a document.
func validator(t testing.TB, d *document) func(schema string, instance any) error {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, compiler.AddResource("https://api.example.com/openapi", d.root))
	return func(schema string, instance any) error {
		s, err := compiler.Compile("https://api.example.com/openapi" + schemaPrefix + schema)
		if err != nil {
			return err
		}
		return s.Validate(instance)
	}
}

// requestSchema is the schema of an endpoint's body. Where there are several, they
// are those of the synchronous and of the asynchronous form.
func requestSchema(o operation) string {
	for _, s := range o.request {
		for _, ref := range armsOf(s) {
			name := strings.TrimPrefix(ref, schemaPrefix)
			if len(armsOf(s)) == 1 || strings.HasPrefix(name, "Sync") {
				return name
			}
		}
	}
	return ""
}

var sampleKind = regexp.MustCompile(`_(minimal|maximal|svix|no_webhook)\.json$`)

// Every body that the library sends is one that the API's own schema takes: the samples
// of package reducto, and those made by setting every field that there is. A schema
// ignores a member that it does not know; for those, see TestTheLibrarySpeaksTheWholeAPI.
func TestRequestsAreValid(t *testing.T) {
	t.Parallel()
	root, err := findRoot(".")
	require.NoError(t, err)
	paths, err := filepath.Glob(filepath.Join(root, "testdata", "requests", "*.json"))
	require.NoError(t, err)
	bodies := map[string][][]byte{} // by endpoint
	for _, path := range paths {
		raw, err := os.ReadFile(filepath.Clean(path))
		require.NoError(t, err)
		endpoint := "POST /" + sampleKind.ReplaceAllString(filepath.Base(path), "")
		require.Contains(t, theWorld(t).used, endpoint, "a sample of no endpoint")
		bodies[endpoint] = append(bodies[endpoint], raw)
	}
	for _, d := range documents(t) {
		t.Run(d.version, func(t *testing.T) {
			t.Parallel()
			validate := validator(t, d)
			for _, o := range d.operations() {
				schema := requestSchema(o)
				if schema == "" || o.endpoint == "POST /upload" {
					continue
				}
				require.GreaterOrEqual(t, len(bodies[o.endpoint]), 2, "%s needs a minimal and a maximal sample", o.endpoint)
				for _, raw := range bodies[o.endpoint] {
					assert.NoError(t, validate(schema, value(t, string(raw))), "%s against %s", raw, schema)
				}
				for _, s := range theWorld(t).sent {
					if s.endpoint == o.endpoint {
						assert.NoError(t, validate(schema, value(t, string(s.raw))), "%s against %s", s.raw, schema)
					}
				}
			}
		})
	}
}
