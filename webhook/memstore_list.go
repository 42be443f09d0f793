package webhook

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
)

// defaultListLimit is what a Filter's Limit of zero means.
const defaultListLimit = 100

// List implements Store.
func (m *MemoryStore) List(ctx context.Context, f Filter) ([]Record, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()

	limit := f.Limit
	if limit <= 0 {
		limit = defaultListLimit
	}
	after := wireid.Key(f.After)
	var records []Record
	for r := range m.candidates(f, after) {
		if len(records) == limit {
			break
		}
		if r.Key > after && (len(f.States) == 0 || slices.Contains(f.States, r.State)) {
			records = append(records, r.view(now))
		}
	}
	return records, nil
}

// candidates yields, by key, the records that the filter can mean: as few as can
// be found without looking at them.
func (m *MemoryStore) candidates(f Filter, after string) iter.Seq[*memRecord] {
	if f.JobID == "" && len(f.Keys) == 0 {
		return m.byKey.after(after)
	}
	keys := make([]string, 0, len(f.Keys))
	for _, k := range f.Keys {
		keys = append(keys, wireid.Key(k))
	}
	if f.JobID != "" {
		owner := m.jobs[wireid.Key(f.JobID)]
		if owner == nil || len(keys) > 0 && !slices.Contains(keys, owner.Key) {
			return func(func(*memRecord) bool) {}
		}
		keys = []string{owner.Key}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	return func(yield func(*memRecord) bool) {
		for _, k := range keys {
			if r := m.records[k]; r != nil && !yield(r) {
				return
			}
		}
	}
}

// Replay implements Store.
func (m *MemoryStore) Replay(ctx context.Context, keys []string) ([]bool, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()

	found := make([]bool, len(keys))
	for i, key := range keys {
		r := m.records[wireid.Key(key)]
		if r == nil || r.State != StateDead {
			continue
		}
		found[i] = true
		r.State, r.Attempt = StateReceived, 0
		r.DueAt, r.FinishedAt = now, time.Time{}
		m.place(r, now)
	}
	return found, nil
}

// Stats implements Store.
func (m *MemoryStore) Stats(ctx context.Context) (StoreStats, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return StoreStats{}, err
	}
	defer m.mu.Unlock()

	m.ripen(now)
	claimed := 0
	var oldestDue, oldestPending, oldestUnfinished time.Time
	for _, q := range []*memQueue{&m.hoped, &m.polled} {
		for _, r := range q.records {
			oldestPending = earlier(oldestPending, r.SubmittedAt)
		}
	}
	for _, q := range []*memQueue{&m.waiting, &m.due} {
		for _, r := range q.records {
			oldestUnfinished = earlier(oldestUnfinished, began(r))
			if r.State == StateClaimed {
				claimed++
			}
			if q == &m.due {
				oldestDue = earlier(oldestDue, r.DueAt)
			}
		}
	}
	oldestUnfinished = earlier(oldestUnfinished, oldestPending)
	return StoreStats{
		Count: map[State]int{
			StatePending:  m.hoped.Len() + m.polled.Len(),
			StateReceived: m.waiting.Len() + m.due.Len() - claimed,
			StateClaimed:  claimed,
			StateDone:     m.done.Len(),
			StateDead:     m.dead.Len(),
		},
		Due:              m.due.Len(),
		OldestDue:        since(oldestDue, now),
		OldestPending:    since(oldestPending, now),
		OldestUnfinished: since(oldestUnfinished, now),
	}, nil
}

// began is when the record was submitted, or received if it was not.
func began(r *memRecord) time.Time {
	if r.SubmittedAt.IsZero() {
		return r.ReceivedAt
	}
	return r.SubmittedAt
}

// earlier is the earlier of two times, of which the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func since(t, now time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return now.Sub(t)
}

// Purge implements Store.
func (m *MemoryStore) Purge(ctx context.Context, age, deadAge time.Duration, n int) (int, error) {
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
	purge(&m.done, age)
	purge(&m.dead, deadAge)
	for name, l := range m.locks {
		if !l.until.After(now) {
			delete(m.locks, name)
		}
	}
	return removed, nil
}
