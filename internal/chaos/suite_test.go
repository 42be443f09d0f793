package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The time after an attack covers the waits of an Inbox.
func TestDrainCoversHoldLeaseAndNextPoll(t *testing.T) {
	t.Parallel()
	assert.GreaterOrEqual(t, drainFor(profile{Gentle: true}, time.Minute), hold+lease)
	for _, attack := range []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute, 3 * time.Minute, 10 * time.Minute, time.Hour} {
		drain := drainFor(profile{}, attack)
		assert.Greater(t, drain, hold+lease)
		// A poll at the end of the attack fails, and each pause is as long as it can be.
		next := pollAfter
		for _, pause := range pollPauses {
			if next > attack {
				break
			}
			next += pause * 6 / 5
		}
		assert.Greater(t, attack+drain, next, "%v", attack)
	}
}

func TestLongestWindowFitsLimit(t *testing.T) {
	t.Parallel()
	assert.Zero(t, longestWindow(leastFor(profile{Window: leastWindow})-time.Second))
	for _, limit := range []time.Duration{leastFor(profile{Window: leastWindow}), 200 * time.Second, 240 * time.Second, 10 * time.Minute} {
		window := longestWindow(limit)
		assert.GreaterOrEqual(t, window, leastWindow, "%v", limit)
		assert.LessOrEqual(t, leastFor(profile{Window: window}), limit)
	}
	assert.Greater(t, longestWindow(240*time.Second), longestWindow(200*time.Second))
}

// Every run of a gate pauses a child for longer than its lease, however short it is.
func TestEveryRunPausesPastLease(t *testing.T) {
	t.Parallel()
	for _, r := range four(771177, 80, 4, 10*time.Second, time.Minute) {
		assert.Positive(t, r.Profile.Pauses, r.name())
		var pauses int
		for _, d := range newPlan(r.Seed, r.Profile).Disruptions {
			if d.Kind == disruptPause {
				pauses++
				assert.Greater(t, d.For, lease)
			}
		}
		assert.Equal(t, r.Profile.Pauses, pauses, r.name())
	}
}

// Of several runs at least one must have exercised fencing. These cannot even begin.
func TestRunsWithoutFencingFail(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	runs := four(1, 1, 0, 0, 0)[:2]
	require.ErrorIs(t, doAll(t.Context(), runs, 2, file, io.Discard), errNotFenced)
	require.NotErrorIs(t, doAll(t.Context(), runs[:1], 1, file, io.Discard), errNotFenced)
}
