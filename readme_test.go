package reducto_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

func readme(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("README.md")
	require.NoError(t, err)
	return string(raw)
}

// pages are the README and the pages of docs.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("docs", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	texts := map[string]string{}
	for _, path := range append(paths, "README.md") {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		texts[path] = string(raw)
	}
	return texts
}

// Go code in the README and in docs is compiled and tested. A comment on the line before
// a block names its source. The block consists of whole lines of the source, without
// their common indentation:
//
//	<!-- example: ExampleClient_ParseAsync -->   a function in an example_*_test.go
//	<!-- example: examples/minimal/main.go -->   a file
func TestCodeInPagesEqualsExamples(t *testing.T) {
	t.Parallel()
	functions := exampleFunctions(t)
	require.NotEmpty(t, goBlocks(readme(t)))
	for path, text := range pages(t) {
		for _, b := range goBlocks(text) {
			at := fmt.Sprintf("%s:%d", path, b.line)
			if !assert.NotEmpty(t, b.example, "%s: a go block without a comment that names its example", at) {
				continue
			}
			source, ok := functions[b.example]
			if strings.HasSuffix(b.example, ".go") {
				raw, err := os.ReadFile(filepath.FromSlash(b.example))
				ok, source = err == nil, string(raw)
			}
			if assert.True(t, ok, "%s: there is no example %s", at, b.example) {
				assert.True(t, hasLines(source, b.code), "%s: this is not, or no longer, in %s:\n%s", at, b.example, b.code)
			}
		}
	}
}

type goBlock struct {
	line    int
	example string
	code    string
}

var exampleComment = regexp.MustCompile(`^<!-- example: (\S+) -->$`)

func goBlocks(markdown string) []goBlock {
	var blocks []goBlock
	lines := strings.Split(markdown, "\n")
	for i := 0; i < len(lines); i++ {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(lines[i]), "```")
		if !isFence {
			continue
		}
		end := i + 1
		for end < len(lines) && strings.TrimSpace(lines[end]) != "```" {
			end++
		}
		if language, _, _ := strings.Cut(fence, " "); language == "go" || language == "golang" {
			b := goBlock{line: i + 1, code: strings.Join(lines[i+1:end], "\n")}
			if m := exampleComment.FindStringSubmatch(lines[max(0, i-1)]); m != nil {
				b.example = m[1]
			}
			blocks = append(blocks, b)
		}
		i = end
	}
	return blocks
}

// exampleFunctions has the text of each function in the files of examples.
func exampleFunctions(t *testing.T) map[string]string {
	t.Helper()
	functions := map[string]string{}
	paths, err := filepath.Glob("example_*_test.go")
	require.NoError(t, err)
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, raw, parser.ParseComments)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			start := f.Pos()
			if f.Doc != nil {
				start = f.Doc.Pos()
			}
			functions[f.Name.Name] = string(raw[files.Position(start).Offset:files.Position(f.End()).Offset])
		}
	}
	return functions
}

// hasLines reports whether excerpt is a sequence of lines of source, apart from common
// indentation.
func hasLines(source, excerpt string) bool {
	all, want := strings.Split(source, "\n"), dedent(strings.Split(excerpt, "\n"))
	for i := range len(all) - len(want) + 1 {
		if slices.Equal(dedent(all[i:i+len(want)]), want) {
			return true
		}
	}
	return false
}

func dedent(lines []string) []string {
	shared := -1
	for _, l := range lines {
		if l == "" {
			continue
		}
		if tabs := len(l) - len(strings.TrimLeft(l, "\t")); shared < 0 || tabs < shared {
			shared = tabs
		}
	}
	out := slices.Clone(lines)
	for i, l := range out {
		if l != "" {
			out[i] = l[shared:]
		}
	}
	return out
}

func TestHasLinesFindsExcerpts(t *testing.T) {
	t.Parallel()
	source := "func f() {\n\ta()\n\tif b {\n\t\tc()\n\t}\n\n\td()\n}"
	for _, excerpt := range []string{"a()", "\ta()", "if b {\n\tc()\n}", "c()", "}\n\nd()", source} {
		assert.True(t, hasLines(source, excerpt), "%q", excerpt)
	}
	for _, excerpt := range []string{"a", "a()\nc()", "if b {\nc()", "e()", source + "\n", "if b {\n\t\tc()\n}"} {
		assert.False(t, hasLines(source, excerpt), "%q", excerpt)
	}
	blocks := goBlocks("text\n<!-- example: f -->\n```go\na()\n```\n\n```go\nb()\n```\n```sh\n<!-- no comment -->\n```")
	assert.Equal(t, []goBlock{{3, "f", "a()"}, {7, "", "b()"}}, blocks)
}

