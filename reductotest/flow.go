package reductotest

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// Flow stops the body of an answer at a byte that the test chooses, and holds
// it there until the test lets it go on or ends it. It is used by [Paced]; its
// methods may be called at any time, before the request too, and concurrently.
// Several answers of one Flow have the same limit, and each counts from its
// beginning.
type Flow struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, with every change of the fields below
	limit   int64         // negative is none
	end     flowEnd
	sent    int64
	held    bool
}

// flowEnd is what becomes of an answer that has reached the limit.
type flowEnd int

const (
	flowHold flowEnd = iota
	flowCut
	flowEarly
)

// errEarly is what the writer of an answer sees when the test ended it.
var errEarly = errors.New("reductotest: the test ended this answer early")

// NewFlow makes a Flow that holds a body after its first n bytes. In a
// testing/synctest bubble call it inside the bubble.
func NewFlow(n int64) *Flow {
	return &Flow{limit: max(n, 0), changed: make(chan struct{})}
}

// AllowUpTo lets the body come up to its first n bytes, counted from its
// beginning, and holds it there. What was sent stays sent.
func (f *Flow) AllowUpTo(n int64) { f.change(func() { f.limit = max(n, 0) }) }

// Open lets all of the body come, and is the end of the control.
func (f *Flow) Open() { f.change(func() { f.limit = -1 }) }

// Cut closes the connection as soon as the bytes that are allowed were sent,
// and from now on does so with every answer: the client sees a body that breaks off.
func (f *Flow) Cut() { f.change(func() { f.end = flowCut }) }

// End ends the body as soon as the bytes that are allowed were sent. With
// [Fault.Chunked] the client sees a body that is complete; otherwise its length
// was announced and it sees that the rest is missing. Of a body that has no more
// bytes than that, nothing is missing.
func (f *Flow) End() { f.change(func() { f.end = flowEarly }) }

// Sent is how many bytes of the body, of the latest answer, were handed to the
// connection, and never less than the client has received. They count as they travel,
// compressed if they are.
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

// AwaitHeld waits until a body is held at the limit, or ctx ends, whose error
// it returns then. A body that is no longer than the limit is never held.
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
	set()
	f.held = false // whoever still waits says so again
	close(f.changed)
	f.changed = make(chan struct{})
}

// next waits until more than n bytes may be sent, and returns how many of want.
// If the answer ends instead it returns 0 and how.
func (f *Flow) next(ctx context.Context, n int64, want int) (int, flowEnd) {
	for {
		f.mu.Lock()
		switch {
		case f.limit < 0 || f.limit-n >= int64(want):
			f.mu.Unlock()
			return want, flowHold
		case f.limit > n:
			allowed := int(f.limit - n)
			f.mu.Unlock()
			return allowed, flowHold
		case f.end != flowHold:
			end := f.end
			f.mu.Unlock()
			return 0, end
		}
		if !f.held {
			f.held = true
			close(f.changed)
			f.changed = make(chan struct{})
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			f.mu.Lock()
			f.held = false
			f.mu.Unlock()
			return 0, flowCut // the client has gone, or the server closes
		}
	}
}

// Paced processes and answers the request, and sends the body as flow lets it.
// Unlike [Truncate] it does not keep the answer, which may have any size.
func Paced(flow *Flow) Fault { return Fault{kind: faultPaced, times: 1, flow: flow} }

// Chunked leaves out the length of the answer of [Paced], so that HTTP does not
// tell the client how much there is to come.
func (f Fault) Chunked() Fault { f.chunked = true; return f }

// pacedWriter sends a body as its flow lets it. Nothing stays in a buffer: what
// the flow allows is with the client.
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
	// The header does not wait for the first byte, which may be held. An error
	// comes again with that.
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
		w.flow.count(w.sent + int64(n)) // before the client can have them
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

// Unwrap is for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
