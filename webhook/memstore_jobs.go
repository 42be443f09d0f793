package webhook

import (
	"slices"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
)

// attach makes a job one that the record has.
func (m *MemoryStore) attach(r *memRecord, jobID string, bound bool) {
	j := r.keep(jobID)
	j.bound = j.bound || bound
	m.jobs[j.key] = r
}

// keep makes a job one that the record knows, a candidate if it is new to it.
func (r *memRecord) keep(jobID string) *memJob {
	key := wireid.Key(jobID)
	if r.job(key) == nil {
		r.jobs = append(r.jobs, memJob{key: key, id: jobID})
	}
	return r.job(key)
}

// free takes a job from a record, if that has it.
func (m *MemoryStore) free(r *memRecord, j memJob) {
	if m.jobs[j.key] == r {
		delete(m.jobs, j.key)
	}
}

// full reports whether the record has all the jobs that it can have.
func (m *MemoryStore) full(r *memRecord) bool { return r.open == 0 && m.had(r) >= r.sent }

// had is how many jobs the record has.
func (m *MemoryStore) had(r *memRecord) int {
	n := 0
	for _, j := range r.jobs {
		if m.jobs[j.key] == r {
			n++
		}
	}
	return n
}

// adopt gives a record as many of its candidates as it can have jobs, if it is known
// by now how many these are. If it has all, the others are none of its own.
func (m *MemoryStore) adopt(r *memRecord) {
	if r.open > 0 || r.doubtful() {
		return
	}
	had := m.had(r)
	for _, j := range r.jobs {
		if had < r.sent && m.jobs[j.key] == nil {
			m.jobs[j.key] = r
			had++
		}
	}
	if had >= r.sent {
		r.jobs = slices.DeleteFunc(r.jobs, func(j memJob) bool { return m.jobs[j.key] != r })
	}
}

// next is the job that a record is received for when the one that was heard is not
// its own: one that Bind named, or else the one that was heard of first and that no
// other record has; nil if there is none.
func (m *MemoryStore) next(r *memRecord) *memJob {
	for i := range r.jobs {
		if r.jobs[i].bound {
			return &r.jobs[i]
		}
	}
	for i := range r.jobs {
		j := &r.jobs[i]
		if owner := m.jobs[j.key]; owner == nil || owner == r && j.key != r.heard {
			return j
		}
	}
	return nil
}

// contested reports whether a candidate is one that the record may still get: another
// submission has it that may have to give it up, for only a delivery named it there.
func (m *MemoryStore) contested(r *memRecord, j memJob) bool {
	owner := m.jobs[j.key]
	return owner != nil && owner != r && owner.SubmissionID != "" && !owner.job(j.key).bound && owner.unfinished()
}

// giveUp makes of a record what it is when the job that was heard is not its own. One
// that nobody submitted here is received for it again after wait, unless that is
// zero, if it may still get another.
func (m *MemoryStore) giveUp(r *memRecord, now time.Time, wait time.Duration) {
	contested := func(j memJob) bool { return m.contested(r, j) }
	next := m.next(r)
	if next == nil && wait > 0 && r.SubmittedAt.IsZero() && slices.ContainsFunc(r.jobs, contested) {
		r.State, r.DueAt = StateReceived, now.Add(wait)
		m.place(r, now)
		return
	}
	var to memJob
	if next != nil {
		to = *next
	}
	received := r.ReceivedAt
	m.disown(r, now, func(j memJob) bool { return j.key == r.heard })
	switch {
	case next != nil:
		m.jobs[to.key] = r
		r.State, r.heard, r.ReceivedAt = StateReceived, to.key, received
		r.held = !to.bound && r.open > 0 && !r.SubmittedAt.IsZero()
	case r.SubmittedAt.IsZero(), r.open == 0 && r.sent == 0: // not submitted here, or withdrawn
		m.remove(r)
		return
	default:
		r.jobs = slices.DeleteFunc(r.jobs, func(j memJob) bool { return !contested(j) })
	}
	m.place(r, now)
}

// evict takes a job from a record, because the API says that it is another
// submission's. It stays where the API has said otherwise, or where the user's
// function has seen it.
func (m *MemoryStore) evict(r *memRecord, key string, now time.Time) {
	switch {
	case r.SubmissionID == "" || r.job(key).bound:
	case key != r.heard:
		delete(m.jobs, key)
		r.jobs = slices.DeleteFunc(r.jobs, func(j memJob) bool { return j.key == key })
	case r.unfinished():
		m.giveUp(r, now, 0)
	}
}

// disown makes pending a record that was received for a job that is not its own,
// and takes the jobs from it that are foreign.
func (m *MemoryStore) disown(r *memRecord, now time.Time, foreign func(memJob) bool) {
	r.jobs = slices.DeleteFunc(r.jobs, func(j memJob) bool {
		gone := foreign(j)
		if gone {
			m.free(r, j)
		}
		return gone
	})
	r.heard, r.held = "", false
	r.State, r.Status, r.Outcome, r.Metadata, r.Source = StatePending, "", "", r.given, ""
	r.ReceivedAt, r.DueAt, r.Attempt = time.Time{}, now, 0
}

// doubtful reports whether nothing but deliveries says that a job is the record's:
// it waits for Bind, or its submission was never recorded.
func (r *memRecord) doubtful() bool {
	return r.held || r.SubmissionID != "" && r.SubmittedAt.IsZero() && r.bound() == 0
}

// busy reports whether the record can keep no other job, one of which may be its
// own.
func (r *memRecord) busy() bool {
	return r.doubtful() && !r.keeps() && r.unfinished()
}

// keeps reports whether a job that a duplicate names is kept. While the number of
// jobs is not known, nothing else would bound theirs.
func (r *memRecord) keeps() bool {
	return r.open == 0 || r.doubtful() && len(r.jobs) < MaxUnconfirmed
}

// unfinished reports whether the user's function is still to see the record's end.
func (r *memRecord) unfinished() bool { return r.State == StateReceived || r.State == StateClaimed }
