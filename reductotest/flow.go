package reductotest

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// Flow stops the body of a response after a number of bytes, until the test continues
// or ends it. Pass it to [Paced].
//
// Its methods can be called at any time, before the request too, and concurrently. If
// several responses use one Flow, the limit applies to each from its beginning.
type Flow struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change of the fields below
	limit   int64         // negative is no limit
	end     flowEnd
	sent    int64
	held    bool
}

// flowEnd selects how a response ends that has reached the limit.
type flowEnd int

const (
	flowHold flowEnd = iota
	flowCut
	flowEarly
)

// errEarly is the error of writing to a response that the test ended.
var errEarly = errors.New("reductotest: the test ended this response early")

// NewFlow returns a Flow that stops a body after its first n bytes. In a
// testing/synctest bubble, call it inside the bubble.
func NewFlow(n int64) *Flow {
	return &Flow{limit: max(n, 0), changed: make(chan struct{})}
}

// AllowUpTo continues the body until n bytes of it are sent, counted from its
// beginning, and stops it there.
func (f *Flow) AllowUpTo(n int64) { f.change(func() { f.limit = max(n, 0) }) }

// Open continues the body to its end.
func (f *Flow) Open() { f.change(func() { f.limit = -1 }) }

// Cut closes the connection once the allowed bytes are sent, for this and all later
// responses. The client sees a body that breaks off.
func (f *Flow) Cut() { f.change(func() { f.end = flowCut }) }

// End ends the body once the allowed bytes are sent. With [Fault.Chunked] the client
// sees a complete body. Otherwise it knows the length and sees that bytes are missing. A
// body that is no longer than the limit stays complete.
func (f *Flow) End() { f.change(func() { f.end = flowEarly }) }

// Sent returns the number of body bytes that were written for the latest response. It
// is never less than the client has received. It counts compressed bytes if the body is
// compressed.
func (f *Flow) Sent() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent
}

func (f *Flow) count(sent int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = sent
}

// AwaitHeld waits until a body is held at the limit. It returns the error of ctx if that
// ends first. A body that is no longer than the limit is never held.
func (f *Flow) AwaitHeld(ctx context.Context) error {
	for {
		f.mu.Lock()
		held, changed := f.held, f.changed
		f.mu.Unlock()
		if held {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *Flow) change(set func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = false // a response that still waits sets it again
	set()
	close(f.changed)
	f.changed = make(chan struct{})
}

// next waits until more than n bytes are allowed. It returns how many of want, or how
// the response ends.
func (f *Flow) next(ctx context.Context, n int64, want int) (int, flowEnd) {
	for {
		f.mu.Lock()
		limit, end, held, changed := f.limit, f.end, f.held, f.changed
		f.mu.Unlock()
		switch {
		case limit < 0 || limit-n >= int64(want):
			return want, flowHold
		case limit > n:
			return int(limit - n), flowHold
		case end != flowHold:
			return 0, end
		case !held:
			f.change(func() { f.held = f.limit == limit && f.end == end })
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done(): // the client is gone, or the server closes
			f.change(func() {})
			return 0, flowCut
		}
	}
}

// Paced processes the request and sends the body of the response as flow allows. Unlike
// [Truncate] it does not hold the response in memory, so it suits any size.
func Paced(flow *Flow) Fault {
	return Fault{times: 1, process: true, flow: flow, serve: func(f Fault, c *exchange) {
		c.handler.ServeHTTP(&pacedWriter{ResponseWriter: c.w, r: c.r, flow: f.flow, chunked: f.chunked}, c.r)
	}}
}

// Chunked makes [Paced] leave out the Content-Length, so that the client does not know
// the length of the body.
func (f Fault) Chunked() Fault { f.chunked = true; return f }

// pacedWriter sends a body as its flow allows. It flushes, so that the client gets all
// allowed bytes.
type pacedWriter struct {
	http.ResponseWriter
	r       *http.Request
	flow    *Flow
	chunked bool
	sent    int64
	wrote   bool
}

func (w *pacedWriter) WriteHeader(status int) {
	if w.chunked {
		w.Header().Del("Content-Length")
	}
	w.wrote = true
	w.ResponseWriter.WriteHeader(status)
	// Send the header even if the first byte is held. Write reports the error, if any.
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *pacedWriter) Write(p []byte) (written int, err error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	for len(p) > 0 {
		n, end := w.flow.next(w.r.Context(), w.sent, len(p))
		switch end {
		case flowCut:
			panic(http.ErrAbortHandler)
		case flowEarly:
			return written, errEarly
		}
		w.flow.count(w.sent + int64(n)) // before the client can receive them
		if n, err = w.ResponseWriter.Write(p[:n]); err == nil {
			err = http.NewResponseController(w.ResponseWriter).Flush()
		}
		w.sent += int64(n)
		written, p = written+n, p[n:]
		if err != nil {
			w.flow.count(w.sent)
			return written, err
		}
	}
	return written, nil
}

// Unwrap returns the inner writer, for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
