package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/webhook/inbox"
)

// Scenario 27.
func TestKillBetweenCommitAndAnswerCallsFuncOnce(t *testing.T) {
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
		"the service's retry is a duplicate, if it does not come while the child is down")
	s.settleDown()
	assert.Equal(t, 1, s.effects())
}

// Scenario 28.
func TestKillBetweenAnswerAndClaimLosesNothing(t *testing.T) {
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
	assert.Equal(t, inbox.SourceWebhook, r.Source, "the reconciler was not needed")
	assert.Equal(t, 1, s.effects())
	assert.Equal(t, []int{200}, s.answers(job), "nor was another delivery")
}

// Scenario 29.
func TestKillBetweenClaimAndCompletionCallsFuncAgainAfterLease(t *testing.T) {
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
	assert.False(t, r.FinishedAt.Before(claimed.DueAt), "not before the lease ended")
	assert.Equal(t, 1, s.effects())
}

// Scenario 30. A process is stopped for longer than its lease, and another completes the
// record. Then the first continues, and its function succeeds too. It believes that it
// still has the lease, so only the fencing token refuses its completion.
func TestStopPastLeaseThenSuccessIsFenced(t *testing.T) {
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
			assert.Equal(t, done, s.record(), "the second completion stands")
			assert.Equal(t, test.effects, s.effects())
		})
	}
}

// Scenario 31. As above, but the first function fails. That does not make the record due
// again, whether the second process has completed it or still works.
func TestStopPastLeaseThenFailureIsFenced(t *testing.T) {
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
			s.fleet.kill(first) // or it could claim the record after this lease
			assert.Equal(t, claimed, s.record(), "the second claim stands")
			require.NoError(t, resume(second.cmd.Process))
			assert.Equal(t, 2, s.awaitDone().Attempt)
			assert.Equal(t, 1, s.effects())
		})
	}
}

// Scenario 32.
func TestKillBetweenEffectAndCompletion(t *testing.T) {
	for _, store := range []string{onSQLite, onPostgres} {
		t.Run(store+", no transaction: the effect is repeated", func(t *testing.T) {
			s := newStage(t, store, false)
			child := s.start(0, pointEffect)
			s.submit(child)
			s.awaitDeath(child)
			assert.Equal(t, 1, s.effects())
			s.start(0, "")
			assert.Equal(t, 2, s.awaitDone().Attempt)
			assert.Equal(t, 2, s.effects())
		})
		t.Run(store+", CompleteTx, before commit: there is no effect", func(t *testing.T) {
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
		t.Run(store+", CompleteTx, after commit: the record is done", func(t *testing.T) {
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

// The harness finds a child that answers before it stores a delivery, even if the
// reconciler would find the job later.
func TestHarnessFindsLostAcknowledgement(t *testing.T) {
	s := newStage(t, onSQLite, false)
	child := s.start(0, pointForgets)
	job := s.submit(child)
	_, err := s.service.AwaitDeliveries(t.Context(), job, 1)
	require.NoError(t, err)
	require.Equal(t, []int{200}, s.answers(job))
	f, err := s.gather(t.Context(), false, nil)
	require.NoError(t, err)
	l := newLedger(f)
	assert.False(t, l.ok())
	assert.Len(t, l.AckLost, 1, "%s", l)
	assert.Len(t, l.NotDue, 1, "the reconciler would find the job later")
}

// The whole harness, in small.
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

// A run that paused no child with a claim did not exercise fencing. Without jobs there is
// no claim.
func TestRunWithoutAPauseOfAClaimFails(t *testing.T) {
	t.Parallel()
	r := run{
		options: options{Store: onSQLite},
		Profile: profile{Children: 1, Pauses: 1, Window: time.Second, Gentle: true},
		Seed:    5, Limit: 2 * time.Minute,
	}
	var out strings.Builder
	require.ErrorIs(t, r.do(t.Context(), t.TempDir(), &out), errBroken)
	assert.Contains(t, out.String(), "no child was paused while it held a claim")
}
