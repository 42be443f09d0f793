package storetest

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
	"github.com/reducto-go/reducto/webhook"
)

// mutant is a store that is wrong in one way, and the checks that must say so.
type mutant struct {
	name   string
	change func(s *changed)
	caught []string
	// noHistory: what is wrong is nothing that histories look at.
	noHistory bool
}

// changed is a store some of whose methods are replaced.
type changed struct {
	webhook.Store
	bind    func(ctx context.Context, id, job string, sent int) error
	receive func(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error)
	claim   func(ctx context.Context, n int, lease time.Duration) ([]webhook.Record, time.Duration, error)
	extend  func(ctx context.Context, leases []webhook.Lease, d time.Duration) ([]bool, error)
	finish  func(ctx context.Context, verdicts []webhook.Verdict) ([]bool, error)
	overdue func(ctx context.Context, n int, expected bool, schedule []time.Duration) ([]webhook.Record, error)
	lock    func(ctx context.Context, name, owner string, d time.Duration) (bool, error)
	list    func(ctx context.Context, f webhook.Filter) ([]webhook.Record, error)
	stats   func(ctx context.Context) (webhook.StoreStats, error)
	purge   func(ctx context.Context, age, deadAge time.Duration, n int) (int, error)
}

func newChanged(s webhook.Store) *changed {
	return &changed{
		Store: s, bind: s.Bind, receive: s.Receive, claim: s.Claim, extend: s.Extend, finish: s.Finish,
		overdue: s.Overdue, lock: s.Lock, list: s.List, stats: s.Stats, purge: s.Purge,
	}
}

func (c *changed) Durability() webhook.Durability { return webhook.Volatile }

func (c *changed) Bind(ctx context.Context, id, job string, sent int) error {
	return c.bind(ctx, id, job, sent)
}

func (c *changed) Receive(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
	return c.receive(ctx, arrivals)
}

func (c *changed) Claim(ctx context.Context, n int, lease time.Duration) ([]webhook.Record, time.Duration, error) {
	return c.claim(ctx, n, lease)
}

func (c *changed) Extend(ctx context.Context, leases []webhook.Lease, d time.Duration) ([]bool, error) {
	return c.extend(ctx, leases, d)
}

func (c *changed) Finish(ctx context.Context, verdicts []webhook.Verdict) ([]bool, error) {
	return c.finish(ctx, verdicts)
}

func (c *changed) Overdue(ctx context.Context, n int, expected bool, schedule []time.Duration) ([]webhook.Record, error) {
	return c.overdue(ctx, n, expected, schedule)
}

func (c *changed) Lock(ctx context.Context, name, owner string, d time.Duration) (bool, error) {
	return c.lock(ctx, name, owner, d)
}

func (c *changed) List(ctx context.Context, f webhook.Filter) ([]webhook.Record, error) {
	return c.list(ctx, f)
}

func (c *changed) Stats(ctx context.Context) (webhook.StoreStats, error) { return c.stats(ctx) }

func (c *changed) Purge(ctx context.Context, age, deadAge time.Duration, n int) (int, error) {
	return c.purge(ctx, age, deadAge, n)
}

// latest is the token that holds the record now.
func latest(ctx context.Context, s webhook.Store, l webhook.Lease) webhook.Lease {
	records, err := s.List(ctx, webhook.Filter{Keys: []string{l.Key}})
	if err == nil && len(records) == 1 {
		l.Token = records[0].Token
	}
	return l
}

