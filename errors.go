package reducto

import (
	"errors"
	"fmt"
	"strings"
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

// refuse is the error of a request that is not sent.
func refuse(field, format string, args ...any) error {
	return &RequestError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// withOp puts the name of the called method into a *RequestError; nil if err is
// none.
func withOp(err error, op string) error {
	var refused *RequestError
	if !errors.As(err, &refused) {
		return nil
	}
	named := *refused
	if named.Op == "" {
		named.Op = op
	}
	return &named
}

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
	s := fmt.Sprintf("reducto: job %s ended %s", e.Job.JobID, e.Job.Status)
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
	return target == ErrPasswordProtected && e.Job.Error != nil && e.Job.Error.Name == ErrorNameDocumentPasswordProtected
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
