// Package wireid knows which identifiers may travel in URLs, tokens and store
// keys. Reducto's job ids are UUIDs today, but its documentation has printed
// others ("job_abc123"), so the rule is an alphabet, not a format.
package wireid

import "strings"

// MaxLen is the longest identifier accepted, in bytes.
const MaxLen = 128

// Check says what is wrong with id, or "" where it may be used. A legal id is 1
// to MaxLen bytes of ASCII letters, digits, '-', '_', '.', ':' and '~' and
// begins with a letter, a digit or '_', so that it is one path segment whatever
// a proxy does to dots.
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

// IsPart reports whether id is legal and has none of '.', ':' and '~', which separate
// an identifier from others in tokens and keys.
func IsPart[T string | []byte](id T) bool {
	return len(id) > 0 && len(id) <= MaxLen && kinds(id)&isPart != 0 && allowed[id[0]]&mayBegin != 0
}

// kinds is what all of id's characters have in common. It does not stop at the first
// that is wrong, because hardly ever one is.
func kinds[T string | []byte](id T) uint8 {
	all := ^uint8(0)
	for i := range len(id) {
		all &= allowed[id[i]]
	}
	return all
}

// Where a character may be.
const (
	mayBegin = 1 << iota
	mayFollow
	isPart
)

// allowed has the alphabet.
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

// Key is the form of id under which two spellings of one UUID are equal: a UUID
// in its 36-character form is folded to lower case, anything else is kept as it
// is.
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

// hasUpper is looked at first: the service's ids are in lower case already.
func hasUpper(id string) bool {
	for i := range len(id) {
		if c := id[i]; 'A' <= c && c <= 'Z' {
			return true
		}
	}
	return false
}
