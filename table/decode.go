package table

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// CellError reports a cell whose text does not fit the field of a struct.
type CellError struct {
	// Row is the row in the table, from 1, header rows included.
	Row int
	// Column is the name of the column.
	Column string
	// Value is the beginning of the text.
	Value string
	// Type is the type of the field.
	Type string
	// Err is the error of the field's UnmarshalText; nil for other fields. It may contain
	// the whole text.
	Err error
}

// Error names the row and the column. It contains up to 40 characters of the text.
func (e *CellError) Error() string {
	return fmt.Sprintf("table: row %d, column %q: %q is no %s: correct the cell in Rows, or use a string for the field",
		e.Row, short(e.Column), short(e.Value), e.Type)
}

// Unwrap returns Err.
func (e *CellError) Unwrap() error { return e.Err }

// DecodeRows decodes the rows below the header into structs. Table.Columns has the names
// of the columns. A field gets the column with the name in its json tag. Without a tag,
// it gets the column with the name of the field. Case, white space and underscores are
// ignored, so unit_price matches Unit Price.
//
// A field is a string, a number, a bool, an encoding.TextUnmarshaler, or a pointer to one of
// these. Spaces around the text are ignored. An empty cell leaves the field zero, and an
// empty row is left out. A cell with spans has its value in every row and column that it
// covers.
//
//   - Numbers are in English notation, such as 1,204.50. A number may have one currency
//     sign before or after it. Percentages, (1,204.50), 12,50 and names of currencies are
//     errors. For documents in another notation use strings or a type with UnmarshalText.
//   - A bool is true, false, yes or no.
//
// A field without a column stays zero. It is an error if a table has no header rows, if
// no field has a column, or if a field has two columns. The first cell that does not
// fit is a *CellError.
func DecodeRows[T any](t *Table) ([]T, error) {
	typ := reflect.TypeFor[T]()
	if t.HeaderRows <= 0 {
		return nil, errors.New("table: the table has no header rows: if its first row is the header, set HeaderRows to 1")
	}
	if typ.Kind() != reflect.Struct {
		return nil, fmt.Errorf("table: DecodeRows: %s is not a struct: give a struct type", typ)
	}
	fields := map[string]field{}
	if err := addFields(fields, typ, nil); err != nil {
		return nil, err
	}
	grid, err := t.grid()
	if err != nil {
		return nil, err
	}
	names := columnNames(grid, t.HeaderRows)
	targets, err := match(names, fields, typ)
	if err != nil {
		return nil, err
	}
	var all []T
	for r := t.HeaderRows; r < len(grid); r++ {
		var v T
		row, empty := reflect.ValueOf(&v).Elem(), true
		for c, text := range grid[r] {
			text = strings.TrimSpace(text)
			if text == "" {
				continue
			}
			empty = false
			if targets[c] == nil {
				continue
			}
			f := row.FieldByIndex(targets[c])
			if ok, err := set(f, text); !ok {
				return nil, &CellError{Row: r + 1, Column: names[c], Value: short(text), Type: f.Type().String(), Err: err}
			}
		}
		if !empty {
			all = append(all, v)
		}
	}
	return all, nil
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// field is a field of a struct, by the path to it through embedded structs.
type field struct {
	name  string
	index []int
}

// addFields adds the fields of a struct by their keys.
func addFields(fields map[string]field, t reflect.Type, index []int) error {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		at := append(slices.Clone(index), i)
		switch {
		case f.Tag.Get("json") == "-":
			continue
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct && !reflect.PointerTo(f.Type).Implements(textUnmarshaler):
			if err := addFields(fields, f.Type, at); err != nil {
				return err
			}
			continue
		case !f.IsExported():
			continue
		case !decodable(f.Type):
			return fmt.Errorf("table: DecodeRows: the field %s has the type %s: use a string, a number, a bool, a type with UnmarshalText, or a pointer to one", f.Name, f.Type)
		}
		k := key(cmp.Or(name, f.Name))
		if other, ok := fields[k]; ok {
			return fmt.Errorf("table: DecodeRows: the fields %s and %s have the same name: change the json tag of one", other.name, f.Name)
		}
		fields[k] = field{f.Name, at}
	}
	return nil
}

