package reducto

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reducto-go/reducto/internal/members"
	"github.com/reducto-go/reducto/internal/redact"
)

// FieldError is one error of the API's validation (422). One wrong field often
// produces several, most of them about alternatives that you did not use.
type FieldError struct {
	// Location is the path to the value, such as body.settings.page_range.0.
	Location string
	// Message explains the error.
	Message string
	// Type is the validator's name for the error, such as "missing".
	Type string
	// Context holds the values in the message, such as the limit, as encoding/json
	// decodes them; nil if there are none. Its names depend on Type.
	Context map[string]any
}

// APIError is the error for an answer that is not a success, from the API or a proxy
// before it. It understands every known form of error body.
type APIError struct {
	// Method and Path identify the request. The path has no query.
	Method, Path string
	// StatusCode is the HTTP status.
	StatusCode int
	// Code is the code in the body, usually equal to StatusCode; 0 if absent.
	Code int
	// Name is the service's name for the error; empty if the answer has none.
	Name ErrorName
	// Type is the class that older answers give, such as "file_download_failure".
	Type string
	// Message is the best explanation in the answer. Do not parse it: its text may
	// change and may mention fields that you did not send.
	Message string
	// Fields are the errors of the validator (422).
	Fields []FieldError
	// JobID is the job; empty if the answer names none.
	JobID string
	// RetryAfter is the delay that the service asked for; 0 if it did not.
	RetryAfter time.Duration
	// ContentType is the type of the body.
	ContentType string
	// Body is the beginning of the body: at most 1 KiB of printable text, without the
	// API key.
	Body string

	gone    bool   // a 404 for a job that was seen before
	storage bool   // the answer came from storage, not from the API
	remedy  string // what to do if a link does not work
}

// Error implements error.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "reducto: %s %s: %d", e.Method, e.Path, e.StatusCode)
	if text := http.StatusText(e.StatusCode); text != "" {
		b.WriteString(" " + text)
	} else if e.StatusCode == statusPasswordProtected {
		b.WriteString(" Password Protected")
	}
	b.WriteString(redact.Head([]byte(e.explanation()), maxShownBody))
	if hint := e.hint(); hint != "" {
		b.WriteString(" (" + hint + ")")
	}
	return b.String()
}

func (e *APIError) explanation() string {
	var b strings.Builder
	if e.Name != "" {
		b.WriteString(" " + string(e.Name))
	}
	switch {
	case e.Message != "":
		b.WriteString(": " + e.Message)
	case len(e.Fields) > 0:
		for i, f := range e.Fields {
			if i == 3 {
				fmt.Fprintf(&b, "; and %d more", len(e.Fields)-i)
				break
			}
			sep := "; "
			if i == 0 {
				sep = ": "
			}
			b.WriteString(sep + f.Location + ": " + f.Message)
		}
	case e.Body != "":
		b.WriteString(": " + e.Body)
	}
	return b.String()
}

// hint says what to do if the answer does not.
func (e *APIError) hint() string {
	switch {
	case e.gone:
		return "the job expired: job ids live 12 hours unless results are persisted"
	case e.storage: // which never sees the API key
		refused := e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden
		if refused || e.StatusCode >= 300 && e.StatusCode < 400 {
			return e.remedy
		}
	case e.StatusCode == http.StatusUnauthorized:
		return "check the API key, and that it belongs to this region"
	case e.StatusCode == http.StatusForbidden && strings.Contains(e.ContentType, "html"):
		return "the request seems to have reached no API: check the base URL and the key"
	case e.StatusCode >= 300 && e.StatusCode < 400:
		return "redirects are not followed, so that the key cannot leave the host: check the base URL"
	}
	return ""
}

// statusPasswordProtected is Reducto's own status for a document that needs a
// password. It is not a misprint of 422.
const statusPasswordProtected = 442

// Is reports whether the error matches a sentinel error.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized && !e.storage
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound && !e.gone
	case ErrDeleted:
		return e.deleted()
	case ErrExpired:
		return e.gone || e.deleted()
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrPasswordProtected:
		return e.StatusCode == statusPasswordProtected || e.Name == ErrorNameDocumentPasswordProtected
	case ErrInvalidRequest:
		return e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusUnprocessableEntity
	case ErrUnavailable:
		return e.StatusCode >= 502 && e.StatusCode <= 504
	}
	return false
}

