package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

// tally is what the goroutines of everythingAtOnce know together.
type tally struct {
	e *env

	mu      sync.Mutex
	holders map[string]int64 // token by key, of claims that are being worked on
	tokens  map[string]int64 // the highest token by key
	done    map[string]int   // how often a record was done
	failed  bool
}

// errorf complains, and lets everybody stop: what follows an error says little.
func (t *tally) errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = true
	t.e.Errorf(format, args...)
}

func (t *tally) running(n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.done) < n && !t.failed && t.e.ctx.Err() == nil
}

// claimed notes claims, and complains of those that should not be.
func (t *tally) claimed(records []webhook.Record) {
	for _, r := range records {
		t.mu.Lock()
		holder, held := t.holders[r.Key]
		before, done := t.tokens[r.Key], t.done[r.Key]
		t.holders[r.Key], t.tokens[r.Key] = r.Token, max(r.Token, before)
		t.mu.Unlock()
		if held {
			t.errorf("%s is claimed with token %d while one with token %d holds it", r.Key, r.Token, holder)
		}
		if r.Token <= before {
			t.errorf("%s is claimed with token %d after %d", r.Key, r.Token, before)
		}
		if done > 0 {
			t.errorf("%s is claimed after it was done", r.Key)
		}
	}
}

// rest is what those do who have nothing to do, after what they asked for in vain: it
// costs a database more than those have left who have. So they rest the longer, the
// longer it took, but not so long that nobody is there when there is something to do.
func (t *tally) rest(asked time.Time) {
	pause(t.e.ctx, rand.N(min(40*time.Millisecond+32*time.Since(asked), 4*time.Second)))
}

// leave notes that the claim's end is about to be told to the store: from then on
// another one can have it.
func (t *tally) leave(r webhook.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.holders, r.Key)
}

func (t *tally) finished(key string) {
	t.mu.Lock()
	t.done[key]++
	n := t.done[key]
	t.mu.Unlock()
	if n > 1 {
		t.errorf("%s was done %d times", key, n)
	}
}

// everythingAtOnce has producers, workers and bystanders use a store together
// until every submission is done, and wants each to be done once and none lost.
func everythingAtOnce(e *env) {
	const producers, workers, bystanders, each = 16, 36, 12, 3
	const n = producers * each
	t := &tally{e: e, holders: map[string]int64{}, tokens: map[string]int64{}, done: map[string]int{}}
	e.together(producers+workers+bystanders, func(i int, s webhook.Store) {
		switch {
		case i < producers:
			for k := range each {
				t.produce(s, fmt.Sprintf("s-%02d-%d", i, k))
			}
		case i < producers+workers:
			for t.running(n) {
				t.work(s)
			}
		default:
			for t.running(n) {
				asked := time.Now()
				t.disturb(s, fmt.Sprintf("s-%02d-%d", rand.IntN(producers), rand.IntN(each)))
				t.rest(asked)
			}
		}
	})
	if len(t.done) < n {
		e.Fatalf("in the end %d of %d are done", len(t.done), n)
	}
	for _, r := range e.all() {
		if r.State != webhook.StateDone || r.Token != t.tokens[r.Key] || len(r.JobIDs) != 1 {
			e.Errorf("in the end there is %s", describe(r))
		}
	}
	e.wantStats(map[webhook.State]int{webhook.StateDone: n}, 0)
	e.Advance(time.Hour)
	equal(e, "number purged", e.purge(0, 0, 2*n), n)
	equal(e, "number of records", len(e.all()), 0)
}

// produce submits, while the webhook overtakes the answer or comes twice.
func (t *tally) produce(s webhook.Store, id string) {
	job := "job-" + id
	if err := s.Submit(t.e.ctx, webhook.Submitted{ID: id, Webhook: true, LookAfter: lookAfter}); err != nil {
		t.errorf("Submit: %v", err)
		return
	}
	var deliveries sync.WaitGroup
	for range 1 + rand.IntN(2) {
		deliveries.Go(func() {
			receipts, err := s.Receive(t.e.ctx, []webhook.Arrival{heard(job, id)})
			if err != nil {
				t.errorf("Receive: %v", err)
			} else if first(receipts).Key != id {
				t.errorf("the receipt of %s is %s", job, describeReceipt(first(receipts)))
			}
		})
	}
	if err := s.Bind(t.e.ctx, id, job, 1); err != nil {
		t.errorf("Bind: %v", err)
	}
	deliveries.Wait()
}

// work claims a few, and ends each claim in one of the ways in which claims end.
func (t *tally) work(s webhook.Store) {
	asked := time.Now()
	claimed, _, err := s.Claim(t.e.ctx, 1+rand.IntN(4), lease)
	if err != nil {
		t.errorf("Claim: %v", err)
	}
	if len(claimed) == 0 {
		t.rest(asked)
		return
	}
	t.claimed(claimed)
	for _, r := range claimed {
		v := webhook.Verdict{Lease: leaseOf(r), State: webhook.StateDone}
		if r.Attempt > 1 { // whoever had it before comes back
			old := v
			old.Token--
			if held, err := s.Finish(t.e.ctx, []webhook.Verdict{old}); err != nil || first(held) {
				t.errorf("Finish under an old token: held %v, error %v", held, err)
			}
		}
		switch rand.IntN(8) {
		case 0:
			v.State = webhook.StateReceived
		case 1:
			v.State, v.Keep = webhook.StateReceived, true
		case 2:
			v.State = webhook.StateDead
		case 3: // its lease ends, and nobody hears of it again
			t.leave(r)
			held, err := s.Extend(t.e.ctx, []webhook.Lease{v.Lease}, 0)
			if err != nil || !first(held) {
				t.errorf("Extend: held %v, error %v", held, err)
			}
			continue
		case 4:
			held, err := s.Extend(t.e.ctx, []webhook.Lease{v.Lease}, 2*lease)
			if err != nil || !first(held) {
				t.errorf("Extend: held %v, error %v", held, err)
			}
		}
		t.leave(r)
		held, err := s.Finish(t.e.ctx, []webhook.Verdict{v})
		if err != nil || !first(held) {
			t.errorf("Finish: held %v, error %v", held, err)
			continue
		}
		switch v.State {
		case webhook.StateDone:
			t.finished(r.Key)
		case webhook.StateDead:
			if found, err := s.Replay(t.e.ctx, []string{r.Key}); err != nil {
				t.errorf("Replay: found %v, error %v", found, err)
			}
		}
	}
}

// disturb does what must not disturb the others.
func (t *tally) disturb(s webhook.Store, id string) {
	var err error
	old := webhook.Lease{Key: id}
	switch rand.IntN(9) {
	case 0:
		_, err = s.List(t.e.ctx, webhook.Filter{After: id})
	case 1:
		_, err = s.Stats(t.e.ctx)
	case 2:
		_, err = s.Extend(t.e.ctx, []webhook.Lease{old}, 0)
	case 3:
		_, err = s.Finish(t.e.ctx, []webhook.Verdict{{Lease: old, State: webhook.StateDone}})
	case 4:
		_, err = s.Receive(t.e.ctx, []webhook.Arrival{failed("job-"+id, id), heard("job-"+id, id)})
	case 5:
		_, err = s.Overdue(t.e.ctx, 10, true, []time.Duration{time.Hour})
	case 6:
		_, err = s.Lock(t.e.ctx, "sweep", id, lease)
	case 7:
		_, err = s.Purge(t.e.ctx, time.Hour, time.Hour, 10)
	case 8:
		_, err = s.Replay(t.e.ctx, []string{id, "unknown"})
	}
	if err != nil {
		t.errorf("error: %v", err)
	}
}
