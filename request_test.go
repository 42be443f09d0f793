package reducto

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/jsonread"
	"github.com/reducto-go/reducto/internal/wireid"
)

// A streamed answer is classified like a whole one: an empty body, a page, a truncated
// body, and JSON of another form.
func TestReadAnswerClassifiesBodies(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`"0123456789",`, 20_000)
	for body, want := range map[string]struct {
		text  string
		whole bool
	}{
		"":                        {"the body is empty", false},
		" \n":                     {"the body is empty", false},
		"<html></html>":           {"the body is a page, not JSON: check the base URL, and whether a proxy sent it", false},
		"<p>" + long:              {"the body is a page, not JSON: check the base URL, and whether a proxy sent it", false},
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

			// A whole answer gives the same reason.
			wholeErr := decodeJSON([]byte(body), new(Job))
			var wholeBad *badAnswer
			require.ErrorAs(t, wholeErr, &wholeBad)
			assert.Equal(t, wholeBad.reason, bad.reason, "%.80s", body)
			assert.Equal(t, wholeBad.whole, bad.whole, "%.80s", body)
		}
	}
}

// The error of a lost connection explains more than the error of the received part.
func TestReadAnswerReturnsTheErrorOfTheConnection(t *testing.T) {
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

// The shown part of a body does not end with a part of a secret.
func TestShownBodyEndsWithoutPartOfASecret(t *testing.T) {
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

func TestDecodeJSONClassifiesBodies(t *testing.T) {
	t.Parallel()
	var out struct{ A int }
	require.NoError(t, decodeJSON([]byte(` {"a":1}`), &out))
	for body, test := range map[string]struct {
		reason string
		whole  bool
	}{
		"":                 {"the body is empty", false},
		" \n":              {"the body is empty", false},
		"<html></html>":    {"a page, not JSON", false},
		`{"a":`:            {"not the JSON expected", false},
		`{"a":"x"}`:        {"not the JSON expected", true},
		`[]`:               {"not the JSON expected", true},
		"upstream is down": {"not the JSON expected", false},
	} {
		var bad *badAnswer
		require.ErrorAs(t, decodeJSON([]byte(body), &out), &bad, body)
		assert.Contains(t, bad.Error(), test.reason, body)
		assert.Equal(t, test.whole, bad.whole, body)
	}
	read := func(body io.Reader, out any) error { return readJSON(out)(&answer{body: body}) }
	require.NoError(t, read(strings.NewReader("anything"), nil))
	broken := errors.New("broken")
	require.ErrorIs(t, read(&failing{strings.NewReader("{"), broken}, &out), broken)
	require.ErrorIs(t, read(&failing{strings.NewReader("{"), broken}, nil), broken)
}

func TestUnusableAnswersAreClassified(t *testing.T) {
	t.Parallel()
	c := newTestClient(t)
	resp := &http.Response{StatusCode: 200}
	r := &call{method: "GET", path: "/job/j1"}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx       context.Context
		err       error
		transient bool
		text      string
	}{
		"a page":               {t.Context(), &badAnswer{reason: "it is a page", body: []byte("<html>key sk-5a1e</html>")}, true, "it is a page: <html>key [redacted]</html>"},
		"another form":         {t.Context(), &badAnswer{reason: "it is another", body: []byte("{5a1e}"), whole: true}, false, "it is another"},
		"cut off":              {t.Context(), io.ErrUnexpectedEOF, true, "the answer ended early: unexpected EOF"},
		"too large":            {t.Context(), fmt.Errorf("%w: more than 5 bytes", ErrTooLarge), false, "answer too large: more than 5 bytes"},
		"broken":               {t.Context(), errors.New("connection reset"), true, "connection reset"},
		"the caller has ended": {ended, io.ErrUnexpectedEOF, false, "context canceled"},
	} {
		f := c.unusable(test.ctx, r, resp, test.err, []string{"sk-5a1e"})
		assert.Equal(t, test.transient, f.transient, name)
		assert.False(t, f.nothing, "%s: the service has answered", name)
		var lost *ConnectionError
		require.ErrorAs(t, f.err, &lost, name)
		assert.Equal(t, 200, lost.StatusCode)
		assert.Contains(t, f.err.Error(), test.text, name)
		assert.NotContains(t, f.err.Error(), "5a1e", name)
	}
}

func TestLimitedBodyFailsAboveTheLimit(t *testing.T) {
	t.Parallel()
	const text = "0123456789"
	for limit := int64(1); limit < 12; limit++ {
		for size := 1; size < 13; size++ {
			l := &limitedBody{r: strings.NewReader(text), left: limit, limit: limit}
			var got strings.Builder
			_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{l}, make([]byte, size))
			if limit >= int64(len(text)) {
				require.NoError(t, err, "limit %d", limit)
				assert.Equal(t, text, got.String())
				continue
			}
			require.ErrorIs(t, err, ErrTooLarge, "limit %d", limit)
			assert.ErrorContains(t, err, "more than "+strconv.FormatInt(limit, 10)+" bytes")
			assert.LessOrEqual(t, int64(got.Len()), limit+1)
			_, err = l.Read(make([]byte, 1))
			require.ErrorIs(t, err, ErrTooLarge, "it stays so")
		}
	}
	// Without a limit.
	l := &limitedBody{r: strings.NewReader(text), left: math.MaxInt64, limit: math.MaxInt64}
	raw, err := io.ReadAll(l)
	require.NoError(t, err)
	assert.Equal(t, text, string(raw))
}

