package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var claimChecks = []check{
	{name: "TokensOfARecordThatIsMadeAnew", run: func(e *env) {
		// Whoever was paused with the claim on the former one must not end the new one's.
		e.accepted(heard("stranger", "s"), "s")
		paused := e.claimOne("s")
		e.Advance(2 * lease)
		e.end(e.claimOne("s"), webhook.StatePending) // which removes it
		e.accepted(heard("j", "s"), "s")
		e.claimOne("s")
		equalBools(e, "finished", e.finish(webhook.Verdict{Lease: leaseOf(paused), State: webhook.StateDone}), false)
		e.wantState("s", webhook.StateClaimed)
	}},
	{name: "Nothing", run: func(e *env) {
		claimed, next, err := e.Store.Claim(e.ctx, 10, lease)
		e.ok(err)
		equal(e, "number claimed", len(claimed), 0)
		if next >= 0 {
			e.Errorf("next is %v, want it negative", next)
		}
	}},
	{name: "GivesTheRecord", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 2)
		a := heard("j2", "s")
		a.Metadata = []byte(`{"user":1}`)
		e.accepted(a, "s")
		want := normal(e.record("s"))
		r := e.claimOne("s")
		if r.Token <= 0 {
			e.Errorf("the first token is %d", r.Token)
		}
		near(e, "time to DueAt", r.DueAt.Sub(r.ReadAt), lease)
		got := normal(r)
		want.State, want.Attempt, want.Token, want.DueAt, want.ReadAt = webhook.StateClaimed, 1, r.Token, got.DueAt, got.ReadAt
		if !reflect.DeepEqual(got, want) {
			e.Errorf("claimed\n%s\nwant\n%s", describe(got), describe(want))
		}
		e.wantAll([]webhook.Record{normal(r)})
	}},
	{name: "OnlyWhatIsReceived", run: func(e *env) {
		e.everyState()
		e.claimOne("received")
		e.claimKeys()
	}},
	{name: "LongestReceivedFirst", run: func(e *env) {
		e.receiveJobs("c", "a", "d", "b")
		equalAll(e, "first two", keysOf(e.claim(2)), []string{"c", "a"})
		equalAll(e, "next two", keysOf(e.claim(2)), []string{"d", "b"})
	}},
	{name: "LongestReceivedFirstWhateverBecameDueFirst", run: func(e *env) {
		e.receiveJobs("old")
		r := e.claimOne("old")
		e.Advance(2 * time.Minute)
		e.receiveJobs("new")
		e.finish(webhook.Verdict{Lease: leaseOf(r), State: webhook.StateReceived, After: 10 * time.Minute})
		e.Advance(11 * time.Minute)
		e.claimKeys("old", "new")
	}},
	{name: "AtMostN", run: func(e *env) {
		e.receiveJobs("a", "b", "c")
		for n, want := range []int{0, 1, 2, 0} {
			equal(e, fmt.Sprintf("number claimed of %d", n), len(e.claim(n)), want)
		}
	}},
	{name: "Many", run: func(e *env) {
		for _, n := range []int{1, 2, 500} {
			arrivals := make([]webhook.Arrival, n)
			keys := ids(fmt.Sprintf("of%d", n), n)
			for i := range arrivals {
				arrivals[i] = heard(keys[i], "")
			}
			e.receive(arrivals...)
			equalAll(e, "claimed", sorted(keysOf(e.claim(n+1))), keys)
		}
	}},
	{name: "AgainWhenTheLeaseIsOver", run: func(e *env) {
		e.receiveJobs("j")
		first := e.claimOne("j")
		e.Advance(lease - 2*time.Minute)
		e.claimKeys()
		e.Advance(4 * time.Minute)
		e.wantState("j", webhook.StateClaimed)
		second := e.claimOne("j")
		equal(e, "Attempt", second.Attempt, 2)
		if second.Token <= first.Token {
			e.Errorf("token %d after %d", second.Token, first.Token)
		}
		e.claimKeys()
	}},
	{name: "TheTokenOutlivesEverything", run: func(e *env) {
		e.receiveJobs("j")
		last := int64(0)
		for _, end := range []func(r webhook.Record){
			func(webhook.Record) { e.Advance(2 * lease) },
			func(r webhook.Record) { e.end(r, webhook.StateReceived) },
			func(r webhook.Record) {
				e.finish(webhook.Verdict{Lease: leaseOf(r), State: webhook.StateReceived, Keep: true})
			},
			func(r webhook.Record) {
				e.end(r, webhook.StateDead)
				_, err := e.Store.Replay(e.ctx, []string{"j"})
				e.ok(err)
			},
			func(webhook.Record) {},
		} {
			r := e.claimOne("j")
			if r.Token <= last {
				e.Errorf("token %d after %d", r.Token, last)
			}
			last = r.Token
			end(r)
		}
	}},
	{name: "NextIsNeverTooLong", run: func(e *env) {
		next := func(n int) time.Duration {
			_, next, err := e.Store.Claim(e.ctx, n, lease)
			e.ok(err)
			return next
		}
		atMost := func(what string, got, want time.Duration) {
			if got < 0 || got > want {
				e.Errorf("%s: next is %v, want at most %v", what, got, want)
			}
		}
		e.receiveJobs("a", "b")
		if got := next(1); got < 0 || got > slack {
			e.Errorf("another one is due: next is %v", got)
		}
		e.Advance(10 * time.Minute)
		atMost("both are claimed", next(2), lease-10*time.Minute)
		e.Advance(20 * time.Minute)
		atMost("both are claimed", next(2), lease-30*time.Minute)

		e.submit("s")
		e.accepted(heard("j", "s"), "s")
		atMost("one is held", next(2), 30*time.Minute)
		e.Advance(10 * time.Minute)
		atMost("one is held", next(2), 20*time.Minute)
	}},
	{name: "NextAfterRetry", run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.finish(webhook.Verdict{Lease: leaseOf(r), State: webhook.StateReceived, After: 5 * time.Minute})
		_, next, err := e.Store.Claim(e.ctx, 1, lease)
		e.ok(err)
		if next < 0 || next > 5*time.Minute {
			e.Errorf("next is %v, want at most 5m", next)
		}
	}},
	{name: "NothingWaitsForWhatHasEnded", run: func(e *env) {
		e.receiveJobs("done", "dead")
		for _, r := range e.claimKeys("done", "dead") {
			e.end(r, webhook.State(r.Key))
		}
		e.submit("pending")
		_, next, err := e.Store.Claim(e.ctx, 1, lease)
		e.ok(err)
		if next >= 0 {
			e.Errorf("next is %v, want it negative", next)
		}
	}},
}

// receiveAndClaim makes claims on new records with these keys.
func (e *env) receiveAndClaim(keys []string) []webhook.Record {
	e.Helper()
	arrivals := make([]webhook.Arrival, len(keys))
	for i, key := range keys {
		arrivals[i] = heard(key, "")
	}
	e.receive(arrivals...)
	claimed := e.claim(len(keys))
	if len(claimed) != len(keys) {
		e.Fatalf("claimed %d of %d", len(claimed), len(keys))
	}
	return claimed
}
