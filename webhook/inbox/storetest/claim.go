package storetest

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleClaim  = "Claim claims up to n records that are due, or whose lease has ended, the longest received first."
	ruleToken  = "Each gets a Token that no record of its Key has had, its Attempt is raised by one, and its lease lasts for the given time."
	ruleNext   = "next is the time until another record may be due, negative if there is none. It may be too short."
	ruleExtend = "Extend renews leases to end after d. It reports for each whether its token still holds the record, even if the lease has ended."
	ruleFinish = "Finish ends claims. It reports for each whether its token held the record, and changes nothing if not."
	ruleReplay = "StateReceived also applies to a dead record, which is how one is replayed."
)

var claimChecks = []check{
	{name: "Nothing", rule: ruleNext, run: func(e *env) {
		if next := e.next(10); next >= 0 {
			e.Errorf("next is %v, want it negative", next)
		}
	}},
	{name: "ReturnsTheRecord", rule: ruleToken, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 2)
		e.accepted(withMetadata(completed("j2", "s"), `{"user":1}`), "s")
		want := e.record("s")
		r := e.claimOne("s")
		near(e, "time until DueAt", r.DueAt.Sub(r.ReadAt), lease)
		want.State, want.Attempt, want.Token, want.DueAt, want.ReadAt = claimed, 1, r.Token, r.DueAt, r.ReadAt
		equal(e, "claimed", describe(normal(r)), describe(normal(want)))
		e.wantAll([]inbox.Record{normal(r)})
		if r.Token == 0 {
			e.Errorf("Token is zero")
		}
	}},
	{name: "OnlyReceivedRecords", rule: ruleClaim, run: func(e *env) {
		e.everyState()
		e.claimOne("received")
		e.claimKeys()
	}},
	{name: "LongestReceivedFirst", rule: ruleClaim, run: func(e *env) {
		e.receiveJobs("c", "a", "d", "b")
		equalAll(e, "first two", keysOf(e.claim(2)), []string{"c", "a"})
		equalAll(e, "next two", keysOf(e.claim(2)), []string{"d", "b"})
	}},
	{name: "LongestReceivedNotLongestDue", rule: ruleClaim, run: func(e *env) {
		e.submit("waits")
		e.accepted(completed("j", "waits"), "waits")
		e.receiveJobs("old")
		r := e.claimOne("old")
		e.Advance(2 * time.Minute)
		e.receiveJobs("new")
		c := completion(r, received)
		c.After = 10 * time.Minute
		e.finishOne(c)
		e.Advance(hold)
		if got := keysOf(e.claim(3)); len(got) != 3 || got[2] != "new" {
			e.Errorf("claimed %q, want new last", got)
		}
	}},
	{name: "AtMostN", rule: ruleClaim, run: func(e *env) {
		e.receiveJobs("a", "b", "c")
		for _, n := range []int{0, 2, 2, 2} {
			want := min(n, 3-e.stats().Count[claimed])
			equal(e, fmt.Sprintf("number claimed of %d", n), len(e.claim(n)), want)
		}
	}},
	{name: "Many", rule: ruleClaim, run: func(e *env) {
		keys := ids("k", 500)
		e.receive(batch(keys)...)
		equalAll(e, "claimed", sorted(keysOf(e.claim(501))), keys)
	}},
	{name: "WhenTheLeaseHasEnded", rule: ruleClaim, run: func(e *env) {
		e.receiveJobs("j")
		first := e.claimOne("j")
		e.Advance(lease - 2*time.Minute)
		e.claimKeys()
		e.Advance(4 * time.Minute)
		e.wantState("j", claimed)
		second := e.claimOne("j")
		equal(e, "Attempt", second.Attempt, 2)
		e.wantNotHeld(leaseOf(first))
		e.claimKeys()
	}},
	{name: "NewTokenEachTime", rule: ruleToken, run: func(e *env) {
		// Not even a record that is made again after Purge repeats a token.
		seen := map[int64]bool{}
		e.receiveJobs("j")
		for i := range 6 {
			r := e.claimOne("j")
			if seen[r.Token] {
				e.Errorf("token %d is given twice", r.Token)
			}
			seen[r.Token] = true
			switch i {
			case 0, 1:
				e.Advance(2 * lease)
			case 2:
				e.end(r, received)
			case 3:
				e.end(r, dead)
				e.end(r, received)
			case 4:
				e.end(r, done)
				e.Advance(time.Hour)
				equal(e, "number purged", e.purge(0, 0, 10), 1)
				e.receiveJobs("j")
			}
		}
	}},
	{name: "NextIsNeverTooLong", rule: ruleNext, run: func(e *env) {
		atMost := func(what string, got, most time.Duration) {
			e.Helper()
			if got < 0 || got > most {
				e.Errorf("%s: next is %v, want at most %v", what, got, most)
			}
		}
		e.receiveJobs("a", "b")
		atMost("another is due", e.next(1), slack)
		e.Advance(10 * time.Minute)
		atMost("both are claimed", e.next(2), lease-10*time.Minute)
		e.Advance(20 * time.Minute)
		atMost("both are claimed", e.next(2), lease-30*time.Minute)
		e.submit("s")
		e.accepted(completed("j", "s"), "s")
		atMost("one waits", e.next(2), hold)
		e.Advance(10 * time.Minute)
		atMost("one waits", e.next(2), hold-10*time.Minute)
		e.bind("s", "j", 1)
		c := completion(e.claimOne("s"), received)
		c.After = 5 * time.Minute
		e.finishOne(c)
		atMost("one is retried", e.next(2), 5*time.Minute)
	}},
	{name: "NextIsNegativeIfAllHaveEnded", rule: ruleNext, run: func(e *env) {
		e.receiveJobs("done", "dead")
		for _, r := range e.claimKeys("done", "dead") {
			e.end(r, inbox.State(r.Key))
		}
		e.submit("pending")
		if next := e.next(1); next >= 0 {
			e.Errorf("next is %v, want it negative", next)
		}
	}},
}