func (e *APIError) deleted() bool {
	return e.StatusCode == http.StatusGone || e.Name == ErrorNameJobDeleted || e.Name == ErrorNameJobDeletionInProgress
}

// ErrorName is the service's name for an error, in error answers and in failed jobs.
// It is an open set: unknown names are kept as they came.
type ErrorName string

// Temporary errors of the service: the same work may succeed later.
const (
	ErrorNameTimeout            ErrorName = "TIMEOUT"
	ErrorNameCapacityTimeout    ErrorName = "CAPACITY_TIMEOUT"
	ErrorNameCustomerTimeout    ErrorName = "CUSTOMER_TIMEOUT"
	ErrorNameInternalError      ErrorName = "INTERNAL_ERROR"
	ErrorNameServiceUnavailable ErrorName = "SERVICE_UNAVAILABLE"
	ErrorNameGPUAllocationError ErrorName = "GPU_ALLOCATION_ERROR"
	ErrorNameGPUPoolSaturated   ErrorName = "GPU_POOL_SATURATED"
	ErrorNameBatchQueueFull     ErrorName = "BATCH_QUEUE_FULL"
	ErrorNameQueueFull          ErrorName = "QUEUE_FULL"
	ErrorNameJobStateError      ErrorName = "JOB_STATE_ERROR"
)

// Errors about the document.
const (
	ErrorNameDocumentCorrupt           ErrorName = "DOCUMENT_CORRUPT"
	ErrorNameDocumentEmpty             ErrorName = "DOCUMENT_EMPTY"
	ErrorNameDocumentUnsupported       ErrorName = "DOCUMENT_UNSUPPORTED"
	ErrorNameDocumentTooLarge          ErrorName = "DOCUMENT_TOO_LARGE"
	ErrorNameOfficeConversionTooLarge  ErrorName = "OFFICE_CONVERSION_TOO_LARGE"
	ErrorNameImageTooLarge             ErrorName = "IMAGE_TOO_LARGE"
	ErrorNameImageTooSmall             ErrorName = "IMAGE_TOO_SMALL"
	ErrorNameImageInvalidAspectRatio   ErrorName = "IMAGE_INVALID_ASPECT_RATIO"
	ErrorNameDocumentPasswordProtected ErrorName = "DOCUMENT_PASSWORD_PROTECTED"
	ErrorNameFormFillFailed            ErrorName = "FORM_FILL_FAILED"
)

// Errors while the document was processed.
const (
	ErrorNameInternalInvariantViolation ErrorName = "INTERNAL_INVARIANT_VIOLATION"
	ErrorNameGPUUnavailable             ErrorName = "GPU_UNAVAILABLE"
	ErrorNameContextWindowExceeded      ErrorName = "CONTEXT_WINDOW_EXCEEDED"
	ErrorNameOutputLimitExceeded        ErrorName = "OUTPUT_LIMIT_EXCEEDED"
	ErrorNameProcessingFailed           ErrorName = "PROCESSING_FAILED"
	ErrorNameInferenceMethodUnsupported ErrorName = "INFERENCE_METHOD_UNSUPPORTED"
	ErrorNameSubprocessCrashed          ErrorName = "SUBPROCESS_CRASHED"
	ErrorNameBatchOrphaned              ErrorName = "BATCH_ORPHANED"
	ErrorNameOversizedResult            ErrorName = "OVERSIZED_RESULT"
	ErrorNameLLMOutputParseFailed       ErrorName = "LLM_OUTPUT_PARSE_FAILED"
	ErrorNameLLMProviderError           ErrorName = "LLM_PROVIDER_ERROR"
)