// docs/configuration.md has every option with its default.
func TestConfigurationPageHasAllOptions(t *testing.T) {
	t.Parallel()
	sections := map[string]string{}
	for section := range strings.SplitSeq(pages(t)[filepath.Join("docs", "configuration.md")], "\n## ") {
		heading, text, _ := strings.Cut(section, "\n")
		sections[heading] = text
	}
	for path, heading := range map[string]string{
		"options.go":                     "Client",
		"webhook/options.go":             "Handler",
		"webhook/inbox/options.go":       "Inbox",
		"webhook/inbox/sqlstore/open.go": "sqlstore",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "With") {
				assert.Contains(t, sections[heading], "`"+f.Name.Name+"`", "the section %s does not have the option", heading)
			}
		}
	}
	for heading, options := range map[string]map[string]string{
		"Client": {
			"WithMaxRetries":       fmt.Sprint(reducto.DefaultMaxRetries),
			"WithMaxRetryAfter":    spelled(reducto.DefaultMaxRetryAfter),
			"WithTimeout":          spelled(reducto.DefaultTimeout),
			"WithSyncTimeout":      spelled(reducto.DefaultSyncTimeout),
			"WithIdleTimeout":      spelled(reducto.DefaultIdleTimeout),
			"WithMaxResponseBytes": fmt.Sprint(reducto.DefaultMaxResponseBytes>>20, " MiB"),
			"WithMaxResultBytes":   fmt.Sprint(reducto.DefaultMaxResultBytes>>30, " GiB"),
			"WithMaxDirectUpload":  fmt.Sprint(reducto.MaxDirectUpload/1_000_000, " MB"),
			"WithAPIKey":           "`" + reducto.EnvAPIKey + "`",
			"WithBaseURL":          "`" + reducto.EnvBaseURL + "`, or the region's",
			"WithRegion":           "`" + string(reducto.RegionUS) + "`",
		},
		"Handler": {
			"WithMaxBodyBytes":     fmt.Sprint(webhook.DefaultMaxBodyBytes>>20, " MiB"),
			"WithReadTimeout":      spelled(webhook.DefaultReadTimeout),
			"WithRetryAfter":       spelled(webhook.DefaultRetryAfter),
			"WithFuncTimeout":      spelled(webhook.DefaultFuncTimeout),
			"WithDuplicateTimeout": spelled(webhook.DefaultDuplicateTimeout),
			"WithDedupWindow":      spelled(webhook.DefaultDedupWindow),
			"WithDedupSize":        fmt.Sprint(webhook.DefaultDedupSize),
		},
		"Inbox": {
			"WithWorkers":         fmt.Sprint(inbox.DefaultWorkers),
			"WithLease":           spelled(inbox.DefaultLease),
			"WithFuncTimeout":     spelled(webhook.DefaultFuncTimeout),
			"WithMinBackoff":      spelled(inbox.DefaultMinBackoff),
			"WithMaxBackoff":      spelled(inbox.DefaultMaxBackoff),
			"WithJobExpiry":       spelled(inbox.DefaultJobExpiry),
			"WithGiveUpBefore":    spelled(inbox.DefaultGiveUpBefore),
			"WithDoneRetention":   spelled(inbox.DefaultDoneRetention),
			"WithDeadRetention":   spelled(inbox.DefaultDeadRetention),
			"WithIntakeTimeout":   spelled(inbox.DefaultIntakeTimeout),
			"WithStoreTimeout":    spelled(inbox.DefaultStoreTimeout),
			"WithHold":            spelled(inbox.DefaultHold),
			"WithPollAfter":       spelled(inbox.DefaultPollAfter),
			"WithPollRate":        fmt.Sprintf("%.0f per second", inbox.DefaultPollRate),
			"WithClaimInterval":   spelled(inbox.DefaultClaimInterval),
			"WithShutdownTimeout": spelled(inbox.DefaultShutdownTimeout),
		},
	} {
		for option, value := range options {
			assert.Contains(t, sections[heading], "| `"+option+"` | "+value+" |", "the default of %s in the section %s", option, heading)
		}
	}
}

// spelled returns a duration as it is written on the page.
func spelled(d time.Duration) string {
	switch {
	case d > 48*time.Hour:
		return fmt.Sprint(d.Hours()/24, " days")
	case d >= time.Hour:
		return fmt.Sprint(d.Hours(), " h")
	case d >= time.Minute:
		return fmt.Sprint(d.Minutes(), " min")
	}
	return fmt.Sprint(d.Seconds(), " s")
}

// Links between pages have a target, and a heading if they name one.
func TestLinksInPages(t *testing.T) {
	t.Parallel()
	code := regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	for path, text := range pages(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := path
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(path), filepath.FromSlash(m[1]))
			}
			raw, err := os.ReadFile(target)
			if assert.NoError(t, err, "%s links to %s", path, m[1]) && m[2] != "" {
				assert.Contains(t, anchors(string(raw)), m[2], "%s links to %s", path, m[0])
			}
		}
	}
}

// anchors returns the link targets of the headings of a page.
func anchors(markdown string) []string {
	var list []string
	for _, m := range regexp.MustCompile("(?m)^#+ (.*)$").FindAllStringSubmatch(markdown, -1) {
		kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		list = append(list, strings.ReplaceAll(kept, " ", "-"))
	}
	return list
}

// The commands in the README are those that CI runs: see .ci/readme.sh.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	text := readme(t)
	assert.Contains(t, text, "<!-- ci:quickstart -->\n```sh\ngo run ./examples/quickstart\n```\n")
	assert.Contains(t, text, "`go test github.com/reducto-go/reducto/...`", "the command for all modules: see .ci/test.sh")
	assert.Contains(t, text, "<!-- ci:test -->\n```sh\ngo test ./...\n```\n")
	assert.LessOrEqual(t, strings.Count(text, "\n"), 220, "it is to be read in five minutes")
}
