package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// gather joins what concurrent callers want of a store into batches. One of the
// callers leads: it carries its own and everything that waits out, while the next
// batch gathers behind it. Nobody waits for a timer, and a caller that is alone
// does its own work on its own goroutine.
type gather[Q, A any] struct {
	do  func(context.Context, []Q) ([]A, error)
	max int
	// least is how much of a caller's time must be left for it to lead: the others
	// must not fail because it has waited long. do bounds itself, its context does
	// not end.
	least time.Duration

	mu      sync.Mutex
	waiting []*gathered[Q, A]
	leading bool
}

type gathered[Q, A any] struct {
	question Q
	answer   A
	err      error
	// turn is closed when the answer is there; it receives once when the caller is
	// to lead.
	turn chan bool
}

var errGatherPanic = errors.New("webhook: the store panicked")

// ask returns the answer to q. If ctx ends first, the question may be asked all
// the same.
func (g *gather[Q, A]) ask(ctx context.Context, q Q) (A, error) {
	me := &gathered[Q, A]{question: q}
	g.mu.Lock()
	g.waiting = append(g.waiting, me)
	if !g.leading {
		g.leading = true
		g.mu.Unlock()
		g.lead(ctx, me)
		return me.answer, me.err
	}
	me.turn = make(chan bool, 1)
	g.mu.Unlock()
	select {
	case lead := <-me.turn:
		if !lead {
			return me.answer, me.err
		}
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) >= g.least {
			g.lead(ctx, me)
			return me.answer, me.err
		}
		me.turn <- true // to be passed on
	case <-ctx.Done():
	}
	g.leave(me)
	var none A
	if err := context.Cause(ctx); err != nil {
		return none, err
	}
	return none, context.DeadlineExceeded
}

// leave takes back a question that nobody has taken up, and passes on the lead if
// it was handed over at this moment.
func (g *gather[Q, A]) leave(me *gathered[Q, A]) {
	g.mu.Lock()
	for i, w := range g.waiting {
		if w == me {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			break
		}
	}
	g.mu.Unlock()
	select {
	case lead := <-me.turn:
		if lead {
			g.handOver()
		}
	default:
		// The turn may still come: the channel has room for it, and whoever gives it
		// looks at waiting first, where me is no longer.
	}
}

// lead carries out one batch, me's question among it, and hands the lead over.
func (g *gather[Q, A]) lead(ctx context.Context, me *gathered[Q, A]) {
	g.mu.Lock()
	batch := g.waiting
	if len(batch) > g.max {
		// Me first: who leads must not wait for others.
		batch = append(make([]*gathered[Q, A], 0, g.max), me)
		rest := make([]*gathered[Q, A], 0, len(g.waiting)-g.max)
		for _, w := range g.waiting {
			switch {
			case w == me:
			case len(batch) < g.max:
				batch = append(batch, w)
			default:
				rest = append(rest, w)
			}
		}
		g.waiting = rest
	} else {
		g.waiting = nil
	}
	g.mu.Unlock()

	questions := make([]Q, len(batch))
	for i, w := range batch {
		questions[i] = w.question
	}
	var answers []A
	err := errGatherPanic
	defer func() { // also if the store ends the goroutine
		for i, w := range batch {
			if w.err = err; err == nil {
				w.answer = answers[i]
			}
			if w != me {
				w.turn <- false
			}
		}
		g.handOver()
	}()
	answers, err = g.carryOut(ctx, questions)
}

func (g *gather[Q, A]) carryOut(ctx context.Context, questions []Q) (answers []A, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %T", errGatherPanic, p)
		}
	}()
	answers, err = g.do(context.WithoutCancel(ctx), questions)
	if err == nil && len(answers) != len(questions) {
		err = fmt.Errorf("webhook: the store gave %d answers to %d questions", len(answers), len(questions))
	}
	return answers, err
}

// handOver lets the next caller lead, if there is one.
func (g *gather[Q, A]) handOver() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.leading = false
		return
	}
	g.waiting[0].turn <- true
}
