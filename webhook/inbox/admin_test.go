package inbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

func TestGetReturnsTheRecordOfAJob(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(nothing)
		_, err := p.Get(t.Context(), JobA)
		require.ErrorIs(t, err, reducto.ErrNotFound)
		require.Equal(t, 200, Post(p, Genuine(JobA)))
		r, err := p.Get(t.Context(), strings.ToUpper(JobA))
		require.NoError(t, err)
		assert.Equal(t, JobA, r.JobID)
		for _, id := range []string{"", "../x", strings.Repeat("x", 129)} {
			var wrong *reducto.RequestError
			_, err = p.Get(t.Context(), id)
			require.ErrorAs(t, err, &wrong)
			assert.Equal(t, "inbox.Get", wrong.Op)
		}
		p.Spy.Break("List")
		_, err = p.Get(t.Context(), JobA)
		require.ErrorIs(t, err, ErrDown)
	})
}

// dead makes an Inbox with n dead records, sorted by key. Its function fails until
// *fail is false.
func dead(e *Env, n int) (p *Process, fail *bool, records []inbox.Record) {
	fail = new(bool)
	*fail = true
	p = e.Start(e.Then(func(context.Context, *webhook.Delivery) error {
		if *fail {
			return webhook.Permanent(errors.New("unusable"))
		}
		return nil
	}))
	for range n {
		p.Submit(reducto.Async{Metadata: map[string]int{"order": 17}})
	}
	rest(time.Minute)
	return p, fail, e.Records(inbox.StateDead)
}

func TestListYieldsAllPagesInTheOrderOfKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p, _, want := dead(e, 25)
		require.Len(t, want, 25)
		for _, limit := range []int{0, 1, 5, 10, 100} {
			var got []inbox.Record
			for r, err := range p.List(t.Context(), inbox.Filter{States: []inbox.State{inbox.StateDead}, Limit: limit}) {
				require.NoError(t, err)
				got = append(got, r)
			}
			require.Len(t, got, 25)
			assert.True(t, slices.IsSortedFunc(got, func(a, b inbox.Record) int { return strings.Compare(a.Key, b.Key) }))
			assert.Equal(t, "unusable", got[0].Error)
		}
		for range p.List(t.Context(), inbox.Filter{}) {
			break
		}
		p.Spy.Break("List")
		for _, err := range p.List(t.Context(), inbox.Filter{}) {
			require.ErrorIs(t, err, ErrDown)
		}
	})
}

func TestReplayQueuesDeadRecordsAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p, fail, list := dead(e, 5)
		*fail = false
		require.NoError(t, p.Replay(t.Context()))
		err := p.Replay(t.Context(), list[0].Key, "nobody", strings.ToUpper(list[1].Key))
		require.EqualError(t, err, `inbox: no dead record "nobody"`)
		rest(time.Minute)
		calls := e.Calls()
		require.Len(t, calls, 7)
		assert.Equal(t, 1, calls[6].Attempt, "no attempts are counted")
		assert.Len(t, e.Records(inbox.StateDone), 2)
		require.ErrorContains(t, p.Replay(t.Context(), list[0].Key), "no dead record", "it is done")

		for _, method := range []string{"List", "Finish"} {
			p.Spy.Break(method)
			require.ErrorIs(t, p.Replay(t.Context(), list[2].Key), ErrDown)
		}
		p.Spy.Mend()
		assert.Len(t, e.Records(inbox.StateDead), 3)
	})
}

// Between Replay's reading and its writing, another process replays the same record,
// which fails once more. Its new token refuses the first.
func TestReplayIsFencedByTheToken(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		_, _, list := dead(e, 1)
		q := e.Process(nothing)
		done := false
		q.Spy.Before(func(ctx context.Context, method string) error {
			if method != "Finish" || done {
				return nil
			}
			done = true
			key := list[0].Key
			ok, err := e.Store.Finish(ctx, []inbox.Completion{{Lease: inbox.Lease{Key: key, Token: list[0].Token}, State: inbox.StateReceived}})
			assert.NoError(t, err)
			assert.Equal(t, []bool{true}, ok)
			rest(10 * time.Second)
			return nil
		})
		require.ErrorContains(t, q.Replay(t.Context(), list[0].Key), "no dead record")
		r := e.Records(inbox.StateDead)
		require.Len(t, r, 1)
		assert.Greater(t, r[0].Token, list[0].Token)
		require.NoError(t, q.Replay(t.Context(), list[0].Key), "with the new token")
	})
}

func TestStatsCountsRecordsAndCalls(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p, _, _ := dead(e, 3)
		stats, err := p.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, webhook.Stats{Accepted: 3, Calls: 3, Failures: 3}, stats.Stats)
		assert.Equal(t, 3, stats.Store.Count[inbox.StateDead])
		assert.Zero(t, stats.OldestCall)
		assert.Zero(t, stats.MeasurementsLost)
		assert.Equal(t, 3, e.Meter.Counter("dead"))
		p.Spy.Break("Stats")
		_, err = p.Stats(t.Context())
		require.ErrorIs(t, err, ErrDown)
	})
}

func TestWaitReturnsWhenTheEndIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		gate, finish := Gate(t)
		p := e.Start(func(context.Context, *webhook.Delivery) error { <-gate; return nil })
		_, err := p.Wait(t.Context(), JobA)
		require.ErrorIs(t, err, reducto.ErrNotFound)
		_, err = p.Wait(t.Context(), "../x")
		require.ErrorContains(t, err, "job id")

		e.Srv.Hold()
		job := p.Submit(reducto.Async{})
		reason := errors.New("no patience")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, reason)
		defer cancel()
		r, err := p.Wait(ctx, job.JobID)
		require.ErrorIs(t, err, reason)
		assert.Equal(t, inbox.StatePending, r.State)
		_, err = p.Wait(ctx, job.JobID)
		require.ErrorIs(t, err, reason)

		began := time.Now()
		time.AfterFunc(1500*time.Millisecond, func() { e.Srv.Complete(job.JobID) })
		r, err = p.Wait(t.Context(), job.JobID)
		require.NoError(t, err)
		assert.Equal(t, 1500*time.Millisecond, time.Since(began).Round(100*time.Millisecond), "the delivery wakes it")
		assert.NotEqual(t, inbox.StateDone, r.State, "the function runs")
		finish()

		// No delivery wakes another process, so it polls the store.
		job = p.Submit(reducto.Async{})
		other := e.Process(nothing)
		e.Mount(p)
		time.AfterFunc(1500*time.Millisecond, func() { e.Srv.Fail(job.JobID, "it did not work") })
		began = time.Now()
		r, err = other.Wait(t.Context(), job.JobID)
		var ended *inbox.OutcomeError
		require.ErrorAs(t, err, &ended)
		require.NotErrorIs(t, err, reducto.ErrExpired)
		require.ErrorContains(t, err, "job "+job.JobID+" ended as failed")
		assert.Equal(t, job.JobID, r.JobID)
		assert.LessOrEqual(t, time.Since(began), 4*time.Second)
		other.Spy.Break("List")
		_, err = other.Wait(t.Context(), job.JobID)
		require.ErrorIs(t, err, ErrDown)
	})
}