var extendChecks = []check{
	{name: "Renews", rule: ruleExtend, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		for range 3 {
			e.Advance(50 * time.Minute)
			equalAll(e, "held", e.extend(lease, leaseOf(r)), []bool{true})
			e.wantDueIn("j", lease)
			e.claimKeys()
		}
		equal(e, "Attempt", e.record("j").Attempt, 1)
		equal(e, "Token", e.record("j").Token, r.Token)
	}},
	{name: "Shortens", rule: ruleExtend, run: func(e *env) {
		e.receiveJobs("j")
		e.extend(10*time.Minute, leaseOf(e.claimOne("j")))
		e.Advance(11 * time.Minute)
		e.claimOne("j")
	}},
	{name: "LeaseHasEnded", rule: ruleExtend, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.Advance(5 * time.Hour)
		equalAll(e, "held", e.extend(lease, leaseOf(r)), []bool{true})
		e.wantDueIn("j", lease)
		e.claimKeys()
	}},
	{name: "OnlyClaimedRecords", rule: ruleExtend, run: func(e *env) {
		all := e.everyState()
		e.receiveJobs("returned")
		e.end(e.claimKeys("received", "returned")[1], received)
		e.unchanged(func() {
			for _, s := range all {
				if s.state == claimed {
					s.lease.Token++
				}
				equalAll(e, "held "+s.key, e.extend(9*lease, inbox.Lease{Key: s.key, Token: s.lease.Token}, inbox.Lease{Key: s.key}), []bool{false, false})
			}
			r := e.record("returned")
			equalAll(e, "held", e.extend(9*lease, leaseOf(r), inbox.Lease{Key: "unknown", Token: 1}), []bool{false, false})
		})
	}},
	{name: "Batches", rule: ruleBatch, run: func(e *env) {
		for _, n := range []int{0, 1, 2, 500} {
			want := make([]bool, n)
			leases := make([]inbox.Lease, n)
			for i, r := range e.receiveAndClaim(ids(fmt.Sprintf("of%d", n), n)) {
				leases[i] = leaseOf(r)
				if want[i] = i%3 != 1; !want[i] {
					leases[i].Token = -1
				}
			}
			equalAll(e, "held", e.extend(2*lease, leases...), want)
		}
	}},
}

