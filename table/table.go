package table

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/reducto-go/reducto"
)

// Limits of a table. A few bytes of content can ask for any number of columns.
const (
	maxColumns  = 10_000
	maxCells    = 1_000_000
	maxRepeated = 64 << 20
)

// ErrNoTable reports that a block is not a table, or that Of cannot read its form.
var ErrNoTable = errors.New("table: no table")

// ErrTooLarge reports a table that exceeds the limits of this package.
var ErrTooLarge = errors.New("table: the table is too large")

// Table is a table as rows of cells. Its methods do not change it.
type Table struct {
	// Rows are the rows in order. A cell that spans several rows is only in the first.
	Rows [][]Cell
	// HeaderRows is the number of rows at the top that are headers. HTML and Markdown mark
	// them. For JSON and CSV, Of assumes 1.
	HeaderRows int
	// Pages are the pages of the table, from 1. All joins tables over several pages.
	Pages []int
}

// Cell is a cell of a table.
type Cell struct {
	// Text is the text of the cell, with newlines between its lines.
	Text string
	// RowSpan and ColSpan are the numbers of rows and columns that the cell covers. They are
	// at least 1, and end where the table or another cell begins. Zero means 1.
	RowSpan, ColSpan int
	// Header reports whether HTML or Markdown marks the cell as a header, of a column or of
	// a row.
	Header bool
	// BBox is the place of the cell, in the format jsonbbox only. Its coordinates are as the
	// API sent them. They may be fractions of the page or of the table, because Reducto's
	// documentation has said both.
	BBox *reducto.BoundingBox
}

// Of returns the table of a block. The error is ErrNoTable if the block has another type
// than reducto.BlockTypeTable, no cells, or content in no known format. It is ErrTooLarge
// if the table exceeds the limits.
func Of(block *reducto.Block) (*Table, error) {
	t, _, err := read(block)
	return t, err
}

// read returns the table of a block and its number of columns.
func read(block *reducto.Block) (*Table, int, error) {
	if block == nil {
		return nil, 0, fmt.Errorf("%w: the block is nil", ErrNoTable)
	}
	if block.Type != reducto.BlockTypeTable {
		return nil, 0, fmt.Errorf("%w: the block has the type %q: give a block of the type %q", ErrNoTable, block.Type, reducto.BlockTypeTable)
	}
	b := builder{page: block.BBox.Page}
	b.read(strings.TrimSpace(strings.TrimPrefix(block.Content, "\ufeff")))
	if b.err != nil {
		return nil, 0, b.err
	}
	width, err := place(b.rows, func(p placed) { p.cell.RowSpan, p.cell.ColSpan = p.rows, p.columns })
	if err != nil {
		return nil, 0, err
	}
	if width == 0 {
		return nil, 0, fmt.Errorf("%w: the content has no cells", ErrNoTable)
	}
	return &Table{Rows: b.rows, HeaderRows: b.headers, Pages: []int{block.BBox.Page}}, width, nil
}

// builder collects the rows of a table.
type builder struct {
	rows    [][]Cell
	headers int // the rows at the top that are headers
	page    int
	cells   int
	err     error // the first one, which ends the reading
}

// read reads content in the format that it has.
func (b *builder) read(content string) {
	switch {
	case content == "":
		b.fail("the content is empty")
	case beginsJSON.MatchString(content) && json.Valid([]byte(content)):
		b.readJSON(content)
	case content[0] != '|' && htmlTag.MatchString(content):
		b.readHTML(content)
	case isMarkdown(content):
		b.readMarkdown(content)
	case beginsJSON.MatchString(content):
		b.fail("the content begins as JSON and is not valid")
	default:
		b.readCSV(content)
	}
}

func (b *builder) fail(reason string) {
	if b.err == nil {
		b.err = fmt.Errorf("%w: %s", ErrNoTable, reason)
	}
}

func (b *builder) addRow() {
	if len(b.rows) == maxCells {
		b.err = errTooManyCells
	}
	b.rows = append(b.rows, nil)
}

// add adds a cell to the last row.
func (b *builder) add(c Cell) {
	if b.cells++; b.cells > maxCells {
		b.err = errTooManyCells
		return
	}
	last := len(b.rows) - 1
	b.rows[last] = append(b.rows[last], c)
}

var errTooManyCells = fmt.Errorf("%w: it has more than %d cells with its spans expanded", ErrTooLarge, maxCells)

