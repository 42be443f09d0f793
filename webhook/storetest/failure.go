package storetest

import (
	"context"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var failureChecks = []check{
	{name: "EveryMethodSaysSo", needs: needBreak, run: func(e *env) {
		e.everyState()
		restore := e.Break()
		for _, c := range allCalls() {
			ctx, cancel := context.WithTimeout(e.ctx, time.Second)
			began := time.Now()
			if err := c.do(ctx, e.Store); err == nil {
				e.Errorf("%s: no error", c.name)
			}
			cancel()
			if took := time.Since(began); took > time.Second+soon {
				e.Errorf("%s: returned after %v", c.name, took)
			}
		}
		restore()
		e.recovered(func() {
			for _, c := range allCalls() {
				e.ok(c.do(e.ctx, e.Store))
			}
		})
	}},
	{name: "WhatWasAcknowledgedIsThere", needs: needBreak, run: func(e *env) {
		e.everyState()
		before := e.all()
		e.Break()()
		e.recovered(func() { e.wantAll(before) })
	}},
	{name: "CalledAgain", needs: needBreak, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		verdict := webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDone}
		restore := e.Break()
		ctx, cancel := context.WithTimeout(e.ctx, 2*time.Second)
		defer cancel()
		_, received := e.Store.Receive(ctx, []webhook.Arrival{heard("new", "")})
		_, finished := e.Store.Finish(ctx, []webhook.Verdict{verdict})
		if received == nil || finished == nil {
			e.Errorf("no error")
		}
		restore()
		e.recovered(func() {
			if got := e.receive(heard("new", ""))[0]; got.Kind == webhook.ReceiptRefused || got.Key != "new" {
				e.Errorf("received again: %s", describeReceipt(got))
			}
			e.finish(verdict) // false if it was made the first time
			e.wantState("j", webhook.StateDone)
			e.claimOne("new")
		})
	}},
	{name: "ReopenedHasEverything", needs: needReopen, run: func(e *env) {
		all := e.everyState()
		e.submit("held")
		e.accepted(heard("j", "held"), "held")
		e.lock("l", "a", lease, true)
		before := e.all()
		other := e.with(e.Reopen())
		other.wantAll(before)
		other.lock("l", "b", lease, false)
		other.lock("l", "a", lease, true)
		for _, s := range all {
			if s.state == webhook.StateClaimed { // its token is good for whoever knows it
				equalBools(e, "finished", other.finish(webhook.Verdict{Lease: s.lease, State: webhook.StateDone}), true)
			}
			if s.state != webhook.StatePending {
				other.duplicate(heard(s.job, s.key), s.key, other.record(s.key).State)
			}
			other.refused(heard("stranger", s.key))
		}
		other.bind("held", "j", 1)
		other.Advance(2 * time.Minute)
		equalAll(e, "claimed", sorted(keysOf(other.claim(10))), []string{"held", "received"})
	}},
	{name: "ReopenedAfterEveryStep", needs: needReopen, run: func(e *env) {
		step := func(f func(e *env)) {
			f(e)
			want := e.all()
			e = e.with(e.Reopen())
			e.wantAll(want)
		}
		step(func(e *env) { e.submit("s") })
		step(func(e *env) { e.submit("s") })
		step(func(e *env) { e.bind("s", uuid1, 1) })
		step(func(e *env) { e.withdraw("s") })
		step(func(e *env) { e.Advance(2 * lookAfter); e.overdue(1, true, time.Hour) })
		step(func(e *env) { e.accepted(heard(uuid1, "s"), "s") })
		var r webhook.Record
		step(func(e *env) { r = e.claimOne("s") })
		step(func(e *env) { e.extend(2*lease, leaseOf(r)) })
		step(func(e *env) { e.end(r, webhook.StateDead) })
		step(func(e *env) { e.replay("s") })
		step(func(e *env) { r = e.claimOne("s") })
		step(func(e *env) { e.end(r, webhook.StateDone) })
		step(func(e *env) { e.Advance(time.Hour); e.purge(0, 0, 1) })
		equal(e, "number of records", len(e.all()), 0)
	}},
	{name: "TwoHandles", needs: needShared, run: func(e *env) {
		a, b := e, e.with(e.Reopen())
		a.receiveJobs("j1", "j2")
		b.receiveJobs("j3")
		r := a.only(a.claim(1))
		b.claimKeys("j2", "j3")
		equalBools(e, "held", b.extend(lease, leaseOf(r)), true)
		b.end(r, webhook.StateDone)
		equalBools(e, "held", a.extend(lease, leaseOf(r)), false)
		a.duplicate(heard("j3", ""), "j3", webhook.StateClaimed)
		e.Advance(2 * lease)
		a.claimKeys("j2", "j3")
		b.claimKeys()
		a.lock("l", "a", lease, true)
		b.lock("l", "b", lease, false)
	}},
}

// recovered waits until the store works again, if it does so soon, and goes on.
func (e *env) recovered(then func()) {
	e.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		ctx, cancel := context.WithTimeout(e.ctx, time.Second)
		_, err := e.Store.Stats(ctx)
		cancel()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			e.Fatalf("10 s after it was restored: %v", err)
		}
		pause(e.ctx, 20*time.Millisecond)
	}
	then()
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
