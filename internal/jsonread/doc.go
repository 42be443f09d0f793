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
// and returns the same values: the strict grammar of numbers and strings, U+FFFD for
// invalid UTF-8 and lone surrogates, 10000 levels of nesting. Tables and fuzzing test
// this.
//
// # Where the form is known late
//
// Mark keeps the following input in the window, and Rewind returns to it. A caller can
// thus look for a member that decides about others before it reads them. A mark costs
// the memory of the skipped input. A reader that can download again may limit a mark
// to the size of the window (Forgetful).
//
// # Why it is fast
//
// The time goes into strings: two thirds of a document are text, which encoding/json
// looks at three times, byte by byte. Here eight bytes at a time are tested for a
// quote, an escape, a control character and non-ASCII; a string without escapes is
// copied once, from the window into its own memory. A string that must be compared
// with the one before it is compared in the window. Strings that are parts of a longer
// one, as the texts of blocks are of their chunk's, share its memory (Parts), which
// saves most allocations of a document. Names are tried in the order of
// the fields, which is the order in which they come. Decimals of up to 19 digits are
// divided exactly, as integers; all others are left to strconv. Pointers to numbers
// come from blocks of 64.
//
// # What is large
//
// A string of many MB must lie in one piece, but its length is unknown before its end.
// The Reader collects it in parts, most of them outside of the heap, and moves them one
// by one. The string is in memory twice only on systems without mmap, and if a value
// is kept as it came, because Go clears that memory first.
//
// # What was tried and rejected
//
//   - encoding/json.Decoder, token by token: three times slower than reading whole
//     documents with encoding/json, since every token is a value of type any.
//   - json.RawMessage for the members and a second pass over them: every level of
//     nesting is scanned once more, and a document needs twice its memory.
//   - bytes.IndexByte for the closing quote: what it has passed must be looked at
//     again for escapes and control characters, and text has a line break, as an
//     escape, every 80 bytes. A tenth slower with the scan of eight bytes behind it,
//     almost twice as slow without.
//   - Strings that point into the window instead of copies: the window could not be
//     used again, and one short string would keep all of it.
//   - Parts of texts of any length: who keeps one block of a document in one chunk
//     would keep all of its text.
//   - Reserving as much for a long string as is left of the document: the collector
//     takes it for used, and lets as much garbage lie.
//   - Growing slices by append: a list of a million words was copied five times.
//     They are gathered in pieces and copied once.
//   - unsafe, assembly, generated code: knowing the types is worth more than they
//     are, and nobody could review them.
package jsonread
