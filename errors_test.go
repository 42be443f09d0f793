package reducto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// apiError is what becomes of an answer to GET /job/j1.
func apiError(status int, contentType string, body []byte, secrets ...string) *APIError {
	resp := &http.Response{StatusCode: status, Header: http.Header{}}
	if contentType != "" {
		resp.Header.Set("Content-Type", contentType)
	}
	return decodeAPIError("GET", "/job/j1", resp, body, secrets...)
}

func TestAPIErrorShapes(t *testing.T) {
	t.Parallel()
	const isJSON = "application/json"
	base := APIError{Method: "GET", Path: "/job/j1", ContentType: isJSON}
	tests := map[string]struct {
		status int
		body   string
		want   func(*APIError)
	}{
		"the service's own": {400, string(wire(t, "error_service.json")), func(e *APIError) {
			e.Code, e.Name, e.Message, e.JobID = 400, ErrorInvalidConfig, "document_url: the scheme is unknown", "j20"
		}},
		"unauthorized": {401, string(wire(t, "error_unauthorized.json")), func(e *APIError) {
			e.Code, e.Name, e.Message = 401, ErrorAuthError, "Access token is not known"
		}},
		"as documented": {400, string(wire(t, "error_documented.json")), func(e *APIError) {
			e.Code, e.Type, e.Message = 400, "file_download_failure", "The file at this address could not be fetched"
		}},
		"the validator's": {422, string(wire(t, "error_validation.json")), func(e *APIError) {
			e.Fields = []FieldError{
				{Location: "body.settings.page_range.0.start", Message: "Input should be greater than 0", Type: "greater_than", Context: map[string]any{"gt": 0.0}},
				{Location: "body.settings.page_range.list[int]", Message: "Input should be a valid list", Type: "list_type"},
				{Location: "body.parsing", Message: "Extra inputs are not permitted", Type: "extra_forbidden"},
				{Message: "Field required", Type: "missing"},
			}
		}},
		"detail as text": {404, string(wire(t, "error_detail_text.json")), func(e *APIError) { e.Message = "Job not found" }},
		"detail as object": {410, string(wire(t, "error_detail_object.json")), func(e *APIError) {
			e.Code, e.Name, e.Message, e.JobID = 410, ErrorJobDeleted, "The job was deleted", "j21"
		}},
		"the edge's":    {429, string(wire(t, "error_edge.json")), func(e *APIError) { e.Message = "[CODE 1000] too many requests: slow down" }},
		"error as text": {500, `{"error":"out of memory"}`, func(e *APIError) { e.Message = "out of memory" }},
		"error and fields": {422, `{"error":{"name":"INVALID_CONFIG","message":"m"},"detail":[{"loc":["body"],"msg":"f","type":"t"}]}`, func(e *APIError) {
			e.Name, e.Message, e.Fields = ErrorInvalidConfig, "m", []FieldError{{Location: "body", Message: "f", Type: "t"}}
		}},
		"error null":               {500, `{"error":null,"detail":"d"}`, func(e *APIError) { e.Message = "d" }},
		"code as text":             {500, `{"error":{"code":"503","message":"m"}}`, func(e *APIError) { e.Code, e.Message = 503, "m" }},
		"code that is none":        {500, `{"error":{"code":"ERR","message":"m"}}`, func(e *APIError) { e.Message = "m" }},
		"code as object":           {500, `{"error":{"code":{"n":1},"message":"m"}}`, func(e *APIError) { e.Message = "m" }},
		"unknown name":             {418, `{"error":{"name":"TEAPOT","message":"m"}}`, func(e *APIError) { e.Name, e.Message = "TEAPOT", "m" }},
		"job id at the top":        {409, `{"message":"m","job_id":"j22"}`, func(e *APIError) { e.Message, e.JobID = "m", "j22" }},
		"the first of two members": {400, `{"message":"first","message":"second"}`, func(e *APIError) { e.Message = "first" }},
		"members of other kinds": {400, `{"error":{"message":7,"name":[],"type":{},"job_id":1},"detail":7,"message":null,"job_id":2}`, func(e *APIError) {
			e.Body = `{"error":{"message":7,"name":[],"type":{},"job_id":1},"detail":7,"message":null,"job_id":2}`
		}},
		"name without a message":  {400, `{"error":{"name":"INVALID_CONFIG"}}`, func(e *APIError) { e.Name, e.Body = ErrorInvalidConfig, `{"error":{"name":"INVALID_CONFIG"}}` }},
		"fields without objects":  {422, `{"detail":["a",7,null]}`, func(e *APIError) { e.Body = `{"detail":["a",7,null]}` }},
		"a place that is no list": {422, `{"detail":[{"loc":"body","msg":"m"}]}`, func(e *APIError) { e.Fields = []FieldError{{Message: "m"}} }},
		"a list":                  {400, `["a"]`, func(e *APIError) { e.Body = `["a"]` }},
		"a text":                  {400, `"a"`, func(e *APIError) { e.Body = `"a"` }},
		"null":                    {400, `null`, func(e *APIError) { e.Body = `null` }},
		"an empty object":         {400, `{}`, func(e *APIError) { e.Body = `{}` }},
		"nothing":                 {502, ``, func(*APIError) {}},
		"half an object":          {500, `{"error":{"message":"m`, func(e *APIError) { e.Body = `{"error":{"message":"m` }},
		"not printable":           {500, "\x00\x1b[31m\xff\nx", func(e *APIError) { e.Body = "..[31m. x" }},
		"a page": {502, string(wire(t, "error_nginx.html")), func(e *APIError) {
			e.Body = strings.ReplaceAll(string(wire(t, "error_nginx.html")), "\n", " ")
		}},
		"storage's": {403, string(wire(t, "error_storage.xml")), func(e *APIError) {
			e.Body = strings.ReplaceAll(string(wire(t, "error_storage.xml")), "\n", " ")
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := base
			want.StatusCode = test.status
			test.want(&want)
			got := apiError(test.status, isJSON, []byte(test.body))
			assert.Equal(t, &want, got)
			assert.True(t, strings.HasPrefix(got.Error(), fmt.Sprintf("reducto: GET /job/j1: %d", test.status)), got.Error())
		})
	}
}

