package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
	"github.com/reducto-go/reducto/webhook"
)

// model says what a store answers, in the plainest way in which that can be said.
// Its time is counted from the beginning of the history.
type model struct {
	now     time.Duration
	records []*modelRecord
	locks   map[string]modelLock
}

type modelRecord struct {
	webhook.Record // without JobID, JobIDs and times
	jobs           []modelJob
	accepted       string // key of the job that was accepted, or empty
	given          []byte // the metadata that was submitted

	unresolved int  // sends of which is not known how many jobs they made
	made       int  // how many the others may have made
	tentative  bool // received before any job was known

	submitted, received, finished, due moment
	dueFrom, dueTo                     time.Duration // due is between these, if spread
	spread                             bool
}

type modelLock struct {
	owner string
	until moment
}

// moment is a time, if it is set. One that came from a duration of zero is not
// near to anything: the store has it at or before the time of the next call.
type moment struct {
	at           time.Duration
	set, instant bool
}

func (m *model) in(d time.Duration) moment {
	d = max(d, 0)
	return moment{at: m.now + d, set: true, instant: d == 0}
}

func (m *model) over(t moment) bool { return t.set && t.at <= m.now }

func (m *model) record(id string) *modelRecord {
	for _, r := range m.records {
		if id != "" && r.Key == wireid.Key(id) {
			return r
		}
	}
	return nil
}

func (m *model) add(id string) *modelRecord {
	r := &modelRecord{due: m.in(0)}
	r.Key, r.State = wireid.Key(id), webhook.StatePending
	m.records = append(m.records, r)
	slices.SortFunc(m.records, func(a, b *modelRecord) int { return strings.Compare(a.Key, b.Key) })
	return r
}

func (m *model) remove(gone *modelRecord) {
	m.records = slices.DeleteFunc(m.records, func(r *modelRecord) bool { return r == gone })
}

func (m *model) submit(s webhook.Submitted) {
	id := s.ID
	if id == "" {
		if r := m.owner(s.JobID); r != nil && r.doubtful() {
			m.claimed(s.JobID, "")
		}
		if m.owner(s.JobID) != nil {
			return
		}
		id = s.JobID
	}
	r := m.record(id)
	if r == nil {
		r = m.add(id)
		r.SubmissionID, r.Type, r.Webhook = s.ID, s.Type, s.Webhook
		r.given, r.Metadata = s.Metadata, s.Metadata
		r.submitted, r.due = m.in(0), m.in(s.LookAfter)
	}
	if s.ID == "" {
		r.made = 1
		r.learn(s.JobID, true)
	} else {
		r.unresolved++
	}
}

func (m *model) bind(submissionID, jobID string, sent int) {
	r, owner := m.record(submissionID), m.claimed(jobID, submissionID)
	if owner != nil && owner == r && r.job(jobID).stated {
		return
	}
	if owner != nil && owner.SubmissionID == "" &&
		(r == nil || !r.confirmed() && (r.State == webhook.StatePending || r.tentative && r.open())) {
		m.remove(r)
		return
	}
	if r == nil {
		r = m.add(submissionID)
		r.SubmissionID, r.submitted = submissionID, m.in(0)
	}
	if owner == nil || owner == r {
		r.learn(jobID, true)
	}
	r.made += max(sent, 1)
	m.resolve(r)
}

func (m *model) withdraw(submissionID string) {
	r := m.record(submissionID)
	if r == nil {
		return
	}
	m.resolve(r)
	if r.State == webhook.StatePending && r.unresolved == 0 && r.made == 0 {
		m.remove(r)
	}
}

// resolve counts one send less of which the jobs are not known.
func (m *model) resolve(r *modelRecord) {
	r.unresolved = max(r.unresolved-1, 0)
	if r.tentative {
		m.judge(r)
	}
	for i := range r.jobs { // as many as there can be
		j := &r.jobs[i]
		if r.unresolved == 0 && !r.doubtful() && r.has() < r.made && m.owner(j.id) == nil {
			j.free = false
		}
	}
	if r.unresolved == 0 && !r.doubtful() && r.has() >= r.made {
		r.jobs = slices.DeleteFunc(r.jobs, func(j modelJob) bool { return j.free })
	}
}

// judge decides whether a tentative record is received for a job of its own.
func (m *model) judge(r *modelRecord) {
	stated := r.count(func(j modelJob) bool { return j.stated })
	if r.accepted != "" && r.job(r.accepted).stated {
		r.tentative = false
		if r.State == webhook.StateReceived && !m.over(r.due) {
			r.due = m.in(0)
		}
		return
	}
	if r.unresolved > 0 || r.made == 0 || stated < r.made {
		return
	}
	r.tentative = false
	if r.State == webhook.StateReceived || r.State == webhook.StateClaimed {
		r.jobs = slices.DeleteFunc(r.jobs, func(j modelJob) bool { return !j.stated })
		m.unreceive(r)
	}
}

