package storetest

import (
	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	ruleSubmit    = "Submit records a submission that is about to be sent."
	ruleSendAgain = "If the record exists, Submit counts one more send."
	ruleTrack     = "If s has no ID, Submit records a job that was submitted elsewhere, unless a record has that job."
	ruleSpellings = "Two spellings of one UUID are the same id."
	ruleMetadata  = "A record that has metadata from Submit keeps that."
)

var submitChecks = []check{
	{"NewRecordIsPending", ruleSubmit, 0, func(e *env) {
		e.ok(e.Store.Submit(e.ctx, inbox.Submission{ID: "plain", Type: reducto.JobTypeExtract, PollAfter: hold}))
		e.do(`has plain SubmissionID=plain Type=Extract Webhook=false Metadata= Status= Outcome= Source= Attempt=0 Polls=0 Error=
			state plain = pending; due plain 30m; ago plain SubmittedAt 0s
			submit s meta={"a":1}; has s Metadata={"a":1} Webhook=true; due s 3h`)
	}},
	{"MetadataOfSubmitWins", ruleMetadata, 0, script(`
		submit s meta={"big":12345678901234567890}; submit t
		bind s js 1; deliver js/s meta={"theirs":1} = accepted s; has s Metadata={"big":12345678901234567890}
		bind t jt 1; deliver jt/t meta={"theirs":1} = accepted t; has t Metadata={"theirs":1}
		deliver jt/t meta={"theirs":2} = duplicate t received; has t Metadata={"theirs":1}`)},
	{"AgainChangesNoField", ruleSendAgain, 0, func(e *env) {
		e.everyState()
		e.do(`mark; pass 10m; submit pending received claimed done dead meta={"new":1}; same`)
	}},
	{"AgainExpectsAnotherJob", ruleSendAgain, 0, script(`
		submit s; bind s j1 1; deliver j0/s = refused
		submit s; deliver j2/s = accepted s; bind s j2 1; deliver j3/s = refused
		deliver j1/s = duplicate s received; state s = received j2 j1`)},
	{"TrackedJob", ruleTrack, 0, func(e *env) {
		e.ok(e.Store.Submit(e.ctx, inbox.Submission{JobID: "j", Type: reducto.JobTypeEdit, PollAfter: pollAfter}))
		e.do(`state j = pending j; has j SubmissionID= Type=Edit; due j 3h
			deliver j = accepted j; claim = j
			track t; deliver t/elsewhere = accepted t; deliver t/elsewhere = duplicate t received; keys = j t`)
	}},
	{"TrackOfAKnownJobIsIgnored", ruleTrack, 0, script(`
		submit s waits; bind s js 1; deliver jw/waits = accepted waits; track t {a}; deliver d = accepted d
		mark; track js jw t d {a} {A}; same`)},
	{"JobWithTheIDOfASubmissionIsIgnored", "Its Key is the submission's id, or the job's id if there is no submission.", 0, script(`submit {a}; mark; track {a} {A}; deliver {A} = refused; same`)},
	{"SpellingsOfASubmission", ruleSpellings, 0, script(`
		submit {A}; has {a} SubmissionID={A}; submit {a}; keys = {a}
		bind {a} j1 1; bind {A} j2 1; deliver j3/{a} = refused; deliver j1/{A} = accepted {a}; claim = {a}; end {a} done
		submit Case case; track Job; deliver JOB = accepted JOB; keys = {a} Case JOB Job case`)},
	{"SpellingsOfAJob", ruleSpellings, 0, script(`
		deliver {A} = accepted {a}; state {a} = received {A}; deliver {a} = duplicate {a} received
		deliver {a} failed = duplicate {a} received conflict
		submit s t; bind s {b} 1; mark; bind s {B} 1; track {B}; deliver {B}/t = refused; same
		deliver {B}/s = accepted s; state s = received {b}`)},
}

const (
	ruleBind     = "Bind records the answer to a submission."
	ruleRepeat   = "It is safe to repeat an answer that names a job."
	ruleRefusal  = "It is zero if the API refused the submission. Then Bind removes the record, unless another send may have made a job."
	ruleNamed    = "It is also zero if a list of jobs named the job, because a list does not answer a send."
	ruleJobs     = "Jobs is the number of jobs that the submission may have made."
	ruleOneOwner = "A job belongs to at most one record."
	ruleConflict = "Its error is ErrConflict if the job belongs to another record, or if the record was already claimed for another job."
)

