package storetest

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

var dataChecks = []check{
	{"MetadataIsKeptByteForByte", "Metadata is the submission's, or the notification's if the submission had none.", 0, func(e *env) {
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
			n, s := completed(key, ""), submission("s"+key)
			n.Metadata, s.Metadata = json.RawMessage(texts[i]), json.RawMessage(texts[i])
			e.receive(n)
			e.ok(e.Store.Submit(e.ctx, s))
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
		same(e.claim(len(texts)))
		e.do("pass 6h")
		overdue, err := e.Store.Overdue(e.ctx, len(texts), func(*inbox.Record) time.Duration { return time.Hour })
		e.ok(err)
		same(overdue)
	}},
	{"LongestIDs", ruleSubmit, 0, func(e *env) {
		const chars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.:~"
		job := (chars + chars)[:128]
		key := strings.NewReplacer(".", "-", ":", "-", "~", "-").Replace(job)
		e.do("submit %[1]s; bind %[1]s %[2]s 1; deliver %[2]s/%[1]s = accepted %[1]s; claim = %[1]s; end %[1]s done; state %[1]s = done %[2]s", key, job)
	}},
	{"UnknownValues", "Status is the job's status as it was announced, and Outcome its meaning.", 0, func(e *env) {
		e.ok(e.Store.Submit(e.ctx, inbox.Submission{ID: "s", Type: "Dream"}))
		n := completed("j", "s")
		n.Status, n.Outcome, n.Source = "Dreamt-\u00e9", "dreamt", "oracle"
		e.receive(n)
		e.do("has s Type=Dream Status=%s Outcome=dreamt Source=oracle; deliver j/s = duplicate s received conflict", n.Status)
	}},
	{"ArgumentsAndResultsAreTheCallers", "All methods are safe for concurrent use", 0, func(e *env) {
		s, n := submission("p"), completed("j", "")
		s.Metadata, n.Metadata = []byte(`{"b":2}`), []byte(`{"a":1}`)
		e.ok(e.Store.Submit(e.ctx, s))
		list := []inbox.Notification{n}
		e.receive(list...)
		spoil := func(records []inbox.Record) {
			for _, r := range records {
				clear(r.Metadata)
				clear(r.JobIDs)
			}
		}
		clear(s.Metadata)
		clear(list[0].Metadata)
		list[0].JobID = "X"
		e.do("bind p jp 1; mark")
		spoil(e.list(inbox.Filter{}))
		e.do("same")
		records, _, err := e.Store.Claim(e.ctx, 1, lease)
		e.ok(err)
		spoil(records)
		e.do(`state j = claimed j; has j Metadata={"a":1}; state p = pending jp; has p Metadata={"b":2}`)
	}},
}