// Errors about the request, the account or the state of the job.
const (
	ErrorNameInvalidConfig         ErrorName = "INVALID_CONFIG"
	ErrorNameInvalidSchema         ErrorName = "INVALID_SCHEMA"
	ErrorNameAuthError             ErrorName = "AUTH_ERROR"
	ErrorNameNotApplicable         ErrorName = "NOT_APPLICABLE"
	ErrorNameRegionUnavailable     ErrorName = "REGION_UNAVAILABLE"
	ErrorNameNotFound              ErrorName = "NOT_FOUND"
	ErrorNameJobDeletionInProgress ErrorName = "JOB_DELETION_IN_PROGRESS"
	ErrorNameJobDeleted            ErrorName = "JOB_DELETED"
	ErrorNameJobNotComplete        ErrorName = "JOB_NOT_COMPLETE"
	ErrorNameJobCancelled          ErrorName = "JOB_CANCELLED"
	ErrorNameRateLimit             ErrorName = "RATE_LIMIT"
	ErrorNameCellCountExceeded     ErrorName = "CELL_COUNT_EXCEEDED"
	ErrorNameURLNotAllowed         ErrorName = "URL_NOT_ALLOWED"
)

// Transient reports whether the same work may succeed later without a change. The
// service publishes no such list, so the library decides by the name. An unknown name
// is not transient.
func (n ErrorName) Transient() bool {
	switch n {
	case ErrorNameTimeout,
		ErrorNameCapacityTimeout,
		ErrorNameCustomerTimeout,
		ErrorNameInternalError,
		ErrorNameServiceUnavailable,
		ErrorNameGPUAllocationError,
		ErrorNameGPUPoolSaturated,
		ErrorNameBatchQueueFull,
		ErrorNameQueueFull,
		ErrorNameJobStateError:
		return true
	}
	return false
}

// maxShownBody bounds how much of a body an error shows, in bytes.
const maxShownBody = 1 << 10

// decodeAPIError reads an answer that is not a success. It never fails. If it cannot
// read the body, the error shows it.
func decodeAPIError(method, path string, resp *http.Response, body []byte, secrets ...string) *APIError {
	e := &APIError{
		Method:      method,
		Path:        path,
		StatusCode:  resp.StatusCode,
		ContentType: resp.Header.Get("Content-Type"),
	}
	hide := hider(secrets)
	if json.Valid(body) {
		e.decode(body)
	}
	if e.Message == "" && len(e.Fields) == 0 {
		e.Body = redact.Head([]byte(hide(string(body))), maxShownBody)
		if location := resp.Header.Get("Location"); location != "" && resp.StatusCode/100 == 3 {
			e.Message = "redirected to " + redact.URL(location)
		}
	}
	e.Message, e.Type, e.Name, e.JobID = hide(e.Message), hide(e.Type), ErrorName(hide(string(e.Name))), hide(e.JobID)
	for i := range e.Fields {
		f := &e.Fields[i]
		f.Message, f.Location, f.Type = hide(f.Message), hide(f.Location), hide(f.Type)
		if f.Context != nil {
			f.Context = hidden(f.Context, hide).(map[string]any)
		}
	}
	return e
}

