package reducto

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/reducto-go/reducto/internal/redact"
)

// Sentinel errors, for errors.Is. Every one of them is matched by errors that
// carry more: an *APIError, a *WaitError, a *RequestError.
var (
	// ErrUnauthorized: the API does not know the key (401).
	ErrUnauthorized = errors.New("reducto: unauthorized")
	// ErrForbidden: the request had no key, or the key or the document's source does
	// not permit this (403).
	ErrForbidden = errors.New("reducto: forbidden")
	// ErrNotFound: no such job, upload or file (404).
	ErrNotFound = errors.New("reducto: not found")
	// ErrExpired: a job or a result that existed is gone for good: it expired (job
	// ids live twelve hours), it was deleted, or a completed job has no result any
	// more. Trying again cannot help.
	ErrExpired = errors.New("reducto: expired")
	// ErrDeleted: the job was deleted, or is being deleted. Such an error is
	// ErrExpired too.
	ErrDeleted = errors.New("reducto: deleted")
	// ErrRateLimited: too many requests (429).
	ErrRateLimited = errors.New("reducto: rate limited")
	// ErrPasswordProtected: the document needs a password, or another one (442).
	ErrPasswordProtected = errors.New("reducto: document is password protected")
	// ErrInvalidRequest: the API refused the request as it is (400, 422).
	ErrInvalidRequest = errors.New("reducto: invalid request")
	// ErrUnavailable: the service is overloaded or down (502, 503, 504).
	ErrUnavailable = errors.New("reducto: service unavailable")
	// ErrEmptyUpload: the file to upload has no bytes.
	ErrEmptyUpload = errors.New("reducto: empty upload")
	// ErrUploadTooLarge: the file to upload is larger than the service takes.
	ErrUploadTooLarge = errors.New("reducto: upload too large")
	// ErrTooLarge: an answer is larger than the configured limit.
	ErrTooLarge = errors.New("reducto: answer too large")
	// ErrDetached: the result lies behind a URL, and was not obtained through a
	// Client that could fetch it (it was decoded from your own storage, say). Get
	// the job again to read it.
	ErrDetached = errors.New("reducto: result has no client to be fetched with")
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
		return e.StatusCode == statusPasswordProtected || e.Name == ErrorDocumentPasswordProtected
	case ErrInvalidRequest:
		return e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusUnprocessableEntity
	case ErrUnavailable:
		return e.StatusCode >= 502 && e.StatusCode <= 504
	}
	return false
}

func (e *APIError) deleted() bool {
	return e.StatusCode == http.StatusGone || e.Name == ErrorJobDeleted || e.Name == ErrorJobDeletionInProgress
}

// RequestError is a request that was refused before anything was sent.
type RequestError struct {
	// Op is the method that was called, such as "ParseAsync".
	Op string
	// Field is the field or argument at fault, such as "Settings.PageRange".
	Field string
	// Reason is what is wrong, and what to do.
	Reason string
	// Err is the cause, where there is one.
	Err error
}

// Error implements error.
func (e *RequestError) Error() string {
	var b strings.Builder
	b.WriteString("reducto: ")
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Reason)
	if e.Err != nil {
		if e.Reason != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }

// ConnectionError is a request that got no usable answer: no connection, a
// connection that broke, a time limit that was over, or an answer that is not
// what the API sends (truncated, not JSON, too large).
type ConnectionError struct {
	// Method and URL say which request; the URL has no query.
	Method, URL string
	// StatusCode is that of the unusable answer; 0 if there was none.
	StatusCode int
	// Attempts is how often the request was tried.
	Attempts int
	// Body is the beginning of an unusable answer, at most 1 KiB of printable text.
	Body string
	// Err is the cause. It is the context's where the context ended.
	Err error
}

// Error implements error.
func (e *ConnectionError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "reducto: %s %s", e.Method, e.URL)
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, ": unusable answer (status %d)", e.StatusCode)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Body != "" {
		b.WriteString(": " + e.Body)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (after %d attempts)", e.Attempts)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *ConnectionError) Unwrap() error { return e.Err }

// UnknownOutcomeError is a submission of which nobody can tell whether the
// service took it on: the connection broke after the request was sent, or a
// gateway answered in the service's place. A job may exist, and cost.
//
// Its webhook still arrives if it does. To send the same submission again, put
// SubmissionID into Async.SubmissionID, so that a receiver of this library
// processes only one of the two jobs; WithResubmit does that by itself.
type UnknownOutcomeError struct {
	// SubmissionID is the id under which the submission was sent.
	SubmissionID string
	// Err is what happened: a *ConnectionError or an *APIError.
	Err error
}

// Error implements error.
func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("reducto: submission %s: outcome unknown, a job may exist: %v", e.SubmissionID, e.Err)
}

// Unwrap returns what happened.
func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// JobError is a job that ended without a result: Failed or Cancelled.
type JobError struct {
	// Job is the job as the API described it last.
	Job *Job
}

// Error implements error.
func (e *JobError) Error() string {
	s := fmt.Sprintf("reducto: job %s ended %s", e.Job.ID, e.Job.Status)
	if e.Job.Error != nil && e.Job.Error.Name != "" {
		s += " (" + string(e.Job.Error.Name) + ")"
	}
	if reason := e.Job.FailureReason(); reason != "" {
		s += ": " + reason
	}
	return s
}

// Is makes ErrPasswordProtected match a job that failed for want of a password.
func (e *JobError) Is(target error) bool {
	return target == ErrPasswordProtected && e.Job.Error != nil && e.Job.Error.Name == ErrorDocumentPasswordProtected
}

// DecodeError is an extraction that does not fit the value it was to be decoded
// into. Trying again cannot help.
type DecodeError struct {
	// JobID is the job, where the result names it.
	JobID string
	// Target is the type of the value, such as "main.Invoice".
	Target string
	// Err is what does not fit.
	Err error
}

// Error implements error.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("reducto: the extraction of job %s does not fit %s: %v", e.JobID, e.Target, e.Err)
}

// Unwrap returns what does not fit.
func (e *DecodeError) Unwrap() error { return e.Err }

// WaitError is a wait that ended before the job did. The job goes on: wait for
// it again with the same id.
type WaitError struct {
	// JobID is the job that was waited for.
	JobID string
	// Last is the job as it was last seen; nil if it was not seen at all.
	Last *Job
	// Err is why the wait ended: the context's cause, or the last failure joined to
	// it.
	Err error
}

// Error implements error.
func (e *WaitError) Error() string {
	state := "not seen yet"
	if e.Last != nil {
		state = "last seen " + string(e.Last.Status)
	}
	return fmt.Sprintf("reducto: stopped waiting for job %s, %s: %v", e.JobID, state, e.Err)
}

// Unwrap returns why the wait ended.
func (e *WaitError) Unwrap() error { return e.Err }

// ResultTypeError is a finished job whose result is not of the type asked for.
type ResultTypeError struct {
	// JobID is the job.
	JobID string
	// Want is the result type asked for, such as "*reducto.ParseResult".
	Want string
	// Got is the result type that the job has; empty if a completed job has no
	// result at all, which is how an expired result can look. The error is
	// ErrExpired then.
	Got string
}

// Error implements error.
func (e *ResultTypeError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("reducto: job %s is completed but has no result (it may have expired)", e.JobID)
	}
	return fmt.Sprintf("reducto: job %s has a result of type %s, not %s", e.JobID, e.Got, e.Want)
}

// Is makes ErrExpired match a completed job without a result.
func (e *ResultTypeError) Is(target error) bool {
	return target == ErrExpired && e.Got == ""
}
