package table_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/table"
)

// section is a part of a case in testdata/tables. Its heading is one of these:
//
//	-- html --               content of a block, in any format
//	-- block TYPE PAGE --    a block of a document
//	-- rows N --             the expected Grid, N rows of it the header
//	-- rows N pages P… --    the expected Grid of a table on these pages
//	-- error --              a part of the expected error
//
// All contents of a case give the same rows. The blocks of a case are one document, and
// its rows and errors are what All yields.
type section struct {
	heading []string
	text    string
}

type tableCase struct {
	name     string
	sections []section
}

var sectionHeading = regexp.MustCompile(`(?m)^-- (.+) --\n`)

// tableCases reads the cases of testdata/tables.
func tableCases(t testing.TB) []tableCase {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "tables", "*.txt"))
	require.NoError(t, err)
	var cases []tableCase
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, text := range strings.Split("\n"+string(raw), "\n=== ")[1:] {
			name, text, _ := strings.Cut(text, "\n")
			c := tableCase{name: strings.TrimSuffix(filepath.Base(path), ".txt") + "/" + name}
			places := sectionHeading.FindAllStringSubmatchIndex(text, -1)
			require.NotEmpty(t, places, c.name)
			for i, at := range places {
				end := len(text)
				if i+1 < len(places) {
					end = places[i+1][0]
				}
				c.sections = append(c.sections, section{strings.Fields(text[at[2]:at[3]]), strings.TrimSuffix(text[at[1]:end], "\n")})
			}
			cases = append(cases, c)
		}
	}
	return cases
}

func TestTablesOfAllFormatsHaveTheExpectedRows(t *testing.T) {
	t.Parallel()
	tables := 0
	for _, c := range tableCases(t) {
		var blocks []*reducto.Block
		var contents, want []section
		for _, s := range c.sections {
			switch s.heading[0] {
			case "block":
				n := len(s.heading) - 1
				page, err := strconv.Atoi(s.heading[n])
				require.NoError(t, err, c.name)
				blocks = append(blocks, &reducto.Block{
					Type:    reducto.BlockType(strings.Join(s.heading[1:n], " ")),
					Content: s.text,
					BBox:    reducto.BoundingBox{Page: page},
				})
			case "rows", "error":
				want = append(want, s)
			default:
				contents = append(contents, s)
			}
		}
		if tables += len(contents); blocks != nil {
			tables += len(want)
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, s := range contents {
				require.Len(t, want, 1)
				got, err := table.Of(&reducto.Block{Type: reducto.BlockTypeTable, Content: s.text})
				checkTable(t, want[0], got, err, strings.Join(s.heading, " "))
			}
			if len(blocks) == 0 {
				return
			}
			n := 0
			for got, err := range table.All(seq(blocks...)) {
				require.Less(t, n, len(want), "an unexpected table")
				checkTable(t, want[n], got, err, fmt.Sprint("table ", n+1))
				n++
			}
			assert.Equal(t, len(want), n, "the number of tables")
		})
	}
	assert.GreaterOrEqual(t, tables, 40)
	t.Logf("%d tables", tables)
}

func checkTable(t *testing.T, want section, got *table.Table, err error, label string) {
	t.Helper()
	if want.heading[0] == "error" {
		require.Error(t, err, label)
		assert.Contains(t, err.Error(), strings.TrimSpace(want.text), label)
		assert.Nil(t, got, label)
		return
	}
	require.NoError(t, err, label)
	var grid [][]string
	for line := range strings.Lines(strings.TrimSpace(want.text)) {
		var row []string
		require.NoError(t, json.Unmarshal([]byte(line), &row), "%s", line)
		grid = append(grid, row)
	}
	assert.Equal(t, grid, got.Grid(), label)
	assert.Equal(t, want.heading[1], fmt.Sprint(got.HeaderRows), "header rows, %s", label)
	if len(want.heading) > 2 {
		assert.Equal(t, strings.Join(want.heading[3:], " "), strings.Trim(fmt.Sprint(got.Pages), "[]"), "pages")
	}
}

// seq yields blocks as ParseResult.Blocks does.
func seq(blocks ...*reducto.Block) iter.Seq2[*reducto.Block, error] {
	return func(yield func(*reducto.Block, error) bool) {
		for _, b := range blocks {
			if !yield(b, nil) {
				return
			}
		}
	}
}