func TestAPIErrorText(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*APIError{
		"reducto: GET /job/j1: 400 Bad Request INVALID_CONFIG: document_url: the scheme is unknown":                                                                                                                                                    apiError(400, "application/json", wire(t, "error_service.json")),
		"reducto: GET /job/j1: 401 Unauthorized AUTH_ERROR: Access token is not known (check the API key, and that it belongs to this region)":                                                                                                         apiError(401, "application/json", wire(t, "error_unauthorized.json")),
		"reducto: GET /job/j1: 422 Unprocessable Entity: body.settings.page_range.0.start: Input should be greater than 0; body.settings.page_range.list[int]: Input should be a valid list; body.parsing: Extra inputs are not permitted; and 1 more": apiError(422, "application/json", wire(t, "error_validation.json")),
		"reducto: GET /job/j1: 442 Password Protected":       apiError(442, "", nil),
		"reducto: GET /job/j1: 599":                          apiError(599, "", nil),
		"reducto: GET /job/j1: 502 Bad Gateway: <h1>no</h1>": apiError(502, "text/html", []byte("<h1>no</h1>")),
		"reducto: GET /job/j1: 403 Forbidden: no (the request seems to have reached no API: check the base URL and the key)": apiError(403, "text/html; charset=utf-8", []byte("no")),
		"reducto: GET /job/j1: 403 Forbidden: no": apiError(403, "application/xml", []byte("no")),
	} {
		assert.EqualError(t, e, want)
	}
	gone := apiError(404, "", nil)
	gone.gone = true
	assert.EqualError(t, gone, "reducto: GET /job/j1: 404 Not Found (the job expired: job ids live 12 hours unless results are persisted)")

	resp := &http.Response{StatusCode: 302, Header: http.Header{"Location": {"https://example.org/login?token=5a1e"}}}
	redirected := decodeAPIError("GET", "/job/j1", resp, []byte("moved"))
	assert.EqualError(t, redirected, "reducto: GET /job/j1: 302 Found: redirected to https://example.org/login?[redacted] (redirects are not followed, so that the key cannot leave the host: check the base URL)")
	resp.StatusCode = 400
	assert.NotContains(t, decodeAPIError("GET", "/", resp, nil).Error(), "redirected")

	// However much the answer says, the text stays short and on one line; the fields
	// have all of it.
	long := strings.Repeat("many words\n", 6000)
	quoted, err := json.Marshal(long)
	require.NoError(t, err)
	for _, body := range []string{
		long, `{"message":` + string(quoted) + `}`, `{"error":{"name":` + string(quoted) + `,"message":"m"}}`,
		`{"detail":[{"loc":[` + string(quoted) + `],"msg":` + string(quoted) + `}]}`,
	} {
		e := apiError(500, "", []byte(body))
		assert.Less(t, len(e.Error()), 1200)
		assert.NotContains(t, e.Error(), "\n")
		assert.LessOrEqual(t, len(e.Body), maxShownBody)
	}
	assert.Equal(t, long, apiError(500, "", []byte(`{"message":`+string(quoted)+`}`)).Message)
}

