package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

var concurrencyChecks = []check{
	{name: "OneDeliveryIsAccepted", rule: ruleShared, run: func(e *env) {
		e.submit("s")
		e.bind("s", uuid1, 1)
		for key, job := range map[string]string{"s": uuid1, uuid2: uuid2} {
			var accepted atomic.Int32
			e.together(32, func(i int, s inbox.Store) error {
				id := job
				if i%2 == 1 {
					id = strings.ToUpper(job)
				}
				got, err := s.Receive(e.ctx, []inbox.Notification{completed(id, ""), completed(fmt.Sprintf("%s-%d", key, i), "")})
				if err == nil && (len(got) != 2 || got[0].Key != key || got[1].Kind != inbox.Accepted) {
					e.Errorf("results %v", got)
				}
				if err == nil && got[0].Kind == inbox.Accepted {
					accepted.Add(1)
				}
				return err
			})
			equal(e, "number accepted", accepted.Load(), 1)
		}
		equal(e, "number of records", len(e.all()), 2+64)
	}},
	{name: "BatchesInOppositeOrders", rule: ruleBatch, run: func(e *env) {
		keys := ids("k", 40)
		var accepted atomic.Int32
		e.together(8, func(i int, s inbox.Store) error {
			list := batch(keys)
			if i%2 == 1 {
				slices.Reverse(list)
			}
			results, err := s.Receive(e.ctx, list)
			for j, r := range results {
				if r.Key != list[j].JobID {
					e.Errorf("the result for %s is %s", list[j].JobID, describeResult(r))
				}
				if r.Kind == inbox.Accepted {
					accepted.Add(1)
				}
			}
			return err
		})
		equal(e, "number accepted", accepted.Load(), int32(len(keys)))
	}},
	{name: "OneSubmissionHasTheJob", rule: ruleOneOwner, run: func(e *env) {
		// A delivery names one submission, the API another.
		e.submit(append(ids("s", 20), ids("t", 20)...)...)
		e.together(40, func(i int, s inbox.Store) error {
			job := fmt.Sprintf("j-%04d", i/2)
			if i%2 == 0 {
				_, err := s.Receive(e.ctx, []inbox.Notification{completed(job, fmt.Sprintf("s-%04d", i/2))})
				return err
			}
			return s.Bind(e.ctx, inbox.Answer{SubmissionID: fmt.Sprintf("t-%04d", i/2), JobID: job, Jobs: 1})
		})
		for i := range 20 {
			e.wantState(fmt.Sprintf("s-%04d", i), pending)
			e.wantJobs(fmt.Sprintf("t-%04d", i), fmt.Sprintf("j-%04d", i))
		}
	}},
	{name: "OneWorkerClaims", rule: ruleClaim, run: func(e *env) {
		keys := ids("k", 100)
		e.receive(batch(keys)...)
		e.eachOnce(16, keys, func(s inbox.Store) (records []inbox.Record, more bool, err error) {
			records, _, err = s.Claim(e.ctx, 3, lease)
			if err == nil && len(records) == 0 { // another call may be working on the rest
				stats, err := s.Stats(e.ctx)
				return nil, err == nil && stats.Due > 0, err
			}
			return records, true, err
		})
	}},
	{name: "OnePollerPolls", rule: ruleOverdue, run: func(e *env) {
		keys := ids("s", 60)
		e.submit(keys...)
		e.Advance(2 * pollAfter)
		var rounds atomic.Int32
		e.eachOnce(6, keys, func(s inbox.Store) ([]inbox.Record, bool, error) {
			records, err := s.Overdue(e.ctx, 5, func(*inbox.Record) time.Duration { return 100 * time.Hour })
			return records, rounds.Add(1) < 200, err
		})
	}},
	{name: "FinishOrClaim", rule: ruleFinish, run: func(e *env) {
		// The lease has ended. The worker finishes while another claims.
		for i := range 20 {
			key := fmt.Sprintf("j%d", i)
			e.receiveJobs(key)
			late := e.claimOne(key)
			e.Advance(2 * lease)
			var held []bool
			var second []inbox.Record
			e.together(2, func(who int, s inbox.Store) (err error) {
				if who == 0 {
					held, err = s.Finish(e.ctx, []inbox.Completion{completion(late, done)})
				} else {
					second, _, err = s.Claim(e.ctx, 1, lease)
				}
				return err
			})
			if len(second) == 0 { // Claim may skip a record that another call is working on
				second = e.claim(1)
			}
			if len(held) != 1 || held[0] == (len(second) == 1) {
				e.Fatalf("Finish returns %v, and Claim %q", held, keysOf(second))
			}
			for _, r := range second {
				e.end(r, done)
			}
		}
	}},
	{name: "OneFinishHolds", rule: ruleFinish, run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		for _, state := range []inbox.State{dead, received} { // received replays the dead record
			var holds atomic.Int32
			e.together(16, func(i int, s inbox.Store) error {
				held, err := s.Finish(e.ctx, []inbox.Completion{completion(r, state)})
				if len(held) == 1 && held[0] {
					holds.Add(1)
				}
				return err
			})
			equal(e, "number that hold", holds.Load(), 1)
		}
	}},
	{name: "OneOwnerLocks", rule: ruleLock, needs: needLock, run: func(e *env) {
		for round := range 10 {
			var owners atomic.Int32
			e.together(8, func(i int, s inbox.Store) error {
				got, err := s.(inbox.Locker).Lock(e.ctx, "l", fmt.Sprintf("%d-%d", round, i), lease)
				if got {
					owners.Add(1)
				}
				return err
			})
			equal(e, "number of owners", owners.Load(), 1)
			e.Advance(2 * lease)
		}
	}},
	{name: "SendsAreCounted", rule: ruleSendAgain, run: func(e *env) {
		const n = 12
		e.together(n, func(i int, s inbox.Store) error { return s.Submit(e.ctx, submission("s")) })
		e.together(n, func(i int, s inbox.Store) error {
			if i%3 == 0 {
				return s.Bind(e.ctx, inbox.Answer{SubmissionID: "s"})
			}
			return s.Bind(e.ctx, inbox.Answer{SubmissionID: "s", JobID: fmt.Sprintf("j%02d", i), Jobs: 1})
		})
		equal(e, "number of jobs", len(e.record("s").JobIDs), n-n/3)
		e.refused(completed("stranger", "s"))
	}},
	{name: "PagesHaveNoGaps", rule: rulePage, run: func(e *env) {
		keys := ids("k", 120)
		e.receive(batch(keys)...)
		e.together(5, func(who int, s inbox.Store) error {
			if who < 2 {
				for i := range 30 {
					id := fmt.Sprintf("k-%04d-%d-%d", rand.IntN(len(keys)), who, i)
					if _, err := s.Receive(e.ctx, []inbox.Notification{completed(id, "")}); err != nil {
						return err
					}
				}
				return nil
			}
			var got []string
			for f := (inbox.Filter{Limit: 17}); ; {
				page, err := s.List(e.ctx, f)
				if err != nil || len(page) == 0 {
					if want := slices.Compact(sorted(got)); !slices.Equal(got, want) {
						e.Errorf("the keys %q are not in order", got)
					}
					got = slices.DeleteFunc(got, func(key string) bool { return len(key) > len(keys[0]) })
					equalAll(e, "keys that were there before", got, keys)
					return err
				}
				got = append(got, keysOf(page)...)
				f.After = got[len(got)-1]
			}
		})
	}},
	{name: "EverythingAtOnce", rule: ruleShared, run: everythingAtOnce},
}

