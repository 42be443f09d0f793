package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleOverdue = "Overdue returns up to n pending records that are due to be polled, the longest due first."
	rulePolls   = "It makes each due again after next(record), and raises Polls by one. The records are as they were before."
	ruleList    = "List returns the records that f selects, in the byte order of their keys."
	ruleFilter  = "States, Keys and JobID select by state, by key, and the record that has the job."
	rulePage    = "After selects keys after this one."
	ruleStats   = "Stats counts the records."
	ruleDue     = "Due is how many records could be claimed now."
	ruleOldest  = "OldestDue is how long the longest due record has been due."
	rulePurge   = "Purge removes up to n records that have been done for longer than doneFor, or dead for longer than deadFor."
	ruleLock    = "Lock takes or renews a lock for the time d, and reports whether owner has it. If d is zero, it releases the lock."
)

var overdueChecks = []check{
	{name: "WhenDue", rule: ruleOverdue, run: func(e *env) {
		e.submit("s")
		e.Advance(pollAfter - 2*time.Minute)
		e.wantOverdue()
		e.Advance(4 * time.Minute)
		e.wantOverdue("s")
		e.wantOverdue()
	}},
	{name: "LongestDueFirst", rule: ruleOverdue, run: func(e *env) {
		for id, after := range map[string]time.Duration{"c": 10 * time.Minute, "a": 20 * time.Minute, "d": 30 * time.Minute, "b": 40 * time.Minute} {
			e.ok(e.Store.Submit(e.ctx, inbox.Submission{ID: id, Webhook: id < "c", PollAfter: after}))
		}
		e.Advance(time.Hour)
		for _, want := range [][]string{{"c"}, {"a", "d"}, {}, {"b"}} {
			equalAll(e, "overdue", keysOf(e.overdue(len(want), 9*time.Hour)), want)
		}
	}},
	{name: "OnlyPendingRecords", rule: ruleOverdue, run: func(e *env) {
		e.everyState()
		e.submit("waits")
		e.accepted(completed("j", "waits"), "waits")
		e.Advance(100 * pollAfter)
		e.wantOverdue("pending")
	}},
	{name: "NextIsAskedForEachRecord", rule: rulePolls, run: func(e *env) {
		e.submit("a")
		e.Advance(time.Minute)
		e.submitWith("b", `{"b":1}`)
		e.bind("b", "j", 1)
		e.Advance(2 * pollAfter)
		before := e.all()
		wait := map[string]time.Duration{"a": time.Hour, "b": 10 * time.Hour}
		var asked []inbox.Record
		got, err := e.Store.Overdue(e.ctx, 10, func(r *inbox.Record) time.Duration {
			asked = append(asked, normal(*r))
			return wait[r.Key]
		})
		e.ok(err)
		for i := range got {
			got[i] = normal(got[i])
		}
		for what, records := range map[string][]inbox.Record{"Overdue returns": got, "next is asked for": asked} {
			if a, b := describeAll(withoutReadAt(records)), describeAll(withoutReadAt(before)); a != b {
				e.Errorf("%s\n%s\nwant\n%s", what, a, b)
			}
		}
		for key, d := range wait {
			e.wantDueIn(key, d)
		}
		for i, r := range e.all() {
			before[i].Polls++
			equal(e, "afterwards", describe(timeless(r)), describe(timeless(before[i])))
		}
		e.Advance(time.Hour + 2*time.Minute)
		e.wantOverdue("a")
		equal(e, "Polls", e.record("a").Polls, 2)
	}},
	{name: "ZeroIsDueAtOnce", rule: rulePolls, run: func(e *env) {
		e.submit("s")
		e.Advance(2 * pollAfter)
		for want := range 3 {
			equal(e, "Polls", e.only(e.overdue(10, 0)).Polls, want)
		}
	}},
	{name: "Many", rule: ruleOverdue, run: func(e *env) {
		keys := ids("s", 150)
		e.submit(keys...)
		e.Advance(2 * pollAfter)
		got := e.overdue(100, 9*time.Hour)
		equal(e, "number overdue", len(got), 100)
		equalAll(e, "overdue", sorted(append(keysOf(got), keysOf(e.overdue(100, 9*time.Hour))...)), keys)
	}},
}