func TestAPIErrorSentinels(t *testing.T) {
	t.Parallel()
	all := map[string]error{
		"unauthorized": ErrUnauthorized, "forbidden": ErrForbidden, "not found": ErrNotFound, "expired": ErrExpired, "deleted": ErrDeleted,
		"rate limited": ErrRateLimited, "password": ErrPasswordProtected, "invalid": ErrInvalidRequest, "unavailable": ErrUnavailable,
		"empty upload": ErrEmptyUpload, "upload too large": ErrUploadTooLarge, "too large": ErrTooLarge, "detached": ErrDetached,
		"canceled": context.Canceled,
	}
	gone := &APIError{StatusCode: 404, gone: true}
	for name, test := range map[string]struct {
		err  *APIError
		want []string
	}{
		"302":                        {&APIError{StatusCode: 302}, nil},
		"400":                        {&APIError{StatusCode: 400}, []string{"invalid"}},
		"401":                        {&APIError{StatusCode: 401}, []string{"unauthorized"}},
		"402":                        {&APIError{StatusCode: 402}, nil},
		"403":                        {&APIError{StatusCode: 403}, []string{"forbidden"}},
		"404":                        {&APIError{StatusCode: 404}, []string{"not found"}},
		"404 of a job that was seen": {gone, []string{"expired"}},
		"408":                        {&APIError{StatusCode: 408}, nil},
		"409":                        {&APIError{StatusCode: 409}, nil},
		"409 while deleting":         {&APIError{StatusCode: 409, Name: ErrorJobDeletionInProgress}, []string{"deleted", "expired"}},
		"410":                        {&APIError{StatusCode: 410}, []string{"deleted", "expired"}},
		"404 with the name":          {&APIError{StatusCode: 404, Name: ErrorJobDeleted}, []string{"not found", "deleted", "expired"}},
		"413":                        {&APIError{StatusCode: 413}, nil},
		"422":                        {&APIError{StatusCode: 422}, []string{"invalid"}},
		"429":                        {&APIError{StatusCode: 429}, []string{"rate limited"}},
		"442":                        {&APIError{StatusCode: 442}, []string{"password"}},
		"400 with the name":          {&APIError{StatusCode: 400, Name: ErrorDocumentPasswordProtected}, []string{"password", "invalid"}},
		"500":                        {&APIError{StatusCode: 500}, nil},
		"502":                        {&APIError{StatusCode: 502}, []string{"unavailable"}},
		"503":                        {&APIError{StatusCode: 503}, []string{"unavailable"}},
		"504":                        {&APIError{StatusCode: 504}, []string{"unavailable"}},
		"505":                        {&APIError{StatusCode: 505}, nil},
	} {
		var got []string
		for sentinel, err := range all {
			if errors.Is(fmt.Errorf("wrapped: %w", test.err), err) {
				got = append(got, sentinel)
			}
		}
		assert.ElementsMatch(t, test.want, got, name)
	}
}

