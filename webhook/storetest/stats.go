package storetest

import (
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var statsChecks = []check{
	{name: "OfNothing", run: func(e *env) {
		e.wantStats(map[webhook.State]int{}, 0)
		e.wantOldest(0, 0, 0)
	}},
	{name: "OfEveryState", run: func(e *env) {
		e.everyState()
		each := map[webhook.State]int{
			webhook.StatePending: 1, webhook.StateReceived: 1, webhook.StateClaimed: 1, webhook.StateDone: 1, webhook.StateDead: 1,
		}
		e.wantStats(each, 1)
		e.Advance(2 * lease) // a claim whose lease is over can be claimed, and counts as claimed
		e.wantStats(each, 2)
	}},
	{name: "DueIsWhatCouldBeClaimed", run: func(e *env) {
		e.submit("held")
		e.accepted(heard("j", "held"), "held")
		received := func(n int) map[webhook.State]int { return map[webhook.State]int{webhook.StateReceived: n} }
		e.wantStats(received(1), 0)
		e.receiveJobs("a", "b")
		e.wantStats(received(3), 2)
		e.finish(webhook.Verdict{Lease: leaseOf(e.only(e.claim(1))), State: webhook.StateReceived, After: 2 * time.Hour})
		e.wantStats(received(3), 1)
		e.Advance(time.Hour)
		e.wantStats(received(3), 2)
		equal(e, "number claimed", len(e.claim(10)), 2)
	}},
	{name: "TheOldest", run: func(e *env) {
		e.submit("a")
		e.Advance(time.Hour)
		e.submit("b")
		e.bind("a", "ja", 1)
		e.Advance(time.Hour)
		e.wantOldest(0, 2*time.Hour, 2*time.Hour)

		e.accepted(heard("ja", "a"), "a")
		e.Advance(time.Hour)
		e.wantOldest(time.Hour, 2*time.Hour, 3*time.Hour)

		// Received earlier, but due later.
		r := e.claimOne("a")
		e.finish(webhook.Verdict{Lease: leaseOf(r), State: webhook.StateReceived, After: 2 * time.Hour})
		e.accepted(heard("jc", ""), "jc")
		e.Advance(3 * time.Hour)
		e.wantOldest(3*time.Hour, 5*time.Hour, 6*time.Hour)

		r = e.only(e.claim(1))
		equal(e, "claimed", r.Key, "a")
		e.wantOldest(3*time.Hour, 5*time.Hour, 6*time.Hour)
		e.end(r, webhook.StateDone)
		e.wantOldest(3*time.Hour, 5*time.Hour, 5*time.Hour)
		e.withdraw("b")
		e.bind("b", "jb", 1)
		e.accepted(heard("jb", "b"), "b")
		e.wantOldest(3*time.Hour, 0, 3*time.Hour)
		for _, r := range e.claim(10) {
			e.end(r, webhook.StateDead)
		}
		e.wantOldest(0, 0, 0)
	}},
	{name: "ALeaseThatIsOverIsDueSinceThen", run: func(e *env) {
		e.receiveJobs("j")
		e.claimOne("j")
		e.Advance(3 * lease)
		e.wantOldest(2*lease, 0, 3*lease)
	}},
	{name: "Many", run: func(e *env) {
		const n = 300
		e.submit(ids("pending", 30)...)
		claimed := e.receiveAndClaim(ids("job", n))
		verdicts := make([]webhook.Verdict, 0, n)
		for i, r := range claimed[:n/2] {
			v := webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDone}
			if i%5 == 0 {
				v.State = webhook.StateDead
			}
			verdicts = append(verdicts, v)
		}
		e.finish(verdicts...)
		e.wantStats(map[webhook.State]int{
			webhook.StatePending: 30, webhook.StateClaimed: n / 2, webhook.StateDone: n / 2 * 4 / 5, webhook.StateDead: n / 2 / 5,
		}, 0)
	}},
}

func (e *env) stats() webhook.StoreStats {
	e.Helper()
	s, err := e.Store.Stats(e.ctx)
	e.ok(err)
	return s
}

func (e *env) wantStats(count map[webhook.State]int, due int) {
	e.Helper()
	s := e.stats()
	for _, state := range []webhook.State{webhook.StatePending, webhook.StateReceived, webhook.StateClaimed, webhook.StateDone, webhook.StateDead} {
		equal(e, "number "+string(state), s.Count[state], count[state])
	}
	equal(e, "number due", s.Due, due)
}

func (e *env) wantOldest(due, pending, unfinished time.Duration) {
	e.Helper()
	s := e.stats()
	near(e, "OldestDue", s.OldestDue, due)
	near(e, "OldestPending", s.OldestPending, pending)
	near(e, "OldestUnfinished", s.OldestUnfinished, unfinished)
}
