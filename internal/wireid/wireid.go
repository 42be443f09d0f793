// Package wireid checks identifiers before they are used in URLs, tokens and store
// keys. Reducto's job ids are UUIDs today, but its documentation has also shown
// "job_abc123". The rule is therefore an alphabet, not a format.
package wireid

import "strings"

// MaxLen is the maximum length of an identifier, in bytes.
const MaxLen = 128

// Check returns what is wrong with id, or "" for a valid one. A valid id has 1 to
// MaxLen bytes: ASCII letters, digits, '-', '_', '.', ':' and '~'. It begins with a
// letter, a digit or '_', so that it is one path segment even if a proxy normalizes
// dots.
func Check[T string | []byte](id T) string {
	switch {
	case len(id) == 0:
		return "is empty"
	case len(id) > MaxLen:
		return "is longer than 128 bytes"
	}
	if kinds(id)&mayFollow == 0 || allowed[id[0]]&mayBegin == 0 {
		return "has a character that no identifier of the API has"
	}
	return ""
}

// IsPart reports whether id is valid and contains no '.', ':' or '~'. These characters
// separate identifiers in tokens and keys.
func IsPart[T string | []byte](id T) bool {
	return len(id) > 0 && len(id) <= MaxLen && kinds(id)&isPart != 0 && allowed[id[0]]&mayBegin != 0
}

// kinds returns the properties that all characters of id share. It does not stop at the
// first wrong character, because ids are rarely wrong.
func kinds[T string | []byte](id T) uint8 {
	all := ^uint8(0)
	for i := range len(id) {
		all &= allowed[id[i]]
	}
	return all
}

// The places where a character is allowed.
const (
	mayBegin = 1 << iota
	mayFollow
	isPart
)

// allowed maps each byte to the places where it is allowed.
var allowed = func() (table [256]uint8) {
	for c := range table {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
			table[c] = mayBegin | mayFollow | isPart
		case c == '-':
			table[c] = mayFollow | isPart
		case c == '.', c == ':', c == '~':
			table[c] = mayFollow
		}
	}
	return table
}()

// Key returns the canonical form of id: equal UUIDs have equal keys. It converts a UUID
// of 36 characters to lower case and returns any other id unchanged.
func Key(id string) string {
	if len(id) != 36 || !hasUpper(id) {
		return id
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return id
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		default:
			return id
		}
	}
	return strings.ToLower(id)
}

// hasUpper reports whether id has an upper-case letter. Key checks it first, because
// the ids of the service are in lower case.
func hasUpper(id string) bool {
	for i := range len(id) {
		if c := id[i]; 'A' <= c && c <= 'Z' {
			return true
		}
	}
	return false
}
