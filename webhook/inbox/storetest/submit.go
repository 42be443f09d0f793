package storetest

import (
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleSubmit    = "Submit records a submission that is about to be sent."
	ruleSendAgain = "If the record exists, Submit notes that it is sent once more."
	ruleTrack     = "Without an ID, Submit records a job that was submitted elsewhere, unless a record has that job."
	ruleSpellings = "Two spellings of one UUID are the same id."
	ruleMetadata  = "A record that has metadata from Submit keeps that."
)

var submitChecks = []check{
	{name: "NewRecordIsPending", rule: ruleSubmit, run: func(e *env) {
		e.ok(e.Store.Submit(e.ctx, inbox.Submission{
			ID: "s", Type: reducto.JobExtract, Webhook: true, PollAfter: pollAfter, Metadata: []byte(`{"a": 1}`),
		}))
		e.wantRecord(inbox.Record{
			Key: "s", SubmissionID: "s", State: pending, Type: reducto.JobExtract, Webhook: true, Metadata: []byte(`{"a": 1}`),
		})
		r := e.record("s")
		near(e, "time since SubmittedAt", r.ReadAt.Sub(r.SubmittedAt), 0)
		e.wantDueIn("s", pollAfter)
		e.ok(e.Store.Submit(e.ctx, inbox.Submission{ID: "plain", PollAfter: time.Minute}))
		e.wantRecord(inbox.Record{Key: "plain", SubmissionID: "plain", State: pending})
	}},
	{name: "MetadataOfSubmitWins", rule: ruleMetadata, run: func(e *env) {
		e.submitWith("with", `{"big": 12345678901234567890}`)
		e.submit("without")
		for key, want := range map[string]string{"with": `{"big": 12345678901234567890}`, "without": `{"theirs": 1}`} {
			e.bind(key, "job-"+key, 1)
			e.accepted(withMetadata(completed("job-"+key, key), `{"theirs": 1}`), key)
			equal(e, "Metadata", string(e.record(key).Metadata), want)
			equal(e, "Metadata of the claim", string(e.claimOne(key).Metadata), want)
		}
	}},
	{name: "AgainChangesNoField", rule: ruleSendAgain, run: func(e *env) {
		all := e.everyState()
		e.Advance(10 * time.Minute)
		e.unchanged(func() {
			for _, s := range all {
				e.ok(e.Store.Submit(e.ctx, inbox.Submission{ID: s.key, PollAfter: 20 * time.Hour, Metadata: []byte(`2`)}))
			}
		})
	}},
	{name: "AgainExpectsAnotherJob", rule: ruleSendAgain, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 1)
		e.submit("s")
		e.bind("s", "j2", 1)
		e.wantJobs("s", "j1", "j2")
		e.refused(completed("j3", "s"))
		e.accepted(completed("j2", "s"), "s")
		e.duplicate(completed("j1", "s"), "s", received)
		e.wantJobs("s", "j2", "j1")
	}},
	{name: "TrackedJobNeedsNoBind", rule: ruleTrack, run: func(e *env) {
		e.ok(e.Store.Submit(e.ctx, inbox.Submission{JobID: "j", Type: reducto.JobEdit, PollAfter: pollAfter}))
		e.wantRecord(inbox.Record{Key: "j", JobID: "j", JobIDs: []string{"j"}, State: pending, Type: reducto.JobEdit})
		e.wantDueIn("j", pollAfter)
		e.accepted(completed("j", ""), "j")
		e.claimOne("j") // it does not wait
	}},
	{name: "TrackedJobNamesASubmission", rule: "A notification of an unknown job, for an unknown submission or none, makes a record.", run: func(e *env) {
		// The submission is in another store, or in none.
		e.track("j")
		e.accepted(completed("j", "elsewhere"), "j")
		e.duplicate(completed("j", "elsewhere"), "j", received)
		equal(e, "number of records", len(e.all()), 1)
		e.refused(completed("j2", "j"))
	}},
	{name: "TrackOfAKnownJobIsIgnored", rule: ruleTrack, run: func(e *env) {
		e.submit("s", "waits")
		e.bind("s", "j", 1)
		e.accepted(completed("waiting", "waits"), "waits")
		e.track("tracked", uuid1)
		e.receiveJobs("delivered")
		e.unchanged(func() { e.track("j", "waiting", "tracked", "delivered", strings.ToUpper(uuid1)) })
	}},
	{name: "JobNamedLikeASubmissionIsIgnored", rule: "Its Key is the submission's id, or the job's id if there is no submission.", run: func(e *env) {
		// Two records cannot have one key.
		e.submit(uuid1)
		e.unchanged(func() {
			e.track(uuid1, strings.ToUpper(uuid1))
			e.refused(completed(uuid1, ""))
		})
	}},
	{name: "SpellingsOfASubmission", rule: ruleSpellings, run: func(e *env) {
		upper := strings.ToUpper(uuid1)
		e.submit(upper)
		equal(e, "SubmissionID", e.record(uuid1).SubmissionID, upper)
		e.submit(uuid1)
		equal(e, "number of records", len(e.all()), 1)
		e.bind(uuid1, "j1", 1)
		e.bind(upper, "j2", 1)
		e.refused(completed("j3", uuid1))
		e.accepted(completed("j1", upper), uuid1)
		r := e.claimOne(uuid1)
		r.Key = upper
		equalAll(e, "held", e.extend(lease, leaseOf(r)), []bool{true})
		e.end(r, done)
	}},
	{name: "SpellingsOfAJob", rule: ruleSpellings, run: func(e *env) {
		upper := strings.ToUpper(uuid1)
		e.accepted(completed(upper, ""), uuid1)
		e.wantJobs(uuid1, upper)
		e.duplicate(completed(uuid1, ""), uuid1, received)
		e.wantResult(failed(uuid1, ""), inbox.ReceiveResult{Kind: inbox.Duplicate, Conflict: true, Key: uuid1, State: received})
		e.submit("s", "waits")
		e.bind("s", uuid2, 1)
		e.unchanged(func() {
			e.bind("s", strings.ToUpper(uuid2), 1)
			e.track(strings.ToUpper(uuid2))
			e.refused(completed(strings.ToUpper(uuid2), "waits"))
		})
		e.accepted(completed(strings.ToUpper(uuid2), "s"), "s")
		e.wantJobs("s", uuid2)
		third := "A" + upper[1:]
		e.accepted(completed(third, "waits"), "waits")
		e.bind("waits", strings.ToLower(third), 1)
		e.wantDueIn("waits", 0)
		e.wantJobs("waits", third)
	}},
	{name: "OnlyUUIDsHaveSpellings", rule: ruleSpellings, run: func(e *env) {
		e.submit("Case", "case")
		e.track("Job", "job")
		e.accepted(completed("JOB", ""), "JOB")
		equalAll(e, "keys", keysOf(e.all()), []string{"Case", "JOB", "Job", "case", "job"})
	}},
}

