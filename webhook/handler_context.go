package webhook

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/reducto-go/reducto/webhook/internal/run"
)

// callContext is the parent of the contexts of a call. It has the values of the
// request that began the call, such as its trace. It ends when the Handler gives up,
// not when the request ends.
type callContext struct {
	context.Context // the Handler's, without values
	request         context.Context
}

// Value asks the Handler's context first. That context has a value only for the key
// that package context uses to find a parent.
func (c *callContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.request.Value(key)
}

// funcContext is the context of a Func. A context with a timer costs as much as reading
// and verifying a delivery, and many functions never use it. So the timer is created
// when the function first uses Done or Err.
type funcContext struct {
	call     *callContext
	deadline time.Time

	mu   sync.Mutex
	end  context.Context // nil until it is needed; without the values
	stop context.CancelFunc
	over bool
}

// begin sets the deadline. The context may not be in use yet.
func (c *funcContext) begin(call *callContext, timeout time.Duration) {
	c.call, c.deadline = call, time.Now().Add(timeout)
}

// cancel ends the context.
func (c *funcContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.stop != nil {
		c.stop()
	}
}

// ends returns a context that ends when this one does.
func (c *funcContext) ends() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.end != nil:
	case c.over:
		c.end, c.stop = context.WithCancel(context.Background())
		c.stop()
	default:
		c.end, c.stop = context.WithDeadlineCause(c.call.Context, c.deadline, run.ErrTimeout)
	}
	return c.end
}

// Deadline implements context.Context.
func (c *funcContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Done implements context.Context.
func (c *funcContext) Done() <-chan struct{} { return c.ends().Done() }

// Err implements context.Context.
func (c *funcContext) Err() error { return c.ends().Err() }

// Value implements context.Context. The Handler's context has a value only for package
// context's own key. This value saves a goroutine for each derived context.
func (c *funcContext) Value(key any) any {
	if c.call.Context.Value(key) != nil {
		return c.ends().Value(key)
	}
	return c.call.request.Value(key)
}

// Format prints the type alone: fmt would print the fields, which change.
func (c *funcContext) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// String is what package context prints for contexts made from this one.
func (c *funcContext) String() string { return "webhook.Func's context" }
