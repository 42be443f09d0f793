package table_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/table"
)

// addContents makes the contents of testdata/tables the seed corpus.
func addContents(f *testing.F) {
	for _, c := range tableCases(f) {
		for _, s := range c.sections {
			if s.heading[0] != "rows" && s.heading[0] != "error" {
				f.Add(s.text)
			}
		}
	}
}

// Every content gives a table or an error. The spans of a table fit, and WriteCSV writes
// what encoding/csv reads.
func FuzzOf(f *testing.F) {
	addContents(f)
	f.Fuzz(func(t *testing.T, content string) {
		got, err := table.Of(blockOf(content))
		if err != nil {
			require.Nil(t, got)
			require.True(t, errors.Is(err, table.ErrNoTable) || errors.Is(err, table.ErrTooLarge), "%v", err)
			return
		}
		grid := got.Grid()
		require.Len(t, grid, len(got.Rows))
		require.NotEmpty(t, grid[0])
		require.LessOrEqual(t, got.HeaderRows, len(grid))
		area := 0
		for r, row := range got.Rows {
			require.Len(t, grid[r], len(grid[0]))
			for _, c := range row {
				require.True(t, c.RowSpan >= 1 && c.ColSpan >= 1 && r+c.RowSpan <= len(grid))
				area += c.RowSpan * c.ColSpan
			}
		}
		require.LessOrEqual(t, area, len(grid)*len(grid[0]), "cells overlap")

		var text bytes.Buffer
		require.NoError(t, got.WriteCSV(&text))
		if len(grid[0]) == 1 {
			return // an empty cell is an empty line, which encoding/csv skips
		}
		records, err := csv.NewReader(&text).ReadAll()
		require.NoError(t, err)
		require.Len(t, records, len(grid))
		for r := range records {
			for c := range records[r] {
				assert.Equal(t, strings.ReplaceAll(grid[r][c], "\r\n", "\n"), records[r][c])
			}
		}
	})
}

// Every table is decoded, or the error is no panic.
func FuzzDecodeRows(f *testing.F) {
	addContents(f)
	f.Add("A,B,C,D,E,F,G\nx,1,$2.50,-3,yes,2026-11-29T11:00:00Z,7")
	f.Fuzz(func(t *testing.T, content string) {
		got, err := table.Of(blockOf(content))
		if err != nil {
			return
		}
		rows, err := table.DecodeRows[struct {
			A string
			B float64
			C *float32
			D int16
			E bool
			F *time.Time
			G **uint8
		}](got)
		if err == nil {
			require.LessOrEqual(t, len(rows), len(got.Rows)-got.HeaderRows)
			return
		}
		var cell *table.CellError
		if errors.As(err, &cell) {
			require.True(t, cell.Row > got.HeaderRows && cell.Row <= len(got.Rows))
		}
		require.LessOrEqual(t, len(err.Error()), 10_000)
	})
}
