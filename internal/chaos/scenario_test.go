package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// The process dies when the delivery is in the store and not yet answered.
func TestScenario27_KilledAfterInsertBeforeAnswer(t *testing.T) {
	s := newStage(t, onSQLite, false)
	child := s.start(0, pointReceived)
	job := s.submit(child)
	s.awaitDeath(child)
	assert.Equal(t, inbox.StateReceived, s.record().State)
	assert.NotContains(t, s.answers(job), 200)

	s.start(0, "")
	_, err := s.service.AwaitDeliveries(t.Context(), job, 1)
	require.NoError(t, err)
	r := s.awaitDone()
	assert.Equal(t, 1, r.Attempt, "one call")
	require.Eventually(t, func() bool { return slices.Contains(s.answers(job), 200) }, time.Minute, 50*time.Millisecond,
		"the sender's repetition is a duplicate; one can come while nobody listens")
	s.settleDown()
	assert.Equal(t, 1, s.effects())
}

// The process dies when the delivery was answered, and nobody has claimed it.
func TestScenario28_KilledAfterAnswerBeforeClaim(t *testing.T) {
	s := newStage(t, onSQLite, false)
	child := s.start(0, pointIdle)
	job := s.submit(child)
	_, err := s.service.AwaitDeliveries(t.Context(), job, 1)
	require.NoError(t, err)
	s.fleet.kill(child)
	require.Equal(t, []int{200}, s.answers(job))
	r := s.record()
	assert.Equal(t, inbox.StateReceived, r.State)
	assert.Zero(t, r.Attempt)
	assert.Zero(t, s.effects())

	s.start(0, "")
	r = s.awaitDone()
	assert.Equal(t, 1, r.Attempt)
	assert.Equal(t, inbox.SourceWebhook, r.Source, "no sweep was needed")
	assert.Equal(t, 1, s.effects())
	assert.Equal(t, []int{200}, s.answers(job), "nor another delivery")
}

// The process dies when the user's function was called, and has done nothing.
func TestScenario29_KilledBetweenClaimAndCompletion(t *testing.T) {
	s := newStage(t, onSQLite, false)
	child := s.start(0, pointClaimed)
	s.submit(child)
	s.awaitDeath(child)
	claimed := s.record()
	assert.Equal(t, inbox.StateClaimed, claimed.State)
	require.Equal(t, 1, claimed.Attempt)

	s.start(0, "")
	r := s.awaitDone()
	assert.Equal(t, claimed.Token+1, r.Token)
	assert.Equal(t, 2, r.Attempt)
	assert.False(t, r.FinishedAt.Before(claimed.DueAt), "not before its lease was over")
	assert.Equal(t, 1, s.effects())
}

// The process is stopped for longer than its lease, another completes, and the
// first goes on and succeeds too. Nothing but the store's fence holds it back:
// this child believes that it still has the lease.
func TestScenario30_StoppedPastLeaseThenCompletes(t *testing.T) {
	for _, test := range []struct {
		name    string
		tx      bool
		effects int
	}{
		{"CompleteTx", true, 1},
		{"no transaction", false, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, onPostgres, test.tx)
			stopped := s.start(0, pointStopped)
			s.submit(stopped)
			s.await("claimed", func(r inbox.Record) bool { return r.Attempt == 1 })
			s.start(1, "")
			done := s.awaitDone()
			require.Equal(t, 2, done.Attempt)
			require.Equal(t, 1, s.effects())

			require.NoError(t, resume(stopped.cmd.Process))
			s.awaitFenced()
			s.settleDown()
			assert.Equal(t, done, s.record(), "the record is as the second left it")
			assert.Equal(t, test.effects, s.effects())
		})
	}
}

