package webhook

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

const (
	seedJob    = "204a39e4-dd10-4c83-a978-0cee4af8cde2"
	seedSecret = "canary-seed-0123456789abcdef"
)

// seeds are bodies of every form that the parser tells apart.
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
		`{"secret":17,"submission_id":{}}`,
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
		usual+`{}} `, usual+`{}}{}`, usual+`{}}x`, "\xef\xbb\xbf"+usual+`{}}`, usual+`{}`+"\x00",
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

// reference is the parser's rules once more, slowly, on encoding/json alone.
func reference(body []byte) (e Event, metadata json.RawMessage, ok bool) {
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

// loosely is what a JSON text means to encoding/json, numbers as they are.
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

// checkParse compares the two ways of the parser and the reference.
func checkParse(t testing.TB, body []byte) {
	t.Helper()
	original := bytes.Clone(body)
	want, wantMetadata, ok := reference(body)

	var m message
	err := m.parse(body)
	var got Event
	if err == nil {
		got, err = m.event("kid", m.metadata.submissionID())
	}
	require.Equal(t, ok, err == nil, "%q: %v", body, err)
	if err != nil {
		require.ErrorIs(t, err, ErrMalformed)
		return
	}

	// The Event must not change with the buffer that it came from.
	raw := bytes.Clone(m.metadata.raw)
	slow := message{body: bytes.Clone(body)}
	require.NoError(t, slow.decode())
	for i := range body {
		body[i] = 'x'
	}
	assert.Equal(t, want.JobID, got.JobID)
	assert.Equal(t, want.Status, got.Status)
	assert.Equal(t, want.Extra, got.Extra)
	require.Equal(t, string(wantMetadata), string(raw))

	// Both ways find the same in the metadata, and strip the same of it.
	again, err := slow.event("kid", slow.metadata.submissionID())
	require.NoError(t, err)
	assert.Equal(t, again.SubmissionID, got.SubmissionID)
	assert.Equal(t, loosely(t, again.Metadata), loosely(t, got.Metadata), "%q", original)
	left, isObject := loosely(t, wantMetadata).(map[string]any)
	if !isObject {
		assert.Equal(t, string(wantMetadata), string(got.Metadata))
		return
	}
	before := len(left)
	delete(left, reducto.MetadataSecret)
	delete(left, reducto.MetadataSubmissionID)
	switch {
	case len(left) == before:
		assert.Equal(t, string(wantMetadata), string(got.Metadata), "nothing to strip")
	case len(left) == 0:
		assert.Nil(t, got.Metadata)
	default:
		assert.Equal(t, left, loosely(t, got.Metadata), "%q", original)
	}
}

func TestParseAgreesWithTheReference(t *testing.T) {
	t.Parallel()
	for _, body := range seeds() {
		checkParse(t, []byte(body))
		for n := range len(body) { // every beginning, and bytes changed
			checkParse(t, []byte(body[:n]))
			if n > 160 {
				continue
			}
			for _, c := range []byte{'"', '\\', ','} {
				b := []byte(body)
				b[n] = c
				checkParse(t, b)
			}
			if t.Failed() {
				t.Fatalf("%q", body)
			}
		}
	}
}

func TestUsualBodiesAreScanned(t *testing.T) {
	t.Parallel()
	bodies := append(seeds()[:10],
		"{\n  \"status\": \"Failed\",\n  \"job_id\": \"job_abc123\",\n  \"metadata\": {\n    \"user_id\": \"123\",\n    \"secret\": \"s\"\n  }\n}\n",
		`{"job_id":"job_abc123","status":"Cancelled"}`,
	)
	for _, body := range bodies {
		m := message{body: []byte(body)}
		assert.True(t, m.scan(), body)
	}
	for _, body := range []string{
		`{"status":"Completed","job_id":"a","metadata":{},"new":1}`,
		`{"status":"Completed","job_id":"\u0061","metadata":{}}`,
		`{"status":"Completed","job_id":"a","metadata":{"\u0061":1}}`,
		`{"status":"Completed","job_id":"a","metadata":{"secret":1,"secret":2,"secret":3}}`,
		`{"status":"Completed","job_id":"a","metadata":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		m := message{body: []byte(body)}
		assert.False(t, m.scan(), body)
		require.NoError(t, m.parse([]byte(body)), "unusual is not wrong")
	}
}

func TestMetadataIsStripped(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`null`:           "",
		`{}`:             `{}`,
		`[ ]`:            `[ ]`,
		`"x"`:            `"x"`,
		`{"secret":"x"}`: "",
		`{ "submission_id" : "s" , "secret":"x" }`:       "",
		`{"a":1,"secret":"x"}`:                           `{"a":1}`,
		`{"secret":"x","a":1}`:                           `{"a":1}`,
		`{"a":1,"secret":"x","b":2}`:                     `{"a":1,"b":2}`,
		`{"secret":"x","a":1,"submission_id":"s"}`:       `{"a":1}`,
		`{ "a" : 1 , "secret" : "x" , "b" : "," }`:       `{"a" : 1,"b" : ","}`,
		`{"a":{"secret":"kept"},"secret":"x"}`:           `{"a":{"secret":"kept"}}`,
		`{"a":1.50,"a":2,"secret":"x"}`:                  `{"a":1.50,"a":2}`,
		`{"secret":"x","secret":"y","secret":"z","a":1}`: `{"a":1}`,
		`{"\u0073ecret":"x","\u0061":1}`:                 `{"a":1}`,
		`{"secret":"x","<&>":"<&>","\u0000":1}`:          `{"\u003c\u0026\u003e":"<&>","\u0000":1}`,
		`{"secret":"x","<&>":1}`:                         `{"<&>":1}`,
	} {
		var m message
		require.NoError(t, m.parse([]byte(`{"job_id":"a","status":"Failed","metadata":`+in+`}`)))
		got := m.metadata.stripped()
		assert.Equal(t, want, string(got), in)
		assert.Equal(t, want == "", got == nil, in)
	}
}

func TestSubmissionIDs(t *testing.T) {
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
		var m message
		require.NoError(t, m.parse([]byte(`{"job_id":"a","status":"Failed","metadata":{"submission_id":`+in+`}}`)))
		assert.Equal(t, want, string(m.metadata.submissionID()), in)
	}
}

func FuzzParse(f *testing.F) {
	for _, body := range seeds() {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkParse(t, body) })
}

// FuzzSecretVerify: nothing is believed that does not hold the secret.
func FuzzSecretVerify(f *testing.F) {
	secret, err := NewSecret(seedSecret, "canary-seed-previous-0123")
	if err != nil {
		f.Fatal(err)
	}
	for _, body := range seeds() {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkBelief(t, secret, body) })
}

// Scenario 64, within every test run: what FuzzParse and FuzzSecretVerify hold, on
// bodies that are mutated from the seeds.
func TestScenario64_MutatedBodies(t *testing.T) {
	t.Parallel()
	secret, err := NewSecret(seedSecret, "canary-seed-previous-0123")
	require.NoError(t, err)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 64))
	all := seeds()
	const alphabet = "{}[]\",:\\u0123456789secrtjob_idmaCF \x00\xff\n"
	for range 20_000 {
		body := []byte(all[random.IntN(len(all))])
		if len(body) > 4<<10 {
			continue
		}
		for range 1 + random.IntN(4) {
			at := random.IntN(len(body) + 1)
			switch random.IntN(3) {
			case 0: // insert
				body = slices.Insert(body, at, alphabet[random.IntN(len(alphabet))])
			case 1: // cut
				body = slices.Delete(body, at, min(len(body), at+random.IntN(8)))
			case 2: // splice in a piece of another
				other := all[random.IntN(len(all))]
				if len(other) > 4<<10 {
					continue
				}
				from := random.IntN(len(other) + 1)
				body = slices.Insert(body, at, []byte(other[from:min(len(other), from+random.IntN(40))])...)
			}
		}
		checkBelief(t, secret, body)
		if t.Failed() {
			t.Fatalf("%q", body)
		}
	}
}

// checkBelief holds for every body: nothing panics, nothing is believed without
// the secret, and no error repeats what the body said.
func checkBelief(t *testing.T, secret *Secret, body []byte) {
	t.Helper()
	e, err := secret.Verify(nil, body)
	if err != nil {
		if !reflect.ValueOf(e).IsZero() {
			t.Errorf("an event beside an error: %v", e)
		}
		require.NotContains(t, err.Error(), "canary-")
		return
	}
	var read struct { // numbers in it may be larger than any type of Go's holds
		Metadata map[string]json.RawMessage `json:"metadata"`
	}
	require.NoError(t, json.Unmarshal(body, &read))
	var given string
	require.NoError(t, json.Unmarshal(read.Metadata["secret"], &given))
	switch given {
	case seedSecret:
		require.Equal(t, "current", e.KeyID)
	case "canary-seed-previous-0123":
		require.Equal(t, "previous-1", e.KeyID)
	default:
		t.Fatalf("believed without the secret: %q", body)
	}
	var left map[string]json.RawMessage
	require.NoError(t, e.DecodeMetadata(&left))
	require.NotContains(t, left, "secret")
}
