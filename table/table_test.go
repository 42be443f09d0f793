package table_test

import (
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/table"
)

// of returns the table with the content on page 2.
func of(t testing.TB, content string) *table.Table {
	t.Helper()
	got, err := table.Of(blockOf(content))
	require.NoError(t, err)
	return got
}

func blockOf(content string) *reducto.Block {
	return &reducto.Block{Type: reducto.BlockTypeTable, Content: content, BBox: reducto.BoundingBox{Page: 2}}
}

func TestOfRefusesBlocksOfOtherTypes(t *testing.T) {
	t.Parallel()
	for name, block := range map[string]*reducto.Block{
		"nil":  nil,
		"text": {Type: reducto.BlockTypeText, Content: "<table><tr><td>1</td></tr></table>"},
		"none": {Content: "a,b"},
	} {
		got, err := table.Of(block)
		assert.Nil(t, got, name)
		require.ErrorIs(t, err, table.ErrNoTable, name)
	}
	_, err := table.Of(&reducto.Block{Type: reducto.BlockTypeText})
	assert.EqualError(t, err, `table: no table: the block has the type "Text": give a block of the type "Table"`)
}

func TestOfKeepsSpansAndHeadersOfCells(t *testing.T) {
	t.Parallel()
	got := of(t, `<table><tr><th rowspan=2>A</th><th colspan=3>B</th></tr><tr><td colspan=2>c</td><td>d</td></tr></table>`)
	assert.Equal(t, [][]table.Cell{
		{{Text: "A", RowSpan: 2, ColSpan: 1, Header: true}, {Text: "B", RowSpan: 1, ColSpan: 3, Header: true}},
		{{Text: "c", RowSpan: 1, ColSpan: 2}, {Text: "d", RowSpan: 1, ColSpan: 1}},
	}, got.Rows)
	assert.Equal(t, []int{2}, got.Pages)
}

func TestOfReadsThePlacesOfCells(t *testing.T) {
	t.Parallel()
	got := of(t, `[[{"text":"a","bbox":{"x":0.1,"y":0.2,"width":0.3,"height":0.4}},
		{"text":"b","bbox":{"left":0.5,"top":0.6,"width":0.1,"height":0.2,"page":3,"original_page":7}},
		{"text":"c","bbox":{"x":0.5}}, {"text":"d","bbox":[1,2,3,4]}, {"text":"e","bbox":"?"}]]`)
	row := got.Rows[0]
	assert.Equal(t, &reducto.BoundingBox{Left: 0.1, Top: 0.2, Width: 0.3, Height: 0.4, Page: 2}, row[0].BBox)
	assert.Equal(t, &reducto.BoundingBox{Left: 0.5, Top: 0.6, Width: 0.1, Height: 0.2, Page: 3, OriginalPage: 7}, row[1].BBox)
	for _, c := range row[2:] {
		assert.Nil(t, c.BBox, c.Text)
	}
}

// A few bytes of content can ask for a table of any size.
func TestOfLimitsTheSizeOfTables(t *testing.T) {
	row := "<tr>" + strings.Repeat("<td colspan=9>", 1000) + "</tr>"
	for name, content := range map[string]string{
		"columns of one cell":  "<table><tr><td colspan=10001>",
		"columns of a row":     "<table><tr>" + strings.Repeat("<td colspan=9999>", 2),
		"rows and columns":     "<table>" + strings.Repeat(row, 200),
		"tall cells":           "<table><tr>" + strings.Repeat("<td rowspan=60000>", 9000) + strings.Repeat("<tr>", 60000),
		"cells":                strings.Repeat("<td>", 1_000_001),
		"rows":                 "<td>" + strings.Repeat("<tr>", 1_000_001),
		"rows without cells":   strings.Repeat("<tr>", 1_000_001),
		"cells of JSON":        "[[" + strings.Repeat("1,", 1_000_000) + "1]]",
		"repeated text":        "<table><tr><td colspan=9999>" + strings.Repeat("x", 10_000),
		"a row of JSON, twice": "[[" + strings.Repeat("1,", 600_000) + "1],[" + strings.Repeat("1,", 600_000) + "1]]",
	} {
		got, err := table.Of(blockOf(content))
		assert.Nil(t, got, name)
		assert.ErrorIs(t, err, table.ErrTooLarge, name)
	}

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := table.Of(blockOf("<table><tr><td colspan=100000 rowspan=100000>"))
	runtime.ReadMemStats(&after)
	assert.EqualError(t, err, "table: the table is too large: it has more than 10000 columns")
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(512<<10)) // 100,000 columns need megabytes
}

func TestOfReadsDeeplyNestedContent(t *testing.T) {
	t.Parallel()
	got := of(t, strings.Repeat("<table><tr><td>x", 50_000))
	assert.Len(t, got.Rows, 1)
	for _, content := range []string{strings.Repeat("[", 50_000), strings.Repeat(`{"rows":`, 50_000)} {
		_, err := table.Of(blockOf(content))
		assert.ErrorIs(t, err, table.ErrNoTable)
	}
}

