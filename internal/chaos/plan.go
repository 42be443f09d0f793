package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// profile is how much happens in a run, and how bad it gets.
type profile struct {
	Jobs     int
	Children int
	Kills    int
	Pauses   int
	Drops    int
	// Window is for how long faults happen. After it the run has calm, in which
	// everything that is not lost has to end.
	Window time.Duration
	// Gentle leaves out what takes the inbox a minute or more to get over by design,
	// so that a run can end within seconds: lost webhooks that only a sweep makes up
	// for, lost answers to submissions, kills while jobs are being submitted, tokens
	// that are replayed before their own delivery has arrived.
	Gentle bool
	// Harmless has nothing go wrong by itself, for tests that do it.
	Harmless bool
}

// plan is everything that goes wrong in a run, and when. It is made of the seed
// alone.
type plan struct {
	Seed        uint64
	Profile     profile
	Submissions []submission
	Disruptions []disruption
}

// submission is a job that a child is told to submit.
type submission struct {
	ID   string
	N    int // also its metadata, which has to come back
	At   time.Duration
	Kind string
	// Resubmit is reducto.WithResubmit. Again sends the submission anew, under its id,
	// when its outcome is unknown, although there may be a job. Those without are
	// sent anew only if there is none.
	Resubmit, Again bool
	// Silent has no webhook: only asking tells its end.
	Silent bool
}

// The kinds of submissions.
const (
	kindParse   = "parse"
	kindExtract = "extract"
	kindSplit   = "split"
)

// disruption is something that happens to a child.
type disruption struct {
	// After is the time since the one before.
	After time.Duration
	Kind  string
	// Slot is the child, or the next one that is up.
	Slot int
	// For is how long a paused child stays so, or a killed one stays away.
	For time.Duration
}

// The kinds of disruptions.
const (
	disruptKill  = "kill"
	disruptPause = "pause"
	disruptDrop  = "drop connections"
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
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	for i := range list {
		mean := p.Window / time.Duration(len(list))
		list[i].After = between(r, mean/2, mean*3/2)
		list[i].Slot = r.IntN(p.Children)
	}
	return list
}

// fate is how a job goes.
type fate struct {
	// Takes is from its submission to its end.
	Takes time.Duration
	End   string
	// ReadLag is how many answers say that it runs after it has ended.
	ReadLag int
	Webhook []hookFault
	// Repeats are when the webhook is sent once more, after the end.
	Repeats []time.Duration
}

// How jobs end.
const (
	endComplete = "complete"
	endFail     = "fail"
	endCancel   = "cancel"
	endExpire   = "expire" // completes, and is forgotten while children read that it runs
)

// hookFault is something that goes wrong with a job's webhook.
type hookFault struct {
	Kind string
	N    int
	For  time.Duration
	// Early has a token replayed before any delivery of its own was answered, by
	// somebody who sees what is on its way and can hold it up. Otherwise it is replayed
	// as it leaks: out of a delivery that has arrived.
	Early bool
}

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
	hookReplayed    = "replayed for another job"
	hookCrossed     = "replayed for another's job"
	hookCorrupt     = "corrupt"
	hookTorn        = "corrupt at first"
	hookBroken      = "answer lost at first"
	hookOdd         = "unknown status"
	hookSlow        = "slow body"
)

// fateOf is the fate of a submission's nth job.
func (p *plan) fateOf(id string, nth int) fate {
	if p.Profile.Harmless {
		return fate{Takes: 100 * time.Millisecond, End: endComplete}
	}
	r := stream(p.Seed, fmt.Sprintf("job %d of %s", nth, id))
	f := fate{
		Takes: between(r, 150*time.Millisecond, 1500*time.Millisecond),
		End:   choose(r, []weighted[string]{{endComplete, 80}, {endFail, 12}, {endCancel, 5}, {endExpire, 3}}),
	}
	if p.Profile.Gentle {
		f.Takes = between(r, 500*time.Millisecond, 4*time.Second)
		if f.End != endFail {
			f.End = endComplete
		}
	}
	if r.IntN(12) == 0 {
		f.ReadLag = 1 + r.IntN(3)
	}
	if f.End == endExpire {
		f.ReadLag = 8
	}
	for range r.IntN(3) {
		f.Webhook = append(f.Webhook, drawHookFault(r))
	}
	if p.Profile.Gentle {
		f.Webhook = slices.DeleteFunc(f.Webhook, func(h hookFault) bool {
			return h.Kind == hookLost || h.Kind == hookCorrupt || h.Kind == hookReordered
		})
	}
	if f.End != endCancel && r.IntN(8) == 0 {
		f.Repeats = append(f.Repeats, between(r, 500*time.Millisecond, 5*time.Second))
	}
	return f
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

// submitFaults are those of the first n requests that submit something.
func (p *plan) submitFaults(n int) []answerFault {
	choices := []weighted[string]{
		{answerRight, 74}, {answerLimited, 6}, {answerStatus, 6}, {answerLost, 8}, {answerDropped, 2}, {answerLate, 4},
	}
	if p.Profile.Gentle {
		choices = []weighted[string]{{answerRight, 80}, {answerLimited, 15}, {answerLate, 5}}
	}
	return drawAnswerFaults(stream(p.Seed, "submit"), choices, n)
}

// readFaults are those of the first n requests for one thing.
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
