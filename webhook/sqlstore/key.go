package sqlstore

import "strings"

// fold is the form of an id under which two spellings of one UUID are equal: a
// UUID of 36 characters is in lower case, anything else is as it is. A zero byte,
// which no id has and no database takes, becomes the replacement character.
func fold(id string) string {
	if len(id) != 36 {
		return storable(id)
	}
	lower := true
	for i := range len(id) {
		c := id[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return storable(id)
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f':
		case 'A' <= c && c <= 'F':
			lower = false
		default:
			return storable(id)
		}
	}
	if lower {
		return id
	}
	return strings.ToLower(id)
}

// storable is s in a form that every database can keep as text.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