// together calls f in n goroutines at once, and waits for them. They use several
// handles if the store can have them. f may use Errorf, equal and ctx of e.
func (e *env) together(n int, f func(i int, s inbox.Store) error) {
	e.Helper()
	stores := []inbox.Store{e.Store}
	if e.Reopen != nil && !e.Features.Exclusive {
		stores = append(stores, e.Reopen())
	}
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			if err := f(i, stores[i%len(stores)]); err != nil {
				e.Errorf("error: %v", err)
			}
		})
	}
	close(start)
	group.Wait()
}

// eachOnce calls f in n goroutines until more is false. It wants f to return each of
// the keys once.
func (e *env) eachOnce(n int, keys []string, f func(s inbox.Store) (records []inbox.Record, more bool, err error)) {
	e.Helper()
	var mu sync.Mutex
	var got []string
	e.together(n, func(_ int, s inbox.Store) error {
		for {
			records, more, err := f(s)
			mu.Lock()
			got = append(got, keysOf(records)...)
			mu.Unlock()
			if err != nil || !more {
				return err
			}
			if len(records) == 0 {
				pause(e.ctx, time.Millisecond)
			}
		}
	})
	equalAll(e, "keys that calls returned", sorted(got), keys)
}

// tally is what the goroutines of everythingAtOnce know.
type tally struct {
	e *env

	mu      sync.Mutex
	holders map[string]int64          // by key: the token of the claim that a worker has
	tokens  map[string]map[int64]bool // by key: all tokens
	done    map[string]bool
	failed  bool
}

