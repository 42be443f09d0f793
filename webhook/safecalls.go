package webhook

import (
	"context"
	"sync"
	"sync/atomic"
)

// safeCalls keeps what belongs to the user (a logger, an observer) away from
// deliveries and work: it may block or panic, and costs nothing but what it was to
// be told. Calls are made in order by one goroutine, which exists only while there
// is something to call.
type safeCalls struct {
	max  int
	lost atomic.Uint64

	mu    sync.Mutex
	queue []func(context.Context)
	idle  chan struct{} // closed when the calling goroutine is done; nil: there is none
}

// do queues a call. What it refers to must not change.
func (s *safeCalls) do(f func(context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= s.max {
		s.lost.Add(1)
		return
	}
	s.queue = append(s.queue, f)
	if s.idle == nil {
		s.idle = make(chan struct{})
		go s.drain()
	}
}

// drain calls until the queue is empty.
func (s *safeCalls) drain() {
	done := false
	defer func() {
		if !done { // a call ended this goroutine (runtime.Goexit)
			s.lost.Add(1)
			go s.drain()
		}
	}()
	for {
		f, ok := s.next()
		if !ok {
			done = true
			return
		}
		s.call(f)
	}
}

func (s *safeCalls) next() (func(context.Context), bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue = nil
		close(s.idle)
		s.idle = nil
		return nil, false
	}
	f := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	return f, true
}

func (s *safeCalls) call(f func(context.Context)) {
	defer func() {
		if recover() != nil {
			s.lost.Add(1)
		}
	}()
	f(context.Background())
}

// wait returns when all has been called, or with an error when ctx ends.
func (s *safeCalls) wait(ctx context.Context) error {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
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
