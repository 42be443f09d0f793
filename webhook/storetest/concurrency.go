package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reducto-go/reducto/webhook"
)

var concurrencyChecks = []check{
	{name: "OneOfManyDeliveriesIsAccepted", run: func(e *env) {
		e.submit("s")
		e.bind("s", uuid1, 1)
		for _, key := range []string{"s", uuid2} { // a submission, and a job that is new
			job := map[string]string{"s": uuid1, uuid2: uuid2}[key]
			var accepted atomic.Int32
			e.together(32, func(i int, s webhook.Store) {
				id := job
				if i%2 == 1 {
					id = strings.ToUpper(job)
				}
				got, err := s.Receive(e.ctx, []webhook.Arrival{heard(id, ""), heard(fmt.Sprintf("%s-%d", key, i), "")})
				switch {
				case err != nil:
					e.Errorf("Receive: %v", err)
				case len(got) != 2 || got[0].Key != key || got[1].Kind != webhook.ReceiptAccepted:
					e.Errorf("receipts %v", got)
				case got[0].Kind == webhook.ReceiptAccepted:
					accepted.Add(1)
				}
			})
			equal(e, "number accepted", accepted.Load(), 1)
		}
		equal(e, "number of records", len(e.all()), 2+64)
	}},
	{name: "BatchesInOppositeOrders", run: func(e *env) {
		keys := ids("k", 40)
		var accepted atomic.Int32
		e.together(8, func(i int, s webhook.Store) {
			arrivals := make([]webhook.Arrival, 0, len(keys))
			for _, key := range keys {
				arrivals = append(arrivals, heard(key, ""))
			}
			if i%2 == 1 {
				slices.Reverse(arrivals)
			}
			receipts, err := s.Receive(e.ctx, arrivals)
			if err != nil || len(receipts) != len(arrivals) {
				e.Errorf("%d receipts of %d arrivals, error %v", len(receipts), len(arrivals), err)
				return
			}
			for j, r := range receipts {
				if r.Key != arrivals[j].JobID {
					e.Errorf("the receipt of %s is %s", arrivals[j].JobID, describeReceipt(r))
				}
				if r.Kind == webhook.ReceiptAccepted {
					accepted.Add(1)
				}
			}
		})
		equal(e, "number accepted", accepted.Load(), int32(len(keys)))
	}},
	{name: "OneOfManyWorkersClaims", run: func(e *env) {
		keys := ids("k", 100)
		e.receiveArrivals(keys)
		var mu sync.Mutex
		times := map[string]int{}
		e.together(16, func(_ int, s webhook.Store) {
			for {
				claimed, _, err := s.Claim(e.ctx, 3, lease)
				if err != nil {
					e.Errorf("Claim: %v", err)
					return
				}
				if len(claimed) == 0 {
					// Others may only have locked for a moment what is left.
					if stats, err := s.Stats(e.ctx); err != nil || stats.Due == 0 {
						return
					}
					pause(e.ctx, time.Millisecond)
				}
				mu.Lock()
				for _, r := range claimed {
					times[r.Key]++
				}
				mu.Unlock()
			}
		})
		for _, key := range keys {
			equal(e, "number of claims on "+key, times[key], 1)
		}
	}},
	{name: "OneOfTwoWorkersHolds", run: func(e *env) {
		// One comes back after its lease was over, the other claims at that moment.
		for i := range 20 {
			key := fmt.Sprintf("j%d", i)
			e.accepted(heard(key, ""), key)
			late := e.claimOne(key)
			e.Advance(2 * lease)
			var finished bool
			var second []webhook.Record
			e.together(2, func(who int, s webhook.Store) {
				var err error
				if who == 0 {
					var held []bool
					held, err = s.Finish(e.ctx, []webhook.Verdict{{Lease: leaseOf(late), State: webhook.StateDone}})
					finished = err == nil && first(held)
				} else {
					second, _, err = s.Claim(e.ctx, 1, lease)
				}
				if err != nil {
					e.Errorf("error: %v", err)
				}
			})
			if finished == (len(second) == 1) {
				// A claim may pass over what another call is working on.
				if !finished {
					second = e.claim(1)
				}
				if finished == (len(second) == 1) {
					e.Fatalf("the first one's verdict held: %v, the other has %d claims", finished, len(second))
				}
			}
			for _, r := range second {
				e.end(r, webhook.StateDone)
			}
		}
	}},
	{name: "OneVerdictHolds", run: func(e *env) {
		e.receiveJobs("j")
		r := e.claimOne("j")
		var held atomic.Int32
		e.together(16, func(i int, s webhook.Store) {
			got, err := s.Finish(e.ctx, []webhook.Verdict{{Lease: leaseOf(r), State: webhook.StateDone, Error: fmt.Sprint(i)}})
			if err != nil {
				e.Errorf("Finish: %v", err)
			} else if first(got) {
				held.Add(1)
			}
		})
		equal(e, "number of verdicts that held", held.Load(), 1)
	}},
	{name: "OneOwnerLocks", run: func(e *env) {
		for round := range 10 {
			var owners atomic.Int32
			e.together(8, func(i int, s webhook.Store) {
				got, err := s.Lock(e.ctx, "l", fmt.Sprintf("%d-%d", round, i), lease)
				if err != nil {
					e.Errorf("Lock: %v", err)
				} else if got {
					owners.Add(1)
				}
			})
			equal(e, "number of owners", owners.Load(), 1)
			e.Advance(2 * lease)
		}
	}},
	{name: "OneSweeperLooks", run: func(e *env) {
		keys := ids("s", 60)
		e.submit(keys...)
		e.Advance(2 * lookAfter)
		var mu sync.Mutex
		times := map[string]int{}
		e.together(6, func(_ int, s webhook.Store) {
			for range len(keys) {
				records, err := s.Overdue(e.ctx, 5, true, []time.Duration{100 * time.Hour})
				if err != nil {
					e.Errorf("Overdue: %v", err)
					return
				}
				mu.Lock()
				for _, r := range records {
					times[r.Key]++
				}
				mu.Unlock()
			}
		})
		for _, key := range keys {
			equal(e, "number of looks at "+key, times[key], 1)
		}
	}},
	{name: "SendsAreCounted", run: func(e *env) {
		const n = 12
		e.together(n, func(i int, s webhook.Store) {
			if err := s.Submit(e.ctx, webhook.Submitted{ID: "s", LookAfter: lookAfter}); err != nil {
				e.Errorf("Submit: %v", err)
			}
		})
		e.together(n, func(i int, s webhook.Store) {
			var err error
			if i%3 == 0 {
				err = s.Withdraw(e.ctx, "s")
			} else {
				err = s.Bind(e.ctx, "s", fmt.Sprintf("j%02d", i), 1)
			}
			if err != nil {
				e.Errorf("error: %v", err)
			}
		})
		equal(e, "number of jobs", len(e.record("s").JobIDs), n-n/3)
		e.refused(heard("stranger", "s"))
	}},
	{name: "PagesHaveNoGaps", run: func(e *env) {
		keys := ids("k", 120)
		e.receiveArrivals(keys)
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for w := range 2 {
			writers.Go(func() {
				for i := range 500 {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
					id := fmt.Sprintf("k-%04d-%d-%d", rand.IntN(len(keys)), w, i)
					if _, err := e.Store.Receive(e.ctx, []webhook.Arrival{heard(id, "")}); err != nil {
						e.Errorf("Receive: %v", err)
						return
					}
				}
			})
		}
		for range 3 {
			got := e.pages(webhook.Filter{Limit: 17})
			if !slices.IsSorted(got) {
				e.Errorf("the keys are not in order")
			}
			equal(e, "number of keys without repetition", len(slices.Compact(slices.Clone(got))), len(got))
			old := slices.DeleteFunc(got, func(key string) bool { return len(key) > len(keys[0]) })
			equalAll(e, "keys that were there", old, keys)
		}
		close(stop)
		writers.Wait()
	}},
	{name: "EverythingAtOnce", run: everythingAtOnce},
}

// first is the first answer, and the zero value where it is missing.
func first[T any](answers []T) (answer T) {
	if len(answers) > 0 {
		answer = answers[0]
	}
	return answer
}

// together calls f in n goroutines, which begin together, and waits for them. They
// have handles of their own where there can be several. f may use Errorf and
// nothing else of e but its context.
func (e *env) together(n int, f func(i int, s webhook.Store)) {
	e.Helper()
	stores := []webhook.Store{e.Store}
	if e.Reopen != nil && !e.Features.Exclusive {
		stores = append(stores, e.Reopen())
	}
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			f(i, stores[i%len(stores)])
		})
	}
	close(start)
	group.Wait()
}

func (e *env) receiveArrivals(keys []string) {
	e.Helper()
	arrivals := make([]webhook.Arrival, len(keys))
	for i, key := range keys {
		arrivals[i] = heard(key, "")
	}
	e.receive(arrivals...)
}
