package storetest

import (
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var withdrawChecks = []check{
	{name: "RemovesWhatWasNeverMade", run: func(e *env) {
		e.submit("s", "other")
		e.withdraw("s")
		e.wantNone("s")
		e.wantState("other", webhook.StatePending)
	}},
	{name: "OfAnUnknownSubmissionIsNothing", run: func(e *env) {
		e.submit("other")
		e.unchanged(func() { e.withdraw("s") })
	}},
	{name: "SubmittedAgainIsNew", run: func(e *env) {
		e.submit("s")
		e.withdraw("s")
		e.submit("s")
		e.bind("s", "j", 1)
		e.refused(heard("j2", "s"))
		e.accepted(heard("j", "s"), "s")
	}},
	{name: "OtherSendsAreStillExpected", run: func(e *env) {
		e.submit("s")
		e.submit("s")
		e.withdraw("s")
		e.wantState("s", webhook.StatePending)
		e.bind("s", "j", 1)
		e.refused(heard("j2", "s"))
		e.accepted(heard("j", "s"), "s")
	}},
	{name: "AllSendsWithdrawn", run: func(e *env) {
		e.submit("s")
		e.submit("s")
		e.withdraw("s")
		e.withdraw("s")
		e.wantNone("s")
	}},
	{name: "JobsThatWereMadeStay", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		e.submit("lost")
		e.bind("lost", "", 1)
		for _, id := range []string{"s", "lost"} {
			e.submit(id)
			e.withdraw(id)
			e.wantState(id, webhook.StatePending)
		}
		e.refused(heard("j2", "s"))
		e.accepted(heard("j", "s"), "s")
	}},
	{name: "WhatWasReceivedStays", run: func(e *env) {
		// Somebody errs, and a delivery that names the submission is the better
		// evidence.
		e.submit("s")
		e.accepted(heard("j", "s"), "s")
		e.withdraw("s")
		e.wantState("s", webhook.StateReceived)
		e.claimKeys()
		e.Advance(31 * time.Minute)
		e.claimOne("s")
	}},
	{name: "LastSendMakesAllJobsKnown", run: func(e *env) {
		e.submit("s")
		e.submit("s")
		e.accepted(heard("stranger", "s"), "s")
		e.bind("s", "j", 1)
		e.wantState("s", webhook.StateReceived) // the other send may have made it
		e.withdraw("s")
		e.wantState("s", webhook.StatePending)
		e.refused(heard("stranger", "s"))
		e.accepted(heard("j", "s"), "s")
	}},
}
