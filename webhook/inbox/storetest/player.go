package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	// tolerance is how far times of the store and of the reference may be apart.
	tolerance = 3 * time.Second
	// tooSlow is a call that takes so long that times cannot be compared after it.
	tooSlow = time.Second
)

// side is a store, and the claims made on it.
type side struct {
	store  inbox.Store
	claims []inbox.Lease
}

// leases returns the claims with these numbers. Some have a token that no claim has.
func (s *side) leases(refs []int) []inbox.Lease {
	leases := make([]inbox.Lease, len(refs))
	for i, ref := range refs {
		leases[i] = inbox.Lease{Key: "s1", Token: -1}
		if len(s.claims) > 0 {
			leases[i] = s.claims[ref%len(s.claims)]
		}
		if ref%8 == 0 {
			leases[i].Token = -1
		}
	}
	return leases
}

// player plays a history on a store and on a MemoryStore. It compares what they
// return and what they have.
type player struct {
	ctx     context.Context
	h       Harness
	handles []inbox.Store

	tested, reference *side
	memory            *inbox.MemoryStore

	lines []string // the calls and their results
	wrong string   // the first difference, empty if there is none
	slow  bool
}

func newPlayer(ctx context.Context, h Harness) *player {
	memory := inbox.NewMemoryStore()
	return &player{
		ctx: ctx, h: h, handles: []inbox.Store{h.Store}, memory: memory,
		tested: &side{store: h.Store}, reference: &side{store: memory},
	}
}

// play plays the steps until one fails, and returns how many it played.
func (p *player) play(steps []step) int {
	for i, s := range steps {
		p.tested.store = p.handles[s.handle%len(p.handles)]
		if p.h.Features.Exclusive {
			p.tested.store = p.handles[len(p.handles)-1]
		}
		p.separate(0, 0)
		s.act(p)
		p.compare()
		if p.wrong != "" || p.slow {
			return i + 1
		}
	}
	return len(steps)
}

func (p *player) advance(d time.Duration) {
	p.h.Advance(d)
	p.memory.Advance(d)
}

// separate moves both clocks on while a record is becoming due or may be purged: the
// stores need not agree at such a moment.
func (p *player) separate(doneFor, deadFor time.Duration) {
	for close := true; close; {
		close = slices.ContainsFunc(p.expected(), func(r inbox.Record) bool {
			for _, at := range []time.Time{r.DueAt, r.FinishedAt.Add(doneFor), r.FinishedAt.Add(deadFor)} {
				if at.Sub(r.ReadAt).Abs() <= tolerance {
					return true
				}
			}
			return false
		})
		if close {
			p.advance(2 * tolerance)
		}
	}
}

// expected returns the records of the reference.
func (p *player) expected() []inbox.Record {
	records, err := p.memory.List(context.WithoutCancel(p.ctx), inbox.Filter{Limit: 1000})
	if err != nil {
		panic(err)
	}
	return records
}

func (p *player) wrongf(format string, args ...any) {
	if p.wrong == "" && !p.slow {
		p.wrong = fmt.Sprintf(format, args...)
	}
}

// do makes one call on both stores and compares the results.
func (p *player) do(line string, call func(ctx context.Context, s *side) (string, error)) {
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	began := time.Now()
	got, err := call(ctx, p.tested)
	p.slow = p.slow || time.Since(began) > tooSlow
	p.lines = append(p.lines, line)
	if got != "" {
		p.lines = append(p.lines, "  = "+got)
	}
	want, wantErr := call(ctx, p.reference)
	switch {
	case errors.Is(err, inbox.ErrConflict) != errors.Is(wantErr, inbox.ErrConflict), (err == nil) != (wantErr == nil):
		p.wrongf("the error is %v, want %v", err, wantErr)
	case got != want:
		p.wrongf("the result is\n%s\nwant\n%s", got, want)
	}
}

func (p *player) names(refs []int) []string {
	var names []string
	for _, l := range p.reference.leases(refs) {
		names = append(names, fmt.Sprintf("%s:%d", l.Key, l.Token))
	}
	return names
}

func (p *player) receive(list []inbox.Notification) {
	var lines []string
	for _, n := range list {
		lines = append(lines, describeNotification(n))
	}
	p.do("Receive("+strings.Join(lines, ", ")+")", func(ctx context.Context, s *side) (string, error) {
		results, err := s.store.Receive(ctx, list)
		var lines []string
		for _, r := range results {
			lines = append(lines, describeResult(r))
		}
		return strings.Join(lines, ", "), err
	})
}

// whole raises n until the order of records at one moment does not matter.
func whole(n int, records []inbox.Record, at func(r inbox.Record) time.Time) int {
	slices.SortFunc(records, func(a, b inbox.Record) int { return at(a).Compare(at(b)) })
	for n > 0 && n < len(records) && at(records[n]).Sub(at(records[n-1])) < tolerance {
		n++
	}
	return n
}

// inOrder returns the records by key, without what two stores need not have in common.
func (p *player) inOrder(records []inbox.Record, at func(r inbox.Record) time.Time) string {
	for i, r := range records {
		if i > 0 && at(r).Before(at(records[i-1]).Add(-tolerance)) {
			p.wrongf("%s comes too late", describe(r))
		}
	}
	var lines []string
	for _, r := range byKey(records) {
		lines = append(lines, describe(common(r)))
	}
	return strings.Join(lines, "\n    ")
}

func byKey(records []inbox.Record) []inbox.Record {
	return slices.SortedFunc(slices.Values(records), func(a, b inbox.Record) int { return cmp.Compare(a.Key, b.Key) })
}