// What the service echoes may hold what it was sent.
func TestAPIErrorHidesSecrets(t *testing.T) {
	t.Parallel()
	secrets := []string{"sk-5a1e", `we"b\hook-5a1e<&>`, "", "sk-5a1e-and-more", "größe-5a1e"}
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		quoted, err := json.Marshal(secret)
		require.NoError(t, err)
		inner := string(quoted[1 : len(quoted)-1])
		for _, body := range []string{
			`{"error":{"message":"got ` + inner + `","name":"` + inner + `","type":"` + inner + `","job_id":"` + inner + `"},"detail":"` + inner + `"}`,
			`{"detail":[{"loc":["body","` + inner + `"],"msg":"` + inner + `","type":"` + inner + `","input":"` + inner + `"}]}`,
			`{"message":"` + inner + inner + `"}`,
			`{"unknown":"` + inner + `"}`,
			`<p>` + secret + `</p><p>` + inner + `</p>`,
			secret + inner,
			strings.Repeat("x", maxShownBody-len(secret)/2) + secret,
			`{"input":` + string(quoted) + `,`,
		} {
			e := apiError(422, "application/json", []byte(body), secrets...)
			text := fmt.Sprintf("%s %+v %#v", e.Error(), *e, *e)
			assert.NotContains(t, text, "5a1e", "%s in %s", secret, body)
		}
	}
	resp := &http.Response{StatusCode: 301, Header: http.Header{"Location": {"https://example.org/sk-5a1e"}}}
	assert.NotContains(t, decodeAPIError("GET", "/", resp, nil, secrets...).Error(), "5a1e")
}

func TestOtherErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	job := &Job{ID: "j1", Status: StatusFailed, Reason: "no pages", Error: &ErrorDetail{Name: ErrorDocumentEmpty}}
	for want, err := range map[string]error{
		"reducto: ParseAsync: Input: no document":                              &RequestError{Op: "ParseAsync", Field: "Input", Reason: "no document"},
		"reducto: ParseAsync: Input: no document: cause":                       &RequestError{Op: "ParseAsync", Field: "Input", Reason: "no document", Err: cause},
		"reducto: NewClient: cause":                                            &RequestError{Op: "NewClient", Err: cause},
		"reducto: Input: no document":                                          &RequestError{Field: "Input", Reason: "no document"},
		"reducto: GET https://example.com/a: cause":                            &ConnectionError{Method: "GET", URL: "https://example.com/a", Attempts: 1, Err: cause},
		"reducto: GET https://example.com/a: cause (after 3 attempts)":         &ConnectionError{Method: "GET", URL: "https://example.com/a", Attempts: 3, Err: cause},
		"reducto: GET u: unusable answer (status 200): cause: <html>":          &ConnectionError{Method: "GET", URL: "u", StatusCode: 200, Err: cause, Body: "<html>"},
		"reducto: submission s1: outcome unknown, a job may exist: cause":      &UnknownOutcomeError{SubmissionID: "s1", Err: cause},
		"reducto: job j1 ended Failed (DOCUMENT_EMPTY): no pages":              &JobError{Job: job},
		"reducto: job j1 ended Cancelled":                                      &JobError{Job: &Job{ID: "j1", Status: StatusCancelled}},
		"reducto: job j1 ended Failed (TIMEOUT): TIMEOUT":                      &JobError{Job: &Job{ID: "j1", Status: StatusFailed, Error: &ErrorDetail{Name: ErrorTimeout}}},
		"reducto: stopped waiting for job j1, not seen yet: cause":             &WaitError{JobID: "j1", Err: cause},
		"reducto: stopped waiting for job j1, last seen Failed: cause":         &WaitError{JobID: "j1", Last: job, Err: cause},
		"reducto: job j1 has a result of type *a, not *b":                      &ResultTypeError{JobID: "j1", Want: "*b", Got: "*a"},
		"reducto: job j1 is completed but has no result (it may have expired)": &ResultTypeError{JobID: "j1", Want: "*b"},
		"a: b: c": &badAnswer{reason: "a: b", err: errors.New("c")},
		"a":       &badAnswer{reason: "a"},
	} {
		assert.EqualError(t, err, want)
		if strings.Contains(want, "cause") {
			assert.ErrorIs(t, err, cause)
		}
	}
	locked := &JobError{Job: &Job{Status: StatusFailed, Error: &ErrorDetail{Name: ErrorDocumentPasswordProtected}}}
	assert.ErrorIs(t, locked, ErrPasswordProtected)
	assert.NotErrorIs(t, locked, ErrExpired)
	assert.NotErrorIs(t, &JobError{Job: job}, ErrPasswordProtected)
	assert.NotErrorIs(t, &JobError{Job: &Job{}}, ErrPasswordProtected)
	assert.ErrorIs(t, &ResultTypeError{}, ErrExpired)
	assert.NotErrorIs(t, &ResultTypeError{Got: "x"}, ErrExpired)
	assert.ErrorIs(t, &UnknownOutcomeError{Err: &APIError{StatusCode: 502}}, ErrUnavailable)
}

