package body

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

const (
	seedJob    = "204a39e4-dd10-4c83-a978-0cee4af8cde2"
	seedTrace  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	seedSecret = "canary-seed-0123456789abcdef"
)

// seeds are bodies of every form that Parse distinguishes.
func seeds() []string {
	usual := `{"status":"Completed","job_id":"` + seedJob + `","metadata":`
	metadata := []string{
		`null`, `{}`, `[]`, `"text"`, `1.5e-3`, `true`,
		`{"secret":"` + seedSecret + `"}`,
		`{"secret":"` + seedSecret + `","submission_id":"0199a0b4-5b7c-7d52-9d4e-3f5f0c1b2a3d","user":"123"}`,
		`{ "user" : "123" , "secret" : "` + seedSecret + `" , "more" : [1,2,{"a":null}] }`,
		`{"a":1,"secret":"` + seedSecret + `","b":2,"submission_id":"s","c":3}`,
		`{"secret":"x","secret":"` + seedSecret + `"}`,
		`{"secret":"a","secret":"b","secret":"` + seedSecret + `"}`,
		`{"Secret":"` + seedSecret + `"}`,
		`{"\u0073ecret":"` + seedSecret + `","n":1}`,
		`{"secret":"\u0063` + seedSecret[1:] + `"}`,
		`{"secret":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`,
		`{"secret":17,"submission_id":{},"traceparent":[]}`,
		`{"secret":"` + seedSecret + `","submission_id":"s","traceparent":"` + seedTrace + `"}`,
		`{"a":1,"secret":"` + seedSecret + `","traceparent":"` + seedTrace + `","b":2}`,
		`{"traceparent":"` + seedTrace + `"}`,
		`{"traceparent":"` + seedTrace + `
"}`,
		`{"ключ":"значение","secret":"` + seedSecret + `"}`,
		"{\"\xff\":1,\"\xfe\":2,\"secret\":\"" + seedSecret + "\"}",
		`{"s":"\"\\\/\b\f\n\r\t\u20ac\ud83d\ude00","secret":"` + seedSecret + `"}`,
		`{"n":[0,-0,1,-12.5,1E+9,2e-7,0.0],"secret":"` + seedSecret + `"}`,
		`{"n":[01],"secret":"x"}`, `{"n":[-],"secret":"x"}`, `{"n":[1.],"secret":"x"}`, `{"n":[tru],"s":"\q"}`, `{"n":"\u00"}`, `{"n":"\`,
	}
	var all []string
	for _, m := range metadata {
		all = append(all, usual+m+`}`)
	}
	return append(all,
		``, ` `, `null`, `[]`, `{}`, `{`, `{"`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `"`, `nul`,
		usual+`{}} `, usual+`{}}{}`, usual+`{}}x`, usual+`{}`+"\x00",
		`{"metadata":{},"job_id":"job_abc123","status":"Completed"}`,
		`{"status":"Completed","job_id":"job_abc123"}`,
		`{"STATUS":"Completed","status":"Failed","job_id":"a"}`,
		`{"status":"Completed","status":"Failed","job_id":"a"}`,
		`{"job_id":"a","job_id":"b","status":"Failed"}`,
		`{"job_id":"../cancel/x","status":"Failed"}`,
		`{"job_id":"\ud800","status":"Failed"}`,
		`{"job_id":"a","status":"\ud800"}`,
		"{\"job_id\":\"a\",\"status\":\"\xff\"}",
		`{"job_id":"a","status":"Done","extra":{"a":[1]},"\u0065xtra2":2}`,
		`{"job_id":"a","status":"Done","extra":1,"extra":2}`,
		`{"job_id":null,"status":1,"metadata":2}`,
		`{"\u006aob_id":"a","status":"\u0046ailed"}`,
		`{"job_id":"a","status":"`+strings.Repeat("x", 65)+`"}`,
	)
}

var legalID = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:~-]{0,127}$`)

// event is what a body says.
type event struct {
	JobID  string
	Status reducto.JobStatus
	Extra  map[string]json.RawMessage
}

