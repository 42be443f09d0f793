package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

const (
	// tolerance is how far the store's times may be from the model's, which is not
	// told when exactly within a call the store looked at its clock.
	tolerance = 3 * time.Second
	// tooSlow is a call that took so long that its time is not known well enough.
	tooSlow = time.Second
)

// player plays a history to a store and to the model, and notes where the two
// come apart.
type player struct {
	ctx     context.Context
	h       Harness
	handles []webhook.Store
	store   webhook.Store // of the handles the one whose turn it is

	m      *model
	began  time.Time
	jumped time.Duration
	claims []webhook.Lease // all that there were

	lines []string // the calls and their answers
	wrong string   // the first difference, empty if there is none
	slow  bool     // the rest cannot be judged
}

func newPlayer(ctx context.Context, h Harness) *player {
	return &player{
		ctx: ctx, h: h, handles: []webhook.Store{h.Store}, began: time.Now(),
		m: &model{locks: map[string]modelLock{}},
	}
}

// play plays the steps until one goes wrong, and returns how many it played.
func (p *player) play(steps []step) int {
	for i, s := range steps {
		p.store = p.handles[s.handle%len(p.handles)]
		if p.h.Features.Exclusive {
			p.store = p.handles[len(p.handles)-1]
		}
		p.tick()
		p.separate()
		s.act(p)
		p.compare()
		if p.wrong != "" || p.slow {
			return i + 1
		}
	}
	return len(steps)
}

func (p *player) tick() { p.m.now = p.jumped + time.Since(p.began) }

// separate lets time pass while something is about to become due, or just has:
// store and model need not agree about that.
func (p *player) separate(moments ...time.Duration) {
	for p.close(moments) {
		p.h.Advance(2 * tolerance)
		p.jumped += 2 * tolerance
		p.tick()
	}
}

func (p *player) close(moments []time.Duration) bool {
	near := func(at time.Duration) bool { return (at - p.m.now).Abs() <= tolerance }
	for _, r := range p.m.records {
		if r.due.set && !r.due.instant && near(r.due.at) {
			return true
		}
	}
	for _, l := range p.m.locks {
		if near(l.until.at) {
			return true
		}
	}
	return slices.ContainsFunc(moments, near)
}

func (p *player) logf(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *player) wrongf(format string, args ...any) {
	if p.wrong == "" && !p.slow {
		p.wrong = fmt.Sprintf(format, args...)
	}
}

// ok calls the store, and says whether there is an answer to be judged.
func (p *player) ok(call func(ctx context.Context) error) bool {
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	began := time.Now()
	err := call(ctx)
	p.slow = p.slow || time.Since(began) > tooSlow
	if err != nil {
		p.wrongf("error: %v", err)
	}
	return err == nil && !p.slow
}

func compareAnswers[T comparable](p *player, got, want []T) {
	if !slices.Equal(got, want) {
		p.wrongf("answered %+v, want %+v", got, want)
	}
}

func (p *player) submit(s webhook.Submitted) {
	p.logf("Submit({ID: %q, JobID: %q, Type: %q, Webhook: %v, LookAfter: %v, Metadata: %s})",
		s.ID, s.JobID, s.Type, s.Webhook, s.LookAfter, s.Metadata)
	if p.ok(func(ctx context.Context) error { return p.store.Submit(ctx, s) }) {
		p.m.submit(s)
	}
}

func (p *player) bind(id, job string, sent int) {
	p.logf("Bind(%q, %q, %d)", id, job, sent)
	if p.ok(func(ctx context.Context) error { return p.store.Bind(ctx, id, job, sent) }) {
		p.m.bind(id, job, sent)
	}
}

func (p *player) withdraw(id string) {
	p.logf("Withdraw(%q)", id)
	if p.ok(func(ctx context.Context) error { return p.store.Withdraw(ctx, id) }) {
		p.m.withdraw(id)
	}
}

