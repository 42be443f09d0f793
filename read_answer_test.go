package reducto

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/jsonread"
)

// An answer that is read as it arrives is judged as one that is read as a whole: an
// empty body, a page, a body that ends early and JSON of another form are told apart.
func TestReadAnswer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`"0123456789",`, 20_000)
	for body, want := range map[string]struct {
		text  string
		whole bool
	}{
		"":                        {"the body is empty", false},
		" \n":                     {"the body is empty", false},
		"<html></html>":           {"the body is a page, not JSON (a proxy? check the base URL)", false},
		"<p>" + long:              {"the body is a page, not JSON (a proxy? check the base URL)", false},
		`{"status":`:              {"the body is not the JSON expected: unexpected end of JSON input", false},
		`{"status":"Pending"`:     {"the body is not the JSON expected: unexpected end of JSON input", false},
		`{"status":7}`:            {"the body is not the JSON expected: status: a number where a string is expected", true},
		`{"status":7`:             {"the body is not the JSON expected: status: a number where a string is expected", false},
		`{"status":7}]`:           {"the body is not the JSON expected: status: a number where a string is expected", false},
		`[]`:                      {"the body is not the JSON expected: not a JSON object", true},
		`[` + long + `1]`:         {"the body is not the JSON expected: not a JSON object", true},
		`[` + long + `]`:          {"the body is not the JSON expected: not a JSON object", false},
		`upstream is down`:        {"the body is not the JSON expected: invalid character 'u' at byte 0", false},
		`{"status":"Pending"} {}`: {"the body is not the JSON expected: invalid character '{' after the end at byte 21", false},
		`{"status":"Completed","result":{"response_type":"parse","usage":[]}}`:     {`the body is not the JSON expected: result of type "parse": usage: not a JSON object`, true},
		`{"status":"Completed","type":"Parse","result":{"usage":[]},"a":[1,{}]}`:   {`the body is not the JSON expected: result of type "parse": usage: not a JSON object`, true},
		`{"status":"Completed","type":"Parse","result":{"usage":[]},"a":[1,{]}`:    {"the body is not the JSON expected: invalid character ']' at byte 67", false},
		`{"status":"Pending","status":"Pending"}`:                                  {`the body is not the JSON expected: duplicate member "status"`, true},
		`{"status":"Completed","result":{"usage":{},"result":{"parse":1,"a":1,"a"`: {`the body is not the JSON expected: unexpected end of JSON input`, false},
	} {
		for way, r := range map[string]io.Reader{
			"whole": strings.NewReader(body), "byte by byte": iotest.OneByteReader(strings.NewReader(body)), "end with data": iotest.DataErrReader(strings.NewReader(body)),
		} {
			err := readAnswer(&answer{body: r, size: -1}, notExpected, func(r *jsonread.Reader) { readJob(r, new(Job)) })
			var bad *badAnswer
			require.ErrorAs(t, err, &bad, "%s: %.80s", way, body)
			assert.Equal(t, want.text, bad.Error(), "%s: %.80s", way, body)
			assert.Equal(t, want.whole, bad.whole, "%s: %.80s", way, body)
			assert.True(t, strings.HasPrefix(body, string(bad.body)), "%s: %.80s", way, body)
			assert.Equal(t, bad.body != nil && len(body) > len(bad.body), bad.cut, "%s: %.80s", way, body)
			assert.NotErrorIs(t, err, io.ErrUnexpectedEOF, "what arrived as a whole was not cut off on the way")

			// Read as a whole, it has the same reason.
			wholeErr := decodeJSON([]byte(body), new(Job))
			var wholeBad *badAnswer
			require.ErrorAs(t, wholeErr, &wholeBad)
			assert.Equal(t, wholeBad.reason, bad.reason, "%.80s", body)
			assert.Equal(t, wholeBad.whole, bad.whole, "%.80s", body)
		}
	}
}

// What is lost on the way explains more than what is wrong with the part that came.
func TestReadAnswerOfALostBody(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection reset")
	for _, body := range []string{"", "  ", "<html>", `{"status":`, `{"status":7`, `{"status":7}`, `{"status":"Pending"}`, `[`, `upstream`, `{"status":"Completed","result":{"usage":`, "x" + strings.Repeat(" ", 100_000)} {
		for _, failed := range []error{lost, io.ErrUnexpectedEOF, fmt.Errorf("%w: more than 5 bytes", ErrTooLarge)} {
			err := readAnswer(&answer{body: io.MultiReader(strings.NewReader(body), iotest.ErrReader(failed)), size: -1},
				notExpected, func(r *jsonread.Reader) { readJob(r, new(Job)) })
			require.Equal(t, failed, err, body)
		}
	}
}

