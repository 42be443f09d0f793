package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// histories says which histories are played.
type histories struct {
	first uint64 // the seed of the first one
	most  int    // how many, zero for any number
	time  time.Duration
}

const (
	stepsPerHistory = 80
	perSubtest      = 10 // stores that are open at a time
)

func historiesFromEnv(t tb) histories {
	h := histories{first: uint64(rand.Uint32()), most: 500, time: 2 * time.Second}
	if s := os.Getenv("STORETEST_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("STORETEST_SEED: %v", err)
		}
		h.first = seed
	}
	if s := os.Getenv("STORETEST_TIME"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("STORETEST_TIME: %v", err)
		}
		h.time, h.most = d, 0
	}
	return h
}

func (h histories) run(t *testing.T, open func(t *testing.T) Harness) {
	deadline := time.Now().Add(h.time)
	played, slow := 0, 0
	more := func() bool {
		return played == 0 || time.Now().Before(deadline) && (h.most == 0 || played < h.most)
	}
	for seed := h.first; more() && !t.Failed(); seed += perSubtest {
		t.Run(fmt.Sprintf("From%d", seed), func(t *testing.T) {
			for i := uint64(0); i < perSubtest && more(); i++ {
				report, ok := examine(t.Context(), seed+i, func() Harness { return open(t) })
				if played++; !ok {
					slow++
				}
				if report != "" {
					t.Fatal(report)
				}
			}
		})
	}
	t.Logf("%d histories from seed %d on, %d of them cut short because the store was too slow", played, h.first, slow)
}

// examine plays the history of that seed. If it fails, examine shortens it and returns
// a report. ok is false if the store was too slow to play it to the end.
func examine(ctx context.Context, seed uint64, open func() Harness) (report string, ok bool) {
	steps := makeHistory(seed, stepsPerHistory)
	p := newPlayer(ctx, open())
	n := p.play(steps)
	if p.wrong == "" {
		return "", !p.slow
	}
	p = shorten(ctx, steps[:n], p, open)
	return fmt.Sprintf("a history fails, shortened here; STORETEST_SEED=%d repeats it:\n%s\n\n%s",
		seed, strings.Join(p.lines, "\n"), p.wrong), true
}

// shorten leaves out steps that do not matter. It returns the player of the shortest
// history found that fails.
func shorten(ctx context.Context, steps []step, failing *player, open func() Harness) *player {
	deadline := time.Now().Add(5 * time.Second)
	for size := len(steps) / 2; size > 0; size /= 2 {
		for from := 0; from+size <= len(steps) && time.Now().Before(deadline); {
			fewer := slices.Concat(steps[:from], steps[from+size:])
			p := newPlayer(ctx, open())
			n := p.play(fewer)
			if p.wrong == "" {
				from += size
				continue
			}
			steps, failing = fewer[:n], p
		}
	}
	return failing
}

// step is one call of a history. It names claims by number, so that steps before it
// can be left out.
type step struct {
	handle int // which handle makes the call
	act    func(p *player)
}

// makeHistory makes n random steps, the same for the same seed.
func makeHistory(seed uint64, n int) []step {
	g := &generator{rand.New(rand.NewPCG(seed, 0))}
	steps := make([]step, n)
	for i := range steps {
		steps[i] = step{handle: g.IntN(100), act: g.act()}
	}
	return steps
}

// generator makes random arguments. It uses few ids, so that they meet often.
type generator struct{ *rand.Rand }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) submission() string {
	return pick(g, "s1", "s1", "s2", "s2", uuid1, strings.ToUpper(uuid1))
}

func (g *generator) job() string {
	return pick(g, "j1", "j1", "j2", "j2", "j3", uuid2, strings.ToUpper(uuid2))
}

func (g *generator) duration() time.Duration {
	return pick(g, 0, time.Minute, 10*time.Minute, time.Hour, 5*time.Hour)
}

func (g *generator) metadata() []byte {
	return pick(g, nil, fmt.Appendf(nil, `{"n": %d}`, g.IntN(1000)))
}

