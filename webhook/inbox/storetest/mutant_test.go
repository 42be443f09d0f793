package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// mutant is a store that breaks one rule, and the checks that must fail.
type mutant struct {
	name   string
	change func(f *fake)
	caught []string
	// histories says whether histories must fail too.
	histories bool
}

// find returns the record with the key, or the zero Record.
func (f *fake) find(filter inbox.Filter) (r inbox.Record) {
	records, err := f.MemoryStore.List(context.Background(), filter)
	if err == nil && len(records) > 0 {
		r = records[0]
	}
	return r
}

func (f *fake) byKey(key string) inbox.Record { return f.find(inbox.Filter{Keys: []string{key}}) }
func (f *fake) byJob(id string) inbox.Record  { return f.find(inbox.Filter{JobID: id}) }

// submitting, binding, receiving and finishing change what a method is given.

func submitting(change func(f *fake, s *inbox.Submission)) func(f *fake) {
	return func(f *fake) {
		f.submit = func(ctx context.Context, s inbox.Submission) error {
			change(f, &s)
			return f.MemoryStore.Submit(ctx, s)
		}
	}
}

func binding(change func(f *fake, a *inbox.Answer)) func(f *fake) {
	return func(f *fake) {
		f.bind = func(ctx context.Context, a inbox.Answer) error {
			change(f, &a)
			return f.MemoryStore.Bind(ctx, a)
		}
	}
}

func receiving(change func(f *fake, n *inbox.Notification)) func(f *fake) {
	return func(f *fake) {
		f.receive = func(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error) {
			list = slices.Clone(list)
			for i := range list {
				change(f, &list[i])
			}
			return f.MemoryStore.Receive(ctx, list)
		}
	}
}

func finishing(change func(f *fake, c *inbox.Completion)) func(f *fake) {
	return func(f *fake) {
		f.finish = func(ctx context.Context, list []inbox.Completion) ([]bool, error) {
			list = slices.Clone(list)
			for i := range list {
				change(f, &list[i])
			}
			return f.MemoryStore.Finish(ctx, list)
		}
	}
}

// results changes what Receive returns.
func results(change func(r *inbox.ReceiveResult)) func(f *fake) {
	return func(f *fake) {
		f.receive = func(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error) {
			results, err := f.MemoryStore.Receive(ctx, list)
			for i := range results {
				change(&results[i])
			}
			return results, err
		}
	}
}

// claims changes what Claim returns.
func claims(change func(records []inbox.Record, next *time.Duration)) func(f *fake) {
	return func(f *fake) {
		f.claim = func(ctx context.Context, n int, lease time.Duration) ([]inbox.Record, time.Duration, error) {
			records, next, err := f.MemoryStore.Claim(ctx, n, lease)
			change(records, &next)
			return records, next, err
		}
	}
}

