package reducto

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestErrorTextsOfEveryType(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	job := &Job{JobID: "j1", Status: JobStatusFailed, Reason: "no pages", Error: &ErrorDetail{Name: ErrorNameDocumentEmpty}}
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
		"reducto: job j1 ended Cancelled":                                      &JobError{Job: &Job{JobID: "j1", Status: JobStatusCancelled}},
		"reducto: job j1 ended Failed (TIMEOUT): TIMEOUT":                      &JobError{Job: &Job{JobID: "j1", Status: JobStatusFailed, Error: &ErrorDetail{Name: ErrorNameTimeout}}},
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
	locked := &JobError{Job: &Job{Status: JobStatusFailed, Error: &ErrorDetail{Name: ErrorNameDocumentPasswordProtected}}}
	assert.ErrorIs(t, locked, ErrPasswordProtected)
	assert.NotErrorIs(t, locked, ErrExpired)
	assert.NotErrorIs(t, &JobError{Job: job}, ErrPasswordProtected)
	assert.NotErrorIs(t, &JobError{Job: &Job{}}, ErrPasswordProtected)
	assert.ErrorIs(t, &ResultTypeError{}, ErrExpired)
	assert.NotErrorIs(t, &ResultTypeError{Got: "x"}, ErrExpired)
	assert.ErrorIs(t, &UnknownOutcomeError{Err: &APIError{StatusCode: 502}}, ErrUnavailable)
}

func TestWithOpAddsTheMethodToACopy(t *testing.T) {
	t.Parallel()
	assert.NoError(t, withOp(errors.New("other"), "ParseAsync"))
	original := &RequestError{Field: "Input"}
	assert.Equal(t, &RequestError{Op: "ParseAsync", Field: "Input"}, withOp(fmt.Errorf("hook: %w", original), "ParseAsync"))
	assert.Empty(t, original.Op, "it may be shared")
	assert.Equal(t, &RequestError{Op: "Inbox"}, withOp(&RequestError{Op: "Inbox"}, "ParseAsync"))
}

// The service may repeat what the client sent.
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
