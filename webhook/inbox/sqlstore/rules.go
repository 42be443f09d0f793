package sqlstore

import (
	"github.com/reducto-go/reducto/webhook/inbox"
)

// snapshot is what was read of the tables to apply the rules, and what the rules
// change in it. The rules are those of inbox.MemoryStore.
type snapshot struct {
	now   int64
	stamp func() int64 // the next time of a receipt, in the order of calls
	hasty bool         // changes that may be left out are left out
	once  bool         // the rules must not be applied again if the changes may have been committed

	records map[string]*record // by key
	owners  map[string]*record // by key of the job

	changed map[string]*record // to be written
	taken   map[string]string  // jobs to be added, with the key of the record
	freed   map[string]string  // jobs to be removed, with the key of the record that had them

	used []string // keys of records that the rules have looked at
}

func newSnapshot(records []*record, now int64, stamp func() int64) *snapshot {
	s := &snapshot{
		now: now, stamp: stamp,
		records: map[string]*record{}, owners: map[string]*record{},
		changed: map[string]*record{}, taken: map[string]string{}, freed: map[string]string{},
	}
	for _, r := range records {
		s.records[r.Key] = r
		for _, j := range r.Jobs {
			s.owners[idKey(j.ID)] = r
		}
	}
	return s
}

// record returns the record with that key, or nil.
func (s *snapshot) record(key string) *record {
	s.used = append(s.used, key)
	return s.records[key]
}

// owner returns the record that has the job, or nil.
func (s *snapshot) owner(key string) *record {
	r := s.owners[key]
	if r != nil {
		s.used = append(s.used, r.Key)
	}
	return r
}

// add makes a pending record.
func (s *snapshot) add(id, submissionID string) *record {
	r := &record{Key: idKey(id), SubmissionID: storable(submissionID), State: inbox.StatePending, DueAt: s.now}
	s.used = append(s.used, r.Key)
	s.records[r.Key], s.changed[r.Key] = r, r
	return r
}

// remove removes a record that is in the table.
func (s *snapshot) remove(r *record) {
	for _, j := range r.Jobs {
		s.free(r, idKey(j.ID))
	}
	delete(s.records, r.Key)
	r.Removed, s.changed[r.Key] = true, r
}

// attach gives a job to a record.
func (s *snapshot) attach(r *record, jobID string, named bool) {
	key := idKey(jobID)
	if r.job(key) == nil {
		r.Jobs = append(r.Jobs, job{ID: storable(jobID)})
		s.owners[key], s.taken[key] = r, r.Key
	}
	r.job(key).Named = r.job(key).Named || named
}

func (s *snapshot) free(r *record, key string) {
	delete(s.owners, key)
	s.freed[key] = r.Key
}

// submit applies Store.Submit.
func (s *snapshot) submit(sub *inbox.Submission) {
	id := sub.ID
	if id == "" {
		if id = sub.JobID; s.owner(idKey(id)) != nil || s.record(idKey(id)) != nil {
			return
		}
	}
	r := s.record(idKey(id))
	if r == nil {
		r = s.add(id, sub.ID)
		r.Type, r.Webhook = storable(sub.Type), sub.Webhook
		r.SubmittedAt, r.DueAt = s.now, s.now+micros(sub.PollAfter)
		if len(sub.Metadata) > 0 {
			r.Given = encodeMetadata(sub.Metadata)
		}
	}
	s.changed[r.Key] = r
	if sub.ID != "" {
		r.Open++
	} else {
		r.Sent++
		s.attach(r, sub.JobID, true)
	}
}

