package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
)

// MemoryStore is a Store in the memory of the process. Use it in tests and
// prototypes. All records end with the process, so an Inbox with a MemoryStore
// answers a delivery after the function has run.
//
// A record needs about one kilobyte plus its metadata, until Purge removes it. It uses
// the clock of the process. In a testing/synctest bubble, it uses the bubble's clock.
type MemoryStore struct {
	mu      sync.Mutex
	ahead   time.Duration // what Advance has added to the clock
	seq     uint64        // orders records that were made or received at one time
	tokens  int64         // number of claims
	records map[string]*memRecord
	jobs    map[string]*memRecord // the record that has a job, by wireid.Key of the job

	// Each record is in the queue that belongs to its state.
	pending memQueue // the next to be polled first
	waiting memQueue // received or claimed, the next to become due first
	due     memQueue // received or claimed and due, the longest received first
	done    memQueue // the longest finished first
	dead    memQueue // the longest finished first
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	byDue := func(a, b *memRecord) int { return a.DueAt.Compare(b.DueAt) }
	byReceipt := func(a, b *memRecord) int { return a.ReceivedAt.Compare(b.ReceivedAt) }
	byFinish := func(a, b *memRecord) int { return a.FinishedAt.Compare(b.FinishedAt) }
	return &MemoryStore{
		records: map[string]*memRecord{},
		jobs:    map[string]*memRecord{},
		pending: memQueue{order: byDue},
		waiting: memQueue{order: byDue},
		due:     memQueue{order: byReceipt},
		done:    memQueue{order: byFinish},
		dead:    memQueue{order: byFinish},
	}
}

// Capabilities implements Capable.
func (m *MemoryStore) Capabilities() Capabilities { return Capabilities{Volatile: true} }

// Advance moves the store's clock forward by d. It is for tests outside of
// testing/synctest.
func (m *MemoryStore) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ahead += max(d, 0)
}

// begin locks the store and returns the time. The caller unlocks it unless there is
// an error.
func (m *MemoryStore) begin(ctx context.Context) (now time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	m.mu.Lock()
	return time.Now().Add(m.ahead), nil
}

// add makes a pending record. The caller must call place.
func (m *MemoryStore) add(id, submissionID string, now time.Time) *memRecord {
	m.seq++
	r := &memRecord{seq: m.seq}
	r.Key, r.SubmissionID, r.State, r.DueAt = wireid.Key(id), submissionID, StatePending, now
	m.records[r.Key] = r
	return r
}

func (m *MemoryStore) remove(r *memRecord) {
	for _, j := range r.jobs {
		delete(m.jobs, j.key)
	}
	delete(m.records, r.Key)
	if r.queue != nil {
		r.queue.remove(r)
	}
}

// attach gives a job to a record.
func (m *MemoryStore) attach(r *memRecord, jobID string, named bool) {
	key := wireid.Key(jobID)
	if r.job(key) == nil {
		r.jobs = append(r.jobs, memJob{key: key, id: jobID})
		m.jobs[key] = r
	}
	r.job(key).named = r.job(key).named || named
}

// place puts a record that has changed into its queue.
func (m *MemoryStore) place(r *memRecord, now time.Time) {
	q := map[State]*memQueue{StatePending: &m.pending, StateDone: &m.done, StateDead: &m.dead}[r.State]
	switch {
	case q != nil:
	case r.DueAt.After(now):
		q = &m.waiting
	default:
		q = &m.due
	}
	q.put(r)
}

// Submit implements Store.
func (m *MemoryStore) Submit(ctx context.Context, s Submission) error {
	if s.ID == "" && s.JobID == "" {
		return errors.New("inbox: Submit: no submission and no job")
	}
	now, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	id := s.ID
	if id == "" {
		if id = s.JobID; m.jobs[wireid.Key(id)] != nil || m.records[wireid.Key(id)] != nil {
			return nil
		}
	}
	r := m.records[wireid.Key(id)]
	if r == nil {
		r = m.add(id, s.ID, now)
		r.Type, r.Webhook, r.Metadata = s.Type, s.Webhook, slices.Clone(s.Metadata)
		r.SubmittedAt, r.DueAt = now, now.Add(max(s.PollAfter, 0))
	}
	if s.ID != "" {
		r.open++
	} else {
		r.sent++
		m.attach(r, s.JobID, true)
	}
	m.place(r, now)
	return nil
}

