// Package fetch gets the job of a delivery from the API.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/reducto-go/reducto"
)

// GetJob is the method of a reducto.Client.
type GetJob func(ctx context.Context, jobID string) (*reducto.Job, error)

// Fetch gets a job whose end was announced. Its error is reducto.ErrExpired if the
// job or its result no longer exists.
func (get GetJob) Fetch(ctx context.Context, jobID string) (*reducto.Job, error) {
	job, err := get(ctx, jobID)
	switch {
	case err != nil && isGone(err):
		return nil, &GoneError{JobID: jobID, Err: err}
	case err != nil:
		return nil, err
	case job.Status == reducto.JobStatusCompleted && job.Result == nil:
		return nil, &GoneError{JobID: jobID, Err: errNoResult}
	}
	return job, nil
}

// isGone reports whether the API says that a job no longer exists. An HTML page does
// not count: with a wrong base URL, every job is "not found".
func isGone(err error) bool {
	if errors.Is(err, reducto.ErrExpired) {
		return true
	}
	api, ok := errors.AsType[*reducto.APIError](err)
	if !ok || strings.Contains(api.ContentType, "html") {
		return false
	}
	switch api.StatusCode {
	case http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

var errNoResult = errors.New("it is completed, but no longer has a result")

// GoneError says that a job or its result no longer exists. It is
// reducto.ErrExpired.
type GoneError struct {
	JobID string
	Err   error
}

func (e *GoneError) Error() string        { return fmt.Sprintf("webhook: job %s is gone: %v", e.JobID, e.Err) }
func (e *GoneError) Unwrap() error        { return e.Err }
func (e *GoneError) Is(target error) bool { return target == reducto.ErrExpired }

// VisibleWithin is the time after a submission in which the API may not know the job.
const VisibleWithin = time.Minute

// MadeAt returns when a submission's id was made, if the id is a UUIDv7. A UUIDv7
// begins with its time.
func MadeAt(submissionID string) (time.Time, bool) {
	if len(submissionID) != 36 {
		return time.Time{}, false
	}
	id, err := uuid.Parse(submissionID)
	if err != nil || id.Version() != 7 {
		return time.Time{}, false
	}
	return time.Unix(id.Time().UnixTime()), true
}

// Once gets a job once, for any number of callers. After an error, the next caller
// tries again, unless the job is gone.
type Once struct {
	get   GetJob
	jobID string
	turn  chan struct{} // holds a token; its owner may use the fields below

	job *reducto.Job
	err error
}

// NewOnce returns a Once. If job is not nil, it has been fetched already.
func NewOnce(get GetJob, jobID string, job *reducto.Job) *Once {
	s := &Once{get: get, jobID: jobID, turn: make(chan struct{}, 1), job: job}
	s.turn <- struct{}{}
	return s
}

// Failing returns a Once that answers with an error.
func Failing(err error) *Once {
	s := NewOnce(nil, "", nil)
	s.err = err
	return s
}

// Job returns the job.
func (s *Once) Job(ctx context.Context) (*reducto.Job, error) {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, fmt.Errorf("webhook: job %s: %w", s.jobID, context.Cause(ctx))
	}
	if s.job != nil || s.err != nil {
		return s.job, s.err
	}
	job, err := s.get.Fetch(ctx, s.jobID)
	switch {
	case err == nil:
		s.job = job
	case errors.Is(err, reducto.ErrExpired):
		s.err = err
	}
	return job, err
}
