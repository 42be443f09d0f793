package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleOverdue = "Overdue returns up to n pending records that are due to be polled, the longest due first."
	rulePolls   = "It makes each due again after next(record), and raises Polls by one. It returns the records as they were before these changes."
	ruleList    = "List returns the records that f selects, in the byte order of their keys."
	ruleFilter  = "States and Keys select by state and by key. JobID selects the record that has the job."
	rulePurge   = "Purge removes up to n records that have been done for longer than doneFor, or dead for longer than deadFor."
	ruleLock    = "Lock acquires or renews a lock for the time d, and reports whether owner has it. If d is zero, it releases the lock."
	ruleClock   = "The store's clock counts, not the caller's."
)

var overdueChecks = []check{
	{"LongestDueFirst", ruleOverdue, 0, script(`
		submit c; pass 2m; submit a; pass 2m; submit d; pass 2m; submit b; pass 170m; overdue =
		pass 1h; overdue 0 =; overdue 1 = c; overdue 2 = a d; overdue 2 = b; overdue =`)},
	{"OnlyPendingRecords", ruleOverdue, 0, func(e *env) {
		e.everyState()
		e.do("submit waits; deliver j/waits = accepted waits; pass 300h; overdue = pending")
	}},
	{"NextIsAskedForEachRecord", rulePolls, 0, func(e *env) {
		e.do(`submit a; pass 1m; submit b meta={"b":1}; bind b j 1; pass 6h`)
		for polls, want := range [][]inbox.Record{e.all(), {e.record("a")}} {
			var asked []inbox.Record
			got, err := e.Store.Overdue(e.ctx, 10, func(r *inbox.Record) time.Duration {
				asked = append(asked, *r)
				return map[string]time.Duration{"a": time.Hour, "b": 10 * time.Hour}[r.Key]
			})
			e.ok(err)
			if want[0].Polls = polls; describeAll(got) != describeAll(asked) || withoutTimes(got) != withoutTimes(want) {
				e.Errorf("Overdue returns\n%s\nand asks for\n%s\nwant\n%s", describeAll(got), describeAll(asked), describeAll(want))
			}
			e.do("due a 1h; has a Polls=%d; pass 62m", polls+1)
		}
		e.do("has b Polls=1; overdue = a; pass 10h; overdue = b a")
	}},
}

