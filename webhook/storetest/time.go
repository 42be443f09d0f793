package storetest

import (
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var timeChecks = []check{
	{name: "JumpsForward", run: func(e *env) {
		// A machine slept for two days, or the store's clock was set.
		e.submit("s")
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.lock("l", "a", lease, true)
		e.Advance(48 * time.Hour)
		equalAll(e, "overdue", keysOf(e.overdue(5, true, time.Hour)), []string{"s"})
		e.lock("l", "b", lease, true)
		equalBools(e, "held", e.extend(lease, leaseOf(r)), true)
		e.claimKeys()
		e.Advance(48 * time.Hour)
		again := e.claimOne("j")
		near(e, "time to DueAt", again.DueAt.Sub(again.ReadAt), lease)
		near(e, "time since ReceivedAt", again.ReadAt.Sub(again.ReceivedAt), 96*time.Hour)
	}},
	{name: "IsTheStoresNotTheCallers", run: func(e *env) {
		// The callers' clocks are hours behind from now on.
		e.receiveJobs("before")
		e.Advance(10 * time.Hour)
		e.submit("s")
		e.receiveJobs("after")
		for _, key := range []string{"before", "after"} {
			r := e.record(key)
			e.finish(webhook.Verdict{Lease: leaseOf(e.only(e.claim(1))), State: webhook.StateDone})
			done := e.record(key)
			near(e, "FinishedAt", done.FinishedAt.Sub(r.ReadAt), 0)
		}
		before, after := e.record("before"), e.record("after")
		near(e, "time between", after.ReceivedAt.Sub(before.ReceivedAt), 10*time.Hour)
		near(e, "time since SubmittedAt", after.ReadAt.Sub(e.record("s").SubmittedAt), 0)
		e.wantDueIn("s", lookAfter)
	}},
	{name: "DurationsBelowASecond", run: func(e *env) {
		e.receiveJobs("j")
		claimed, _, err := e.Store.Claim(e.ctx, 1, 1500*time.Millisecond)
		e.ok(err)
		r := e.only(claimed)
		if d := r.DueAt.Sub(r.ReadAt); (d - 1500*time.Millisecond).Abs() > 250*time.Millisecond {
			e.Errorf("a lease of 1.5s ends in %v", d)
		}
	}},
}
