package members

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrNotObject is returned for JSON whose top level is not an object.
var ErrNotObject = errors.New("not a JSON object")

// DuplicateError is the error for an object that has a member twice. Readers disagree
// about which of the two counts, so the object is refused.
type DuplicateError struct{ Name string }

// Error implements error.
func (e *DuplicateError) Error() string { return fmt.Sprintf("duplicate member %q", e.Name) }

// Each calls f for every member of the object in data, which must be valid JSON
// (json.Valid). It unescapes the names. The values are slices of data.
func Each(data []byte, f func(name string, value []byte) error) error {
	i := space(data, 0)
	if i == len(data) || data[i] != '{' {
		return ErrNotObject
	}
	for i = space(data, i+1); data[i] != '}'; i = space(data, i) {
		if data[i] == ',' {
			i = space(data, i+1)
		}
		end := skipString(data, i)
		name, err := unquote(data[i:end])
		if err != nil {
			return err
		}
		i = space(data, space(data, end)+1) // past the colon
		end = skipValue(data, i)
		if err := f(name, data[i:end]); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// Elements calls f for every element of the array in data, which must be valid JSON.
func Elements(data []byte, f func(value []byte) error) error {
	i := space(data, 0)
	if i == len(data) || data[i] != '[' {
		return errors.New("not a JSON array")
	}
	for i = space(data, i+1); data[i] != ']'; i = space(data, i) {
		if data[i] == ',' {
			i = space(data, i+1)
		}
		end := skipValue(data, i)
		if err := f(data[i:end]); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// Kind returns the first byte of the value in data: one of { [ " t f n, or a digit or
// minus for a number. It returns 0 if there is no value.
func Kind(data []byte) byte {
	if i := space(data, 0); i < len(data) {
		return data[i]
	}
	return 0
}

// IsNull reports whether data is empty or null.
func IsNull(data []byte) bool {
	i := space(data, 0)
	return i == len(data) || string(bytes.TrimRight(data[i:], " \t\r\n")) == "null"
}

// MaxGap is the maximum number of white space bytes in a {} that counts as a zero.
const MaxGap = 64

// IsZero reports whether the value in data is false, 0, "" or {}.
func IsZero(data []byte) bool {
	switch data[0] {
	case 'f':
		return true
	case '"':
		return data[1] == '"'
	case '{':
		i := space(data, 1)
		return i <= MaxGap && data[i] == '}'
	case '-', '0':
		mantissa, _, _ := bytes.Cut(bytes.ToLower(data), []byte("e"))
		return !bytes.ContainsAny(mantissa, "123456789")
	}
	return false
}

func unquote(quoted []byte) (string, error) {
	inner := quoted[1 : len(quoted)-1]
	for _, c := range inner {
		if c == '\\' || c >= 0x80 {
			var s string
			err := json.Unmarshal(quoted, &s)
			return s, err
		}
	}
	return string(inner), nil
}

func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

func skipString(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func skipValue(data []byte, i int) int {
	switch data[i] {
	case '"':
		return skipString(data, i)
	case '{', '[':
		depth := 0
		for {
			switch data[i] {
			case '"':
				i = skipString(data, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
				if depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(data) {
		switch data[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t':
			return i
		}
		i++
	}
	return i
}
