package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleAccepted    = "Accepted: the record was pending and is received now."
	ruleNewRecord   = "A notification of an unknown job, for an unknown submission or none, makes a record."
	ruleDuplicate   = "Duplicate: the record was received before."
	ruleSecondJob   = "If the job is new to the record, the record has it from now on, provided that all answers are known."
	ruleRefused     = "Refused: the job belongs to another record, or the submission has all of its jobs and this is none of them. Nothing was changed."
	ruleOtherStatus = "Conflict says that the record has another status for the same job."
	ruleBatch       = "The elements of a slice are independent, each is atomic, and results come in the same order."
	ruleNoJob       = "It is empty if no job of the submission was found."
)

var receiveChecks = []check{
	{name: "PendingRecordIsReceived", rule: ruleAccepted, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		want := e.record("s")
		e.Advance(10 * time.Minute)
		n := withMetadata(failed("j", "s"), `{"user":1}`)
		n.Source = inbox.SourcePoll
		e.accepted(n, "s")
		want.State, want.Status, want.Outcome, want.Source, want.Metadata = received, n.Status, n.Outcome, n.Source, n.Metadata
		e.wantRecord(want)
		r := e.record("s")
		equal(e, "SubmittedAt is as before", r.SubmittedAt.Equal(want.SubmittedAt), true)
		near(e, "time since ReceivedAt", r.ReadAt.Sub(r.ReceivedAt), 0)
		e.wantDueIn("s", 0)
		e.claimOne("s")
	}},
	{name: "UnknownJobMakesARecord", rule: ruleNewRecord, run: func(e *env) {
		e.accepted(completed("j", ""), "j")
		e.wantRecord(inbox.Record{
			Key: "j", JobID: "j", JobIDs: []string{"j"}, State: received,
			Status: reducto.StatusCompleted, Outcome: webhook.OutcomeCompleted, Source: inbox.SourceWebhook,
		})
		equal(e, "no SubmittedAt", e.record("j").SubmittedAt.IsZero(), true)
		e.claimOne("j")
		e.duplicate(completed("j", ""), "j", claimed)
	}},
	{name: "UnknownSubmissionMakesARecord", rule: ruleNewRecord, run: func(e *env) {
		e.accepted(completed("j0", "s"), "s")
		equal(e, "SubmissionID", e.record("s").SubmissionID, "s")
		equal(e, "no SubmittedAt", e.record("s").SubmittedAt.IsZero(), true)
		e.claimOne("s") // no answer is expected in this store, so it does not wait
		for i := range 5 {
			e.duplicate(completed(fmt.Sprintf("j%d", i), "s"), "s", claimed) // its jobs are never all known
		}
		e.wantJobs("s", "j0")
	}},
	{name: "SubmissionIsNotNamed", rule: ruleAccepted, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		e.accepted(completed("j", ""), "s")
		e.claimOne("s")
	}},
	{name: "DuplicateInEveryState", rule: ruleDuplicate, run: func(e *env) {
		for _, s := range e.everyState() {
			if s.state == pending {
				continue
			}
			e.unchanged(func() {
				n := withMetadata(completed(s.job, s.key), `[1]`)
				n.Source, n.Outcome = inbox.SourcePoll, webhook.OutcomeExpired
				e.duplicate(n, s.key, s.state)
				n.SubmissionID = ""
				e.duplicate(n, s.key, s.state)
			})
		}
	}},
	{name: "ConflictInEveryState", rule: ruleOtherStatus, run: func(e *env) {
		for _, s := range e.everyState() {
			if s.state == pending {
				continue
			}
			e.unchanged(func() {
				e.wantResult(failed(s.job, s.key), inbox.ReceiveResult{Kind: inbox.Duplicate, Conflict: true, Key: s.key, State: s.state})
				e.duplicate(completed(s.job, s.key), s.key, s.state)
			})
		}
	}},
	{name: "OtherOutcomeIsNoConflict", rule: ruleOtherStatus, run: func(e *env) {
		e.receiveJobs("j")
		c := completion(e.claimOne("j"), done)
		c.Outcome = webhook.OutcomeExpired
		e.finishOne(c)
		e.duplicate(completed("j", ""), "j", done)
	}},
	{name: "OtherJobIsNoConflict", rule: ruleOtherStatus, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 2)
		e.accepted(completed("j2", "s"), "s")
		e.duplicate(failed("j1", "s"), "s", received)
		e.wantJobs("s", "j2", "j1")
		equal(e, "Status", e.record("s").Status, reducto.StatusCompleted)
	}},
	{name: "SecondJobBelongsToTheRecord", rule: ruleSecondJob, run: func(e *env) {
		e.submit("s", "t")
		e.bind("s", "", 2)
		e.accepted(completed("j1", "s"), "s")
		e.duplicate(completed("j2", "s"), "s", received)
		e.wantJobs("s", "j1", "j2")
		e.refused(completed("j2", "t"))
		e.duplicate(completed("j2", ""), "s", received)
		e.bindConflict("t", "j2", 1)
	}},
	{name: "SecondJobBelongsToNoneWhileAnAnswerIsExpected", rule: ruleSecondJob, run: func(e *env) {
		// A delivery alone does not give a job to a record that is received.
		e.submit("s", "t")
		e.accepted(completed("j1", "s"), "s")
		e.unchanged(func() { e.duplicate(completed("j2", "s"), "s", received) })
		e.accepted(completed("j2", "t"), "t")
	}},
	{name: "RefusedInEveryState", rule: ruleRefused, run: func(e *env) {
		all := e.everyState()
		e.unchanged(func() {
			for _, s := range all {
				e.refused(completed("stranger", s.key))
			}
		})
	}},
	{name: "JobOfAnotherRecordIsRefused", rule: ruleRefused, run: func(e *env) {
		e.submit("s", "t", "waits")
		e.bind("s", "j", 1)
		e.track("tracked")
		e.accepted(completed("waiting", "waits"), "waits")
		strangers := func() {
			for _, job := range []string{"j", "tracked", "waiting"} {
				e.refused(completed(job, "t"))
			}
			e.refused(completed("j", "unknown"))
			e.refused(completed("waiting", "unknown"))
		}
		e.unchanged(strangers)
		e.accepted(completed("j", "s"), "s")
		e.accepted(completed("tracked", ""), "tracked")
		e.unchanged(strangers)
	}},
	{name: "ThirdJobOfTwoIsRefused", rule: ruleRefused, run: func(e *env) {
		e.submit("s")
		e.submit("s")
		e.bind("s", "", 1)
		e.bind("s", "", 1)
		e.accepted(completed("j1", "s"), "s")
		e.duplicate(completed("j2", "s"), "s", received)
		e.unchanged(func() {
			e.refused(completed("j3", "s"))
			e.duplicate(completed("j2", "s"), "s", received)
		})
	}},
	{name: "WithoutAJob", rule: ruleNoJob, run: func(e *env) {
		e.submit("s")
		e.bind("s", "", 1)
		e.accepted(notFound("s"), "s")
		e.wantJobs("s", "")
		e.unchanged(func() {
			e.duplicate(notFound("s"), "s", received)
			gone := notFound("s")
			gone.Status = "Gone"
			e.duplicate(gone, "s", received) // there is no job that has another status
		})
		r := e.claimOne("s")
		equal(e, "JobID", r.JobID, "")
		e.end(r, done)
		e.duplicate(completed("j", "s"), "s", done)
		e.duplicate(notFound("s"), "s", done)
	}},
	{name: "WithoutAJobAfterOne", rule: ruleDuplicate, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		e.accepted(completed("j", "s"), "s")
		e.unchanged(func() { e.duplicate(notFound("s"), "s", received) })
	}},
	{name: "WithoutAJobOrARecord", rule: ruleNoJob, run: func(e *env) {
		e.refused(notFound("unknown"))
		e.refused(notFound(""))
		equal(e, "number of records", len(e.all()), 0)
	}},
	{name: "SeveralOfOneRecord", rule: ruleBatch, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 2)
		got := e.receive(completed("j2", "s"), completed("j2", "s"), failed("j2", ""), completed("j1", "s"), completed("j3", "s"))
		same := inbox.ReceiveResult{Kind: inbox.Duplicate, Key: "s", State: received}
		conflict := same
		conflict.Conflict = true
		equalAll(e, "results", got, []inbox.ReceiveResult{
			{Kind: inbox.Accepted, Key: "s", State: received}, same, conflict, same, {Kind: inbox.Refused},
		})
		e.wantJobs("s", "j2", "j1")
	}},
	{name: "SeveralOfOneNewRecord", rule: ruleBatch, run: func(e *env) {
		got := e.receive(completed(uuid1, ""), failed(strings.ToUpper(uuid1), ""), completed("j1", "new"), completed("j2", "new"), completed("j1", ""))
		equalAll(e, "results", got, []inbox.ReceiveResult{
			{Kind: inbox.Accepted, Key: uuid1, State: received},
			{Kind: inbox.Duplicate, Key: uuid1, State: received, Conflict: true},
			{Kind: inbox.Accepted, Key: "new", State: received},
			{Kind: inbox.Duplicate, Key: "new", State: received},
			{Kind: inbox.Duplicate, Key: "new", State: received},
		})
		equalAll(e, "keys", keysOf(e.all()), []string{uuid1, "new"})
	}},
	{name: "Batches", rule: ruleBatch, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		for _, n := range []int{0, 1, 2, 500} {
			// Every second job is new, the others are refused.
			list := make([]inbox.Notification, n)
			want := make([]inbox.ReceiveResult, n)
			for i := range list {
				key := fmt.Sprintf("n%d-%d", n, i)
				list[i], want[i] = completed(key, ""), inbox.ReceiveResult{Kind: inbox.Accepted, State: received, Key: key}
				if i%2 == 1 {
					list[i], want[i] = completed(key, "s"), inbox.ReceiveResult{Kind: inbox.Refused}
				}
			}
			equalAll(e, "results", e.receive(list...), want)
		}
		equal(e, "number of records", len(e.all()), 1+1+1+250)
	}},
}