func (p *player) receive(arrivals []webhook.Arrival) {
	texts := make([]string, 0, len(arrivals))
	for _, a := range arrivals {
		texts = append(texts, describeArrival(a))
	}
	p.logf("Receive(%s)", strings.Join(texts, ", "))
	var got []webhook.Receipt
	if !p.ok(func(ctx context.Context) (err error) { got, err = p.store.Receive(ctx, arrivals); return err }) {
		return
	}
	texts = texts[:0]
	for _, r := range got {
		texts = append(texts, describeReceipt(r))
	}
	p.logf("  = %s", strings.Join(texts, ", "))
	want := make([]webhook.Receipt, 0, len(arrivals))
	for _, a := range arrivals {
		want = append(want, p.m.receive(a))
	}
	compareAnswers(p, got, want)
}

// claim judges the store's choice, and adopts it: records that were received at
// about the same time come in any order.
func (p *player) claim(n int, lease time.Duration) {
	p.logf("Claim(%d, %v)", n, lease)
	var got []webhook.Record
	var next time.Duration
	if !p.ok(func(ctx context.Context) (err error) { got, next, err = p.store.Claim(ctx, n, lease); return err }) {
		return
	}
	p.logf("  = %q, %v", keysOf(got), next.Round(time.Millisecond))
	due := p.m.claimable()
	if len(got) != min(n, len(due)) {
		p.wrongf("claimed %d, want %d", len(got), min(n, len(due)))
		return
	}
	for i, r := range got {
		mr := p.m.record(r.Key)
		if !slices.Contains(due, mr) || (mr.received.at-due[i].received.at).Abs() > tolerance {
			p.wrongf("claimed %s, want %s", r.Key, due[i].Key)
			return
		}
		if r.Token <= mr.Token {
			p.wrongf("the token is %d after %d", r.Token, mr.Token)
		}
		p.m.claim(mr, r.Token, lease)
		p.compareRecord(r, mr)
		p.claims = append(p.claims, leaseOf(r))
	}
	first, waiting := p.m.next()
	switch wait := max(first.at-p.m.now, 0); {
	case !waiting && next >= 0:
		p.wrongf("next is %v, want it negative", next)
	case waiting && (next < 0 || next > wait+tolerance):
		p.wrongf("next is %v, want at most %v", next, wait)
	}
}

// lease is the claim that is meant, or one that never was.
func (p *player) lease(ref claimRef) webhook.Lease {
	if len(p.claims) == 0 {
		return webhook.Lease{Key: "s1", Token: int64(ref.off)}
	}
	l := p.claims[ref.number%len(p.claims)]
	l.Token += int64(ref.off)
	return l
}

func (p *player) extend(refs []claimRef, d time.Duration) {
	leases := make([]webhook.Lease, 0, len(refs))
	for _, ref := range refs {
		leases = append(leases, p.lease(ref))
	}
	p.logf("Extend(%+v, %v)", leases, d)
	var got []bool
	if !p.ok(func(ctx context.Context) (err error) { got, err = p.store.Extend(ctx, leases, d); return err }) {
		return
	}
	want := make([]bool, 0, len(leases))
	for _, l := range leases {
		want = append(want, p.m.extend(l, d))
	}
	compareAnswers(p, got, want)
}

func (p *player) finish(refs []claimRef, verdicts []webhook.Verdict) {
	// A claim has one verdict in a call: nobody gives two.
	seen := map[webhook.Lease]bool{}
	given := make([]webhook.Verdict, 0, len(verdicts))
	for i, v := range verdicts {
		if v.Lease = p.lease(refs[i]); !seen[v.Lease] {
			given = append(given, v)
		}
		seen[v.Lease] = true
	}
	p.logf("Finish(%+v)", given)
	var got []bool
	if !p.ok(func(ctx context.Context) (err error) { got, err = p.store.Finish(ctx, given); return err }) {
		return
	}
	want := make([]bool, 0, len(given))
	for _, v := range given {
		want = append(want, p.m.finish(v))
	}
	compareAnswers(p, got, want)
}

