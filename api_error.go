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

// FieldError is one complaint of the API's validation (422). One wrong field
// often produces several, most of them about alternatives that you did not use.
type FieldError struct {
	// Location is the path to the value, such as body.settings.page_range.0.
	Location string
	// Message is what is wrong with it.
	Message string
	// Type is the validator's name for the complaint, such as "missing".
	Type string
	// Context has the values that the message is made of, such as the limit that was
	// passed, as encoding/json decodes them; nil if there are none. Its names depend
	// on Type.
	Context map[string]any
}

// APIError is an answer of the API, or of a proxy before it, that is not a
// success. All shapes of error body that the service sends are read: its own,
// the validator's, the edge's, and HTML or XML pages.
type APIError struct {
	// Method and Path are those of the request. The path has no query.
	Method, Path string
	// StatusCode is the HTTP status.
	StatusCode int
	// Code is the error's own code, most often equal to StatusCode; 0 if absent.
	Code int
	// Name is the service's name for the error; empty if the answer has none.
	Name ErrorName
	// Type is the class that older answers give, such as "file_download_failure".
	Type string
	// Message is the best explanation that the answer has. Its text may change and
	// may speak of fields that you did not send: never parse it.
	Message string
	// Fields are the validator's complaints (422).
	Fields []FieldError
	// JobID is the job concerned, where the answer names one.
	JobID string
	// RetryAfter is how long the service asked to wait; 0 if it did not.
	RetryAfter time.Duration
	// ContentType is that of the body.
	ContentType string
	// Body is the beginning of the body, at most 1 KiB of printable text, without
	// the API key.
	Body string

	gone    bool   // a 404 for a job that has been seen before
	storage bool   // it is no answer of the API, but of what a link leads to
	remedy  string // where a link does not work
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

// hint says what to do where the service's own answer does not.
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

// statusPasswordProtected is the service's own status for a document that needs
// a password. It is real, and not a misprint of 422.
const statusPasswordProtected = 442

// Is makes the sentinel errors match.
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

// ErrorName is the service's name for what went wrong, in answers that are
// errors and in jobs that failed. It is an open set: a name that is not among
// the constants is kept as it came.
type ErrorName string

// Passing faults of the service: the same work may succeed later.
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

// The document, or what was asked of it.
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

// Faults while the document was processed.
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

// The request, the account, or the state of the job.
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

// Transient reports whether the same work may succeed later without any change.
// The service publishes no such list: this is the group of constants above whose
// names say so, and an unknown name is not transient.
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

// maxShownBody is how much of a body an error shows, in bytes.
const maxShownBody = 1 << 10

// decodeAPIError reads whatever came with a status that is no success. It never
// fails: what it cannot read it shows.
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

// hider replaces secrets as they are and as they look within JSON: the API's
// validator repeats what it was sent.
func hider(secrets []string) func(string) string {
	// The longest first: one may be the beginning of another.
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

// hidden hides secrets in all texts of a JSON value.
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

// decode reads the JSON shapes: the service's {"error": {…}, "detail": …}, the
// validator's {"detail": […]}, the edge's {"message": …}, and mixtures.
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

// detail reads an error object, whose members differ between versions.
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

// object is the object in raw; nil if there is none. The first of two members of
// one name counts.
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

// decodeStorageError explains what storage answered to a presigned URL. Storage repeats
// in its answer what it was sent, in pieces and escaped in ways of its own (the signature,
// the token, what was signed), so that of XML only the code and the message are kept,
// and of what is neither JSON nor XML nothing.
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

// refusedAnew is the remedy where a fresh link has been asked for.
const refusedAnew = "a fresh link was refused too: does a proxy change what is sent to storage?"

// signedParts are the URL, and all of its query that is long enough to be a secret.
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

// shortestSecret keeps "GET" and "3600" readable.
const shortestSecret = 8
