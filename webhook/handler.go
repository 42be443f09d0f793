package webhook

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/reducto-go/reducto"
)

// Handler is an http.Handler that receives webhooks, and does the work within the
// request: your function is called once for each job, however many deliveries of
// it arrive, and they are answered 200 after it succeeded, 500 after it failed, so
// that the service tries again. See the package comment for every answer and for
// what it guarantees.
//
// Mount it for POST at the exact path given to reducto.DirectWebhook: a path
// mounted with a trailing slash makes http.ServeMux answer 307, which the service
// does not follow. Nothing before it may read the body.
//
// A Handler starts no goroutine of its own until there is something to do, and is
// safe for concurrent use.
type Handler struct {
	receiver
	fn     Func
	get    getJob // nil without a client
	memory *memory
}

// NewHandler makes a Handler that believes what v verifies and calls f. Everything
// is checked here; the error is a *reducto.RequestError.
func NewHandler(v Verifier, f Func, opts ...Option) (*Handler, error) {
	refuse := func(field string, err error) (*Handler, error) {
		return nil, &reducto.RequestError{Op: "webhook.NewHandler", Field: field, Err: err}
	}
	if err := checkVerifier(v); err != nil {
		return refuse("the verifier", err)
	}
	if f == nil {
		return refuse("the function", errors.New("it is nil: what is to be done with a job?"))
	}
	cfg, err := configure(opts)
	if err != nil {
		return refuse("", err)
	}
	if len(cfg.forInbox) > 0 {
		return refuse("options", fmt.Errorf("%s is for an Inbox: leave it out", cfg.forInbox[0]))
	}
	h := &Handler{
		fn:     f,
		memory: newMemory(cfg.rememberFor, cfg.rememberJobs),
	}
	h.init(v, cfg)
	if cfg.client != nil {
		h.get = cfg.client.GetJob
	}
	return h, nil
}

// ServeHTTP answers one delivery. It implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	event, refused := h.intake(w, r, received)
	if refused == nil {
		refused = h.process(r, &event, received)
	}
	h.respond(w, refused)
}

// process has a verified delivery processed, once, and says what to answer.
func (h *Handler) process(r *http.Request, e *Event, received time.Time) *answer {
	for {
		c, role, conflict := h.memory.admit(r.Context(), e, received)
		if conflict {
			h.conflict(r.Context(), e, "the delivery contradicts an earlier one of the same job")
		}
		switch role {
		case roleClosed:
			h.stats.refused.Add(1)
			return &answerRetry
		case roleDone:
			h.stats.duplicates.Add(1)
			return &answerReceived
		case roleStart:
			h.stats.accepted.Add(1)
			go h.run(c)
			return h.wait(r, c, nil)
		}
		timer := time.NewTimer(h.cfg.joinTimeout)
		a := h.wait(r, c, timer.C)
		timer.Stop()
		if a == &answerReceived && c.leavesRoomFor(e.jobKey()) {
			continue // the other job of this submission is gone: this one is left
		}
		h.stats.duplicates.Add(1)
		return a
	}
}

// wait is the call's answer; 503 if it does not end before the request or the
// time does.
func (h *Handler) wait(r *http.Request, c *call, timeout <-chan time.Time) *answer {
	select {
	case <-c.done:
		return c.ending.answer()
	case <-r.Context().Done():
		// Most likely the sender is gone. If it is not, it must not read a 200.
	case <-timeout:
	}
	select {
	case <-c.done: // both at once
		return c.ending.answer()
	default:
	}
	h.stats.refused.Add(1)
	return &answerRetry
}

// Format prints no more than the type, with every verb: fmt would print unexported
// fields, and those change.
func (h *Handler) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "webhook.Handler") }
