package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

const (
	// lease is how long checks claim for, and lookAfter when what they submit is
	// overdue. Checks take seconds at most, and time in them passes by Advance: a
	// difference within slack is none.
	lease     = time.Hour
	lookAfter = 3 * time.Hour
	slack     = time.Minute

	// patience is how long a check may take in all. Longer than slack would allow
	// confusion.
	patience = 50 * time.Second
)

// env is what a check works with. Its helpers end the check where the store
// answers with an error; none of them may be called from another goroutine than
// the check's, unless it says so.
type env struct {
	tb
	Harness
	ctx context.Context
}

func newEnv(t tb, h Harness) *env {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	context.AfterFunc(t.Context(), cancel)
	return &env{tb: t, Harness: h, ctx: ctx}
}

// with is the same environment with another handle on the store.
func (e *env) with(s webhook.Store) *env {
	other := *e
	other.Store = s
	return &other
}

func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("error: %v", err)
	}
}

func (e *env) submit(ids ...string) {
	e.Helper()
	for _, id := range ids {
		e.ok(e.Store.Submit(e.ctx, webhook.Submitted{
			ID: id, Type: reducto.JobTypeParse, Webhook: true, LookAfter: lookAfter,
		}))
	}
}

// track submits jobs that were submitted elsewhere.
func (e *env) track(jobIDs ...string) {
	e.Helper()
	for _, id := range jobIDs {
		e.ok(e.Store.Submit(e.ctx, webhook.Submitted{JobID: id, Webhook: true, LookAfter: lookAfter}))
	}
}

func (e *env) bind(submissionID, jobID string, sent int) {
	e.Helper()
	e.ok(e.Store.Bind(e.ctx, submissionID, jobID, sent))
}

func (e *env) withdraw(submissionID string) {
	e.Helper()
	e.ok(e.Store.Withdraw(e.ctx, submissionID))
}

// heard is a delivery that says that the job is completed.
func heard(jobID, submissionID string) webhook.Arrival {
	return webhook.Arrival{
		JobID: jobID, SubmissionID: submissionID,
		Status: reducto.JobStatusCompleted, Outcome: webhook.OutcomeCompleted,
		Source: webhook.SourceWebhook, Hold: 30 * time.Minute,
	}
}

// failed is a delivery that says that the job failed.
func failed(jobID, submissionID string) webhook.Arrival {
	a := heard(jobID, submissionID)
	a.Status, a.Outcome = reducto.JobStatusFailed, webhook.OutcomeFailed
	return a
}

// nothingFound ends a submission of which nothing was found.
func nothingFound(submissionID string) webhook.Arrival {
	return webhook.Arrival{
		SubmissionID: submissionID, Outcome: webhook.OutcomeUnknown,
		Source: webhook.SourceSweep, Hold: 30 * time.Minute,
	}
}

func (e *env) receive(arrivals ...webhook.Arrival) []webhook.Receipt {
	e.Helper()
	receipts, err := e.Store.Receive(e.ctx, arrivals)
	e.ok(err)
	if len(receipts) != len(arrivals) {
		e.Fatalf("%d arrivals have %d receipts", len(arrivals), len(receipts))
	}
	return receipts
}

// wantReceipt has the store receive a, and compares the receipt. Of a refused
// arrival nothing else may be said.
func (e *env) wantReceipt(a webhook.Arrival, kind webhook.ReceiptKind, key string, state webhook.State) {
	e.Helper()
	got := e.receive(a)[0]
	if want := (webhook.Receipt{Kind: kind, Key: key, State: state}); got != want {
		e.Errorf("the receipt of %s is %s, want %s", describeArrival(a), describeReceipt(got), describeReceipt(want))
	}
}

func (e *env) accepted(a webhook.Arrival, key string) {
	e.Helper()
	e.wantReceipt(a, webhook.ReceiptAccepted, key, webhook.StateReceived)
}

func (e *env) duplicate(a webhook.Arrival, key string, state webhook.State) {
	e.Helper()
	e.wantReceipt(a, webhook.ReceiptDuplicate, key, state)
}

func (e *env) refused(a webhook.Arrival) {
	e.Helper()
	e.wantReceipt(a, webhook.ReceiptRefused, "", "")
}

// receiveJobs receives jobs that nobody has submitted; their records' keys are
// their ids. Time passes between them.
func (e *env) receiveJobs(ids ...string) {
	e.Helper()
	for i, id := range ids {
		if i > 0 {
			e.Advance(2 * time.Minute)
		}
		e.accepted(heard(id, ""), id)
	}
}

func (e *env) claim(n int) []webhook.Record {
	e.Helper()
	claimed, _, err := e.Store.Claim(e.ctx, n, lease)
	e.ok(err)
	return claimed
}

