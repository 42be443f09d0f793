package webhook

import "context"

// callContext is what the contexts of a call are made from. It has the values of the
// request that began the call, tracing for example, but does not end with it: it ends
// when the handler gives up. One context that ends serves all calls, and this one needs
// no memory of its own, so that a call costs no more contexts than the one with its
// timeout.
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
