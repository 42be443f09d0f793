package reductotest

import (
	"math"
	"net/http"
	"slices"
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