// A failed exchange is classified by how far it came.
func TestFailedExchangeIsClassifiedByProgress(t *testing.T) {
	t.Parallel()
	c := newTestClient(t)
	ended := func(cause error) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		return ctx
	}
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	write := &net.OpError{Op: "write", Net: "tcp", Err: errors.New("broken pipe")}
	type judged struct{ transient, nothing bool }
	for name, test := range map[string]struct {
		ctx       context.Context
		err       error
		connected bool
		want      judged
	}{
		"no connection":            {t.Context(), dial, false, judged{true, true}},
		"no such host":             {t.Context(), &net.DNSError{Err: "no such host"}, false, judged{true, true}},
		"no connection, another":   {t.Context(), dial, true, judged{true, false}},
		"broken while writing":     {t.Context(), write, true, judged{true, false}},
		"broken, and no trace":     {t.Context(), write, false, judged{true, false}},
		"an end":                   {t.Context(), io.EOF, true, judged{true, false}},
		"a proxy's refusal":        {t.Context(), &net.OpError{Op: "proxyconnect", Err: errors.New("no")}, false, judged{true, false}},
		"the caller's end":         {ended(nil), write, true, judged{false, false}},
		"the caller's, on dialing": {ended(nil), dial, false, judged{false, true}},
		"the attempt's end":        {ended(errAttemptTimeout), write, true, judged{true, false}},
		"no byte moved":            {ended(errIdle), write, true, judged{true, false}},
		"another certificate":      {t.Context(), &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, false, judged{false, true}},
		"unknown authority":        {t.Context(), x509.UnknownAuthorityError{}, false, judged{false, true}},
		"another host":             {t.Context(), x509.HostnameError{Certificate: &x509.Certificate{}}, false, judged{false, true}},
		"no TLS":                   {t.Context(), tls.RecordHeaderError{Msg: "http"}, false, judged{false, true}},
		"TLS later on":             {t.Context(), tls.RecordHeaderError{Msg: "http"}, true, judged{false, false}},
	} {
		wrapped := &url.Error{Op: "Post", URL: "https://reducto.example.com/parse_async?sig=5a1e", Err: test.err}
		f := c.failedExchange(test.ctx, &call{method: "POST", path: "/parse_async", query: "sig=5a1e"}, wrapped, reached(test.connected))
		assert.Equal(t, test.want, judged{f.transient, f.nothing}, name)
		assert.Negative(t, f.after, name)
		var lost *ConnectionError
		require.ErrorAs(t, f.err, &lost, name)
		assert.Equal(t, "https://reducto.example.com/parse_async", lost.URL, name)
		assert.NotContains(t, f.err.Error(), "5a1e", name)
		if test.ctx.Err() == nil {
			assert.ErrorIs(t, f.err, test.err, name)
		} else {
			assert.ErrorIs(t, f.err, context.Cause(test.ctx), name)
		}
	}
	// A request body that cannot be read is not a failed connection.
	mine := &RequestError{Op: "Upload", Field: "reader", Reason: "it ended"}
	f := c.failedExchange(t.Context(), &call{}, &url.Error{Err: fmt.Errorf("write: %w", mine)}, reached(true))
	assert.Equal(t, error(mine), f.err)
	assert.False(t, f.transient)
	assert.False(t, f.nothing)
}