var mutants = []mutant{
	{
		name: "finishes under any token",
		change: func(s *changed) {
			s.finish = func(ctx context.Context, verdicts []webhook.Verdict) ([]bool, error) {
				verdicts = slices.Clone(verdicts)
				for i := range verdicts {
					verdicts[i].Lease = latest(ctx, s.Store, verdicts[i].Lease)
				}
				return s.Store.Finish(ctx, verdicts)
			}
		},
		caught: []string{"Finish/OldToken", "Finish/WhatIsNotHeldStaysAsItIs", "Finish/TwoTokensInOneCall", "Finish/Batches", "Concurrency/EverythingAtOnce"},
	},
	{
		name: "extends under any token",
		change: func(s *changed) {
			s.extend = func(ctx context.Context, leases []webhook.Lease, d time.Duration) ([]bool, error) {
				leases = slices.Clone(leases)
				for i := range leases {
					leases[i] = latest(ctx, s.Store, leases[i])
				}
				return s.Store.Extend(ctx, leases, d)
			}
		},
		caught: []string{"Extend/LeaseIsOverAndAnotherHasClaimed", "Extend/WhatIsNotHeldStaysAsItIs", "Extend/Batches"},
	},
	{
		name: "extends only while the lease lasts",
		change: func(s *changed) {
			s.extend = func(ctx context.Context, leases []webhook.Lease, d time.Duration) ([]bool, error) {
				held := make([]bool, len(leases))
				for i, l := range leases {
					records, err := s.Store.List(ctx, webhook.Filter{Keys: []string{l.Key}})
					if err != nil {
						return nil, err
					}
					if len(records) == 0 || !records[0].DueAt.After(records[0].ReadAt) {
						continue
					}
					got, err := s.Store.Extend(ctx, leases[i:i+1], d)
					if err != nil {
						return nil, err
					}
					held[i] = got[0]
				}
				return held, ctx.Err()
			}
		},
		caught: []string{"Extend/LeaseIsOverAndNobodyElseHasClaimed", "Time/JumpsForward"},
	},
	{
		name: "leases never end",
		change: func(s *changed) {
			s.claim = func(ctx context.Context, n int, _ time.Duration) ([]webhook.Record, time.Duration, error) {
				return s.Store.Claim(ctx, n, 100_000*time.Hour)
			}
		},
		caught: []string{"Claim/AgainWhenTheLeaseIsOver", "Claim/NextIsNeverTooLong", "Finish/OldToken"},
	},
	{
		name: "duplicates are accepted",
		change: func(s *changed) {
			s.receive = func(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
				receipts, err := s.Store.Receive(ctx, arrivals)
				for i := range receipts {
					if receipts[i].Kind == webhook.ReceiptDuplicate {
						receipts[i] = webhook.Receipt{Kind: webhook.ReceiptAccepted, State: webhook.StateReceived, Key: receipts[i].Key}
					}
				}
				return receipts, err
			}
		},
		caught: []string{"Receive/DuplicateInEveryState", "Receive/SeveralOfOneRecord", "Concurrency/OneOfManyDeliveriesIsAccepted"},
	},
	{
		name: "conflicts are not told",
		change: func(s *changed) {
			s.receive = func(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
				receipts, err := s.Store.Receive(ctx, arrivals)
				for i := range receipts {
					receipts[i].Conflict = false
				}
				return receipts, err
			}
		},
		caught: []string{"Receive/ConflictInEveryState"},
	},
	{
		name: "binding ignores how many were sent",
		change: func(s *changed) {
			s.bind = func(ctx context.Context, id, job string, sent int) error {
				return s.Store.Bind(ctx, id, job, sent+1)
			}
		},
		caught: []string{"Bind/SentTwiceMakesTwoJobs", "Bind/HeldForAStranger", "Jobs/ThirdOfTwoIsRefused", "Submit/AgainExpectsOneMoreJob"},
	},
	{
		name: "nothing is held",
		change: func(s *changed) {
			s.receive = func(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
				arrivals = slices.Clone(arrivals)
				for i := range arrivals {
					arrivals[i].Hold = 0
				}
				return s.Store.Receive(ctx, arrivals)
			}
		},
		caught: []string{"Bind/HeldUntilBound", "Bind/HeldUntilHoldIsOver"},
	},
	{
		name: "metadata is parsed and written again",
		change: func(s *changed) {
			s.receive = func(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
				arrivals = slices.Clone(arrivals)
				for i, a := range arrivals {
					var v any
					if json.Unmarshal(a.Metadata, &v) == nil {
						arrivals[i].Metadata, _ = json.Marshal(v)
					}
				}
				return s.Store.Receive(ctx, arrivals)
			}
		},
		caught: []string{"Data/MetadataIsKeptByteByByte"},
	},
	{
		name: "next is too long",
		change: func(s *changed) {
			s.claim = func(ctx context.Context, n int, lease time.Duration) ([]webhook.Record, time.Duration, error) {
				claimed, next, err := s.Store.Claim(ctx, n, lease)
				return claimed, next * 2, err
			}
		},
		caught: []string{"Claim/NextIsNeverTooLong", "Claim/NextAfterRetry"},
	},
	{
		name: "the latest come first",
		change: func(s *changed) {
			s.claim = func(ctx context.Context, n int, lease time.Duration) ([]webhook.Record, time.Duration, error) {
				claimed, next, err := s.Store.Claim(ctx, n, lease)
				slices.Reverse(claimed)
				return claimed, next, err
			}
		},
		caught: []string{"Claim/LongestReceivedFirst"},
	},
	{
		name: "what is given back is counted",
		change: func(s *changed) {
			s.finish = func(ctx context.Context, verdicts []webhook.Verdict) ([]bool, error) {
				verdicts = slices.Clone(verdicts)
				for i := range verdicts {
					verdicts[i].Keep = false
				}
				return s.Store.Finish(ctx, verdicts)
			}
		},
		caught: []string{"Finish/KeepGivesTheAttemptBack"},
	},
	{
		name: "a look changes nothing",
		change: func(s *changed) {
			s.overdue = func(ctx context.Context, n int, expected bool, _ []time.Duration) ([]webhook.Record, error) {
				return s.Store.Overdue(ctx, n, expected, []time.Duration{0})
			}
		},
		caught: []string{"Overdue/FollowsTheSchedule", "Concurrency/OneSweeperLooks"},
	},
	{
		name: "a lock has any number of owners",
		change: func(s *changed) {
			s.lock = func(ctx context.Context, name, owner string, d time.Duration) (bool, error) {
				_, err := s.Store.Lock(ctx, name, owner, d)
				return d > 0, err
			}
		},
		caught: []string{"Lock/HasOneOwner", "Lock/IsGivenUpByItsOwnerAlone", "Concurrency/OneOwnerLocks"},
	},
	{
		name: "pages have gaps",
		change: func(s *changed) {
			s.list = func(ctx context.Context, f webhook.Filter) ([]webhook.Record, error) {
				records, err := s.Store.List(ctx, f)
				if f.After != "" && len(records) > 1 {
					records = records[1:]
				}
				return records, err
			}
		},
		caught:    []string{"List/PageByPage", "Concurrency/PagesHaveNoGaps"},
		noHistory: true,
	},
	{
		name: "tombstones go at once",
		change: func(s *changed) {
			s.purge = func(ctx context.Context, _, _ time.Duration, n int) (int, error) {
				return s.Store.Purge(ctx, 0, 0, n)
			}
		},
		caught: []string{"Purge/NothingTooEarly", "Purge/ATombstoneAnswersUntilThen", "Purge/DoneAndDeadHaveTheirOwnAge"},
	},
	{
		name: "contexts are ignored",
		change: func(s *changed) {
			s.stats = func(ctx context.Context) (webhook.StoreStats, error) {
				return s.Store.Stats(context.WithoutCancel(ctx))
			}
		},
		caught:    []string{"Context/Cancelled", "Context/DeadlineExceeded"},
		noHistory: true,
	},
	{
		name:   "keeps a job for whoever named it in a duplicate",
		change: keeper,
		caught: []string{"Strangers/AJobThatADuplicateNamedIsNobodys"},
	},
}