var mutants = []mutant{
	{"a submission that is sent again is not counted", submitting(func(f *fake, s *inbox.Submission) {
		if f.byKey(s.ID).Key != "" {
			s.ID, s.JobID = "", s.ID // is ignored
		}
	}), []string{"Submit/AgainExpectsAnotherJob", "Wait/NotAllAnswersAreKnown"}, true},
	{"a tracked job gets a second record", submitting(func(f *fake, s *inbox.Submission) {
		if s.ID == "" && f.byJob(s.JobID).Key != "" {
			s.ID = s.JobID
		}
	}), []string{"Submit/TrackOfAKnownJobIsIgnored"}, true},
	{"a job and a submission have one record", submitting(func(f *fake, s *inbox.Submission) {
		if s.ID == "" && f.byKey(s.JobID).Key != "" {
			s.ID = "job-of-" + s.JobID
		}
	}), []string{"Submit/JobWithTheIDOfASubmissionIsIgnored"}, false},
	{"spellings of a UUID are different", receiving(func(f *fake, n *inbox.Notification) {
		if n.JobID != "" && n.JobID[0] < 'a' && len(n.JobID) == 36 {
			n.JobID += "-upper"
		}
	}), []string{"Submit/SpellingsOfAJob", "Receive/SeveralOfOneRecord", "Concurrency/OneDeliveryIsAccepted"}, true},
	{"metadata of Submit is lost", submitting(func(f *fake, s *inbox.Submission) { s.Metadata = nil }),
		[]string{"Submit/MetadataOfSubmitWins", "Wait/BindOfAnotherJobKeepsMetadataOfSubmit", "Data/MetadataIsKeptByteForByte"}, true},
	{"metadata is parsed and written again", receiving(func(f *fake, n *inbox.Notification) {
		var v any
		if json.Unmarshal(n.Metadata, &v) == nil {
			n.Metadata, _ = json.Marshal(v)
		}
	}), []string{"Data/MetadataIsKeptByteForByte"}, false},

	{"an answer may have made one job more", binding(func(f *fake, a *inbox.Answer) {
		if a.Jobs > 0 {
			a.Jobs++
		}
	}), []string{"Bind/LostAnswer", "Bind/SendsAddUp", "Wait/BindOfAnotherJob"}, true},
	{"an answer ends all sends", func(f *fake) {
		f.bind = func(ctx context.Context, a inbox.Answer) error {
			err := f.MemoryStore.Bind(ctx, a)
			if a.JobID != "" && a.Jobs > 0 {
				err = errors.Join(err, f.MemoryStore.Bind(ctx, inbox.Answer{SubmissionID: a.SubmissionID}))
			}
			return err
		}
	}, []string{"Bind/AgainChangesNothing", "Wait/NotAllAnswersAreKnown"}, true},
	{"a list that names a job ends a send", binding(func(f *fake, a *inbox.Answer) {
		if a.JobID != "" {
			a.Jobs = max(a.Jobs, 1)
		}
	}), []string{"Bind/ListNamesAJob"}, true},
	{"a list names no job", func(f *fake) {
		f.bind = func(ctx context.Context, a inbox.Answer) error {
			if a.JobID != "" && a.Jobs == 0 {
				return ctx.Err()
			}
			return f.MemoryStore.Bind(ctx, a)
		}
	}, []string{"Bind/ListNamesAJob", "Wait/UntilBindNamesTheJob"}, true},
	{"a refused submission is kept", binding(func(f *fake, a *inbox.Answer) {
		if a.JobID == "" {
			a.Jobs = max(a.Jobs, 1)
		}
	}), []string{"Bind/RefusedSubmissionIsRemoved", "Bind/RefusedSendOfSeveral", "Wait/BindForAnotherSubmissionOfARefusedOne"}, true},
	{"there are no conflicts", func(f *fake) {
		f.bind = func(ctx context.Context, a inbox.Answer) error {
			if err := f.MemoryStore.Bind(ctx, a); !errors.Is(err, inbox.ErrConflict) {
				return err
			}
			return nil
		}
	}, []string{"Bind/JobOfAnotherSubmission", "Wait/BindOfAnotherJobAfterClaim"}, true},
	{"a tracked job and its submission are two records", func(f *fake) {
		f.bind = func(ctx context.Context, a inbox.Answer) error {
			if r := f.byJob(a.JobID); a.JobID != "" && r.Key != "" && r.SubmissionID == "" {
				a.JobID = ""
			}
			return f.MemoryStore.Bind(ctx, a)
		}
	}, []string{"Bind/TrackedJobStandsForTheSubmission"}, true},

	{"nothing waits", receiving(func(f *fake, n *inbox.Notification) { n.Hold = 0 }),
		[]string{"Wait/UntilBindNamesTheJob", "Wait/UntilHoldIsOver", "Stats/Due"}, true},
	{"Bind does not end the wait", binding(func(f *fake, a *inbox.Answer) {
		if r := f.byJob(a.JobID); r.State == received && r.DueAt.After(r.ReadAt) {
			a.JobID = ""
		}
	}), []string{"Wait/UntilBindNamesTheJob"}, true},
	{"Bind of another job does not end the wait", binding(func(f *fake, a *inbox.Answer) {
		if r := f.byKey(a.SubmissionID); r.State == received && r.JobID != a.JobID {
			a.JobID = ""
		}
	}), []string{"Wait/BindOfAnotherJob", "Wait/BindOfAnotherJobKeepsMetadataOfSubmit", "Wait/NotAllAnswersAreKnown"}, true},
	{"Bind for another submission takes nothing", binding(func(f *fake, a *inbox.Answer) {
		if r := f.byJob(a.JobID); a.JobID != "" && r.Key != "" && r.Key != a.SubmissionID {
			a.JobID = ""
		}
	}), []string{"Wait/BindForAnotherSubmission", "Concurrency/OneSubmissionHasTheJob"}, true},
	{"the wait is over when the time is", binding(func(f *fake, a *inbox.Answer) {
		if r := f.byJob(a.JobID); r.State == received && r.Key != a.SubmissionID && !r.DueAt.After(r.ReadAt) {
			a.JobID = ""
		}
	}), []string{"Wait/BindAfterHold"}, true},
	{"Bind takes the job of a claimed record", func(f *fake) {
		f.bind = func(ctx context.Context, a inbox.Answer) error {
			r := f.byKey(a.SubmissionID)
			err := f.MemoryStore.Bind(ctx, a)
			if errors.Is(err, inbox.ErrConflict) && r.State == claimed {
				_, _ = f.MemoryStore.Finish(ctx, []inbox.Completion{completion(r, received)})
			}
			return err
		}
	}, []string{"Wait/BindOfAnotherJobAfterClaim"}, true},

	{"a duplicate is accepted", results(func(r *inbox.ReceiveResult) {
		if r.Kind == inbox.Duplicate {
			r.Kind, r.State, r.Conflict = inbox.Accepted, received, false
		}
	}), []string{"Receive/DuplicateInEveryState", "Receive/SeveralOfOneRecord", "Concurrency/OneDeliveryIsAccepted"}, true},
	{"a conflict is not reported", results(func(r *inbox.ReceiveResult) { r.Conflict = false }),
		[]string{"Receive/ConflictInEveryState"}, true},
	{"a job that is not the submission's is accepted", receiving(func(f *fake, n *inbox.Notification) {
		if r := f.byKey(n.SubmissionID); len(r.JobIDs) > 0 && !slices.Contains(r.JobIDs, n.JobID) && f.byJob(n.JobID).Key == "" {
			n.SubmissionID = ""
		}
	}), []string{"Receive/RefusedInEveryState", "Bind/LostAnswer"}, true},
	{"a job of another record is a duplicate", receiving(func(f *fake, n *inbox.Notification) {
		if r := f.byJob(n.JobID); r.Key != "" {
			n.SubmissionID = ""
		}
	}), []string{"Receive/JobOfAnotherRecord"}, true},
	{"a received record has each job that a delivery names", func(f *fake) {
		var mu sync.Mutex
		had := map[string]string{}
		f.receive = func(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error) {
			mu.Lock()
			defer mu.Unlock()
			results := make([]inbox.ReceiveResult, len(list))
			for i, n := range list {
				if key := had[n.JobID]; key != "" && key != n.SubmissionID {
					results[i].Kind = inbox.Refused
					continue
				}
				one, err := f.MemoryStore.Receive(ctx, list[i:i+1])
				if err != nil {
					return nil, err
				}
				if results[i] = one[0]; one[0].Kind == inbox.Duplicate {
					had[n.JobID] = n.SubmissionID
				}
			}
			return results, nil
		}
	}, []string{"Receive/SecondJobWhileAnAnswerIsExpected"}, true},
	{"results are in the wrong order", func(f *fake) {
		f.receive = func(ctx context.Context, list []inbox.Notification) ([]inbox.ReceiveResult, error) {
			results, err := f.MemoryStore.Receive(ctx, list)
			slices.Reverse(results)
			return results, err
		}
	}, []string{"Receive/Batches", "Concurrency/OneDeliveryIsAccepted"}, true},

	{"the latest are claimed first", claims(func(records []inbox.Record, _ *time.Duration) { slices.Reverse(records) }),
		[]string{"Claim/LongestReceivedFirst"}, true},
	{"next is too long", claims(func(_ []inbox.Record, next *time.Duration) { *next *= 2 }),
		[]string{"Claim/NextIsNeverTooLong"}, true},
	{"next is never negative", claims(func(_ []inbox.Record, next *time.Duration) { *next = max(*next, 0) }),
		[]string{"Claim/NextIsNeverTooLong"}, true},
	{"tokens are given twice", func(f *fake) {
		claims(func(records []inbox.Record, _ *time.Duration) {
			for i := range records {
				records[i].Token = int64(records[i].Attempt)
			}
		})(f)
		finishing(func(f *fake, c *inbox.Completion) { c.Token = f.byKey(c.Key).Token })(f)
	}, []string{"Claim/NewTokenEachTime"}, true},
	{"leases never end", func(f *fake) {
		f.claim = func(ctx context.Context, n int, _ time.Duration) ([]inbox.Record, time.Duration, error) {
			return f.MemoryStore.Claim(ctx, n, 100_000*time.Hour)
		}
	}, []string{"Claim/WhenTheLeaseHasEnded", "Finish/OldToken", "Time/JumpsForward"}, true},
	{"extends under any token", func(f *fake) {
		f.extend = func(ctx context.Context, leases []inbox.Lease, d time.Duration) ([]bool, error) {
			leases = slices.Clone(leases)
			for i := range leases {
				leases[i].Token = f.byKey(leases[i].Key).Token
			}
			return f.MemoryStore.Extend(ctx, leases, d)
		}
	}, []string{"Claim/WhenTheLeaseHasEnded", "Extend/OnlyClaimedRecords", "Finish/Batches"}, true},
	{"extends only while the lease lasts", func(f *fake) {
		f.extend = func(ctx context.Context, leases []inbox.Lease, d time.Duration) ([]bool, error) {
			leases = slices.Clone(leases)
			for i := range leases {
				if r := f.byKey(leases[i].Key); !r.DueAt.After(r.ReadAt) {
					leases[i].Token = -1
				}
			}
			return f.MemoryStore.Extend(ctx, leases, d)
		}
	}, []string{"Extend/LeaseHasEnded", "Time/JumpsForward"}, true},
	{"finishes under any token", finishing(func(f *fake, c *inbox.Completion) { c.Token = f.byKey(c.Key).Token }),
		[]string{"Finish/OldToken", "Finish/Batches", "Replay/TokenMustHoldTheRecord", "Concurrency/EverythingAtOnce"}, true},
	{"finishes only while the lease lasts", finishing(func(f *fake, c *inbox.Completion) {
		if r := f.byKey(c.Key); r.State == claimed && !r.DueAt.After(r.ReadAt) {
			c.Token = -1
		}
	}), []string{"Finish/LeaseHasEnded"}, true},
	{"Attempt only counts up", finishing(func(f *fake, c *inbox.Completion) { c.Attempt = f.byKey(c.Key).Attempt }),
		[]string{"Finish/Attempt", "Replay/ReturnsADeadRecord"}, true},
	{"After is ignored", finishing(func(f *fake, c *inbox.Completion) { c.After = 0 }), []string{"Finish/Received"}, true},
	{"Outcome is kept", finishing(func(f *fake, c *inbox.Completion) { c.Outcome = "" }), []string{"Finish/Outcome"}, true},
	{"Error is kept if there is none", finishing(func(f *fake, c *inbox.Completion) {
		if c.Error == "" {
			c.Error = f.byKey(c.Key).Error
		}
	}), []string{"Finish/Error"}, true},
	{"a dead record stays dead", finishing(func(f *fake, c *inbox.Completion) {
		if f.byKey(c.Key).State == dead {
			c.Token = -1
		}
	}), []string{"Replay/ReturnsADeadRecord", "Replay/TokenMustHoldTheRecord"}, true},

	{"next of Overdue is asked once", func(f *fake) {
		f.overdue = func(ctx context.Context, n int, next func(*inbox.Record) time.Duration) ([]inbox.Record, error) {
			d := time.Duration(-1)
			return f.MemoryStore.Overdue(ctx, n, func(r *inbox.Record) time.Duration {
				if d < 0 {
					d = next(r)
				}
				return d
			})
		}
	}, []string{"Overdue/NextIsAskedForEachRecord"}, false},
	{"a poll is due again at once", func(f *fake) {
		f.overdue = func(ctx context.Context, n int, next func(*inbox.Record) time.Duration) ([]inbox.Record, error) {
			return f.MemoryStore.Overdue(ctx, n, func(r *inbox.Record) time.Duration { next(r); return 0 })
		}
	}, []string{"Overdue/LongestDueFirst", "Concurrency/OnePollerPolls"}, true},
	{"pages have gaps", func(f *fake) {
		f.list = func(ctx context.Context, filter inbox.Filter) ([]inbox.Record, error) {
			records, err := f.MemoryStore.List(ctx, filter)
			if filter.After != "" && len(records) > 1 {
				records = records[1:]
			}
			return records, err
		}
	}, []string{"List/Limit", "List/ByteOrder", "Concurrency/PagesHaveNoGaps"}, false},
	{"the newest are not first", func(f *fake) {
		f.list = func(ctx context.Context, filter inbox.Filter) ([]inbox.Record, error) {
			filter.Newest = false
			return f.MemoryStore.List(ctx, filter)
		}
	}, []string{"List/Newest"}, false},
	{"metadata is always listed", func(f *fake) {
		f.list = func(ctx context.Context, filter inbox.Filter) ([]inbox.Record, error) {
			filter.WithoutMetadata = false
			return f.MemoryStore.List(ctx, filter)
		}
	}, []string{"List/WithoutMetadata"}, false},
	{"histories are kept after Purge", func(f *fake) {
		f.purge = func(ctx context.Context, doneFor, deadFor time.Duration, n int) (int, error) {
			before := f.byKey("j")
			old, _ := f.MemoryStore.History(ctx, "j")
			removed, err := f.MemoryStore.Purge(ctx, doneFor, deadFor, n)
			if before.Key != "" && removed > 0 {
				_ = f.MemoryStore.Submit(ctx, inbox.Submission{ID: "j"})
				_ = f.MemoryStore.AppendHistory(ctx, old)
			}
			return removed, err
		}
	}, []string{"History/RemovedWithItsRecord"}, false},
	{"the caller's clock counts", func(f *fake) {
		f.list = func(ctx context.Context, filter inbox.Filter) ([]inbox.Record, error) {
			records, err := f.MemoryStore.List(ctx, filter)
			for i := range records {
				records[i].ReadAt = time.Now()
			}
			return records, err
		}
	}, []string{"Time/StoresClockCounts"}, true},
	{"a waiting record counts as due", func(f *fake) {
		f.stats = func(ctx context.Context) (inbox.StoreStats, error) {
			s, err := f.MemoryStore.Stats(ctx)
			s.Due = max(s.Due, s.Count[received])
			return s, err
		}
	}, []string{"Stats/Due"}, true},
	{"Stats counts done records", func(f *fake) {
		f.stats = func(ctx context.Context) (inbox.StoreStats, error) {
			s, err := f.MemoryStore.Stats(ctx)
			if list, listErr := f.MemoryStore.List(ctx, inbox.Filter{States: []inbox.State{done}, Limit: 1000}); listErr == nil && len(list) > 0 {
				s.Count[done] = len(list)
			}
			return s, err
		}
	}, []string{"Stats/EveryState"}, true},
	{"Purge ignores the ages", func(f *fake) {
		f.purge = func(ctx context.Context, _, _ time.Duration, n int) (int, error) {
			return f.MemoryStore.Purge(ctx, 0, 0, n)
		}
	}, []string{"Purge/DoneAndDeadHaveTheirOwnAge", "Purge/AgeBeginsAtTheEnd", "Purge/JobsAreUnknownAfterwards"}, true},
	{"Purge ignores n", func(f *fake) {
		f.purge = func(ctx context.Context, doneFor, deadFor time.Duration, _ int) (int, error) {
			return f.MemoryStore.Purge(ctx, doneFor, deadFor, 1000)
		}
	}, []string{"Purge/AtMostN"}, false},
	{"contexts are ignored", func(f *fake) {
		f.stats = func(ctx context.Context) (inbox.StoreStats, error) {
			return f.MemoryStore.Stats(context.WithoutCancel(ctx))
		}
	}, []string{"Context/Ended"}, false},
}

