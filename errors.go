package reducto

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinel errors for errors.Is. The errors that match them have details, for example
// *APIError, *WaitError or *RequestError.
var (
	// ErrUnauthorized: the API does not know the key (401).
	ErrUnauthorized = errors.New("reducto: unauthorized")
	// ErrForbidden: the request had no key, or the key or the source of the document
	// does not permit the request (403).
	ErrForbidden = errors.New("reducto: forbidden")
	// ErrNotFound: no such job, upload or file (404).
	ErrNotFound = errors.New("reducto: not found")
	// ErrExpired: the job or its result no longer exists. It expired (job ids are valid
	// for twelve hours), it was deleted, or a completed job has lost its result. Do not
	// retry.
	ErrExpired = errors.New("reducto: expired")
	// ErrDeleted: the job was deleted or is being deleted. Such an error matches
	// ErrExpired too.
	ErrDeleted = errors.New("reducto: deleted")
	// ErrRateLimited: too many requests (429).
	ErrRateLimited = errors.New("reducto: rate limited")
	// ErrPasswordProtected: the password of the document is missing or wrong (442).
	ErrPasswordProtected = errors.New("reducto: document is password protected")
	// ErrInvalidRequest: the API refused the request as it is (400, 422).
	ErrInvalidRequest = errors.New("reducto: invalid request")
	// ErrUnavailable: the service is overloaded or down (502, 503, 504).
	ErrUnavailable = errors.New("reducto: service unavailable")
	// ErrEmptyUpload: the file to upload has no bytes.
	ErrEmptyUpload = errors.New("reducto: empty upload")
	// ErrUploadTooLarge: the file to upload is larger than the service accepts.
	ErrUploadTooLarge = errors.New("reducto: upload too large")
	// ErrTooLarge: an answer is larger than the configured limit.
	ErrTooLarge = errors.New("reducto: answer too large")
	// ErrDetached: the content is behind a URL, but the result has no Client to
	// download it. You decoded the result yourself, for example from your own storage.
	// Get the job again to read it.
	ErrDetached = errors.New("reducto: result has no client to download its content")
)

// RequestError is the error for a request that the client refused before it sent
// anything.
type RequestError struct {
	// Op is the method that was called, such as "ParseAsync".
	Op string
	// Field is the wrong field or argument, such as "Settings.PageRange".
	Field string
	// Reason says what is wrong and what to do.
	Reason string
	// Err is the cause; nil if there is none.
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

// refuse returns the error for a request that is not sent.
func refuse(field, format string, args ...any) error {
	return &RequestError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// withOp adds the name of the called method to a *RequestError. It returns nil if err
// is no *RequestError.
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

// ConnectionError is the error for a request without a usable answer. The connection
// failed or broke, a time limit passed, or the answer was truncated, too large or not
// JSON.
type ConnectionError struct {
	// Method and URL identify the request. The URL has no query.
	Method, URL string
	// StatusCode is the status of the unusable answer; 0 if there was none.
	StatusCode int
	// Attempts is the number of attempts.
	Attempts int
	// Body is the beginning of an unusable answer, at most 1 KiB of printable text.
	Body string
	// Err is the cause. If the context ended, it matches the context's error.
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

// UnknownOutcomeError is the error for a submission with an unknown outcome. The
// connection broke after the request was sent, or a gateway answered instead of the
// service. A job may exist and be billed. If it exists, its webhook still arrives.
//
// To submit again, set Async.SubmissionID to SubmissionID. A receiver of this library
// then processes only one of the two jobs. WithResubmit does this automatically.
type UnknownOutcomeError struct {
	// SubmissionID is the id of the submission.
	SubmissionID string
	// Err is the cause: a *ConnectionError or an *APIError.
	Err error
}

// Error implements error.
func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("reducto: submission %s: outcome unknown, a job may exist: %v", e.SubmissionID, e.Err)
}

// Unwrap returns the cause.
func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// JobError is the error for a job that failed or was cancelled.
type JobError struct {
	// Job is the job as the API returned it.
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

// Is reports whether target is ErrPasswordProtected and the job failed because the
// document needs a password.
func (e *JobError) Is(target error) bool {
	return target == ErrPasswordProtected && e.Job.Error != nil && e.Job.Error.Name == ErrorNameDocumentPasswordProtected
}

// DecodeError is the error for an extraction that does not fit the Go value. A retry
// cannot help.
type DecodeError struct {
	// JobID is the job; empty if the result does not name it.
	JobID string
	// Target is the type of the value, such as "main.Invoice".
	Target string
	// Err is the cause.
	Err error
}

// Error implements error.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("reducto: the extraction of job %s does not fit %s: %v", e.JobID, e.Target, e.Err)
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

// WaitError is the error for a wait that ended before the job did. The job continues.
// You can wait again with the same id.
type WaitError struct {
	// JobID is the id of the job.
	JobID string
	// Last is the last known state of the job; nil if it is unknown.
	Last *Job
	// Err is the reason: the cause of the context, joined with the last failure if there
	// was one.
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

// Unwrap returns the reason.
func (e *WaitError) Unwrap() error { return e.Err }

// ResultTypeError is the error for a completed job with a result of another type.
type ResultTypeError struct {
	// JobID is the job.
	JobID string
	// Want is the requested result type, such as "*reducto.ParseResult".
	Want string
	// Got is the actual result type. It is empty if the completed job has no result,
	// for example because it expired. The error then matches ErrExpired.
	Got string
}

// Error implements error.
func (e *ResultTypeError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("reducto: job %s is completed but has no result (it may have expired)", e.JobID)
	}
	return fmt.Sprintf("reducto: job %s has a result of type %s, not %s", e.JobID, e.Got, e.Want)
}

// Is reports whether target is ErrExpired and the completed job has no result.
func (e *ResultTypeError) Is(target error) bool {
	return target == ErrExpired && e.Got == ""
}
