package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"
)

// ref names what has to be read: the record of a key, that of a job, or both.
// Both are folded, and can be empty.
type ref struct {
	Key string `json:"key"`
	Job string `json:"job"`

	candidates bool // read, too, who has the candidates of the record of the key
}

// tries bounds how often something is begun anew because others were faster. Each
// time some of them have got on.
const tries = 50

// patientTries is how often it is tried to note what could be left out.
const patientTries = 6

var errContended = errors.New("others have changed the same records over and over: try again")

// change reads what refs names, applies what is to be done to n elements, and
// writes the records that have changed, all in one commit, unless somebody else
// changed them meanwhile. The elements that looked at such records are begun
// anew. So is one that finds something missing in the book, with all after it; what it
// has changed by then is written. Nobody's row lock is waited for: a user's transaction
// may hold one.
func (s *Store) change(ctx context.Context, n int, refs func(i int) ref, apply func(b *book, i int)) error {
	todo := everything(n)
	var missing []ref
	for attempt := 0; attempt < tries; {
		wanted := append(make([]ref, 0, len(missing)+len(todo)), missing...)
		for _, i := range todo {
			wanted = append(wanted, refs(i))
		}
		b, err := s.load(ctx, wanted)
		if err != nil {
			return err
		}
		if more := b.unread(wanted); len(more) > 0 {
			if b, err = s.load(ctx, append(wanted, more...)); err != nil {
				return err
			}
		}
		b.attempt = attempt
		uses := make([][]string, 0, len(todo))
		for _, i := range todo {
			b.used = nil
			if apply(b, i); len(b.missing) > 0 {
				missing = append(missing, b.missing...)
				break
			}
			uses = append(uses, b.used)
		}
		lost, err := s.save(ctx, b)
		if err != nil {
			return err
		}
		var again []int
		for at, i := range todo {
			if at >= len(uses) || slices.ContainsFunc(uses[at], func(key string) bool { return lost[key] }) {
				again = append(again, i)
			}
		}
		if len(again) == 0 {
			return nil
		}
		todo = again
		if len(lost) == 0 && (len(uses) > 0 || len(b.dirty) > 0) {
			continue // it gets on, and nobody was in the way
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		attempt++
	}
	return errContended
}

// load reads the records that refs name.
func (s *Store) load(ctx context.Context, refs []ref) (*book, error) {
	list, err := json.Marshal(refs)
	if err != nil {
		return nil, err
	}
	var rows []*row
	var now int64
	err = s.query(ctx, func(q querier) error {
		rows, now, err = readRows(q.QueryContext(ctx, s.sql.load, s.namespace, string(list)))
		return err
	})
	if err != nil {
		return nil, err
	}
	b := newBook(rows, now, func() int64 { return s.order.stamp(now) })
	for _, r := range refs {
		b.asked[r.Job] = true
	}
	return b, nil
}

// entry is a row of reducto_jobs.
type entry struct {
	Job string `json:"job"`
	Key string `json:"key"`
}

// changes are what is to be written in one commit.
type changes struct {
	rows         []*row
	taken, freed []entry
}

// save writes back the records that have changed, and says which it could not
// write, because somebody else has changed them since they were read.
func (s *Store) save(ctx context.Context, b *book) (lost map[string]bool, err error) {
	if len(b.dirty) == 0 {
		return nil, nil
	}
	lost = make(map[string]bool, len(b.dirty))
	c := changes{rows: make([]*row, 0, len(b.dirty))}
	for key, r := range b.dirty {
		c.rows = append(c.rows, r)
		lost[key] = true
	}
	for job, key := range b.taken {
		c.taken = append(c.taken, entry{job, key})
	}
	for job, key := range b.freed {
		c.freed = append(c.freed, entry{job, key})
	}
	saved, err := s.write(ctx, &c)
	if errors.Is(err, errJobTaken) {
		return lost, nil
	}
	if err != nil {
		return nil, err
	}
	for key := range saved {
		delete(lost, key)
	}
	return lost, nil
}

// errJobTaken: somebody else has just given the job to another record. Nothing
// was written.
var errJobTaken = errors.New("a job has got another record meanwhile")

// order hands out times at which something is received, in the order of calls:
// what one process received later is later, also where the clock is coarse.
type order struct {
	mu   sync.Mutex
	last int64
}

// clockSetBack is by how much a clock goes back only because it was set.
const clockSetBack = time.Second

func (o *order) stamp(now int64) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	// A clock that was set back is believed.
	if now > o.last || o.last-now > clockSetBack.Microseconds() {
		o.last = now
	} else {
		o.last++
	}
	return o.last
}

// latest is the time that was handed out last.
func (o *order) latest() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}

// reached takes note of a time that a statement handed out, beginning with since, which
// was the latest, as stamp would have. Others may have got further meanwhile: only what is
// long before since is from a clock that was set back.
func (o *order) reached(since, stamp int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if stamp > o.last || since-stamp > clockSetBack.Microseconds() {
		o.last = stamp
	}
}
