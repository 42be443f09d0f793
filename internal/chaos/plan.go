package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// profile is the size of a run, and how much goes wrong in it.
type profile struct {
	Jobs     int
	Children int
	Kills    int
	Pauses   int
	Drops    int
	Restarts int // of the database
	// Failovers are times in which the database is read-only.
	Failovers int
	// FullDisks are times in which the disk of the database is full.
	FullDisks int
	// Window is how long faults happen. After it the run waits for drainFor, in which
	// every submission must end.
	Window time.Duration
	// Gentle leaves out the faults from which the Inbox recovers by polling, which takes
	// a minute or more: lost webhooks, lost answers to submissions, and kills while jobs
	// are submitted. So a run can end within seconds.
	Gentle bool
	// Harmless leaves out all faults. It is for tests that make their own.
	Harmless bool
}

// plan has everything that goes wrong in a run, and when. It depends on the seed alone.
type plan struct {
	Seed        uint64
	Profile     profile
	Submissions []submission
	Disruptions []disruption
}

// submission is a job that a child is to submit.
type submission struct {
	ID   string
	N    int // in the metadata, which must come back
	At   time.Duration
	Kind string
	// Resubmit is reducto.WithResubmit. Again repeats the submission, under its id, if
	// its outcome is unknown, although there may be a job. Without Again it is repeated
	// only if there is none.
	Resubmit, Again bool
	// Silent: it has no webhook.
	Silent bool
}

// The kinds of submissions.
const (
	kindParse   = "parse"
	kindExtract = "extract"
	kindSplit   = "split"
)

// disruption is something that happens to a child, or to the database of all.
type disruption struct {
	// After is the time since the previous disruption.
	After time.Duration
	Kind  string
	// Slot is the slot of the child. If that is down, it is the next one.
	Slot int
	// For is how long the child is paused, how long after its kill another starts, or how
	// long the database is read-only or its disk is full.
	For time.Duration
}

// The kinds of disruptions.
const (
	disruptKill = "kill"
	// disruptPause stops a child that holds a claim, for longer than the lease.
	disruptPause = "pause"
	disruptDrop  = "drop connections"
	// disruptRestart terminates all backends. A server of the run's own crashes.
	disruptRestart = "restart"
	// disruptFailover makes all sessions read-only. Only sessions that begin after it can
	// write again.
	disruptFailover = "failover"
	disruptFullDisk = "full disk"
)

func newPlan(seed uint64, p profile) *plan {
	return &plan{
		Seed: seed, Profile: p,
		Submissions: planSubmissions(seed, p),
		Disruptions: planDisruptions(seed, p),
	}
}

func planSubmissions(seed uint64, p profile) []submission {
	list := make([]submission, p.Jobs)
	for n := range list {
		id := fmt.Sprintf("chaos-%x-%d", seed, n)
		r := stream(seed, "submission "+id)
		list[n] = submission{
			ID: id, N: n,
			At:       time.Duration(float64(p.Window) * float64(n) / float64(p.Jobs)),
			Kind:     choose(r, []weighted[string]{{kindParse, 6}, {kindExtract, 2}, {kindSplit, 1}}),
			Resubmit: r.IntN(3) == 0,
			Again:    r.IntN(2) == 0,
			Silent:   !p.Gentle && r.IntN(20) == 0,
		}
		if p.Gentle {
			list[n].At = 0
		}
	}
	return list
}

