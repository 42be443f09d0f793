package reducto_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const modulePath = "github.com/reducto-go/reducto"

// A package of this module links only the standard library and the modules listed here.
// Tests may import more.
var allowedModules = []string{"github.com/google/uuid"}

type listedPackage struct {
	ImportPath string
	Deps       []string
	Standard   bool
	Module     *struct {
		Path string
		Main bool
	}
}

func (p *listedPackage) own() bool { return p.Module != nil && p.Module.Main }

// within reports whether the package is the one at dir in this module, or below it.
func (p *listedPackage) within(dir string) bool {
	path := modulePath + "/" + dir
	return p.ImportPath == path || strings.HasPrefix(p.ImportPath, path+"/")
}

func TestModuleLinksOnlyAllowedDependencies(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)
	require.Contains(t, packages, modulePath)

	own := 0
	for _, p := range packages {
		if !p.own() {
			continue
		}
		own++
		for _, path := range p.Deps {
			dep := packages[path]
			require.NotNil(t, dep, "%s, which %s links, is not listed", path, p.ImportPath)
			if !dep.Standard && !dep.own() {
				assert.Contains(t, allowedModules, dep.Module.Path, "%s links %s", p.ImportPath, path)
			}
		}
		if p.within("reductotest") || p.within("examples") || p.within("webhook/inbox/internal/inboxtest") {
			continue
		}
		assert.NotContains(t, p.Deps, modulePath+"/reductotest", "%s links the test server", p.ImportPath)
	}
	t.Logf("%d packages", own)
}

// listPackages lists the packages of this module without tests, and all packages that
// they link, by import path.
func listPackages(t *testing.T) map[string]*listedPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Deps,Standard,Module", "./...")
	// Without the workspace, as for every user of this module.
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)

	packages := map[string]*listedPackage{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := new(listedPackage)
		err := dec.Decode(p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages[p.ImportPath] = p
	}
}
