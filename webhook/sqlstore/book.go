package sqlstore

import (
	"slices"

	"github.com/reducto-go/reducto/webhook"
)

// book is what has been read of the store to carry something out, and what
// becomes of it. The rules of the state machine that look at more than one
// column are here and in rules.go, in Go, the same for every database; the book
// is then written back if nobody else has changed those records meanwhile.
type book struct {
	now   int64
	stamp func() int64 // the time at which something is received, in the order of calls

	rows   map[string]*row
	owners map[string]*row // who has a job, by the job, folded
	asked  map[string]bool // jobs of which has been read who has them

	dirty map[string]*row   // rows to write
	taken map[string]string // jobs to be added, with their record's key
	freed map[string]string // jobs to be removed, with the key of the record that had them

	attempt int      // how often others were faster, or held a record
	used    []string // keys that have been asked for since it was last cleared
	missing []ref    // what else has to be read
}

func newBook(rows []*row, now int64, stamp func() int64) *book {
	b := &book{
		now: now, stamp: stamp,
		rows: map[string]*row{}, owners: map[string]*row{}, asked: map[string]bool{},
		dirty: map[string]*row{}, taken: map[string]string{}, freed: map[string]string{},
	}
	for _, r := range rows {
		b.rows[r.Key] = r
		for _, j := range r.Jobs {
			if r.has(j) {
				b.owners[fold(j.ID)] = r
			}
		}
	}
	return b
}

// record is the record of that key, nil if there is none.
func (b *book) record(key string) *row {
	if key == "" {
		return nil
	}
	b.used = append(b.used, key)
	return b.rows[key]
}

// owner is the record that has the job, nil if there is none, or no job.
func (b *book) owner(job string) *row {
	r := b.owners[job]
	if r != nil {
		b.used = append(b.used, r.Key)
	}
	return r
}

// add makes a pending record, due at once.
func (b *book) add(id string) *row {
	r := &row{Key: fold(id), State: webhook.StatePending, DueAt: b.now}
	b.used = append(b.used, r.Key)
	b.rows[r.Key] = r
	b.changed(r)
	return r
}

func (b *book) remove(r *row) {
	for _, j := range r.Jobs {
		b.free(r, j)
	}
	r.Gone = true
	b.changed(r)
	delete(b.rows, r.Key)
}

func (b *book) changed(r *row) { b.dirty[r.Key] = r }

// attach makes the job one that the record has.
func (b *book) attach(r *row, jobID string, bound bool) {
	j := r.keep(jobID)
	j.Bound = j.Bound || bound
	b.take(r, fold(jobID))
}

func (b *book) take(r *row, job string) {
	if b.owners[job] != r {
		b.owners[job] = r
		b.taken[job] = r.Key
	}
}

// free takes a job from a record, if that has it.
func (b *book) free(r *row, j job) {
	key := fold(j.ID)
	if b.owners[key] == r {
		delete(b.owners, key)
		b.freed[key] = r.Key
	}
}

// next is the job that a record is received for when another was not its own: one
// that Bind named, or else the candidate that was heard of first and that no other
// record has; nil if there is none.
func (b *book) next(r *row) *job {
	for i := range r.Jobs {
		if r.Jobs[i].Bound {
			return &r.Jobs[i]
		}
	}
	for i := range r.Jobs {
		if b.owners[fold(r.Jobs[i].ID)] == nil {
			return &r.Jobs[i]
		}
	}
	return nil
}

// lookedUp reports whether it is known who has the record's candidates. If it is
// not, it will be the next time.
func (b *book) lookedUp(r *row) bool {
	for _, j := range r.Jobs {
		key := fold(j.ID)
		// One commit cannot take a job from a record and give it to another.
		if _, freed := b.freed[key]; !r.has(j) && (freed || !b.asked[key]) {
			b.missing = append(b.missing, ref{Job: key})
		}
	}
	return len(b.missing) == 0
}

// disown makes pending a record that was received for a job that is not its own,
// and takes the jobs from it that are foreign.
func (b *book) disown(r *row, foreign func(job) bool) {
	r.Jobs = slices.DeleteFunc(r.Jobs, func(j job) bool {
		gone := foreign(j)
		if gone {
			b.free(r, j)
		}
		return gone
	})
	r.Held, r.Heard, r.Status, r.Outcome, r.Source, r.Metadata = false, "", "", "", "", new("")
	r.State, r.ReceivedAt, r.DueAt, r.Attempt = webhook.StatePending, 0, b.now, 0
}
