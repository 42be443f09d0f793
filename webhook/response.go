package webhook

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// responses are the bodies of all answers. They are constant, so a sender cannot get
// information from them.
//
// Reducto repeats a delivery that is not answered 2xx. The receivers do not use 3xx,
// because Reducto does not follow it. They do not use 409 and 410, because some senders
// then stop or disable the endpoint. They do not use 202, because memory can lose the
// delivery.
var responses = map[int]string{
	http.StatusOK:                    `{"received":true}`,
	http.StatusBadRequest:            `{"error":"malformed"}`,
	http.StatusUnauthorized:          `{"error":"unauthorized"}`,
	http.StatusMethodNotAllowed:      `{"error":"method not allowed"}`,
	http.StatusRequestEntityTooLarge: `{"error":"too large"}`,
	http.StatusUnsupportedMediaType:  `{"error":"unsupported media type"}`,
	http.StatusInternalServerError:   `{"error":"failed"}`,
	http.StatusServiceUnavailable:    `{"error":"unavailable"}`,
}

// Respond answers a delivery with one of the statuses in the package comment, and with
// a matching body. A 503 has the header Retry-After.
func (r *Receiver) Respond(w http.ResponseWriter, status int) {
	values := [...]string{"application/json", "no-store"} // one allocation
	header := w.Header()
	header["Content-Type"] = values[0:1:1]
	header["Cache-Control"] = values[1:2:2]
	switch status {
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", r.retryAfter)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, responses[status]) // after an error the sender repeats
}

// retryAfterSeconds returns d as the header has it, rounded up.
func retryAfterSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
