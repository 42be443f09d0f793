package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// ledger is the account of a run.
type ledger struct {
	Submitted int // submissions that the service has a job for
	Jobs      int // that the service accepted, those of repeated submissions included
	// Outcomes are those that the user's function saw, by submission: its first effect.
	Outcomes map[string]int
	// Effects says how many submissions have how many effects.
	Effects map[int]int
	Repeats int // effects beyond the first of a submission

	Acknowledged int // submissions of which a genuine delivery was answered 2xx
	Delivered    map[string]int
	Hurt         map[string]int // faults of webhooks by kind
	Answers      map[string]int // of the API by status
	Forged       int            // deliveries
	Quarantined  int
	Swept        int // records whose end a sweep found, for want of a delivery
	Asked        int // records of jobs without a webhook

	// What must be empty.
	Lost          []string // submissions whose outcome the user's function has not seen
	Unfinished    []string // records that are not done
	Forgotten     []string // what was answered 2xx, and lost then
	ForgedAnswers []string // forged deliveries that were answered 2xx
	Foreign       []string // effects of jobs that are not the submission's
	Wrong         []string // effects with an outcome that the job did not have
	Repeated      []string // effects that CompleteTx should have kept from being repeated
	Troubles      []string
}

// settle makes the account.
func settle(f *facts) *ledger {
	l := &ledger{
		Outcomes: map[string]int{}, Effects: map[int]int{}, Delivered: map[string]int{},
		Hurt: f.Hurt, Answers: f.Answers,
		Jobs: len(f.Jobs), Quarantined: f.Quarantined,
		Forgotten: slices.Clone(f.Broken), Troubles: slices.Clone(f.Troubles),
	}
	jobs := make(map[string]*reductotest.JobInfo, len(f.Jobs))
	submitted := map[string]bool{}
	for i := range f.Jobs {
		jobs[f.Jobs[i].ID] = &f.Jobs[i]
		submitted[f.Owners[f.Jobs[i].ID]] = true
	}
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
	l.checkRecords(f)
	l.countDeliveries(f)
	return l
}

// count counts a submission's effects.
func (l *ledger) count(f *facts, sub submission, effects []effect) {
	l.Effects[len(effects)]++
	if len(effects) == 0 {
		l.Lost = append(l.Lost, sub.ID)
		return
	}
	l.Outcomes[effects[0].Outcome]++
	l.Repeats += len(effects) - 1
	if f.Tx && len(effects) > 1 {
		l.Repeated = append(l.Repeated, fmt.Sprintf("%s: %d effects: %v", sub.ID, len(effects), effects))
	}
}

// checkEffect checks that an effect is of a job of its submission, and what became
// of that job.
func (l *ledger) checkEffect(f *facts, job *reductotest.JobInfo, e effect) {
	if job == nil || f.Owners[e.Job] != e.Submission {
		l.Foreign = append(l.Foreign, fmt.Sprintf("%+v", e))
		return
	}
	if e.N < 0 || e.N >= len(f.Submissions) || f.Submissions[e.N].ID != e.Submission {
		l.Wrong = append(l.Wrong, fmt.Sprintf("the metadata of %+v is another's", e))
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
		if len(effects[id]) == 0 {
			l.Forgotten = append(l.Forgotten, fmt.Sprintf("a delivery of %s was answered 2xx, and its outcome never seen", id))
		}
	}
}

func (l *ledger) checkRecords(f *facts) {
	for i := range f.Records {
		r := &f.Records[i]
		if r.State != webhook.StateDone && len(r.JobIDs) > 0 {
			l.Unfinished = append(l.Unfinished, fmt.Sprintf("record %s is %s: %s", r.Key, r.State, r.Error))
		}
		switch {
		case r.Source != webhook.SourceSweep:
		case r.Webhook:
			l.Swept++
		default:
			l.Asked++
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
		// With a wrong secret. A genuine token with a wrong job is judged by its
		// consequences: see Foreign, and front.quarantined.
		if d.StatusCode/100 == 2 && strings.Contains(string(d.Body), forgedSecret) {
			l.ForgedAnswers = append(l.ForgedAnswers, string(d.Body))
		}
	}
}

// must is a list that has to be empty.
type must struct {
	name string
	list []string
}

func (l *ledger) musts() []must {
	return []must{
		{"lost", l.Lost},
		{"not done", l.Unfinished},
		{"2xx answered and then lost", l.Forgotten},
		{"forged accepted", slices.Concat(l.ForgedAnswers, l.Foreign)},
		{"wrong outcomes", l.Wrong},
		{"effects repeated despite CompleteTx", l.Repeated},
		{"children in trouble", l.Troubles},
	}
}

// ok reports whether every must is kept.
func (l *ledger) ok() bool {
	return !slices.ContainsFunc(l.musts(), func(m must) bool { return len(m.list) > 0 })
}

// String is the account, for people.
func (l *ledger) String() string {
	var b strings.Builder
	line := func(name string, value any) { fmt.Fprintf(&b, "  %-46s %v\n", name, value) }
	line("submissions with a job", l.Submitted)
	line("jobs accepted by the service", l.Jobs)
	line("outcomes seen", fmt.Sprintf("%d (%s)", sum(l.Outcomes), list(l.Outcomes)))
	line("submissions by number of effects", list(l.Effects))
	line("effects repeated", l.Repeats)
	line("answers of the API", list(l.Answers))
	line("faults of webhooks", list(l.Hurt))
	line("deliveries by answer", list(l.Delivered))
	line("forged deliveries", l.Forged)
	line("replays in quarantine", l.Quarantined)
	line("submissions acknowledged with 2xx", l.Acknowledged)
	line("ends found by sweeps only", l.Swept)
	line("ends of jobs without a webhook", l.Asked)
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

// list is a map in the order of its keys.
func list[K int | string](m map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%v: %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}
