package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/reducto-go/reducto/internal/wireid"
)

// Claim implements Store.
func (m *MemoryStore) Claim(ctx context.Context, n int, lease time.Duration) ([]Record, time.Duration, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer m.mu.Unlock()

	m.ripen(now)
	var claimed []Record
	for r := m.due.first(); r != nil && len(claimed) < n; r = m.due.first() {
		r.State, r.DueAt = StateClaimed, now.Add(max(lease, 0))
		m.tokens++
		r.Token = m.tokens
		r.Attempt++
		m.waiting.take(r) // also where the lease is over at once
		claimed = append(claimed, r.view(now))
	}
	next := time.Duration(-1)
	if m.due.first() != nil {
		next = 0
	} else if r := m.waiting.first(); r != nil {
		next = r.DueAt.Sub(now)
	}
	return claimed, next, nil
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
		r := m.claimedBy(l)
		if r == nil {
			continue
		}
		held[i] = true
		r.DueAt = now.Add(max(d, 0))
		m.place(r, now)
	}
	return held, nil
}

// Finish implements Store. A verdict with another state than a verdict can have
// is an error, and none of the verdicts is carried out then.
func (m *MemoryStore) Finish(ctx context.Context, verdicts []Verdict) ([]bool, error) {
	for _, v := range verdicts {
		if v.State != StateDone && v.State != StateDead && v.State != StateReceived && v.State != StatePending {
			return nil, fmt.Errorf("webhook: Finish: %q is no state to end a claim with", v.State)
		}
	}
	now, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()

	held := make([]bool, len(verdicts))
	for i, v := range verdicts {
		r := m.claimedBy(v.Lease)
		if r == nil {
			continue
		}
		held[i] = true
		r.State, r.Error = v.State, v.Error
		if v.Outcome != "" {
			r.Outcome = v.Outcome
		}
		if v.Keep {
			r.Attempt--
		}
		switch v.State {
		case StateReceived:
			r.DueAt = now.Add(max(v.After, 0))
		case StatePending:
			if j := r.job(r.heard); j != nil && j.bound {
				r.State, r.DueAt = StateReceived, now
				break
			}
			m.giveUp(r, now, v.After)
			continue
		default:
			r.DueAt, r.FinishedAt = time.Time{}, now
		}
		m.place(r, now)
	}
	return held, nil
}

// claimedBy is the record that the lease's token holds, nil if there is none.
func (m *MemoryStore) claimedBy(l Lease) *memRecord {
	r := m.records[wireid.Key(l.Key)]
	if r == nil || r.State != StateClaimed || r.Token != l.Token {
		return nil
	}
	return r
}

// Overdue implements Store.
func (m *MemoryStore) Overdue(ctx context.Context, n int, webhook bool, schedule []time.Duration) ([]Record, error) {
	if len(schedule) == 0 {
		return nil, errors.New("webhook: Overdue: the schedule is empty")
	}
	now, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()

	q := m.pending(webhook)
	var found []*memRecord
	for r := q.first(); r != nil && len(found) < n && !r.DueAt.After(now); r = q.first() {
		q.remove(r) // until all are found, or one that is due again at once would be found twice
		found = append(found, r)
	}
	records := make([]Record, 0, len(found))
	for _, r := range found {
		records = append(records, r.view(now))
		wait := schedule[min(r.Looks, len(schedule)-1)]
		r.DueAt = now.Add(spread(max(wait, 0)))
		r.Looks++
		q.take(r)
	}
	return records, nil
}

// spread is d, more or less by up to a fifth, so that what began together does
// not go on together.
func spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// memLock is a lock and its latest owner.
type memLock struct {
	owner string
	until time.Time
}

// Lock implements Store.
func (m *MemoryStore) Lock(ctx context.Context, name, owner string, d time.Duration) (bool, error) {
	now, err := m.begin(ctx)
	if err != nil {
		return false, err
	}
	defer m.mu.Unlock()

	l, taken := m.locks[name]
	if taken && l.owner != owner && l.until.After(now) {
		return false, nil
	}
	if d <= 0 {
		delete(m.locks, name)
		return false, nil
	}
	m.locks[name] = memLock{owner: owner, until: now.Add(d)}
	return true, nil
}