func decodable(t reflect.Type) bool {
	switch {
	case reflect.PointerTo(t).Implements(textUnmarshaler), t.Kind() == reflect.String, t.Kind() == reflect.Bool:
		return true
	case t.Kind() == reflect.Pointer:
		return decodable(t.Elem())
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 && t.Kind() != reflect.Uintptr
}

// match returns the field of each column; nil if there is none.
func match(names []string, fields map[string]field, t reflect.Type) ([][]int, error) {
	targets := make([][]int, len(names))
	used := map[string]bool{}
	for c, name := range names {
		k := key(name)
		f, ok := fields[k]
		if k == "" || !ok {
			continue
		}
		if used[k] {
			return nil, fmt.Errorf("table: two columns have the name %q of the field %s: rename one in Rows", short(name), f.name)
		}
		used[k] = true
		targets[c] = f.index
	}
	if len(used) == 0 {
		var list []string
		for _, name := range names[:min(len(names), 20)] {
			list = append(list, strconv.Quote(short(name)))
		}
		return nil, fmt.Errorf("table: no column has the name of a field of %s: the columns are %s", t, strings.Join(list, ", "))
	}
	return targets, nil
}

// key is the form in which names are compared. It has no invisible marks of direction.
func key(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// set sets a field and reports whether the text fits. The error is that of UnmarshalText.
func set(v reflect.Value, text string) (ok bool, err error) {
	if v.Kind() == reflect.Pointer && !v.Addr().Type().Implements(textUnmarshaler) {
		p := reflect.New(v.Type().Elem())
		ok, err = set(p.Elem(), text)
		v.Set(p)
		return ok, err
	}
	if u, is := v.Addr().Interface().(encoding.TextUnmarshaler); is {
		err = u.UnmarshalText([]byte(text))
		return err == nil, err
	}
	switch kind := v.Kind(); {
	case kind == reflect.String:
		v.SetString(text)
		return true, nil
	case kind == reflect.Bool:
		b, ok := bools[strings.ToLower(text)]
		v.SetBool(b)
		return ok, nil
	}
	digits, whole, ok := number(text)
	if !ok {
		return false, nil
	}
	var failed error
	switch {
	case v.CanFloat():
		var f float64
		f, failed = strconv.ParseFloat(digits, v.Type().Bits())
		v.SetFloat(f)
	case v.CanInt():
		var n int64
		n, failed = strconv.ParseInt(whole, 10, v.Type().Bits())
		v.SetInt(n)
	default:
		var n uint64
		n, failed = strconv.ParseUint(strings.TrimPrefix(whole, "+"), 10, v.Type().Bits())
		v.SetUint(n)
	}
	return failed == nil, nil
}

var bools = map[string]bool{"true": true, "yes": true, "false": false, "no": false}

var (
	numeral = regexp.MustCompile(`^([+-]?)(?:(\p{Sc})[\s\p{Zs}]*)?([+-]?)((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?|\.\d+)(?:[\s\p{Zs}]*(\p{Sc}))?$`)
	zeros   = regexp.MustCompile(`\.0+$`)
)

// number returns a number in the form of strconv, and without a fraction of zeros. It
// refuses what can be read in two ways.
func number(text string) (digits, whole string, ok bool) {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r):
			return -1
		case r == '\u2212': // the minus sign
			return '-'
		}
		return r
	}, text)
	m := numeral.FindStringSubmatch(text)
	if m == nil || m[1] != "" && m[3] != "" || m[2] != "" && m[5] != "" {
		return "", "", false
	}
	digits = m[1] + m[3] + strings.ReplaceAll(m[4], ",", "")
	return digits, zeros.ReplaceAllString(digits, ""), true
}

// short returns the beginning of a text, for errors.
func short(text string) string {
	const most = 40
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i] + "…"
		}
	}
	return text
}
