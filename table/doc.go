// Package table reads the tables of a parsed document as rows of cells. All yields the
// tables of a document, and DecodeRows decodes the rows of one into structs:
//
//	type Line struct {
//		Article string  `json:"article"`
//		Price   float64 `json:"unit_price"`
//	}
//
//	for t, err := range table.All(result.Blocks(ctx)) {
//		if err != nil {
//			return err
//		}
//		lines, err := table.DecodeRows[Line](t)
//		…
//	}
//
// Of reads the table of a single block.
//
// # Formats
//
// Of recognises the format from the content. You do not have to remember which
// reducto.TableFormat the request had.
//
//   - HTML has row spans, column spans and header cells. <br> and the ends of paragraphs
//     are newlines. A nested table becomes text of its cell, a line for each row. Several
//     tables in one block become one. Captions are left out. From damaged HTML, Of reads
//     the cells that it can find.
//   - Markdown has one header row, or none if its cells are empty. <br> is a newline,
//     and \| is a pipe. Emphasis and links stay as they are. Paragraphs around the table
//     are left out.
//   - JSON (json, jsonbbox) is an array of rows. A row is an array of cells. A cell is a
//     string, or an object with the members text and bbox.
//   - ai_json has no documented form. Of reads the form of json. It also reads an array
//     of objects whose keys are column names, and an object with the members headers and
//     rows.
//   - CSV must have at least two columns, and as many fields in each row. Other text is
//     not a table.
//
// JSON and CSV have no mark for headers. Of uses their first row as the header, as
// Reducto's documentation suggests. Set Table.HeaderRows to correct it.
//
// Texts stay in logical order, also in languages that are written from right to left.
//
// # Limits
//
// A table has at most 10,000 columns, 1,000,000 cells with its spans expanded, and 64 MiB
// of text that spans repeat. For a larger one the error is ErrTooLarge.
package table
