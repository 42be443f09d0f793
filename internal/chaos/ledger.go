package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

// ledger is the result of a run.
type ledger struct {
	Submitted int // submissions that the service has a job for
	Jobs      int // all jobs of the service: a repeated submission can have several
	// Outcomes has the outcome of each submission's first effect.
	Outcomes map[string]int
	// Effects has the number of submissions by their number of effects.
	Effects map[int]int
	Repeats int // effects beyond the first of a submission

	Acknowledged int // submissions with a genuine delivery that was answered 2xx
	Delivered    map[string]int
	Faults       map[string]int // of webhooks, by kind
	Answers      map[string]int // of the API, by status
	Forged       int            // deliveries
	Reconciled   int            // records whose end the reconciler found, although they have a webhook
	Polled       int            // records of jobs without a webhook
	// Recovered has the deliveries that were taken in within a second of each return of
	// the database.
	Recovered []int

	// These must be empty.
	Lost       []string // submissions without an effect
	NotDue     []string // records that waited for their time when the run ended
	Unfinished []string // other records that are not done
	AckLost    []string // deliveries that were answered 2xx, and lost
	ForgedOK   []string // forged deliveries that were answered 2xx
	Foreign    []string // effects of jobs of other submissions
	Wrong      []string // effects with an outcome that the job does not have
	Repeated   []string // effects that were repeated in spite of CompleteTx
	Refused    []string // deliveries that were refused later than a second after the database's return
	Troubles   []string

	waiting map[string]bool // submissions of NotDue
}

// newLedger returns the ledger of a run.
func newLedger(f *facts) *ledger {
	l := &ledger{
		Outcomes: map[string]int{}, Effects: map[int]int{}, Delivered: map[string]int{},
		Faults: f.Faults, Answers: f.Answers, Jobs: len(f.Jobs), waiting: map[string]bool{},
		AckLost: slices.Clone(f.AckLost), Troubles: slices.Clone(f.Troubles),
	}
	jobs := make(map[string]*reductotest.JobInfo, len(f.Jobs))
	submitted := map[string]bool{}
	for i := range f.Jobs {
		jobs[f.Jobs[i].ID] = &f.Jobs[i]
		submitted[f.Owners[f.Jobs[i].ID]] = true
	}
	l.checkRecords(f, submitted)
	effects := map[string][]effect{}
	for _, e := range f.Effects {
		effects[e.Submission] = append(effects[e.Submission], e)
		l.checkEffect(f, jobs[e.Job], e)
	}
	for _, sub := range f.Submissions {
		if !submitted[sub.ID] {
			continue
		}
		l.Submitted++
		l.count(f, sub, effects[sub.ID])
	}
	l.checkAcknowledged(f, effects)
	l.countDeliveries(f)
	l.checkRecovery(f)
	return l
}

// recovered is how long after the return of the database deliveries may be refused.
const recovered = time.Second

// checkRecovery checks the answers of the first two seconds after each return of the
// database. No child is disrupted in them.
func (l *ledger) checkRecovery(f *facts) {
	for _, back := range f.Returns {
		taken := 0
		for _, a := range f.Taken {
			after := a.Began.Sub(back)
			switch {
			case after < 0 || after > recovered+time.Second:
			case a.Status/100 == 2 && a.Ended.Sub(back) <= recovered:
				taken++
			case a.Status == http.StatusServiceUnavailable && after > recovered:
				l.Refused = append(l.Refused, fmt.Sprintf("a delivery %v after the return of the database", after.Round(time.Millisecond)))
			}
		}
		l.Recovered = append(l.Recovered, taken)
	}
	if len(f.Returns) > 0 && slices.Max(l.Recovered) == 0 {
		l.Refused = append(l.Refused, "no delivery was taken in within a second of any return of the database")
	}
}

// count counts a submission's effects.
func (l *ledger) count(f *facts, sub submission, effects []effect) {
	l.Effects[len(effects)]++
	if len(effects) == 0 {
		if !l.waiting[sub.ID] {
			l.Lost = append(l.Lost, sub.ID)
		}
		return
	}
	l.Outcomes[effects[0].Outcome]++
	l.Repeats += len(effects) - 1
	if f.Tx && len(effects) > 1 {
		l.Repeated = append(l.Repeated, fmt.Sprintf("%s: %d effects: %v", sub.ID, len(effects), effects))
	}
}

