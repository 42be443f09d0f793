package storetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// step is one call of a history, or something else that happens. What it does is
// decided when it is made up, except that it refers to claims, which depend on the
// store, by number: so a history that lacks some of its steps is one, too.
type step struct {
	handle int // which of the handles makes the call
	act    func(p *player)
}

// makeUp makes up a history of n steps, the same for the same seed.
func makeUp(seed uint64, n int) []step {
	g := &generator{rand.New(rand.NewPCG(seed, 0))}
	steps := make([]step, n)
	for i := range steps {
		steps[i] = step{handle: g.IntN(100), act: g.act()}
	}
	return steps
}

type generator struct{ *rand.Rand }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// Few names, so that histories are about the same things again and again.

func (g *generator) submission() string {
	return pick(g, "s1", "s1", "s2", "s2", uuid1, strings.ToUpper(uuid1))
}

func (g *generator) job() string {
	return pick(g, "j1", "j1", "j2", "j2", "j3", uuid2, strings.ToUpper(uuid2))
}

func (g *generator) key() string {
	return pick(g, "s1", "s2", uuid1, "j1", "j2", "j3", uuid2, "unknown")
}

func (g *generator) duration() time.Duration {
	return pick(g, 0, time.Minute, 10*time.Minute, time.Hour, 5*time.Hour)
}

func (g *generator) arrival() webhook.Arrival {
	a := webhook.Arrival{
		JobID:   g.job(),
		Status:  pick(g, reducto.JobStatusCompleted, reducto.JobStatusCompleted, reducto.JobStatusFailed),
		Outcome: pick(g, webhook.OutcomeCompleted, webhook.OutcomeFailed),
		Source:  pick(g, webhook.SourceWebhook, webhook.SourceSweep),
		Hold:    g.duration(),
	}
	if g.IntN(4) > 0 {
		a.SubmissionID = g.submission()
		a.Confirmed = g.IntN(6) == 0
	}
	if g.IntN(8) == 0 {
		a = webhook.Arrival{SubmissionID: a.SubmissionID, Outcome: webhook.OutcomeUnknown, Source: webhook.SourceSweep, Hold: a.Hold}
	}
	if g.IntN(2) == 0 {
		a.Metadata = g.metadata()
	}
	return a
}

func (g *generator) metadata() json.RawMessage { return fmt.Appendf(nil, `{"n": %d}`, g.IntN(1000)) }

// claimRef is one of the claims so far, perhaps with a token that it has not.
type claimRef struct{ number, off int }

func (g *generator) claimRefs() []claimRef {
	refs := make([]claimRef, 1+g.IntN(3))
	for i := range refs {
		refs[i] = claimRef{number: g.IntN(1000)}
		if g.IntN(8) == 0 {
			refs[i].off = pick(g, -1, 1)
		}
	}
	return refs
}

func (g *generator) act() func(p *player) {
	switch n := g.IntN(100); {
	case n < 12:
		s := webhook.Submitted{
			ID: g.submission(), Type: pick(g, reducto.JobTypeParse, reducto.JobTypeExtract), Webhook: g.IntN(3) > 0, LookAfter: g.duration(),
		}
		if g.IntN(2) == 0 {
			s.Metadata = g.metadata()
		}
		return func(p *player) { p.submit(s) }
	case n < 15:
		s := webhook.Submitted{JobID: g.job(), Webhook: g.IntN(3) > 0, LookAfter: g.duration()}
		return func(p *player) { p.submit(s) }
	case n < 25:
		id, job, sent := g.submission(), pick(g, g.job(), g.job(), g.job(), ""), pick(g, 1, 1, 1, 2)
		return func(p *player) { p.bind(id, job, sent) }
	case n < 28:
		id := g.submission()
		return func(p *player) { p.withdraw(id) }
	case n < 43:
		arrivals := make([]webhook.Arrival, pick(g, 1, 1, 1, 2, 4))
		for i := range arrivals {
			arrivals[i] = g.arrival()
		}
		return func(p *player) { p.receive(arrivals) }
	case n < 58:
		n, lease := pick(g, 0, 1, 1, 2, 2, 10), g.duration()
		return func(p *player) { p.claim(n, lease) }
	case n < 63:
		refs, d := g.claimRefs(), g.duration()
		return func(p *player) { p.extend(refs, d) }
	case n < 75:
		refs := g.claimRefs()
		verdicts := make([]webhook.Verdict, len(refs))
		for i := range verdicts {
			verdicts[i] = webhook.Verdict{
				State:   pick(g, webhook.StateDone, webhook.StateDead, webhook.StateReceived, webhook.StateReceived, webhook.StatePending),
				After:   g.duration(),
				Keep:    g.IntN(3) == 0,
				Outcome: pick(g, "", "", webhook.OutcomeExpired),
				Error:   pick(g, "", "this", "that"),
			}
		}
		return func(p *player) { p.finish(refs, verdicts) }
	case n < 80:
		n, expected, schedule := pick(g, 1, 2, 10), g.IntN(3) > 0, []time.Duration{time.Hour, 5 * time.Hour, 20 * time.Hour}[:1+g.IntN(3)]
		return func(p *player) { p.overdue(n, expected, schedule) }
	case n < 83:
		name, owner, d := pick(g, "l1", "l2"), pick(g, "a", "b"), g.duration()
		return func(p *player) { p.lock(name, owner, d) }
	case n < 87:
		keys := []string{g.key(), g.key()}
		return func(p *player) { p.replay(keys) }
	case n < 90:
		age, deadAge, n := g.duration(), g.duration(), pick(g, 0, 1, 10)
		return func(p *player) { p.purge(age, deadAge, n) }
	case n < 97:
		d := pick(g, time.Minute, 10*time.Minute, time.Hour, 5*time.Hour, 30*time.Hour)
		return func(p *player) { p.advance(d) }
	}
	return func(p *player) { p.reopen() }
}
