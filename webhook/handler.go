package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook/internal/fetch"
	"github.com/reducto-go/reducto/webhook/internal/run"
	"github.com/reducto-go/reducto/webhook/internal/safe"
)

// Handler is an http.Handler that receives webhooks and calls your function within the
// request. It calls the function once for each job, even if several deliveries arrive.
// It answers 200 after success and 500 after failure, so that Reducto tries again. See
// the package comment for its guarantees and answers.
//
// Mount it for POST at the exact path of reducto.DirectWebhook. With a trailing
// slash http.ServeMux would answer 307, which Reducto does not follow. No middleware
// may read the body.
//
// A Handler is safe for concurrent use. It keeps its state in memory.
type Handler struct {
	recv   *Receiver
	fn     Func
	get    fetch.GetJob // nil without a client
	memory *memory
}

// NewHandler returns a Handler that calls f for the deliveries that v verifies. It
// checks all arguments. The error is a *reducto.RequestError.
func NewHandler(v Verifier, f Func, opts ...Option) (*Handler, error) {
	const op = "webhook.NewHandler"
	cfg, err := configure(opts)
	receiver, err := newReceiver(op, v, cfg, err)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, &reducto.RequestError{Op: op, Field: "the function", Reason: "it is nil: give the function that processes a job"}
	}
	h := &Handler{recv: receiver, fn: f, memory: newMemory(cfg.dedupWindow, cfg.dedupSize)}
	if cfg.client != nil {
		h.get = cfg.client.GetJob
	}
	return h, nil
}

// ServeHTTP answers one delivery. It implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	event, status, err := h.recv.receive(w, r, received)
	if err == nil {
		status = h.process(r, &event, received)
	}
	h.recv.Respond(w, status)
}

// process calls the function once for a verified delivery, and returns the answer's
// status.
func (h *Handler) process(r *http.Request, e *Event, received time.Time) int {
	for {
		c, role, conflict := h.memory.admit(r.Context(), e, received)
		if conflict {
			h.conflict(r.Context(), e, "webhook: a delivery contradicts an earlier one of the same job")
		}
		switch role {
		case roleClosed:
			h.recv.stats.refused.Add(1)
			return http.StatusServiceUnavailable
		case roleDone:
			h.recv.stats.duplicates.Add(1)
			return http.StatusOK
		case roleStart:
			h.recv.stats.accepted.Add(1)
			go h.run(c)
			return h.wait(r, c, nil)
		}
		timer := time.NewTimer(h.recv.cfg.duplicateTimeout)
		status := h.wait(r, c, timer.C)
		timer.Stop()
		if status == http.StatusOK && c.leavesRoomFor(e.jobKey()) {
			continue // the submission's other job was gone: process this one
		}
		h.recv.stats.duplicates.Add(1)
		return status
	}
}

// wait returns the answer of a call, or 503 if the request or the timeout ends first.
func (h *Handler) wait(r *http.Request, c *call, timeout <-chan time.Time) int {
	select {
	case <-c.done:
		return c.ending.status()
	case <-r.Context().Done(): // the sender is gone, or should not read a 200
	case <-timeout:
	}
	select {
	case <-c.done: // both at once
		return c.ending.status()
	default:
	}
	h.recv.stats.refused.Add(1)
	return http.StatusServiceUnavailable
}

