package sqlstore

import (
	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
)

// submit carries out Store.Submit, unless something is missing.
func (b *book) submit(s webhook.Submitted) {
	id := s.ID
	if id == "" {
		key := fold(s.JobID)
		if owner := b.owner(key); owner != nil && owner.doubtful() {
			if b.evict(owner, key); len(b.missing) > 0 {
				return
			}
		}
		if b.owner(key) != nil {
			return
		}
		id = s.JobID
	}
	r := b.record(fold(id))
	if r == nil {
		r = b.add(id)
		r.SubmissionID, r.Type, r.Webhook = storable(s.ID), reducto.JobType(storable(string(s.Type))), s.Webhook
		r.SubmittedAt, r.DueAt = b.now, b.now+micros(s.LookAfter)
		if len(s.Metadata) > 0 {
			r.Given = new(encodeMetadata(s.Metadata))
		}
	}
	if s.ID == "" {
		r.Sent++
		b.attach(r, s.JobID, true)
	} else {
		r.Open++
	}
	b.changed(r)
}

// bind carries out Store.Bind, unless something is missing.
func (b *book) bind(submissionID, jobID string, sent int) {
	r := b.record(fold(submissionID))
	if r != nil && !b.lookedUp(r) {
		return
	}
	owner := b.owner(fold(jobID))
	if owner != nil && owner != r {
		if b.evict(owner, fold(jobID)); len(b.missing) > 0 {
			return
		}
	}
	switch {
	case owner == nil:
	case owner == r:
		if r.job(fold(jobID)).Bound {
			return // said before
		}
	case owner.SubmissionID == "":
		// The job was heard of, or tracked, before anybody knew whose it is. That record
		// stands for the submission.
		if r == nil {
			return
		}
		if r.bound() == 0 && (r.State == webhook.StatePending || r.Held && r.unfinished()) {
			b.remove(r)
			return
		}
	}
	if r == nil {
		r = b.add(submissionID)
		r.SubmissionID, r.SubmittedAt = storable(submissionID), b.now
	}
	if jobID != "" && (owner == nil || owner == r) {
		b.attach(r, jobID, true)
	}
	r.Sent += max(sent, 1)
	b.settle(r)
}

// withdraw carries out Store.Withdraw, unless something is missing.
func (b *book) withdraw(submissionID string) {
	r := b.record(fold(submissionID))
	if r == nil || !b.lookedUp(r) {
		return
	}
	b.settle(r)
	if r.State == webhook.StatePending && r.Open == 0 && r.Sent == 0 {
		b.remove(r)
	}
}

// settle takes account of a send of which it has become known what became of it.
func (b *book) settle(r *row) {
	b.changed(r)
	r.Open = max(r.Open-1, 0)
	if r.Held {
		b.confirm(r)
	}
	b.adopt(r)
}

// confirm looks whether it is known now that a held record's job is its own, or is not.
func (b *book) confirm(r *row) {
	heard := r.job(r.Heard)
	switch {
	case heard != nil && heard.Bound:
		r.Held = false
		if r.State == webhook.StateReceived {
			r.DueAt = min(r.DueAt, b.now)
		}
	case r.Open == 0 && r.Sent > 0 && r.bound() >= r.Sent:
		r.Held = false
		if r.unfinished() {
			b.disown(r, func(j job) bool { return !j.Bound })
		}
	}
}

// disowned carries out a verdict of StatePending, unless something is missing, and
// reports whether its token holds the record.
func (b *book) disowned(v verdict) bool {
	r := b.record(v.Key)
	if r == nil || r.State != webhook.StateClaimed || r.Token != v.Token {
		return false
	}
	heard := r.job(r.Heard)
	bound := heard != nil && heard.Bound
	if !bound && !b.lookedUp(r) {
		return false
	}
	b.changed(r)
	r.Error = v.Error
	if v.Outcome != "" {
		r.Outcome = v.Outcome
	}
	if v.Keep {
		r.Attempt--
	}
	if bound {
		r.State, r.DueAt = webhook.StateReceived, b.now
	} else {
		b.giveUp(r, v.After)
	}
	return true
}

// receive carries out Store.Receive for one arrival, unless something is missing.
func (b *book) receive(a *webhook.Arrival) webhook.Receipt {
	refused := webhook.Receipt{Kind: webhook.ReceiptRefused}
	status := reducto.JobStatus(storable(string(a.Status)))
	key := fold(a.JobID)
	owner := b.owner(key)
	name := fold(a.SubmissionID)
	if name == "" && owner == nil {
		name = key // an id that a submission has, too, is that submission's
	}
	r := b.record(name)
	if a.Confirmed && owner != nil && owner != r {
		if b.evict(owner, key); len(b.missing) > 0 {
			return refused
		}
	}
	strange := key != "" && (r == nil || r.job(key) == nil)
	switch {
	case r != nil:
		if owner != nil && owner != r {
			return refused
		}
		if owner == nil && key != "" && (strange || !r.doubtful()) && r.full() {
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
		r = b.add(a.SubmissionID)
		r.SubmissionID = storable(a.SubmissionID)
		// Whoever sent it does not tell this store how often: that is never known.
		r.Open = 1
		b.attach(r, a.JobID, false)
	default:
		r = b.add(a.JobID)
		r.Sent = 1
		b.attach(r, a.JobID, true)
	}

	if r.State != webhook.StatePending {
		if strange && owner == nil {
			if r.busy() {
				if r.State == webhook.StateReceived && r.DueAt > b.now {
					r.DueAt = b.now
					b.changed(r)
				}
				return webhook.Receipt{Kind: webhook.ReceiptBusy, State: r.State, Key: r.Key}
			}
			// It is not kept while somebody holds the record, for a transaction perhaps: the
			// answer is the same, and others wait for theirs.
			if r.keeps() && b.attempt < patientTries {
				b.changed(r)
				if r.Open == 0 && !r.doubtful() {
					b.attach(r, a.JobID, false)
				} else {
					r.keep(a.JobID)
				}
			}
		}
		return webhook.Receipt{
			Kind:     webhook.ReceiptDuplicate,
			Conflict: key != "" && key == r.Heard && status != r.Status,
			State:    r.State,
			Key:      r.Key,
		}
	}

	r.DueAt = b.now
	if r.Open > 0 && r.bound() == 0 && r.SubmittedAt != 0 {
		r.Held = true
		r.DueAt += micros(a.Hold)
	}
	if key != "" {
		b.attach(r, a.JobID, false)
	}
	r.Heard = key
	r.State, r.Status = webhook.StateReceived, status
	r.Outcome, r.Source = webhook.Outcome(storable(string(a.Outcome))), webhook.Source(storable(string(a.Source)))
	if len(a.Metadata) > 0 {
		r.Metadata = new(encodeMetadata(a.Metadata))
		if heard := r.job(key); heard != nil && heard.Bound {
			r.Given = new("") // the record cannot become pending again
		}
	}
	r.ReceivedAt = b.stamp()
	b.changed(r)
	return webhook.Receipt{Kind: webhook.ReceiptAccepted, State: webhook.StateReceived, Key: r.Key}
}
