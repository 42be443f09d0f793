package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
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

	calls  []string                  // the commands so far
	claims map[string][]inbox.Record // by key: what claim returned
	marked []inbox.Record
}

func newEnv(t tb, h Harness, rule string) *env {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	context.AfterFunc(t.Context(), cancel)
	return &env{tb: t, Harness: h, ctx: ctx, rule: rule, claims: map[string][]inbox.Record{}}
}

func (e *env) failure(format string, args []any) string {
	text := fmt.Sprintf(format, args...)
	if len(e.calls) > 0 {
		text += "\ncalls: " + strings.Join(e.calls, "; ")
	}
	return text + "\ncontract: " + e.rule
}

// Errorf reports a failure with the rule that was broken. Any goroutine may call it.
func (e *env) Errorf(format string, args ...any) {
	e.Helper()
	e.tb.Errorf("%s", e.failure(format, args))
}

// Fatalf is Errorf, and ends the check.
func (e *env) Fatalf(format string, args ...any) {
	e.Helper()
	e.tb.Fatalf("%s", e.failure(format, args))
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

// submission is the submission that checks record.
func submission(id string) inbox.Submission {
	return inbox.Submission{ID: id, Type: reducto.JobParse, Webhook: true, PollAfter: pollAfter}
}

// completed is a delivery for a job that is completed.
func completed(jobID, submissionID string) inbox.Notification {
	return inbox.Notification{
		JobID: jobID, SubmissionID: submissionID,
		Status: reducto.StatusCompleted, Outcome: webhook.OutcomeCompleted,
		Source: inbox.SourceWebhook, Hold: hold,
	}
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

func (e *env) claim(n int) []inbox.Record {
	e.Helper()
	records, _, err := e.Store.Claim(e.ctx, n, lease)
	e.ok(err)
	for _, r := range records {
		e.claims[r.Key] = append(e.claims[r.Key], r)
	}
	return records
}

// claimOne claims all records, and wants the one with this key.
func (e *env) claimOne(key string) inbox.Record {
	e.Helper()
	records := e.claim(10)
	if len(records) != 1 || records[0].Key != key {
		e.Fatalf("Claim returns %q, want %q", keysOf(records), key)
	}
	return records[0]
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

// everyState makes a record in each state. Its key is the state, its job "job-" and the
// state.
func (e *env) everyState() {
	e.Helper()
	for _, state := range []inbox.State{claimed, done, dead, received, pending} {
		e.do("submit %[1]s; bind %[1]s job-%[1]s 1", state)
		if state != pending {
			e.do("deliver job-%[1]s/%[1]s = accepted %[1]s", state)
		}
		if state != pending && state != received {
			e.do("claim = %s", state)
		}
		if state == done || state == dead {
			e.do("end %[1]s %[1]s", state)
		}
	}
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

func (e *env) extend(d time.Duration, leases ...inbox.Lease) []bool {
	e.Helper()
	held, err := e.Store.Extend(e.ctx, leases, d)
	e.ok(err)
	if len(held) != len(leases) {
		e.Fatalf("%d leases have %d results", len(leases), len(held))
	}
	return held
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

func (e *env) record(key string) inbox.Record {
	e.Helper()
	records := e.list(inbox.Filter{Keys: []string{key}})
	if len(records) != 1 || records[0].Key != key {
		e.Fatalf("List by the key %s returns %q", key, keysOf(records))
	}
	return records[0]
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
