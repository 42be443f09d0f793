// Package jsonread reads large JSON documents of a known form in one pass, as they
// arrive.
//
// A Reader passes over its source once, through a window of some 64 KB. Whoever
// reads a type writes a function that says what becomes of each member:
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
// The first error stays with the Reader and ends every loop; it names the members
// that lead to it. What such a function does not handle is handled here, as package
// members does it for encoding/json:
//
//   - A member without a field is kept, as it came, in the map given to Object.
//   - An optional member (omitzero) that does not fit its field is kept there too. So is
//     an explicit zero, which would be left out when the struct is encoded.
//   - A member that is null is passed over, and leaves the field as it is. Elsewhere,
//     as in a list, Object alone takes a null, as an object without members.
//   - Names match exactly, and a name that an object has twice is an error.
//
// Apart from names, a Reader takes what encoding/json takes, refuses what it
// refuses, and gives the same values bit for bit: numbers and strings by the strict
// grammar, invalid UTF-8 and lone surrogates as U+FFFD, 10000 levels of nesting. The
// tests hold it to that with tables and by fuzzing.
//
// # Where the form is known late
//
// Mark keeps what follows in the window, and Rewind returns to it. So a member that
// decides about others can be looked for before they are read. A mark costs the
// memory of what was passed over, which is why a reader of what can be had once more
// may refuse to keep more than the window has room for (Forgetful).
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
// A string of many MB has to lie in one piece in the end, and nobody knows before how
// long it is. It is gathered in parts, most of them outside of the collector's heap,
// and then moved, part by part, so that it is hardly ever in memory twice: where the
// system has no such memory, and where a value is kept as it came and Go has to clear
// the memory for it.
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