// reference has the rules of Parse, on encoding/json alone.
func reference(body []byte) (e event, metadata json.RawMessage, ok bool) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !json.Valid(body) {
		return e, nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return e, nil, false
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return e, nil, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return e, nil, false
		}
		if _, twice := members[name.(string)]; twice {
			return e, nil, false
		}
		members[name.(string)] = value
	}
	text := func(name string) (string, bool) {
		raw := members[name]
		delete(members, name)
		var s *string
		if json.Unmarshal(raw, &s) != nil || s == nil || !utf8.Valid(raw) || strings.ContainsRune(*s, utf8.RuneError) {
			return "", false
		}
		return *s, true
	}
	id, ok1 := text("job_id")
	status, ok2 := text("status")
	if !ok1 || !ok2 || !legalID.MatchString(id) || status == "" || len(status) > 64 ||
		strings.ContainsFunc(status, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return e, nil, false
	}
	metadata = members["metadata"]
	delete(members, "metadata")
	if string(metadata) == "null" {
		metadata = nil
	}
	for name := range members {
		for _, known := range []string{"job_id", "status", "metadata"} {
			if strings.EqualFold(name, known) {
				return e, nil, false
			}
		}
	}
	if len(members) > 0 {
		e.Extra = members
	}
	e.JobID, e.Status = id, reducto.JobStatus(status)
	return e, metadata, true
}

// loosely decodes a JSON text as encoding/json does, but keeps numbers as they are.
func loosely(t testing.TB, raw []byte) any {
	t.Helper()
	if raw == nil {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v), "%q", raw)
	_, err := dec.Token()
	require.Equal(t, io.EOF, err)
	return v
}

// checkParse compares both ways of Parse with the reference.
func checkParse(t testing.TB, body []byte) {
	t.Helper()
	original := bytes.Clone(body)
	want, wantMetadata, ok := reference(body)

	var m Message
	err := m.Parse(body)
	var got event
	if err == nil {
		got = event{JobID: string(m.JobID), Status: m.Status}
		got.Extra, err = m.Extra()
	}
	require.Equal(t, ok, err == nil, "%q: %v", body, err)
	if err != nil {
		require.ErrorIs(t, err, ErrMalformed)
		require.NotContains(t, err.Error(), "canary-")
		return
	}
	require.Equal(t, string(wantMetadata), string(m.Metadata.raw))
	submission, stripped := bytes.Clone(m.Metadata.SubmissionID()), m.Metadata.Stripped()
	trace := bytes.Clone(m.Metadata.Traceparent())
	slow := Message{body: bytes.TrimPrefix(bytes.Clone(body), byteOrderMark)}
	require.NoError(t, slow.decode())

	// What is kept must not change with the buffer that it came from.
	for i := range body {
		body[i] = 'x'
	}
	assert.Equal(t, want, got)

	// Both ways find the same in the metadata, and strip the same of it.
	assert.Equal(t, string(slow.Metadata.SubmissionID()), string(submission))
	assert.Equal(t, string(slow.Metadata.Traceparent()), string(trace))
	assert.Equal(t, loosely(t, slow.Metadata.Stripped()), loosely(t, stripped), "%q", original)
	left, isObject := loosely(t, wantMetadata).(map[string]any)
	before := len(left)
	delete(left, reducto.MetadataSecret)
	delete(left, reducto.MetadataSubmissionID)
	delete(left, reducto.MetadataTraceparent)
	switch {
	case !isObject, len(left) == before:
		assert.Equal(t, string(wantMetadata), string(stripped), "nothing to strip")
	case len(left) == 0:
		assert.Nil(t, stripped)
	default:
		assert.Equal(t, left, loosely(t, stripped), "%q", original)
	}
}

func TestParseAgreesWithTheReference(t *testing.T) {
	t.Parallel()
	for _, body := range seeds() {
		checkParse(t, []byte(body))
		for n := range len(body) { // every beginning, and bytes changed
			checkParse(t, []byte(body[:n]))
			if n <= 160 {
				b := []byte(body)
				b[n] = `"\,`[n%3]
				checkParse(t, b)
			}
			if t.Failed() {
				t.Fatalf("%q", body)
			}
		}
	}
}

