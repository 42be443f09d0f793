package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"github.com/reducto-go/reducto"
)

// recheckDelays is how long a job is looked at again of which the API says, in
// spite of the delivery, that it runs. In sum less than senders wait for an answer.
var recheckDelays = [...]time.Duration{
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
}

// refetchTimeout bounds all that is asked of the API before the function is
// called: a sender waits meanwhile.
const refetchTimeout = 30 * time.Second

// run processes a delivery. It is its own goroutine, so that whatever the
// function does to it, the connection's survives.
func (h *Handler) run(c *call) {
	defer h.memory.finish(c) // also if the function ends the goroutine
	d := c.delivery
	var job *reducto.Job
	if h.get != nil && h.cfg.refetch {
		if job = h.settle(c, d); job == nil {
			return
		}
	}
	d.source = newJobSource(h.get, d.JobID, job)
	c.funcCtx.begin(&c.ctx, h.cfg.funcTimeout)
	defer c.funcCtx.cancel()
	c.called = true
	h.stats.calls.Add(1)
	h.invoke(&c.funcCtx, c, d)
}

// settle lets the API decide how the job ended. Without a job to show for it the
// call is over, and its ending is set.
func (h *Handler) settle(c *call, d *Delivery) *reducto.Job {
	ctx, cancel := context.WithTimeout(&c.ctx, refetchTimeout)
	defer cancel()
	job, err := h.recheck(ctx, &d.Event)
	c.ending = endedPostponed
	switch {
	case err == nil && job.Status.Terminal():
		if contradicts(job.Status, d.Status) {
			h.conflict(ctx, &d.Event, "the API says that the job ended otherwise than the delivery does, and is believed",
				slog.String("api_status", string(job.Status)))
		}
		d.Outcome = outcomeOf(job.Status)
		return job
	case err == nil:
		h.report(ctx, slog.LevelWarn, "the API says that the job still runs; it is to be delivered again", d,
			slog.String("api_status", string(job.Status)))
	case errors.Is(err, reducto.ErrExpired) && !notYetVisible(&d.Event, err):
		c.ending = endedExpired
		d.Outcome = OutcomeExpired
		h.stats.expired.Add(1)
		h.report(ctx, slog.LevelError, "expired: the job or its result is gone, the function is not called", d, errorAttr(err))
	case errors.Is(err, reducto.ErrUnauthorized), errors.Is(err, reducto.ErrForbidden):
		h.report(ctx, slog.LevelError, "the API refuses the client's key; the job is to be delivered again", d, errorAttr(err))
	default:
		h.report(ctx, slog.LevelWarn, "the job could not be fetched; it is to be delivered again", d, errorAttr(err))
	}
	return nil
}

// recheck fetches the job, again for a while if it seems not to have ended: what
// the API reads can lag behind what it announced.
func (h *Handler) recheck(ctx context.Context, e *Event) (*reducto.Job, error) {
	for _, delay := range recheckDelays {
		job, err := h.get.fetch(ctx, e.JobID)
		switch {
		case err == nil && job.Status.Terminal():
			return job, nil
		case err != nil && !notYetVisible(e, err):
			return nil, err
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
	return h.get.fetch(ctx, e.JobID)
}

// notYetVisible reports whether a job that was not found may have been submitted
// too short a time ago to be.
func notYetVisible(e *Event, err error) bool {
	return errors.Is(err, reducto.ErrNotFound) && e.isYoung(time.Now())
}

// invoke calls the function, judges what it returns, and survives both: an error
// of the user's can panic when it is looked at.
func (h *Handler) invoke(ctx context.Context, c *call, d *Delivery) {
	returned := false
	defer func() {
		if returned {
			return
		}
		text := "it called panic(nil) or runtime.Goexit"
		if p := recover(); p != nil {
			text = fmt.Sprint(p)
		}
		c.ending = endedFailed
		h.stats.panics.Add(1)
		h.stats.failures.Add(1)
		h.report(ctx, slog.LevelError, "the function panicked; the job is to be delivered again", d,
			slog.String("panic", head(text, 1<<10)), slog.String("stack", head(string(debug.Stack()), 16<<10)))
	}()
	c.ending = endedFailed
	err := h.fn(ctx, d)
	if err == nil {
		c.ending = endedDone
	} else {
		h.judge(ctx, c, d, err)
	}
	returned = true
	if err == nil {
		h.report(ctx, slog.LevelDebug, "processed", d)
	}
}

// judge says what an error of the function means.
func (h *Handler) judge(ctx context.Context, c *call, d *Delivery, err error) {
	reason := errorAttr(err)
	expired, permanent := errors.Is(err, reducto.ErrExpired), IsPermanent(err)
	h.stats.failures.Add(1)
	switch {
	case expired:
		c.ending = endedExpired
		h.stats.expired.Add(1)
		h.report(ctx, slog.LevelError, "expired: the job or its result is gone, the function gave up", d, reason)
	case permanent:
		c.ending = endedDone
		h.report(ctx, slog.LevelError, "the function gave the job up for good", d, reason)
	case errors.Is(context.Cause(ctx), ErrShutdown):
		c.ending = endedPostponed
		h.report(ctx, slog.LevelWarn, "the function was stopped by Shutdown; the job is to be delivered again", d, reason)
	default:
		h.report(ctx, slog.LevelWarn, "the function failed; the job is to be delivered again", d, reason)
	}
}

// report logs what became of a delivery.
func (h *receiver) report(ctx context.Context, level slog.Level, msg string, d *Delivery, more ...slog.Attr) {
	if h.log.handler == nil {
		return
	}
	attrs := append(d.attrs(), slog.Duration("delivery_age", time.Since(d.ReceivedAt)))
	h.log.log(ctx, level, msg, append(attrs, more...)...)
}

// conflict counts and logs that a job seems to have ended in two ways.
func (h *receiver) conflict(ctx context.Context, e *Event, msg string, more ...slog.Attr) {
	h.stats.conflicts.Add(1)
	if h.log.handler != nil {
		h.log.log(ctx, slog.LevelWarn, msg, append(e.attrs(), more...)...)
	}
}

// errorAttr is an error's text, made now: whoever writes the record later must
// not look into a value that may be in use.
func errorAttr(err error) slog.Attr { return slog.String("error", head(fmt.Sprint(err), 4<<10)) }

// head is the beginning of s, at most limit bytes.
func head(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