// keeper refuses a job to others than the submission that a duplicate named with it.
func keeper(s *changed) {
	var mu sync.Mutex
	kept := map[string]string{}
	s.receive = func(ctx context.Context, arrivals []webhook.Arrival) ([]webhook.Receipt, error) {
		receipts := make([]webhook.Receipt, len(arrivals))
		for i, a := range arrivals {
			job, submission := wireid.Key(a.JobID), wireid.Key(a.SubmissionID)
			mu.Lock()
			of, held := kept[job]
			mu.Unlock()
			if receipts[i].Kind = webhook.ReceiptRefused; held && of != submission {
				continue
			}
			one, err := s.Store.Receive(ctx, arrivals[i:i+1])
			if err != nil {
				return nil, err
			}
			if receipts[i] = one[0]; submission != "" && one[0].Kind == webhook.ReceiptDuplicate {
				mu.Lock()
				kept[job] = submission
				mu.Unlock()
			}
		}
		return receipts, nil
	}
}

func TestMutantsAreCaught(t *testing.T) {
	t.Parallel()
	checks := map[string]check{}
	for _, g := range groups() {
		for _, c := range g.checks {
			checks[g.name+"/"+c.name] = c
		}
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			open := func() Harness {
				memory := webhook.NewMemoryStore()
				s := newChanged(memory)
				m.change(s)
				return Harness{Store: s, Advance: memory.Advance}
			}
			if !m.noHistory {
				report := firstReport(t, open, 300)
				if report == "" {
					t.Errorf("no history notices")
				}
				t.Log(report)
			}
			for _, name := range m.caught {
				c, ok := checks[name]
				if !ok {
					t.Fatalf("there is no check %s", name)
				}
				failures := record(t.Context(), func(r *recorder) { c.run(newEnv(r, open())) })
				if len(failures) == 0 {
					t.Errorf("%s does not notice", name)
				}
			}
		})
	}
}

// A durable store that forgets.
func TestForgettingIsCaught(t *testing.T) {
	t.Parallel()
	open := func() Harness {
		memory := webhook.NewMemoryStore()
		return Harness{
			Store: memory, Advance: memory.Advance,
			Reopen: func() webhook.Store { return webhook.NewMemoryStore() },
		}
	}
	if firstReport(t, open, 50) == "" {
		t.Errorf("no history notices")
	}
	for _, c := range failureChecks {
		if c.needs != needReopen && c.needs != needShared {
			continue
		}
		failures := record(t.Context(), func(r *recorder) { c.run(newEnv(r, open())) })
		if len(failures) == 0 {
			t.Errorf("%s does not notice", c.name)
		}
	}
}

func firstReport(t *testing.T, open func() Harness, most int) string {
	t.Helper()
	for seed := range uint64(most) {
		if report, _ := examine(t.Context(), seed, open); report != "" {
			return report
		}
	}
	return ""
}