var listChecks = []check{
	{name: "ByteOrder", rule: ruleList, run: func(e *env) {
		equal(e, "number of records", len(e.list(inbox.Filter{After: "x"})), 0)
		keys := []string{"b", "B", "a", "10", "9", "a-b", "a_b", "a.b", "ab", "_", "a:b", "a~b", "A", "aB", uuid1, uuid2}
		e.track(keys...)
		equalAll(e, "keys", keysOf(e.list(inbox.Filter{})), sorted(keys))
		for i, key := range sorted(keys) {
			equalAll(e, "keys after "+key, keysOf(e.list(inbox.Filter{After: key})), sorted(keys)[i+1:])
		}
		equalAll(e, "keys after ~~", keysOf(e.list(inbox.Filter{After: "~~"})), []string{})
	}},
	{name: "Limit", rule: "Limit is the largest number of records. Default: 100.", run: func(e *env) {
		keys := ids("k", 205)
		e.receive(batch(keys)...)
		for limit, want := range map[int]int{0: 100, 1: 1, 204: 204, 1000: 205} {
			equalAll(e, fmt.Sprintf("keys with limit %d", limit), keysOf(e.list(inbox.Filter{Limit: limit})), keys[:want])
		}
		for _, size := range []int{1, 40, 205} {
			equalAll(e, "keys page by page", e.pages(inbox.Filter{Limit: size}), keys)
		}
	}},
	{name: "ByState", rule: ruleFilter, run: func(e *env) {
		e.everyState()
		e.Advance(50 * lease) // a claim is one even if its lease has ended
		for _, s := range allStates {
			equalAll(e, "keys", keysOf(e.list(inbox.Filter{States: []inbox.State{s}})), []string{string(s)})
		}
		two := []inbox.State{done, claimed}
		equalAll(e, "keys", keysOf(e.list(inbox.Filter{States: two})), []string{"claimed", "done"})
		equalAll(e, "keys", keysOf(e.list(inbox.Filter{States: two, Limit: 1})), []string{"claimed"})
		equalAll(e, "keys", keysOf(e.list(inbox.Filter{States: two, After: "claimed"})), []string{"done"})
	}},
	{name: "ByKey", rule: ruleFilter, run: func(e *env) {
		e.track("a", "b", "c", uuid1)
		for _, tt := range []struct{ keys, want []string }{
			{[]string{"b"}, []string{"b"}},
			{[]string{"c", "a", "c", "unknown"}, []string{"a", "c"}},
			{[]string{"unknown"}, []string{}},
			{[]string{strings.ToUpper(uuid1)}, []string{uuid1}},
			{[]string{}, []string{uuid1, "a", "b", "c"}},
		} {
			equalAll(e, "keys", keysOf(e.list(inbox.Filter{Keys: tt.keys})), tt.want)
		}
		equalAll(e, "keys", keysOf(e.list(inbox.Filter{Keys: []string{"c", "a", "b"}, After: "a", Limit: 1})), []string{"b"})
	}},
	{name: "ByJob", rule: ruleFilter, run: func(e *env) {
		e.submit("s", "waits", "freed")
		e.bind("s", uuid1, 1)
		e.accepted(completed("waiting", "waits"), "waits")
		e.accepted(completed("free", "freed"), "freed")
		e.bind("freed", "own", 1)
		e.track("t")
		for job, want := range map[string][]string{
			uuid1: {"s"}, strings.ToUpper(uuid1): {"s"}, "waiting": {"waits"}, "own": {"freed"}, "free": {}, "t": {"t"}, "unknown": {}, "s": {},
		} {
			equalAll(e, "keys of job "+job, keysOf(e.list(inbox.Filter{JobID: job})), want)
		}
	}},
	{name: "ByAll", rule: ruleFilter, run: func(e *env) {
		e.everyState()
		f := inbox.Filter{JobID: "job-done", Keys: []string{"done", "dead"}, States: []inbox.State{done}, After: "dead"}
		equalAll(e, "keys", keysOf(e.list(f)), []string{"done"})
		for _, change := range []func(f *inbox.Filter){
			func(f *inbox.Filter) { f.JobID = "job-dead" },
			func(f *inbox.Filter) { f.Keys = []string{"dead"} },
			func(f *inbox.Filter) { f.States = []inbox.State{dead} },
			func(f *inbox.Filter) { f.After = "done" },
		} {
			f := f
			change(&f)
			equalAll(e, "keys", keysOf(e.list(f)), []string{})
		}
	}},
	{name: "ReadAt", rule: "ReadAt is when the store read the record.", run: func(e *env) {
		e.receiveJobs("a", "b")
		before := e.record("a").ReadAt
		e.Advance(10 * time.Hour)
		for _, r := range e.list(inbox.Filter{}) {
			near(e, "ReadAt", r.ReadAt.Sub(before), 10*time.Hour)
		}
	}},
}