// The same, and the first fails when it goes on: that does not give the record
// back, neither when the second has completed it, nor while it is at it.
func TestScenario31_StoppedPastLeaseThenFails(t *testing.T) {
	for _, test := range []struct {
		name string
		tx   bool
	}{
		{"CompleteTx", true},
		{"no transaction", false},
	} {
		t.Run("after completion, "+test.name, func(t *testing.T) {
			s := newStage(t, onPostgres, test.tx)
			stopped := s.start(0, pointStoppedFails)
			s.submit(stopped)
			s.await("claimed", func(r inbox.Record) bool { return r.Attempt == 1 })
			s.start(1, "")
			done := s.awaitDone()

			require.NoError(t, resume(stopped.cmd.Process))
			s.awaitFenced()
			s.settleDown()
			assert.Equal(t, done, s.record())
			assert.Equal(t, 1, s.effects())
		})
		t.Run("during the second's work, "+test.name, func(t *testing.T) {
			s := newStage(t, onPostgres, test.tx)
			first := s.start(0, pointStoppedFails)
			s.submit(first)
			s.await("claimed", func(r inbox.Record) bool { return r.Attempt == 1 })
			second := s.start(1, pointStopped)
			claimed := s.await("claimed again", func(r inbox.Record) bool { return r.Attempt == 2 })

			require.NoError(t, resume(first.cmd.Process))
			s.awaitFenced()
			s.fleet.kill(first) // it could claim the record when this lease is over
			assert.Equal(t, claimed, s.record(), "the second's claim is as it was")
			require.NoError(t, resume(second.cmd.Process))
			assert.Equal(t, 2, s.awaitDone().Attempt)
			assert.Equal(t, 1, s.effects())
		})
	}
}

// The process dies when its effect is made and its record not completed.
func TestScenario32_KilledAfterEffectBeforeCompletion(t *testing.T) {
	for _, store := range []string{onSQLite, onPostgres} {
		t.Run(store+", no transaction: the effect may be repeated", func(t *testing.T) {
			s := newStage(t, store, false)
			child := s.start(0, pointEffect)
			s.submit(child)
			s.awaitDeath(child)
			assert.Equal(t, 1, s.effects())
			s.start(0, "")
			assert.Equal(t, 2, s.awaitDone().Attempt)
			assert.Equal(t, 2, s.effects())
		})
		t.Run(store+", CompleteTx before commit: neither happened", func(t *testing.T) {
			s := newStage(t, store, true)
			child := s.start(0, pointEffect)
			s.submit(child)
			s.awaitDeath(child)
			assert.Zero(t, s.effects())
			assert.Equal(t, inbox.StateClaimed, s.record().State)
			s.start(0, "")
			assert.Equal(t, 2, s.awaitDone().Attempt)
			assert.Equal(t, 1, s.effects())
		})
		t.Run(store+", CompleteTx after commit: both happened", func(t *testing.T) {
			s := newStage(t, store, true)
			child := s.start(0, pointCommitted)
			s.submit(child)
			s.awaitDeath(child)
			assert.Equal(t, 1, s.effects())
			done := s.record()
			assert.Equal(t, inbox.StateDone, done.State)
			s.start(0, "")
			s.settleDown()
			assert.Equal(t, done, s.record())
			assert.Equal(t, 1, s.effects())
		})
	}
}

// A child that answers before it has kept anything is found out, also where a
// sweep would make up for it.
func TestForgottenPromiseIsFound(t *testing.T) {
	s := newStage(t, onSQLite, false)
	child := s.start(0, pointForgets)
	job := s.submit(child)
	_, err := s.service.AwaitDeliveries(t.Context(), job, 1)
	require.NoError(t, err)
	require.Equal(t, []int{200}, s.answers(job))
	f, err := s.gather(t.Context(), false)
	require.NoError(t, err)
	l := newLedger(f)
	assert.False(t, l.ok())
	assert.Len(t, l.AckLost, 2, "%s", l)
	assert.Equal(t, []string{s.plan.Submissions[0].ID}, l.Lost)
}

// A small run of the whole.
func TestChaosSQLite(t *testing.T) {
	t.Parallel()
	smoke(t, onSQLite, 1)
}

func TestChaosPostgres(t *testing.T) {
	t.Parallel()
	smoke(t, onPostgres, 3)
}

func smoke(t *testing.T, store string, children int) {
	for _, tx := range []bool{true, false} {
		r := run{
			options: options{Store: store, Tx: tx, Unsteady: true},
			Profile: profile{Jobs: 20, Children: children, Kills: 3, Window: 4 * time.Second, Gentle: true},
			Seed:    5, Limit: time.Minute,
		}
		if store == onPostgres {
			r.Profile.Pauses, r.Profile.Drops = 1, 2
		}
		t.Run(r.name(), func(t *testing.T) {
			t.Parallel()
			err := r.do(t.Context(), t.TempDir(), t.Output())
			skipWithoutPostgres(t, err)
			require.NoError(t, err)
		})
	}
}