// Bind implements Store.
func (m *MemoryStore) Bind(ctx context.Context, a Answer) error {
	if a.SubmissionID == "" {
		return errors.New("inbox: Bind: no submission")
	}
	now, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	key := wireid.Key(a.JobID)
	r, owner := m.records[wireid.Key(a.SubmissionID)], m.jobs[key]
	if owner != nil && owner != r && owner.hold && owner.received == key {
		m.release(owner, now) // a delivery alone named the job: the API's answer wins
		owner = nil
	}
	switch {
	case r == nil && owner != nil && owner.SubmissionID != "":
		return ErrConflict
	case r == nil && (owner != nil || a.JobID == "" && a.Jobs == 0):
		return nil
	case r == nil:
		r = m.add(a.SubmissionID, a.SubmissionID, now)
		r.SubmittedAt = now
	case owner == r && r.job(key).named && (a.Jobs == 0 || r.job(key).answer):
		if r.mistaken() {
			return ErrConflict
		}
		return nil // repeated
	case owner != nil && owner.SubmissionID == "" && r.State == StatePending && len(r.jobs) == 0:
		m.remove(r) // the job's own record stands for the submission
		return nil
	}
	if a.JobID == "" || a.Jobs > 0 {
		r.open = max(r.open-1, 0)
		r.sent += max(a.Jobs, 0)
	}
	if a.JobID != "" && (owner == nil || owner == r) {
		m.attach(r, a.JobID, true)
		r.job(key).answer = r.job(key).answer || a.Jobs > 0
	}
	m.settle(r, now)
	m.place(r, now)
	switch {
	case owner != nil && owner != r, a.JobID != "" && r.mistaken():
		return ErrConflict
	case r.unmade():
		m.remove(r) // no job was ever made
	}
	return nil
}

// settle ends the wait of a record for Bind, if the answers decide it.
func (m *MemoryStore) settle(r *memRecord, now time.Time) {
	switch {
	case !r.hold:
	case r.job(r.received).named:
		r.hold, r.DueAt = false, now
	case r.mistaken():
		m.release(r, now)
	}
}

// mistaken reports whether the API has named all jobs of a received record, and not
// the one that it was received for.
func (r *memRecord) mistaken() bool {
	j := r.job(r.received)
	return j != nil && !j.named && r.open == 0 && r.named() > 0 && r.named() >= r.sent
}

// release makes a record pending again that waits for Bind. It no longer has the job
// that it was received for.
func (m *MemoryStore) release(r *memRecord, now time.Time) {
	delete(m.jobs, r.received)
	r.jobs = slices.DeleteFunc(r.jobs, func(j memJob) bool { return j.key == r.received })
	r.State, r.received, r.hold, r.Status, r.Outcome, r.Source = StatePending, "", false, "", "", ""
	r.ReceivedAt, r.DueAt = time.Time{}, now
	if r.noted {
		r.Metadata, r.noted = nil, false
	}
	if m.place(r, now); r.unmade() {
		m.remove(r)
	}
}

// unmade reports whether the API refused all sends of a pending record.
func (r *memRecord) unmade() bool {
	return r.State == StatePending && r.open == 0 && r.sent == 0 && len(r.jobs) == 0
}

// Receive implements Store.
func (m *MemoryStore) Receive(ctx context.Context, list []Notification) ([]ReceiveResult, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	results := make([]ReceiveResult, len(list))
	for i := range list {
		results[i] = m.receive(&list[i], now)
	}
	return results, nil
}

