package webhook

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// answer is an answer to a request. Each is constant, so that a sender learns
// nothing from it: there are no reasons in them.
type answer struct {
	status int
	body   string
}

// What reliability demands is in the codes: the service repeats a delivery that
// was not answered 2xx. Neither 3xx (not followed), 410 (some senders disable the
// endpoint), 202 (promises what memory cannot keep) nor 409 (some senders do not
// repeat after 4xx) are ever answered.
var (
	answerReceived     = answer{http.StatusOK, `{"received":true}`}
	answerMalformed    = answer{http.StatusBadRequest, `{"error":"malformed"}`}
	answerUnauthorized = answer{http.StatusUnauthorized, `{"error":"unauthorized"}`}
	answerMethod       = answer{http.StatusMethodNotAllowed, `{"error":"method not allowed"}`}
	answerTooLarge     = answer{http.StatusRequestEntityTooLarge, `{"error":"too large"}`}
	answerNotJSON      = answer{http.StatusUnsupportedMediaType, `{"error":"unsupported media type"}`}
	answerFailed       = answer{http.StatusInternalServerError, `{"error":"failed"}`}
	answerRetry        = answer{http.StatusServiceUnavailable, `{"error":"unavailable"}`}
)

// answer is what those who wait for the call are told.
func (e ending) answer() *answer {
	switch e {
	case endedDone, endedExpired:
		return &answerReceived
	case endedPostponed:
		return &answerRetry
	}
	return &answerFailed
}

// label is a refusal as a metric's label.
func (a *answer) label() string {
	switch a.status {
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	}
	return "invalid"
}

// respond writes an answer, whatever became of the request: a handler that
// returns without writing answers 200.
func (h *receiver) respond(w http.ResponseWriter, a *answer) {
	values := [...]string{"application/json", "no-store"} // in one piece of memory
	header := w.Header()
	header["Content-Type"] = values[0:1:1]
	header["Cache-Control"] = values[1:2:2]
	switch a.status {
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", h.retryAfter)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // a sender that is gone asks again
}

// retryAfterSeconds is d as the header has it.
func retryAfterSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