var finishChecks = []check{
	{name: "Done", rule: ruleFinish, run: func(e *env) { e.finishes(done) }},
	{name: "Dead", rule: ruleFinish, run: func(e *env) { e.finishes(dead) }},
	{name: "Received", rule: "Finish also returns a claimed or dead record to received.", run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.Advance(10 * time.Minute)
		c := completion(r, received)
		c.After, c.Error = 10*time.Minute, "because"
		e.finishOne(c)
		want := r
		want.State, want.Error = received, "because"
		e.wantRecord(want)
		equal(e, "ReceivedAt is as before", e.record("j").ReceivedAt.Equal(r.ReceivedAt), true)
		e.wantDueIn("j", 10*time.Minute)
		e.wantNotHeld(leaseOf(r))
		e.Advance(9 * time.Minute)
		e.claimKeys()
		e.Advance(2 * time.Minute)
		equal(e, "Attempt", e.claimOne("j").Attempt, 2)
	}},
	{name: "Attempt", rule: "Attempt becomes the record's Attempt.", run: func(e *env) {
		e.receiveJobs("j")
		for _, attempt := range []int{0, 5, 1} {
			c := completion(e.claimOne("j"), received)
			c.Attempt = attempt
			e.finishOne(c)
			equal(e, "Attempt", e.record("j").Attempt, attempt)
			r := e.claimOne("j")
			equal(e, "Attempt of the next claim", r.Attempt, attempt+1)
			e.end(r, received)
		}
	}},
	{name: "Outcome", rule: "Outcome replaces the record's, unless it is empty.", run: func(e *env) {
		for _, state := range []inbox.State{done, dead, received} {
			key := string(state)
			e.accepted(completed(key, ""), key)
			c := completion(e.claimOne(key), state)
			c.After, c.Outcome = 5*lease, webhook.OutcomeExpired
			e.finishOne(c)
			equal(e, "Outcome", e.record(key).Outcome, webhook.OutcomeExpired)
			equal(e, "Status", e.record(key).Status, reducto.StatusCompleted)
		}
	}},
	{name: "Error", rule: "Error is the reason that the latest completion gave.", run: func(e *env) {
		e.receiveJobs("j")
		for _, text := range []string{"first", "", "ünïcödé \u2028 'quoted\" \\ \n end", strings.Repeat("long ", 20_000)} {
			c := completion(e.claimOne("j"), received)
			c.Error = text
			e.finishOne(c)
			for _, got := range []string{e.record("j").Error, e.claimOne("j").Error} {
				if got != text {
					e.Errorf("Error is %q, want %q", head(got), head(text))
				}
			}
			e.Advance(2 * lease)
		}
	}},
	{name: "ErrorThatIsNotText", rule: "The store may replace bytes that are not UTF-8, and NUL.", run: func(e *env) {
		e.receiveJobs("j")
		c := completion(e.claimOne("j"), dead)
		c.Error = "nul \x00, not UTF-8 \xff\xfe, cut \xe2\x82"
		e.finishOne(c)
		got := e.record("j").Error
		if !strings.HasPrefix(got, "nul ") || utf8.ValidString(got) && !strings.Contains(got, ", cut ") {
			e.Errorf("Error is %q, want all that can be kept", got)
		}
	}},
	{name: "LeaseHasEnded", rule: ruleFinish, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.Advance(5 * time.Hour)
		e.end(r, done)
		e.claimKeys()
	}},
	{name: "OldToken", rule: ruleFinish, run: func(e *env) {
		// A worker was paused, and another has claimed the record.
		for _, state := range []inbox.State{claimed, received, done, dead} {
			key := string(state)
			e.accepted(completed(key, ""), key)
			old := e.claimOne(key)
			e.Advance(2 * lease)
			current := e.claimOne(key)
			if state != claimed {
				c := completion(current, state)
				c.After, c.Error = 50*lease, "the other's"
				e.finishOne(c)
			}
			e.wantNotHeld(leaseOf(old))
			if state == claimed {
				e.end(current, done)
			}
		}
	}},
	{name: "OnlyClaimedRecords", rule: ruleFinish, run: func(e *env) {
		for _, s := range e.everyState() {
			for _, l := range []inbox.Lease{{Key: s.key}, {Key: s.key, Token: s.lease.Token + 1}, {Key: s.key, Token: -1}} {
				e.wantNotHeld(l)
			}
		}
		e.wantNotHeld(inbox.Lease{Key: "unknown", Token: 1})
		e.receiveJobs("j")
		r := e.claimKeys("received", "j")[1]
		e.end(r, done)
		e.wantNotHeld(leaseOf(r))
	}},
	{name: "TwoTokensInOneCall", rule: ruleBatch, run: func(e *env) {
		e.receiveJobs("j")
		old := e.claimOne("j")
		e.Advance(2 * lease)
		current := e.claimOne("j")
		equalAll(e, "held", e.finish(completion(old, dead), completion(current, done)), []bool{false, true})
		e.wantState("j", done)
	}},
	{name: "Batches", rule: ruleBatch, run: func(e *env) {
		states := []inbox.State{done, dead, received}
		for _, n := range []int{0, 1, 2, 500} {
			list := make([]inbox.Completion, n)
			held := make([]bool, n)
			want := map[string]inbox.State{}
			for i, r := range e.receiveAndClaim(ids(fmt.Sprintf("of%d", n), n)) {
				list[i] = completion(r, states[i%3])
				list[i].After, list[i].Error = 50*lease, fmt.Sprintf("error of %s", r.Key)
				want[r.Key] = list[i].State
				if held[i] = i%7 != 1; !held[i] {
					list[i].Token, want[r.Key] = -1, claimed
				}
			}
			equalAll(e, "held", e.finish(list...), held)
			for _, r := range e.all() {
				if state, ok := want[r.Key]; ok && (r.State != state || state != claimed && r.Error != "error of "+r.Key) {
					e.Errorf("there is %s, want it %s", describe(r), state)
				}
			}
		}
	}},
}

