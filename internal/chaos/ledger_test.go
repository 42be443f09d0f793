package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// goodFacts returns the facts of a run that kept all guarantees.
func goodFacts() *facts {
	return &facts{
		Tx:          true,
		Submissions: []submission{{ID: "a", N: 0}, {ID: "b", N: 1}, {ID: "c", N: 2}},
		Jobs: []reductotest.JobInfo{
			{ID: "a1", Status: "Completed"}, {ID: "a2", Status: "Completed"},
			{ID: "b1", Status: "Completed", Expired: true},
		},
		Owners: map[string]string{"a1": "a", "a2": "a", "b1": "b"},
		Records: []inbox.Record{
			{Key: "a", SubmissionID: "a", State: inbox.StateDone, JobIDs: []string{"a1", "a2"}, Source: inbox.SourcePoll, Webhook: true},
			{Key: "b", SubmissionID: "b", State: inbox.StateDone, JobIDs: []string{"b1"}, Source: inbox.SourceWebhook},
			{Key: "c", SubmissionID: "c", State: inbox.StatePending}, // never reached the service
		},
		Effects: []effect{
			{Submission: "a", Job: "a2", Outcome: "completed", N: 0},
			{Submission: "b", Job: "b1", Outcome: "expired", N: 1},
		},
		Deliveries: []reductotest.Delivery{
			{JobID: "b1", StatusCode: 200}, {JobID: "a1", Lost: true}, {JobID: "a1"},
			{JobID: "a1", Forged: true, StatusCode: 401, Body: []byte(forgedSecret)},
		},
		Acked:   []string{"b", "b"},
		Returns: []time.Time{at(0), at(10)},
		Taken: []childAnswer{
			{Began: at(-0.5), Ended: at(0.1), Status: 503}, {Began: at(0.1), Ended: at(0.2), Status: 503},
			{Began: at(0.5), Ended: at(0.6), Status: 200}, {Began: at(1.5), Ended: at(1.6), Status: 200},
			{Began: at(1.5), Ended: at(1.6), Status: 502}, {Began: at(8), Ended: at(9), Status: 503},
		},
	}
}

// at returns a time of goodFacts.
func at(seconds float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestLedger(t *testing.T) {
	t.Parallel()
	l := newLedger(goodFacts())
	assert.True(t, l.ok(), "%s", l)
	assert.Equal(t, 2, l.Submitted)
	assert.Equal(t, 3, l.Jobs)
	assert.Equal(t, map[string]int{"completed": 1, "expired": 1}, l.Outcomes)
	assert.Equal(t, map[int]int{1: 2}, l.Effects)
	assert.Equal(t, map[string]int{"200": 1, "lost": 1, "broken": 1, "401": 1}, l.Delivered)
	assert.Equal(t, 1, l.Acknowledged)
	assert.Equal(t, 1, l.Forged)
	assert.Equal(t, 1, l.Reconciled)
	assert.Contains(t, l.String(), "completed: 1, expired: 1")
	assert.Equal(t, []int{1, 0}, l.Recovered)
}

func TestLedgerFindsBrokenGuarantees(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		do   func(f *facts)
		find func(l *ledger) []string
	}{
		{"lost", func(f *facts) { f.Effects = f.Effects[1:] }, func(l *ledger) []string { return l.Lost }},
		{"lost after 2xx", func(f *facts) { f.Effects = f.Effects[:1] }, func(l *ledger) []string { return l.AckLost }},
		{"not stored for a while", func(f *facts) { f.AckLost = []string{"b"} }, func(l *ledger) []string { return l.AckLost }},
		{"not due", func(f *facts) {
			r := &f.Records[0]
			r.State, r.ReadAt, r.DueAt = inbox.StateReceived, time.Unix(100, 0), time.Unix(101, 0)
			f.Effects, f.Acked = f.Effects[1:], []string{"a", "b"}
		}, func(l *ledger) []string { return l.NotDue }},
		{"not done", func(f *facts) { f.Records[0].State = inbox.StateClaimed }, func(l *ledger) []string { return l.Unfinished }},
		{"dead", func(f *facts) { f.Records[0].State = inbox.StateDead }, func(l *ledger) []string { return l.Unfinished }},
		{"twice with CompleteTx", func(f *facts) { f.Effects = append(f.Effects, f.Effects[0]) }, func(l *ledger) []string { return l.Repeated }},
		{"wrong outcome", func(f *facts) { f.Effects[0].Outcome = "failed" }, func(l *ledger) []string { return l.Wrong }},
		{"expired without reason", func(f *facts) { f.Effects[0].Outcome = "expired" }, func(l *ledger) []string { return l.Wrong }},
		{"metadata of another submission", func(f *facts) { f.Effects[0].N = 1 }, func(l *ledger) []string { return l.Wrong }},
		{"unknown job", func(f *facts) { f.Effects[0].Job = "x" }, func(l *ledger) []string { return l.Foreign }},
		{"job of another submission", func(f *facts) { f.Effects[0].Job = "b1" }, func(l *ledger) []string { return l.Foreign }},
		{"forged", func(f *facts) { f.Deliveries[3].StatusCode = 200 }, func(l *ledger) []string { return l.ForgedOK }},
		{"refused late", func(f *facts) { f.Taken[3].Status = 503 }, func(l *ledger) []string { return l.Refused }},
		{"never taken in again", func(f *facts) { f.Taken[2].Ended = at(1.2) }, func(l *ledger) []string { return l.Refused }},
		{"a child that crashed", func(f *facts) { f.Troubles = []string{"x"} }, func(l *ledger) []string { return l.Troubles }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := goodFacts()
			test.do(f)
			l := newLedger(f)
			assert.False(t, l.ok())
			assert.Len(t, test.find(l), 1)
			assert.Contains(t, l.String(), test.find(l)[0])
			if test.name == "not due" {
				assert.Empty(t, l.Lost, "it can still be processed")
				assert.Empty(t, l.AckLost)
			}
		})
	}
}

func TestLedgerCountsRepeats(t *testing.T) {
	t.Parallel()
	f := goodFacts()
	f.Tx = false
	f.Effects = append(f.Effects, f.Effects[0], f.Effects[0])
	l := newLedger(f)
	assert.True(t, l.ok(), "without CompleteTx effects may be repeated")
	assert.Equal(t, 2, l.Repeats)
	assert.Equal(t, map[int]int{1: 1, 3: 1}, l.Effects)
}