// status returns the answer to all requests that wait for the call.
func (e ending) status() int {
	switch e {
	case endedDone, endedExpired:
		return http.StatusOK
	case endedPostponed:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// recheckDelays are the pauses after which the Handler asks again if the API says that
// a job still runs. Their sum is shorter than the sender's timeout.
var recheckDelays = [...]time.Duration{
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
}

// refetchTimeout limits all requests to the API before the function is called.
const refetchTimeout = 30 * time.Second

// run processes a delivery on a goroutine of its own, so runtime.Goexit in the function
// does not end the connection.
func (h *Handler) run(c *call) {
	defer h.memory.finish(c) // even if the function ends the goroutine
	var job *reducto.Job
	if h.get != nil && h.recv.cfg.refetch {
		if job = h.confirm(c); job == nil {
			return
		}
	}
	if h.get != nil {
		c.delivery.source = handlerSource{fetch.NewOnce(h.get, c.delivery.JobID, job)}
	}
	c.funcCtx.begin(&c.ctx, h.recv.cfg.funcTimeout)
	defer c.funcCtx.cancel()
	c.called = true
	h.recv.stats.calls.Add(1)
	run.Func(func() error { return h.fn(&c.funcCtx, c.delivery) }, func(r run.Result) { h.judge(c, r) })
}

// handlerSource is the Source of a Handler's deliveries.
type handlerSource struct{ *fetch.Once }

func (handlerSource) CompleteTx(context.Context, Execer) error { return ErrTxUnsupported }

// confirm asks the API how the job ended. If it returns nil, the call has ended.
func (h *Handler) confirm(c *call) *reducto.Job {
	ctx, cancel := context.WithTimeout(&c.ctx, refetchTimeout)
	defer cancel()
	d := c.delivery
	job, err := h.recheck(ctx, &d.Event)
	c.ending = endedPostponed
	switch {
	case err == nil && job.Status.Terminal():
		if contradicts(job.Status, d.Status) {
			h.conflict(ctx, &d.Event, "webhook: the API contradicts the delivery about the job's end; the API decides",
				slog.String("api_status", string(job.Status)))
		}
		d.Outcome = OutcomeOf(job.Status)
		return job
	case err == nil:
		h.report(ctx, slog.LevelWarn, "webhook: the API says that the job still runs; answered 503", d,
			slog.String("api_status", string(job.Status)))
	case errors.Is(err, reducto.ErrExpired) && !notYetVisible(&d.Event, err):
		c.ending, d.Outcome = endedExpired, OutcomeExpired
		h.recv.stats.expired.Add(1)
		h.report(ctx, slog.LevelError, "webhook: expired: the job or its result no longer exists; the function is not called", d, safe.Error(err))
	case errors.Is(err, reducto.ErrUnauthorized), errors.Is(err, reducto.ErrForbidden):
		h.report(ctx, slog.LevelError, "webhook: the API refused the client's key; answered 503", d, safe.Error(err))
	default:
		h.report(ctx, slog.LevelWarn, "webhook: the job could not be fetched; answered 503", d, safe.Error(err))
	}
	return nil
}

// recheck fetches the job, several times if the API does not know its end yet.
func (h *Handler) recheck(ctx context.Context, e *Event) (*reducto.Job, error) {
	for _, delay := range recheckDelays {
		job, err := h.get.Fetch(ctx, e.JobID)
		switch {
		case err == nil && job.Status.Terminal():
			return job, nil
		case err != nil && !notYetVisible(e, err):
			return nil, err
		}
		if err := safe.Sleep(ctx, delay); err != nil {
			return nil, err
		}
	}
	return h.get.Fetch(ctx, e.JobID)
}

// notYetVisible reports whether a job was not found because it is too young.
func notYetVisible(e *Event, err error) bool {
	made, ok := fetch.MadeAt(e.SubmissionID)
	return ok && errors.Is(err, reducto.ErrNotFound) && time.Since(made).Abs() < fetch.VisibleWithin
}

// contradicts reports whether a job cannot have ended with both statuses.
func contradicts(a, b reducto.JobStatus) bool { return a != b && a.Terminal() && b.Terminal() }

// judge decides how a call ends by the function's result.
func (h *Handler) judge(c *call, r run.Result) {
	ctx, d := context.Context(&c.funcCtx), c.delivery
	if r.Kind == run.Succeeded {
		c.ending = endedDone
		h.report(ctx, slog.LevelDebug, "webhook: processed", d)
		return
	}
	h.recv.stats.failures.Add(1)
	text := slog.String("error", r.Text)
	switch {
	case r.Kind == run.Panicked:
		c.ending = endedFailed
		h.recv.stats.panics.Add(1)
		h.report(ctx, slog.LevelError, "webhook: the function panicked; answered 500", d, text, slog.String("stack", r.Stack))
	case r.Kind == run.Expired:
		c.ending = endedExpired
		h.recv.stats.expired.Add(1)
		h.report(ctx, slog.LevelError, "webhook: expired: the function found that the job or its result no longer exists", d, text)
	case r.Kind == run.Permanent:
		c.ending = endedDone
		h.report(ctx, slog.LevelError, "webhook: the function failed permanently", d, text)
	case errors.Is(context.Cause(ctx), ErrShutdown):
		c.ending = endedPostponed
		h.report(ctx, slog.LevelWarn, "webhook: Shutdown stopped the function; answered 503", d, text)
	default:
		c.ending = endedFailed
		h.report(ctx, slog.LevelWarn, "webhook: the function failed; answered 500", d, text)
	}
}

// report logs the result of a delivery.
func (h *Handler) report(ctx context.Context, level slog.Level, msg string, d *Delivery, more ...slog.Attr) {
	if !h.recv.log.On() {
		return
	}
	attrs := append(d.attrs(), slog.Duration("delivery_age", time.Since(d.ReceivedAt)))
	h.recv.log.Log(ctx, level, msg, append(attrs, more...)...)
}

// conflict counts and logs that a job seems to have ended in two ways.
func (h *Handler) conflict(ctx context.Context, e *Event, msg string, more ...slog.Attr) {
	h.recv.stats.conflicts.Add(1)
	if h.recv.log.On() {
		h.recv.log.Log(ctx, slog.LevelWarn, msg, append(e.attrs(), more...)...)
	}
}

// Stats returns the counters.
func (h *Handler) Stats() Stats {
	s := h.recv.Stats()
	s.InFlight, s.Remembered = h.memory.sizes()
	return s
}

// Shutdown waits until no call is running. Call it after http.Server.Shutdown, which
// does not wait for a call if its sender has disconnected.
//
// After Shutdown is called, the Handler answers 503 to deliveries that would begin a
// call. If ctx ends first, the contexts of the calls end with the cause ErrShutdown,
// and the error is a *ShutdownError. Shutdown can be called again, and at any time.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.memory.close()
	select {
	case <-h.memory.drained:
	default:
		select {
		case <-h.memory.drained:
		case <-ctx.Done():
			if remaining := h.memory.giveUp(ErrShutdown); remaining > 0 {
				return &ShutdownError{Remaining: remaining, Err: ctx.Err()}
			}
		}
	}
	if err := h.recv.Flush(ctx); err != nil {
		return &ShutdownError{Err: err}
	}
	return nil
}

// Format prints the type alone, with every verb.
func (h *Handler) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "webhook.Handler") }
