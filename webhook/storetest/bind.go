package storetest

import (
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

var bindChecks = []check{
	{name: "NamesTheJob", run: func(e *env) {
		e.submit("s")
		before := e.record("s")
		e.bind("s", "j", 1)
		r := e.record("s")
		equal(e, "JobID", r.JobID, "j")
		equalAll(e, "JobIDs", r.JobIDs, []string{"j"})
		equal(e, "State", r.State, webhook.StatePending)
		equal(e, "DueAt is as before", r.DueAt.Equal(before.DueAt), true)
		equal(e, "SubmittedAt is as before", r.SubmittedAt.Equal(before.SubmittedAt), true)
	}},
	{name: "WithoutAJob", run: func(e *env) {
		e.submit("s")
		e.bind("s", "", 1)
		r := e.record("s")
		equal(e, "JobID", r.JobID, "")
		equal(e, "number of JobIDs", len(r.JobIDs), 0)
		e.accepted(heard("j1", "s"), "s")
		e.claimOne("s") // it is not being sent any more, so there is nothing to wait for
		e.refused(heard("j2", "s"))
	}},
	{name: "SentTwiceMakesTwoJobs", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 2) // the first answer was lost
		e.accepted(heard("j2", "s"), "s")
		e.duplicate(heard("j1", "s"), "s", webhook.StateReceived)
		e.refused(heard("j3", "s"))
		equalAll(e, "JobIDs", sorted(e.record("s").JobIDs), []string{"j1", "j2"})
	}},
	{name: "SeveralSendsAddUp", run: func(e *env) {
		e.submit("s")
		e.bind("s", "", 2)
		e.submit("s")
		e.bind("s", "j4", 1)
		e.accepted(heard("j1", "s"), "s")
		e.duplicate(heard("j2", "s"), "s", webhook.StateReceived)
		e.refused(heard("j3", "s"))
		e.duplicate(heard("j4", "s"), "s", webhook.StateReceived)
		equalAll(e, "JobIDs", sorted(e.record("s").JobIDs), []string{"j1", "j2", "j4"})
		equal(e, "JobID", e.record("s").JobID, "j1")
	}},
	{name: "AtLeastOneIsSent", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 0)
		e.refused(heard("j2", "s"))
		e.accepted(heard("j1", "s"), "s")
		e.submit("lost")
		e.bind("lost", "", 0)
		e.accepted(heard("k1", "lost"), "lost")
		e.refused(heard("k2", "lost"))
	}},
	{name: "AgainChangesNothing", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 1)
		e.unchanged(func() { e.bind("s", "j1", 1) })
		e.refused(heard("j2", "s"))
	}},
	{name: "AfterTheEnd", run: func(e *env) {
		for _, s := range e.everyState() {
			if s.state == webhook.StatePending {
				continue
			}
			before := e.record(s.key)
			e.submit(s.key)
			e.bind(s.key, "second-"+s.key, 1)
			after := e.record(s.key)
			equal(e, "State", after.State, s.state)
			equal(e, "JobID", after.JobID, s.job)
			equal(e, "DueAt is as before", after.DueAt.Equal(before.DueAt), true)
			e.duplicate(heard("second-"+s.key, s.key), s.key, s.state)
		}
	}},
	{name: "HeldUntilBound", run: func(e *env) {
		e.submit("s")
		e.accepted(heard("j", "s"), "s")
		e.wantDueIn("s", 30*time.Minute)
		e.claimKeys()
		e.bind("s", "j", 1)
		e.wantDueIn("s", 0)
		e.claimOne("s")
	}},
	{name: "HeldUntilHoldIsOver", run: func(e *env) {
		e.submit("s")
		e.accepted(heard("j", "s"), "s")
		e.Advance(29 * time.Minute)
		e.claimKeys()
		e.Advance(2 * time.Minute)
		r := e.claimOne("s")
		e.bind("s", "j", 1)
		e.wantDueIn("s", lease) // what is claimed stays so
		e.end(r, webhook.StateDone)
	}},
	{name: "HeldForAStranger", run: func(e *env) {
		e.submit("s")
		a := failed("stranger", "s")
		a.Metadata = []byte(`{"a":1}`)
		e.accepted(a, "s")
		e.duplicate(heard("j", "s"), "s", webhook.StateReceived)
		e.bind("s", "j", 1)
		r := e.record("s")
		equal(e, "State", r.State, webhook.StatePending)
		equal(e, "JobID", r.JobID, "j")
		equalAll(e, "JobIDs", r.JobIDs, []string{"j"})
		equal(e, "Status", r.Status, "")
		equal(e, "Outcome", r.Outcome, "")
		equal(e, "Source", r.Source, "")
		equal(e, "length of Metadata", len(r.Metadata), 0)
		equal(e, "no ReceivedAt", r.ReceivedAt.IsZero(), true)
		near(e, "time to DueAt", r.DueAt.Sub(r.ReadAt), 0)
		e.Advance(40 * time.Minute)
		e.claimKeys()
		e.refused(heard("stranger", "s"))
		e.accepted(heard("stranger", ""), "stranger") // it is on its own now
		e.accepted(heard("j", "s"), "s")
		equal(e, "Status", e.record("s").Status, reducto.JobStatusCompleted)
		e.Advance(2 * time.Minute)
		e.claimKeys("stranger", "s")
	}},
	{name: "HeldForAStrangerLosesItsMetadata", run: func(e *env) {
		e.ok(e.Store.Submit(e.ctx, webhook.Submitted{ID: "s", LookAfter: lookAfter, Metadata: []byte(`{"ours":1}`)}))
		a := heard("stranger", "s")
		a.Metadata = []byte(`{"theirs":1}`)
		e.accepted(a, "s")
		equal(e, "Metadata", string(e.record("s").Metadata), `{"theirs":1}`)
		e.bind("s", "j", 1)
		equal(e, "Metadata", string(e.record("s").Metadata), `{"ours":1}`)
		e.accepted(heard("j", "s"), "s")
		equal(e, "Metadata", string(e.claimOne("s").Metadata), `{"ours":1}`)
	}},
	{name: "HeldForAStrangerIsOverdueAtOnce", run: func(e *env) {
		// Its own delivery may have been taken for a duplicate.
		e.submit("s")
		e.accepted(heard("stranger", "s"), "s")
		e.bind("s", "j", 1)
		equalAll(e, "overdue", keysOf(e.overdue(10, true, time.Hour)), []string{"s"})
	}},
	{name: "ClaimedForAStranger", run: func(e *env) {
		e.submit("s")
		e.accepted(heard("stranger", "s"), "s")
		e.Advance(31 * time.Minute)
		claim := e.claimOne("s")
		e.bind("s", "j", 1)
		e.wantState("s", webhook.StatePending)
		equal(e, "Attempt", e.record("s").Attempt, 0)
		equalBools(e, "held", e.extend(lease, leaseOf(claim)), false)
		equalBools(e, "finished", e.finish(webhook.Verdict{Lease: leaseOf(claim), State: webhook.StateDone}), false)
		e.accepted(heard("j", "s"), "s")
		again := e.claimOne("s")
		if again.Token <= claim.Token {
			e.Errorf("token %d after %d", again.Token, claim.Token)
		}
	}},
	{name: "FinishedForAStranger", run: func(e *env) {
		// What the user's function has seen cannot be taken back.
		e.submit("s")
		e.accepted(heard("stranger", "s"), "s")
		e.Advance(31 * time.Minute)
		e.end(e.claimOne("s"), webhook.StateDone)
		e.bind("s", "j", 1)
		r := e.record("s")
		equal(e, "State", r.State, webhook.StateDone)
		equal(e, "JobID", r.JobID, "stranger")
		equalAll(e, "JobIDs", sorted(r.JobIDs), []string{"j", "stranger"})
		e.duplicate(heard("j", "s"), "s", webhook.StateDone)
	}},
	{name: "HeldWhileNotAllJobsAreKnown", run: func(e *env) {
		e.submit("two", "lost")
		e.accepted(heard("a2", "two"), "two")
		e.accepted(heard("b1", "lost"), "lost")
		e.bind("two", "a1", 2)
		e.bind("lost", "", 1)
		for _, key := range []string{"two", "lost"} {
			e.wantState(key, webhook.StateReceived)
			e.wantDueIn(key, 30*time.Minute)
		}
		e.refused(heard("a3", "two"))
		e.refused(heard("b2", "lost"))
		e.Advance(31 * time.Minute)
		equalAll(e, "claimed", sorted(keysOf(e.claim(5))), []string{"lost", "two"})
	}},
	{name: "HeldWhileAnotherSendIsOpen", run: func(e *env) {
		for _, id := range []string{"own", "strange"} {
			e.submit(id)
			e.submit(id)
			e.accepted(heard(id+"-2", id), id)
			e.bind(id, id+"-1", 1)
			e.wantDueIn(id, 30*time.Minute)
		}
		e.claimKeys()
		e.bind("own", "own-2", 1)
		e.claimOne("own")
		e.bind("strange", "strange-3", 1)
		e.wantState("strange", webhook.StatePending)
	}},
	{name: "ReceivedAfterAJobWasKnownStays", run: func(e *env) {
		e.submit("s")
		e.submit("s")
		e.bind("s", "j1", 1)
		e.accepted(heard("j2", "s"), "s")
		e.wantDueIn("s", 0)
		e.bind("s", "j3", 1)
		e.wantState("s", webhook.StateReceived)
		equal(e, "JobID", e.record("s").JobID, "j2")
	}},
	{name: "UnknownOutcomeAndThenAJob", run: func(e *env) {
		e.submit("s")
		e.accepted(nothingFound("s"), "s")
		e.wantDueIn("s", 30*time.Minute)
		e.bind("s", "j", 1)
		e.wantState("s", webhook.StatePending)
		e.accepted(heard("j", "s"), "s")
	}},
	{name: "WithoutARecord", run: func(e *env) {
		e.bind("s", "j", 1)
		r := e.record("s")
		equal(e, "SubmissionID", r.SubmissionID, "s")
		equal(e, "State", r.State, webhook.StatePending)
		equal(e, "JobID", r.JobID, "j")
		near(e, "time since SubmittedAt", r.ReadAt.Sub(r.SubmittedAt), 0)
		equalAll(e, "overdue", keysOf(e.overdue(10, false, time.Hour)), []string{"s"})
		e.refused(heard("j2", "s"))
		e.accepted(heard("j", "s"), "s")
	}},
	{name: "AJobThatHasItsOwnRecord", run: func(e *env) {
		// It was heard, or tracked, before anybody knew whose it is.
		e.submit("s1", "s2")
		e.receiveJobs("j1")
		e.track("j2")
		e.unchangedBut([]string{"s1", "s2"}, func() {
			e.bind("s1", "j1", 1)
			e.bind("s2", "j2", 1)
		})
		e.duplicate(heard("j1", "s1"), "j1", webhook.StateReceived)
		e.accepted(heard("j2", "s2"), "j2")
		e.unchanged(func() { e.bind("s1", "j1", 1) })
	}},
	{name: "AJobOfAnotherSubmission", run: func(e *env) {
		e.submit("s1", "s2")
		e.bind("s1", "j", 1)
		e.bind("s2", "j", 1)
		equal(e, "JobID of s1", e.record("s1").JobID, "j")
		equal(e, "JobID of s2", e.record("s2").JobID, "")
		e.wantState("s2", webhook.StatePending)
		e.accepted(heard("j", ""), "s1")
	}},
	{name: "SpellingsOfAJob", run: func(e *env) {
		e.submit("s")
		e.accepted(heard(strings.ToUpper(uuid1), "s"), "s")
		e.bind("s", uuid1, 1)
		e.claimOne("s")
		r := e.record("s")
		equal(e, "JobID", r.JobID, strings.ToUpper(uuid1))
		equalAll(e, "JobIDs", r.JobIDs, []string{strings.ToUpper(uuid1)})
		e.unchanged(func() { e.bind("s", strings.ToUpper(uuid1), 1) })
		e.refused(heard(uuid2, "s"))
	}},
}
