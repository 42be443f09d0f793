package storetest

import (
	"errors"
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
	{"OneDeliveryIsAccepted", ruleShared, 0, func(e *env) {
		e.do("submit s; bind s {a} 1")
		jobs := append(ids("k", 40), uuid1, uuid2)
		var accepted atomic.Int32
		e.together(16, func(i int, s inbox.Store) error {
			list := batch(jobs)
			if i%2 == 1 { // in the opposite order, in another spelling
				slices.Reverse(list)
				list[0].JobID, list[1].JobID = strings.ToUpper(uuid2), strings.ToUpper(uuid1)
			}
			results, err := s.Receive(e.ctx, list)
			for j, r := range results {
				if key := strings.ToLower(list[j].JobID); r.Key != key && (key != uuid1 || r.Key != "s") {
					e.Errorf("the result for %s is %s", key, describeResult(r))
				}
				if r.Kind == inbox.Accepted {
					accepted.Add(1)
				}
			}
			return err
		})
		equal(e, "number accepted", accepted.Load(), 42)
		equal(e, "number of records", len(e.all()), 42)
	}},
	{"OneSubmissionHasTheJob", ruleOneOwner, 0, func(e *env) {
		// A delivery names one submission, the API another.
		e.do("submit %s %s", strings.Join(ids("s", 20), " "), strings.Join(ids("t", 20), " "))
		e.together(40, func(i int, s inbox.Store) error {
			job := fmt.Sprintf("j-%04d", i/2)
			if i%2 == 0 {
				_, err := s.Receive(e.ctx, []inbox.Notification{completed(job, fmt.Sprintf("s-%04d", i/2))})
				return err
			}
			return s.Bind(e.ctx, inbox.Answer{SubmissionID: fmt.Sprintf("t-%04d", i/2), JobID: job, Jobs: 1})
		})
		for i := range 20 {
			e.do("state s-%04[1]d = pending; state t-%04[1]d = pending j-%04[1]d", i)
		}
	}},
	{"OneWorkerClaims", ruleClaim, 0, func(e *env) {
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
	{"OnePollerPolls", ruleOverdue, 0, func(e *env) {
		keys := ids("s", 60)
		e.do("submit %s; pass 6h", strings.Join(keys, " "))
		var polled atomic.Int32
		e.eachOnce(6, keys, func(s inbox.Store) ([]inbox.Record, bool, error) {
			records, err := s.Overdue(e.ctx, 5, func(*inbox.Record) time.Duration { return 100 * time.Hour })
			// A call returns none while another one works on the rest.
			return records, int(polled.Add(int32(len(records)))) < len(keys) && e.ctx.Err() == nil, err
		})
	}},
	{"FinishOrClaim", ruleFinish, 0, func(e *env) {
		// The lease has ended. The worker finishes while another claims.
		for i := range 20 {
			late := e.receiveAndClaim([]string{fmt.Sprintf("j%d", i)})[0]
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
			second = append(second, e.claim(1)...) // Claim may skip a record that another call is working on
			if len(held) != 1 || held[0] == (len(second) == 1) {
				e.Fatalf("Finish returns %v, and Claim %q", held, keysOf(second))
			}
			for _, r := range second {
				e.finish(completion(r, done))
			}
		}
	}},
	{"OneFinishHolds", ruleFinish, 0, func(e *env) {
		e.do("deliver j = accepted j")
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
	{"OneOwnerLocks", ruleLock, needLock, func(e *env) {
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
	{"SendsAreCounted", ruleSendAgain, 0, func(e *env) {
		const n = 12
		e.together(n, func(i int, s inbox.Store) error { return s.Submit(e.ctx, submission("s")) })
		e.together(n, func(i int, s inbox.Store) error {
			if i%3 == 0 {
				return s.Bind(e.ctx, inbox.Answer{SubmissionID: "s"})
			}
			return s.Bind(e.ctx, inbox.Answer{SubmissionID: "s", JobID: fmt.Sprintf("j%02d", i), Jobs: 1})
		})
		equal(e, "number of jobs", len(e.record("s").JobIDs), n-n/3)
		e.do("deliver x/s = refused")
	}},
	{"PagesHaveNoGaps", ruleList, 0, func(e *env) {
		keys := ids("k", 120)
		e.receive(batch(keys)...)
		e.together(5, func(who int, s inbox.Store) (err error) {
			for i := 0; i < 30 && who < 2 && err == nil; i++ {
				id := fmt.Sprintf("k-%04d-%d-%d", rand.IntN(len(keys)), who, i)
				_, err = s.Receive(e.ctx, []inbox.Notification{completed(id, "")})
			}
			var got []string
			for f := (inbox.Filter{Limit: 17}); err == nil; f.After = got[len(got)-1] {
				page, err := s.List(e.ctx, f)
				if err != nil || len(page) == 0 {
					equalAll(e, "keys, each once and in order", got, slices.Compact(sorted(got)))
					equalAll(e, "keys that were there before", slices.DeleteFunc(got, func(key string) bool { return len(key) > len(keys[0]) }), keys)
					return err
				}
				got = append(got, keysOf(page)...)
			}
			return err
		})
	}},
	{"EverythingAtOnce", ruleShared, 0, everythingAtOnce},
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

// everythingAtOnce submits and processes jobs in many goroutines. It wants each job to
// be done once, by one worker at a time, under a token of its own.
func everythingAtOnce(e *env) {
	const producers, workers, each = 16, 36, 3
	var mu sync.Mutex
	holders, tokens, ended := map[string]bool{}, map[inbox.Lease]bool{}, map[string]bool{}
	var failed atomic.Bool
	locked := func(f func()) {
		mu.Lock()
		defer mu.Unlock()
		f()
	}
	finish := func(s inbox.Store, c inbox.Completion, want bool) error {
		held, err := s.Finish(e.ctx, []inbox.Completion{c})
		if err == nil && (len(held) != 1 || held[0] != want) {
			return fmt.Errorf("the store's Finish of %s as %s returns %v, want %v", c.Key, c.State, held, want)
		}
		return err
	}
	process := func(s inbox.Store, r inbox.Record) (err error) {
		c := completion(r, []inbox.State{done, done, done, received, dead}[rand.IntN(5)])
		abandon := rand.IntN(8) == 0 // the worker is gone, and the lease ends
		locked(func() {
			if holders[r.Key] || tokens[c.Lease] || ended[r.Key] {
				err = fmt.Errorf("%s is claimed while another claim holds it: %v, with a token it had: %v, or after its end: %v",
					describe(r), holders[r.Key], tokens[c.Lease], ended[r.Key])
			}
			if tokens[c.Lease], holders[r.Key] = true, !abandon; c.State == done && !abandon {
				ended[r.Key] = true
			}
		})
		old := c
		if old.Token = -1; err == nil {
			err = finish(s, old, false)
		}
		if err != nil {
			return err
		}
		if abandon {
			return errorOf(s.Extend(e.ctx, []inbox.Lease{c.Lease}, 0))
		}
		locked(func() { holders[r.Key] = false })
		if err = finish(s, c, true); err == nil && c.State == dead {
			c.State = received
			err = finish(s, c, true)
		}
		return err
	}
	e.together(producers+workers, func(i int, s inbox.Store) error {
		for k := 0; i < producers && k < each; k++ {
			if err := produce(e, s, fmt.Sprintf("s-%02d-%d", i, k)); err != nil {
				failed.Store(true)
				return err
			}
		}
		for more := i >= producers; more && !failed.Load() && e.ctx.Err() == nil; {
			began := time.Now()
			records, _, err := s.Claim(e.ctx, 1+rand.IntN(4), lease)
			for _, r := range records {
				err = errors.Join(err, process(s, r))
			}
			if err != nil {
				failed.Store(true)
				return err
			}
			if len(records) == 0 { // wait the longer the longer the call took
				pause(e.ctx, rand.N(min(40*time.Millisecond+32*time.Since(began), 4*time.Second)))
			}
			locked(func() { more = len(ended) < producers*each })
		}
		return nil
	})
	e.do("count = due=0")
	all := e.all()
	equal(e, "the number of records", len(all), producers*each)
	for _, r := range all {
		if r.State != done || !tokens[leaseOf(r)] || len(r.JobIDs) != 1 {
			e.Errorf("in the end there is %s", describe(r))
		}
	}
}

// produce submits. Deliveries come before and after the answer, some twice.
func produce(e *env, s inbox.Store, id string) error {
	if err := s.Submit(e.ctx, submission(id)); err != nil {
		return err
	}
	errs := make([]error, 3)
	var group sync.WaitGroup
	for i := range 1 + rand.IntN(2) {
		group.Go(func() { errs[i] = errorOf(s.Receive(e.ctx, []inbox.Notification{completed("job-"+id, id)})) })
	}
	errs[2] = s.Bind(e.ctx, inbox.Answer{SubmissionID: id, JobID: "job-" + id, Jobs: 1})
	group.Wait()
	return errors.Join(errs...)
}
