package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var replayChecks = []check{
	{name: "MakesTheDeadReceivedAgain", run: func(e *env) {
		e.receiveJobs("j")
		for range 3 {
			e.end(e.claimOne("j"), webhook.StateReceived)
		}
		r := e.claimOne("j")
		e.finish(webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDead, Error: "because"})
		e.Advance(10 * time.Minute)
		equalBools(e, "found", e.replay("j"), true)
		got := e.record("j")
		equal(e, "State", got.State, webhook.StateReceived)
		equal(e, "Attempt", got.Attempt, 0)
		equal(e, "Token", got.Token, r.Token)
		equal(e, "Error", got.Error, "because")
		equal(e, "ReceivedAt is as before", got.ReceivedAt.Equal(r.ReceivedAt), true)
		equal(e, "no FinishedAt", got.FinishedAt.IsZero(), true)
		near(e, "time since DueAt", got.ReadAt.Sub(got.DueAt), 0)
		equal(e, "Attempt", e.claimOne("j").Attempt, 1)
	}},
	{name: "NothingButTheDead", run: func(e *env) {
		for _, s := range e.everyState() {
			if s.state != webhook.StateDead {
				e.unchanged(func() { equalBools(e, "found "+s.key, e.replay(s.key), false) })
			}
		}
		equalBools(e, "found", e.replay("dead", "unknown"), true, false)
		equalBools(e, "found again", e.replay("dead"), false)
	}},
	{name: "SpellingsOfAKey", run: func(e *env) {
		e.receiveJobs(uuid1)
		e.end(e.claimOne(uuid1), webhook.StateDead)
		equalBools(e, "found", e.replay(strings.ToUpper(uuid1)), true)
	}},
	{name: "Batches", run: func(e *env) {
		for _, n := range []int{0, 1, 2, 500} {
			keys := ids(fmt.Sprintf("of%d", n), n)
			claimed := e.receiveAndClaim(keys)
			verdicts := make([]webhook.Verdict, n)
			for i, r := range claimed {
				verdicts[i] = webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDead}
			}
			e.finish(verdicts...)
			want := make([]bool, n)
			asked := slices.Clone(keys)
			for i := range asked {
				if want[i] = i%3 != 1; !want[i] {
					asked[i] = fmt.Sprintf("unknown-%d", i)
				}
			}
			equalBools(e, "found", e.replay(asked...), want...)
			equal(e, "number claimed", len(e.claim(n+1)), n-(n+1)/3)
		}
	}},
}

func (e *env) replay(keys ...string) []bool {
	e.Helper()
	found, err := e.Store.Replay(e.ctx, keys)
	e.ok(err)
	if len(found) != len(keys) {
		e.Fatalf("%d keys have %d answers", len(keys), len(found))
	}
	return found
}