func planDisruptions(seed uint64, p profile) []disruption {
	r := stream(seed, "disruptions")
	var list []disruption
	for range p.Kills {
		list = append(list, disruption{Kind: disruptKill, For: between(r, 0, 300*time.Millisecond)})
	}
	for range p.Pauses {
		list = append(list, disruption{Kind: disruptPause, For: between(r, lease+lease/4, 2*lease)})
	}
	for range p.Drops {
		list = append(list, disruption{Kind: disruptDrop})
	}
	for range p.Restarts {
		list = append(list, disruption{Kind: disruptRestart})
	}
	for range p.Failovers {
		list = append(list, disruption{Kind: disruptFailover, For: between(r, 500*time.Millisecond, 2500*time.Millisecond)})
	}
	for range p.FullDisks {
		list = append(list, disruption{Kind: disruptFullDisk, For: between(r, 500*time.Millisecond, 2500*time.Millisecond)})
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	if p.Gentle { // its jobs are submitted before, and a pause needs a call that runs
		slices.SortStableFunc(list, func(a, b disruption) int { return cmp.Compare(lateness(a), lateness(b)) })
	} else if first := slices.IndexFunc(list, func(d disruption) bool { return d.Kind == disruptPause }); first > len(list)/2 {
		list[first], list[0] = list[0], list[first] // while there are calls
	}
	for i := range list {
		mean := p.Window / time.Duration(len(list))
		list[i].After = between(r, mean/2, mean*3/2)
		list[i].Slot = r.IntN(p.Children)
	}
	return list
}

// lateness orders the disruptions of a gentle run: pauses come first.
func lateness(d disruption) int {
	if d.Kind == disruptPause {
		return 0
	}
	return 1
}

// jobPlan is what happens to a job.
type jobPlan struct {
	// Takes is the time from the submission to the end.
	Takes time.Duration
	End   string
	// ReadLag is how many answers of the API say that the job runs after it has ended.
	ReadLag int
	Faults  []hookFault // of the webhook
	// Redeliveries are times after the end at which the webhook is sent once more.
	Redeliveries []time.Duration
}

// How jobs end.
const (
	endComplete = "complete"
	endFail     = "fail"
	endCancel   = "cancel"
	endExpire   = "expire" // completes, and expires while the API still says that it runs
)

// hookFault is something that goes wrong with a job's webhook.
type hookFault struct {
	Kind string
	N    int
	For  time.Duration
	// Early replays the token before the job's own delivery. Otherwise the token is
	// replayed after that delivery has arrived.
	Early bool
}

// replays reports whether the fault uses the job's token for another job.
func (h hookFault) replays() bool { return h.Kind == hookReplayed || h.Kind == hookCrossed }

// The faults of webhooks.
const (
	hookLost        = "lost"
	hookLostAtFirst = "lost at first"
	hookTwice       = "duplicated"
	hookAtOnce      = "duplicated concurrently"
	hookReordered   = "reordered"
	hookLate        = "delayed"
	hookContradicts = "contradicted"
	hookForged      = "forged"
	hookReplayed    = "token replayed for an unknown job"
	hookCrossed     = "token replayed for another submission's job"
	hookCorrupt     = "corrupt"
	hookTorn        = "corrupt at first"
	hookBroken      = "answer lost at first"
	hookOdd         = "unknown status"
	hookSlow        = "slow body"
)

// jobOf returns the plan of a submission's nth job.
func (p *plan) jobOf(id string, nth int) jobPlan {
	if p.Profile.Harmless {
		return jobPlan{Takes: 100 * time.Millisecond, End: endComplete}
	}
	r := stream(p.Seed, fmt.Sprintf("job %d of %s", nth, id))
	j := jobPlan{
		Takes: between(r, 150*time.Millisecond, 1500*time.Millisecond),
		End:   choose(r, []weighted[string]{{endComplete, 80}, {endFail, 12}, {endCancel, 5}, {endExpire, 3}}),
	}
	if p.Profile.Gentle {
		j.Takes = between(r, 500*time.Millisecond, 4*time.Second)
		if j.End != endFail {
			j.End = endComplete
		}
	}
	if r.IntN(12) == 0 {
		j.ReadLag = 1 + r.IntN(3)
	}
	if j.End == endExpire {
		j.ReadLag = 8
	}
	for range r.IntN(3) {
		j.Faults = append(j.Faults, drawHookFault(r))
	}
	if p.Profile.Gentle {
		j.Faults = slices.DeleteFunc(j.Faults, func(h hookFault) bool {
			return h.Kind == hookLost || h.Kind == hookCorrupt || h.Kind == hookReordered
		})
	}
	if j.End != endCancel && r.IntN(8) == 0 {
		j.Redeliveries = append(j.Redeliveries, between(r, 500*time.Millisecond, 5*time.Second))
	}
	return j
}

func drawHookFault(r *rand.Rand) hookFault {
	h := hookFault{Kind: choose(r, []weighted[string]{
		{hookLost, 8}, {hookLostAtFirst, 8}, {hookTwice, 10}, {hookAtOnce, 10}, {hookReordered, 6},
		{hookLate, 10}, {hookContradicts, 6}, {hookForged, 10}, {hookReplayed, 6}, {hookCrossed, 6},
		{hookCorrupt, 4}, {hookTorn, 6}, {hookBroken, 8}, {hookOdd, 4}, {hookSlow, 4},
	})}
	switch h.Kind {
	case hookLostAtFirst, hookTorn, hookBroken:
		h.N = 1 + r.IntN(3)
	case hookTwice, hookAtOnce:
		h.N = 1 + r.IntN(4)
	case hookLate:
		h.For = between(r, 100*time.Millisecond, 3*time.Second)
	case hookReplayed, hookCrossed:
		h.Early = r.IntN(2) == 0
	case hookSlow:
		h.For = between(r, 20*time.Millisecond, 300*time.Millisecond)
	}
	return h
}

// answerFault is something that goes wrong with a request to the API.
type answerFault struct {
	Kind string
	Code int
	For  time.Duration
}

// The faults of requests to the API.
const (
	answerRight   = "none"
	answerLimited = "rate limited"
	answerStatus  = "error"
	answerLost    = "answer lost"
	answerDropped = "dropped"
	answerTorn    = "torn"
	answerLate    = "late"
)

// submitFaults returns the faults of the first n submissions.
func (p *plan) submitFaults(n int) []answerFault {
	choices := []weighted[string]{
		{answerRight, 74}, {answerLimited, 6}, {answerStatus, 6}, {answerLost, 8}, {answerDropped, 2}, {answerLate, 4},
	}
	if p.Profile.Gentle {
		choices = []weighted[string]{{answerRight, 80}, {answerLimited, 15}, {answerLate, 5}}
	}
	return drawAnswerFaults(stream(p.Seed, "submit"), choices, n)
}

// readFaults returns the faults of the first n requests for what.
func (p *plan) readFaults(what string, n int) []answerFault {
	return drawAnswerFaults(stream(p.Seed, "read "+what), []weighted[string]{
		{answerRight, 82}, {answerLimited, 4}, {answerStatus, 6}, {answerDropped, 2}, {answerTorn, 3}, {answerLate, 3},
	}, n)
}

func drawAnswerFaults(r *rand.Rand, choices []weighted[string], n int) []answerFault {
	list := make([]answerFault, n)
	for i := range list {
		f := answerFault{Kind: choose(r, choices)}
		switch f.Kind {
		case answerStatus:
			f.Code = choose(r, []weighted[int]{{500, 1}, {502, 1}, {503, 1}})
		case answerLate:
			f.For = between(r, 20*time.Millisecond, 400*time.Millisecond)
		}
		list[i] = f
	}
	return list
}
