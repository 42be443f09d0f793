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
// batch gathers behind it, or sets out beside it if it is large. Nobody waits for a
// timer, and a caller that is alone does its own work on its own goroutine.
type gather[Q, A any] struct {
	do  func(context.Context, []Q) ([]A, error)
	max int
	// least is how much of a caller's time must be left for it to lead: the others
	// must not fail because it has waited long. do bounds itself, its context does
	// not end.
	least time.Duration
	// beside is how many have to wait for a second batch to set out beside the first;
	// 0: it never does. There is no third one.
	beside int

	mu      sync.Mutex
	waiting []*gathered[Q, A]
	leaders int  // callers that carry out a batch or have been told to
	told    bool // one of them has been told to, and is still among those that wait
}

type gathered[Q, A any] struct {
	question Q
	answer   A
	err      error
	// turn is sent false when the answer is there, and true when the caller is to lead.
	// It has room for what comes: one of either, or the lead that its owner passes on.
	turn chan bool
}

var errStorePanicked = errors.New("webhook: the store panicked")

// ask returns the answer to q. If ctx ends first, the question may be asked all
// the same.
func (g *gather[Q, A]) ask(ctx context.Context, q Q) (A, error) {
	me := &gathered[Q, A]{question: q}
	g.mu.Lock()
	g.waiting = append(g.waiting, me)
	if g.roomToLead() {
		g.leaders++
		batch := g.take(me)
		g.mu.Unlock()
		g.lead(ctx, me, batch)
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
			g.mu.Lock()
			g.told = false
			batch := g.take(me)
			g.mu.Unlock()
			g.lead(ctx, me, batch)
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
			g.mu.Lock()
			g.told = false
			g.handOver()
			g.mu.Unlock()
		}
	default:
		// The turn may still come: the channel has room for it, and whoever gives it
		// looks at waiting first, where me is no longer.
	}
}

// roomToLead reports whether another caller is to lead. g.mu is held, here and below
// where nothing else is said.
func (g *gather[Q, A]) roomToLead() bool {
	if g.leaders == 0 {
		return len(g.waiting) > 0
	}
	// Who has been told to lead takes out what waits, and then there is another look.
	return g.leaders == 1 && !g.told && g.beside > 0 && len(g.waiting) >= g.beside
}

// take takes out a batch for me to lead, who is among those that wait. In the same
// breath as it is decided that me leads: nobody else may take me out.
func (g *gather[Q, A]) take(me *gathered[Q, A]) []*gathered[Q, A] {
	batch := g.waiting
	g.waiting = nil
	if len(batch) > g.max {
		// Me first: who leads must not wait for others.
		all := batch
		batch = append(make([]*gathered[Q, A], 0, g.max), me)
		for _, w := range all {
			switch {
			case w == me:
			case len(batch) < g.max:
				batch = append(batch, w)
			default:
				g.waiting = append(g.waiting, w)
			}
		}
	}
	g.tellNext()
	return batch
}

// handOver ends a lead.
func (g *gather[Q, A]) handOver() {
	g.leaders--
	g.tellNext()
}

// tellNext has the next caller lead, if there is room.
func (g *gather[Q, A]) tellNext() {
	if g.roomToLead() {
		g.leaders++
		g.told = true
		g.waiting[0].turn <- true
	}
}

// lead carries out a batch, me's question among it, and hands the lead over. g.mu is
// not held.
func (g *gather[Q, A]) lead(ctx context.Context, me *gathered[Q, A], batch []*gathered[Q, A]) {
	questions := make([]Q, len(batch))
	for i, w := range batch {
		questions[i] = w.question
	}
	var answers []A
	err := errStorePanicked
	defer func() { // also if the store ends the goroutine
		for i, w := range batch {
			if w.err = err; err == nil {
				w.answer = answers[i]
			}
			if w != me {
				w.turn <- false
			}
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.handOver()
	}()
	answers, err = g.carryOut(ctx, questions)
}

func (g *gather[Q, A]) carryOut(ctx context.Context, questions []Q) (answers []A, err error) {
	defer contained(&err)
	answers, err = g.do(context.WithoutCancel(ctx), questions)
	if err == nil && len(answers) != len(questions) {
		err = fmt.Errorf("webhook: the store gave %d answers to %d questions", len(answers), len(questions))
	}
	return answers, err
}
