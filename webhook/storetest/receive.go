package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

var receiveChecks = []check{
	{name: "Accepted", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		before := e.record("s")
		e.Advance(10 * time.Minute)
		a := failed("j", "s")
		a.Metadata, a.Source = []byte(`{"user":1}`), webhook.SourceSweep
		e.accepted(a, "s")
		r := e.record("s")
		equal(e, "State", r.State, webhook.StateReceived)
		equal(e, "JobID", r.JobID, "j")
		equal(e, "SubmissionID", r.SubmissionID, "s")
		equal(e, "Type", r.Type, reducto.JobTypeParse)
		equal(e, "Webhook", r.Webhook, true)
		equal(e, "Status", r.Status, reducto.JobStatusFailed)
		equal(e, "Outcome", r.Outcome, webhook.OutcomeFailed)
		equal(e, "Metadata", string(r.Metadata), `{"user":1}`)
		equal(e, "Source", r.Source, webhook.SourceSweep)
		equal(e, "Attempt", r.Attempt, 0)
		equal(e, "SubmittedAt is as before", r.SubmittedAt.Equal(before.SubmittedAt), true)
		near(e, "time since ReceivedAt", r.ReadAt.Sub(r.ReceivedAt), 0)
		near(e, "time since DueAt", r.ReadAt.Sub(r.DueAt), 0)
		equal(e, "no FinishedAt", r.FinishedAt.IsZero(), true)
		e.claimOne("s")
	}},
	{name: "AJobThatNobodySubmitted", run: func(e *env) {
		e.accepted(heard("j", ""), "j")
		r := e.record("j")
		equal(e, "SubmissionID", r.SubmissionID, "")
		equal(e, "JobID", r.JobID, "j")
		equalAll(e, "JobIDs", r.JobIDs, []string{"j"})
		equal(e, "no SubmittedAt", r.SubmittedAt.IsZero(), true)
		e.claimOne("j")
		e.duplicate(heard("j", ""), "j", webhook.StateClaimed)
	}},
	{name: "ASubmissionThatNobodyRecorded", run: func(e *env) {
		// How often it was sent is not known, so no job of it is one too many.
		e.accepted(heard("j1", "s"), "s")
		r := e.record("s")
		equal(e, "SubmissionID", r.SubmissionID, "s")
		equal(e, "JobID", r.JobID, "j1")
		equal(e, "no SubmittedAt", r.SubmittedAt.IsZero(), true)
		e.claimOne("s") // due at once, for nobody is going to bind it
		for i := range 5 {
			e.duplicate(heard(fmt.Sprintf("j%d", i+1), "s"), "s", webhook.StateClaimed)
		}
		e.submit("s")
		e.bind("s", "j7", 1)
		e.duplicate(heard("j8", "s"), "s", webhook.StateClaimed)
	}},
	{name: "WithoutNamingTheSubmission", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		e.accepted(heard("j", ""), "s")
		e.claimOne("s")
	}},
	{name: "ATrackedJobNamesASubmission", run: func(e *env) {
		// It was sent by a program that has another store, or none.
		e.track("j")
		e.accepted(heard("j", "elsewhere"), "j")
		e.duplicate(heard("j", "elsewhere"), "j", webhook.StateReceived)
		equal(e, "number of records", len(e.all()), 1)
	}},
	{name: "DuplicateInEveryState", run: func(e *env) {
		for _, s := range e.everyState() {
			if s.state == webhook.StatePending {
				continue
			}
			e.unchanged(func() {
				a := heard(s.job, s.key)
				a.Metadata, a.Source, a.Outcome = []byte(`[1]`), webhook.SourceSweep, webhook.OutcomeExpired
				e.duplicate(a, s.key, s.state)
				a.SubmissionID = ""
				e.duplicate(a, s.key, s.state)
			})
		}
	}},
	{name: "ConflictInEveryState", run: func(e *env) {
		for _, s := range e.everyState() {
			if s.state == webhook.StatePending {
				continue
			}
			e.unchanged(func() {
				got := e.receive(failed(s.job, s.key), heard(s.job, s.key))
				want := webhook.Receipt{Kind: webhook.ReceiptDuplicate, Conflict: true, Key: s.key, State: s.state}
				equal(e, "receipt of another status", got[0], want)
				want.Conflict = false
				equal(e, "receipt of the same status", got[1], want)
			})
		}
	}},
	{name: "AnotherOutcomeIsNoConflict", run: func(e *env) {
		// The outcome of a record is corrected when the API is asked.
		e.receiveJobs("j")
		e.finish(webhook.Verdict{
			Lease: leaseOf(e.claimOne("j")), State: webhook.StateDone, Outcome: webhook.OutcomeExpired,
		})
		e.duplicate(heard("j", ""), "j", webhook.StateDone)
	}},
	{name: "UnknownStatusIsKept", run: func(e *env) {
		a := heard("j", "")
		a.Status, a.Outcome = "Exploded \u00e9", webhook.OutcomeUnknown
		e.accepted(a, "j")
		equal(e, "Status", e.record("j").Status, "Exploded \u00e9")
		e.duplicate(a, "j", webhook.StateReceived)
		equal(e, "conflict", e.receive(heard("j", ""))[0].Conflict, true)
	}},
	{name: "SecondJobIsNoConflict", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 2)
		e.accepted(heard("j2", "s"), "s")
		e.duplicate(failed("j1", "s"), "s", webhook.StateReceived)
		r := e.record("s")
		equal(e, "JobID", r.JobID, "j2")
		equal(e, "Status", r.Status, reducto.JobStatusCompleted)
	}},
	{name: "HoldIsForWhatIsBeingSent", run: func(e *env) {
		e.submit("bound", "lost", "known")
		e.bind("bound", "a", 1)
		e.bind("lost", "", 1)
		e.bind("known", "c1", 1)
		e.submit("known") // is being sent, but one of its jobs is known
		e.track("d")
		for _, a := range []webhook.Arrival{heard("a", "bound"), heard("b", "lost"), heard("c2", "known"), heard("d", ""), heard("e", "")} {
			e.receive(a)
			e.Advance(2 * time.Minute)
		}
		e.claimKeys("bound", "lost", "known", "d", "e")
	}},
	{name: "HoldOfZero", run: func(e *env) {
		e.submit("s")
		a := heard("j", "s")
		a.Hold = 0
		e.accepted(a, "s")
		e.claimOne("s")
	}},
	{name: "SeveralOfOneRecord", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 2)
		got := e.receive(heard("j2", "s"), heard("j2", "s"), failed("j2", ""), heard("j1", "s"), heard("j3", "s"))
		duplicate := webhook.Receipt{Kind: webhook.ReceiptDuplicate, Key: "s", State: webhook.StateReceived}
		conflict := duplicate
		conflict.Conflict = true
		equalAll(e, "receipts", got, []webhook.Receipt{
			{Kind: webhook.ReceiptAccepted, Key: "s", State: webhook.StateReceived},
			duplicate, conflict, duplicate,
			{Kind: webhook.ReceiptRefused},
		})
		equal(e, "JobID", e.record("s").JobID, "j2")
	}},
	{name: "SeveralOfOneNewRecord", run: func(e *env) {
		got := e.receive(heard(uuid1, ""), failed(strings.ToUpper(uuid1), ""), heard("j1", "new"), heard("j2", "new"), heard("j1", ""))
		kinds := make([]webhook.ReceiptKind, 0, len(got))
		for _, r := range got {
			kinds = append(kinds, r.Kind)
		}
		equalAll(e, "kinds", kinds, []webhook.ReceiptKind{
			webhook.ReceiptAccepted, webhook.ReceiptDuplicate,
			webhook.ReceiptAccepted, webhook.ReceiptDuplicate, webhook.ReceiptDuplicate,
		})
		equal(e, "conflict", got[1].Conflict, true)
		equalAll(e, "keys", keysOf(e.all()), []string{uuid1, "new"})
	}},
	{name: "Batches", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		for _, n := range []int{0, 1, 2, 500} {
			// Every second one is new, the others are refused.
			arrivals := make([]webhook.Arrival, n)
			want := make([]webhook.Receipt, n)
			for i := range arrivals {
				if i%2 == 0 {
					key := fmt.Sprintf("n%d-%d", n, i)
					arrivals[i] = heard(key, "")
					want[i] = webhook.Receipt{Kind: webhook.ReceiptAccepted, State: webhook.StateReceived, Key: key}
				} else {
					arrivals[i] = heard(fmt.Sprintf("r%d-%d", n, i), "s")
					want[i] = webhook.Receipt{Kind: webhook.ReceiptRefused}
				}
			}
			for i, got := range e.receive(arrivals...) {
				equal(e, fmt.Sprintf("receipt %d of %d", i, n), got, want[i])
			}
		}
		equal(e, "number of records", len(e.all()), 1+1+1+250)
	}},
}