var listChecks = []check{
	{"ByteOrder", ruleList, 0, func(e *env) {
		keys := []string{"b", "B", "a", "10", "9", "a-b", "a_b", "a.b", "ab", "_", "a:b", "a~b", "A", "aB", uuid1, uuid2}
		e.do("keys =; track %s", strings.Join(keys, " "))
		for i, key := range sorted(keys) {
			equalAll(e, "keys after "+key, keysOf(e.list(inbox.Filter{After: key})), sorted(keys)[i+1:])
		}
		equalAll(e, "keys after ~~", keysOf(e.list(inbox.Filter{After: "~~"})), []string{})
		equalAll(e, "keys", keysOf(e.list(inbox.Filter{})), sorted(keys))
	}},
	{"Newest", "Newest lists in the descending byte order of the keys. After then selects keys before this one.", 0, func(e *env) {
		keys := ids("k", 25)
		e.receive(batch(keys)...)
		slices.Reverse(keys)
		var got []string
		f := inbox.Filter{Limit: 10, Newest: true}
		for range 3 {
			got = append(got, keysOf(e.list(f))...)
			f.After = got[len(got)-1]
		}
		equalAll(e, "keys page by page", got, keys)
		e.claim(5)
		newest := func(states ...inbox.State) []string {
			return keysOf(e.list(inbox.Filter{Newest: true, States: states, After: "k-0004", Limit: 2}))
		}
		equalAll(e, "claimed keys", newest(claimed), []string{"k-0003", "k-0002"})
		for _, c := range e.claims["k-0001"] {
			e.finish(completion(c, dead))
		}
		equalAll(e, "dead keys", newest(dead), []string{"k-0001"})
		equalAll(e, "received keys", newest(received), []string{})
		equalAll(e, "some keys", keysOf(e.list(inbox.Filter{Newest: true, Keys: []string{"k-0002", "k-0009"}})), []string{"k-0009", "k-0002"})
	}},
	{"WithoutMetadata", "WithoutMetadata leaves out the metadata of the records, which can be large.", 0, func(e *env) {
		n := completed("j", "")
		n.Metadata = []byte(`{"a":1}`)
		e.receive(n)
		e.do(`submit s meta={"b":1}; mark`)
		want := e.list(inbox.Filter{})
		for i := range want {
			want[i].Metadata = nil
		}
		if got := e.list(inbox.Filter{WithoutMetadata: true}); withoutTimes(got) != withoutTimes(want) {
			e.Errorf("List returns\n%s\nwant\n%s", describeAll(got), describeAll(want))
		}
		e.do("same") // the metadata is still there
	}},
	{"Limit", "Limit is the largest number of records. Default: 100.", 0, func(e *env) {
		keys := ids("k", 205)
		e.receive(batch(keys)...)
		for limit, want := range map[int]int{0: 100, 1: 1, 204: 204, 1000: 205} {
			equalAll(e, fmt.Sprintf("keys with limit %d", limit), keysOf(e.list(inbox.Filter{Limit: limit})), keys[:want])
		}
		var got []string
		f := inbox.Filter{Limit: 40}
		for range 6 {
			got = append(got, keysOf(e.list(f))...)
			f.After = append([]string{""}, got...)[len(got)]
		}
		equalAll(e, "keys page by page", got, keys)
	}},
	{"Filter", ruleFilter, 0, func(e *env) {
		e.everyState()
		e.do("track {a}; submit waits freed; deliver jw/waits = accepted waits; deliver jf/freed = accepted freed; bind freed own 1; pass 50h")
		e.do("job {A} = {a}; job jw = waits; job own = freed; job jf =; job new =; job waits =")
		type f = inbox.Filter
		for _, tt := range []struct {
			filter f
			want   string
		}{
			{f{States: []inbox.State{received}}, "received waits"},
			{f{States: []inbox.State{claimed}}, "claimed"}, // though its lease has ended
			{f{States: []inbox.State{done, claimed}}, "claimed done"},
			{f{States: []inbox.State{done, claimed}, Limit: 1}, "claimed"},
			{f{States: []inbox.State{done, claimed}, After: "claimed"}, "done"},
			{f{Keys: []string{"waits", "done", "waits", "new"}}, "done waits"},
			{f{Keys: []string{strings.ToUpper(uuid1)}}, uuid1},
			{f{Keys: []string{}, States: []inbox.State{}, Limit: 2}, uuid1 + " claimed"},
			{f{Keys: []string{"waits", "done", "dead"}, After: "dead", Limit: 1}, "done"},
			{f{Keys: []string{"done"}, States: []inbox.State{dead}}, ""},
			{f{JobID: "job-done", Keys: []string{"done"}, States: []inbox.State{done}, After: "dead"}, "done"},
			{f{JobID: "job-done", Keys: []string{"dead"}}, ""},
			{f{JobID: "job-done", States: []inbox.State{dead}}, ""},
			{f{JobID: "job-done", After: "done"}, ""},
		} {
			equal(e, fmt.Sprintf("List(%+v)", tt.filter), strings.Join(keysOf(e.list(tt.filter)), " "), tt.want)
		}
	}},
}

var statsChecks = []check{
	{"EveryState", "Stats counts the records that are not done.", 0, func(e *env) {
		e.do("count = due=0; oldest 0s 0s 0s")
		e.everyState()
		e.do("count = pending=1 received=1 claimed=1 dead=1 due=1; pass 2h; count = pending=1 received=1 claimed=1 dead=1 due=2")
	}},
	{"Due", "Due is how many records could be claimed now.", 0, script(`
		submit waits; deliver j/waits = accepted waits; count = received=1 due=0; deliver a = accepted a; pass 2m; deliver b = accepted b
		count = received=3 due=2; claim 1 = a; end a received after=2h; count = received=3 due=1; pass 1h; count = received=3 due=2`)},
	{"Oldest", "OldestDue is the time since the oldest due record became due.", 0, script(`
		submit a; pass 1h; submit b; bind a ja 1; pass 1h; oldest 0s 2h 2h; deliver ja/a = accepted a; pass 1h; oldest 1h 2h 3h
		claim = a; end a received after=2h; deliver c = accepted c; pass 3h; oldest 3h 5h 6h; claim 1 = a; oldest 3h 5h 6h
		end a done; oldest 3h 5h 5h; bind b - 0; oldest 3h 0s 3h; claim = c; oldest 0s 0s 3h; pass 3h; oldest 2h 0s 6h
		end c dead; oldest 0s 0s 0s`)},
}

