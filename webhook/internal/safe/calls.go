// Package safe calls the user's loggers and observers. Code that blocks or panics there
// cannot stop deliveries.
package safe

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Calls runs calls in order on a goroutine of its own. The goroutine exists only
// while there are calls. A call that blocks delays later calls. If Max calls wait,
// Calls drops new ones.
type Calls struct {
	Max  int
	Lost atomic.Uint64 // calls that were dropped or that panicked

	mu    sync.Mutex
	queue []func(context.Context)
	idle  chan struct{} // closed when the goroutine ends; nil if there is none
}

// Do queues a call. The call may not refer to anything that changes.
func (c *Calls) Do(f func(context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) >= c.Max {
		c.Lost.Add(1)
		return
	}
	c.queue = append(c.queue, f)
	if c.idle == nil {
		c.idle = make(chan struct{})
		go c.drain()
	}
}

// drain runs calls until the queue is empty.
func (c *Calls) drain() {
	done := false
	defer func() {
		if !done { // a call has ended this goroutine with runtime.Goexit
			c.Lost.Add(1)
			go c.drain()
		}
	}()
	for f := c.next(); f != nil; f = c.next() {
		c.call(f)
	}
	done = true
}

// next takes a call from the queue. It returns nil, and ends the drain, if there is
// none.
func (c *Calls) next() func(context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		c.queue = nil
		close(c.idle)
		c.idle = nil
		return nil
	}
	f := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	return f
}

func (c *Calls) call(f func(context.Context)) {
	defer func() {
		if recover() != nil {
			c.Lost.Add(1)
		}
	}()
	f(context.Background())
}

// Wait returns when the queue is empty, or with ctx's error.
func (c *Calls) Wait(ctx context.Context) error {
	c.mu.Lock()
	idle := c.idle
	c.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Sleep returns nil after d, or the cause of ctx's end.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