// serverMutants break rules of stores that are durable, or shared, or have transactions.
var serverMutants = []struct {
	name   string
	change func(h *Harness, s *server)
	caught []string
}{
	{"forgets", func(h *Harness, s *server) {
		h.Reopen = func() inbox.Store { return openServer(nil).Store }
	}, []string{"Failure/AnotherHandleHasAll", "Failure/AnotherHandleAfterEveryStep", "Failure/TwoHandles"}},
	{"fails silently", func(h *Harness, s *server) {
		s.reach = func() error { return nil }
	}, []string{"Failure/EveryMethodFails"}},
	{"has any number of owners", func(h *Harness, s *server) {
		s.locks = nil
		h.Store = anyOwner{s}
		h.Reopen = func() inbox.Store { return h.Store }
	}, []string{"Lock/HasOneOwner", "Lock/Renews", "Lock/OnlyTheOwnerReleases", "Concurrency/OneOwnerLocks"}},
	{"claims what a transaction holds", func(h *Harness, s *server) { s.claim = s.MemoryStore.Claim },
		[]string{"Tx/HeldUntilTheTransactionEnds"}},
	{"commits at once", func(h *Harness, s *server) {
		h.Store = early{s}
		h.Reopen = func() inbox.Store { return h.Store }
	}, []string{"Tx/Commit", "Tx/Rollback"}},
	{"waits for the transaction", func(h *Harness, s *server) {
		s.extend = func(ctx context.Context, leases []inbox.Lease, d time.Duration) ([]bool, error) {
			held, err := s.MemoryStore.Extend(ctx, leases, d)
			for i, l := range leases {
				held[i] = held[i] && s.held[l.Key] != l
			}
			return held, err
		}
	}, []string{"Tx/ExtendDoesNotWait"}},
}