// wrongf reports a failure and stops all goroutines.
func (t *tally) wrongf(format string, args ...any) {
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

// rest waits after a call that had nothing to do, the longer the longer it took.
func (t *tally) rest(began time.Time) {
	pause(t.e.ctx, rand.N(min(40*time.Millisecond+32*time.Since(began), 4*time.Second)))
}

// everythingAtOnce submits and processes jobs in many goroutines. It wants each job to
// be done once.
func everythingAtOnce(e *env) {
	const producers, workers, others, each = 16, 36, 12, 3
	const n = producers * each
	t := &tally{e: e, holders: map[string]int64{}, tokens: map[string]map[int64]bool{}, done: map[string]bool{}}
	e.together(producers+workers+others, func(i int, s inbox.Store) error {
		if i < producers {
			for k := range each {
				t.produce(s, fmt.Sprintf("s-%02d-%d", i, k))
			}
			return nil
		}
		for t.running(n) {
			began := time.Now()
			if i >= producers+workers {
				t.disturb(s, fmt.Sprintf("s-%02d-%d", rand.IntN(producers), rand.IntN(each)))
			} else if t.work(s) {
				continue
			}
			t.rest(began)
		}
		return nil
	})
	if len(t.done) < n {
		e.Fatalf("%d of %d records are done", len(t.done), n)
	}
	for _, r := range e.all() {
		if r.State != done || !t.tokens[r.Key][r.Token] || len(r.JobIDs) != 1 {
			e.Errorf("in the end there is %s", describe(r))
		}
	}
	e.wantStats(map[inbox.State]int{done: n}, 0)
	e.Advance(time.Hour)
	equal(e, "number purged", e.purge(0, 0, 2*n), n)
}

// produce submits. Deliveries come before and after the answer, some twice.
func (t *tally) produce(s inbox.Store, id string) {
	if err := s.Submit(t.e.ctx, submission(id)); err != nil {
		t.wrongf("Submit: %v", err)
		return
	}
	var deliveries sync.WaitGroup
	for range 1 + rand.IntN(2) {
		deliveries.Go(func() {
			results, err := s.Receive(t.e.ctx, []inbox.Notification{completed("job-"+id, id)})
			if err != nil || len(results) != 1 || results[0].Key != id {
				t.wrongf("Receive for %s returns %v, error %v", id, results, err)
			}
		})
	}
	if err := s.Bind(t.e.ctx, inbox.Answer{SubmissionID: id, JobID: "job-" + id, Jobs: 1}); err != nil {
		t.wrongf("Bind: %v", err)
	}
	deliveries.Wait()
}

// work claims some records and ends the claims in different ways. It reports whether
// there were any.
func (t *tally) work(s inbox.Store) bool {
	records, _, err := s.Claim(t.e.ctx, 1+rand.IntN(4), lease)
	if err != nil {
		t.wrongf("Claim: %v", err)
	}
	for _, r := range records {
		t.mu.Lock()
		holder, held, known, ended := t.holders[r.Key], t.holders[r.Key] != 0, t.tokens[r.Key][r.Token], t.done[r.Key]
		if t.tokens[r.Key] == nil {
			t.tokens[r.Key] = map[int64]bool{}
		}
		t.holders[r.Key], t.tokens[r.Key][r.Token] = r.Token, true
		t.mu.Unlock()
		if held || known || ended {
			t.wrongf("%s is claimed with token %d; claimed with %d already: %v; same token before: %v; done: %v", r.Key, r.Token, holder, held, known, ended)
		}
	}
	for _, r := range records {
		t.end(s, r)
	}
	return len(records) > 0
}

func (t *tally) end(s inbox.Store, r inbox.Record) {
	c := completion(r, []inbox.State{done, done, done, received, dead}[rand.IntN(5)])
	extend, abandon := time.Duration(-1), rand.IntN(8) == 0
	if abandon {
		extend = 0 // the worker is gone, and the lease ends
	} else if rand.IntN(4) == 0 {
		extend = 2 * lease
	}
	t.mu.Lock()
	for token := range t.tokens[r.Key] { // a worker that was paused comes back
		if old := c; token != r.Token {
			old.Token = token
			t.mu.Unlock()
			t.finish(s, old, false)
			t.mu.Lock()
			break
		}
	}
	if abandon {
		delete(t.holders, r.Key)
	}
	t.mu.Unlock()
	if extend >= 0 {
		if held, err := s.Extend(t.e.ctx, []inbox.Lease{c.Lease}, extend); err != nil || len(held) != 1 || !held[0] {
			t.wrongf("Extend returns %v, error %v", held, err)
		}
	}
	if abandon {
		return
	}
	t.mu.Lock()
	delete(t.holders, r.Key)
	t.done[r.Key] = c.State == done
	if c.State != done {
		delete(t.done, r.Key)
	}
	t.mu.Unlock()
	t.finish(s, c, true)
	if c.State == dead {
		c.State = received
		t.finish(s, c, true)
	}
}

func (t *tally) finish(s inbox.Store, c inbox.Completion, want bool) {
	if held, err := s.Finish(t.e.ctx, []inbox.Completion{c}); err != nil || len(held) != 1 || held[0] != want {
		t.wrongf("Finish of %s as %s returns %v, error %v, want %v", c.Key, c.State, held, err, want)
	}
}

// disturb makes a call that must change nothing.
func (t *tally) disturb(s inbox.Store, id string) {
	var err error
	switch rand.IntN(8) {
	case 0:
		_, err = s.List(t.e.ctx, inbox.Filter{After: id})
	case 1:
		_, err = s.Stats(t.e.ctx)
	case 2:
		_, err = s.Extend(t.e.ctx, []inbox.Lease{{Key: id, Token: -1}}, 0)
	case 3:
		_, err = s.Finish(t.e.ctx, []inbox.Completion{{Lease: inbox.Lease{Key: id, Token: -1}, State: received}})
	case 4:
		_, err = s.Receive(t.e.ctx, []inbox.Notification{failed("job-"+id, id), completed("job-"+id, id)})
	case 5:
		_, err = s.Overdue(t.e.ctx, 10, func(*inbox.Record) time.Duration { return time.Hour })
	case 6:
		_, err = s.Purge(t.e.ctx, time.Hour, time.Hour, 10)
	case 7:
		if locker, ok := s.(inbox.Locker); ok {
			_, err = locker.Lock(t.e.ctx, "poll", id, lease)
		}
	}
	if err != nil {
		t.wrongf("error: %v", err)
	}
}
