package webhook

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// callContext is what the contexts of a call are made from. It has the values of the
// request that began the call, tracing for example, but does not end with it: it ends
// when the handler gives up. One context that ends serves all calls, and this one needs
// no memory of its own.
type callContext struct {
	context.Context // the handler's, which has no values
	request         context.Context
}

// Value asks the handler's context first. That one answers only the key by which the
// context package finds out with what a context ends, and the request's answer to
// it would be the request's end.
func (c *callContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.request.Value(key)
}

var errFuncTimeout = fmt.Errorf("webhook: the function took too long: %w", context.DeadlineExceeded)

// funcContext is the context of a Func: its call's, with a deadline, and over when the
// function is. A context with a timer costs as much as reading and verifying a
// delivery, and functions that do no I/O never look at theirs, so that it is made when
// somebody asks how this one ends.
type funcContext struct {
	call     *callContext
	deadline time.Time

	mu   sync.Mutex
	end  context.Context // nil until somebody asks; without the values
	stop context.CancelFunc
	over bool
}

// begin sets the deadline. Nobody else may have the context yet.
func (c *funcContext) begin(call *callContext, timeout time.Duration) {
	c.call, c.deadline = call, time.Now().Add(timeout)
}

// cancel ends the context, unless it has ended.
func (c *funcContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.stop != nil {
		c.stop()
	}
}

// ends is a context that ends as this one does.
func (c *funcContext) ends() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.end != nil:
	case c.over: // first, whatever happened since
		c.end, c.stop = context.WithCancel(context.Background())
		c.stop()
	default:
		c.end, c.stop = context.WithDeadlineCause(c.call.Context, c.deadline, errFuncTimeout)
	}
	return c.end
}

// Deadline implements context.Context.
func (c *funcContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Done implements context.Context.
func (c *funcContext) Done() <-chan struct{} { return c.ends().Done() }

// Err implements context.Context.
func (c *funcContext) Err() error { return c.ends().Err() }

// Value implements context.Context. The key to which the handler's context has an
// answer is the context package's, as above: with this one's end as the answer, contexts
// that are made from it need no goroutine to end with it, and context.Cause sees why.
func (c *funcContext) Value(key any) any {
	if c.call.Context.Value(key) != nil {
		return c.ends().Value(key)
	}
	return c.call.request.Value(key)
}

// Format prints no more than what it is, with every verb: fmt would print unexported
// fields, and those change, and lead to the request.
func (c *funcContext) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// String names it in what the context package prints of contexts made from it.
func (c *funcContext) String() string { return "webhook.Func's context" }