var purgeChecks = []check{
	{"DoneAndDeadHaveTheirOwnAge", rulePurge, 0, func(e *env) {
		e.everyState()
		e.do(`mark; pass 10h; purge 11h 11h 100 = 0; same; purge 9h 11h 100 = 1; same done; pass 2h
			purge 20h 11h 100 = 1; same done dead; pass 1000h; purge 0s 0s 100 = 0; same done dead`)
	}},
	{"AgeBeginsAtTheEnd", rulePurge, 0, script(`
		deliver j = accepted j; pass 20h; claim = j; end j done; pass 5h; purge 6h 6h 100 = 0; pass 2h; purge 6h 6h 100 = 1
		deliver k = accepted k; claim = k; end k dead; end k received; pass 10h; mark; purge 0s 0s 100 = 0; same`)},
	{"AtMostN", rulePurge, 0, func(e *env) {
		for i, r := range e.receiveAndClaim(ids("k", 10)) {
			e.finish(completion(r, []inbox.State{done, dead}[i%2]))
		}
		e.do("pass 10h; purge 1h 1h 0 = 0; purge 1h 1h 1 = 1; purge 1h 1h 6 = 6; purge 1h 1h 100 = 3; keys =")
	}},
	{"JobsAreUnknownAfterwards", ruleNewRecord, 0, script(`
		submit s; bind s j1 2; deliver j1/s = accepted s; deliver j2/s = duplicate s received; claim = s; end s done; pass 10h
		purge 11h 0s 100 = 0; deliver j1/s = duplicate s done; deliver j2 = duplicate s done; pass 2h; purge 11h 0s 100 = 1
		job j2 =; deliver j1 = accepted j1; deliver j2/s = accepted s`)},
}

var lockChecks = []check{
	{"HasOneOwner", ruleLock, needLock, script(`
		lock l a 1h = yes; lock l b 1h = no; lock m b 1h = yes; lock m a 1h = no; keys =`)},
	{"Renews", ruleLock, needLock, script(`
		lock l a 10h = yes; lock l a 1h = yes; pass 50m; lock l b 1h = no; lock l a 1h = yes; pass 50m; lock l b 1h = no
		pass 12m; lock l b 1h = yes; lock l a 1h = no`)},
	{"OnlyTheOwnerReleases", ruleLock, needLock, script(`
		lock l a 1h = yes; lock l b 0s = no; lock l c 1h = no; lock l a 0s = no; lock l b 1h = yes; lock l b 0s = no; lock l b 0s = no`)},
}

var timeChecks = []check{
	{"JumpsForward", ruleClock, 0, script(`
		submit s; deliver j = accepted j; claim = j; pass 48h; overdue = s; extend j 1h; claim =; pass 48h; claim = j
		due j 1h; ago j ReceivedAt 96h; ago s SubmittedAt 96h`)},
	{"StoresClockCounts", ruleClock, 0, func(e *env) {
		e.do("deliver j = accepted j")
		first := e.record("j").ReadAt
		e.do("pass 10h; submit s; bind t k 1; deliver l = accepted l; claim = j l; end j done; due s 3h") // the caller's clock is slow now
		for what, at := range map[string]time.Time{
			"SubmittedAt": e.record("s").SubmittedAt, "SubmittedAt by Bind": e.record("t").SubmittedAt,
			"ReceivedAt": e.record("l").ReceivedAt, "FinishedAt": e.record("j").FinishedAt, "ReadAt": e.record("j").ReadAt,
		} {
			if got := nearly(at.Sub(first), 10*time.Hour); got != "" {
				e.Errorf("%s is %s after the first, want 10h", what, got)
			}
		}
	}},
	{"DurationsBelowASecond", "the lease lasts for the given time", 0, func(e *env) {
		e.do("deliver j = accepted j")
		records, _, err := e.Store.Claim(e.ctx, 1, 1500*time.Millisecond)
		if e.ok(err); len(records) != 1 || (records[0].DueAt.Sub(records[0].ReadAt)-1500*time.Millisecond).Abs() > 250*time.Millisecond {
			e.Errorf("a lease of 1.5s: %s", describeAll(records))
		}
	}},
}

func withoutTimes(records []inbox.Record) string {
	var lines []string
	for _, r := range records {
		lines = append(lines, describe(timeless(r)))
	}
	return strings.Join(lines, "\n")
}
