package inbox

import (
	"slices"
	"time"
)

// memRecord is a Record with additional fields for the store. JobID, JobIDs and ReadAt
// of the embedded Record are set by view alone.
type memRecord struct {
	Record
	jobs     []memJob
	received string // key of the job that the record was received for
	noted    bool   // Metadata is the notification's

	open int  // sends whose answer is expected
	sent int  // jobs that the other sends may have made
	hold bool // received, and waiting for Bind

	history []HistoryEntry

	seq   uint64
	queue *memQueue
	index int // in the queue
}

type memJob struct {
	key, id string
	named   bool // by the API or the user, not only by a delivery
	answer  bool // an answer named it, which ended a send
}

func (r *memRecord) job(key string) *memJob {
	for i := range r.jobs {
		if r.jobs[i].key == key {
			return &r.jobs[i]
		}
	}
	return nil
}

func (r *memRecord) named() int {
	n := 0
	for _, j := range r.jobs {
		if j.named {
			n++
		}
	}
	return n
}

// full reports whether all jobs of the record are known.
func (r *memRecord) full() bool { return r.open == 0 && len(r.jobs) >= r.sent }

// view returns a copy for a caller.
func (r *memRecord) view(now time.Time) Record {
	v := r.Record
	v.Metadata = slices.Clone(v.Metadata)
	for _, j := range r.jobs {
		v.JobIDs = append(v.JobIDs, j.id)
		if j.key == r.received {
			v.JobID = j.id
		}
	}
	if i := slices.IndexFunc(r.jobs, func(j memJob) bool { return j.named }); r.State == StatePending && i >= 0 {
		v.JobID = r.jobs[i].id
	}
	v.ReadAt = now
	for _, t := range []*time.Time{&v.SubmittedAt, &v.ReceivedAt, &v.FinishedAt, &v.DueAt, &v.ReadAt} {
		*t = t.UTC().Round(0) // without the monotonic clock, which is this process's
	}
	return v
}
