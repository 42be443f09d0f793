package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	// lease, pollAfter and hold are the durations that checks use. Time passes by
	// Advance, and a check takes seconds, so a difference below slack does not count.
	lease     = time.Hour
	pollAfter = 3 * time.Hour
	hold      = 30 * time.Minute
	slack     = time.Minute

	// patience is how long a check may take. It is below slack.
	patience = 50 * time.Second
)

// The states, and ids as the API makes them.
const (
	pending  = inbox.StatePending
	received = inbox.StateReceived
	claimed  = inbox.StateClaimed
	done     = inbox.StateDone
	dead     = inbox.StateDead

	uuid1 = "0f8fad5b-d9cb-469f-a165-70867728950e"
	uuid2 = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
)

var allStates = []inbox.State{pending, received, claimed, done, dead}

// env is what a check works with. Its helpers end the check if the store returns an
// error. Only the check's goroutine may call them, unless a comment says otherwise.
type env struct {
	tb
	Harness
	ctx  context.Context
	rule string
}

func newEnv(t tb, h Harness, rule string) *env {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	context.AfterFunc(t.Context(), cancel)
	return &env{tb: t, Harness: h, ctx: ctx, rule: rule}
}

// Errorf reports a failure with the rule that was broken. Any goroutine may call it.
func (e *env) Errorf(format string, args ...any) {
	e.Helper()
	e.tb.Errorf("%s\ncontract: %s", fmt.Sprintf(format, args...), e.rule)
}

// Fatalf is Errorf, and ends the check.
func (e *env) Fatalf(format string, args ...any) {
	e.Helper()
	e.tb.Fatalf("%s\ncontract: %s", fmt.Sprintf(format, args...), e.rule)
}

