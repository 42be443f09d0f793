package inboxtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
)

// Each secret of these tests begins with Canary, so that tests can search for it.
const (
	Canary    = "canary-"
	Secret    = Canary + "current-5f2d9c1e7a3b"
	OldSecret = Canary + "previous-8b1e0d2f4c6a"
)

// Ids of jobs.
const (
	JobA = "204a39e4-dd10-4c83-a978-0cee4af8cde2"
	JobB = "7d0c1a52-6b0e-4f0e-8f6d-2b8d3f1c9a10"
)

// Payload returns a body as Reducto sends it.
func Payload(status, jobID, metadata string) string {
	return `{"status":` + quote(status) + `,"job_id":` + quote(jobID) + `,"metadata":` + metadata + `}`
}

// Genuine returns the body of a delivery that has the secret.
func Genuine(jobID string) string { return Payload("Completed", jobID, Signed()) }

// Signed returns metadata that has the secret and more members.
func Signed(more ...string) string {
	return "{" + strings.Join(append([]string{`"secret":"` + Secret + `"`}, more...), ",") + "}"
}

func quote(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

// Request returns a delivery with a body.
func Request(body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
}

// Post returns the status with which h answers a delivery.
func Post(h http.Handler, body string) int { return Serve(h, Request(body)) }

// Serve returns the status with which h answers a request.
func Serve(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// Transport is an http.RoundTripper.
type Transport func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f Transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
