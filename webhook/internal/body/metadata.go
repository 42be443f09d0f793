package body

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/wireid"
)

// Metadata is the metadata of a body. Three of its members are reserved for this
// library: the secret, the submission's id and its trace.
type Metadata struct {
	raw        []byte // the bytes of the body; nil if absent or null
	secret     reserved
	submission reserved
	trace      reserved

	// spans are the positions of the reserved members, unless decoded is set.
	spans   [3]span
	count   int
	decoded bool
}

type span struct{ start, end int }

// reserved is a reserved member. It counts only if it is given exactly once.
type reserved struct {
	value []byte
	count int
}

// text returns the member's text, if the member is a string.
func (r reserved) text() ([]byte, bool) {
	if r.count != 1 || r.value[0] != '"' {
		return nil, false
	}
	inner := r.value[1 : len(r.value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	text, ok := decodeText(r.value)
	return []byte(text), ok
}

// reserved returns the member of that name, or nil if the name is not reserved.
func (m *Metadata) reserved(name []byte) *reserved {
	switch string(name) {
	case reducto.MetadataSecret:
		return &m.secret
	case reducto.MetadataSubmissionID:
		return &m.submission
	case reducto.MetadataTraceparent:
		return &m.trace
	}
	return nil
}

// ReadMetadata reads metadata that stands alone, such as that of a record. Metadata that
// is not valid JSON has no reserved members.
func ReadMetadata(raw []byte) *Metadata {
	m := &Metadata{raw: raw}
	if json.Valid(raw) {
		m.decode(raw)
	}
	return m
}

// scan reads metadata of the usual form. It returns false for any other form.
func (m *Metadata) scan(s *scanner) bool {
	first := s.peek()
	start := s.pos
	switch first {
	case 'n':
		return s.literal("null")
	case '{':
		ok := s.members(func(name []byte, at int) bool {
			s.peek()
			valueStart := s.pos
			if !s.value(maxScanDepth) {
				return false
			}
			r := m.reserved(name)
			if r == nil {
				return true
			}
			if m.count == len(m.spans) {
				return false
			}
			r.value = s.data[valueStart:s.pos]
			r.count++
			m.spans[m.count] = span{at - start, s.pos - start}
			m.count++
			return true
		})
		m.raw = s.data[start:s.pos]
		return ok
	}
	ok := s.value(maxScanDepth)
	m.raw = s.data[start:s.pos]
	return ok
}

// decode reads metadata of any form; value is valid JSON.
func (m *Metadata) decode(value []byte) {
	if members.IsNull(value) {
		return
	}
	m.raw, m.decoded = value, true
	if members.Kind(value) != '{' {
		return
	}
	_ = members.Each(value, func(name string, value []byte) error {
		if r := m.reserved([]byte(name)); r != nil {
			r.value = value
			r.count++
			m.count++
		}
		return nil
	})
}

// Secret returns the secret, if there is exactly one and it is a string.
func (m *Metadata) Secret() ([]byte, bool) { return m.secret.text() }

// SubmissionID returns the submission's id, or nil if there is no legal one.
func (m *Metadata) SubmissionID() []byte {
	text, ok := m.submission.text()
	if !ok || !wireid.IsPart(text) {
		return nil
	}
	return text
}

// Traceparent returns the trace, or nil if there is no legal one.
func (m *Metadata) Traceparent() []byte {
	text, ok := m.trace.text()
	if !ok || !IsTraceparent(text) {
		return nil
	}
	return text
}

// IsTraceparent reports whether text has the form of a W3C traceparent of version 00.
// Its ids may be zero.
func IsTraceparent[T string | []byte](text T) bool {
	const form = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx"
	if len(text) != len(form) {
		return false
	}
	for i := range len(form) {
		switch c := text[i]; {
		case form[i] != 'x' && c != form[i]:
			return false
		case form[i] == 'x' && !('0' <= c && c <= '9' || 'a' <= c && c <= 'f'):
			return false
		}
	}
	return true
}

// Stripped returns a copy of the metadata without the reserved members, or nil if
// nothing remains. The other members keep their bytes.
func (m *Metadata) Stripped() json.RawMessage {
	switch {
	case m.raw == nil:
		return nil
	case m.count == 0:
		return bytes.Clone(m.raw)
	case m.decoded:
		return m.rebuilt()
	}
	room := len(m.raw)
	for _, gone := range m.spans[:m.count] {
		room -= gone.end - gone.start
	}
	var out []byte
	at := 1
	for i := range m.count + 1 {
		next := len(m.raw) - 1
		if i < m.count {
			next = m.spans[i].start
		}
		if kept := trim(m.raw[at:next]); len(kept) > 0 {
			if out == nil {
				out = append(make([]byte, 0, room), '{')
			} else {
				out = append(out, ',')
			}
			out = append(out, kept...)
		}
		if i < m.count {
			at = m.spans[i].end
		}
	}
	if out == nil {
		return nil
	}
	return append(out, '}')
}

// trim removes commas and white space from both ends of a run of members.
func trim(b []byte) []byte {
	between := func(c byte) bool { return c == ',' || c == ' ' || c == '\n' || c == '\t' || c == '\r' }
	for len(b) > 0 && between(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && between(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// rebuilt is Stripped for unusual metadata. It encodes the names again; the values
// keep their bytes.
func (m *Metadata) rebuilt() json.RawMessage {
	var b strings.Builder
	_ = members.Each(m.raw, func(name string, value []byte) error {
		if m.reserved([]byte(name)) != nil {
			return nil
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		quoted, _ := json.Marshal(name) // a string always marshals
		b.Write(quoted)
		b.WriteByte(':')
		b.Write(value)
		return nil
	})
	if b.Len() == 0 {
		return nil
	}
	return json.RawMessage("{" + b.String() + "}")
}