// pages lists page by page, and returns the keys.
func (e *env) pages(f inbox.Filter) []string {
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

var statsChecks = []check{
	{name: "EveryState", rule: ruleStats, run: func(e *env) {
		e.wantStats(map[inbox.State]int{}, 0)
		e.wantOldest(0, 0, 0)
		e.everyState()
		each := map[inbox.State]int{pending: 1, received: 1, claimed: 1, done: 1, dead: 1}
		e.wantStats(each, 1)
		e.Advance(2 * lease)
		e.wantStats(each, 2) // the lease has ended
	}},
	{name: "Due", rule: ruleDue, run: func(e *env) {
		e.submit("waits")
		e.accepted(completed("j", "waits"), "waits")
		e.wantStats(map[inbox.State]int{received: 1}, 0)
		e.receiveJobs("a", "b")
		e.wantStats(map[inbox.State]int{received: 3}, 2)
		c := completion(e.only(e.claim(1)), received)
		c.After = 2 * time.Hour
		e.finishOne(c)
		e.wantStats(map[inbox.State]int{received: 3}, 1)
		e.Advance(time.Hour)
		e.wantStats(map[inbox.State]int{received: 3}, 2)
		equal(e, "number claimed", len(e.claim(10)), 2)
	}},
	{name: "Oldest", rule: ruleOldest, run: func(e *env) {
		e.submit("a")
		e.Advance(time.Hour)
		e.submit("b")
		e.bind("a", "ja", 1)
		e.Advance(time.Hour)
		e.wantOldest(0, 2*time.Hour, 2*time.Hour)
		e.accepted(completed("ja", "a"), "a")
		e.Advance(time.Hour)
		e.wantOldest(time.Hour, 2*time.Hour, 3*time.Hour)
		c := completion(e.claimOne("a"), received)
		c.After = 2 * time.Hour
		e.finishOne(c)
		e.accepted(completed("jc", ""), "jc") // received later than a, and due earlier
		e.Advance(3 * time.Hour)
		e.wantOldest(3*time.Hour, 5*time.Hour, 6*time.Hour)
		r := e.only(e.claim(1))
		equal(e, "claimed", r.Key, "a")
		e.wantOldest(3*time.Hour, 5*time.Hour, 6*time.Hour)
		e.end(r, done)
		e.wantOldest(3*time.Hour, 5*time.Hour, 5*time.Hour)
		e.bind("b", "", 0)
		e.wantOldest(3*time.Hour, 0, 3*time.Hour)
		for _, r := range e.claim(10) {
			e.end(r, dead)
		}
		e.wantOldest(0, 0, 0)
	}},
	{name: "OldestLease", rule: ruleOldest, run: func(e *env) {
		e.receiveJobs("j")
		e.claimOne("j")
		e.Advance(3 * lease)
		e.wantOldest(2*lease, 0, 3*lease)
	}},
}

func (e *env) stats() inbox.StoreStats {
	e.Helper()
	s, err := e.Store.Stats(e.ctx)
	e.ok(err)
	return s
}

func (e *env) wantStats(count map[inbox.State]int, due int) {
	e.Helper()
	s := e.stats()
	for _, state := range allStates {
		equal(e, "number of records that are "+string(state), s.Count[state], count[state])
	}
	equal(e, "Due", s.Due, due)
}

func (e *env) wantOldest(due, pending, unfinished time.Duration) {
	e.Helper()
	s := e.stats()
	near(e, "OldestDue", s.OldestDue, due)
	near(e, "OldestPending", s.OldestPending, pending)
	near(e, "OldestUnfinished", s.OldestUnfinished, unfinished)
}

var purgeChecks = []check{
	{name: "DoneAndDeadHaveTheirOwnAge", rule: rulePurge, run: func(e *env) {
		e.everyState()
		e.Advance(10 * time.Hour)
		e.unchanged(func() { equal(e, "number purged", e.purge(11*time.Hour, 11*time.Hour, 100), 0) })
		e.unchanged(func() { equal(e, "number purged", e.purge(9*time.Hour, 11*time.Hour, 100), 1) }, "done")
		e.Advance(2 * time.Hour)
		e.unchanged(func() { equal(e, "number purged", e.purge(20*time.Hour, 11*time.Hour, 100), 1) }, "dead")
		e.Advance(1000 * time.Hour)
		e.unchanged(func() { equal(e, "number purged", e.purge(0, 0, 100), 0) })
	}},
	{name: "AgeBeginsAtTheEnd", rule: rulePurge, run: func(e *env) {
		e.receiveJobs("j")
		e.Advance(20 * time.Hour)
		e.end(e.claimOne("j"), done)
		e.Advance(5 * time.Hour)
		equal(e, "number purged", e.purge(6*time.Hour, 6*time.Hour, 100), 0)
		e.Advance(2 * time.Hour)
		equal(e, "number purged", e.purge(6*time.Hour, 6*time.Hour, 100), 1)
	}},
	{name: "AtMostN", rule: rulePurge, run: func(e *env) {
		for i, r := range e.receiveAndClaim(ids("k", 10)) {
			e.end(r, []inbox.State{done, dead}[i%2])
		}
		e.Advance(10 * time.Hour)
		left := 10
		for _, n := range []int{0, 1, 6, 100, 100} {
			want := min(n, left)
			equal(e, fmt.Sprintf("number purged of %d", n), e.purge(time.Hour, time.Hour, n), want)
			left -= want
			equal(e, "number of records", len(e.all()), left)
		}
	}},
	{name: "JobsAreUnknownAfterwards", rule: ruleNewRecord, run: func(e *env) {
		e.submit("s")
		e.bind("s", "j1", 2)
		e.accepted(completed("j1", "s"), "s")
		e.duplicate(completed("j2", "s"), "s", received)
		e.end(e.claimOne("s"), done)
		e.Advance(10 * time.Hour)
		e.purge(11*time.Hour, 0, 100)
		e.duplicate(completed("j1", "s"), "s", done)
		e.duplicate(completed("j2", ""), "s", done)
		e.Advance(2 * time.Hour)
		equal(e, "number purged", e.purge(11*time.Hour, 0, 100), 1)
		equal(e, "number of records of j2", len(e.list(inbox.Filter{JobID: "j2"})), 0)
		e.accepted(completed("j1", ""), "j1")
		e.accepted(completed("j2", "s"), "s")
	}},
	{name: "ReplayedRecordIsNotDead", rule: rulePurge, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		e.end(r, dead)
		e.end(r, received)
		e.Advance(10 * time.Hour)
		e.unchanged(func() { equal(e, "number purged", e.purge(0, 0, 100), 0) })
	}},
	{name: "OldClaimHoldsNothing", rule: ruleFinish, run: func(e *env) {
		e.receiveJobs("j")
		old := e.claimOne("j")
		e.Advance(2 * lease)
		e.end(e.claimOne("j"), done)
		e.Advance(time.Hour)
		e.purge(0, 0, 100)
		e.wantNotHeld(leaseOf(old))
		e.receiveJobs("j")
		e.wantNotHeld(leaseOf(old))
		e.claimOne("j")
		e.wantNotHeld(leaseOf(old))
	}},
}

var lockChecks = []check{
	{name: "HasOneOwner", rule: ruleLock, needs: needLock, run: func(e *env) {
		e.lock("l", "a", lease, true)
		e.lock("l", "b", lease, false)
		e.lock("other", "b", lease, true)
		e.lock("other", "a", lease, false)
		equal(e, "number of records", len(e.all()), 0)
	}},
	{name: "Renews", rule: ruleLock, needs: needLock, run: func(e *env) {
		e.lock("l", "a", 10*lease, true)
		for range 3 {
			e.lock("l", "a", lease, true) // from now on
			e.Advance(50 * time.Minute)
			e.lock("l", "b", lease, false)
		}
		e.Advance(12 * time.Minute)
		e.lock("l", "b", lease, true)
		e.lock("l", "a", lease, false)
	}},
	{name: "OnlyTheOwnerReleases", rule: ruleLock, needs: needLock, run: func(e *env) {
		e.lock("l", "a", lease, true)
		e.lock("l", "b", 0, false)
		e.lock("l", "c", lease, false)
		e.lock("l", "a", 0, false)
		e.lock("l", "b", lease, true)
		e.lock("l", "b", 0, false)
		e.lock("l", "b", 0, false)
	}},
}
