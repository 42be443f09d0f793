package webhook

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

// getJob is (*reducto.Client).GetJob.
type getJob func(ctx context.Context, jobID string) (*reducto.Job, error)

// fetch gets a job whose end has been announced. An error that is
// reducto.ErrExpired means that there is nothing to get any more.
func (get getJob) fetch(ctx context.Context, jobID string) (*reducto.Job, error) {
	job, err := get(ctx, jobID)
	switch {
	case err != nil && isGone(err):
		return nil, &goneError{jobID: jobID, err: err}
	case err != nil:
		return nil, err
	case job.Status == reducto.JobStatusCompleted && job.Result == nil:
		return nil, &goneError{jobID: jobID, err: errNoResult}
	}
	return job, nil
}

// isGone reports whether the API says that a job which did exist exists no more.
// A page is no answer of the API: behind a wrong base URL everything is not found.
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

var errNoResult = errors.New("it is completed, but has no result any more")

// goneError is reducto.ErrExpired, whatever it was that showed it.
type goneError struct {
	jobID string
	err   error
}

func (e *goneError) Error() string        { return fmt.Sprintf("webhook: job %s is gone: %v", e.jobID, e.err) }
func (e *goneError) Unwrap() error        { return e.err }
func (e *goneError) Is(target error) bool { return target == reducto.ErrExpired }

// visibleWithin is how long after its submission a job may be unknown to the API
// without having expired.
const visibleWithin = time.Minute

// isYoung reports whether the event is of a submission made within visibleWithin,
// where its id tells: a UUID of version 7 begins with a time.
func (e *Event) isYoung(now time.Time) bool {
	if !isUUID(e.SubmissionID) {
		return false
	}
	id, err := uuid.Parse(e.SubmissionID)
	if err != nil || id.Version() != 7 {
		return false
	}
	age := now.Sub(time.Unix(id.Time().UnixTime()))
	return age.Abs() < visibleWithin // the other host's clock may be ahead, but not by years
}

// jobSource gets a delivery's job once, whoever asks.
type jobSource struct {
	get   getJob
	jobID string
	turn  chan struct{} // holds a token: whoever has it may look at the rest

	job *reducto.Job
	err error // for good: reducto.ErrExpired
}

func newJobSource(get getJob, jobID string, job *reducto.Job) *jobSource {
	if get == nil {
		return nil
	}
	s := &jobSource{get: get, jobID: jobID, turn: make(chan struct{}, 1), job: job}
	s.turn <- struct{}{}
	return s
}

func (s *jobSource) fetch(ctx context.Context) (*reducto.Job, error) {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, fmt.Errorf("webhook: job %s: %w", s.jobID, context.Cause(ctx))
	}
	if s.job != nil || s.err != nil {
		return s.job, s.err
	}
	job, err := s.get.fetch(ctx, s.jobID)
	switch {
	case err == nil:
		s.job = job
	case errors.Is(err, reducto.ErrExpired):
		s.err = err
	}
	return job, err
}

// brokenSource answers with an error, whoever asks.
func brokenSource(err error) *jobSource {
	s := newJobSource(func(context.Context, string) (*reducto.Job, error) { return nil, err }, "", nil)
	s.err = err
	return s
}

var (
	errNoJob          = errors.New("webhook: the submission's answer was lost, and no job of it was found")
	errNotFoundBefore = errors.New("the API did not know it any more")
	errNeverEnded     = errors.New("webhook: an end of the job was announced, but the API says that it still runs")
)