type anyOwner struct{ *server }

func (anyOwner) Lock(ctx context.Context, name, owner string, d time.Duration) (bool, error) {
	return d > 0, ctx.Err()
}

type early struct{ *server }

func (s early) FinishTx(ctx context.Context, _ webhook.Execer, c inbox.Completion) (bool, error) {
	held, err := s.Finish(ctx, []inbox.Completion{c})
	return err == nil && held[0], err
}

func TestMutantsFail(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			open := func() Harness {
				f := newFake()
				m.change(f)
				return Harness{Store: f, Advance: f.Advance}
			}
			if m.histories && !historyFails(t.Context(), open, 300) {
				t.Errorf("no history fails")
			}
			wantFailures(t, m.caught, open)
		})
	}
	for _, m := range serverMutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			wantFailures(t, m.caught, func() Harness {
				h := openServer(t)
				m.change(&h, h.Store.(*server))
				return h
			})
		})
	}
}

// wantFailures wants these checks to fail.
func wantFailures(t *testing.T, caught []string, open func() Harness) {
	t.Helper()
	for _, g := range groups {
		for _, c := range g.checks {
			if i := slices.Index(caught, g.name+"/"+c.name); i >= 0 {
				if len(record(t.Context(), func(r *recorder) { c.run(newEnv(r, open(), c.rule)) })) == 0 {
					t.Errorf("%s does not fail", caught[i])
				}
				caught = slices.Delete(slices.Clone(caught), i, i+1)
			}
		}
	}
	if len(caught) > 0 {
		t.Errorf("there are no checks %q", caught)
	}
}

func historyFails(ctx context.Context, open func() Harness, most int) bool {
	for seed := range uint64(most) {
		if p := newPlayer(ctx, open()); p.play(makeHistory(seed, stepsPerHistory)) > 0 && p.wrong != "" {
			return true
		}
	}
	return false
}
