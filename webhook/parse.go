package webhook

import (
	"encoding/json"
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

// maxStatusLen bounds a status in bytes: it goes into logs.
const maxStatusLen = 64

// message is a webhook's body taken apart. Its slices are parts of the body.
type message struct {
	body     []byte
	jobID    []byte
	status   reducto.JobStatus
	metadata metadata
	unknown  bool // there are members besides the three
}

// parse takes a body apart. It is strict where encoding/json is not, because two
// readers that understand one body differently can be played off against each
// other: it refuses a member given twice, names that differ from a known one in
// case, anything after the object, and identifiers that could change a URL.
//
// Nothing that the metadata could hold makes a body malformed.
func (m *message) parse(body []byte) error {
	*m = message{body: body}
	if !m.scan() {
		// Unusual or wrong: encoding/json knows which.
		*m = message{body: body}
		if err := m.decode(); err != nil {
			return err
		}
	}
	switch wrong := wireid.Check(m.jobID); {
	case wrong != "":
		return malformed("job_id " + wrong)
	case !m.status.Terminal() && !validStatus(string(m.status)):
		return malformed("status is missing, or not 1 to 64 bytes of printable text")
	}
	return nil
}

// validStatus keeps new statuses usable and logs clean. The replacement character
// stands for what was not valid UTF-8.
func validStatus(s string) bool {
	if s == "" || len(s) > maxStatusLen {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// scan reads the one form that is expected: the known members, each at most once,
// spelled without escapes. False means that it is not that form, and leaves m in
// any state.
func (m *message) scan() bool {
	s := scanner{data: m.body}
	var jobID, status, meta bool
	return s.members(func(name []byte, _ int) bool {
		switch string(name) {
		case memberJobID:
			text, ok := s.plain()
			if !ok || jobID {
				return false
			}
			jobID, m.jobID = true, text
			return true
		case memberStatus:
			text, ok := s.plain()
			if !ok || status {
				return false
			}
			status, m.status = true, statusOf(text)
			return true
		case memberMetadata:
			if meta {
				return false
			}
			meta = true
			return m.metadata.scan(&s)
		}
		return false
	}) && s.atEnd()
}

// statusOf spares the statuses that every delivery has an allocation.
func statusOf(text []byte) reducto.JobStatus {
	switch string(text) {
	case string(reducto.JobStatusCompleted):
		return reducto.JobStatusCompleted
	case string(reducto.JobStatusFailed):
		return reducto.JobStatusFailed
	}
	return reducto.JobStatus(text)
}

// decode reads any body by encoding/json's rules, and ours on top of them.
func (m *message) decode() error {
	if !json.Valid(m.body) { // also: a byte order mark, two values, too deep
		return malformed("not one JSON value")
	}
	if members.Kind(m.body) != '{' {
		return malformed("not a JSON object")
	}
	var jobID, status, meta bool
	return members.Each(m.body, func(name string, value []byte) error {
		switch name {
		case memberJobID:
			text, ok := decodeText(value)
			if jobID || !ok {
				return malformed("job_id is given twice, or is not a string")
			}
			jobID, m.jobID = true, []byte(text)
		case memberStatus:
			text, ok := decodeText(value)
			if status || !ok {
				return malformed("status is given twice, or is not a string")
			}
			status, m.status = true, reducto.JobStatus(text)
		case memberMetadata:
			if meta {
				return malformed("metadata is given twice")
			}
			meta = true
			m.metadata.decode(value)
		default:
			for _, known := range []string{memberJobID, memberStatus, memberMetadata} {
				if strings.EqualFold(name, known) {
					return malformed(known + " is spelled in another case")
				}
			}
			m.unknown = true
		}
		return nil
	})
}

// decodeText is the string in value. What was not valid UTF-8 in it is the
// replacement character.
func decodeText(value []byte) (string, bool) {
	if value[0] != '"' {
		return "", false
	}
	var text string
	err := json.Unmarshal(value, &text)
	return text, err == nil
}

// event copies what is to be kept out of the body, once it is verified.
// submissionID is empty or a legal id.
func (m *message) event(kid string, submissionID []byte) (Event, error) {
	// Both ids in one piece of memory: every delivery has them. With a constant among
	// them the compiler copies each once.
	ids := string(m.jobID) + " " + string(submissionID)
	e := Event{
		JobID:        ids[:len(m.jobID)],
		Status:       m.status,
		Metadata:     m.metadata.stripped(),
		SubmissionID: ids[len(m.jobID)+1:],
		KeyID:        kid,
	}
	if !m.unknown {
		return e, nil
	}
	e.Extra = map[string]json.RawMessage{}
	err := members.Each(m.body, func(name string, value []byte) error {
		switch name {
		case memberJobID, memberStatus, memberMetadata:
			return nil
		}
		if _, twice := e.Extra[name]; twice {
			return malformed("a member is given twice")
		}
		e.Extra[name] = append(json.RawMessage(nil), value...)
		return nil
	})
	if err != nil {
		return Event{}, err
	}
	return e, nil
}
