// Package body parses the body of a webhook. It is stricter than encoding/json, as an
// attacker can exploit two readers that understand one body differently. It refuses a
// member that is given twice, a name that differs from a known one in case, anything
// after the object, and ids that could change a URL.
package body

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/wireid"
)

// The members of a webhook's body.
const (
	memberJobID    = "job_id"
	memberStatus   = "status"
	memberMetadata = "metadata"
)

// MaxStatusLen is the longest status, in bytes.
const MaxStatusLen = 64

// ErrMalformed is webhook.ErrMalformed.
var ErrMalformed = errors.New("webhook: malformed body")

// Malformed is an ErrMalformed with a reason. The reason does not repeat the body.
type Malformed string

func (e Malformed) Error() string        { return ErrMalformed.Error() + ": " + string(e) }
func (e Malformed) Is(target error) bool { return target == ErrMalformed }

// Message is a parsed body. Its slices share memory with the body.
type Message struct {
	JobID    []byte
	Status   reducto.JobStatus
	Metadata Metadata

	body    []byte
	unknown bool // there are members besides the three
}

// byteOrderMark is the mark that some proxies and queues put before UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// Parse parses a body. It accepts metadata of any form. Its error is ErrMalformed.
func (m *Message) Parse(body []byte) error {
	body = bytes.TrimPrefix(body, byteOrderMark)
	*m = Message{body: body}
	if !m.scan() {
		// The body is unusual or invalid.
		*m = Message{body: body}
		if err := m.decode(); err != nil {
			return err
		}
	}
	switch wrong := wireid.Check(m.JobID); {
	case wrong != "":
		return Malformed("job_id " + wrong)
	case !m.Status.Terminal() && !validStatus(string(m.Status)):
		return Malformed("status is missing, or not 1 to 64 bytes of printable text")
	}
	return nil
}

// validStatus reports whether a status is printable. It need not be known. The
// replacement character stands for invalid UTF-8.
func validStatus(s string) bool {
	if s == "" || len(s) > MaxStatusLen {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// scan reads a body of the usual form: the known members, each at most once, without
// escapes. It returns false for any other form, and leaves m in any state then.
func (m *Message) scan() bool {
	s := scanner{data: m.body}
	var jobID, status, meta bool
	return s.members(func(name []byte, _ int) bool {
		switch string(name) {
		case memberJobID:
			text, ok := s.plain()
			if !ok || jobID {
				return false
			}
			jobID, m.JobID = true, text
			return true
		case memberStatus:
			text, ok := s.plain()
			if !ok || status {
				return false
			}
			status, m.Status = true, statusOf(text)
			return true
		case memberMetadata:
			if meta {
				return false
			}
			meta = true
			return m.Metadata.scan(&s)
		}
		return false
	}) && s.atEnd()
}

// statusOf returns a status, without an allocation for the usual ones.
func statusOf(text []byte) reducto.JobStatus {
	switch string(text) {
	case string(reducto.JobStatusCompleted):
		return reducto.JobStatusCompleted
	case string(reducto.JobStatusFailed):
		return reducto.JobStatusFailed
	}
	return reducto.JobStatus(text)
}

// decode reads a body of any form by the rules of encoding/json and ours.
func (m *Message) decode() error {
	if !json.Valid(m.body) { // this also finds a second value, and too deep nesting
		return Malformed("not one JSON value")
	}
	if members.Kind(m.body) != '{' {
		return Malformed("not a JSON object")
	}
	var jobID, status, meta bool
	return members.Each(m.body, func(name string, value []byte) error {
		switch name {
		case memberJobID:
			text, ok := decodeText(value)
			if jobID || !ok {
				return Malformed("job_id is given twice, or is not a string")
			}
			jobID, m.JobID = true, []byte(text)
		case memberStatus:
			text, ok := decodeText(value)
			if status || !ok {
				return Malformed("status is given twice, or is not a string")
			}
			status, m.Status = true, reducto.JobStatus(text)
		case memberMetadata:
			if meta {
				return Malformed("metadata is given twice")
			}
			meta = true
			m.Metadata.decode(value)
		default:
			for _, known := range []string{memberJobID, memberStatus, memberMetadata} {
				if strings.EqualFold(name, known) {
					return Malformed(known + " is spelled in another case")
				}
			}
			m.unknown = true
		}
		return nil
	})
}

// decodeText returns the string in value. The replacement character stands for
// invalid UTF-8.
func decodeText(value []byte) (string, bool) {
	if value[0] != '"' {
		return "", false
	}
	var text string
	err := json.Unmarshal(value, &text)
	return text, err == nil
}

// Extra returns a copy of the members that this version does not know, or nil.
func (m *Message) Extra() (map[string]json.RawMessage, error) {
	if !m.unknown {
		return nil, nil
	}
	extra := map[string]json.RawMessage{}
	err := members.Each(m.body, func(name string, value []byte) error {
		switch name {
		case memberJobID, memberStatus, memberMetadata:
			return nil
		}
		if _, twice := extra[name]; twice {
			return Malformed("a member is given twice")
		}
		extra[name] = bytes.Clone(value)
		return nil
	})
	return extra, err
}