func (m *MemoryStore) receive(n *Notification, now time.Time) ReceiveResult {
	refused := ReceiveResult{Kind: Refused}
	key := wireid.Key(n.JobID)
	r, owner := m.records[wireid.Key(n.SubmissionID)], m.jobs[key]
	switch {
	case r == nil && owner != nil:
		if n.SubmissionID != "" && owner.SubmissionID != "" {
			return refused
		}
		r = owner
	case r == nil && (n.JobID == "" || n.SubmissionID == "" && m.records[key] != nil):
		return refused // there is no job, or its id is a submission's
	case r == nil && n.SubmissionID != "":
		r = m.add(n.SubmissionID, n.SubmissionID, now)
		r.open = 1 // this store never learns how often it was sent
	case r == nil:
		r = m.add(n.JobID, "", now)
		r.sent = 1
	case owner != nil && owner != r, owner == nil && n.JobID != "" && r.full():
		return refused
	}
	if r.State != StatePending {
		if owner == nil && n.JobID != "" && r.open == 0 {
			m.attach(r, n.JobID, false)
		}
		return ReceiveResult{
			Kind: Duplicate, Key: r.Key, State: r.State,
			Conflict: n.JobID != "" && key == r.received && n.Status != r.Status,
		}
	}
	if n.JobID != "" {
		m.attach(r, n.JobID, r.SubmissionID == "")
	}
	r.DueAt, r.received = now, key
	if j := r.job(key); r.open > 0 && !r.SubmittedAt.IsZero() && j != nil && !j.named {
		r.hold, r.DueAt = true, now.Add(max(n.Hold, 0))
	}
	r.State, r.Status, r.Outcome, r.Source = StateReceived, n.Status, n.Outcome, n.Source
	if len(r.Metadata) == 0 && len(n.Metadata) > 0 {
		r.Metadata, r.noted = slices.Clone(n.Metadata), true
	}
	m.seq++
	r.seq, r.ReceivedAt = m.seq, now
	m.place(r, now)
	return ReceiveResult{Kind: Accepted, Key: r.Key, State: StateReceived}
}

// Claim implements Store.
func (m *MemoryStore) Claim(ctx context.Context, n int, lease time.Duration) ([]Record, time.Duration, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer m.mu.Unlock()
	m.moveDue(now)
	var claimed []Record
	for r := m.due.first(); r != nil && len(claimed) < n; r = m.due.first() {
		m.tokens++
		r.State, r.Token, r.hold = StateClaimed, m.tokens, false
		r.DueAt = now.Add(max(lease, 0))
		r.Attempt++
		m.waiting.put(r) // even if the lease has ended already, so that the loop ends
		claimed = append(claimed, r.view(now))
	}
	if m.due.first() != nil {
		return claimed, 0, nil
	}
	if r := m.waiting.first(); r != nil {
		return claimed, r.DueAt.Sub(now), nil
	}
	return claimed, -1, nil
}

// moveDue moves records that have become due into their queue.
func (m *MemoryStore) moveDue(now time.Time) {
	for r := m.waiting.first(); r != nil && !r.DueAt.After(now); r = m.waiting.first() {
		m.due.put(r)
	}
}

// Extend implements Store.
func (m *MemoryStore) Extend(ctx context.Context, leases []Lease, d time.Duration) ([]bool, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	held := make([]bool, len(leases))
	for i, l := range leases {
		if r := m.held(l); r != nil && r.State == StateClaimed {
			held[i] = true
			r.DueAt = now.Add(max(d, 0))
			m.place(r, now)
		}
	}
	return held, nil
}

// held returns the record whose latest claim has the lease's token, or nil.
func (m *MemoryStore) held(l Lease) *memRecord {
	if r := m.records[wireid.Key(l.Key)]; r != nil && r.Token == l.Token {
		return r
	}
	return nil
}

// Finish implements Store. It fails, and changes nothing, if the State of a completion
// is not allowed.
func (m *MemoryStore) Finish(ctx context.Context, list []Completion) ([]bool, error) {
	for _, c := range list {
		if c.State != StateDone && c.State != StateDead && c.State != StateReceived {
			return nil, fmt.Errorf("inbox: Finish: a claim cannot end as %q", c.State)
		}
	}
	now, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	held := make([]bool, len(list))
	for i, c := range list {
		r := m.held(c.Lease)
		if r == nil || r.State != StateClaimed && (r.State != StateDead || c.State != StateReceived) {
			continue
		}
		held[i] = true
		r.State, r.Attempt, r.Error = c.State, c.Attempt, c.Error
		if c.Outcome != "" {
			r.Outcome = c.Outcome
		}
		if r.DueAt, r.FinishedAt = (time.Time{}), now; c.State == StateReceived {
			r.DueAt, r.FinishedAt = now.Add(max(c.After, 0)), time.Time{}
		}
		m.place(r, now)
	}
	return held, nil
}

