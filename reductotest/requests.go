package reductotest

import (
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	recordedBody     = 256 << 10 // bytes kept of a request's body
	recordedRequests = 1 << 16   // requests kept, at least
	drained          = 1 << 20   // bytes read of a body that the handler left
)

// Request is a request to the API or the storage.
type Request struct {
	Method string
	// Host is the requested host: reducto.test, storage.reducto.test or, over TCP, an
	// address.
	Host string
	// Path is decoded and has no query.
	Path  string
	Query url.Values
	// Header has "[redacted]" as the value of Authorization.
	Header http.Header
	// Authorized reports that the request has the API key.
	Authorized bool
	// Body is the start of the body, up to 256 KiB.
	Body Body
	// BodySize is the number of bytes of the body that the server has read.
	BodySize int64
	// StatusCode is the status of the response. It is 0 without a response.
	StatusCode int
	// Time is the time when the request arrived.
	Time time.Time

	site string // the host's name in memory
}

// Requests returns the requests to the API and the storage, oldest first. The server
// keeps at least the last 65,536.
func (s *Server) Requests() []Request { return s.requestsWhere(func(*Request) bool { return true }) }

// RequestsTo returns the requests that match, such as "POST /parse_async", "GET /job" or
// "PUT storage". [Server.Fault] explains the matches.
func (s *Server) RequestsTo(match string) []Request {
	m := s.parseMatch(match)
	return s.requestsWhere(func(r *Request) bool { return m.matches(r.Method, r.site, r.Path) })
}

func (s *Server) requestsWhere(keep func(*Request) bool) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Request
	for _, r := range s.requests {
		if keep(r) {
			c := *r
			c.Header, c.Body = r.Header.Clone(), slices.Clone(r.Body)
			list = append(list, c)
		}
	}
	return list
}

// Violations describes the requests that no client may send: requests to the object
// storage with an Authorization header.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

func (s *Server) violation(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	s.violations = append(s.violations, text)
	s.mu.Unlock()
	if s.tb != nil {
		s.tb.Logf("reductotest: violation: %s", text)
	}
}

// matcher is the parsed argument of Fault and RequestsTo.
type matcher struct {
	method, site, path string
}

func (s *Server) parseMatch(match string) matcher {
	m := matcher{method: "*", site: apiHost}
	target := match
	if method, rest, ok := strings.Cut(match, " "); ok {
		m.method, target = method, rest
	}
	if rest, ok := strings.CutPrefix(target, "storage"); ok {
		m.site, target = storageHost, rest
	}
	if target != "" && !strings.HasPrefix(target, "/") || m.method == "" {
		s.fatalf("invalid match %q: use a method and a path, such as %q", match, "GET /job")
	}
	m.path = strings.TrimSuffix(target, "/")
	return m
}

func (m matcher) matches(method, site, path string) bool {
	if m.site != site || m.method != "*" && m.method != method {
		return false
	}
	rest, ok := strings.CutPrefix(path, m.path)
	return ok && (rest == "" || rest[0] == '/')
}

// observed records the requests to a host and applies faults before h.
func (s *Server) observed(site string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record := s.record(site, r)
		body := &recordingBody{ReadCloser: r.Body, s: s, record: record}
		r.Body = body
		rw := &recordingWriter{ResponseWriter: w, s: s, record: record}
		s.serveWithFault(rw, r, record, h)
		// Record what the handler left of the body. This also keeps the connection.
		_, _ = io.CopyN(io.Discard, body, drained)
	})
}

func (s *Server) record(site string, r *http.Request) *Request {
	header := r.Header.Clone()
	if header.Get("Authorization") != "" {
		header.Set("Authorization", redacted)
	}
	record := &Request{
		Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: r.URL.Query(),
		Header: header, Authorized: s.authorized(r), Time: time.Now(), site: site,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) >= 2*recordedRequests {
		s.requests = slices.Clone(s.requests[recordedRequests:])
	}
	s.requests = append(s.requests, record)
	return record
}

// authorized reports whether r has the API key.
func (s *Server) authorized(r *http.Request) bool {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") &&
		subtle.ConstantTimeCompare([]byte(strings.TrimSpace(key)), []byte(s.APIKey())) == 1
}

// recordingBody records the body of a request as it is read.
type recordingBody struct {
	io.ReadCloser
	s      *Server
	record *Request
}

func (b *recordingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.s.mu.Lock()
		b.record.BodySize += int64(n)
		if room := recordedBody - len(b.record.Body); room > 0 {
			b.record.Body = append(b.record.Body, p[:min(n, room)]...)
		}
		b.s.mu.Unlock()
	}
	return n, err
}

// recordingWriter records the status of a response.
type recordingWriter struct {
	http.ResponseWriter
	s      *Server
	record *Request
	wrote  bool
}

func (w *recordingWriter) WriteHeader(status int) {
	if !w.wrote && status >= 200 {
		w.wrote = true
		w.s.mu.Lock()
		w.record.StatusCode = status
		w.s.mu.Unlock()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recordingWriter) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap returns the inner writer, for http.ResponseController.
func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
