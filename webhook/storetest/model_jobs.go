package storetest

import (
	"slices"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
	"github.com/reducto-go/reducto/webhook"
)

type modelJob struct {
	id     string
	stated bool // by Bind or Submit
	free   bool // only a duplicate named it, and any record may get it
}

// owner is the record that has the job.
func (m *model) owner(jobID string) *modelRecord {
	for _, r := range m.records {
		if j := r.job(jobID); jobID != "" && j != nil && !j.free {
			return r
		}
	}
	return nil
}

func (r *modelRecord) job(id string) *modelJob {
	for i := range r.jobs {
		if wireid.Key(r.jobs[i].id) == wireid.Key(id) {
			return &r.jobs[i]
		}
	}
	return nil
}

func (r *modelRecord) learn(jobID string, stated bool) {
	if j := r.job(jobID); j != nil {
		j.stated, j.free = j.stated || stated, false
	} else if jobID != "" {
		r.jobs = append(r.jobs, modelJob{id: jobID, stated: stated})
	}
}

func (r *modelRecord) count(which func(modelJob) bool) int {
	n := 0
	for _, j := range r.jobs {
		if which(j) {
			n++
		}
	}
	return n
}

func (r *modelRecord) has() int { return r.count(func(j modelJob) bool { return !j.free }) }

// open: the user's function is still to see the end.
func (r *modelRecord) open() bool {
	return r.State == webhook.StateReceived || r.State == webhook.StateClaimed
}

// claimed is the record that has a job, which the API says is a submission's: another
// submission that only heard of it loses it.
func (m *model) claimed(jobID, submissionID string) *modelRecord {
	r := m.owner(jobID)
	if r == nil || r.SubmissionID == "" || r.Key == wireid.Key(submissionID) || r.job(jobID).stated {
		return r
	}
	if wireid.Key(jobID) != r.accepted {
		r.jobs = slices.DeleteFunc(r.jobs, func(j modelJob) bool { return wireid.Key(j.id) == wireid.Key(jobID) })
	} else if r.open() {
		m.giveUp(r, 0)
	}
	return m.owner(jobID)
}

// unreceive makes pending what was received for a job that is not its own.
func (m *model) unreceive(r *modelRecord) {
	r.State, r.Status, r.Outcome, r.Metadata, r.Source = webhook.StatePending, "", "", r.given, ""
	r.accepted, r.tentative, r.Attempt, r.received, r.due = "", false, 0, moment{}, m.in(0)
}

// doubtful: nothing but deliveries says that a job is the record's.
func (r *modelRecord) doubtful() bool {
	return r.tentative || r.SubmissionID != "" && !r.submitted.set && !r.confirmed()
}

func (r *modelRecord) confirmed() bool {
	return slices.ContainsFunc(r.jobs, func(j modelJob) bool { return j.stated })
}

// giveUp: the job that was accepted is none of the record's.
func (m *model) giveUp(r *modelRecord, wait time.Duration) {
	stated, next, contested := -1, -1, []modelJob(nil)
	for i, j := range r.jobs {
		owner := m.owner(j.id)
		switch {
		case wireid.Key(j.id) == r.accepted:
		case j.stated && stated < 0:
			stated = i
		case (owner == nil || owner == r) && next < 0:
			next = i
		case owner != nil && owner != r && owner.SubmissionID != "" && !owner.job(j.id).stated && owner.open():
			contested = append(contested, j)
		}
	}
	if stated >= 0 {
		next = stated
	}
	if next < 0 && wait > 0 && !r.submitted.set && len(contested) > 0 {
		r.State, r.due = webhook.StateReceived, m.in(wait)
		return
	}
	received, id := r.received, ""
	if next >= 0 {
		id = r.jobs[next].id
	}
	r.jobs = slices.DeleteFunc(r.jobs, func(j modelJob) bool { return wireid.Key(j.id) == r.accepted })
	m.unreceive(r)
	switch {
	case next >= 0:
		r.tentative = stated < 0 && r.unresolved > 0 && r.submitted.set
		r.State, r.received, r.accepted = webhook.StateReceived, received, wireid.Key(id)
		r.job(id).free = false
	case !r.submitted.set, r.unresolved == 0 && r.made == 0:
		m.remove(r)
	default:
		r.jobs = contested
	}
}
