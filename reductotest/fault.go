package reductotest

import (
	"bytes"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is a failure of a request to the API or the storage. Pass it to [Server.Fault].
// Its methods return a changed copy.
type Fault struct {
	serve   func(f Fault, c *exchange) // nil is no fault
	process bool                       // the request is processed, so its body is left to the handler
	times   int
	before  time.Duration
	// Parameters of some faults.
	status   int
	header   http.Header
	body     []byte // nil is the default of the status
	truncate int
	every    time.Duration
	flow     *Flow
	chunked  bool
}

// exchange is a request that meets a fault. A fault breaks the connection by a panic
// with http.ErrAbortHandler, which net/http expects.
type exchange struct {
	w       http.ResponseWriter
	r       *http.Request
	record  *Request
	handler http.Handler // processes the request
}

// Status responds with code and does not process the request. The body is an error of
// the API or of the storage. 429 has the body of a rate limit. Like the service, it has
// no Retry-After. Use [Fault.Header] to add one.
func Status(code int) Fault {
	return Fault{times: 1, status: code, serve: Fault.respond}
}

// HTML responds with code and the HTML page of a proxy. It does not process the request.
func HTML(code int) Fault { return Status(code).Body("text/html", string(htmlPage(code))) }

// Redirect responds with code and the Location url. It does not process the request.
func Redirect(code int, url string) Fault {
	return Status(code).Header("Location", url).Body("text/plain", "")
}

// Delay processes the request after d and responds, even if the client has
// disconnected.
func Delay(d time.Duration) Fault {
	return Fault{times: 1, before: d, process: true, serve: func(_ Fault, c *exchange) {
		c.handler.ServeHTTP(c.w, c.r)
	}}
}

// Drop closes the connection after it has read the request. It does not process the
// request.
//
// The client of net/http repeats a GET if a reused connection is dropped, so a single
// Drop can go unnoticed.
func Drop() Fault {
	return Fault{times: 1, serve: func(Fault, *exchange) { panic(http.ErrAbortHandler) }}
}

// LoseAnswer processes the request and closes the connection instead of responding. A
// submission still makes its job. For GET see [Drop].
func LoseAnswer() Fault {
	return Fault{times: 1, process: true, serve: func(_ Fault, c *exchange) {
		c.handler.ServeHTTP(newRecorder(), c.r)
		_, _ = io.CopyN(io.Discard, c.r.Body, drained)
		panic(http.ErrAbortHandler)
	}}
}

// Truncate processes the request and announces the length of the whole response. It
// closes the connection after the first n bytes of the body.
func Truncate(n int) Fault {
	return Fault{times: 1, process: true, truncate: n, serve: Fault.respondTruncated}
}

// Endless responds 200 with a JSON string that does not end. It sends as fast as the
// client reads, until the client disconnects or the server closes. Use [Fault.Every] to
// slow it down.
func Endless() Fault { return Fault{times: 1, serve: Fault.respondEndlessly} }

// Stall sends the header of a 200 and then nothing, until the client disconnects or the
// server closes.
func Stall() Fault {
	return Fault{times: 1, serve: func(_ Fault, c *exchange) {
		c.w.Header().Set("Content-Type", "application/json")
		c.w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(c.w).Flush()
		<-c.r.Context().Done()
		panic(http.ErrAbortHandler)
	}}
}

// Header adds a header to the response of Status, HTML or Redirect.
func (f Fault) Header(key, value string) Fault {
	header := http.Header{}
	maps.Copy(header, f.header)
	header[http.CanonicalHeaderKey(key)] = append(slices.Clone(f.header.Values(key)), value)
	f.header = header
	return f
}

// JSON sets the body of the response of Status. Strings and bytes are JSON text. JSON
// marshals any other value, and panics if it cannot.
func (f Fault) JSON(body any) Fault {
	raw, err := rawJSON(body)
	if err != nil {
		panic("reductotest: Fault.JSON: " + err.Error())
	}
	return f.Body("application/json", string(raw))
}

// Body sets the body of the response of Status, and its Content-Type.
func (f Fault) Body(contentType, body string) Fault {
	f = f.Header("Content-Type", "")
	f.header["Content-Type"] = []string{contentType}
	f.body = append([]byte{}, body...)
	return f
}

// After waits for d before the fault happens.
func (f Fault) After(d time.Duration) Fault { f.before = d; return f }

// Every makes Endless send a small piece each d.
func (f Fault) Every(d time.Duration) Fault { f.every = d; return f }

// Times applies the fault to n requests instead of one.
func (f Fault) Times(n int) Fault { f.times = n; return f }

// Always applies the fault to every request until [Server.ClearFaults].
func (f Fault) Always() Fault { return f.Times(math.MaxInt) }

// faultRule holds the remaining faults of one call of Server.Fault.
type faultRule struct {
	match  matcher
	faults []Fault
}

// Fault makes the next requests that match fail. Each fault applies once, in the given
// order, unless its Times or Always says otherwise. If several calls match a request,
// the server uses the earliest call that has faults left.
//
// match is a method and a path, such as "POST /parse_async". A path matches itself and
// all paths below it. For example, "GET /job" matches every job but not GET /jobs, and
// "POST /" matches every POST. "PUT storage" and "GET storage/results" match requests to
// the object storage. The method "*", or no method, matches any.
//
// The server applies faults before everything else, including authorization.
func (s *Server) Fault(match string, faults ...Fault) {
	m := s.parseMatch(match)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(s.faults, func(r *faultRule) bool { return len(r.faults) == 0 })
	s.faults = append(s.faults, &faultRule{match: m, faults: slices.Clone(faults)})
}

// ClearFaults removes all faults of requests. It keeps the faults of webhooks.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// nextFault takes the fault for a request.
func (s *Server) nextFault(r *Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rule := range s.faults {
		if !rule.match.matches(r.Method, r.site, r.Path) {
			continue
		}
		for len(rule.faults) > 0 && rule.faults[0].times <= 0 {
			rule.faults = rule.faults[1:]
		}
		if len(rule.faults) > 0 {
			f := rule.faults[0]
			if f.times != math.MaxInt {
				rule.faults[0].times--
			}
			if rule.faults[0].times == 0 {
				rule.faults = rule.faults[1:]
			}
			return f
		}
	}
	return Fault{}
}

// serveWithFault serves the request with h, or as its fault does.
func (s *Server) serveWithFault(w http.ResponseWriter, r *http.Request, record *Request, h http.Handler) {
	f := s.nextFault(record)
	if f.serve == nil {
		h.ServeHTTP(w, r)
		return
	}
	waiting := s.ctx // a delayed request is processed even if its client is gone
	if !f.process {
		waiting = r.Context()
		// Only after the body is read does net/http notice that the client is gone.
		_, _ = io.CopyN(io.Discard, r.Body, drained)
	}
	if !sleep(waiting, f.before) {
		panic(http.ErrAbortHandler)
	}
	f.serve(f, &exchange{w, r, record, h})
}

// respond serves Status, HTML and Redirect.
func (f Fault) respond(c *exchange) {
	maps.Copy(c.w.Header(), f.header)
	switch {
	case f.status == http.StatusNoContent || f.status == http.StatusNotModified:
		c.w.WriteHeader(f.status)
	case f.body != nil:
		respond(c.w, f.status, f.header.Get("Content-Type"), f.body)
	case c.record.site == storageHost:
		writeXML(c.w, f.status, strings.ReplaceAll(http.StatusText(f.status), " ", ""), "injected by the test")
	case f.status == http.StatusTooManyRequests:
		message := "[CODE 1000] rate limit exceeded, retry with exponential backoff"
		if c.record.Method == http.MethodGet && strings.HasPrefix(c.record.Path, "/job/") {
			message = "[CODE 2000] rate limit exceeded, please use webhooks instead of polling"
		}
		writeJSON(c.w, f.status, obj("message", message))
	case f.status < 300:
		writeJSON(c.w, f.status, obj())
	default:
		(&apiError{status: f.status, name: errorName(f.status), message: "injected by the test"}).write(c.w)
	}
}

// respondEndlessly serves Endless.
func (f Fault) respondEndlessly(c *exchange) {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(c.w).Flush
	piece := bytes.Repeat([]byte("x"), 16<<10)
	if f.every > 0 {
		piece = piece[:16]
	}
	_, _ = io.WriteString(c.w, `{"reason":"`)
	for {
		if _, err := c.w.Write(piece); err != nil || flush() != nil || !sleep(c.r.Context(), f.every) {
			panic(http.ErrAbortHandler)
		}
	}
}

// respondTruncated serves Truncate.
func (f Fault) respondTruncated(c *exchange) {
	rec := newRecorder()
	c.handler.ServeHTTP(rec, c.r)
	rec.WriteHeader(http.StatusOK) // unless the handler did
	maps.Copy(c.w.Header(), rec.header)
	c.w.Header().Set("Content-Length", strconv.Itoa(rec.body.Len()))
	if f.truncate >= rec.body.Len() {
		// The response is complete. The client must not reuse the connection, which
		// breaks now.
		c.w.Header().Set("Connection", "close")
	}
	c.w.WriteHeader(rec.status)
	_, _ = c.w.Write(rec.body.Bytes()[:max(0, min(f.truncate, rec.body.Len()))])
	if err := http.NewResponseController(c.w).Flush(); err == nil {
		panic(http.ErrAbortHandler)
	}
}

// recorder is an http.ResponseWriter that keeps the response.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

func (rec *recorder) Header() http.Header { return rec.header }

func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
}

func (rec *recorder) Write(p []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	return rec.body.Write(p)
}