func TestParseScansUsualBodies(t *testing.T) {
	t.Parallel()
	bodies := append(seeds()[:10],
		"{\n  \"status\": \"Failed\",\n  \"job_id\": \"job_abc123\",\n  \"metadata\": {\n    \"user_id\": \"123\",\n    \"secret\": \"s\"\n  }\n}\n",
		`{"job_id":"job_abc123","status":"Cancelled"}`,
	)
	for _, body := range bodies {
		m := Message{body: []byte(body)}
		assert.True(t, m.scan(), body)
	}
	for _, body := range []string{
		`{"status":"Completed","job_id":"a","metadata":{},"new":1}`,
		`{"status":"Completed","job_id":"\u0061","metadata":{}}`,
		`{"status":"Completed","job_id":"a","metadata":{"\u0061":1}}`,
		`{"status":"Completed","job_id":"a","metadata":{"secret":1,"secret":2,"secret":3,"secret":4}}`,
		`{"status":"Completed","job_id":"a","metadata":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		m := Message{body: []byte(body)}
		assert.False(t, m.scan(), body)
		require.NoError(t, m.Parse([]byte(body)), "it is decoded instead")
	}
}

func TestStrippedRemovesReservedMembers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`null`:           "",
		`{}`:             `{}`,
		`[ ]`:            `[ ]`,
		`"x"`:            `"x"`,
		`{"secret":"x"}`: "",
		`{ "submission_id" : "s" , "secret":"x" }`:                   "",
		`{"a":1,"secret":"x"}`:                                       `{"a":1}`,
		`{"secret":"x","a":1}`:                                       `{"a":1}`,
		`{"a":1,"secret":"x","b":2}`:                                 `{"a":1,"b":2}`,
		`{"a":1,"secret":"x","submission_id":"s","traceparent":"t"}`: `{"a":1}`,
		`{"traceparent":"t"}`:                                        "",
		`{"secret":"x","a":1,"submission_id":"s"}`:                   `{"a":1}`,
		`{ "a" : 1 , "secret" : "x" , "b" : "," }`:                   `{"a" : 1,"b" : ","}`,
		`{"a":{"secret":"kept"},"secret":"x"}`:                       `{"a":{"secret":"kept"}}`,
		`{"a":1.50,"a":2,"secret":"x"}`:                              `{"a":1.50,"a":2}`,
		`{"secret":"x","secret":"y","secret":"z","a":1}`:             `{"a":1}`,
		`{"\u0073ecret":"x","\u0061":1}`:                             `{"a":1}`,
		`{"secret":"x","<&>":"<&>","\u0000":1}`:                      `{"\u003c\u0026\u003e":"<&>","\u0000":1}`,
		`{"secret":"x","<&>":1}`:                                     `{"<&>":1}`,
	} {
		var m Message
		require.NoError(t, m.Parse([]byte(`{"job_id":"a","status":"Failed","metadata":`+in+`}`)))
		got := m.Metadata.Stripped()
		assert.Equal(t, want, string(got), in)
		assert.Equal(t, want == "", got == nil, in)
	}
}

func TestSubmissionIDMustBeLegal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"0199a0b4-5b7c-7d52-9d4e-3f5f0c1b2a3d"`: "0199a0b4-5b7c-7d52-9d4e-3f5f0c1b2a3d",
		`"a"`:                                    "a",
		`"_A-9"`:                                 "_A-9",
		`"\u0061"`:                               "a",
		`"` + strings.Repeat("a", 128) + `"`:     strings.Repeat("a", 128),
		`"` + strings.Repeat("a", 129) + `"`:     "",
		`""`:                                     "",
		`"-a"`:                                   "",
		`"a.b"`:                                  "",
		`"a:b"`:                                  "",
		`"a~b"`:                                  "",
		`"a/b"`:                                  "",
		`"ä"`:                                    "",
		`1`:                                      "",
		`null`:                                   "",
		`"a","submission_id":"b"`:                "",
	} {
		var m Message
		require.NoError(t, m.Parse([]byte(`{"job_id":"a","status":"Failed","metadata":{"submission_id":`+in+`}}`)))
		assert.Equal(t, want, string(m.Metadata.SubmissionID()), in)
	}
}

func TestTraceparentMustBeLegal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"` + seedTrace + `"`:                               seedTrace,
		`"\u0030` + seedTrace[1:] + `"`:                     seedTrace,
		`"` + seedTrace + `0"`:                              "",
		`"` + seedTrace[1:] + `"`:                           "",
		`"01` + seedTrace[2:] + `"`:                         "",
		`"` + strings.ToUpper(seedTrace) + `"`:              "",
		`"` + strings.ReplaceAll(seedTrace, "-", "0") + `"`: "",
		`""`: "", `1`: "", `null`: "",
		`"` + seedTrace + `","traceparent":"` + seedTrace + `"`: "",
	} {
		var m Message
		require.NoError(t, m.Parse([]byte(`{"job_id":"a","status":"Failed","metadata":{"traceparent":`+in+`}}`)))
		assert.Equal(t, want, string(m.Metadata.Traceparent()), in)
	}
}

func FuzzParse(f *testing.F) {
	for _, body := range seeds() {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkParse(t, body) })
}