const (
	ruleBind     = "Bind records the answer to a submission."
	ruleRepeat   = "It is safe to repeat."
	ruleRefusal  = "It is zero if the API refused it: if no job was ever made, the record is removed."
	ruleNamed    = "It is also zero if a list of jobs named the job, which ends no send."
	ruleJobs     = "Jobs is how many jobs the submission may have made, as it can be sent more than once."
	ruleOneOwner = "A job belongs to at most one record."
	ruleConflict = "Its error is ErrConflict if another record keeps the job, or if the record was already claimed for another job."
	ruleKeeps    = "The store keeps what it has."
)

var bindChecks = []check{
	{name: "NamesTheJob", rule: ruleBind, run: func(e *env) {
		e.submit("s")
		before := e.record("s")
		e.Advance(10 * time.Minute)
		e.bind("s", "j", 1)
		want := before
		want.JobID, want.JobIDs = "j", []string{"j"}
		e.wantAll([]inbox.Record{normal(want)})
	}},
	{name: "AgainChangesNothing", rule: ruleRepeat, run: func(e *env) {
		e.submit("s", "list", "t")
		e.submit("list")
		e.track("j3")
		e.bind("s", "j1", 1)
		e.bind("list", "j2", 0)
		e.bind("t", "j3", 1) // the record of t is removed
		e.unchanged(func() {
			e.bind("s", "j1", 1)
			e.bind("s", "j1", 0)
			e.bind("list", "j2", 0)
			e.bind("t", "j3", 1)
		})
		e.refused(completed("k1", "s"))
		e.bind("list", "j2", 1)
		e.bind("list", "j2", 1) // is no answer to the other send
		e.accepted(completed("k2", "list"), "list")
		e.bind("list", "k2", 1)
		e.wantDueIn("list", 0)
		e.refused(completed("k3", "list"))
	}},
	{name: "LostAnswer", rule: ruleJobs, run: func(e *env) {
		e.submit("s")
		e.bind("s", "", 1)
		e.wantJobs("s", "")
		e.wantState("s", pending)
		e.accepted(completed("j1", "s"), "s")
		e.claimOne("s") // no answer is expected, so it does not wait
		e.refused(completed("j2", "s"))
	}},
	{name: "LostAnswerOfTwo", rule: ruleJobs, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 2)
		e.accepted(completed("j2", "s"), "s")
		e.duplicate(completed("j1", "s"), "s", received)
		e.refused(completed("j3", "s"))
		e.wantJobs("s", "j2", "j1")
	}},
	{name: "SendsAddUp", rule: ruleJobs, run: func(e *env) {
		e.submit("s")
		e.bind("s", "", 2)
		e.submit("s")
		e.bind("s", "j4", 1)
		e.accepted(completed("j1", "s"), "s")
		e.duplicate(completed("j2", "s"), "s", received)
		e.unchanged(func() { e.refused(completed("j3", "s")) })
		e.duplicate(completed("j4", "s"), "s", received)
		e.wantJobs("s", "j1", "j2", "j4")
	}},
	{name: "RefusedSubmissionIsRemoved", rule: ruleRefusal, run: func(e *env) {
		e.submit("s", "other")
		e.unchanged(func() { e.bind("s", "", 0) }, "s")
		e.bind("s", "", 0)
		e.wantNone("s")
		e.accepted(completed("j", "s"), "s") // it is unknown again
	}},
	{name: "RefusedSendOfSeveral", rule: ruleRefusal, run: func(e *env) {
		// A record is kept while another send made a job, or may have made one.
		e.submit("open", "made", "lost", "refused")
		e.submit("open", "made", "lost", "refused")
		e.bind("made", "j", 1)
		e.bind("lost", "", 1)
		e.unchanged(func() {
			for _, key := range []string{"open", "made", "lost", "refused"} {
				e.bind(key, "", 0)
			}
		})
		e.unchanged(func() { e.bind("refused", "", 0) }, "refused")
		e.refused(completed("j2", "made"))
		e.accepted(completed("k1", "lost"), "lost")
		e.refused(completed("k2", "lost"))
		e.bind("open", "o", 1)
		e.refused(completed("o2", "open"))
	}},
	{name: "RefusedAfterAJobWasNamed", rule: ruleRefusal, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 0)
		e.unchanged(func() { e.bind("s", "", 0) })
		e.refused(completed("j2", "s"))
	}},
	{name: "ListNamesAJob", rule: ruleNamed, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 0)
		e.wantState("s", pending)
		e.wantJobs("s", "j")
		e.accepted(completed("j", "s"), "s")
		e.duplicate(completed("j2", "s"), "s", received) // the answer is still expected
		e.bind("s", "j2", 1)
		e.wantJobs("s", "j", "j2")
		e.refused(completed("j3", "s"))
	}},
	{name: "AnswerAfterAListNamedTheJob", rule: ruleNamed, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 0)
		e.bind("s", "j", 1) // the answer ends the send, though it says nothing new
		e.wantJobs("s", "j")
		e.refused(completed("j2", "s"))
	}},
	{name: "WithoutARecord", rule: ruleBind, run: func(e *env) {
		e.bind("s", "j", 1)
		e.wantRecord(inbox.Record{Key: "s", SubmissionID: "s", JobID: "j", JobIDs: []string{"j"}, State: pending})
		r := e.record("s")
		near(e, "time since SubmittedAt", r.ReadAt.Sub(r.SubmittedAt), 0)
		e.wantOverdue("s")
		e.refused(completed("j2", "s"))
		e.accepted(completed("j", "s"), "s")
	}},
	{name: "AfterTheNotification", rule: ruleBind, run: func(e *env) {
		for _, s := range e.everyState() {
			if s.state == pending {
				continue
			}
			before := e.record(s.key)
			e.submit(s.key)
			e.bind(s.key, "second-"+s.key, 1)
			before.JobIDs = append(before.JobIDs, "second-"+s.key)
			equal(e, "record", describe(timeless(e.record(s.key))), describe(timeless(before)))
			e.duplicate(completed("second-"+s.key, s.key), s.key, s.state)
		}
	}},
	{name: "JobOfAnotherSubmission", rule: ruleConflict, run: func(e *env) {
		e.submit("s1", "s2")
		e.bind("s1", "j", 1)
		e.bindConflict("s2", "j", 1)
		e.bindConflict("s2", "j", 1)
		e.wantJobs("s1", "j")
		e.wantJobs("s2", "")
		e.wantState("s2", pending)
		e.unchanged(func() { e.bindConflict("unknown", "j", 1) })
		e.accepted(completed("j", ""), "s1")
		e.end(e.claimOne("s1"), done)
		e.bindConflict("s2", "j", 1)
	}},
	{name: "TrackedJobStandsForTheSubmission", rule: ruleOneOwner, run: func(e *env) {
		e.submit("s1", "s2")
		e.receiveJobs("j1")
		e.track("j2")
		e.unchanged(func() {
			e.bind("s1", "j1", 1)
			e.bind("s2", "j2", 1)
		}, "s1", "s2")
		e.unchanged(func() { e.bind("s1", "j1", 1) })
		e.duplicate(completed("j1", "s1"), "j1", received)
		e.accepted(completed("j2", "s2"), "j2")
	}},
	{name: "TrackedJobOfASubmissionWithAnotherJob", rule: ruleConflict, run: func(e *env) {
		e.submit("s")
		e.submit("s")
		e.bind("s", "j", 1)
		e.track("t")
		e.unchanged(func() { e.bindConflict("s", "t", 1) })
	}},
}

