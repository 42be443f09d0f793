package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSeedReproducesPlan(t *testing.T) {
	t.Parallel()
	p := profileFor(onPostgres, 200, 20, time.Minute)
	one, same, other := newPlan(7, p), newPlan(7, p), newPlan(8, p)
	assert.Equal(t, one, same)
	assert.NotEqual(t, one.Disruptions, other.Disruptions)
	assert.Equal(t, one.submitFaults(500), same.submitFaults(500))
	assert.NotEqual(t, one.submitFaults(500), other.submitFaults(500))
	assert.Equal(t, one.readFaults("/job", 500), same.readFaults("/job", 500))
	// The plan of a job depends on the seed, its submission and its number alone.
	last := one.jobOf(one.Submissions[199].ID, 1)
	for _, sub := range same.Submissions {
		assert.Equal(t, one.jobOf(sub.ID, 0), same.jobOf(sub.ID, 0))
	}
	assert.Equal(t, last, same.jobOf(one.Submissions[199].ID, 1))
	cfg := childConfig{Seed: 7, Unsteady: true}
	for attempt := range 20 {
		behavior, takes, fetches := behaviorOf(&cfg, "x", attempt)
		behavior2, takes2, fetches2 := behaviorOf(&cfg, "x", attempt)
		assert.Equal(t, []any{behavior, takes, fetches}, []any{behavior2, takes2, fetches2})
	}
}

func TestPlanHasEveryFault(t *testing.T) {
	t.Parallel()
	p := newPlan(1, profileFor(onPostgres, 2000, 100, time.Minute))
	ends, hooks, disruptions := map[string]int{}, map[string]int{}, map[string]int{}
	ids := map[string]bool{}
	for _, sub := range p.Submissions {
		ids[sub.ID] = true
		f := p.jobOf(sub.ID, 0)
		ends[f.End]++
		for _, h := range f.Faults {
			hooks[h.Kind]++
		}
	}
	assert.Len(t, ids, 2000)
	assert.Len(t, ends, 4)
	assert.Len(t, hooks, 15)
	var total time.Duration
	for _, d := range p.Disruptions {
		disruptions[d.Kind]++
		total += d.After
		if d.Kind == disruptPause {
			assert.Greater(t, d.For, lease)
		}
	}
	assert.Equal(t, map[string]int{disruptKill: 100, disruptPause: 16, disruptDrop: 25, disruptRestart: 5, disruptFailover: 5}, disruptions)
	assert.InDelta(t, time.Minute.Seconds(), total.Seconds(), 12)
	answers := map[string]int{}
	for _, f := range append(p.submitFaults(1000), p.readFaults("/jobs", 1000)...) {
		answers[f.Kind]++
	}
	assert.Len(t, answers, 7)
}

// A gentle run has no fault from which the Inbox recovers in minutes.
func TestGentlePlan(t *testing.T) {
	t.Parallel()
	p := newPlan(1, profile{Jobs: 500, Children: 1, Window: time.Second, Gentle: true})
	for _, sub := range p.Submissions {
		require.Zero(t, sub.At)
		require.False(t, sub.Silent)
		f := p.jobOf(sub.ID, 0)
		require.Contains(t, []string{endComplete, endFail}, f.End)
		for _, h := range f.Faults {
			require.NotContains(t, []string{hookLost, hookCorrupt, hookReordered}, h.Kind)
		}
	}
	for _, f := range p.submitFaults(1000) {
		require.NotContains(t, []string{answerLost, answerDropped, answerStatus}, f.Kind)
	}
}
