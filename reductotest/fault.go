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

// Fault is something that goes wrong with a request to the API or the storage.
// Its methods return a changed copy.
type Fault struct {
	kind    faultKind
	times   int
	before  time.Duration
	status  int
	header  http.Header
	body    []byte
	hasBody bool
	n       int
	every   time.Duration
	flow    *Flow
	chunked bool
}

type faultKind int

const (
	faultNone faultKind = iota
	faultAnswer
	faultDelay
	faultDrop
	faultLoseAnswer
	faultTruncate
	faultEndless
	faultStall
	faultPaced
)

// Status answers with code and an error body as the API writes it, or the
// storage its own, and does not process the request. 429 has the body of the
// rate limits, and no Retry-After, which the service does not send; Header adds one.
func Status(code int) Fault { return Fault{kind: faultAnswer, times: 1, status: code} }

// HTML answers with code and the HTML page of a proxy, and does not process the request.
func HTML(code int) Fault { return Status(code).Body("text/html", string(htmlPage(code))) }

// Redirect answers with code and the Location url, and does not process the request.
func Redirect(code int, url string) Fault {
	return Status(code).Header("Location", url).Body("text/plain", "")
}

// Delay processes and answers the request after d.
func Delay(d time.Duration) Fault { return Fault{kind: faultDelay, times: 1, before: d} }

// Drop closes the connection once the request is read, without processing or
// answering it. net/http's client by itself repeats a GET that was sent on a
// reused connection and dropped; one Drop may then go unseen.
func Drop() Fault { return Fault{kind: faultDrop, times: 1} }

// LoseAnswer processes the request and closes the connection instead of
// answering: a submission has made its job. See [Drop] for GET.
func LoseAnswer() Fault { return Fault{kind: faultLoseAnswer, times: 1} }

// Truncate processes the request, announces the length of the whole answer
// and closes the connection after the first n bytes of it.
func Truncate(n int) Fault { return Fault{kind: faultTruncate, times: 1, n: n} }

// Endless answers 200 with the beginning of a JSON string that never ends, as
// fast as it is read, until the client goes or the server is closed. Every slows it.
func Endless() Fault { return Fault{kind: faultEndless, times: 1} }

// Stall answers the header of a 200 and then nothing, until the client goes
// or the server is closed.
func Stall() Fault { return Fault{kind: faultStall, times: 1} }

// Header adds a header to the answer of Status, HTML or Redirect.
func (f Fault) Header(key, value string) Fault {
	f.header = f.header.Clone()
	if f.header == nil {
		f.header = http.Header{}
	}
	f.header.Add(key, value)
	return f
}

// JSON sets the body of the answer of Status. Strings and bytes are taken as
// JSON text, everything else is marshalled; what cannot be is a panic.
func (f Fault) JSON(body any) Fault {
	raw, err := rawJSON(body)
	if err != nil {
		panic("reductotest: Fault.JSON: " + err.Error())
	}
	return f.Body("application/json", string(raw))
}

// Body sets the body of the answer of Status and its Content-Type.
func (f Fault) Body(contentType, body string) Fault {
	f.header = f.header.Clone()
	if f.header == nil {
		f.header = http.Header{}
	}
	f.header.Set("Content-Type", contentType)
	f.body, f.hasBody = []byte(body), true
	return f
}

// After waits for d before the fault happens.
func (f Fault) After(d time.Duration) Fault { f.before = d; return f }

// Every makes Endless send a small piece each d.
func (f Fault) Every(d time.Duration) Fault { f.every = d; return f }

// Times uses the fault for n requests instead of one.
func (f Fault) Times(n int) Fault { f.times = n; return f }

// Always uses the fault for every request until [Server.ClearFaults].
func (f Fault) Always() Fault { return f.Times(math.MaxInt) }

// faultRule is the rest of the faults given by one call of Server.Fault.
type faultRule struct {
	match  matcher
	faults []Fault
}

// Fault lets the next requests that match go wrong: each fault is used once,
// in the order given, unless its Times or Always says more. Of several calls
// whose match fits a request, the earliest with faults left is used.
//
// match is a method and a path, "POST /parse_async"; the path matches itself
// and what lies below it, so that "GET /job" is every job and not GET /jobs, and
// "POST /" is every POST. "PUT storage" and "GET storage/results" are requests to
// the object storage. The method may be "*" or left out for any.
//
// Faults come before everything else, authorization included.
func (s *Server) Fault(match string, faults ...Fault) {
	m := s.parseMatch(match)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &faultRule{match: m, faults: slices.Clone(faults)})
}

// ClearFaults drops all faults on requests, those of webhooks not included.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// nextFault takes the fault for a request.
func (s *Server) nextFault(r *Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, rule := range s.faults {
		if !rule.match.matches(r.Method, r.site, r.Path) {
			continue
		}
		for len(rule.faults) > 0 && rule.faults[0].times <= 0 {
			rule.faults = rule.faults[1:]
		}
		if len(rule.faults) == 0 {
			continue
		}
		f := rule.faults[0]
		if rule.faults[0].times != math.MaxInt {
			rule.faults[0].times--
		}
		if rule.faults[0].times == 0 && len(rule.faults) == 1 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return f
	}
	return Fault{}
}

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