// with returns the same environment with another handle on the store.
func (e *env) with(s inbox.Store) *env {
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

// submission is the submission that submit records.
func submission(id string) inbox.Submission {
	return inbox.Submission{ID: id, Type: reducto.JobParse, Webhook: true, PollAfter: pollAfter}
}

func (e *env) submit(ids ...string) {
	e.Helper()
	for _, id := range ids {
		e.ok(e.Store.Submit(e.ctx, submission(id)))
	}
}

func (e *env) submitWith(id, metadata string) {
	e.Helper()
	s := submission(id)
	s.Metadata = json.RawMessage(metadata)
	e.ok(e.Store.Submit(e.ctx, s))
}

// track records jobs that were submitted elsewhere.
func (e *env) track(jobIDs ...string) {
	e.Helper()
	for _, id := range jobIDs {
		e.ok(e.Store.Submit(e.ctx, inbox.Submission{JobID: id, Webhook: true, PollAfter: pollAfter}))
	}
}

func (e *env) bind(submissionID, jobID string, jobs int) {
	e.Helper()
	e.ok(e.Store.Bind(e.ctx, inbox.Answer{SubmissionID: submissionID, JobID: jobID, Jobs: jobs}))
}

// bindConflict is bind, and wants ErrConflict.
func (e *env) bindConflict(submissionID, jobID string, jobs int) {
	e.Helper()
	err := e.Store.Bind(e.ctx, inbox.Answer{SubmissionID: submissionID, JobID: jobID, Jobs: jobs})
	if !errors.Is(err, inbox.ErrConflict) {
		e.Errorf("Bind of job %q for submission %q: error %v, want ErrConflict", jobID, submissionID, err)
	}
}

// completed is a delivery for a job that is completed.
func completed(jobID, submissionID string) inbox.Notification {
	return inbox.Notification{
		JobID: jobID, SubmissionID: submissionID,
		Status: reducto.StatusCompleted, Outcome: webhook.OutcomeCompleted,
		Source: inbox.SourceWebhook, Hold: hold,
	}
}

// failed is a delivery for a job that failed.
func failed(jobID, submissionID string) inbox.Notification {
	n := completed(jobID, submissionID)
	n.Status, n.Outcome = reducto.StatusFailed, webhook.OutcomeFailed
	return n
}

// notFound ends a submission of which no job was found.
func notFound(submissionID string) inbox.Notification {
	return inbox.Notification{SubmissionID: submissionID, Outcome: webhook.OutcomeUnknown, Source: inbox.SourcePoll, Hold: hold}
}

func withMetadata(n inbox.Notification, metadata string) inbox.Notification {
	n.Metadata = json.RawMessage(metadata)
	return n
}

// batch is one delivery for each of these jobs.
func batch(jobIDs []string) []inbox.Notification {
	list := make([]inbox.Notification, 0, len(jobIDs))
	for _, id := range jobIDs {
		list = append(list, completed(id, ""))
	}
	return list
}

func (e *env) receive(list ...inbox.Notification) []inbox.ReceiveResult {
	e.Helper()
	results, err := e.Store.Receive(e.ctx, list)
	e.ok(err)
	if len(results) != len(list) {
		e.Fatalf("%d notifications have %d results", len(list), len(results))
	}
	return results
}

func (e *env) wantResult(n inbox.Notification, want inbox.ReceiveResult) {
	e.Helper()
	if got := e.receive(n)[0]; got != want {
		e.Errorf("Receive of %s returns %s, want %s", describeNotification(n), describeResult(got), describeResult(want))
	}
}

func (e *env) accepted(n inbox.Notification, key string) {
	e.Helper()
	e.wantResult(n, inbox.ReceiveResult{Kind: inbox.Accepted, Key: key, State: received})
}

func (e *env) duplicate(n inbox.Notification, key string, state inbox.State) {
	e.Helper()
	e.wantResult(n, inbox.ReceiveResult{Kind: inbox.Duplicate, Key: key, State: state})
}

func (e *env) refused(n inbox.Notification) {
	e.Helper()
	e.wantResult(n, inbox.ReceiveResult{Kind: inbox.Refused})
}

// receiveJobs receives deliveries for new jobs, two minutes apart.
func (e *env) receiveJobs(ids ...string) {
	e.Helper()
	for i, id := range ids {
		if i > 0 {
			e.Advance(2 * time.Minute)
		}
		e.accepted(completed(id, ""), id)
	}
}

func (e *env) claim(n int) []inbox.Record {
	e.Helper()
	records, _, err := e.Store.Claim(e.ctx, n, lease)
	e.ok(err)
	return records
}

// claimKeys claims all that it can, and wants these records in this order.
func (e *env) claimKeys(keys ...string) []inbox.Record {
	e.Helper()
	records := e.claim(len(keys) + 10)
	if got := keysOf(records); !slices.Equal(got, keys) {
		e.Fatalf("Claim returns %q, want %q", got, keys)
	}
	return records
}

// claimOne claims the only record that is due.
func (e *env) claimOne(key string) inbox.Record {
	e.Helper()
	return e.claimKeys(key)[0]
}

// receiveAndClaim claims new records with these keys.
func (e *env) receiveAndClaim(keys []string) []inbox.Record {
	e.Helper()
	e.receive(batch(keys)...)
	records := e.claim(len(keys))
	if len(records) != len(keys) {
		e.Fatalf("Claim returns %d records, want %d", len(records), len(keys))
	}
	return records
}

// next returns the next that Claim returns after it has claimed up to n records.
func (e *env) next(n int) time.Duration {
	e.Helper()
	_, next, err := e.Store.Claim(e.ctx, n, lease)
	e.ok(err)
	return next
}

// situation is a record in one of the states.
type situation struct {
	key, job string
	state    inbox.State
	lease    inbox.Lease // of the latest claim, zero if there was none
}

// everyState makes a record in each state. Its key is the state, its job "job-" and the
// state.
func (e *env) everyState() []situation {
	e.Helper()
	var all []situation
	for _, state := range []inbox.State{claimed, done, dead, received, pending} {
		s := situation{key: string(state), job: "job-" + string(state), state: state}
		e.submit(s.key)
		e.bind(s.key, s.job, 1)
		if state != pending {
			e.accepted(completed(s.job, s.key), s.key)
		}
		if state == claimed || state == done || state == dead {
			r := e.claimOne(s.key)
			if s.lease = leaseOf(r); state != claimed {
				e.end(r, state)
			}
		}
		all = append(all, s)
	}
	return all
}

// only returns the one record of the list.
func (e *env) only(records []inbox.Record) inbox.Record {
	e.Helper()
	if len(records) != 1 {
		e.Fatalf("there are the records %q, want one", keysOf(records))
	}
	return records[0]
}

func leaseOf(r inbox.Record) inbox.Lease { return inbox.Lease{Key: r.Key, Token: r.Token} }

// completion ends a claim and keeps its attempt.
func completion(r inbox.Record, state inbox.State) inbox.Completion {
	return inbox.Completion{Lease: leaseOf(r), State: state, Attempt: r.Attempt}
}

func (e *env) finish(list ...inbox.Completion) []bool {
	e.Helper()
	held, err := e.Store.Finish(e.ctx, list)
	e.ok(err)
	if len(held) != len(list) {
		e.Fatalf("%d completions have %d results", len(list), len(held))
	}
	return held
}

// finishOne finishes one claim, and wants its token to hold the record.
func (e *env) finishOne(c inbox.Completion) {
	e.Helper()
	if !e.finish(c)[0] {
		e.Fatalf("Finish as %s: token %d does not hold %s, want that it does", c.State, c.Token, c.Key)
	}
}

func (e *env) end(r inbox.Record, state inbox.State) {
	e.Helper()
	e.finishOne(completion(r, state))
}

// wantNotHeld wants that the lease holds nothing, and that its use changes nothing.
func (e *env) wantNotHeld(l inbox.Lease) {
	e.Helper()
	e.unchanged(func() {
		if e.extend(9*lease, l)[0] {
			e.Errorf("Extend: token %d holds %s, want that it does not", l.Token, l.Key)
		}
		for _, state := range []inbox.State{done, dead, received} {
			if e.finish(inbox.Completion{Lease: l, State: state, Outcome: webhook.OutcomeUnknown, Error: "too late", Attempt: 7})[0] {
				e.Errorf("Finish as %s: token %d holds %s, want that it does not", state, l.Token, l.Key)
			}
		}
	})
}

func (e *env) extend(d time.Duration, leases ...inbox.Lease) []bool {
	e.Helper()
	held, err := e.Store.Extend(e.ctx, leases, d)
	e.ok(err)
	if len(held) != len(leases) {
		e.Fatalf("%d leases have %d results", len(leases), len(held))
	}
	return held
}

// overdue polls up to n records, and makes them due again after d.
func (e *env) overdue(n int, d time.Duration) []inbox.Record {
	e.Helper()
	records, err := e.Store.Overdue(e.ctx, n, func(*inbox.Record) time.Duration { return d })
	e.ok(err)
	return records
}

func (e *env) purge(doneFor, deadFor time.Duration, n int) int {
	e.Helper()
	removed, err := e.Store.Purge(e.ctx, doneFor, deadFor, n)
	e.ok(err)
	return removed
}

// lock asks for a lock, and wants this result.
func (e *env) lock(name, owner string, d time.Duration, want bool) {
	e.Helper()
	locker, ok := e.Store.(inbox.Locker)
	if !ok {
		return
	}
	got, err := locker.Lock(e.ctx, name, owner, d)
	e.ok(err)
	if got != want {
		e.Errorf("Lock(%q, %q, %v) returns %v, want %v", name, owner, d, got, want)
	}
}

func (e *env) list(f inbox.Filter) []inbox.Record {
	e.Helper()
	records, err := e.Store.List(e.ctx, f)
	e.ok(err)
	for _, r := range records {
		if wrong := inconsistent(r); wrong != "" {
			e.Errorf("%s: %s", describe(r), wrong)
		}
	}
	return records
}

// all returns all records, in a form that can be compared.
func (e *env) all() []inbox.Record {
	e.Helper()
	records := e.list(inbox.Filter{Limit: 100_000})
	for i := range records {
		records[i] = normal(records[i])
	}
	return records
}

// find returns the record with this key, or nil.
func (e *env) find(key string) *inbox.Record {
	e.Helper()
	records := e.list(inbox.Filter{Keys: []string{key}})
	if len(records) == 0 {
		return nil
	}
	if len(records) > 1 || records[0].Key != key {
		e.Fatalf("List by the key %s returns %q", key, keysOf(records))
	}
	return &records[0]
}

func (e *env) record(key string) inbox.Record {
	e.Helper()
	r := e.find(key)
	if r == nil {
		e.Fatalf("there is no record %s", key)
	}
	return *r
}

func keysOf(records []inbox.Record) []string {
	keys := make([]string, 0, len(records))
	for _, r := range records {
		keys = append(keys, r.Key)
	}
	return keys
}

// ids returns n ids in order.
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
