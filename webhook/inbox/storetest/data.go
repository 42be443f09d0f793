package storetest

import (
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const ruleClock = "The store's clock counts, not the caller's."

var dataChecks = []check{
	{name: "MetadataIsKeptByteForByte", rule: "Metadata is the submission's, or the notification's if the submission had none.", run: func(e *env) {
		texts := []string{
			"", `{}`, `[]`, `null`, `""`, `0`,
			`{"b":1,"a":2,"b":3}`,
			" {\n\t\"spaced\" :  [ 1 , 2 ] }\n",
			`{"big":12345678901234567890123456789,"small":1e-400,"float":1.0,"exp":1E+2,"zero":-0}`,
			`{"ünï":"\u00fc\ud83d\ude00 😀 \u2028","nul":"\u0000","lone":"\ud800","slash":"\/","html":"<&>"}`,
			`"'; DROP TABLE records; -- $1 ? :x @p"`,
			`"` + strings.Repeat("x", 1<<20) + `"`,
			strings.Repeat("[", 200) + strings.Repeat("]", 200),
		}
		keys := ids("j", len(texts))
		want := map[string]string{}
		for i, key := range keys {
			e.accepted(withMetadata(completed(key, ""), texts[i]), key)
			e.submitWith("s"+key, texts[i])
			want[key], want["s"+key] = texts[i], texts[i]
		}
		same := func(records []inbox.Record) {
			for _, r := range records {
				if got := string(r.Metadata); got != want[r.Key] {
					e.Errorf("Metadata is %q, want %q", head(got), head(want[r.Key]))
				}
			}
		}
		same(e.list(inbox.Filter{}))
		records := e.claim(len(texts))
		same(records)
		e.end(records[0], done)
		same(e.list(inbox.Filter{}))
		e.Advance(2 * pollAfter)
		same(e.overdue(len(texts), time.Hour))
	}},
	{name: "LongestIDs", rule: ruleSubmit, run: func(e *env) {
		const chars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.:~"
		id := (chars + chars)[:128]
		submission := strings.NewReplacer(".", "-", ":", "-", "~", "-").Replace(id)
		e.submit(submission)
		e.bind(submission, id, 1)
		e.accepted(completed(id, submission), submission)
		e.lock(id, id, lease, true)
		r := e.claimOne(submission)
		e.wantJobs(submission, id)
		e.end(r, done)
	}},
	{name: "UnknownValues", rule: "Status is the job's status as it was announced, and Outcome its meaning.", run: func(e *env) {
		// The API may add types and statuses.
		e.ok(e.Store.Submit(e.ctx, inbox.Submission{ID: "s", Type: "Dream", PollAfter: pollAfter}))
		e.bind("s", "j", 1)
		n := completed("j", "s")
		n.Status, n.Outcome, n.Source = "Dreamt \u00e9", "dreamt", "oracle"
		e.accepted(n, "s")
		r := e.claimOne("s")
		equal(e, "Type", r.Type, reducto.JobType("Dream"))
		equal(e, "Status", r.Status, reducto.JobStatus("Dreamt \u00e9"))
		equal(e, "Outcome", r.Outcome, webhook.Outcome("dreamt"))
		equal(e, "Source", r.Source, inbox.Source("oracle"))
		e.duplicate(n, "s", claimed)
		equal(e, "Conflict", e.receive(completed("j", "s"))[0].Conflict, true)
	}},
	{name: "ArgumentsAndResultsAreTheCallers", rule: "All methods are safe for concurrent use", run: func(e *env) {
		// The caller may change what it gave and what it got.
		given := []byte(`{"b":2}`)
		e.ok(e.Store.Submit(e.ctx, inbox.Submission{ID: "p", Webhook: true, PollAfter: pollAfter, Metadata: given}))
		e.bind("p", "jp", 1)
		clear(given)
		list := []inbox.Notification{withMetadata(completed("j", ""), `{"a":1}`)}
		e.receive(list...)
		clear(list[0].Metadata)
		list[0].JobID = "X"
		spoil := func(records []inbox.Record) {
			for _, r := range records {
				clear(r.Metadata)
				clear(r.JobIDs)
			}
		}
		e.unchanged(func() { spoil(e.list(inbox.Filter{})) })
		spoil(e.claimKeys("j"))
		e.Advance(2 * pollAfter)
		spoil(e.overdue(1, time.Hour))
		equal(e, "Metadata", string(e.record("j").Metadata), `{"a":1}`)
		equal(e, "Metadata", string(e.record("p").Metadata), `{"b":2}`)
		e.wantJobs("j", "j")
		e.wantJobs("p", "jp")
		e.stats().Count[done] = 99
		equal(e, "number done", e.stats().Count[done], 0)
	}},
}

var timeChecks = []check{
	{name: "JumpsForward", rule: ruleClock, run: func(e *env) {
		// The machine was asleep for two days, or its clock was set.
		e.submit("s")
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.lock("l", "a", lease, true)
		e.Advance(48 * time.Hour)
		e.wantOverdue("s")
		e.lock("l", "b", lease, true)
		equalAll(e, "held", e.extend(lease, leaseOf(r)), []bool{true})
		e.claimKeys()
		e.Advance(48 * time.Hour)
		again := e.claimOne("j")
		near(e, "time until DueAt", again.DueAt.Sub(again.ReadAt), lease)
		near(e, "time since ReceivedAt", again.ReadAt.Sub(again.ReceivedAt), 96*time.Hour)
	}},
	{name: "StoresClockCounts", rule: ruleClock, run: func(e *env) {
		e.receiveJobs("before")
		first := e.record("before").ReadAt
		e.Advance(10 * time.Hour) // the caller's clock is ten hours behind now
		e.submit("s")
		e.bind("t", "j", 1)
		e.receiveJobs("after")
		e.end(e.claimKeys("before", "after")[0], done)
		for what, at := range map[string]time.Time{
			"SubmittedAt by Submit": e.record("s").SubmittedAt, "SubmittedAt by Bind": e.record("t").SubmittedAt,
			"ReceivedAt": e.record("after").ReceivedAt, "FinishedAt": e.record("before").FinishedAt,
		} {
			near(e, what, at.Sub(first), 10*time.Hour)
		}
		e.wantDueIn("s", pollAfter)
	}},
	{name: "DurationsBelowASecond", rule: "its lease lasts for the given time", run: func(e *env) {
		e.receiveJobs("j")
		records, _, err := e.Store.Claim(e.ctx, 1, 1500*time.Millisecond)
		e.ok(err)
		r := e.only(records)
		if d := r.DueAt.Sub(r.ReadAt); (d - 1500*time.Millisecond).Abs() > 250*time.Millisecond {
			e.Errorf("a lease of 1.5s ends in %v", d)
		}
	}},
}
