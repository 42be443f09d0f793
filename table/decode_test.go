package table_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/table"
)

// decodeOne decodes a table with one column V and one row.
func decodeOne[T any](t *testing.T, text string) (T, error) {
	t.Helper()
	made := &table.Table{HeaderRows: 1, Rows: [][]table.Cell{{{Text: "V"}}, {{Text: text}}}}
	rows, err := table.DecodeRows[struct{ V T }](made)
	if err != nil {
		var none T
		return none, err
	}
	require.Len(t, rows, 1)
	return rows[0].V, nil
}

func TestDecodeRowsReadsNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"12": 12, "-12.5": -12.5, "+3": 3, "1,204.50": 1204.5, "1,204,000": 1204000, ".5": 0.5, "1e-7": 1e-7, "0012": 12,
		"$1,204.50": 1204.5, "€ 12": 12, "12 €": 12, "12\u00a0€": 12, "-$5": -5, "$-5": -5, "\u22125": -5, "\u200e-5\u200e": -5, "₪7": 7,
	} {
		got, err := decodeOne[float64](t, text)
		if assert.NoError(t, err, "%q", text) {
			assert.Equal(t, want, got, "%q", text)
		}
	}
	for _, text := range []string{
		"12,50", "1.204,50", "1,20,400", "12,3456", "1 204", "1'204", "(5)", "12%", "USD 5", "5 kg", "n/a", "-", "--5", "-$-5", "$5€", "$", "1.2.3",
		"0x10", "1_000", "Inf", "NaN", "1e999", "1,204e3.5", "5.", "- 5", "٥",
	} {
		_, err := decodeOne[float64](t, text)
		assert.Error(t, err, "%q", text)
	}
}

func TestDecodeRowsReadsIntegers(t *testing.T) {
	t.Parallel()
	got, err := decodeOne[int8](t, "-128")
	require.NoError(t, err)
	assert.Equal(t, int8(-128), got)
	n, err := decodeOne[uint32](t, "+1,204.00")
	require.NoError(t, err)
	assert.Equal(t, uint32(1204), n)
	_, err = decodeOne[int8](t, "128")
	assert.Error(t, err)
	_, err = decodeOne[uint](t, "-1")
	assert.Error(t, err)
	for _, text := range []string{"1.5", "1e3", ".0", "9223372036854775808"} {
		_, err = decodeOne[int64](t, text)
		assert.Error(t, err, text)
	}
	_, err = decodeOne[float32](t, fmt.Sprint(math.MaxFloat64))
	assert.Error(t, err)
}

type level int

func (l *level) UnmarshalText(text []byte) error {
	if string(text) != "high" {
		return fmt.Errorf("%s is no level", text)
	}
	*l = 3
	return nil
}

func TestDecodeRowsReadsOtherTypes(t *testing.T) {
	t.Parallel()
	type name string
	got, err := table.DecodeRows[struct {
		Name  name
		OK    bool
		When  time.Time
		Level *level
		Price *float64
		Next  **int
		Note  string
	}](of(t, "name,ok,when,level,price,next\n  Okafor ,YES,2026-11-29T11:00:00Z,high,5,7\n,,,,,\nB,no,,,,\n"))
	require.NoError(t, err)
	require.Len(t, got, 2)
	assert.Equal(t, name("Okafor"), got[0].Name)
	assert.True(t, got[0].OK)
	assert.Equal(t, 2026, got[0].When.Year())
	assert.Equal(t, level(3), *got[0].Level)
	assert.Equal(t, 5.0, *got[0].Price)
	assert.Equal(t, 7, **got[0].Next)
	assert.Empty(t, got[0].Note)
	assert.False(t, got[1].OK)
	assert.Nil(t, got[1].Level)
	assert.Nil(t, got[1].Price)
	assert.Nil(t, got[1].Next)
}

