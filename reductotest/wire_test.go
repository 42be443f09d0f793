package reductotest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestGzipCompressesResultsIfAccepted(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		d := reductotest.GeneratedDocument{Bytes: 200_000}
		raw, _ := generated(t, d)
		large := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Result: d})
		small := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: strings.Repeat("Dear reader. ", 9000)})
		for _, id := range []string{large, small} {
			link := resultURL(t, srv, id)
			whole := map[string]bool{}
			for _, accept := range []string{"", "gzip", "br, GZIP;q=0.5", "identity", "gzip;q=0", "gzip;q=x"} {
				req, err := http.NewRequest("GET", link, nil)
				require.NoError(t, err)
				if accept != "" { // Go's transport asks for gzip otherwise, and reads it
					req.Header.Set("Accept-Encoding", accept)
				}
				r, err := send(srv, req)
				require.NoError(t, err)
				zipped := accept == "gzip" || strings.Contains(accept, "0.5")
				assert.Equal(t, zipped, r.Header.Get("Content-Encoding") == "gzip", accept)
				assert.Equal(t, accept == "", r.Uncompressed, accept)
				if zipped {
					assert.Less(t, len(r.body), len(raw)/2)
					assert.EqualValues(t, -1, r.ContentLength)
				} else {
					whole[string(r.body)] = true
				}
			}
			assert.Len(t, whole, 1)
			assert.Equal(t, id == large, whole[string(raw)])
		}
	}, reductotest.WithGzip(), reductotest.WithURLResultThreshold(0))
}

// ofTheClient are the names of the client that Server.Client needs. With the client's
// wire types, the fake would repeat the mistakes of the client.
var ofTheClient = []string{"Client", "NewClient", "Option", "WithAPIKey", "WithBaseURL", "WithHTTPClient"}

func TestPackageUsesNoWireTypesOfTheClient(t *testing.T) {
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
			if path == root+"/internal/loopback" {
				continue // has no types
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
