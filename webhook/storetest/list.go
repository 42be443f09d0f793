package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var listChecks = []check{
	{name: "Empty", run: func(e *env) {
		equal(e, "number of records", len(e.list(webhook.Filter{})), 0)
		equal(e, "number of pages", len(e.list(webhook.Filter{After: "x", Limit: 10})), 0)
	}},
	{name: "InTheOrderOfTheBytes", run: func(e *env) {
		keys := []string{"b", "B", "a", "10", "9", "a-b", "a_b", "a.b", "ab", "_", "a:b", "a~b", "A", "aB", uuid1, uuid2}
		e.track(keys...)
		equalAll(e, "keys", keysOf(e.list(webhook.Filter{})), sorted(keys))
		for i, key := range sorted(keys) {
			equalAll(e, "keys after "+key, keysOf(e.list(webhook.Filter{After: key})), sorted(keys)[i+1:])
		}
	}},
	{name: "Limit", run: func(e *env) {
		e.receiveAndClaim(ids("k", 205))
		for limit, want := range map[int]int{0: 100, 1: 1, 204: 204, 1000: 205} {
			got := e.list(webhook.Filter{Limit: limit})
			equalAll(e, fmt.Sprintf("keys with limit %d", limit), keysOf(got), ids("k", 205)[:want])
		}
	}},
	{name: "PageByPage", run: func(e *env) {
		e.receiveAndClaim(ids("k", 57))
		for _, size := range []int{1, 10, 57, 100} {
			equalAll(e, "keys", e.pages(webhook.Filter{Limit: size}), ids("k", 57))
		}
	}},
	{name: "PageAfterARecordThatIsGone", run: func(e *env) {
		e.receiveJobs("a", "c")
		equalAll(e, "keys", keysOf(e.list(webhook.Filter{After: "b"})), []string{"c"})
		equalAll(e, "keys", keysOf(e.list(webhook.Filter{After: "c"})), []string{})
	}},
	{name: "ByState", run: func(e *env) {
		e.everyState()
		for _, s := range []webhook.State{webhook.StatePending, webhook.StateReceived, webhook.StateClaimed, webhook.StateDone, webhook.StateDead} {
			equalAll(e, "keys", keysOf(e.list(webhook.Filter{States: []webhook.State{s}})), []string{string(s)})
		}
		two := []webhook.State{webhook.StateDone, webhook.StateClaimed}
		equalAll(e, "keys", keysOf(e.list(webhook.Filter{States: two})), []string{"claimed", "done"})
		equalAll(e, "keys", keysOf(e.list(webhook.Filter{States: two, Limit: 1})), []string{"claimed"})
		equalAll(e, "keys", keysOf(e.list(webhook.Filter{States: two, After: "claimed"})), []string{"done"})
		e.Advance(50 * lease) // a claim is shown as one when its lease is over
		equalAll(e, "keys", keysOf(e.list(webhook.Filter{States: two})), []string{"claimed", "done"})
	}},
	{name: "ByKey", run: func(e *env) {
		e.track("a", "b", "c", uuid1)
		for _, tt := range []struct {
			keys, want []string
		}{
			{[]string{"b"}, []string{"b"}},
			{[]string{"c", "a", "c", "unknown"}, []string{"a", "c"}},
			{[]string{"unknown"}, []string{}},
			{[]string{strings.ToUpper(uuid1)}, []string{uuid1}},
			{[]string{}, []string{uuid1, "a", "b", "c"}},
		} {
			equalAll(e, "keys", keysOf(e.list(webhook.Filter{Keys: tt.keys})), tt.want)
		}
		equalAll(e, "keys", keysOf(e.list(webhook.Filter{Keys: []string{"c", "a", "b"}, After: "a", Limit: 1})), []string{"b"})
	}},
	{name: "ByJob", run: func(e *env) {
		e.submit("s", "empty")
		e.bind("s", uuid1, 2)
		e.accepted(heard("heard", "s"), "s")
		e.track("t")
		for job, want := range map[string][]string{
			uuid1: {"s"}, strings.ToUpper(uuid1): {"s"}, "heard": {"s"}, "t": {"t"}, "unknown": {}, "empty": {},
		} {
			equalAll(e, "keys of job "+job, keysOf(e.list(webhook.Filter{JobID: job})), want)
		}
	}},
	{name: "ByAllTogether", run: func(e *env) {
		e.everyState()
		f := webhook.Filter{JobID: "job-done", Keys: []string{"done", "dead"}, States: []webhook.State{webhook.StateDone}, After: "dead"}
		equalAll(e, "keys", keysOf(e.list(f)), []string{"done"})
		for _, change := range []func(f *webhook.Filter){
			func(f *webhook.Filter) { f.JobID = "job-dead" },
			func(f *webhook.Filter) { f.Keys = []string{"dead"} },
			func(f *webhook.Filter) { f.States = []webhook.State{webhook.StateDead} },
			func(f *webhook.Filter) { f.After = "done" },
		} {
			f := f
			change(&f)
			equalAll(e, "keys", keysOf(e.list(f)), []string{})
		}
	}},
	{name: "ChangesNothing", run: func(e *env) {
		e.everyState()
		e.Advance(50 * lease)
		e.unchanged(func() { e.list(webhook.Filter{}) })
	}},
	{name: "ReadAtIsTheStoresTime", run: func(e *env) {
		e.receiveJobs("a", "b")
		before := e.record("a").ReadAt
		e.Advance(10 * time.Hour)
		for _, r := range e.list(webhook.Filter{}) {
			near(e, "ReadAt", r.ReadAt.Sub(before), 10*time.Hour)
		}
	}},
}

// pages lists page by page, and returns the keys.
func (e *env) pages(f webhook.Filter) []string {
	e.Helper()
	var keys []string
	for {
		page := e.list(f)
		if len(page) == 0 {
			return keys
		}
		if len(page) > f.Limit {
			e.Fatalf("a page of %d has %d records", f.Limit, len(page))
		}
		keys = append(keys, keysOf(page)...)
		f.After = keys[len(keys)-1]
	}
}
