package reductotest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ofTheClient is what this package may use of the client: what Server.Client makes
// one with. Its types of requests and results would mirror its mistakes.
var ofTheClient = []string{"Client", "NewClient", "Option", "WithAPIKey", "WithBaseURL", "WithHTTPClient"}

func TestSharesNoTypesOfTheWireWithTheClient(t *testing.T) {
	t.Parallel()
	const root = "github.com/reducto-go/reducto"
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	var used []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		require.NoError(t, err)
		imported := false
		for _, i := range file.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if path == root {
				assert.Nil(t, i.Name, "%s: by its own name", e.Name())
				imported = true
				continue
			}
			assert.False(t, strings.HasPrefix(path, root), "%s imports %s", e.Name(), path)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && imported {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "reducto" {
					used = append(used, s.Sel.Name)
				}
			}
			return true
		})
	}
	assert.NotEmpty(t, used)
	assert.Subset(t, ofTheClient, used)
}