func (m *model) receive(a webhook.Arrival) webhook.Receipt {
	refused := webhook.Receipt{Kind: webhook.ReceiptRefused}
	owner := m.owner(a.JobID)
	if a.Confirmed {
		owner = m.claimed(a.JobID, a.SubmissionID)
	}
	r := m.record(a.SubmissionID)
	strange := owner == nil && a.JobID != "" && (r == nil || r.job(a.JobID) == nil)
	switch {
	case r == nil && owner == nil && a.JobID == "":
		return refused
	case r == nil && owner == nil && a.SubmissionID != "":
		r = m.add(a.SubmissionID)
		r.SubmissionID = a.SubmissionID
		r.unresolved = 1 // for ever
		r.learn(a.JobID, false)
	case r == nil && owner == nil:
		r = m.add(a.JobID)
		r.made = 1
		r.learn(a.JobID, true)
	case r == nil:
		if a.SubmissionID != "" && owner.SubmissionID != "" {
			return refused
		}
		r = owner
	case owner != nil && owner != r:
		return refused
	case owner == nil && a.JobID != "" && (strange || !r.doubtful()) && r.unresolved == 0 && r.has() >= r.made:
		return refused
	}

	if r.State != webhook.StatePending {
		switch {
		case !strange:
		case r.unresolved == 0 && !r.doubtful():
			r.learn(a.JobID, false)
		case r.unresolved == 0 || r.doubtful() && len(r.jobs) < webhook.MaxUnconfirmed:
			r.jobs = append(r.jobs, modelJob{id: a.JobID, free: true})
		case r.doubtful() && r.open():
			if r.State == webhook.StateReceived && !m.over(r.due) {
				r.due = m.in(0)
			}
			return webhook.Receipt{Kind: webhook.ReceiptBusy, State: r.State, Key: r.Key}
		}
		sameJob := a.JobID != "" && wireid.Key(a.JobID) == r.accepted
		return webhook.Receipt{
			Kind: webhook.ReceiptDuplicate, Conflict: sameJob && a.Status != r.Status, State: r.State, Key: r.Key,
		}
	}
	r.due = m.in(0)
	if r.unresolved > 0 && !r.confirmed() && r.submitted.set {
		r.tentative, r.due = true, m.in(a.Hold)
	}
	r.learn(a.JobID, false)
	r.accepted, r.received, r.spread = wireid.Key(a.JobID), m.in(0), false
	r.State, r.Status, r.Outcome, r.Source = webhook.StateReceived, a.Status, a.Outcome, a.Source
	if a.Metadata != nil {
		r.Metadata = a.Metadata
	}
	return webhook.Receipt{Kind: webhook.ReceiptAccepted, State: r.State, Key: r.Key}
}

// claimable are the records that a claim may choose from, those that come first
// first.
func (m *model) claimable() []*modelRecord {
	var due []*modelRecord
	for _, r := range m.records {
		if (r.State == webhook.StateReceived || r.State == webhook.StateClaimed) && m.over(r.due) {
			due = append(due, r)
		}
	}
	slices.SortStableFunc(due, func(a, b *modelRecord) int { return int(a.received.at - b.received.at) })
	return due
}

func (m *model) claim(r *modelRecord, token int64, lease time.Duration) {
	r.State, r.Token, r.due = webhook.StateClaimed, token, m.in(lease)
	r.Attempt++
}

// next is when another record may become due, if any may.
func (m *model) next() (moment, bool) {
	first, found := moment{}, false
	for _, r := range m.records {
		if (r.State == webhook.StateReceived || r.State == webhook.StateClaimed) && (!found || r.due.at < first.at) {
			first, found = r.due, true
		}
	}
	return first, found
}

func (m *model) holder(l webhook.Lease) *modelRecord {
	r := m.record(l.Key)
	if r == nil || r.State != webhook.StateClaimed || r.Token != l.Token {
		return nil
	}
	return r
}

func (m *model) extend(l webhook.Lease, d time.Duration) bool {
	r := m.holder(l)
	if r != nil {
		r.due = m.in(d)
	}
	return r != nil
}

func (m *model) finish(v webhook.Verdict) bool {
	r := m.holder(v.Lease)
	if r == nil {
		return false
	}
	r.State, r.Error = v.State, v.Error
	if v.Outcome != "" {
		r.Outcome = v.Outcome
	}
	if v.Keep {
		r.Attempt--
	}
	heard := r.job(r.accepted)
	switch {
	case v.State == webhook.StateReceived:
		r.due = m.in(v.After)
	case v.State == webhook.StatePending && heard != nil && heard.stated:
		r.State, r.due = webhook.StateReceived, m.in(0)
	case v.State == webhook.StatePending:
		m.giveUp(r, v.After)
	default:
		r.finished, r.due = m.in(0), moment{}
	}
	return true
}

func (m *model) overdue(expected bool) []*modelRecord {
	var due []*modelRecord
	for _, r := range m.records {
		if r.State == webhook.StatePending && r.Webhook == expected && m.over(r.due) {
			due = append(due, r)
		}
	}
	slices.SortStableFunc(due, func(a, b *modelRecord) int { return int(a.due.at - b.due.at) })
	return due
}

// look makes a record due again. When exactly, the store decides.
func (m *model) look(r *modelRecord, schedule []time.Duration) {
	wait := schedule[min(r.Looks, len(schedule)-1)]
	r.due, r.spread = m.in(wait), true
	r.dueFrom, r.dueTo = m.now+wait*8/10, m.now+wait*12/10
	r.Looks++
}

func (m *model) lock(name, owner string, d time.Duration) bool {
	l, taken := m.locks[name]
	if taken && l.owner != owner && !m.over(l.until) {
		return false
	}
	if d <= 0 {
		delete(m.locks, name)
		return false
	}
	m.locks[name] = modelLock{owner, m.in(d)}
	return true
}

func (m *model) replay(key string) bool {
	r := m.record(key)
	if r == nil || r.State != webhook.StateDead {
		return false
	}
	r.State, r.Attempt, r.finished, r.due = webhook.StateReceived, 0, moment{}, m.in(0)
	return true
}

// purgeable are the records that may be purged.
func (m *model) purgeable(age, deadAge time.Duration) []*modelRecord {
	var old []*modelRecord
	for _, r := range m.records {
		if r.State == webhook.StateDone && m.now-r.finished.at > age || r.State == webhook.StateDead && m.now-r.finished.at > deadAge {
			old = append(old, r)
		}
	}
	return old
}