// Overdue implements Store.
func (m *MemoryStore) Overdue(ctx context.Context, n int, next func(*Record) time.Duration) ([]Record, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var overdue []*memRecord
	var records []Record
	for r := m.pending.first(); r != nil && len(overdue) < n && !r.DueAt.After(now); r = m.pending.first() {
		m.pending.remove(r)
		overdue, records = append(overdue, r), append(records, r.view(now))
	}
	for i, r := range overdue {
		r.DueAt = now.Add(max(next(&records[i]), 0))
		r.Polls++
		m.pending.put(r)
	}
	return records, nil
}

// List implements Store. It reads all records, unless f has a job or keys.
func (m *MemoryStore) List(ctx context.Context, f Filter) ([]Record, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	order := strings.Compare
	if f.Newest {
		order = func(a, b string) int { return strings.Compare(b, a) }
	}
	var found []*memRecord
	for _, r := range m.candidates(f) {
		if r != nil && (f.After == "" || order(r.Key, wireid.Key(f.After)) > 0) && (len(f.States) == 0 || slices.Contains(f.States, r.State)) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *memRecord) int { return order(a.Key, b.Key) })
	limit := f.Limit
	if limit <= 0 {
		limit = defaultListLimit
	}
	found = slices.Compact(found)
	records := make([]Record, 0, min(limit, len(found)))
	for _, r := range found[:min(limit, len(found))] {
		v := r.view(now)
		if f.WithoutMetadata {
			v.Metadata = nil
		}
		records = append(records, v)
	}
	return records, nil
}

// defaultListLimit is the Limit of a Filter that has none.
const defaultListLimit = 100

// candidates returns the records that f can select by job and keys, or all.
func (m *MemoryStore) candidates(f Filter) []*memRecord {
	var list []*memRecord
	for _, key := range f.Keys {
		list = append(list, m.records[wireid.Key(key)])
	}
	switch {
	case f.JobID != "":
		owner := m.jobs[wireid.Key(f.JobID)]
		if len(f.Keys) > 0 && !slices.Contains(list, owner) {
			return nil
		}
		return []*memRecord{owner}
	case len(f.Keys) == 0:
		for _, r := range m.records {
			list = append(list, r)
		}
	}
	return list
}

// Stats implements Store.
func (m *MemoryStore) Stats(ctx context.Context) (StoreStats, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return StoreStats{}, err
	}
	defer m.mu.Unlock()
	m.moveDue(now)
	s := StoreStats{Count: map[State]int{}, Due: len(m.due.records)}
	for _, r := range m.records {
		if r.State == StateDone {
			continue
		}
		if s.Count[r.State]++; r.State == StateDead {
			continue
		}
		began := r.SubmittedAt
		if began.IsZero() {
			began = r.ReceivedAt
		}
		s.OldestUnfinished = max(s.OldestUnfinished, now.Sub(began))
		if r.State == StatePending {
			s.OldestPending = max(s.OldestPending, now.Sub(began))
		}
		if r.queue == &m.due {
			s.OldestDue = max(s.OldestDue, now.Sub(r.DueAt))
		}
	}
	return s, nil
}

// Purge implements Store.
func (m *MemoryStore) Purge(ctx context.Context, doneFor, deadFor time.Duration, n int) (int, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	removed := 0
	purge := func(q *memQueue, age time.Duration) {
		for r := q.first(); r != nil && removed < n && now.Sub(r.FinishedAt) > age; r = q.first() {
			m.remove(r)
			removed++
		}
	}
	purge(&m.done, doneFor)
	purge(&m.dead, deadFor)
	return removed, nil
}

var (
	_ Store   = (*MemoryStore)(nil)
	_ Capable = (*MemoryStore)(nil)
)