// No part of a secret is shown where what is shown of a body ends.
func TestSecretsAtTheEndOfAHead(t *testing.T) {
	t.Parallel()
	const key = "sk-canary-5a1e77"
	c := newTestClient(t)
	for shift := range 40 {
		body := "<p>" + strings.Repeat(".", shift) + strings.Repeat(key, 2000)
		err := readAnswer(&answer{body: strings.NewReader(body), size: -1}, notExpected, func(*jsonread.Reader) {})
		f := c.unusable(t.Context(), &call{method: "GET", path: "/job/j1"}, &http.Response{StatusCode: 200}, err, []string{key, ""})
		lost := f.err.(*ConnectionError)
		assert.NotContains(t, lost.Body, "sk-")
		assert.NotEmpty(t, lost.Body)
	}
}

// The type of a result is found wherever it is told, and never guessed: all orders of
// members give what reading all of it first gives.
func TestUnionInAnyOrder(t *testing.T) {
	t.Parallel()
	parts := []string{
		`"usage":{"num_pages":1}`,
		`"result":{"type":"full","chunks":[{"content":"a","blocks":[{"content":"b","new":1}]}]}`,
		`"duration":1.5`,
	}
	for _, name := range []string{"", `"parse"`, `"v3_extract"`, `"edit"`, `"new"`, `""`, `null`, `7`} {
		members := parts
		if name != "" {
			members = append([]string{`"response_type":` + name}, parts...)
		}
		for _, result := range orders(members) {
			for _, kind := range []string{"", "Parse", "Extract", "Chart", "New"} {
				for _, job := range orders([]string{`"status":"Completed"`, `"result":{` + result + `}`, `"type":"` + kind + `"`}) {
					data := []byte(`{` + job + `}`)
					var want Job
					wantErr := refJob(data, &want)
					for way, r := range arrivals(data) {
						var got Job
						readJob(r, &got)
						r.End()
						if wantErr != nil {
							require.Error(t, r.Err(), "%s: %s", way, data)
							require.Equal(t, wantErr.Error(), r.Err().Error(), "%s: %s", way, data)
							continue
						}
						require.NoError(t, r.Err(), "%s: %s", way, data)
						require.IsType(t, want.Result, got.Result, "%s: %s", way, data)
						require.Equal(t, encoded(t, want), encoded(t, got), "%s: %s", way, data)
					}
				}
			}
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// orders joins the parts in every order.
func orders(parts []string) (joined []string) {
	if len(parts) == 1 {
		return parts
	}
	for i, first := range parts {
		rest := append(append([]string(nil), parts[:i]...), parts[i+1:]...)
		for _, others := range orders(rest) {
			joined = append(joined, first+","+others)
		}
	}
	return joined
}

// A synchronous answer is a result, or the id of a job alone.
func TestReadSync(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		result Result
		id     string
	}{
		`{"job_id":"j1"}`:                        {nil, "j1"},
		`{ "job_id" : "j1" } `:                   {nil, "j1"},
		`{"job_id":""}`:                          {&ParseResult{}, ""},
		`{"job_id":null}`:                        {&ParseResult{}, ""},
		`{}`:                                     {&ParseResult{}, ""},
		`null`:                                   {nil, ""},
		`{"job_id":"j1","result":{}}`:            {&ParseResult{}, "j1"},
		`{"result":{"chunks":[]},"job_id":"j1"}`: {&ParseResult{}, "j1"},
		`{"response_type":"edit","job_id":"j1"}`: {&EditResult{}, "j1"},
		`{"result":[],"response_type":"v3_extract","job_id":"j1"}`: {&ExtractResult{}, "j1"},
		`{"job_id":"j1","response_type":"new"}`:                    {&UnknownResult{}, "j1"},
		`[]`:                                                       {&UnknownResult{}, ""},
	} {
		for way, r := range arrivals([]byte(text)) {
			result, id := readSync(r, JobParse)
			r.End()
			require.NoError(t, r.Err(), "%s: %s", way, text)
			assert.IsType(t, want.result, result, "%s: %s", way, text)
			assert.Equal(t, want.id, id, "%s: %s", way, text)
		}
	}
	for _, text := range []string{`{"job_id":"j1"`, `{"job_id":"j1"}x`, `{"job_id"}`, `{"usage":7}`, `{"job_id":1}`} {
		r := jsonread.New(bytes.NewReader([]byte(text)), -1)
		result, id := readSync(r, JobParse)
		r.End()
		require.Error(t, r.Err(), text)
		if text != `{"job_id":"j1"}x` {
			assert.Nil(t, result)
			assert.Empty(t, id)
		}
	}
}