// checkEffect checks that an effect has a job and the metadata of its submission, and the
// outcome of that job.
func (l *ledger) checkEffect(f *facts, job *reductotest.JobInfo, e effect) {
	if job == nil || f.Owners[e.Job] != e.Submission {
		l.Foreign = append(l.Foreign, fmt.Sprintf("%+v", e))
		return
	}
	if e.N < 0 || e.N >= len(f.Submissions) || f.Submissions[e.N].ID != e.Submission {
		l.Wrong = append(l.Wrong, fmt.Sprintf("the metadata of %+v is another submission's", e))
	}
	if strings.EqualFold(e.Outcome, job.Status) || job.Expired && e.Outcome == string(webhook.OutcomeExpired) {
		return
	}
	l.Wrong = append(l.Wrong, fmt.Sprintf("job %s is %s, expired %t; the effect is %+v", job.ID, job.Status, job.Expired, e))
}

func (l *ledger) checkAcknowledged(f *facts, effects map[string][]effect) {
	acked := slices.Clone(f.Acked)
	slices.Sort(acked)
	for _, id := range slices.Compact(acked) {
		l.Acknowledged++
		if len(effects[id]) == 0 && !l.waiting[id] {
			l.AckLost = append(l.AckLost, fmt.Sprintf("a delivery of %s was answered 2xx, and it has no effect", id))
		}
	}
}

func (l *ledger) checkRecords(f *facts, submitted map[string]bool) {
	for i := range f.Records {
		r := &f.Records[i]
		switch {
		case r.State == inbox.StateDone || len(r.JobIDs) == 0 && !submitted[r.SubmissionID]: // or it was never sent
		case (r.State == inbox.StatePending || r.State == inbox.StateReceived) && r.DueAt.After(r.ReadAt):
			l.waiting[r.SubmissionID] = true
			l.NotDue = append(l.NotDue, fmt.Sprintf("record %s is %s, due in %v", r.Key, r.State, r.DueAt.Sub(r.ReadAt).Round(time.Second)))
		default:
			l.Unfinished = append(l.Unfinished, fmt.Sprintf("record %s is %s: %s", r.Key, r.State, r.Error))
		}
		switch {
		case r.Source != inbox.SourcePoll:
		case r.Webhook:
			l.Reconciled++
		default:
			l.Polled++
		}
	}
}

func (l *ledger) countDeliveries(f *facts) {
	for i := range f.Deliveries {
		d := &f.Deliveries[i]
		switch {
		case d.Lost:
			l.Delivered["lost"]++
		case d.StatusCode == 0:
			l.Delivered["broken"]++
		default:
			l.Delivered[fmt.Sprint(d.StatusCode)]++
		}
		if !d.Forged {
			continue
		}
		l.Forged++
		if d.StatusCode/100 == 2 {
			l.ForgedOK = append(l.ForgedOK, string(d.Body))
		}
	}
}

// must is a list that must be empty.
type must struct {
	name string
	list []string
}

func (l *ledger) musts() []must {
	return []must{
		{"lost", l.Lost},
		{"not due when the time was over", l.NotDue},
		{"not done", l.Unfinished},
		{"acknowledged, then lost", l.AckLost},
		{"forged accepted", slices.Concat(l.ForgedOK, l.Foreign)},
		{"wrong outcomes", l.Wrong},
		{"effects repeated despite CompleteTx", l.Repeated},
		{"refused after the database's return", l.Refused},
		{"errors of children", l.Troubles},
	}
}

// ok reports whether all these lists are empty.
func (l *ledger) ok() bool {
	return !slices.ContainsFunc(l.musts(), func(m must) bool { return len(m.list) > 0 })
}

// String returns the ledger as text.
func (l *ledger) String() string {
	var b strings.Builder
	line := func(name string, value any) { fmt.Fprintf(&b, "  %-46s %v\n", name, value) }
	line("submissions with a job", l.Submitted)
	line("jobs accepted by the service", l.Jobs)
	line("outcomes", fmt.Sprintf("%d (%s)", sum(l.Outcomes), list(l.Outcomes)))
	line("submissions by number of effects", list(l.Effects))
	line("effects repeated", l.Repeats)
	line("answers of the API", list(l.Answers))
	line("faults of webhooks", list(l.Faults))
	line("deliveries by answer", list(l.Delivered))
	line("forged deliveries", l.Forged)
	line("submissions acknowledged", l.Acknowledged)
	line("ends found by the reconciler", l.Reconciled)
	line("ends of jobs without a webhook", l.Polled)
	line("taken in within 1 s of the database's return", fmt.Sprint(l.Recovered))
	for _, m := range l.musts() {
		line(m.name+" (must be 0)", len(m.list))
		for i, one := range m.list {
			if i == 20 {
				fmt.Fprintf(&b, "    and %d more\n", len(m.list)-i)
				break
			}
			fmt.Fprintf(&b, "    %s\n", one)
		}
	}
	return b.String()
}

func sum[K comparable](m map[K]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// list returns a map as text, in the order of its keys.
func list[K int | string](m map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%v: %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}