func (e *env) finishes(state inbox.State) {
	e.Helper()
	e.receiveJobs("j")
	r := e.claimOne("j")
	e.Advance(10 * time.Minute)
	c := completion(r, state)
	c.After, c.Error = time.Minute, "because"
	e.finishOne(c)
	want := r
	want.State, want.Error = state, "because"
	e.wantRecord(want)
	got := e.record("j")
	near(e, "time since FinishedAt", got.ReadAt.Sub(got.FinishedAt), 0)
	equal(e, "Token", got.Token, r.Token)
	e.Advance(50 * lease)
	e.claimKeys()
}

var replayChecks = []check{
	{name: "ReturnsADeadRecord", rule: ruleReplay, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		e.accepted(withMetadata(completed("j", "s"), `{"user":1}`), "s")
		e.end(e.claimOne("s"), received)
		r := e.claimOne("s")
		e.end(r, dead)
		e.Advance(10 * time.Minute)
		e.finishOne(inbox.Completion{Lease: leaseOf(r), State: received, After: 5 * time.Minute, Error: "replayed"})
		want := r
		want.State, want.Attempt, want.Error = received, 0, "replayed"
		e.wantRecord(want)
		got := e.record("s")
		equal(e, "ReceivedAt is as before", got.ReceivedAt.Equal(r.ReceivedAt), true)
		e.wantDueIn("s", 5*time.Minute)
		e.wantNotHeld(leaseOf(r)) // a second replay
		e.Advance(6 * time.Minute)
		equal(e, "Attempt", e.claimOne("s").Attempt, 1)
	}},
	{name: "OnlyReceivedAppliesToADeadRecord", rule: ruleReplay, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.end(r, dead)
		e.unchanged(func() {
			equalAll(e, "held", e.extend(lease, leaseOf(r)), []bool{false})
			equalAll(e, "held", e.finish(completion(r, done)), []bool{false})
			equalAll(e, "held", e.finish(completion(r, dead)), []bool{false})
		})
	}},
	{name: "OldTokenReplaysNothing", rule: ruleReplay, run: func(e *env) {
		e.receiveJobs("j")
		old := e.claimOne("j")
		e.Advance(2 * lease)
		r := e.claimOne("j")
		e.end(r, dead)
		e.wantNotHeld(leaseOf(old))
		e.wantNotHeld(inbox.Lease{Key: "j"})
		e.end(r, received)
		again := e.claimOne("j")
		e.wantNotHeld(leaseOf(r)) // who replayed it has no part in the new claim
		e.end(again, dead)
		e.wantNotHeld(leaseOf(r))
	}},
	{name: "DoneRecordIsNotReplayed", rule: ruleReplay, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.end(r, done)
		e.wantNotHeld(leaseOf(r))
	}},
}