// hider returns a function that replaces secrets, plain or escaped as in JSON. The
// API's validator repeats the values that it received.
func hider(secrets []string) func(string) string {
	// Replace the longest first, because one may be the beginning of another.
	secrets = slices.SortedFunc(slices.Values(secrets), func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range secrets {
		if s == "" {
			continue
		}
		pairs = append(pairs, s, redact.Mark)
		quoted, _ := json.Marshal(s)
		if inner := string(quoted[1 : len(quoted)-1]); inner != s {
			pairs = append(pairs, inner, redact.Mark)
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// hidden replaces secrets in all strings of a JSON value.
func hidden(v any, hide func(string) string) any {
	switch v := v.(type) {
	case string:
		return hide(v)
	case []any:
		for i := range v {
			v[i] = hidden(v[i], hide)
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			out[hide(name)] = hidden(inner, hide)
		}
		return out
	}
	return v
}

// decode reads the JSON forms: {"error": {…}, "detail": …} of the service,
// {"detail": […]} of the validator, {"message": …} of the edge, and mixtures.
func (e *APIError) decode(body []byte) {
	top := object(body)
	if detail := object(top["error"]); detail != nil {
		e.detail(detail)
	} else if text, ok := text(top["error"]); ok {
		e.Message = text
	}
	switch raw := top["detail"]; members.Kind(raw) {
	case '"':
		if text, _ := text(raw); e.Message == "" {
			e.Message = text
		}
	case '{':
		e.detail(object(raw))
	case '[':
		_ = members.Elements(raw, func(item []byte) error {
			if o := object(item); o != nil {
				e.Fields = append(e.Fields, fieldError(o))
			}
			return nil
		})
	}
	if text, ok := text(top["message"]); ok && e.Message == "" {
		e.Message = text
	}
	if id, ok := text(top["job_id"]); ok && e.JobID == "" {
		e.JobID = id
	}
}

// detail reads an error object. Its members differ between versions.
func (e *APIError) detail(o map[string]json.RawMessage) {
	if text, ok := text(o["message"]); ok && e.Message == "" {
		e.Message = text
	}
	if name, ok := text(o["name"]); ok && e.Name == "" {
		e.Name = ErrorName(name)
	}
	if class, ok := text(o["type"]); ok && e.Type == "" {
		e.Type = class
	}
	if id, ok := text(o["job_id"]); ok && e.JobID == "" {
		e.JobID = id
	}
	if code, err := strconv.Atoi(strings.Trim(string(o["code"]), `"`)); err == nil && e.Code == 0 {
		e.Code = code
	}
}

func fieldError(o map[string]json.RawMessage) FieldError {
	var f FieldError
	f.Message, _ = text(o["msg"])
	f.Type, _ = text(o["type"])
	if members.Kind(o["ctx"]) == '{' {
		_ = json.Unmarshal(o["ctx"], &f.Context)
	}
	var path []string
	if members.Kind(o["loc"]) == '[' {
		_ = members.Elements(o["loc"], func(item []byte) error {
			if s, ok := text(item); ok {
				path = append(path, s)
			} else {
				path = append(path, string(item))
			}
			return nil
		})
	}
	f.Location = strings.Join(path, ".")
	return f
}

// object returns the members of the object in raw; nil if raw is no object. Of two
// members with one name the first counts.
func object(raw []byte) map[string]json.RawMessage {
	if members.Kind(raw) != '{' {
		return nil
	}
	o := map[string]json.RawMessage{}
	_ = members.Each(raw, func(name string, value []byte) error {
		if _, twice := o[name]; !twice {
			o[name] = value
		}
		return nil
	})
	return o
}

func text(raw []byte) (string, bool) {
	if members.Kind(raw) != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// decodeStorageError reads an error answer of storage to a presigned URL. Storage
// repeats the signature and the token in its answers, escaped in various ways. The
// error therefore keeps only the code and message of XML, and nothing of other text.
func decodeStorageError(method, shown string, resp *http.Response, body []byte, link Link) *APIError {
	secrets := signedParts(string(link))
	if resp.Request != nil && resp.Request.URL != nil { // another URL after a redirect
		secrets = append(secrets, signedParts(resp.Request.URL.String())...)
	}
	e := decodeAPIError(method, shown, resp, body, secrets...)
	e.Body, e.storage, e.remedy = "", true, "the link does not work: get the job again for a fresh one"
	if method == http.MethodPut {
		e.remedy = "the link does not work: upload again, which asks for a fresh one"
	}
	var said struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	if e.Message == "" && xml.Unmarshal(body, &said) == nil {
		text := strings.TrimPrefix(said.Code+": "+said.Message, ": ")
		e.Message = redact.Head([]byte(strings.TrimSuffix(text, ": ")), maxShownBody, secrets...)
	}
	return e
}

// refusedAnew is the remedy if a fresh link was refused too.
const refusedAnew = "a fresh link was refused too: check whether a proxy changes requests to storage"

// signedParts returns the URL and those parts of its query that may be secret.
func signedParts(link string) []string {
	parts := []string{link}
	u, err := url.Parse(link)
	if err != nil || u.RawQuery == "" {
		return parts
	}
	parts = append(parts, u.RawQuery)
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(value)
		if err != nil {
			plain = value
		}
		for _, v := range []string{value, plain} {
			if len(v) >= shortestSecret {
				parts = append(parts, v)
			}
		}
	}
	return parts
}

// shortestSecret is the least length of a secret. Shorter values, such as "GET" and
// "3600", stay readable.
const shortestSecret = 8
