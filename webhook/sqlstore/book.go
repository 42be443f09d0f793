package sqlstore

import (
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
			if !j.Free {
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
	delete(b.rows, r.Key)
	if r.Version == 0 {
		delete(b.dirty, r.Key) // it was never written
		return
	}
	r.Gone = true
	b.changed(r)
}

func (b *book) changed(r *row) { b.dirty[r.Key] = r }
