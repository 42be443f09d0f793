package reducto

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/wireid"
)

// readJSON decodes an answer into out; nil ignores it. It is for answers that are
// small: see readAnswer.
func readJSON(out any) func(*answer) error {
	return func(a *answer) error {
		if out == nil {
			_, err := io.Copy(io.Discard, a.body)
			return err
		}
		raw, err := a.all()
		if err != nil {
			return err
		}
		return decodeJSON(raw, out)
	}
}

// all reads the whole body. The size that was announced only makes the room that
// io.ReadAll begins with smaller: most answers have some fifty bytes.
func (a *answer) all() ([]byte, error) {
	if a.size < 0 || a.size >= 512 {
		return io.ReadAll(a.body)
	}
	raw := make([]byte, 0, a.size+1) // and its end
	for len(raw) < cap(raw) {
		n, err := a.body.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if err == io.EOF {
			return raw, nil
		}
		if err != nil {
			return nil, err
		}
	}
	more, err := io.ReadAll(a.body)
	return append(raw, more...), err
}

// readJobID reads the answer to a submission.
func readJobID(a *answer) (string, error) {
	raw, err := a.all()
	if err != nil {
		return "", err
	}
	if id := onlyJobID(raw); id != "" {
		return id, nil
	}
	var accepted struct {
		JobID string `json:"job_id"`
	}
	if err := decodeJSON(raw, &accepted); err != nil {
		return "", err
	}
	if wireid.Check(accepted.JobID) != "" {
		return "", &badAnswer{reason: "the body has no usable job_id"}
	}
	return accepted.JobID, nil
}

// onlyJobID is the id in {"job_id":"…"}, which is all that the service answers;
// empty for anything else, which encoding/json has to read. It saves that every time.
func onlyJobID(raw []byte) string {
	for _, token := range [...]string{"{", `"job_id"`, ":", `"`} {
		var found bool
		if raw, found = bytes.CutPrefix(trimSpace(raw), []byte(token)); !found {
			return ""
		}
	}
	id, rest, _ := bytes.Cut(raw, []byte{'"'})
	if wireid.Check(id) != "" { // an escape is in no id
		return ""
	}
	if rest = trimSpace(rest); len(rest) == 0 || rest[0] != '}' || len(trimSpace(rest[1:])) > 0 {
		return ""
	}
	return string(id)
}

// trimSpace removes what JSON calls white space from the beginning.
func trimSpace(raw []byte) []byte { return bytes.TrimLeft(raw, " \t\r\n") }

// decodeJSON explains what is wrong with an answer that is not the JSON expected.
func decodeJSON(raw []byte, out any) error {
	if bad := noJSON(members.Kind(raw), raw); bad != nil {
		return bad
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return &badAnswer{reason: notExpected, err: err, body: raw, whole: json.Valid(raw)}
	}
	return nil
}

const notExpected = "the body is not the JSON expected"

// startsJSON reports whether a body begins as an object, a list or a text does.
func startsJSON(body []byte) bool {
	switch members.Kind(body) {
	case '{', '[', '"':
		return true
	}
	return false
}

// noJSON tells from its first byte what an answer is that is no JSON at all.
func noJSON(kind byte, body []byte) *badAnswer {
	switch kind {
	case 0:
		return &badAnswer{reason: "the body is empty"}
	case '<':
		return &badAnswer{reason: "the body is a page, not JSON (a proxy? check the base URL)", body: body}
	}
	return nil
}

// readAnswer has read decode an answer as it arrives, and explains what is wrong with
// it as decodeJSON does. misfit is the reason where it is JSON of another form.
func readAnswer(a *answer, misfit string, read func(*jsonread.Reader)) error {
	r := jsonread.New(a.body, a.size)
	defer r.Close()
	r.KeepHead()
	kind := r.Kind()
	if kind != 0 && kind != '<' {
		read(r)
		if r.End(); r.Err() == nil {
			return nil
		}
	}
	err, whole := r.Err(), false
	if err != nil {
		whole = r.Rest() == nil
	}
	// A body that is lost on the way explains more than what was read of it.
	var unread int64
	if r.SourceErr() == nil && !whole {
		var lost error
		if unread, lost = io.Copy(io.Discard, a.body); lost != nil {
			return lost
		}
	}
	if r.SourceErr() != nil {
		return r.SourceErr()
	}
	head, all := r.Head()
	body, cut := bytes.Clone(head), !all || unread > 0
	if bad := noJSON(kind, body); bad != nil {
		bad.cut = cut
		return bad
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errEndsEarly
	}
	if !whole {
		misfit = notExpected
	}
	return &badAnswer{reason: misfit, err: err, body: body, cut: cut, whole: whole}
}

// errEndsEarly is an answer that arrived as a whole and is no whole JSON: nothing was
// lost on the way.
var errEndsEarly = errors.New("unexpected end of JSON input")

// badAnswer is what makes a successful answer unusable.
type badAnswer struct {
	reason string
	err    error
	body   []byte
	cut    bool // there is more of the body
	whole  bool // nothing was lost on the way: the service would send it again
}

func (e *badAnswer) Error() string {
	if e.err == nil {
		return e.reason
	}
	return e.reason + ": " + e.err.Error()
}

func (e *badAnswer) Unwrap() error { return e.err }

// shown is the body without secrets.
func (e *badAnswer) shown(secrets []string) []byte {
	text := hider(secrets)(string(e.body))
	if !e.cut {
		return []byte(text)
	}
	// At the end there may be a part of one.
	longest := 0
	for _, s := range secrets {
		longest = max(longest, len(s))
	}
	return []byte(text[:max(0, len(text)-longest)])
}