func TestErrorNames(t *testing.T) {
	t.Parallel()
	for name, transient := range map[ErrorName]bool{
		ErrorTimeout: true, ErrorCapacityTimeout: true, ErrorCustomerTimeout: true, ErrorInternalError: true, ErrorServiceUnavailable: true,
		ErrorGPUAllocationError: true, ErrorGPUPoolSaturated: true, ErrorBatchQueueFull: true, ErrorQueueFull: true, ErrorJobStateError: true,
		ErrorDocumentCorrupt: false, ErrorDocumentPasswordProtected: false, ErrorProcessingFailed: false, ErrorGPUUnavailable: false,
		ErrorInvalidConfig: false, ErrorAuthError: false, ErrorJobCancelled: false, ErrorRateLimit: false, "": false, "TEAPOT": false, "timeout": false,
	} {
		assert.Equal(t, transient, name.Transient(), name)
	}
}

func TestContextError(t *testing.T) {
	t.Parallel()
	require.NoError(t, contextError(t.Context()))

	ended := func(err error) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(err)
		return ctx
	}
	assert.Equal(t, context.Canceled, contextError(ended(nil)))
	assert.Equal(t, context.Canceled, contextError(ended(context.Canceled)))

	cause := errors.New("shutting down")
	err := contextError(ended(cause))
	assert.ErrorIs(t, err, cause)
	assert.ErrorIs(t, err, context.Canceled)
	assert.EqualError(t, err, "context canceled: shutting down")

	wrapped := fmt.Errorf("stop: %w", context.Canceled)
	assert.Equal(t, wrapped, contextError(ended(wrapped)), "it says all that there is")

	past, cancel := context.WithDeadlineCause(t.Context(), time.Unix(0, 0), cause)
	defer cancel()
	err = contextError(past)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorIs(t, err, cause)

	// Ends of ours are no ends of the caller's context.
	for _, ours := range []error{errIdle, errAttemptTimeout} {
		err = contextError(ended(ours))
		assert.Equal(t, ours, err)
		assert.NotErrorIs(t, err, context.Canceled)
	}
	assert.Equal(t, cause, contextErrorOf(cause))
}

// contextErrorOf is what a child sees of a parent's end.
func contextErrorOf(cause error) error {
	parent, cancel := context.WithCancelCause(context.Background())
	child, stop := context.WithCancel(parent)
	defer stop()
	cancel(cause)
	var caused *causedError
	if !errors.As(contextError(child), &caused) {
		return nil
	}
	return caused.cause
}

func TestDecodeJSON(t *testing.T) {
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

func TestWithOp(t *testing.T) {
	t.Parallel()
	assert.NoError(t, withOp(errors.New("other"), "ParseAsync"))
	original := &RequestError{Field: "Input"}
	assert.Equal(t, &RequestError{Op: "ParseAsync", Field: "Input"}, withOp(fmt.Errorf("hook: %w", original), "ParseAsync"))
	assert.Empty(t, original.Op, "it may be shared")
	assert.Equal(t, &RequestError{Op: "Inbox"}, withOp(&RequestError{Op: "Inbox"}, "ParseAsync"))
}

// The service may repeat what it was sent.
func TestErrorsDoNotRepeatPermissions(t *testing.T) {
	t.Parallel()
	for ref, repeated := range map[string]string{
		"https://user:canary@example.com/a.pdf":       "user and canary",
		"https://user:can%61ry@example.com/a.pdf?x=1": "user and canary",
		"https://example.com/a.pdf?signature=canary":  "?signature=canary",
		"ftp://a:b@canary:c@example.com":              "b@canary:c",
	} {
		for _, text := range []string{ref, repeated} {
			e := apiError(400, "application/json", []byte(`{"detail":"could not download `+text+`"}`), private(URL(ref), "")...)
			assert.NotContains(t, e.Error(), "canary", ref)
			assert.NotContains(t, e.Error(), "can%61ry", ref)
		}
	}
	assert.Empty(t, private(URLs("https://example.com/a@b:c.pdf", "https://user@example.com", "reducto://x@y:z", "jobid://1"), ""))
}