// bind applies Store.Bind, and reports whether there is a conflict.
func (s *snapshot) bind(a *inbox.Answer) (conflict bool) {
	key := idKey(a.JobID)
	r, owner := s.record(idKey(a.SubmissionID)), s.owner(key)
	if owner != nil && owner != r && owner.Hold && owner.Received == key {
		s.release(owner) // a delivery alone named the job: the API's answer wins
		owner = nil
	}
	switch {
	case r == nil && owner != nil && owner.SubmissionID != "":
		return true
	case r == nil && (owner != nil || a.JobID == "" && a.Jobs == 0):
		return false
	case r == nil:
		r = s.add(a.SubmissionID, a.SubmissionID)
		r.SubmittedAt = s.now
	case owner == r && r.job(key).Named && (a.Jobs == 0 || r.job(key).Answer):
		return r.mistaken() // repeated
	case owner != nil && owner.SubmissionID == "" && r.State == inbox.StatePending && len(r.Jobs) == 0:
		s.remove(r) // the job's own record stands for the submission
		return false
	}
	s.changed[r.Key] = r
	if a.JobID == "" || a.Jobs > 0 {
		r.Open = max(r.Open-1, 0)
		r.Sent += max(a.Jobs, 0)
	}
	if a.JobID != "" && (owner == nil || owner == r) {
		s.attach(r, a.JobID, true)
		r.job(key).Answer = r.job(key).Answer || a.Jobs > 0
	}
	s.settle(r)
	switch {
	case owner != nil && owner != r, a.JobID != "" && r.mistaken():
		return true
	case r.unmade():
		s.remove(r) // no job was ever made
	}
	return false
}

// settle ends the wait of a record for Bind, if the answers decide it.
func (s *snapshot) settle(r *record) {
	switch {
	case !r.Hold:
	case r.job(r.Received).Named:
		r.Hold, r.DueAt = false, s.now
	case r.mistaken():
		s.release(r)
	}
}

// release makes a record pending again that waits for Bind. It no longer has the job
// that it was received for.
func (s *snapshot) release(r *record) {
	s.free(r, r.Received)
	r.removeJob(r.Received)
	r.State, r.Received, r.Hold, r.Status, r.Outcome, r.Source = inbox.StatePending, "", false, "", "", ""
	r.ReceivedAt, r.DueAt, r.Metadata = 0, s.now, new("")
	s.changed[r.Key] = r
	if r.unmade() {
		s.remove(r)
	}
}

// receive applies Store.Receive to one notification.
func (s *snapshot) receive(n *inbox.Notification) inbox.ReceiveResult {
	refused := inbox.ReceiveResult{Kind: inbox.Refused}
	status := storable(n.Status)
	key := idKey(n.JobID)
	r, owner := s.record(idKey(n.SubmissionID)), s.owner(key)
	switch {
	case r == nil && owner != nil:
		if n.SubmissionID != "" && owner.SubmissionID != "" {
			return refused
		}
		r = owner
	case r == nil && (n.JobID == "" || n.SubmissionID == "" && s.record(key) != nil):
		return refused // there is no job, or its id is a submission's
	case r == nil && n.SubmissionID != "":
		r = s.add(n.SubmissionID, n.SubmissionID)
		r.Open = 1 // this store never learns how often it was sent
	case r == nil:
		r = s.add(n.JobID, "")
		r.Sent = 1
	case owner != nil && owner != r, owner == nil && n.JobID != "" && r.full():
		return refused
	}
	if r.State != inbox.StatePending {
		if owner == nil && n.JobID != "" && r.Open == 0 && !s.hasty {
			s.attach(r, n.JobID, false)
			s.changed[r.Key] = r
		}
		return inbox.ReceiveResult{
			Kind: inbox.Duplicate, Key: r.Key, State: r.State,
			Conflict: n.JobID != "" && key == r.Received && status != r.Status,
		}
	}
	s.changed[r.Key] = r
	if n.JobID != "" {
		s.attach(r, n.JobID, r.SubmissionID == "")
	}
	r.DueAt, r.Received = s.now, key
	if j := r.job(key); r.Open > 0 && r.SubmittedAt != 0 && j != nil && !j.Named {
		r.Hold, r.DueAt = true, s.now+micros(n.Hold)
	}
	r.State, r.Status, r.Outcome, r.Source = inbox.StateReceived, status, storable(n.Outcome), storable(n.Source)
	if len(n.Metadata) > 0 {
		r.Metadata = new(encodeMetadata(n.Metadata))
	}
	r.ReceivedAt = s.stamp()
	return inbox.ReceiveResult{Kind: inbox.Accepted, Key: r.Key, State: inbox.StateReceived}
}
