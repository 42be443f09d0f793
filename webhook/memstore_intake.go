package webhook

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
)

// Submit implements Store.
func (m *MemoryStore) Submit(ctx context.Context, s Submitted) error {
	if s.ID == "" && s.JobID == "" {
		return errors.New("webhook: Submit: neither a submission nor a job is named")
	}
	now, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()

	id := s.ID
	if id == "" {
		key := wireid.Key(s.JobID)
		if owner := m.jobs[key]; owner != nil && owner.doubtful() {
			m.evict(owner, key, now)
		}
		if m.jobs[key] != nil {
			return nil
		}
		id = s.JobID
	}
	r := m.records[wireid.Key(id)]
	if r == nil {
		r = m.add(id, now)
		r.SubmissionID, r.Type, r.Webhook = s.ID, s.Type, s.Webhook
		r.SubmittedAt, r.DueAt = now, now.Add(max(s.LookAfter, 0))
		if len(s.Metadata) > 0 {
			r.given = slices.Clone(s.Metadata)
			r.Metadata = r.given
		}
	}
	if s.ID == "" {
		r.sent++
		m.attach(r, s.JobID, true)
	} else {
		r.open++
	}
	m.place(r, now)
	return nil
}

// Bind implements Store.
func (m *MemoryStore) Bind(ctx context.Context, submissionID, jobID string, sent int) error {
	if submissionID == "" {
		return errors.New("webhook: Bind: no submission is named")
	}
	now, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()

	r := m.records[wireid.Key(submissionID)]
	owner := m.jobs[wireid.Key(jobID)] // nobody's if jobID is empty
	if owner != nil && owner != r {
		m.evict(owner, wireid.Key(jobID), now)
		owner = m.jobs[wireid.Key(jobID)]
	}
	switch {
	case owner == nil:
	case owner == r:
		if r.job(wireid.Key(jobID)).bound {
			return nil // said before
		}
	case owner.SubmissionID == "":
		if r == nil {
			return nil
		}
		if r.bound() == 0 && (r.State == StatePending || r.held && r.unfinished()) {
			m.remove(r)
			return nil
		}
	}
	if r == nil {
		r = m.add(submissionID, now)
		r.SubmissionID, r.SubmittedAt = submissionID, now
	}
	if jobID != "" && (owner == nil || owner == r) {
		m.attach(r, jobID, true)
	}
	r.sent += max(sent, 1)
	m.settle(r, now)
	return nil
}

// Withdraw implements Store.
func (m *MemoryStore) Withdraw(ctx context.Context, submissionID string) error {
	now, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()

	r := m.records[wireid.Key(submissionID)]
	if r == nil {
		return nil
	}
	m.settle(r, now)
	if r.State == StatePending && r.open == 0 && r.sent == 0 {
		m.remove(r)
	}
	return nil
}

// settle takes account of a send of which it has become known what became of it.
func (m *MemoryStore) settle(r *memRecord, now time.Time) {
	r.open = max(r.open-1, 0)
	if r.held {
		job := r.job(r.heard)
		switch {
		case job != nil && job.bound:
			r.held = false
			if r.State == StateReceived && r.DueAt.After(now) {
				r.DueAt = now
			}
		case r.open == 0 && r.sent > 0 && r.bound() >= r.sent:
			r.held = false
			if r.unfinished() {
				m.disown(r, now, func(j memJob) bool { return !j.bound })
			}
		}
	}
	m.adopt(r)
	m.place(r, now)
}

// Receive implements Store.
func (m *MemoryStore) Receive(ctx context.Context, arrivals []Arrival) ([]Receipt, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()

	receipts := make([]Receipt, len(arrivals))
	for i := range arrivals {
		receipts[i] = m.receive(&arrivals[i], now)
	}
	return receipts, nil
}

func (m *MemoryStore) receive(a *Arrival, now time.Time) Receipt {
	refused := Receipt{Kind: ReceiptRefused}
	key := wireid.Key(a.JobID)
	owner := m.jobs[key]
	r := m.records[wireid.Key(a.SubmissionID)] // there is none with an empty key
	if a.Confirmed && owner != nil && owner != r {
		m.evict(owner, key, now)
		owner = m.jobs[key]
	}
	strange := key != "" && (r == nil || r.job(key) == nil)
	switch {
	case r != nil:
		if owner != nil && owner != r {
			return refused
		}
		if owner == nil && key != "" && (strange || !r.doubtful()) && m.full(r) {
			return refused
		}
	case owner != nil:
		if a.SubmissionID != "" && owner.SubmissionID != "" {
			return refused
		}
		r = owner
	case key == "":
		return refused
	case a.SubmissionID != "":
		r = m.add(a.SubmissionID, now)
		r.SubmissionID = a.SubmissionID
		// Whoever sent it does not tell this store how often: that is never known.
		r.open = 1
		m.attach(r, a.JobID, false)
	default:
		r = m.add(a.JobID, now)
		r.sent = 1
		m.attach(r, a.JobID, true)
	}

	if r.State != StatePending {
		if strange && owner == nil {
			if r.busy() {
				if r.State == StateReceived && r.DueAt.After(now) {
					r.DueAt = now
					m.place(r, now)
				}
				return Receipt{Kind: ReceiptBusy, State: r.State, Key: r.Key}
			}
			switch {
			case !r.keeps():
			case r.open == 0 && !r.doubtful():
				m.attach(r, a.JobID, false)
			default:
				r.keep(a.JobID)
			}
		}
		return Receipt{
			Kind:     ReceiptDuplicate,
			Conflict: key != "" && key == r.heard && a.Status != r.Status,
			State:    r.State,
			Key:      r.Key,
		}
	}

	r.DueAt = now
	if r.open > 0 && r.bound() == 0 && !r.SubmittedAt.IsZero() {
		r.held = true
		r.DueAt = now.Add(max(a.Hold, 0))
	}
	if key != "" {
		m.attach(r, a.JobID, false)
	}
	r.heard = key
	r.State, r.Status, r.Outcome, r.Source = StateReceived, a.Status, a.Outcome, a.Source
	if len(a.Metadata) > 0 {
		r.Metadata = slices.Clone(a.Metadata)
	}
	m.seq++
	r.seq, r.ReceivedAt = m.seq, now
	m.place(r, now)
	return Receipt{Kind: ReceiptAccepted, State: StateReceived, Key: r.Key}
}
