package reductotest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

// serveWithFault serves the request by h, or in the way that its fault says.
// A connection is broken by panicking with http.ErrAbortHandler, which net/http
// understands.
func (s *Server) serveWithFault(w http.ResponseWriter, r *http.Request, record *Request, h http.Handler) {
	f := s.nextFault(record)
	if f.kind == faultNone {
		h.ServeHTTP(w, r)
		return
	}
	if f.kind != faultDelay && f.kind != faultLoseAnswer && f.kind != faultTruncate && f.kind != faultPaced {
		// The request is sent whole, and the client's departure is noticed
		// once its body was read.
		_, _ = io.CopyN(io.Discard, r.Body, drained)
	}
	waiting := r.Context()
	if f.kind == faultDelay {
		waiting = s.ctx // a late request is processed even if its client has gone
	}
	if !sleep(waiting, f.before) {
		panic(http.ErrAbortHandler)
	}
	switch f.kind {
	case faultAnswer:
		f.answer(w, record)
	case faultDelay:
		h.ServeHTTP(w, r)
	case faultDrop:
		panic(http.ErrAbortHandler)
	case faultLoseAnswer:
		h.ServeHTTP(newAnswer(), r)
		_, _ = io.CopyN(io.Discard, r.Body, drained)
		panic(http.ErrAbortHandler)
	case faultTruncate:
		a := newAnswer()
		h.ServeHTTP(a, r)
		a.sendTruncated(w, f.n)
	case faultPaced:
		h.ServeHTTP(&pacedWriter{ResponseWriter: w, r: r, flow: f.flow, chunked: f.chunked}, r)
	case faultEndless:
		f.sendEndless(w, r)
	case faultStall:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
}

func (f Fault) answer(w http.ResponseWriter, r *Request) {
	for key, values := range f.header {
		w.Header()[key] = values
	}
	switch {
	case f.status == http.StatusNoContent || f.status == http.StatusNotModified:
		w.WriteHeader(f.status)
	case f.hasBody:
		w.Header().Set("Content-Length", strconv.Itoa(len(f.body)))
		w.WriteHeader(f.status)
		_, _ = w.Write(f.body)
	case r.site == storageHost:
		writeXML(w, f.status, strings.ReplaceAll(http.StatusText(f.status), " ", ""), "injected by the test")
	case f.status == http.StatusTooManyRequests:
		message := "[CODE 1000] rate limit exceeded, retry with exponential backoff"
		if r.Method == http.MethodGet && strings.HasPrefix(r.Path, "/job/") {
			message = "[CODE 2000] rate limit exceeded, please use webhooks instead of polling"
		}
		writeJSON(w, f.status, obj("message", message))
	case f.status < 300:
		writeJSON(w, f.status, obj())
	default:
		(&apiError{status: f.status, name: errorName(f.status), message: "injected by the test"}).write(w)
	}
}

// errorName is a name that the API gives to failures of a status.
func errorName(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "INVALID_CONFIG"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "AUTH_ERROR"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusConflict:
		return "JOB_NOT_COMPLETE"
	case http.StatusGone:
		return "JOB_DELETED"
	case http.StatusRequestEntityTooLarge:
		return "DOCUMENT_TOO_LARGE"
	case http.StatusUnsupportedMediaType:
		return "DOCUMENT_UNSUPPORTED"
	case 442:
		return "DOCUMENT_PASSWORD_PROTECTED"
	case http.StatusBadGateway:
		return "LLM_PROVIDER_ERROR"
	case http.StatusServiceUnavailable:
		return "SERVICE_UNAVAILABLE"
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return "TIMEOUT"
	}
	return "INTERNAL_ERROR"
}

func (f Fault) sendEndless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	piece := bytes.Repeat([]byte("x"), 16<<10)
	if f.every > 0 {
		piece = piece[:16]
	}
	_, _ = io.WriteString(w, `{"reason":"`)
	for {
		if _, err := w.Write(piece); err != nil || flush() != nil || !sleep(r.Context(), f.every) {
			panic(http.ErrAbortHandler)
		}
	}
}

// answer is an http.ResponseWriter that keeps what is written.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// sendTruncated sends n bytes of the body under the length of all of it, and
// breaks the connection.
func (a *answer) sendTruncated(w http.ResponseWriter, n int) {
	a.WriteHeader(http.StatusOK)
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	if n >= a.body.Len() {
		// The answer is whole: the client must not send its next request on a
		// connection that is about to break.
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()[:max(0, min(n, a.body.Len()))])
	if err := http.NewResponseController(w).Flush(); err == nil {
		panic(http.ErrAbortHandler)
	}
}

var _ http.ResponseWriter = (*answer)(nil)