func common(r inbox.Record) inbox.Record {
	if r = timeless(r); r.State == pending && r.JobID != "" {
		r.JobID = "one of them"
	}
	return r
}

func (p *player) claim(n int, lease time.Duration) {
	at := func(r inbox.Record) time.Time { return r.ReceivedAt }
	n = whole(n, slices.DeleteFunc(p.expected(), func(r inbox.Record) bool {
		return r.State != received && r.State != claimed || r.DueAt.After(r.ReadAt)
	}), at)
	var nexts []time.Duration // the tested store's and the reference's
	p.do(fmt.Sprintf("Claim(%d, %v)", n, lease), func(ctx context.Context, s *side) (string, error) {
		records, next, err := s.store.Claim(ctx, n, lease)
		for _, r := range byKey(records) {
			if slices.Contains(s.claims, leaseOf(r)) {
				p.wrongf("the token %d of %s was given before", r.Token, r.Key)
			}
			s.claims = append(s.claims, leaseOf(r))
		}
		nexts = append(nexts, next)
		return p.inOrder(records, at), err
	})
	if got, want := nexts[0], nexts[1]; (got < 0) != (want < 0) || got > want+tolerance {
		p.wrongf("next is %v, want at most %v, and negative only if that is", got, want)
	}
}

func (p *player) finish(refs []int, list []inbox.Completion) {
	if names := p.names(refs); names[0] == names[1] {
		refs, list = refs[:1], list[:1] // a claim has one end in a call
	}
	p.do(fmt.Sprintf("Finish(%v, %+v)", p.names(refs), list), func(ctx context.Context, s *side) (string, error) {
		for i, l := range s.leases(refs) {
			list[i].Lease = l
		}
		held, err := s.store.Finish(ctx, list)
		return fmt.Sprint(held), err
	})
}

func (p *player) overdue(n int, d time.Duration) {
	at := func(r inbox.Record) time.Time { return r.DueAt }
	n = whole(n, slices.DeleteFunc(p.expected(), func(r inbox.Record) bool {
		return r.State != pending || r.DueAt.After(r.ReadAt)
	}), at)
	p.do(fmt.Sprintf("Overdue(%d, %v)", n, d), func(ctx context.Context, s *side) (string, error) {
		records, err := s.store.Overdue(ctx, n, func(*inbox.Record) time.Duration { return d })
		return p.inOrder(records, at), err
	})
}

func (p *player) purge(doneFor, deadFor time.Duration) {
	p.separate(doneFor, deadFor)
	p.do(fmt.Sprintf("Purge(%v, %v)", doneFor, deadFor), func(ctx context.Context, s *side) (string, error) {
		n, err := s.store.Purge(ctx, doneFor, deadFor, 1000)
		return fmt.Sprint(n), err
	})
}

// compare compares all records, and what Stats says.
func (p *player) compare() {
	if p.wrong != "" || p.slow {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	began := time.Now()
	got, err := p.tested.store.List(ctx, inbox.Filter{Limit: 1000})
	stats, statsErr := p.tested.store.Stats(ctx)
	if p.slow = time.Since(began) > tooSlow; err != nil || statsErr != nil {
		p.wrongf("List: error %v, Stats: error %v", err, statsErr)
		return
	}
	want := p.expected()
	wantStats, _ := p.memory.Stats(context.WithoutCancel(p.ctx))
	if !slices.Equal(keysOf(got), keysOf(want)) {
		p.wrongf("List returns %q, want %q", keysOf(got), keysOf(want))
		return
	}
	unclear := false // whether a record is becoming due
	for i, r := range got {
		w := want[i]
		unclear = unclear || w.DueAt.Sub(w.ReadAt).Abs() <= tolerance
		if wrong := inconsistent(r); wrong != "" {
			p.wrongf("%s: %s", describe(r), wrong)
		}
		if g, w := describe(common(r)), describe(common(w)); g != w || (r.Token == 0) != (want[i].Token == 0) {
			p.wrongf("there is %s\nwant     %s", describe(normal(r)), describe(normal(want[i])))
		}
		gv, wv := reflect.ValueOf(r), reflect.ValueOf(w)
		for _, name := range []string{"SubmittedAt", "ReceivedAt", "FinishedAt", "DueAt"} {
			g, w := gv.FieldByName(name).Interface().(time.Time).Sub(r.ReadAt), wv.FieldByName(name).Interface().(time.Time).Sub(w.ReadAt)
			if (g - w).Abs() > tolerance { // a time that is not set is centuries ago
				p.wrongf("%s of %s is %v from now, want %v", name, r.Key, g.Round(time.Second), w.Round(time.Second))
			}
		}
	}
	for _, s := range allStates {
		if stats.Count[s] != wantStats.Count[s] {
			p.wrongf("Stats counts %d %s, want %d", stats.Count[s], s, wantStats.Count[s])
		}
	}
	if !unclear && stats.Due != wantStats.Due {
		p.wrongf("Stats: Due is %d, want %d", stats.Due, wantStats.Due)
	}
	wantOldest := []time.Duration{wantStats.OldestDue, wantStats.OldestPending, wantStats.OldestUnfinished}
	for i, d := range []time.Duration{stats.OldestDue, stats.OldestPending, stats.OldestUnfinished} {
		if (d - wantOldest[i]).Abs() > tolerance {
			p.wrongf("Stats: the oldest due, pending and unfinished records are %+v, want %+v", stats, wantStats)
		}
	}
}
