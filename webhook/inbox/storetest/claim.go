package storetest

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleClaim  = "Claim claims up to n records that are due, or whose lease has ended, the longest received first."
	ruleToken  = "Claim gives each record a Token that no record of its Key has had. It raises Attempt by one, and the lease lasts for the given time."
	ruleNext   = "next is the time until another record may be due. It is negative if there is none, and may be too short."
	ruleExtend = "Extend renews leases to end after d. It reports for each whether its token still holds the record, even if the lease has ended."
	ruleFinish = "Finish ends claims. It reports for each whether its token held the record. If not, it does not change the record."
	ruleReplay = "StateReceived also queues a dead record again, for Replay."
)

var claimChecks = []check{
	{"ReturnsTheRecord", ruleToken, 0, func(e *env) {
		e.do(`submit s; bind s j1 2; deliver j2/s meta={"user":1} = accepted s`)
		want := e.record("s")
		r := e.claimOne("s")
		e.wantAll([]inbox.Record{normal(r)})
		want.State, want.Attempt, want.Token, want.DueAt, want.ReadAt = claimed, 1, r.Token, want.ReadAt.Add(lease), r.ReadAt
		equal(e, "claimed", describe(timeless(r)), describe(timeless(want)))
		e.do("due s 1h; ago s ReceivedAt 0s")
	}},
	{"LongestReceivedFirst", ruleClaim, 0, script(`
		deliver c = accepted c; pass 2m; deliver a = accepted a; pass 2m; deliver d = accepted d; pass 2m; deliver b = accepted b
		claim 0 =; claim 2 = c a; claim 2 = d b; claim 2 =; end c received after=20m; end a received after=10m; pass 30m; claim = c a`)},
	{"WhenTheLeaseHasEnded", ruleClaim, 0, script(`
		deliver j = accepted j; claim = j; pass 58m; claim =; pass 4m; state j = claimed j; claim = j; has j Attempt=2
		mark; extend j 9h old = lost; end j done old = lost; end j received old = lost; same; claim =`)},
	{"NewTokenEachTime", ruleToken, 0, func(e *env) {
		e.do(`deliver j = accepted j; claim = j; pass 2h; claim = j; end j received; claim = j; end j dead; end j received; claim = j
			end j done; pass 1h; purge 0s 0s 10 = 1; deliver j = accepted j; end j done = lost; claim = j; end j done old = lost`)
		seen := map[int64]bool{}
		for _, r := range e.claims["j"] {
			if seen[r.Token] {
				e.Errorf("the token %d is given twice", r.Token)
			}
			seen[r.Token] = true
		}
	}},
	{"NextIsNeverTooLong", ruleNext, 0, script(`
		next none; deliver a = accepted a; next 1h; pass 10m; next 50m; pass 20m; next 30m
		submit s; deliver j/s = accepted s; next 30m; pass 10m; next 20m; bind s j 1; claim = s; end s received after=5m; next 5m
		pass 20h; claim = a s; end a done; end s dead; submit pending; next none`)},
}

var extendChecks = []check{
	{"Renews", ruleExtend, 0, script(`
		deliver j = accepted j; claim = j; pass 50m; extend j 1h; due j 1h; pass 50m; claim =; has j Attempt=1
		extend j 10m; pass 11m; claim = j`)},
	{"LeaseHasEnded", ruleExtend, 0, script(`deliver j = accepted j; claim = j; pass 5h; extend j 1h; due j 1h; claim =`)},
	{"OnlyClaimedRecords", ruleExtend, 0, func(e *env) {
		e.everyState()
		e.do(`pass 2m; deliver j = accepted j; claim = received j; end received received; mark; extend claimed 9h wrong = lost
			extend pending 9h = lost; extend received 9h = lost; extend done 9h = lost; extend dead 9h = lost; extend new 9h = lost
			same; extend j 2h; extend claimed 2h`)
	}},
}

