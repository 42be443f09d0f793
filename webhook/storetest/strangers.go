package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// strangerChecks are about jobs of other submissions than the one whose token was sent
// with them.
var strangerChecks = []check{
	{name: "AJobThatADuplicateNamedIsNobodys", run: func(e *env) {
		// Whoever has the token of one submission must not keep others from their jobs.
		e.submit("s1", "s2", "s3")
		e.accepted(heard("j1", "s1"), "s1")
		named := []string{"j1", "bound", "heard", "tracked", "alone"}
		for _, job := range named[1:] {
			e.duplicate(heard(job, "s1"), "s1", webhook.StateReceived)
		}
		equal(e, "number of records that have it", len(e.list(webhook.Filter{JobID: "bound"})), 0)
		e.bind("s2", "bound", 1)
		equal(e, "JobID of s2", e.record("s2").JobID, "bound")
		e.accepted(heard("bound", "s2"), "s2")
		e.accepted(heard("heard", "s3"), "s3")
		e.track("tracked")
		e.accepted(heard("tracked", ""), "tracked")
		e.accepted(heard("alone", ""), "alone")
		equalAll(e, "Unconfirmed", e.record("s1").Unconfirmed, named)
		e.refused(heard("bound", "s1"))
		e.refused(heard("alone", "s1"))
		e.Advance(31 * time.Minute)
		e.claimKeys("s1", "s2", "s3", "tracked", "alone")
	}},
	{name: "AJobThatADuplicateNamedInTheSameCall", run: func(e *env) {
		got := e.receive(heard("a", "s1"), heard("b", "s1"), heard("b", "s2"), heard("b", ""))
		equalAll(e, "receipts", got, []webhook.Receipt{
			{Kind: webhook.ReceiptAccepted, Key: "s1", State: webhook.StateReceived},
			{Kind: webhook.ReceiptDuplicate, Key: "s1", State: webhook.StateReceived},
			{Kind: webhook.ReceiptAccepted, Key: "s2", State: webhook.StateReceived},
			{Kind: webhook.ReceiptDuplicate, Key: "s2", State: webhook.StateReceived},
		})
	}},
	{name: "TheSecondJobOfASubmission", run: func(e *env) {
		// One that was sent twice is one piece of work, whatever is heard of its jobs.
		for id, bindFirst := range map[string]bool{"first": true, "late": false} {
			e.submit(id)
			if bindFirst {
				e.bind(id, id+"-2", 2)
			}
			e.accepted(heard(id+"-2", id), id)
			e.duplicate(heard(id+"-1", id), id, webhook.StateReceived)
			if !bindFirst {
				e.bind(id, id+"-2", 2)
			}
			e.unchanged(func() {
				e.track(id + "-1")
				e.duplicate(heard(id+"-1", ""), id, webhook.StateReceived)
				e.refused(heard(id+"-1", "elsewhere"))
				e.refused(heard(id+"-3", id))
			})
			equal(e, "record of the second job", e.only(e.list(webhook.Filter{JobID: id + "-1"})).Key, id)
		}
	}},
	{name: "TheAPISaysWhoseAJobIs", run: func(e *env) {
		for name, say := range map[string]func(job, id string){
			"bind":    func(job, id string) { e.bind(id, job, 1) },
			"receive": func(job, id string) { e.accepted(confirmed(job, id), id) },
		} {
			for _, state := range []webhook.State{webhook.StateReceived, webhook.StateClaimed, webhook.StateDone} {
				id := func(s string) string { return strings.Join([]string{s, name, string(state)}, "-") }
				e.submit(id("heard"), id("more"), id("s"), id("t"))
				e.bind(id("more"), id("own"), 2)
				e.accepted(heard(id("j"), id("heard")), id("heard"))
				e.accepted(heard(id("own"), id("more")), id("more"))
				e.duplicate(heard(id("k"), id("more")), id("more"), webhook.StateReceived)
				e.Advance(31 * time.Minute)
				if state != webhook.StateReceived {
					for _, r := range e.claimKeys(id("heard"), id("more")) {
						if state == webhook.StateDone {
							e.end(r, state)
						}
					}
				}
				say(id("k"), id("t"))
				equal(e, "JobID", e.record(id("t")).JobID, id("k"))
				equalAll(e, "JobIDs", e.record(id("more")).JobIDs, []string{id("own")})
				e.wantState(id("more"), state)
				if state == webhook.StateDone { // the function has seen it
					e.refused(confirmed(id("j"), id("s")))
					e.wantState(id("heard"), state)
				} else {
					say(id("j"), id("s"))
					equal(e, "JobID", e.record(id("s")).JobID, id("j"))
					e.wantState(id("heard"), webhook.StatePending)
				}
				e.Advance(31*time.Minute + 2*lease)
				for _, r := range e.claim(10) { // of which the others know nothing
					e.end(r, webhook.StateDone)
				}
			}
		}
	}},
	{name: "WhatTheAPISaidBefore", run: func(e *env) {
		e.submit("s1", "s2")
		e.bind("s1", "j", 1)
		e.track("alone")
		e.unchanged(func() {
			e.refused(confirmed("j", "s2"))
			e.refused(confirmed("alone", "s2"))
		})
	}},
	{name: "DisownedAndTheNextHasAnotherRecord", run: func(e *env) {
		e.submit("s1", "s2")
		e.accepted(heard("stranger", "s1"), "s1")
		e.duplicate(heard("theirs", "s1"), "s1", webhook.StateReceived)
		e.duplicate(heard("j", "s1"), "s1", webhook.StateReceived)
		e.bind("s2", "theirs", 1)
		e.Advance(31 * time.Minute)
		e.end(e.claimOne("s1"), webhook.StatePending)
		equal(e, "JobID", e.record("s1").JobID, "j")
		e.accepted(heard("j2", "s3"), "s3")
		e.refused(heard("j", "s3")) // it is s1's now
		e.end(e.claim(1)[0], webhook.StatePending)
		r := e.record("s1")
		equal(e, "State", r.State, webhook.StatePending)
		equal(e, "number of JobIDs", len(r.JobIDs), 0)
		equal(e, "JobID of the other", e.record("s2").JobID, "theirs")
	}},
	{name: "DisownedAndAnotherHasTheNextForNow", run: func(e *env) {
		// A token was sent with a job that its own submission had been told of: the answer
		// to that was 200.
		e.submit("thief", "known")
		e.accepted(heard("x1", "known"), "known")
		e.accepted(heard("x2", "new"), "new")
		e.duplicate(heard("j1", "known"), "known", webhook.StateReceived)
		e.duplicate(heard("j2", "new"), "new", webhook.StateReceived)
		e.accepted(heard("j1", "thief"), "thief")
		e.accepted(heard("j2", "other thief"), "other thief")
		e.Advance(31 * time.Minute)
		claims := map[string]webhook.Record{}
		for _, r := range e.claim(10) {
			claims[r.Key] = r
		}
		e.finish(
			webhook.Verdict{Lease: leaseOf(claims["known"]), State: webhook.StatePending, After: time.Hour, Keep: true},
			webhook.Verdict{Lease: leaseOf(claims["new"]), State: webhook.StatePending, After: time.Hour, Keep: true})
		equal(e, "JobID of the one known", e.record("known").JobID, "")
		equalAll(e, "jobs of the one known", e.record("known").JobIDs, []string{"j1"})
		e.wantState("known", webhook.StatePending)
		e.refused(heard("j1", "known"))
		equal(e, "JobID of the new one", e.record("new").JobID, "x2")
		equal(e, "Attempt", e.record("new").Attempt, 0)
		e.wantDueIn("new", time.Hour)
		e.finish(
			webhook.Verdict{Lease: leaseOf(claims["thief"]), State: webhook.StatePending},
			webhook.Verdict{Lease: leaseOf(claims["other thief"]), State: webhook.StatePending})
		e.accepted(heard("j1", "known"), "known")
		e.Advance(2 * time.Hour)
		for _, r := range e.claimKeys("new", "known") {
			if r.Key == "new" {
				e.finish(webhook.Verdict{Lease: leaseOf(r), State: webhook.StatePending, After: time.Hour})
			}
		}
		equal(e, "JobID of the new one", e.record("new").JobID, "j2")
	}},
	{name: "DisownedAndNobodyGivesTheNextUp", run: func(e *env) {
		e.accepted(heard("x", "new"), "new")
		e.duplicate(heard("j", "new"), "new", webhook.StateReceived)
		e.accepted(heard("j", "other"), "other")
		for _, r := range e.claimKeys("new", "other") {
			if r.Key == "other" {
				e.end(r, webhook.StateDone)
			}
		}
		e.Advance(2 * lease)
		e.finish(webhook.Verdict{Lease: leaseOf(e.claimOne("new")), State: webhook.StatePending, After: time.Hour})
		equalAll(e, "records", keysOf(e.all()), []string{"other"})
	}},
	{name: "DisownedInOneCall", run: func(e *env) {
		// What the first gives up, the second is received for.
		e.submit("s1", "s2")
		e.accepted(heard("b", "s2"), "s2")
		e.duplicate(heard("a", "s2"), "s2", webhook.StateReceived)
		e.accepted(heard("a", "s1"), "s1")
		e.Advance(31 * time.Minute)
		claims := map[string]webhook.Lease{}
		for _, r := range e.claim(2) {
			claims[r.Key] = leaseOf(r)
		}
		held := e.finish(
			webhook.Verdict{Lease: claims["s1"], State: webhook.StatePending},
			webhook.Verdict{Lease: claims["s2"], State: webhook.StatePending})
		equalBools(e, "held", held, true, true)
		e.wantState("s1", webhook.StatePending)
		equal(e, "JobID of s2", e.record("s2").JobID, "a")
		e.end(e.claimOne("s2"), webhook.StateDone)
		e.refused(heard("a", "s1"))
	}},
	{name: "ManyDisownedInOneCall", run: func(e *env) {
		const n = 70
		var arrivals []webhook.Arrival
		for i := range n {
			id := fmt.Sprintf("s%02d", i)
			arrivals = append(arrivals, heard("x-"+id, id), heard("j-"+id, id), heard("shared", id))
		}
		e.receive(arrivals...)
		var verdicts []webhook.Verdict
		for _, r := range e.claim(n) {
			verdicts = append(verdicts, webhook.Verdict{Lease: leaseOf(r), State: webhook.StatePending})
		}
		for i, held := range e.finish(verdicts...) {
			equal(e, fmt.Sprintf("held %d", i), held, true)
		}
		for _, r := range e.all() {
			equal(e, "JobID", r.JobID, "j-"+r.Key)
		}
	}},
	{name: "WhatIsLeftIsRefused", run: func(e *env) {
		e.submit("s", "t")
		e.accepted(heard("x", "s"), "s")
		e.duplicate(heard("c", "s"), "s", webhook.StateReceived)
		e.accepted(heard("c", "t"), "t")
		e.Advance(31 * time.Minute)
		for _, r := range e.claimKeys("s", "t") {
			if r.Key == "s" {
				e.end(r, webhook.StatePending)
			}
		}
		equalAll(e, "JobIDs", e.record("s").JobIDs, []string{"c"})
		e.bind("s", "j", 1)
		equalAll(e, "JobIDs", e.record("s").JobIDs, []string{"j"})
		e.bind("t", "own", 1) // which gives c up
		e.refused(heard("c", "s"))
		e.accepted(heard("j", "s"), "s")
	}},
	{name: "TrackTakesItFromADelivery", run: func(e *env) {
		e.submit("received", "claimed")
		for _, id := range []string{"received", "claimed"} {
			e.accepted(heard("job-"+id, id), id)
		}
		e.track("job-received")
		e.Advance(31 * time.Minute)
		claim := e.claimOne("claimed")
		e.track("job-claimed")
		equalBools(e, "finished", e.finish(webhook.Verdict{Lease: leaseOf(claim), State: webhook.StateDone}), false)
		for _, id := range []string{"received", "claimed"} {
			e.wantState(id, webhook.StatePending)
			e.wantState("job-"+id, webhook.StatePending)
			e.accepted(heard("job-"+id, ""), "job-"+id)
		}
	}},
	{name: "WithdrawnAndDisowned", run: func(e *env) {
		e.submit("s")
		e.accepted(heard("x", "s"), "s")
		e.withdraw("s")
		e.Advance(31 * time.Minute)
		e.end(e.claimOne("s"), webhook.StatePending)
		equal(e, "number of records", len(e.all()), 0)
	}},
	{name: "ManyConfirmedInOneCall", run: func(e *env) {
		const n = 60
		var forged, said []webhook.Arrival
		for i := range n {
			j := fmt.Sprintf("j%02d", i)
			e.submit("thief-"+j, "s-"+j)
			forged = append(forged, heard(j, "thief-"+j), heard("more-"+j, "thief-"+j))
			said = append(said, confirmed(j, "s-"+j))
		}
		e.receive(forged...)
		for i, got := range e.receive(said...) {
			equal(e, fmt.Sprintf("kind %d", i), got.Kind, webhook.ReceiptAccepted)
		}
	}},
	{name: "BindOfAnotherJobThatWasHeardAlone", run: func(e *env) {
		e.submit("s")
		e.bind("s", "own", 1)
		e.track("j")
		e.bind("s", "j", 1)
		equalAll(e, "records", keysOf(e.all()), []string{"j", "s"})
		e.accepted(heard("own", "s"), "s")
	}},
	{name: "BindOfAJobThatWasHeardAlone", run: func(e *env) {
		// That record stands for the submission, whose own waits for nothing.
		e.submit("s")
		e.accepted(heard("stranger", "s"), "s")
		e.accepted(heard("j", ""), "j")
		e.bind("s", "j", 1)
		equalAll(e, "records", keysOf(e.all()), []string{"j"})
	}},
}

// confirmed is an arrival of which the API has said whose the job is.
func confirmed(jobID, submissionID string) webhook.Arrival {
	a := heard(jobID, submissionID)
	a.Source, a.Confirmed = webhook.SourceSweep, true
	return a
}
