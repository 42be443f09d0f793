package storetest

import (
	"fmt"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var purgeChecks = []check{
	{name: "NothingTooEarly", run: func(e *env) {
		e.everyState()
		e.Advance(10 * time.Hour)
		e.unchanged(func() { equal(e, "number purged", e.purge(11*time.Hour, 11*time.Hour, 100), 0) })
	}},
	{name: "NothingThatHasNotEnded", run: func(e *env) {
		e.everyState()
		e.Advance(1000 * time.Hour)
		e.unchangedBut([]string{"dead", "done"}, func() { equal(e, "number purged", e.purge(0, 0, 100), 2) })
	}},
	{name: "DoneAndDeadHaveTheirOwnAge", run: func(e *env) {
		e.everyState()
		e.Advance(10 * time.Hour)
		e.unchangedBut([]string{"done"}, func() { equal(e, "number purged", e.purge(9*time.Hour, 11*time.Hour, 100), 1) })
		e.Advance(2 * time.Hour)
		e.unchangedBut([]string{"dead"}, func() { equal(e, "number purged", e.purge(20*time.Hour, 11*time.Hour, 100), 1) })
	}},
	{name: "AgeIsCountedFromTheEnd", run: func(e *env) {
		e.receiveJobs("j")
		e.Advance(20 * time.Hour)
		e.end(e.claimOne("j"), webhook.StateDone)
		e.Advance(5 * time.Hour)
		equal(e, "number purged", e.purge(6*time.Hour, 6*time.Hour, 100), 0)
		e.Advance(2 * time.Hour)
		equal(e, "number purged", e.purge(6*time.Hour, 6*time.Hour, 100), 1)
	}},
	{name: "AtMostN", run: func(e *env) {
		for i, r := range e.receiveAndClaim(ids("k", 10)) {
			state := webhook.StateDone
			if i%2 == 0 {
				state = webhook.StateDead
			}
			e.end(r, state)
		}
		e.Advance(10 * time.Hour)
		left := 10
		for _, n := range []int{0, 1, 6, 100, 100} {
			want := min(n, left)
			equal(e, fmt.Sprintf("number purged of %d", n), e.purge(time.Hour, time.Hour, n), want)
			left -= want
			equal(e, "number left", len(e.all()), left)
		}
	}},
	{name: "ATombstoneAnswersUntilThen", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 2)
		e.accepted(heard("j1", "s"), "s")
		e.duplicate(heard("j2", "s"), "s", webhook.StateReceived)
		e.end(e.claimOne("s"), webhook.StateDone)
		e.Advance(10 * time.Hour)
		e.purge(11*time.Hour, 0, 100)
		e.duplicate(heard("j1", "s"), "s", webhook.StateDone)
		e.duplicate(heard("j2", ""), "s", webhook.StateDone)
		e.Advance(2 * time.Hour)
		equal(e, "number purged", e.purge(11*time.Hour, 0, 100), 1)
		equal(e, "number of records by job", len(e.list(webhook.Filter{JobID: "j2"})), 0)
		e.accepted(heard("j1", ""), "j1")
		e.accepted(heard("j2", "s"), "s")
	}},
	{name: "TheReplayedAreNotDead", run: func(e *env) {
		e.receiveJobs("j")
		e.end(e.claimOne("j"), webhook.StateDead)
		e.replay("j")
		e.Advance(10 * time.Hour)
		e.unchanged(func() { equal(e, "number purged", e.purge(0, 0, 100), 0) })
	}},
	{name: "AnOldClaimFindsNothing", run: func(e *env) {
		e.receiveJobs("j")
		old := e.claimOne("j")
		e.Advance(2 * lease)
		e.end(e.claimOne("j"), webhook.StateDone)
		e.Advance(time.Hour)
		e.purge(0, 0, 100)
		equalBools(e, "held", e.extend(lease, leaseOf(old)), false)
		equalBools(e, "finished", e.finish(webhook.Verdict{Lease: leaseOf(old), State: webhook.StateDone}), false)
		e.wantNone("j")
	}},
}

func (e *env) purge(age, deadAge time.Duration, n int) int {
	e.Helper()
	removed, err := e.Store.Purge(e.ctx, age, deadAge, n)
	e.ok(err)
	return removed
}
