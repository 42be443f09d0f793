package storetest

import (
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

var submitChecks = []check{
	{name: "NewIsPending", run: func(e *env) {
		e.ok(e.Store.Submit(e.ctx, webhook.Submitted{
			ID: "s", Type: reducto.JobTypeExtract, Webhook: true, LookAfter: lookAfter,
		}))
		r := e.record("s")
		equal(e, "Key", r.Key, "s")
		equal(e, "SubmissionID", r.SubmissionID, "s")
		equal(e, "JobID", r.JobID, "")
		equal(e, "number of JobIDs", len(r.JobIDs), 0)
		equal(e, "State", r.State, webhook.StatePending)
		equal(e, "Type", r.Type, reducto.JobTypeExtract)
		equal(e, "Webhook", r.Webhook, true)
		equal(e, "Status", r.Status, "")
		equal(e, "Outcome", r.Outcome, "")
		equal(e, "Source", r.Source, "")
		equal(e, "length of Metadata", len(r.Metadata), 0)
		equal(e, "Attempt", r.Attempt, 0)
		equal(e, "Token", r.Token, 0)
		equal(e, "Looks", r.Looks, 0)
		equal(e, "Error", r.Error, "")
		near(e, "time since SubmittedAt", r.ReadAt.Sub(r.SubmittedAt), 0)
		near(e, "time to DueAt", r.DueAt.Sub(r.ReadAt), lookAfter)
		equal(e, "no ReceivedAt", r.ReceivedAt.IsZero(), true)
		equal(e, "no FinishedAt", r.FinishedAt.IsZero(), true)
	}},
	{name: "TypeMayBeUnknownAndNoWebhookExpected", run: func(e *env) {
		e.ok(e.Store.Submit(e.ctx, webhook.Submitted{ID: "s", LookAfter: time.Minute}))
		r := e.record("s")
		equal(e, "Type", r.Type, "")
		equal(e, "Webhook", r.Webhook, false)
	}},
	{name: "MetadataIsKeptForAnArrivalWithoutAny", run: func(e *env) {
		for _, id := range []string{"swept", "delivered"} {
			e.ok(e.Store.Submit(e.ctx, webhook.Submitted{ID: id, LookAfter: lookAfter, Metadata: []byte(`{"big": 12345678901234567890}`)}))
			equal(e, "Metadata", string(e.record(id).Metadata), `{"big": 12345678901234567890}`)
			e.bind(id, "job-"+id, 1)
		}
		e.accepted(heard("job-swept", "swept"), "swept")
		equal(e, "Metadata", string(e.record("swept").Metadata), `{"big": 12345678901234567890}`)
		equal(e, "Metadata", string(e.claimOne("swept").Metadata), `{"big": 12345678901234567890}`)
		a := heard("job-delivered", "delivered")
		a.Metadata = []byte(`{}`)
		e.accepted(a, "delivered")
		equal(e, "Metadata", string(e.claimOne("delivered").Metadata), `{}`)
	}},
	{name: "AgainKeepsTheState", run: func(e *env) {
		all := e.everyState()
		e.Advance(10 * time.Minute)
		e.unchanged(func() {
			for _, s := range all {
				e.ok(e.Store.Submit(e.ctx, webhook.Submitted{ID: s.key, LookAfter: 20 * time.Hour, Metadata: []byte(`2`)}))
			}
		})
	}},
	{name: "AgainExpectsOneMoreJob", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 1)
		e.submit("s")
		e.bind("s", "j2", 1)
		equalAll(e, "JobIDs", sorted(e.record("s").JobIDs), []string{"j1", "j2"})
		e.refused(heard("j3", "s"))
		e.accepted(heard("j2", "s"), "s")
		e.duplicate(heard("j1", "s"), "s", webhook.StateReceived)
	}},
	{name: "ElsewhereNeedsNoBind", run: func(e *env) {
		e.ok(e.Store.Submit(e.ctx, webhook.Submitted{JobID: "j", Type: reducto.JobTypeEdit, LookAfter: lookAfter}))
		r := e.record("j")
		equal(e, "SubmissionID", r.SubmissionID, "")
		equal(e, "JobID", r.JobID, "j")
		equalAll(e, "JobIDs", r.JobIDs, []string{"j"})
		equal(e, "State", r.State, webhook.StatePending)
		equal(e, "Type", r.Type, reducto.JobTypeEdit)
		near(e, "time to DueAt", r.DueAt.Sub(r.ReadAt), lookAfter)
		e.accepted(heard("j", ""), "j")
		e.claimOne("j") // due at once, not after Hold
	}},
	{name: "ElsewhereAgainChangesNothing", run: func(e *env) {
		e.track("j")
		e.unchanged(func() {
			e.ok(e.Store.Submit(e.ctx, webhook.Submitted{JobID: "j", Type: reducto.JobTypeEdit, LookAfter: 20 * time.Hour}))
		})
	}},
	{name: "ElsewhereOfAKnownJobMakesNoRecord", run: func(e *env) {
		e.submit("s")
		e.bind("s", "j", 1)
		e.receiveJobs("heard")
		e.unchanged(func() { e.track("j", "heard") })
	}},
	{name: "SpellingsOfAJob", run: func(e *env) {
		e.track(uuid1)
		e.unchanged(func() { e.track(strings.ToUpper(uuid1)) })
		e.submit("s")
		e.bind("s", strings.ToUpper(uuid2), 1)
		e.unchanged(func() { e.track(uuid2) })
	}},
	{name: "SpellingsOfASubmission", run: func(e *env) {
		e.submit(strings.ToUpper(uuid1))
		r := e.record(uuid1)
		equal(e, "SubmissionID", r.SubmissionID, strings.ToUpper(uuid1))
		e.submit(uuid1)
		equal(e, "number of records", len(e.all()), 1)
		e.bind(uuid1, "j1", 1)
		e.bind(strings.ToUpper(uuid1), "j2", 1)
		e.refused(heard("j3", uuid1))
		e.accepted(heard("j1", strings.ToUpper(uuid1)), uuid1)
	}},
	{name: "OnlyUUIDsHaveSpellings", run: func(e *env) {
		e.submit("Case", "case")
		e.track("Job", "job")
		equalAll(e, "keys", keysOf(e.all()), []string{"Case", "Job", "case", "job"})
	}},
}

// Ids as the service makes them.
const (
	uuid1 = "0f8fad5b-d9cb-469f-a165-70867728950e"
	uuid2 = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
)
