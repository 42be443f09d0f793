package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

var dataChecks = []check{
	{name: "MetadataIsKeptByteByByte", run: func(e *env) {
		texts := []string{
			"",
			`{}`,
			`[]`,
			`null`,
			`""`,
			`0`,
			`{"b":1,"a":2,"b":3}`,
			" {\n\t\"spaced\" :  [ 1 , 2 ] }\n",
			`{"big":12345678901234567890123456789,"small":1e-400,"float":1.0,"exp":1E+2,"zero":-0}`,
			`{"ünï":"\u00fc\ud83d\ude00 😀 \u2028","nul":"\u0000","lone":"\ud800","slash":"\/","html":"<&>"}`,
			`"'; DROP TABLE records; -- $1 ? :x @p"`,
			`"` + strings.Repeat("x", 1<<20) + `"`,
			strings.Repeat("[", 200) + strings.Repeat("]", 200),
		}
		arrivals := make([]webhook.Arrival, 0, len(texts))
		for i, text := range texts {
			a := heard(fmt.Sprintf("j%02d", i), "")
			if text != "" {
				a.Metadata = []byte(text)
			}
			arrivals = append(arrivals, a)
		}
		e.receive(arrivals...)
		same := func(where string, records []webhook.Record) {
			if len(records) != len(texts) {
				e.Fatalf("%s: %d records of %d", where, len(records), len(texts))
			}
			for i, text := range texts {
				r := records[i]
				if got := string(r.Metadata); got != text {
					e.Errorf("%s: Metadata is %q, want %q", where, head(got), head(text))
				}
				if text == "" && r.Metadata != nil {
					e.Errorf("%s: Metadata is empty, want it nil", where)
				}
			}
		}
		same("listed", e.list(webhook.Filter{}))
		claimed := e.claim(len(texts))
		byKey := map[string]webhook.Record{}
		for _, r := range claimed {
			byKey[r.Key] = r
		}
		inOrder := make([]webhook.Record, 0, len(texts))
		for _, a := range arrivals {
			inOrder = append(inOrder, byKey[a.JobID])
		}
		same("claimed", inOrder)
		for _, r := range claimed {
			e.end(r, webhook.StateDone)
		}
		same("done", e.list(webhook.Filter{}))
	}},
	{name: "LongestIDs", run: func(e *env) {
		const chars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.:~"
		id := (chars + chars)[:128]
		submission := strings.NewReplacer(".", "-", ":", "-", "~", "-").Replace(id)
		e.submit(submission)
		e.bind(submission, id, 1)
		e.accepted(heard(id, submission), submission)
		e.lock(id, id, lease, true)
		r := e.claimOne(submission)
		equal(e, "JobID", r.JobID, id)
		equal(e, "SubmissionID", r.SubmissionID, submission)
		e.end(r, webhook.StateDone)
	}},
	{name: "OpenSets", run: func(e *env) {
		e.ok(e.Store.Submit(e.ctx, webhook.Submitted{ID: "s", Type: "Dream", LookAfter: lookAfter}))
		a := heard("j", "s")
		a.Status, a.Outcome, a.Source, a.Hold = "Dreamt", "dreamt", "oracle", 0
		e.accepted(a, "s")
		r := e.claimOne("s")
		equal(e, "Type", r.Type, reducto.JobType("Dream"))
		equal(e, "Status", r.Status, reducto.JobStatus("Dreamt"))
		equal(e, "Outcome", r.Outcome, webhook.Outcome("dreamt"))
		equal(e, "Source", r.Source, webhook.Source("oracle"))
	}},
	{name: "BelongsToTheCaller", run: func(e *env) {
		given := []byte(`{"b":2}`)
		e.ok(e.Store.Submit(e.ctx, webhook.Submitted{ID: "p", Webhook: true, LookAfter: lookAfter, Metadata: given}))
		clear(given)
		equal(e, "Metadata", string(e.record("p").Metadata), `{"b":2}`)
		e.withdraw("p")
		e.submit("s")
		e.bind("s", "j1", 2)
		a := heard("j2", "s")
		a.Metadata = []byte(`{"a":1}`)
		arrivals := []webhook.Arrival{a}
		e.receive(arrivals...)
		a.Metadata[2] = 'X'
		arrivals[0].JobID = "X"
		equal(e, "Metadata", string(e.record("s").Metadata), `{"a":1}`)
		e.unchanged(func() {
			r := e.record("s")
			clear(r.Metadata)
			clear(r.JobIDs)
		})
		r := e.claimOne("s")
		clear(r.Metadata)
		clear(r.JobIDs)
		got := e.record("s")
		equal(e, "Metadata", string(got.Metadata), `{"a":1}`)
		equalAll(e, "JobIDs", sorted(got.JobIDs), []string{"j1", "j2"})
		e.submit("o")
		e.bind("o", "j3", 1)
		e.Advance(2 * lookAfter)
		o := e.only(e.overdue(1, true, time.Hour))
		equalAll(e, "JobIDs", o.JobIDs, []string{"j3"})
		clear(o.JobIDs)
		equalAll(e, "JobIDs", e.record("o").JobIDs, []string{"j3"})
		s := e.stats()
		s.Count[webhook.StateDone] = 99
		equal(e, "number done", e.stats().Count[webhook.StateDone], 0)
	}},
}
