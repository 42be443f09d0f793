package reducto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// apiError returns the error for an answer to GET /job/j1.
func apiError(status int, contentType string, body []byte, secrets ...string) *APIError {
	resp := &http.Response{StatusCode: status, Header: http.Header{}}
	if contentType != "" {
		resp.Header.Set("Content-Type", contentType)
	}
	return decodeAPIError("GET", "/job/j1", resp, body, secrets...)
}

func TestAPIErrorDecodesEveryKnownBody(t *testing.T) {
	t.Parallel()
	const isJSON = "application/json"
	base := APIError{Method: "GET", Path: "/job/j1", ContentType: isJSON}
	tests := map[string]struct {
		status int
		body   string
		want   func(*APIError)
	}{
		"the service's own": {400, string(wire(t, "error_service.json")), func(e *APIError) {
			e.Code, e.Name, e.Message, e.JobID = 400, ErrorNameInvalidConfig, "document_url: the scheme is unknown", "j20"
		}},
		"unauthorized": {401, string(wire(t, "error_unauthorized.json")), func(e *APIError) {
			e.Code, e.Name, e.Message = 401, ErrorNameAuthError, "Access token is not known"
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
			e.Code, e.Name, e.Message, e.JobID = 410, ErrorNameJobDeleted, "The job was deleted", "j21"
		}},
		"the edge's":    {429, string(wire(t, "error_edge.json")), func(e *APIError) { e.Message = "[CODE 1000] too many requests: slow down" }},
		"error as text": {500, `{"error":"out of memory"}`, func(e *APIError) { e.Message = "out of memory" }},
		"error and fields": {422, `{"error":{"name":"INVALID_CONFIG","message":"m"},"detail":[{"loc":["body"],"msg":"f","type":"t"}]}`, func(e *APIError) {
			e.Name, e.Message, e.Fields = ErrorNameInvalidConfig, "m", []FieldError{{Location: "body", Message: "f", Type: "t"}}
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
		"name without a message":  {400, `{"error":{"name":"INVALID_CONFIG"}}`, func(e *APIError) { e.Name, e.Body = ErrorNameInvalidConfig, `{"error":{"name":"INVALID_CONFIG"}}` }},
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

func TestAPIErrorMessageNamesRequestAndRemedy(t *testing.T) {
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

	// For any size of the answer, the error text is short and has one line. The fields
	// have everything.
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

func TestAPIErrorMatchesSentinels(t *testing.T) {
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
		"409 while deleting":         {&APIError{StatusCode: 409, Name: ErrorNameJobDeletionInProgress}, []string{"deleted", "expired"}},
		"410":                        {&APIError{StatusCode: 410}, []string{"deleted", "expired"}},
		"404 with the name":          {&APIError{StatusCode: 404, Name: ErrorNameJobDeleted}, []string{"not found", "deleted", "expired"}},
		"413":                        {&APIError{StatusCode: 413}, nil},
		"422":                        {&APIError{StatusCode: 422}, []string{"invalid"}},
		"429":                        {&APIError{StatusCode: 429}, []string{"rate limited"}},
		"442":                        {&APIError{StatusCode: 442}, []string{"password"}},
		"400 with the name":          {&APIError{StatusCode: 400, Name: ErrorNameDocumentPasswordProtected}, []string{"password", "invalid"}},
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

// The service may echo secrets that it received.
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

func TestErrorNameTransient(t *testing.T) {
	t.Parallel()
	for name, transient := range map[ErrorName]bool{
		ErrorNameTimeout: true, ErrorNameCapacityTimeout: true, ErrorNameCustomerTimeout: true, ErrorNameInternalError: true, ErrorNameServiceUnavailable: true,
		ErrorNameGPUAllocationError: true, ErrorNameGPUPoolSaturated: true, ErrorNameBatchQueueFull: true, ErrorNameQueueFull: true, ErrorNameJobStateError: true,
		ErrorNameDocumentCorrupt: false, ErrorNameDocumentPasswordProtected: false, ErrorNameProcessingFailed: false, ErrorNameGPUUnavailable: false,
		ErrorNameInvalidConfig: false, ErrorNameAuthError: false, ErrorNameJobCancelled: false, ErrorNameRateLimit: false, "": false, "TEAPOT": false, "timeout": false,
	} {
		assert.Equal(t, transient, name.Transient(), name)
	}
}

func TestAPIFailureIsClassifiedByStatus(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ transient, nothing bool }{
		301: {false, true}, 304: {false, true},
		400: {false, true}, 401: {false, true}, 403: {false, true}, 404: {false, true}, 409: {false, true}, 410: {false, true},
		413: {false, true}, 415: {false, true}, 422: {false, true}, 442: {false, true},
		429: {true, true}, 503: {true, true},
		// The answer of a gateway does not tell what the service did.
		408: {true, false}, 500: {true, false}, 501: {true, false}, 502: {true, false}, 504: {true, false}, 520: {true, false}, 599: {true, false},
	} {
		e := &APIError{StatusCode: status}
		f := apiFailure(e, http.Header{})
		assert.Same(t, e, f.err)
		assert.Equal(t, want.transient, f.transient, status)
		assert.Equal(t, want.nothing, f.nothing, status)
		assert.Negative(t, f.after, status)
		assert.Zero(t, e.RetryAfter, status)

		f = apiFailure(e, http.Header{"Retry-After": {"300"}})
		assert.Equal(t, 5*time.Minute, f.after, status)
		assert.Equal(t, 5*time.Minute, e.RetryAfter, status)
		f = apiFailure(e, http.Header{"Retry-After": {"0"}})
		assert.Zero(t, f.after, status)
	}
}

func FuzzAPIError(f *testing.F) {
	for i, pattern := range []string{"error_*.json", "error_*.html", "error_*.xml", "job_failed.json"} {
		addWire(f, pattern, func(data []byte) { f.Add(400+i, "application/json", "", "", data) })
	}
	f.Add(302, "text/html", "https://example.org/"+canaryKey+"?a", "5", []byte(canaryKey))
	f.Add(422, "", "", "Fri, 02 Oct 2026 08:16:00 GMT", []byte(`{"detail":[{"loc":["`+canaryKey+`",1,null],"msg":"`+canaryKey+`","type":"`+canaryKey+`"},7]}`))
	f.Add(422, "", "", "", []byte(`{"detail":[{"msg":"m","ctx":{"`+canaryKey+`":["`+canaryHook+`",{"a":"\u0073k-canary-5a1e77"}]}},{"ctx":7}]}`))
	f.Add(503, "text/html", ":", "-1", []byte(`{"error":{"code":"1","message":"\u0073k-canary-5a1e77","job_id":"`+canaryKey+`"},"message":[]}`))
	f.Add(500, "", "", "", []byte(strings.Repeat("ä\n\xff"+canaryKey, 300)))
	f.Fuzz(func(t *testing.T, status int, contentType, location, retryAfter string, body []byte) {
		resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}, "Location": {location}, "Retry-After": {retryAfter}}}
		e := decodeAPIError("GET", "/job/j1", resp, body, canaryKey, canaryHook)
		failure := apiFailure(e, resp.Header)
		require.GreaterOrEqual(t, e.RetryAfter, time.Duration(0))
		require.GreaterOrEqual(t, failure.after, time.Duration(-1))

		text := e.Error()
		require.Less(t, len(text), maxShownBody+300)
		require.LessOrEqual(t, len(e.Body), maxShownBody)
		require.True(t, strings.HasPrefix(text, fmt.Sprintf("reducto: GET /job/j1: %d", status)))
		require.NotContains(t, text, "\n")
		e.ContentType = "" // the service does not know the key
		for _, shown := range []string{text, fmt.Sprintf("%+v", *e), fmt.Sprintf("%q", e.Fields)} {
			require.NotContains(t, shown, canaryKey)
			require.NotContains(t, shown, canaryHook)
		}
		require.Equal(t, status == 404, errors.Is(e, ErrNotFound))
	})
}
