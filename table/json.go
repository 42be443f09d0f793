package table

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"

	"github.com/reducto-go/reducto"
)

// beginsJSON matches the beginning of an array of arrays or objects, and of an object.
var beginsJSON = regexp.MustCompile(`^(?:\[\s*[\[{\]]|\{\s*["}])`)

// The members of an object that may have the header and the rows. The API does not
// document the form of ai_json.
var (
	headerMembers = []string{"headers", "header", "columns"}
	rowMembers    = []string{"rows", "data", "table"}
)

// readJSON reads valid JSON.
func (b *builder) readJSON(text string) {
	rows := json.RawMessage(text)
	var keys []string // of rows that are objects
	if text[0] == '{' {
		var object map[string]json.RawMessage
		_ = json.Unmarshal(rows, &object) // it is valid
		rows = member(object, rowMembers)
		if rows == nil {
			b.fail("the content is a JSON object without an array of rows")
			return
		}
		if header := member(object, headerMembers); header != nil {
			b.addJSONRow(header)
			for _, c := range b.rows[0] {
				keys = append(keys, c.Text)
			}
		}
	}
	b.each(rows, func(row json.RawMessage) {
		switch row[0] {
		case '[':
			b.addJSONRow(row)
		case '{':
			b.addObject(row, &keys)
		default:
			b.fail("a row of the JSON is neither an array nor an object")
		}
	})
	b.headers = min(len(b.rows), 1)
}

func (b *builder) addJSONRow(row json.RawMessage) {
	b.addRow()
	b.each(row, b.addJSON)
}

// addObject adds a row with the names of columns as keys. The header or the first object
// decides the columns. Another key is an error, because its value would have no column.
func (b *builder) addObject(row json.RawMessage, keys *[]string) {
	names, values := membersOf(row)
	if len(b.rows) == 0 {
		*keys = names
		b.addRow()
		for _, name := range names {
			b.add(Cell{Text: name})
		}
	}
	b.addRow()
	for _, name := range *keys {
		b.addJSON(values[name])
		delete(values, name)
	}
	if len(values) > 0 {
		b.fail("an object of the JSON has a key that the header or the first object does not have")
	}
}

// addJSON adds a cell: a value, or an object with text and bbox.
func (b *builder) addJSON(value json.RawMessage) {
	var object map[string]json.RawMessage
	if len(value) > 0 && value[0] == '{' && json.Unmarshal(value, &object) == nil && object["text"] != nil {
		b.add(Cell{Text: jsonText(object["text"]), BBox: b.bbox(object["bbox"])})
		return
	}
	b.add(Cell{Text: jsonText(value)})
}

// bbox reads the place of a cell. It is nil if a coordinate is missing. The API documents
// the members x and y, but a BoundingBox has left and top.
func (b *builder) bbox(raw json.RawMessage) *reducto.BoundingBox {
	var v struct {
		X, Y, Left, Top, Width, Height *float64
		Page                           int
		OriginalPage                   int `json:"original_page"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return nil
	}
	left, top := cmp.Or(v.X, v.Left), cmp.Or(v.Y, v.Top)
	if left == nil || top == nil || v.Width == nil || v.Height == nil {
		return nil
	}
	return &reducto.BoundingBox{
		Left: *left, Top: *top, Width: *v.Width, Height: *v.Height,
		Page: cmp.Or(v.Page, b.page), OriginalPage: v.OriginalPage,
	}
}

// jsonText returns a string without its quotes, nothing for null, and JSON for the rest.
func jsonText(value json.RawMessage) string {
	var text string
	if len(value) == 0 || json.Unmarshal(value, &text) == nil { // null leaves it empty
		return text
	}
	var compact bytes.Buffer
	_ = json.Compact(&compact, value) // the content is valid JSON
	return compact.String()
}

// member returns the first of the named members that is an array.
func member(object map[string]json.RawMessage, names []string) json.RawMessage {
	for _, name := range names {
		if v := object[name]; len(v) > 0 && v[0] == '[' {
			return v
		}
	}
	return nil
}

// each calls f for the elements of an array, one at a time, so that it stops at the limit.
func (b *builder) each(array json.RawMessage, f func(json.RawMessage)) {
	dec := json.NewDecoder(bytes.NewReader(array))
	_, err := dec.Token()
	for err == nil && b.err == nil && dec.More() {
		var v json.RawMessage
		if err = dec.Decode(&v); err == nil {
			f(v)
		}
	}
}

// membersOf returns the names of a valid object in their order, and its values. The last
// of equal names counts.
func membersOf(object json.RawMessage) (names []string, values map[string]json.RawMessage) {
	values = map[string]json.RawMessage{}
	dec := json.NewDecoder(bytes.NewReader(object))
	_, err := dec.Token()
	for err == nil && dec.More() {
		token, _ := dec.Token()
		name, _ := token.(string)
		if _, known := values[name]; !known {
			names = append(names, name)
		}
		var v json.RawMessage
		err = dec.Decode(&v)
		values[name] = v
	}
	return names, values
}
