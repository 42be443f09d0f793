// Package jsonread reads large JSON documents of a known form in one pass, as they
// arrive.
//
// A Reader reads its source once, through a window of about 64 KB. To read a type,
// write a function that handles each member:
//
//	var pointFields = jsonread.FieldsOf[Point]()
//
//	func readPoint(r *jsonread.Reader, p *Point) {
//		for o := r.Object(pointFields, &p.Extra); o.Next(); {
//			switch o.Name {
//			case "x":
//				p.X = r.Float()
//			case "label":
//				p.Label = r.String()
//			case "history": // rare, and of many forms
//				jsonread.Decode(r, &p.History)
//			}
//		}
//	}
//
// The first error stays with the Reader and ends every loop. It names the path of
// members to the wrong value. The Reader handles the rest as package members does for
// encoding/json:
//
//   - It keeps a member without a field, as it came, in the map given to Object.
//   - It also keeps an optional member (omitzero) there that does not fit its field, and
//     an explicit zero, which encoding the struct would leave out.
//   - It skips a member that is null and does not change the field. In other places,
//     such as a list, only Object accepts null, as an object without members.
//   - Names match exactly. A name that an object has twice is an error.
//
// Apart from names, a Reader accepts and refuses the same documents as encoding/json
// and returns the same values. It has the same strict grammar of numbers and strings,
// U+FFFD for invalid UTF-8 and lone surrogates, and 10000 levels of nesting. Tables and
// fuzzing test this.
//
// # Types that are known late
//
// Mark keeps the following input in the window, and Rewind returns to it. A caller can
// thus look for a member that decides about others before it reads them. A mark costs
// the memory of the skipped input. A reader that can download again may limit a mark
// to the size of the window (Forgetful).
//
// # Why it is fast
//
// Most of the time goes into strings, because two thirds of a document are text.
// encoding/json reads text three times, byte by byte. A Reader works differently:
//
//   - It tests eight bytes at a time for a quote, an escape, a control character and
//     non-ASCII.
//   - It copies a string without escapes once, from the window into its own memory.
//   - It compares a string with the previous one in the window.
//   - Strings that are parts of a longer string share its memory (Parts), as the texts of
//     blocks do with that of their chunk. This saves most allocations of a document.
//   - It tries names in the order of the fields, which is the order of the service.
//   - It divides decimals of up to 19 digits exactly, as integers. strconv reads all
//     other numbers.
//   - Pointers to numbers come from blocks of 64.
//
// # Large values
//
// A string of many MB must be in one piece of memory, but its length is unknown before
// its end. The Reader collects it in parts, most of them outside the heap, and then
// moves them one by one. The string is in memory twice only on systems without mmap, and
// if a value is kept as it came, because Go clears that memory first.
//
// # What was tried and rejected
//
//   - encoding/json.Decoder, token by token. It is three times slower than reading whole
//     documents with encoding/json, because every token is a value of type any.
//   - json.RawMessage for the members and a second pass over them. It scans every level
//     of nesting again and needs twice the memory of the document.
//   - bytes.IndexByte for the closing quote. The skipped bytes must be read again for
//     escapes and control characters, and text has an escaped line break every 80 bytes.
//     It is a tenth slower with the scan of eight bytes after it, and almost twice as
//     slow without.
//   - Strings that point into the window instead of copies. The window could not be
//     reused, and one short string would keep all of it.
//   - Parts of texts of any length. A program that keeps one block of a document in one
//     chunk would keep all of the text.
//   - Reserving the rest of the document for a long string. The collector counts the
//     reserved memory as used and collects garbage later.
//   - Growing slices by append. A list of a million words was copied five times. Pieces
//     are copied once.
//   - unsafe, assembly and generated code. Knowing the types gains more, and such code is
//     hard to review.
package jsonread