func (g *generator) notification() inbox.Notification {
	if g.IntN(8) == 0 {
		return inbox.Notification{SubmissionID: g.submission(), Outcome: webhook.OutcomeUnknown, Source: inbox.SourcePoll, Hold: g.duration()}
	}
	return inbox.Notification{
		JobID: g.job(), SubmissionID: pick(g, "", g.submission(), g.submission(), g.submission()),
		Status:   pick(g, reducto.StatusCompleted, reducto.StatusCompleted, reducto.StatusFailed),
		Outcome:  pick(g, webhook.OutcomeCompleted, webhook.OutcomeFailed),
		Source:   pick(g, inbox.SourceWebhook, inbox.SourcePoll),
		Metadata: g.metadata(), Hold: g.duration(),
	}
}

func (g *generator) act() func(p *player) {
	switch n := g.IntN(100); {
	case n < 16:
		s := inbox.Submission{
			ID: g.submission(), Type: pick(g, reducto.JobParse, reducto.JobExtract), Metadata: g.metadata(),
			Webhook: g.IntN(3) > 0, PollAfter: g.duration(),
		}
		if n < 3 {
			s.ID, s.JobID = "", g.job()
		}
		return func(p *player) {
			p.do(fmt.Sprintf("Submit(%+v, Metadata: %s)", s, s.Metadata), func(ctx context.Context, side *side) (string, error) {
				return "", side.store.Submit(ctx, s)
			})
		}
	case n < 32:
		a := inbox.Answer{SubmissionID: g.submission(), JobID: pick(g, g.job(), g.job(), g.job(), ""), Jobs: pick(g, 0, 1, 1, 1, 2)}
		return func(p *player) {
			p.do(fmt.Sprintf("Bind(%+v)", a), func(ctx context.Context, side *side) (string, error) {
				return "", side.store.Bind(ctx, a)
			})
		}
	case n < 48:
		list := make([]inbox.Notification, pick(g, 1, 1, 1, 2, 4))
		for i := range list {
			list[i] = g.notification()
		}
		return func(p *player) { p.receive(list) }
	case n < 60:
		n, d := pick(g, 0, 1, 1, 2, 2, 10), g.duration()
		return func(p *player) { p.claim(n, d) }
	case n < 65:
		refs, d := []int{g.IntN(1000), g.IntN(1000)}, g.duration()
		return func(p *player) {
			p.do(fmt.Sprintf("Extend(%v, %v)", p.names(refs), d), func(ctx context.Context, side *side) (string, error) {
				held, err := side.store.Extend(ctx, side.leases(refs), d)
				return fmt.Sprint(held), err
			})
		}
	case n < 80:
		refs := []int{g.IntN(1000), g.IntN(1000)}
		list := make([]inbox.Completion, len(refs))
		for i := range list {
			list[i] = inbox.Completion{
				State: pick(g, done, dead, dead, received, received), After: g.duration(), Attempt: g.IntN(4),
				Outcome: pick(g, "", "", webhook.OutcomeExpired), Error: pick(g, "", "this", "that"),
			}
		}
		return func(p *player) { p.finish(refs, list) }
	case n < 85:
		n, d := pick(g, 1, 2, 10), g.duration()
		return func(p *player) { p.overdue(n, d) }
	case n < 89:
		doneFor, deadFor := g.duration(), g.duration()
		return func(p *player) { p.purge(doneFor, deadFor) }
	case n < 97:
		d := pick(g, time.Minute, 10*time.Minute, time.Hour, 5*time.Hour, 30*time.Hour)
		return func(p *player) {
			p.lines = append(p.lines, fmt.Sprintf("Advance(%v)", d))
			p.advance(d)
		}
	}
	return func(p *player) {
		if p.h.Reopen != nil {
			p.lines = append(p.lines, "Reopen()")
			p.handles = append(p.handles, p.h.Reopen())
			p.handles = p.handles[max(0, len(p.handles)-3):]
		}
	}
}