var bindChecks = []check{
	{"NamesTheJob", ruleBind, 0, script(`
		submit s; pass 10m; bind s j 1; state s = pending j; due s 2h50m; ago s SubmittedAt 10m
		submit s; bind s j2 1; state s = pending j j2`)},
	{"AgainChangesNothing", ruleRepeat, 0, script(`
		submit s list t; submit list; track j3; bind s j1 1; bind list j2 0; bind t j3 1
		mark; bind s j1 1; bind s j1 0; bind list j2 0; bind t j3 1; same; deliver k1/s = refused
		bind list j2 1; bind list j2 1; deliver k2/list = accepted list; bind list k2 1; due list 0s; deliver k3/list = refused`)},
	{"LostAnswer", ruleJobs, 0, script(`
		submit s; bind s - 1; state s = pending; deliver j1/s = accepted s; due s 0s; deliver j2/s = refused
		submit t; bind t k1 2; deliver k2/t = accepted t; deliver k1/t = duplicate t received; deliver k3/t = refused
		state t = received k2 k1`)},
	{"SendsAddUp", ruleJobs, 0, script(`
		submit s; bind s - 2; submit s; bind s j4 1; deliver j1/s = accepted s; deliver j2/s = duplicate s received
		mark; deliver j3/s = refused; same; deliver j4/s = duplicate s received; state s = received j1 j2 j4`)},
	{"RefusedSubmissionIsRemoved", ruleRefusal, 0, script(`
		submit s t; mark; bind s - 0; same s; bind s - 0; deliver j/s = accepted s`)},
	{"RefusedSendOfSeveral", ruleRefusal, 0, script(`
		submit open made lost refused; submit open made lost refused; bind made j 1; bind lost - 1
		mark; bind open - 0; bind made - 0; bind lost - 0; bind refused - 0; same; bind refused - 0; same refused
		deliver j2/made = refused; deliver k1/lost = accepted lost; deliver k2/lost = refused
		bind open o 1; deliver o2/open = refused`)},
	{"ListNamesAJob", ruleNamed, 0, script(`
		submit s; bind s j 0; state s = pending j; deliver j/s = accepted s; deliver j2/s = duplicate s received
		bind s j2 1; state s = received j j2; deliver j3/s = refused
		submit t; bind t k 0; bind t k 1; deliver k2/t = refused
		submit u; bind u l 0; mark; bind u - 0; same; deliver l2/u = refused`)},
	{"WithoutARecord", ruleBind, 0, script(`
		bind s j 1; state s = pending j; has s SubmissionID=s Webhook=false; ago s SubmittedAt 0s; overdue = s
		deliver j2/s = refused; deliver j/s = accepted s`)},
	{"JobOfAnotherSubmission", ruleConflict, 0, script(`
		submit s1 s2; bind s1 j 1; bind s2 j 1 = conflict; bind s2 j 1 = conflict; state s1 = pending j; state s2 = pending
		mark; bind unknown j 1 = conflict; same; deliver j = accepted s1; claim = s1; end s1 done; bind s2 j 1 = conflict
		track t; submit s3; submit s3; bind s3 j3 1; mark; bind s3 t 1 = conflict; same`)},
	{"TrackedJobStandsForTheSubmission", ruleOneOwner, 0, script(`
		submit s1 s2; deliver j1 = accepted j1; track j2; mark; bind s1 j1 1; bind s2 j2 1; same s1 s2
		deliver j1/s1 = duplicate j1 received; deliver j2/s2 = accepted j2`)},
}

const (
	ruleHold    = "Hold is how long the record waits for Bind before it is due. It applies if the answer to the submission is expected and has not named the job."
	ruleRelease = "Bind returns a record to pending if it was received for a job that is not its own and waits for Bind."
)

