package webhook

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
)

// MemoryStore is a Store in the memory of the process, for tests, for prototypes
// and for programs that can afford to lose what they were told.
//
// It is not for production: when the process ends, everything in it is gone, and
// with it deliveries that were answered 200 and will not come again. It cannot be
// shared by processes and cannot complete a record within a transaction.
//
// Nothing bounds it but Purge: whoever uses it without an Inbox calls that from
// time to time. A record takes about a kilobyte, and its metadata. All that is
// done to a single record takes a time that grows with the logarithm of the number
// of records.
//
// Its time is the process's, so that in a testing/synctest bubble it is the
// bubble's.
type MemoryStore struct {
	mu      sync.Mutex
	ahead   time.Duration // what Advance has added to the clock
	seq     uint64        // of the record that was made or received last
	tokens  int64         // how many claims there were
	records map[string]*memRecord
	jobs    map[string]*memRecord // who has a job, by wireid.Key of its id
	byKey   memIndex
	locks   map[string]memLock

	// Every record is in the one of these that place says.
	hoped   memQueue // pending, a delivery is expected, the next to be looked for first
	polled  memQueue // pending, no delivery is expected, the next to be looked for first
	waiting memQueue // received or claimed, the next to become due first
	due     memQueue // received, or claimed with a lease that is over, the longest received first
	done    memQueue // the longest finished first
	dead    memQueue // the longest finished first
}

var (
	_ Store    = (*MemoryStore)(nil)
	_ Durabler = (*MemoryStore)(nil)
)

// NewMemoryStore makes an empty store.
func NewMemoryStore() *MemoryStore {
	byDue := func(a, b *memRecord) int { return a.DueAt.Compare(b.DueAt) }
	byFinish := func(a, b *memRecord) int { return a.FinishedAt.Compare(b.FinishedAt) }
	return &MemoryStore{
		records: map[string]*memRecord{},
		jobs:    map[string]*memRecord{},
		locks:   map[string]memLock{},
		hoped:   memQueue{order: byDue},
		polled:  memQueue{order: byDue},
		waiting: memQueue{order: byDue},
		due:     memQueue{order: func(a, b *memRecord) int { return a.ReceivedAt.Compare(b.ReceivedAt) }},
		done:    memQueue{order: byFinish},
		dead:    memQueue{order: byFinish},
	}
}

// Durability is Volatile.
func (m *MemoryStore) Durability() Durability { return Volatile }

// Advance moves the store's clock forward, as if d had passed. It is for tests
// outside of testing/synctest.
func (m *MemoryStore) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ahead += max(d, 0)
}

// begin takes the lock, which the caller releases unless there is an error, and
// says what time it is. Nothing that is done under the lock waits for anything.
func (m *MemoryStore) begin(ctx context.Context) (now time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	m.mu.Lock()
	return time.Now().Add(m.ahead), nil
}

// memRecord is a record and what only the store knows of it.
type memRecord struct {
	// The embedded record's JobID, JobIDs and ReadAt are not kept: view makes them.
	Record
	jobs  []memJob
	heard string          // key of the job whose end was received; empty if there is none
	given json.RawMessage // the metadata that Submit recorded

	open int  // sends of which nobody has said what became of them
	sent int  // how many jobs the other sends may have made
	held bool // received before any of its jobs was known, and not confirmed since

	seq   uint64    // the order in which records were made or, later, received
	queue *memQueue // where it is
	at    int       // its index there
}

// memJob is a job that is known to be, or believed to be, the record's. The record
// has it, so that no other can, if MemoryStore.jobs says so. Otherwise it is a
// candidate: only a duplicate named it, and another record may get it.
type memJob struct {
	key, id string
	bound   bool // Bind or Submit said so, not just an arrival
}

func (r *memRecord) job(key string) *memJob {
	for i := range r.jobs {
		if r.jobs[i].key == key {
			return &r.jobs[i]
		}
	}
	return nil
}

func (r *memRecord) bound() int {
	n := 0
	for _, j := range r.jobs {
		if j.bound {
			n++
		}
	}
	return n
}

// view is the record for a caller, who may keep and change it.
func (r *memRecord) view(now time.Time) Record {
	v := r.Record
	v.Metadata = slices.Clone(v.Metadata)
	for _, j := range r.jobs {
		v.JobIDs = append(v.JobIDs, j.id)
		if !j.bound {
			v.Unconfirmed = append(v.Unconfirmed, j.id)
		}
		if j.key == r.heard {
			v.JobID = j.id
		}
	}
	if i := slices.IndexFunc(r.jobs, func(j memJob) bool { return j.bound }); v.State == StatePending && i >= 0 {
		v.JobID = r.jobs[i].id
	}
	v.ReadAt = now
	for _, t := range []*time.Time{&v.SubmittedAt, &v.ReceivedAt, &v.FinishedAt, &v.DueAt, &v.ReadAt} {
		*t = t.UTC().Round(0) // a monotonic reading means nothing outside of the process
	}
	return v
}

// add makes a record. It is the caller's to place it.
func (m *MemoryStore) add(id string, now time.Time) *memRecord {
	m.seq++
	r := &memRecord{seq: m.seq}
	r.Key, r.State, r.DueAt = wireid.Key(id), StatePending, now
	m.records[r.Key] = r
	m.byKey.insert(r)
	return r
}

func (m *MemoryStore) remove(r *memRecord) {
	for _, j := range r.jobs {
		m.free(r, j)
	}
	delete(m.records, r.Key)
	m.byKey.remove(r.Key)
	if r.queue != nil {
		r.queue.remove(r)
	}
}

// pending is the queue of the pending records for which a delivery is expected,
// or of those for which none is.
func (m *MemoryStore) pending(webhook bool) *memQueue {
	if webhook {
		return &m.hoped
	}
	return &m.polled
}

// place puts a record that has changed where it belongs now.
func (m *MemoryStore) place(r *memRecord, now time.Time) {
	switch r.State {
	case StatePending:
		m.pending(r.Webhook).take(r)
	case StateDone:
		m.done.take(r)
	case StateDead:
		m.dead.take(r)
	default:
		if r.DueAt.After(now) {
			m.waiting.take(r)
		} else {
			m.due.take(r)
		}
	}
}

// ripen moves what has become due.
func (m *MemoryStore) ripen(now time.Time) {
	for r := m.waiting.first(); r != nil && !r.DueAt.After(now); r = m.waiting.first() {
		m.due.take(r)
	}
}