func TestErrorsHaveNoContent(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		"secret", "secret,secret\nsecret", "\"secret\"secret,1", `[["secret",`, `{"secret":1}`, `[{"secret":1},{"secret2":2}]`, `[["secret"],"secret"]`,
	} {
		_, err := table.Of(blockOf(content))
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestGridOfATableMadeByHand(t *testing.T) {
	t.Parallel()
	made := &table.Table{Rows: [][]table.Cell{{{Text: "a", ColSpan: 2, RowSpan: -1}}, {{Text: "b"}, {Text: "c"}}}, HeaderRows: 5}
	assert.Equal(t, [][]string{{"a", "a"}, {"b", "c"}}, made.Grid())
	assert.Equal(t, []string{"a b", "a c"}, made.Columns())

	empty := &table.Table{}
	assert.Empty(t, empty.Grid())
	assert.Empty(t, empty.Columns())
	require.NoError(t, empty.WriteCSV(io.Discard))

	huge := &table.Table{Rows: [][]table.Cell{{{Text: "a", ColSpan: math.MaxInt}}}, HeaderRows: 1}
	assert.Nil(t, huge.Grid())
	assert.ErrorIs(t, huge.WriteCSV(io.Discard), table.ErrTooLarge)
	_, err := table.DecodeRows[struct{ A string }](huge)
	assert.ErrorIs(t, err, table.ErrTooLarge)
}

func TestGridDoesNotChangeTheTable(t *testing.T) {
	t.Parallel()
	made := &table.Table{Rows: [][]table.Cell{{{Text: "a", RowSpan: 9}, {Text: "b"}}}}
	grid := made.Grid()
	grid[0][0] = "changed"
	assert.Equal(t, table.Cell{Text: "a", RowSpan: 9}, made.Rows[0][0])
}

func TestColumnsJoinsHeaderRows(t *testing.T) {
	t.Parallel()
	got := of(t, `<table><thead><tr><th rowspan=2>Region</th><th colspan=2>Sales</th></tr><tr><th>2024</th><th> </th></tr></thead><tr><td>N</td><td>1</td><td>2</td></tr></table>`)
	assert.Equal(t, []string{"Region", "Sales 2024", "Sales"}, got.Columns())
	assert.Equal(t, []string{"", ""}, of(t, "<td>1<td>2").Columns())
}

var errWrite = errors.New("disk full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errWrite }

func TestWriteCSVReturnsTheErrorOfTheWriter(t *testing.T) {
	t.Parallel()
	assert.ErrorIs(t, of(t, "a,b").WriteCSV(failingWriter{}), errWrite)
}

func TestAllEndsWithAnErrorOfTheBlocks(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	blocks := func(yield func(*reducto.Block, error) bool) {
		_ = yield(blockOf("a,b"), nil) && yield(&reducto.Block{Type: reducto.BlockTypeText}, nil) &&
			yield(blockOf("c,d"), nil) && yield(nil, broken) && yield(blockOf("e,f"), nil)
	}
	n := 0
	var last error
	for got, err := range table.All(blocks) {
		n++
		last = err
		assert.Equal(t, err == nil, got != nil)
	}
	// The second table may be incomplete.
	assert.Equal(t, 2, n)
	assert.ErrorIs(t, last, broken)
}

func TestAllStopsWhenTheLoopDoes(t *testing.T) {
	t.Parallel()
	read := 0
	blocks := func(yield func(*reducto.Block, error) bool) {
		for range 5 {
			read++
			if !yield(blockOf("a,b"), nil) {
				return
			}
		}
	}
	for range table.All(blocks) {
		break
	}
	assert.Equal(t, 2, read)

	for _, content := range []string{"text", "a,b"} { // stops at an error, and at the table before one
		for range table.All(seq(blockOf(content), blockOf("text"), blockOf("a,b"))) {
			break
		}
	}
	for range table.All(seq(blockOf("a,b"), &reducto.Block{Type: reducto.BlockTypeText}, blockOf("a,b"))) {
		break
	}
}

func TestAllJoinsNoTableBeyondTheLimit(t *testing.T) {
	t.Parallel()
	half := strings.Repeat("<tr><td>", 600_000)
	first, second := blockOf(half), blockOf(half)
	second.BBox.Page++
	n := 0
	for got, err := range table.All(seq(first, second)) {
		require.NoError(t, err)
		assert.Len(t, got.Rows, 600_000)
		n++
	}
	assert.Equal(t, 2, n)
}

// A page range can leave pages out between two that follow each other in the result.
func TestAllJoinsNoTableOfAPageThatIsNotTheNext(t *testing.T) {
	t.Parallel()
	first, second, third := blockOf("<td>1"), blockOf("<td>2"), blockOf("<td>3")
	first.BBox = reducto.BoundingBox{Page: 1, OriginalPage: 1}
	second.BBox = reducto.BoundingBox{Page: 2, OriginalPage: 5}
	third.BBox = reducto.BoundingBox{Page: 3, OriginalPage: 6}
	var pages [][]int
	for got, err := range table.All(seq(first, second, third)) {
		require.NoError(t, err)
		pages = append(pages, got.Pages)
	}
	assert.Equal(t, [][]int{{1}, {2, 3}}, pages)
}