// claimKeys claims as many as it can, and compares whose turn it was.
func (e *env) claimKeys(keys ...string) []webhook.Record {
	e.Helper()
	claimed := e.claim(len(keys) + 10)
	if got := keysOf(claimed); !slices.Equal(got, keys) {
		e.Fatalf("claimed %q, want %q", got, keys)
	}
	return claimed
}

// claimOne claims the only record that can be claimed.
func (e *env) claimOne(key string) webhook.Record {
	e.Helper()
	return e.claimKeys(key)[0]
}

// situation is a record in one of the states.
type situation struct {
	key, job string
	state    webhook.State
	lease    webhook.Lease // of the latest claim, zero if there was none
}

// everyState makes a record in each of the states. The key of each is its state.
func (e *env) everyState() []situation {
	e.Helper()
	states := []webhook.State{
		webhook.StateClaimed, webhook.StateDone, webhook.StateDead, webhook.StateReceived, webhook.StatePending,
	}
	all := make([]situation, 0, len(states))
	for _, state := range states {
		s := situation{key: string(state), job: "job-" + string(state), state: state}
		e.submit(s.key)
		e.bind(s.key, s.job, 1)
		if state != webhook.StatePending {
			e.accepted(heard(s.job, s.key), s.key)
		}
		if state == webhook.StateClaimed || state == webhook.StateDone || state == webhook.StateDead {
			r := e.claimOne(s.key)
			s.lease = leaseOf(r)
			if state != webhook.StateClaimed {
				e.end(r, state)
			}
		}
		all = append(all, s)
	}
	return all
}

// only is the one record that there is to be.
func (e *env) only(records []webhook.Record) webhook.Record {
	e.Helper()
	if len(records) != 1 {
		e.Fatalf("there are %q, want one record", keysOf(records))
	}
	return records[0]
}

func leaseOf(r webhook.Record) webhook.Lease { return webhook.Lease{Key: r.Key, Token: r.Token} }

func leasesOf(records []webhook.Record) []webhook.Lease {
	leases := make([]webhook.Lease, 0, len(records))
	for _, r := range records {
		leases = append(leases, leaseOf(r))
	}
	return leases
}

func (e *env) finish(verdicts ...webhook.Verdict) []bool {
	e.Helper()
	held, err := e.Store.Finish(e.ctx, verdicts)
	e.ok(err)
	if len(held) != len(verdicts) {
		e.Fatalf("%d verdicts have %d answers", len(verdicts), len(held))
	}
	return held
}

func (e *env) extend(d time.Duration, leases ...webhook.Lease) []bool {
	e.Helper()
	held, err := e.Store.Extend(e.ctx, leases, d)
	e.ok(err)
	if len(held) != len(leases) {
		e.Fatalf("%d leases have %d answers", len(leases), len(held))
	}
	return held
}

// end finishes a claim and wants it to have held.
func (e *env) end(r webhook.Record, state webhook.State) {
	e.Helper()
	if !e.finish(webhook.Verdict{Lease: leaseOf(r), State: state})[0] {
		e.Fatalf("the claim on %s with token %d is not held", r.Key, r.Token)
	}
}

func (e *env) overdue(n int, expected bool, schedule ...time.Duration) []webhook.Record {
	e.Helper()
	records, err := e.Store.Overdue(e.ctx, n, expected, schedule)
	e.ok(err)
	return records
}

func (e *env) list(f webhook.Filter) []webhook.Record {
	e.Helper()
	records, err := e.Store.List(e.ctx, f)
	e.ok(err)
	return records
}

// all is everything in the store, in a form in which it can be compared.
func (e *env) all() []webhook.Record {
	e.Helper()
	records := e.list(webhook.Filter{Limit: 100_000})
	for i := range records {
		records[i] = normal(records[i])
	}
	return records
}

func (e *env) byKey() map[string]webhook.Record {
	e.Helper()
	records := map[string]webhook.Record{}
	for _, r := range e.all() {
		records[r.Key] = r
	}
	return records
}

// find is the record, and whether there is one.
func (e *env) find(key string) (webhook.Record, bool) {
	e.Helper()
	records := e.list(webhook.Filter{Keys: []string{key}})
	if len(records) == 0 {
		return webhook.Record{}, false
	}
	if len(records) > 1 || records[0].Key != key {
		e.Fatalf("asked for %s, listed %q", key, keysOf(records))
	}
	return records[0], true
}

func (e *env) record(key string) webhook.Record {
	e.Helper()
	r, ok := e.find(key)
	if !ok {
		e.Fatalf("there is no record %s", key)
	}
	return r
}

func keysOf(records []webhook.Record) []string {
	keys := make([]string, 0, len(records))
	for _, r := range records {
		keys = append(keys, r.Key)
	}
	return keys
}

// ids are n ids that are in order.
func ids(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s-%04d", prefix, i)
	}
	return list
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}