func (p *player) overdue(n int, expected bool, schedule []time.Duration) {
	p.logf("Overdue(%d, %v, %v)", n, expected, schedule)
	var got []webhook.Record
	if !p.ok(func(ctx context.Context) (err error) {
		got, err = p.store.Overdue(ctx, n, expected, schedule)
		return err
	}) {
		return
	}
	p.logf("  = %q", keysOf(got))
	due := p.m.overdue(expected)
	if len(got) != min(n, len(due)) {
		p.wrongf("%d are overdue, want %d", len(got), min(n, len(due)))
		return
	}
	for i, r := range got {
		mr := p.m.record(r.Key)
		if !slices.Contains(due, mr) || (mr.due.at-due[i].due.at).Abs() > tolerance {
			p.wrongf("overdue is %s, want %s", r.Key, due[i].Key)
			return
		}
		if r.Looks != mr.Looks {
			p.wrongf("Looks is %d, want %d", r.Looks, mr.Looks)
		}
	}
	for _, r := range got {
		p.m.look(p.m.record(r.Key), schedule)
	}
}

func (p *player) lock(name, owner string, d time.Duration) {
	p.logf("Lock(%q, %q, %v)", name, owner, d)
	var got bool
	if p.ok(func(ctx context.Context) (err error) { got, err = p.store.Lock(ctx, name, owner, d); return err }) {
		compareAnswers(p, []bool{got}, []bool{p.m.lock(name, owner, d)})
	}
}

func (p *player) replay(keys []string) {
	keys = slices.Compact(keys) // asked twice about one, a store may say twice that it was there
	p.logf("Replay(%q)", keys)
	var got []bool
	if !p.ok(func(ctx context.Context) (err error) { got, err = p.store.Replay(ctx, keys); return err }) {
		return
	}
	want := make([]bool, 0, len(keys))
	for _, key := range keys {
		want = append(want, p.m.replay(key))
	}
	compareAnswers(p, got, want)
}

// purge adopts the store's choice where it may remove only some.
func (p *player) purge(age, deadAge time.Duration, n int) {
	var ends []time.Duration
	for _, r := range p.m.records {
		if r.finished.set {
			ends = append(ends, r.finished.at+age, r.finished.at+deadAge)
		}
	}
	p.separate(ends...)
	p.logf("Purge(%v, %v, %d)", age, deadAge, n)
	var got int
	if !p.ok(func(ctx context.Context) (err error) { got, err = p.store.Purge(ctx, age, deadAge, n); return err }) {
		return
	}
	old := p.m.purgeable(age, deadAge)
	if want := min(n, len(old)); got != want {
		p.wrongf("purged %d, want %d", got, want)
		return
	}
	left := p.list()
	removed := 0
	for _, r := range old {
		if !slices.Contains(keysOf(left), r.Key) {
			p.m.remove(r)
			removed++
		}
	}
	if removed != got {
		p.wrongf("purged %d, of those that may be purged %d are gone", got, removed)
	}
}

func (p *player) advance(d time.Duration) {
	p.logf("%v pass", d)
	p.h.Advance(d)
	p.jumped += d
	p.tick()
}

// reopen makes another handle, and forgets the oldest when there are many.
func (p *player) reopen() {
	if p.h.Reopen == nil {
		return
	}
	p.logf("another handle is opened")
	p.handles = append(p.handles, p.h.Reopen())
	p.handles = p.handles[max(0, len(p.handles)-3):]
}

func (p *player) list() []webhook.Record {
	var records []webhook.Record
	p.ok(func(ctx context.Context) (err error) {
		records, err = p.store.List(ctx, webhook.Filter{Limit: 1000})
		return err
	})
	return records
}
