package storetest

import (
	"strings"

	"github.com/reducto-go/reducto/webhook"
)

// jobChecks are about whose a job is.
var jobChecks = []check{
	{name: "ThirdOfTwoIsRefused", run: func(e *env) {
		e.submit("s")
		e.submit("s")
		e.bind("s", "", 1)
		e.bind("s", "", 1)
		e.accepted(heard("j1", "s"), "s")
		e.duplicate(heard("j2", "s"), "s", webhook.StateReceived)
		e.unchanged(func() {
			e.refused(heard("j3", "s"))
			e.duplicate(heard("j2", "s"), "s", webhook.StateReceived)
		})
	}},
	{name: "BeyondTheNumberInEveryState", run: func(e *env) {
		all := e.everyState()
		e.unchanged(func() {
			for _, s := range all {
				e.refused(heard("stranger", s.key))
			}
		})
	}},
	{name: "NoneIsRefusedWhileTheNumberIsNotKnown", run: func(e *env) {
		e.submit("s")
		e.submit("s")
		e.bind("s", "j1", 1)
		e.accepted(heard("j2", "s"), "s")
		e.duplicate(heard("j3", "s"), "s", webhook.StateReceived)
		e.duplicate(heard("j1", "s"), "s", webhook.StateReceived)
	}},
	{name: "OfAnotherRecord", run: func(e *env) {
		e.submit("s1", "s2")
		e.bind("s1", "j1", 1)
		e.track("j3")
		e.unchanged(func() {
			e.refused(heard("j1", "s2"))
			e.refused(heard("j3", "s2"))
			e.refused(heard("j1", "unknown"))
		})
		e.accepted(heard("j1", "s1"), "s1")
		e.unchanged(func() {
			e.refused(heard("j1", "s2"))
			e.refused(heard("j1", "unknown"))
		})
	}},
	{name: "HeardForAnotherRecord", run: func(e *env) {
		e.submit("s1", "s2")
		e.accepted(heard("j", "s1"), "s1")
		e.unchanged(func() { e.refused(heard("j", "s2")) })
	}},
	{name: "WithoutAJob", run: func(e *env) {
		e.submit("s")
		e.bind("s", "", 1)
		e.accepted(nothingFound("s"), "s")
		r := e.record("s")
		equal(e, "JobID", r.JobID, "")
		equal(e, "Outcome", r.Outcome, webhook.OutcomeUnknown)
		e.duplicate(nothingFound("s"), "s", webhook.StateReceived)
		gone := nothingFound("s")
		gone.Status = "Gone"
		e.duplicate(gone, "s", webhook.StateReceived) // without a job nothing can be in conflict
		claim := e.claimOne("s")
		equal(e, "JobID", claim.JobID, "")
		e.end(claim, webhook.StateDone)
		e.duplicate(heard("j", "s"), "s", webhook.StateDone) // too late, and no conflict
		e.duplicate(nothingFound("s"), "s", webhook.StateDone)
	}},
	{name: "WithoutAJobAfterOneWasHeard", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		e.accepted(heard("j", "s"), "s")
		e.unchanged(func() { e.duplicate(nothingFound("s"), "s", webhook.StateReceived) })
	}},
	{name: "WithoutAJobOrARecord", run: func(e *env) {
		e.refused(nothingFound("unknown"))
		e.refused(nothingFound(""))
		equal(e, "number of records", len(e.all()), 0)
	}},
	{name: "SpellingsAreOneJob", run: func(e *env) {
		upper := strings.ToUpper(uuid1)
		e.accepted(heard(upper, ""), uuid1)
		r := e.record(uuid1)
		equal(e, "JobID", r.JobID, upper)
		e.unchanged(func() {
			e.duplicate(heard(uuid1, ""), uuid1, webhook.StateReceived)
			equal(e, "conflict", e.receive(failed(uuid1, ""))[0].Conflict, true)
		})
		e.submit("s")
		e.bind("s", uuid2, 1)
		e.accepted(heard(strings.ToUpper(uuid2), "s"), "s")
		equal(e, "JobID", e.record("s").JobID, uuid2)
	}},
	{name: "OnlyUUIDsHaveSpellings", run: func(e *env) {
		e.accepted(heard("job", ""), "job")
		e.accepted(heard("JOB", ""), "JOB")
		e.submit("s")
		e.bind("s", "Own", 1)
		e.refused(heard("own", "s"))
	}},
}