func reached(connected bool) *reach {
	r := new(reach)
	r.connected.Store(connected)
	return r
}

func TestAnswerIsReadWithAnyAnnouncedSize(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 1, 49, 50, 51, 511, 512, 5000} {
		text := strings.Repeat("x", length)
		// The true size, an unknown one, and wrong ones from a user's transport.
		for _, size := range []int64{int64(length), -1, 0, 50, 511, 512, 1 << 40} {
			for name, body := range map[string]io.Reader{
				"at once":         strings.NewReader(text),
				"in bytes":        iotest.OneByteReader(strings.NewReader(text)),
				"end with data":   iotest.DataErrReader(strings.NewReader(text)),
				"in halves":       iotest.HalfReader(strings.NewReader(text)),
				"behind a limit":  &limitedBody{r: strings.NewReader(text), left: int64(length), limit: int64(length)},
				"nothing between": &lazyReader{r: strings.NewReader(text)},
			} {
				got, err := (&answer{body: body, size: size}).all()
				require.NoError(t, err, "%s, %d of %d", name, length, size)
				require.Equal(t, text, string(got), "%s, %d of %d", name, length, size)
			}
			lost := errors.New("lost")
			_, err := (&answer{body: io.MultiReader(strings.NewReader(text), iotest.ErrReader(lost)), size: size}).all()
			require.ErrorIs(t, err, lost)
			_, err = (&answer{body: io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF)), size: size}).all()
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			if length > 0 {
				_, err = (&answer{body: &limitedBody{r: strings.NewReader(text), left: int64(length) - 1}, size: size}).all()
				require.ErrorIs(t, err, ErrTooLarge)
			}
		}
	}
}

// lazyReader returns no bytes at every other call, as a reader may.
type lazyReader struct {
	r    io.Reader
	lazy bool
}

func (l *lazyReader) Read(p []byte) (int, error) {
	if l.lazy = !l.lazy; l.lazy {
		return 0, nil
	}
	return l.r.Read(p)
}

func TestReadJobIDOfEveryForm(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"job_id":"j1"}`:                    "j1",
		"\r\n\t { \"job_id\" : \"j1\" \n}\n": "j1",
		`{"job_id":"j1","job_id":"j2"}`:      "j2",
		`{"status":"Pending","job_id":"j1"}`: "j1",
		`{"job_id":"j\u0031"}`:               "j1",
		`{"JOB_ID":"j1"}`:                    "j1",
	} {
		got, err := readJobID(&answer{body: strings.NewReader(raw), size: int64(len(raw))})
		require.NoError(t, err, raw)
		assert.Equal(t, want, got, raw)
	}
	for _, raw := range []string{
		"", "null", "[]", `{}`, `{"job_id":1}`, `{"job_id":""}`, `{"job_id":"a/b"}`, `{"job_id":"j1"`, `{"job_id":"j1`,
		`{"job_id":"j1"}}`, `{"job_id":"j1"} {}`, `{"job_id" "j1"}`, `{job_id:"j1"}`, `{"job_id":"j1",}`, "<html>", "\v{}",
	} {
		_, err := readJobID(&answer{body: strings.NewReader(raw), size: int64(len(raw))})
		var bad *badAnswer
		require.ErrorAs(t, err, &bad, raw)
	}
}

// Ids that are read without encoding/json equal those of encoding/json.
func FuzzJobIDOfAnAnswer(f *testing.F) {
	for _, raw := range []string{
		`{"job_id":"j1"}`, " {\n \"job_id\" :\t\"j1\"\r}\n", `{"job_id":"j1","job_id":"j2"}`, `{"job_id":"j\u0031"}`, `{"job_id":"j1"}}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		id := onlyJobID(raw)
		if id == "" {
			return
		}
		var members map[string]string
		require.NoError(t, json.Unmarshal(raw, &members))
		require.Equal(t, map[string]string{"job_id": id}, members)
		require.Empty(t, wireid.Check(id))
	})
}
