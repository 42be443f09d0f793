package storetest

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/reducto-go/reducto/webhook"
)

var finishChecks = []check{
	{name: "Done", run: func(e *env) { e.finishes(webhook.StateDone) }},
	{name: "Dead", run: func(e *env) { e.finishes(webhook.StateDead) }},
	{name: "ReceivedAgainAtOnce", run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.end(r, webhook.StateReceived)
		got := e.record("j")
		equal(e, "State", got.State, webhook.StateReceived)
		equal(e, "Attempt", got.Attempt, 1)
		equal(e, "ReceivedAt is as before", got.ReceivedAt.Equal(r.ReceivedAt), true)
		equal(e, "no FinishedAt", got.FinishedAt.IsZero(), true)
		equal(e, "Attempt", e.claimOne("j").Attempt, 2)
	}},
	{name: "ReceivedAgainAfter", run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.finish(webhook.Verdict{Lease: leaseOf(r), State: webhook.StateReceived, After: 10 * time.Minute})
		e.wantDueIn("j", 10*time.Minute)
		e.Advance(9 * time.Minute)
		e.claimKeys()
		e.Advance(2 * time.Minute)
		e.claimOne("j")
	}},
	{name: "KeepGivesTheAttemptBack", run: func(e *env) {
		e.receiveJobs("j")
		e.end(e.claimOne("j"), webhook.StateReceived)
		r := e.claimOne("j")
		equalBools(e, "held", e.finish(webhook.Verdict{Lease: leaseOf(r), State: webhook.StateReceived, Keep: true}), true)
		equal(e, "Attempt", e.record("j").Attempt, 1)
		equal(e, "Attempt", e.claimOne("j").Attempt, 2)
	}},
	{name: "OutcomeIsReplaced", run: func(e *env) {
		for _, s := range []webhook.State{webhook.StateDone, webhook.StateDead, webhook.StateReceived} {
			key := string(s)
			e.accepted(heard(key, ""), key)
			e.finish(webhook.Verdict{Lease: leaseOf(e.claimOne(key)), State: s, After: 5 * lease, Outcome: webhook.OutcomeExpired})
			r := e.record(key)
			equal(e, "Outcome", r.Outcome, webhook.OutcomeExpired)
			equal(e, "Status", r.Status, "Completed")
		}
	}},
	{name: "ErrorIsThatOfTheLastVerdict", run: func(e *env) {
		e.receiveJobs("j")
		for _, text := range []string{"first", "", "ünïcödé \u2028 'quoted\" \\ \n end", strings.Repeat("long ", 20_000)} {
			e.finish(webhook.Verdict{Lease: leaseOf(e.claimOne("j")), State: webhook.StateReceived, Error: text})
			if got := e.record("j").Error; got != text {
				e.Errorf("Error is %q, want %q", head(got), head(text))
			}
			equal(e, "the next claim's Error", head(e.claimOne("j").Error), head(text))
			e.Advance(2 * lease)
		}
	}},
	{name: "ErrorThatIsNoText", run: func(e *env) {
		// Whatever a panic said, the claim must come to its end.
		e.receiveJobs("j")
		r := e.claimOne("j")
		held := e.finish(webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDead, Error: "nul \x00, not UTF-8 \xff\xfe, cut \xe2\x82"})
		equalBools(e, "held", held, true)
		got := e.record("j")
		equal(e, "State", got.State, webhook.StateDead)
		if !strings.HasPrefix(got.Error, "nul ") {
			e.Errorf("Error is %q, want as much of it as can be kept", got.Error)
		}
		if utf8.ValidString(got.Error) {
			equal(e, "has the end", strings.Contains(got.Error, ", cut "), true)
		}
	}},
	{name: "DisownedJob", run: func(e *env) {
		e.ok(e.Store.Submit(e.ctx, webhook.Submitted{ID: "s", Webhook: true, LookAfter: lookAfter, Metadata: []byte(`{"ours":1}`)}))
		a := heard("stranger", "s")
		a.Metadata = []byte(`{"theirs":1}`)
		e.accepted(a, "s")
		equalAll(e, "Unconfirmed", e.record("s").Unconfirmed, []string{"stranger"})
		e.Advance(31 * time.Minute)
		claim := e.claimOne("s")
		e.finish(webhook.Verdict{Lease: leaseOf(claim), State: webhook.StatePending, Keep: true, Error: "not its own"})
		r := e.record("s")
		equal(e, "State", r.State, webhook.StatePending)
		equal(e, "JobID", r.JobID, "")
		equal(e, "number of JobIDs", len(r.JobIDs), 0)
		equal(e, "Status", r.Status, "")
		equal(e, "Outcome", r.Outcome, "")
		equal(e, "Source", r.Source, "")
		equal(e, "Metadata", string(r.Metadata), `{"ours":1}`)
		equal(e, "Attempt", r.Attempt, 0)
		equal(e, "Error", r.Error, "not its own")
		equal(e, "no ReceivedAt", r.ReceivedAt.IsZero(), true)
		e.claimKeys()
		equalAll(e, "overdue", keysOf(e.overdue(10, true, time.Hour)), []string{"s"})
		equalBools(e, "held", e.extend(lease, leaseOf(claim)), false)
		e.accepted(heard("stranger", ""), "stranger") // it is on its own now
		e.accepted(heard("j", "s"), "s")
		e.bind("s", "j", 1)
		equal(e, "number of unconfirmed jobs", len(e.record("s").Unconfirmed), 0)
		e.Advance(time.Minute)
		e.claimKeys("stranger", "s")
	}},
	{name: "DisownedJobGivesWayToTheNext", run: func(e *env) {
		// Whoever has a token must not keep the record's own job waiting with it.
		e.ok(e.Store.Submit(e.ctx, webhook.Submitted{ID: "s", Webhook: true, LookAfter: lookAfter, Metadata: []byte(`{"ours":1}`)}))
		a := failed("stranger", "s")
		a.Metadata = []byte(`{"theirs":1}`)
		e.accepted(a, "s")
		received := e.record("s").ReceivedAt
		e.duplicate(heard("second", "s"), "s", webhook.StateReceived)
		e.duplicate(heard("j", "s"), "s", webhook.StateReceived)
		e.Advance(31 * time.Minute)
		for _, next := range []string{"second", "j"} {
			e.finish(webhook.Verdict{Lease: leaseOf(e.claimOne("s")), State: webhook.StatePending, Keep: true})
			r := e.record("s")
			equal(e, "State", r.State, webhook.StateReceived)
			equal(e, "JobID", r.JobID, next)
			equal(e, "Status", r.Status, "")
			equal(e, "Outcome", r.Outcome, "")
			equal(e, "Source", r.Source, "")
			equal(e, "Metadata", string(r.Metadata), `{"ours":1}`)
			equal(e, "Attempt", r.Attempt, 0)
			equal(e, "ReceivedAt is as before", r.ReceivedAt.Equal(received), true)
		}
		e.duplicate(heard("stranger", "s"), "s", webhook.StateReceived) // it comes last now
		e.end(e.claimOne("s"), webhook.StateDone)
		equal(e, "JobID", e.record("s").JobID, "j")
	}},
	{name: "DisownedJobGivesWayToTheOneThatBindNamed", run: func(e *env) {
		e.submit("s")
		e.submit("s")
		e.accepted(heard("stranger", "s"), "s")
		e.duplicate(heard("second", "s"), "s", webhook.StateReceived)
		e.bind("s", "j", 1)
		e.Advance(31 * time.Minute)
		e.end(e.claimOne("s"), webhook.StatePending)
		equal(e, "JobID", e.claimOne("s").JobID, "j")
	}},
	{name: "DisownedJobThatBindHasNamed", run: func(e *env) {
		e.submit("s")
		e.accepted(heard("j", "s"), "s")
		e.Advance(31 * time.Minute)
		claim := e.claimOne("s")
		e.bind("s", "j", 1)
		e.finish(webhook.Verdict{Lease: leaseOf(claim), State: webhook.StatePending, After: time.Hour, Keep: true})
		r := e.record("s")
		equal(e, "State", r.State, webhook.StateReceived)
		equal(e, "JobID", r.JobID, "j")
		equal(e, "Attempt", r.Attempt, 0)
		equal(e, "Attempt of the next claim", e.claimOne("s").Attempt, 1)
	}},
	{name: "DisownedJobOfARecordThatBeganWithIt", run: func(e *env) {
		e.accepted(heard("j", "s"), "s")
		e.end(e.claimOne("s"), webhook.StatePending)
		equal(e, "number of records", len(e.all()), 0)
		e.accepted(heard("j", ""), "j") // as if it was heard for the first time
	}},
	{name: "DisownedJobMakesRoom", run: func(e *env) {
		e.submit("s")
		e.bind("s", "", 1) // its only answer is lost
		e.accepted(heard("stranger", "s"), "s")
		e.refused(heard("j", "s"))
		e.end(e.claimOne("s"), webhook.StatePending)
		equal(e, "number of JobIDs", len(e.record("s").JobIDs), 0)
		e.accepted(heard("j", "s"), "s")
		e.end(e.claimOne("s"), webhook.StateDone)
		equal(e, "JobID", e.record("s").JobID, "j")
	}},
	{name: "UnconfirmedJobsAreBounded", run: func(e *env) {
		e.submit("s")
		want := ids("j", webhook.MaxUnconfirmed)
		e.accepted(heard(want[0], "s"), "s")
		for _, id := range want[1:] {
			e.duplicate(heard(id, "s"), "s", webhook.StateReceived)
		}
		e.wantDueIn("s", 30*time.Minute)
		e.wantReceipt(heard("more", "s"), webhook.ReceiptBusy, "s", webhook.StateReceived)
		e.wantDueIn("s", 0)
		e.duplicate(heard(want[3], "s"), "s", webhook.StateReceived)
		equalAll(e, "Unconfirmed", sorted(e.record("s").Unconfirmed), sorted(want))
		claim := e.claimOne("s")
		e.wantReceipt(heard("more", "s"), webhook.ReceiptBusy, "s", webhook.StateClaimed)
		e.end(claim, webhook.StatePending) // which makes room
		e.duplicate(heard("more", "s"), "s", webhook.StateReceived)
		e.end(e.claimOne("s"), webhook.StateDone)
		e.duplicate(heard("yet another", "s"), "s", webhook.StateDone)
	}},
	{name: "LeaseIsOverAndNobodyElseHasClaimed", run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.Advance(5 * time.Hour)
		e.end(r, webhook.StateDone)
		e.claimKeys()
	}},
	{name: "OldToken", run: func(e *env) {
		// The worker paused, another one took over, and is still at it, or has failed,
		// or is done: whatever the first says now, nothing changes.
		for _, state := range []webhook.State{webhook.StateClaimed, webhook.StateReceived, webhook.StateDone, webhook.StateDead} {
			key := string(state)
			e.accepted(heard(key, ""), key)
			old := e.claimOne(key)
			e.Advance(2 * lease)
			current := e.claimOne(key)
			if state != webhook.StateClaimed {
				e.finish(webhook.Verdict{Lease: leaseOf(current), State: state, After: 50 * lease, Error: "the other"})
			}
			e.unchanged(func() {
				for _, s := range []webhook.State{webhook.StateDone, webhook.StateDead, webhook.StateReceived, webhook.StatePending} {
					equalBools(e, key+" finished", e.finish(webhook.Verdict{
						Lease: leaseOf(old), State: s, Outcome: webhook.OutcomeUnknown, Error: "too late", Keep: true,
					}), false)
				}
			})
			if state == webhook.StateClaimed {
				e.end(current, webhook.StateDone)
			}
		}
	}},
	{name: "WhatIsNotHeldStaysAsItIs", run: func(e *env) {
		all := e.everyState()
		e.unchanged(func() {
			for _, s := range all {
				leases := []webhook.Lease{{Key: s.key}, {Key: s.key, Token: s.lease.Token + 1}, {Key: s.key, Token: -1}}
				if s.state != webhook.StateClaimed && s.lease.Key != "" {
					leases = append(leases, s.lease)
				}
				for _, l := range leases {
					equalBools(e, "finished "+s.key, e.finish(webhook.Verdict{Lease: l, State: webhook.StateDone, Error: "no"}), false)
				}
			}
			equalBools(e, "finished unknown", e.finish(webhook.Verdict{
				Lease: webhook.Lease{Key: "unknown", Token: 1}, State: webhook.StateDone,
			}), false)
		})
	}},
	{name: "TwoTokensInOneCall", run: func(e *env) {
		e.receiveJobs("j")
		old := e.claimOne("j")
		e.Advance(2 * lease)
		current := e.claimOne("j")
		equalBools(e, "held", e.finish(
			webhook.Verdict{Lease: leaseOf(old), State: webhook.StateDead, Error: "old"},
			webhook.Verdict{Lease: leaseOf(current), State: webhook.StateDone, Error: "current"},
		), false, true)
		equal(e, "State", e.record("j").State, webhook.StateDone)
		equal(e, "Error", e.record("j").Error, "current")
	}},
	{name: "Batches", run: func(e *env) {
		states := []webhook.State{webhook.StateDone, webhook.StateDead, webhook.StateReceived}
		for _, n := range []int{0, 1, 2, 500} {
			claimed := e.receiveAndClaim(ids(fmt.Sprintf("of%d", n), n))
			verdicts := make([]webhook.Verdict, n)
			want := make([]bool, n)
			for i, r := range claimed {
				verdicts[i] = webhook.Verdict{
					Lease: leaseOf(r), State: states[i%3], After: 50 * lease, Error: fmt.Sprintf("error %d", i),
				}
				if want[i] = i%7 != 1; !want[i] {
					verdicts[i].Token--
				}
			}
			equalBools(e, "held", e.finish(verdicts...), want...)
			records := e.byKey()
			for i, r := range claimed {
				got := records[r.Key]
				if !want[i] {
					equal(e, r.Key, got.State, webhook.StateClaimed)
					continue
				}
				equal(e, r.Key, got.State, states[i%3])
				equal(e, r.Key, got.Error, verdicts[i].Error)
			}
		}
	}},
}

func (e *env) finishes(state webhook.State) {
	e.Helper()
	e.receiveJobs("j")
	r := e.claimOne("j")
	e.Advance(10 * time.Minute)
	e.finish(webhook.Verdict{Lease: leaseOf(r), State: state, After: time.Minute, Error: "because"})
	got := e.record("j")
	equal(e, "State", got.State, state)
	equal(e, "Error", got.Error, "because")
	equal(e, "Outcome", got.Outcome, webhook.OutcomeCompleted)
	equal(e, "Attempt", got.Attempt, 1)
	equal(e, "Token", got.Token, r.Token)
	near(e, "time since FinishedAt", got.ReadAt.Sub(got.FinishedAt), 0)
	e.Advance(50 * lease)
	e.claimKeys()
}
