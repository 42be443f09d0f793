package storetest

import (
	"fmt"

	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleAccepted    = "Accepted: the record was pending and is received now."
	ruleNewRecord   = "If neither the job nor its submission has a record, Receive makes one."
	ruleDuplicate   = "Duplicate: the record was received before."
	ruleSecondJob   = "If the record does not have the job yet, Receive adds it. It does not add the job while an answer is expected."
	ruleRefused     = "Refused: the job belongs to another record, or all jobs of the submission are known and this is not one of them. Nothing was changed."
	ruleOtherStatus = "Conflict says that the record has another status for the same job."
	ruleBatch       = "The elements of a slice are independent, each is atomic, and results have the same order."
	ruleNoJob       = "It is empty if no job of the submission was found."
)

var receiveChecks = []check{
	{"PendingRecordIsReceived", ruleAccepted, 0, script(`
		submit s; bind s j 1; pass 10m; deliver j/s failed meta={"user":1} = accepted s; state s = received j; due s 0s
		has s Type=Parse Webhook=true Status=Failed Outcome=failed Source=webhook Metadata={"user":1} Attempt=0 FinishedAt=
		ago s SubmittedAt 10m; ago s ReceivedAt 0s; submit t; bind t k 1; deliver k = accepted t; claim = s t`)},
	{"UnknownJobMakesARecord", ruleNewRecord, 0, script(`
		deliver j = accepted j; state j = received j; has j SubmissionID= Status=Completed Outcome=completed SubmittedAt=
		claim = j; deliver j = duplicate j claimed`)},
	{"UnknownSubmissionMakesARecord", ruleNewRecord, 0, script(`
		deliver j/s = accepted s; has s SubmissionID=s SubmittedAt=; claim = s; deliver j2/s = duplicate s claimed
		deliver j3/s = duplicate s claimed; state s = claimed j`)},
	{"DuplicateInEveryState", ruleDuplicate, 0, func(e *env) {
		e.everyState()
		e.do("mark")
		for _, state := range []inbox.State{received, claimed, done, dead} {
			e.do(`deliver job-%[1]s/%[1]s meta={"x":1} = duplicate %[1]s %[1]s; deliver job-%[1]s = duplicate %[1]s %[1]s
				deliver -/%[1]s = duplicate %[1]s %[1]s`, state)
		}
		e.do("same")
	}},
	{"ConflictInEveryState", ruleOtherStatus, 0, func(e *env) {
		e.everyState()
		e.do("mark")
		for _, state := range []inbox.State{received, claimed, done, dead} {
			e.do("deliver job-%[1]s/%[1]s failed = duplicate %[1]s %[1]s conflict", state)
		}
		e.do(`same; submit s; bind s j1 2; deliver j2/s = accepted s; deliver j1/s failed = duplicate s received; has s Status=Completed
			pass 2m; claim = received s; end s done outcome=expired; deliver j2/s = duplicate s done`)
	}},
	{"SecondJob", ruleSecondJob, 0, script(`
		submit s t; bind s - 2; deliver j1/s = accepted s; deliver j2/s = duplicate s received; state s = received j1 j2
		deliver j2/t = refused; deliver j2 = duplicate s received; bind t j2 1 = conflict`)},
	{"SecondJobWhileAnAnswerIsExpected", ruleSecondJob, 0, script(`
		submit s t; deliver j1/s = accepted s; mark; deliver j2/s = duplicate s received; same; deliver j2/t = accepted t`)},
	{"RefusedInEveryState", ruleRefused, 0, func(e *env) {
		e.everyState()
		e.do(`mark; deliver x/pending = refused; deliver x/received = refused; deliver x/claimed = refused
			deliver x/done = refused; deliver x/dead = refused; same`)
	}},
	{"JobOfAnotherRecord", ruleRefused, 0, script(`
		submit s t waits; bind s j 1; track k; deliver w/waits = accepted waits
		mark; deliver j/t = refused; deliver k/t = refused; deliver w/t = refused; deliver j/new = refused; deliver w/new = refused; same
		deliver j/s = accepted s; deliver k = accepted k; mark; deliver j/t = refused; deliver k/t = refused; deliver j/new = refused; same`)},
	{"WithoutAJob", ruleNoJob, 0, script(`
		submit s; bind s - 1; deliver -/s = accepted s; state s = received; has s Outcome=unknown
		mark; deliver -/s = duplicate s received; deliver -/new = refused; deliver - = refused; same
		claim = s; end s done; deliver j/s = duplicate s done; deliver -/s = duplicate s done`)},
	{"SeveralOfOneRecord", ruleBatch, 0, func(e *env) {
		e.do("submit s; bind s j1 2")
		other := completed("j2", "")
		other.Status = "Failed"
		got := e.receive(completed("j2", "s"), completed("j2", "s"), other, completed("j1", "s"), completed("j3", "s"),
			completed(uuid1, ""), completed(uuid1, ""), completed("k1", "new"), completed("k2", "new"), completed("k1", ""))
		for i, want := range []string{
			"accepted s", "duplicate s received", "duplicate s received conflict", "duplicate s received", "refused",
			"accepted " + uuid1, "duplicate " + uuid1 + " received", "accepted new", "duplicate new received", "duplicate new received",
		} {
			equal(e, fmt.Sprintf("result %d", i), describeResult(got[i]), want)
		}
	}},
	{"Batches", ruleBatch, 0, func(e *env) {
		e.do("submit s; bind s j 1")
		for _, n := range []int{0, 1, 2, 500} { // every second job is new, the others are refused
			list := batch(ids(fmt.Sprintf("n%d", n), n))
			for i := 1; i < n; i += 2 {
				list[i].SubmissionID = "s"
			}
			for i, r := range e.receive(list...) {
				equal(e, "result", describeResult(r), []string{"accepted " + list[i].JobID, "refused"}[i%2])
			}
		}
		equal(e, "number of records", len(e.all()), 1+1+1+250)
	}},
}
