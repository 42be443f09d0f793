package sqlstore

import (
	"slices"

	"github.com/reducto-go/reducto/webhook"
)

// attach makes the job one that the record has.
func (b *book) attach(r *row, jobID string, bound bool) {
	j := r.keep(jobID)
	j.Bound = j.Bound || bound
	b.take(r, j)
}

func (b *book) take(r *row, j *job) {
	key := fold(j.ID)
	if j.Free = false; b.owners[key] != r {
		b.owners[key] = r
		b.taken[key] = r.Key
	}
}

// free takes a job from a record, if that has it.
func (b *book) free(r *row, j job) {
	key := fold(j.ID)
	if b.owners[key] != r {
		return
	}
	delete(b.owners, key)
	if _, taken := b.taken[key]; taken {
		delete(b.taken, key) // in this book: there is nothing to remove
	} else {
		b.freed[key] = r.Key
	}
}

// adopt gives a record as many of its candidates as it can have jobs, if it is known
// by now how many these are. If it has all, the others are none of its own.
func (b *book) adopt(r *row) {
	if r.Open > 0 || r.doubtful() {
		return
	}
	had := r.had()
	for i := range r.Jobs {
		if j := &r.Jobs[i]; had < r.Sent && b.owners[fold(j.ID)] == nil {
			b.take(r, j)
			had++
		}
	}
	if had >= r.Sent {
		r.Jobs = slices.DeleteFunc(r.Jobs, func(j job) bool { return j.Free })
	}
}

// next is the job that a record is received for when the one that was heard is not
// its own: one that Bind named, or else the one that was heard of first and that no
// other record has; nil if there is none.
func (b *book) next(r *row) *job {
	for i := range r.Jobs {
		if r.Jobs[i].Bound {
			return &r.Jobs[i]
		}
	}
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if owner := b.owners[fold(j.ID)]; owner == nil || owner == r && fold(j.ID) != r.Heard {
			return j
		}
	}
	return nil
}

// contested reports whether a candidate is one that the record may still get: another
// submission has it that may have to give it up, for only a delivery named it there.
func (b *book) contested(r *row, j job) bool {
	owner := b.owners[fold(j.ID)]
	return owner != nil && owner != r && owner.SubmissionID != "" && !owner.job(fold(j.ID)).Bound && owner.unfinished()
}

// lookedUp reports whether it is known who has the record's candidates. If it is
// not, it will be the next time.
func (b *book) lookedUp(r *row) bool {
	for _, j := range r.Jobs {
		key := fold(j.ID)
		if !j.Free {
			continue
		}
		// What becomes of a job in this book is not certain until it is written, and one
		// commit cannot take it from a record and give it to another.
		_, freed := b.freed[key]
		_, taken := b.taken[key]
		if freed || taken || !b.asked[key] {
			b.missing = append(b.missing, ref{Job: key})
		}
	}
	return len(b.missing) == 0
}

// unread are the candidates of records that refs want with them, of which has not
// been read who has them.
func (b *book) unread(refs []ref) []ref {
	var more []ref
	for _, want := range refs {
		if r := b.rows[want.Key]; want.candidates && r != nil {
			for _, j := range r.Jobs {
				if key := fold(j.ID); j.Free && !b.asked[key] {
					more = append(more, ref{Job: key})
				}
			}
		}
	}
	return more
}

// giveUp makes of a record what it is when the job that was heard is not its own. One
// that nobody submitted here is received for it again after wait, unless that is
// zero, if it may still get another. The record has been looked up.
func (b *book) giveUp(r *row, wait int64) {
	b.changed(r)
	contested := func(j job) bool { return b.contested(r, j) }
	next := b.next(r)
	if next == nil && wait > 0 && r.SubmittedAt == 0 && slices.ContainsFunc(r.Jobs, contested) {
		r.State, r.DueAt = webhook.StateReceived, b.now+wait
		return
	}
	to := ""
	if next != nil {
		to = fold(next.ID)
	}
	received := r.ReceivedAt
	b.disown(r, func(j job) bool { return fold(j.ID) == r.Heard })
	switch {
	case to != "":
		next = r.job(to)
		b.take(r, next)
		r.State, r.Heard, r.ReceivedAt = webhook.StateReceived, to, received
		r.Held = !next.Bound && r.Open > 0 && r.SubmittedAt != 0
	case r.SubmittedAt == 0, r.Open == 0 && r.Sent == 0: // not submitted here, or withdrawn
		b.remove(r)
	default:
		r.Jobs = slices.DeleteFunc(r.Jobs, func(j job) bool { return !contested(j) })
	}
}

// evict takes a job from a record, because the API says that it is another
// submission's. It stays where the API has said otherwise, or where the user's
// function has seen it. If it does not stay it is missing: it can be had when that
// has been written.
func (b *book) evict(r *row, key string) {
	j := r.job(key)
	switch {
	case r.SubmissionID == "" || j.Bound:
		return
	case key != r.Heard:
		b.free(r, *j)
		r.Jobs = slices.DeleteFunc(r.Jobs, func(j job) bool { return fold(j.ID) == key })
		b.changed(r)
	case r.unfinished():
		if !b.lookedUp(r) {
			return
		}
		b.giveUp(r, 0)
	default:
		return
	}
	b.missing = append(b.missing, ref{Job: key})
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