const (
	ruleHold    = "Hold is how long a record waits for Bind before it is due, if the answer to its submission is still expected and has not named the job."
	ruleRelease = "Bind returns a record to pending if it was received for a job that is not its own and waits for Bind."
)

// waitChecks are about deliveries that overtake the answer to their submission.
var waitChecks = []check{
	{name: "UntilBindNamesTheJob", rule: ruleHold, run: func(e *env) {
		e.submit("s")
		e.accepted(completed("j", "s"), "s")
		e.wantDueIn("s", hold)
		e.claimKeys()
		e.bind("s", "j", 1)
		e.wantDueIn("s", 0)
		e.wantJobs("s", "j")
		e.claimOne("s")
	}},
	{name: "UntilAListNamesTheJob", rule: ruleHold, run: func(e *env) {
		e.submit("s")
		e.accepted(completed("j", "s"), "s")
		e.bind("s", "j", 0)
		e.claimOne("s")
	}},
	{name: "UntilHoldIsOver", rule: ruleHold, run: func(e *env) {
		e.submit("s")
		e.accepted(completed("j", "s"), "s")
		e.Advance(hold - time.Minute)
		e.claimKeys()
		e.Advance(2 * time.Minute)
		r := e.claimOne("s")
		e.bind("s", "j", 1)
		e.wantState("s", claimed)
		e.wantDueIn("s", lease)
		e.end(r, done)
	}},
	{name: "NotWithoutHold", rule: ruleHold, run: func(e *env) {
		e.submit("s")
		n := completed("j", "s")
		n.Hold = 0
		e.accepted(n, "s")
		e.claimOne("s")
	}},
	{name: "OnlyIfAnAnswerIsExpected", rule: ruleHold, run: func(e *env) {
		e.submit("bound", "lost", "sentAgain")
		e.bind("bound", "a", 1)
		e.bind("lost", "", 1)
		e.bind("sentAgain", "c", 1)
		e.submit("sentAgain")
		e.track("d")
		keys := []string{"bound", "lost", "sentAgain", "d", "e", "unknown"}
		for i, n := range []inbox.Notification{
			completed("a", "bound"), completed("b", "lost"), completed("c", "sentAgain"), completed("d", ""), completed("e", ""), completed("f", "unknown"),
		} {
			e.accepted(n, keys[i])
			e.wantDueIn(keys[i], 0)
			e.Advance(2 * time.Minute)
		}
		e.claimKeys(keys...)
	}},
	{name: "AlsoIfAnotherJobIsKnown", rule: ruleHold, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 1)
		e.submit("s")
		e.accepted(completed("j2", "s"), "s")
		e.wantDueIn("s", hold)
		e.bind("s", "j2", 1)
		e.claimOne("s")
	}},
	{name: "BindOfAnotherJob", rule: ruleRelease, run: func(e *env) {
		e.submit("s")
		before := e.all()
		e.accepted(withMetadata(failed("stranger", "s"), `{"theirs":1}`), "s")
		e.duplicate(completed("j", "s"), "s", received) // which is lost, as s waits
		e.wantJobs("s", "stranger")
		e.bind("s", "j", 1)
		want := timeless(before[0])
		want.JobID, want.JobIDs = "j", []string{"j"}
		e.wantRecord(want)
		e.wantDueIn("s", 0) // to be polled at once
		e.Advance(2 * hold)
		e.claimKeys()
		e.wantOverdue("s")
		e.refused(completed("stranger", "s"))
		e.accepted(completed("stranger", ""), "stranger") // the job is free
		e.accepted(completed("j", "s"), "s")
		equal(e, "Status", e.record("s").Status, reducto.StatusCompleted)
		e.Advance(2 * time.Minute)
		e.claimKeys("stranger", "s")
	}},
	{name: "BindOfAnotherJobKeepsMetadataOfSubmit", rule: ruleMetadata, run: func(e *env) {
		e.submitWith("s", `{"ours":1}`)
		e.accepted(withMetadata(completed("stranger", "s"), `{"theirs":1}`), "s")
		e.bind("s", "j", 1)
		equal(e, "Metadata", string(e.record("s").Metadata), `{"ours":1}`)
		e.accepted(withMetadata(completed("j", "s"), `{"theirs":2}`), "s")
		equal(e, "Metadata", string(e.claimOne("s").Metadata), `{"ours":1}`)
	}},
	{name: "BindForAnotherSubmission", rule: ruleRelease, run: func(e *env) {
		e.submit("s", "t")
		e.accepted(withMetadata(completed("j", "s"), `{"theirs":1}`), "s")
		e.unchanged(func() { e.refused(completed("j", "t")) })
		e.bind("t", "j", 1)
		e.wantJobs("t", "j")
		e.wantState("t", pending)
		e.wantRecord(inbox.Record{Key: "s", SubmissionID: "s", State: pending, Type: reducto.JobParse, Webhook: true})
		e.wantDueIn("s", 0)
		e.unchanged(func() { e.refused(completed("j", "s")) })
		e.accepted(completed("j", "t"), "t")
		e.claimOne("t")
		e.accepted(completed("k", "s"), "s") // it can still wait for a job of its own
		e.wantDueIn("s", hold)
	}},
	{name: "BindForAnotherSubmissionWhenBothWait", rule: ruleRelease, run: func(e *env) {
		e.submit("s", "t")
		e.accepted(completed("jt", "s"), "s")
		e.accepted(completed("js", "t"), "t")
		e.bind("t", "jt", 1)
		for _, key := range []string{"s", "t"} {
			e.wantState(key, pending)
		}
		e.bind("s", "js", 1)
		e.wantJobs("s", "js")
		e.wantJobs("t", "jt")
	}},
	{name: "BindForAnotherSubmissionAfterHold", rule: ruleRelease, run: func(e *env) {
		// Claim ends the wait, not the time.
		e.submit("s", "t", "u")
		e.accepted(completed("j", "s"), "s")
		e.accepted(completed("k", "u"), "u")
		e.Advance(2 * hold)
		e.bind("t", "j", 1)
		e.wantState("s", pending)
		e.bind("u", "own", 1)
		e.wantState("u", pending)
		e.claimKeys()
	}},
	{name: "BindForAnotherSubmissionOfARefusedOne", rule: ruleRefusal, run: func(e *env) {
		e.submit("s", "t")
		e.accepted(completed("j", "s"), "s")
		e.bind("s", "", 0)
		e.wantState("s", received)
		e.bind("t", "j", 1)
		e.wantNone("s")
	}},
	{name: "BindOfAnotherJobAfterClaim", rule: ruleConflict, run: func(e *env) {
		// In every state after the first claim, the record stays what it is.
		for _, state := range []inbox.State{claimed, received, done, dead} {
			key := string(state)
			e.submit(key, "other-"+key)
			e.accepted(completed("wrong-"+key, key), key)
			e.Advance(hold + time.Minute)
			r := e.claimOne(key)
			if state != claimed {
				c := completion(r, state)
				c.After = 50 * lease
				e.finishOne(c)
			}
			before := e.record(key)
			e.bindConflict(key, "own-"+key, 1)
			e.bindConflict(key, "own-"+key, 1)
			e.bindConflict("other-"+key, "wrong-"+key, 1)
			after := e.record(key)
			after.JobIDs, before.JobIDs, after.ReadAt, before.ReadAt = nil, nil, time.Time{}, time.Time{}
			equal(e, "record", describe(normal(after)), describe(normal(before)))
			e.duplicate(completed("own-"+key, key), key, state)
			if state == claimed {
				e.end(r, done)
			}
		}
	}},
	{name: "NotAllAnswersAreKnown", rule: ruleRelease, run: func(e *env) {
		e.submit("two", "lost", "open")
		e.submit("open")
		e.accepted(completed("a2", "two"), "two")
		e.accepted(completed("b1", "lost"), "lost")
		e.accepted(completed("c2", "open"), "open")
		e.bind("two", "a1", 2)
		e.bind("lost", "", 1)
		e.bind("open", "c1", 1)
		for _, key := range []string{"two", "lost", "open"} {
			e.wantState(key, received)
			e.wantDueIn(key, hold)
		}
		e.refused(completed("a3", "two"))
		e.refused(completed("b2", "lost"))
		e.Advance(hold + time.Minute)
		equalAll(e, "claimed", sorted(keysOf(e.claim(5))), []string{"lost", "open", "two"})
	}},
	{name: "SecondAnswerDecides", rule: ruleRelease, run: func(e *env) {
		for _, id := range []string{"own", "strange"} {
			e.submit(id)
			e.submit(id)
			e.accepted(completed(id+"-2", id), id)
			e.bind(id, id+"-1", 1)
		}
		e.claimKeys()
		e.bind("own", "own-2", 1)
		e.claimOne("own")
		e.bind("strange", "strange-3", 1)
		e.wantState("strange", pending)
		e.wantJobs("strange", "strange-1", "strange-3")
	}},
	{name: "NotFoundDoesNotWait", rule: ruleHold, run: func(e *env) {
		e.submit("s")
		e.accepted(notFound("s"), "s")
		e.wantDueIn("s", 0)
		r := e.claimOne("s")
		equal(e, "Outcome", r.Outcome, webhook.OutcomeUnknown)
		e.bind("s", "j", 1)
		e.wantState("s", claimed)
	}},
}