var finishChecks = []check{
	{"Ends", ruleFinish, 0, func(e *env) {
		for _, state := range []inbox.State{done, dead} {
			e.do(`deliver %[1]s = accepted %[1]s; claim = %[1]s; pass 10m; end %[1]s %[1]s after=1m error=because; state %[1]s = %[1]s %[1]s
				has %[1]s Attempt=1 Outcome=completed Error=because; ago %[1]s FinishedAt 0s; ago %[1]s ReceivedAt 10m
				pass 50h; claim =; mark; end %[1]s done = lost; extend %[1]s 1h = lost; same`, state)
		}
	}},
	{"Received", "Finish also returns a claimed or dead record to received.", 0, script(`
		deliver j = accepted j; claim = j; pass 10m; end j received after=10m error=because; state j = received j
		has j Attempt=1 Error=because Outcome=completed; due j 10m; ago j ReceivedAt 10m
		mark; end j done = lost; extend j 1h = lost; same; pass 9m; claim =; pass 2m; claim = j; has j Attempt=2`)},
	{"Attempt", "Attempt becomes the record's Attempt.", 0, script(`
		deliver j = accepted j; claim = j; end j received attempt=0; has j Attempt=0; claim = j; has j Attempt=1
		end j received attempt=5; claim = j; has j Attempt=6; end j dead attempt=3; has j Attempt=3`)},
	{"Outcome", "Outcome replaces the record's, unless it is empty.", 0, script(`
		deliver j = accepted j; claim = j; end j received outcome=expired; has j Outcome=expired Status=Completed
		claim = j; end j done; has j Outcome=expired`)},
	{"Error", "Error is the reason that the latest completion gave.", 0, func(e *env) {
		e.do("deliver j = accepted j")
		for _, text := range []string{"first", "", "ünïcödé \u2028 'quoted\" \\ \n end", strings.Repeat("long ", 20_000)} {
			c := completion(e.claimOne("j"), received)
			c.Error = text
			e.finish(c)
			if got := e.record("j").Error; got != text {
				e.Errorf("Error is %q, want %q", head(got), head(text))
			}
		}
	}},
	{"ErrorThatIsNotText", "The store may replace bytes that are not UTF-8, and NUL.", 0, func(e *env) {
		e.do("deliver j = accepted j")
		c := completion(e.claimOne("j"), dead)
		c.Error = "nul \x00, not UTF-8 \xff\xfe, cut \xe2\x82"
		e.finish(c)
		got := e.record("j").Error
		if !strings.HasPrefix(got, "nul ") || utf8.ValidString(got) && !strings.Contains(got, ", cut ") {
			e.Errorf("Error is %q, want all that can be kept", got)
		}
	}},
	{"LeaseHasEnded", ruleFinish, 0, script(`deliver j = accepted j; claim = j; pass 5h; end j done; claim =`)},
	{"OldToken", ruleFinish, 0, func(e *env) {
		// A worker was paused, and another has claimed the record.
		for _, state := range []inbox.State{claimed, received, done, dead} {
			e.do("deliver %[1]s = accepted %[1]s; claim = %[1]s; pass 2h; claim = %[1]s", state)
			if state != claimed {
				e.do("end %[1]s %[1]s after=50h error=theirs", state)
			}
			e.do(`mark; end %[1]s done old error=e = lost; end %[1]s dead old error=e = lost; end %[1]s received old error=e = lost
				extend %[1]s 9h old = lost; same`, state)
			if state == claimed {
				e.do("end claimed done")
			}
		}
	}},
	{"OnlyClaimedRecords", ruleFinish, 0, func(e *env) {
		e.everyState()
		e.do(`mark; end pending done = lost; end received done = lost; end claimed done wrong = lost; end done received = lost
			end dead done = lost; end dead dead = lost; end new done = lost; same`)
	}},
	{"Batches", ruleBatch, 0, func(e *env) {
		for _, n := range []int{0, 1, 2, 500} { // some have a token that holds nothing
			list, leases, want := make([]inbox.Completion, n), make([]inbox.Lease, n), make([]bool, n)
			states := map[string]inbox.State{}
			for i, r := range e.receiveAndClaim(ids(fmt.Sprintf("of%d", n), n)) {
				list[i] = completion(r, []inbox.State{done, dead, received}[i%3])
				list[i].After, list[i].Error, states[r.Key] = 50*lease, r.Key, list[i].State
				if want[i] = i%7 != 1; !want[i] {
					list[i].Token, states[r.Key] = -1, claimed
				}
				leases[i] = list[i].Lease
			}
			equalAll(e, "Extend", e.extend(2*lease, leases...), want)
			equalAll(e, "Finish", e.finish(list...), want)
			for _, r := range e.all() {
				if state, ok := states[r.Key]; ok && (r.State != state || state != claimed && r.Error != r.Key) {
					e.Errorf("there is %s, want it %s", describe(r), state)
				}
			}
		}
	}},
}

var replayChecks = []check{
	{"ReturnsADeadRecord", ruleReplay, 0, script(`
		deliver j meta={"user":1} = accepted j; claim = j; end j received; claim = j; end j dead; pass 10m
		end j received attempt=0 after=5m error=replayed; state j = received j; due j 5m; ago j ReceivedAt 10m
		has j Attempt=0 Error=replayed Metadata={"user":1} FinishedAt=
		mark; end j received = lost; same; pass 6m; claim = j; has j Attempt=1`)},
	{"TokenMustHoldTheRecord", ruleReplay, 0, script(`
		deliver j = accepted j; claim = j; pass 2h; claim = j; end j dead
		mark; end j received old = lost; end j received wrong = lost; extend j 1h = lost; same; end j received
		claim = j; end j dead; mark; end j received old = lost; same; end j received; claim = j; end j done; end j received = lost`)},
}
