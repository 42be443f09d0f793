package inbox

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// batcher joins the requests of concurrent callers into batches for the store. One
// caller is the leader: it sends its own request and all that wait. Meanwhile new
// requests form the next batch. No caller waits for a timer. A single caller sends its
// request on its own goroutine.
type batcher[Q, A any] struct {
	do  func(context.Context, []Q) ([]A, error)
	max int // largest batch
	// least is how much of its time a caller must have left to become the leader. A
	// batch is not cancelled with its leader's context.
	least time.Duration
	// beside is how many requests have to wait for a second batch to start beside the
	// running one. Zero: there is one batch at a time.
	beside int

	mu      sync.Mutex
	waiting []*request[Q, A]
	leaders int  // leaders that run a batch or have been appointed
	elected bool // a leader has been appointed and is still waiting
}

type request[Q, A any] struct {
	question Q
	answer   A
	err      error
	// turn receives false when the answer is ready, and true when the caller becomes
	// the leader. It has room for one value.
	turn chan bool
}

// ask returns the answer to q. If ctx ends first, the store may still get q.
func (b *batcher[Q, A]) ask(ctx context.Context, q Q) (A, error) {
	me := &request[Q, A]{question: q}
	b.mu.Lock()
	b.waiting = append(b.waiting, me)
	if b.needsLeader() {
		b.leaders++
		batch := b.take(me)
		b.mu.Unlock()
		b.lead(ctx, me, batch)
		return me.answer, me.err
	}
	me.turn = make(chan bool, 1)
	b.mu.Unlock()
	select {
	case lead := <-me.turn:
		if !lead {
			return me.answer, me.err
		}
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) >= b.least {
			b.mu.Lock()
			b.elected = false
			batch := b.take(me)
			b.mu.Unlock()
			b.lead(ctx, me, batch)
			return me.answer, me.err
		}
		me.turn <- true // leave passes it on
	case <-ctx.Done():
	}
	b.leave(me)
	var none A
	if err := context.Cause(ctx); err != nil {
		return none, err
	}
	return none, context.DeadlineExceeded
}

// leave withdraws a request that is still waiting. If its caller has just been
// appointed leader, it appoints another.
func (b *batcher[Q, A]) leave(me *request[Q, A]) {
	b.mu.Lock()
	for i, w := range b.waiting {
		if w == me {
			b.waiting = append(b.waiting[:i:i], b.waiting[i+1:]...)
			break
		}
	}
	b.mu.Unlock()
	select {
	case lead := <-me.turn:
		if lead {
			b.mu.Lock()
			b.elected = false
			b.endLead()
			b.mu.Unlock()
		}
	default: // an answer may still come; the channel has room for it
	}
}

// needsLeader reports whether another caller must become the leader. The lock is held
// here and in the methods below, unless they say otherwise.
func (b *batcher[Q, A]) needsLeader() bool {
	if b.leaders == 0 {
		return len(b.waiting) > 0
	}
	return b.leaders == 1 && !b.elected && b.beside > 0 && len(b.waiting) >= b.beside
}

// take removes a batch from the waiting requests. The batch contains me, the leader's
// request.
func (b *batcher[Q, A]) take(me *request[Q, A]) []*request[Q, A] {
	batch := b.waiting
	b.waiting = nil
	if len(batch) > b.max {
		all := batch
		batch = append(make([]*request[Q, A], 0, b.max), me)
		for _, w := range all {
			switch {
			case w == me:
			case len(batch) < b.max:
				batch = append(batch, w)
			default:
				b.waiting = append(b.waiting, w)
			}
		}
	}
	b.appoint()
	return batch
}

func (b *batcher[Q, A]) endLead() {
	b.leaders--
	b.appoint()
}

// appoint makes the first waiting caller the next leader, if one is needed.
func (b *batcher[Q, A]) appoint() {
	if b.needsLeader() {
		b.leaders++
		b.elected = true
		b.waiting[0].turn <- true
	}
}

// lead sends a batch to the store and hands out the answers. The lock is not held.
func (b *batcher[Q, A]) lead(ctx context.Context, me *request[Q, A], batch []*request[Q, A]) {
	questions := make([]Q, len(batch))
	for i, w := range batch {
		questions[i] = w.question
	}
	var answers []A
	err := errStorePanicked
	defer func() { // even if the store ends the goroutine
		for i, w := range batch {
			if w.err = err; err == nil {
				w.answer = answers[i]
			}
			if w != me {
				w.turn <- false
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.endLead()
	}()
	answers, err = b.send(ctx, questions)
}

func (b *batcher[Q, A]) send(ctx context.Context, questions []Q) (answers []A, err error) {
	defer contained(&err)
	answers, err = b.do(context.WithoutCancel(ctx), questions)
	if err == nil && len(answers) != len(questions) {
		err = fmt.Errorf("inbox: the store gave %d answers to %d questions", len(answers), len(questions))
	}
	return answers, err
}