// waitChecks are about deliveries that overtake the answer to their submission.
var waitChecks = []check{
	{"UntilBindNamesTheJob", ruleHold, 0, script(`
		submit s; deliver j/s = accepted s; due s 30m; claim =; bind s j 1; due s 0s; state s = received j; claim = s
		submit t; deliver k/t = accepted t; bind t k 0; due t 0s; claim = t`)},
	{"UntilHoldIsOver", ruleHold, 0, script(`
		submit s; deliver j/s = accepted s; pass 28m; claim =; pass 4m; claim = s
		bind s j 1; state s = claimed j; due s 1h; end s done`)},
	{"OnlyIfAnAnswerIsExpected", ruleHold, 0, script(`
		submit bound lost named; bind bound a 1; bind lost - 1; bind named c 1; submit named; track d; submit none zero
		deliver a/bound = accepted bound; due bound 0s; pass 2m; deliver b/lost = accepted lost; due lost 0s; pass 2m
		deliver c/named = accepted named; due named 0s; pass 2m; deliver d = accepted d; due d 0s; pass 2m
		deliver e = accepted e; due e 0s; pass 2m; deliver f/unknown = accepted unknown; due unknown 0s; pass 2m
		deliver -/none = accepted none; due none 0s; pass 2m; deliver z/zero hold=0s = accepted zero
		claim = bound lost named d e unknown none zero`)},
	{"BindOfAnotherJob", ruleRelease, 0, script(`
		submit s; deliver x/s failed meta={"theirs":1} = accepted s; deliver j/s = duplicate s received; state s = received x
		bind s j 1; state s = pending j; due s 0s; has s Status= Outcome= Source= Metadata= ReceivedAt= Attempt=0 Webhook=true
		pass 1h; claim =; overdue = s; deliver x/s = refused; deliver x = accepted x; pass 2m
		deliver j/s = accepted s; has s Status=Completed; claim = x s`)},
	{"BindOfAnotherJobKeepsMetadataOfSubmit", ruleMetadata, 0, script(`
		submit s meta={"ours":1}; deliver x/s meta={"theirs":1} = accepted s; bind s j 1; has s Metadata={"ours":1}
		deliver j/s meta={"theirs":2} = accepted s; has s Metadata={"ours":1}`)},
	{"BindForAnotherSubmission", ruleRelease, 0, script(`
		submit s t; deliver j/s meta={"theirs":1} = accepted s; mark; deliver j/t = refused; same
		bind t j 1; state t = pending j; state s = pending; due s 0s; has s Status= Outcome= Source= Metadata= ReceivedAt=
		deliver j/s = refused; deliver j/t = accepted t; claim = t; deliver k/s = accepted s; due s 30m
		submit u v; deliver jv/u = accepted u; deliver ju/v = accepted v; bind v jv 1; state u = pending; state v = pending jv`)},
	{"BindAfterHold", ruleRelease, 0, script(`
		submit s t u; deliver j/s = accepted s; deliver k/u = accepted u; pass 1h
		bind t j 1; state s = pending; bind u own 1; state u = pending own; claim =`)},
	{"BindForAnotherSubmissionOfARefusedOne", ruleRefusal, 0, script(`
		submit s t; deliver j/s = accepted s; bind s - 0; state s = received j; bind t j 1; state s = none`)},
	{"BindOfAnotherJobAfterClaim", ruleConflict, 0, func(e *env) {
		for _, state := range []inbox.State{claimed, received, done, dead} {
			e.do("submit %[1]s other-%[1]s; deliver x-%[1]s/%[1]s = accepted %[1]s; pass 31m; claim = %[1]s", state)
			if state != claimed {
				e.do("end %[1]s %[1]s after=50h error=e", state)
			}
			before := e.record(string(state))
			e.do(`bind %[1]s j-%[1]s 1 = conflict; bind %[1]s j-%[1]s 1 = conflict; bind other-%[1]s x-%[1]s 1 = conflict
				state %[1]s = %[1]s x-%[1]s j-%[1]s; deliver j-%[1]s/%[1]s = duplicate %[1]s %[1]s`, state)
			after := e.record(string(state))
			after.JobIDs, after.ReadAt = before.JobIDs, before.ReadAt
			if a, b := describe(after), describe(before); a != b {
				e.Errorf("there is %s\nwant     %s", a, b)
			}
			if state == claimed {
				e.do("end claimed done")
			}
		}
	}},
	{"NotAllAnswersAreKnown", ruleRelease, 0, script(`
		submit two lost own other; submit own other
		deliver a2/two = accepted two; deliver b1/lost = accepted lost; deliver c2/own = accepted own; deliver d2/other = accepted other
		bind two a1 2; bind lost - 1; bind own c1 1; bind other d1 1
		due two 30m; due lost 30m; due own 30m; due other 30m; deliver a3/two = refused; deliver b2/lost = refused
		bind own c2 1; claim = own; bind other d3 1; state other = pending d1 d3; pass 31m; claim = two lost`)},
}
