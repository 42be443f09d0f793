package storetest

import (
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var overdueChecks = []check{
	{name: "NotBeforeItIs", run: func(e *env) {
		e.submit("s")
		e.track("t")
		e.Advance(lookAfter - 2*time.Minute)
		equalAll(e, "overdue", keysOf(e.overdue(10, true, time.Hour)), []string{})
		e.Advance(4 * time.Minute)
		equalAll(e, "overdue", sorted(keysOf(e.overdue(10, true, time.Hour))), []string{"s", "t"})
		equalAll(e, "overdue again", keysOf(e.overdue(10, true, time.Hour)), []string{})
	}},
	{name: "GivesTheRecordAsItWas", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		e.Advance(2 * lookAfter)
		want := normal(e.record("s"))
		got := normal(e.only(e.overdue(1, true, time.Hour)))
		want.ReadAt, got.ReadAt, want.DueAt, got.DueAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		equal(e, "record", describe(got), describe(want))
		equal(e, "Looks afterwards", e.record("s").Looks, 1)
	}},
	{name: "TheLongestDueFirst", run: func(e *env) {
		for id, after := range map[string]time.Duration{"c": 10 * time.Minute, "a": 20 * time.Minute, "d": 30 * time.Minute, "b": 40 * time.Minute} {
			e.ok(e.Store.Submit(e.ctx, webhook.Submitted{ID: id, LookAfter: after}))
		}
		e.Advance(time.Hour)
		equalAll(e, "first", keysOf(e.overdue(1, false, 9*time.Hour)), []string{"c"})
		equalAll(e, "next", keysOf(e.overdue(2, false, 9*time.Hour)), []string{"a", "d"})
		equalAll(e, "none of none", keysOf(e.overdue(0, false, 9*time.Hour)), []string{})
		equalAll(e, "last", keysOf(e.overdue(2, false, 9*time.Hour)), []string{"b"})
	}},
	{name: "WithAndWithoutAWebhook", run: func(e *env) {
		for id, expected := range map[string]bool{"hoped": true, "polled": false} {
			e.ok(e.Store.Submit(e.ctx, webhook.Submitted{ID: id, Webhook: expected, LookAfter: time.Minute}))
			e.ok(e.Store.Submit(e.ctx, webhook.Submitted{JobID: id + "-job", Webhook: expected, LookAfter: time.Minute}))
		}
		e.Advance(time.Hour)
		equalAll(e, "with", sorted(keysOf(e.overdue(10, true, time.Hour))), []string{"hoped", "hoped-job"})
		equalAll(e, "without", sorted(keysOf(e.overdue(10, false, time.Hour))), []string{"polled", "polled-job"})
	}},
	{name: "FollowsTheSchedule", run: func(e *env) {
		schedule := []time.Duration{time.Hour, 10 * time.Hour, 100 * time.Hour}
		e.submit("s")
		e.Advance(lookAfter + 2*time.Minute)
		for look, wait := range append(schedule, schedule[2], schedule[2]) {
			got := e.overdue(10, true, schedule...)
			if len(got) != 1 {
				e.Fatalf("look %d: %d records are overdue", look, len(got))
			}
			equal(e, "Looks as it was", got[0].Looks, look)
			r := e.record("s")
			equal(e, "Looks", r.Looks, look+1)
			if d := r.DueAt.Sub(r.ReadAt); d < wait*8/10-slack || d > wait*12/10+slack {
				e.Errorf("look %d: due in %v, want %v, more or less by a fifth", look, d, wait)
			}
			e.Advance(wait*8/10 - 2*slack)
			equal(e, "number overdue too early", len(e.overdue(10, true, schedule...)), 0)
			e.Advance(wait*4/10 + 4*slack)
		}
	}},
	{name: "IsSpread", run: func(e *env) {
		const n = 60
		e.submit(ids("s", n)...)
		e.Advance(2 * lookAfter)
		equal(e, "number overdue", len(e.overdue(n, true, 100*time.Hour)), n)
		early, late := 0, 0
		for _, r := range e.all() {
			switch d := r.DueAt.Sub(r.ReadAt); {
			case d < 80*time.Hour-slack, d > 120*time.Hour+slack:
				e.Errorf("due in %v, want 100h, more or less by a fifth", d)
			case d < 96*time.Hour:
				early++
			case d > 104*time.Hour:
				late++
			}
		}
		// Each is 24 of 60 on average; none of 60 has a probability of 10^-13.
		if early == 0 || late == 0 {
			e.Errorf("of %d records %d are due clearly earlier and %d clearly later: they are to be spread", n, early, late)
		}
	}},
	{name: "OnlyWhatIsPending", run: func(e *env) {
		e.everyState()
		e.Advance(100 * lookAfter)
		e.unchangedBut(nil, func() { equal(e, "number overdue", len(e.overdue(10, false, time.Hour)), 0) })
		equalAll(e, "overdue", keysOf(e.overdue(10, true, time.Hour)), []string{"pending"})
	}},
	{name: "ALookChangesNothingElse", run: func(e *env) {
		e.submit("s")
		e.Advance(2 * lookAfter)
		e.overdue(1, true, time.Hour)
		e.bind("s", "j", 1)
		e.accepted(heard("j", "s"), "s")
		e.claimOne("s")
		equal(e, "Looks", e.record("s").Looks, 1)
	}},
}