// placed is a cell at its place in the grid, with the spans that fit there.
type placed struct {
	cell                       *Cell
	row, column, rows, columns int
}

// place finds the place of each cell, as browsers do, calls at for it, and returns the
// number of columns. It checks the limits before it allocates.
func place(rows [][]Cell, at func(placed)) (int, error) {
	var free []int // for each column, the first row that no cell above covers
	repeated := int64(0)
	for r := range rows {
		column := 0
		for i := range rows[r] {
			p := placed{cell: &rows[r][i], row: r, columns: 1}
			for column < len(free) && free[column] > r {
				column++
			}
			p.column = column
			p.rows = min(max(p.cell.RowSpan, 1), len(rows)-r)
			if wide := p.cell.ColSpan; wide > maxColumns || column+max(wide, 1) > maxColumns {
				return 0, fmt.Errorf("%w: it has more than %d columns", ErrTooLarge, maxColumns)
			}
			for p.columns < p.cell.ColSpan && (column+p.columns >= len(free) || free[column+p.columns] <= r) {
				p.columns++
			}
			repeated += int64(len(p.cell.Text)) * (int64(p.rows)*int64(p.columns) - 1)
			if repeated > maxRepeated {
				return 0, fmt.Errorf("%w: its spans repeat more than %d MiB of text", ErrTooLarge, maxRepeated>>20)
			}
			column += p.columns
			for len(free) < column {
				free = append(free, 0)
			}
			for c := p.column; c < column; c++ {
				free[c] = r + p.rows
			}
			at(p)
		}
		if (r+1)*len(free) > maxCells {
			return 0, errTooManyCells
		}
	}
	return len(free), nil
}

// Grid returns the texts of all rows with the spans expanded. The text of a cell is
// repeated in every place that the cell covers. All rows have the same length. Grid
// returns nil if you changed the table and it exceeds the limits.
func (t *Table) Grid() [][]string {
	grid, _ := t.grid()
	return grid
}

func (t *Table) grid() ([][]string, error) {
	var all []placed
	width, err := place(t.Rows, func(p placed) { all = append(all, p) })
	if err != nil {
		return nil, err
	}
	grid, texts := make([][]string, len(t.Rows)), make([]string, len(t.Rows)*width)
	for r := range grid {
		grid[r], texts = texts[:width:width], texts[width:]
	}
	for _, p := range all {
		for r := p.row; r < p.row+p.rows; r++ {
			for c := p.column; c < p.column+p.columns; c++ {
				grid[r][c] = p.cell.Text
			}
		}
	}
	return grid, nil
}

// Columns returns the name of each column. It is the text of the header. If there are
// several header rows, it is their different texts with spaces between them, such as
// "Sales 2025". Without header rows all names are empty.
func (t *Table) Columns() []string {
	return columnNames(t.Grid(), t.HeaderRows)
}

func columnNames(grid [][]string, headers int) []string {
	if len(grid) == 0 {
		return nil
	}
	names := make([]string, len(grid[0]))
	for c := range names {
		last := ""
		for _, row := range grid[:min(max(headers, 0), len(grid))] {
			if text := strings.TrimSpace(row[c]); text != last {
				names[c] = strings.TrimSpace(names[c] + " " + text)
				last = text
			}
		}
	}
	return names
}

// WriteCSV writes the Grid as CSV, header rows included.
//
// Texts are written as they are. A spreadsheet program may run a text that begins with =,
// +, - or @ as a formula. If documents come from people that you do not trust, import the
// columns as text, or change such cells in Rows before.
func (t *Table) WriteCSV(w io.Writer) error {
	grid, err := t.grid()
	if err != nil {
		return err
	}
	if err := csv.NewWriter(w).WriteAll(grid); err != nil {
		return fmt.Errorf("table: writing CSV: %w", err)
	}
	return nil
}

// readCSV reads CSV. encoding/csv reports rows of different lengths.
func (b *builder) readCSV(content string) {
	r := csv.NewReader(strings.NewReader(content))
	b.headers = 1
	for b.err == nil {
		record, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			b.fail("the content is no HTML, Markdown, JSON or CSV: " + err.Error())
		case len(record) < 2:
			b.fail("the content is no HTML, Markdown or JSON, and has one column as CSV")
		}
		b.addRow()
		for _, text := range record {
			b.add(Cell{Text: text})
		}
	}
}