func TestDecodeRowsMatchesNames(t *testing.T) {
	t.Parallel()
	type base struct {
		Code string
	}
	type row struct {
		base
		UnitPrice float64 `json:"unit_price,omitempty"`
		Sales     int     `json:"Sales 2025"`
		Hebrew    string  `json:"שם"`
		Ignored   string  `json:"-"`
		hidden    string
	}
	got, err := table.DecodeRows[row](of(t, `<table>
		<tr><th rowspan=2>UNIT PRICE</th><th>Sales</th><th rowspan=2>code</th><th rowspan=2>&rlm;שם&rlm;</th><th rowspan=2>Ignored</th><th rowspan=2>hidden</th><th rowspan=2></th></tr>
		<tr><th>2025</th></tr><tr><td>1.5<td>7<td>x<td>כהן<td>i<td>h<td>z</tr></table>`))
	require.NoError(t, err)
	assert.Empty(t, row{hidden: "it is not exported"}.Ignored)
	assert.Equal(t, []row{{base: base{Code: "x"}, UnitPrice: 1.5, Sales: 7, Hebrew: "כהן"}}, got)
}

func TestDecodeRowsNamesTheCellThatDoesNotFit(t *testing.T) {
	t.Parallel()
	type row struct {
		Price float64 `json:"price"`
		Level level
	}
	_, err := table.DecodeRows[row](of(t, "Price,Level\n1,high\n"+strings.Repeat("é", 50)+",high"))
	assert.EqualError(t, err, `table: row 3, column "Price": "`+strings.Repeat("é", 40)+`…" is no float64: correct the cell in Rows, or use a string for the field`)
	var cell *table.CellError
	require.ErrorAs(t, err, &cell)
	assert.Equal(t, 3, cell.Row)
	assert.Equal(t, "Price", cell.Column)
	assert.NoError(t, cell.Unwrap())

	_, err = table.DecodeRows[row](of(t, "Price,Level\n1,low"))
	require.ErrorAs(t, err, &cell)
	assert.EqualError(t, cell.Unwrap(), "low is no level")
	assert.Equal(t, "table_test.level", cell.Type)
}

func TestDecodeRowsRefusesTablesThatDoNotFit(t *testing.T) {
	t.Parallel()
	_, err := table.DecodeRows[struct{ A int }](of(t, "<td>1<td>2"))
	assert.EqualError(t, err, "table: the table has no header rows: if its first row is the header, set HeaderRows to 1")
	_, err = table.DecodeRows[struct{ C int }](of(t, "A,B\n1,2"))
	assert.EqualError(t, err, `table: no column has the name of a field of struct { C int }: the columns are "A", "B"`)
	_, err = table.DecodeRows[struct{ A int }](of(t, "A,a\n1,2"))
	assert.EqualError(t, err, `table: two columns have the name "a" of the field A: rename one in Rows`)

	rows, err := table.DecodeRows[struct{ A int }](of(t, "A,B"))
	require.NoError(t, err)
	assert.Empty(t, rows)
}

func TestDecodeRowsRefusesTypesThatDoNotFit(t *testing.T) {
	t.Parallel()
	csv := of(t, "A,B\n1,2")
	_, err := table.DecodeRows[string](csv)
	assert.EqualError(t, err, "table: DecodeRows: string is not a struct: give a struct type")
	_, err = table.DecodeRows[struct{ A []int }](csv)
	assert.EqualError(t, err, "table: DecodeRows: the field A has the type []int: use a string, a number, a bool, a type with UnmarshalText, or a pointer to one")
	_, err = table.DecodeRows[struct {
		A int
		B int `json:"a"`
	}](csv)
	assert.EqualError(t, err, "table: DecodeRows: the fields A and B have the same name: change the json tag of one")
	type Base struct{ A int }
	_, err = table.DecodeRows[struct{ *Base }](csv)
	assert.ErrorContains(t, err, "the field Base has the type *table_test.Base")
	_, err = table.DecodeRows[struct{ A any }](csv)
	assert.Error(t, err)
	_, err = table.DecodeRows[struct{ A complex128 }](csv)
	assert.Error(t, err)
}
