package table

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/reducto-go/reducto"
)

// All yields the tables among blocks in order, and joins a table that continues on the
// next page. Give it the blocks of ParseResult.Blocks. It keeps one table in memory.
//
// A table continues the one before it if all of this is true:
//
//   - It is on the page after the last page of the other table, counted in the whole
//     document.
//   - Between them are only page headers, page footers and page numbers.
//   - Both have the same number of columns.
//   - Its first rows repeat the other's header rows, or the format marks none of its rows
//     as a header. JSON and CSV mark no headers, so there the header must be repeated.
//
// All removes the repeated header. Tables that Reducto has merged itself, because
// Formatting.MergeTables is set, are one block and stay as they are.
//
// If a table cannot be read, All yields the error and continues. An error of blocks
// ends the loop.
func All(blocks iter.Seq2[*reducto.Block, error]) iter.Seq2[*Table, error] {
	return func(yield func(*Table, error) bool) {
		var last *openTable // the next page may continue it
		flush := func() bool {
			t := last
			last = nil
			return t == nil || yield(t.Table, nil)
		}
		for block, err := range blocks {
			if err != nil {
				yield(nil, err) // without last, whose end may be missing
				return
			}
			switch block.Type {
			case reducto.BlockTypeHeader, reducto.BlockTypeFooter, reducto.BlockTypePageNumber:
			case reducto.BlockTypeTable:
				t, width, err := read(block)
				page := cmp.Or(block.BBox.OriginalPage, block.BBox.Page) // pages of a range may be apart
				if err != nil {
					if !flush() || !yield(nil, fmt.Errorf("%w (page %d)", err, block.BBox.Page)) {
						return
					}
					continue
				}
				if last != nil && last.join(t, width, page) {
					continue
				}
				if !flush() {
					return
				}
				last = &openTable{Table: t, width: width, page: page}
			default:
				if !flush() {
					return
				}
			}
		}
		flush()
	}
}

// openTable is a table that may continue.
type openTable struct {
	*Table
	width int
	page  int // the last page, in the whole document
}

// join adds the rows of t if it continues the table.
func (o *openTable) join(t *Table, width, page int) bool {
	if page != o.page+1 || width != o.width || (len(o.Rows)+len(t.Rows))*width > maxCells {
		return false
	}
	rows := t.Rows
	if n := o.HeaderRows; n > 0 && n <= len(rows) && o.repeats(t) {
		rows = rows[n:]
	} else if t.HeaderRows > 0 {
		return false
	}
	o.Rows = append(o.Rows, rows...)
	o.Pages = append(o.Pages, t.Pages...)
	o.page = page
	return true
}

// repeats reports whether t begins with the header of the table. Cells that span from the
// header into other rows cannot be removed.
func (o *openTable) repeats(t *Table) bool {
	n := o.HeaderRows
	for r, row := range t.Rows[:n] {
		for _, c := range row {
			if r+c.RowSpan > n {
				return false
			}
		}
	}
	header, first := Table{Rows: o.Rows[:n]}, Table{Rows: t.Rows[:n]}
	return slices.EqualFunc(header.Grid(), first.Grid(), slices.Equal)
}
