package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// life returns the history of a record, a line for each entry.
func life(t *testing.T, in *inbox.Inbox, key string) (lines []string) {
	t.Helper()
	list, err := in.History(t.Context(), key)
	require.NoError(t, err)
	for _, e := range list {
		assert.Equal(t, inbox.Key(key), e.Key)
		line := string(e.Kind)
		if e.StatusCode != 0 {
			line += fmt.Sprint(" ", e.StatusCode)
		}
		if e.Attempt != 0 {
			line += fmt.Sprint(" #", e.Attempt)
		}
		if e.Detail != "" {
			line += ": " + e.Detail
		}
		lines = append(lines, line)
	}
	return lines
}

func TestHistoryTellsTheLifeOfARecord(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		fail := true
		p := e.Start(e.Then(func(context.Context, *webhook.Delivery) error {
			if fail {
				fail = false
				return errors.New("the database of the app is down")
			}
			return nil
		}), inbox.WithHistory())
		job := p.Announced(reducto.Async{})
		rest(time.Minute)
		r := e.Record(job.JobID)
		require.Equal(t, inbox.StateDone, r.State)
		other := Payload("Completed", JobB, Signed(fmt.Sprintf(`"submission_id":%q`, r.SubmissionID)))
		require.Equal(t, 401, Post(p, other))
		require.Equal(t, 200, Post(p, Genuine(job.JobID)))
		rest(time.Second)
		list, err := p.History(t.Context(), strings.ToUpper(r.Key))
		require.NoError(t, err)
		require.NotEmpty(t, list)
		assert.WithinDuration(t, r.SubmittedAt, list[0].At, time.Second)
		assert.Equal(t, []string{
			"submitted", "bound", "delivered 200: Completed", "claimed #1", "failed #1: the database of the app is down",
			"claimed #2", "done #2: completed", "refused 401: the job is not one of this submission", "duplicate 200: Completed",
		}, life(t, p.Inbox, r.Key))
		stats, err := p.Stats(t.Context())
		require.NoError(t, err)
		assert.Zero(t, stats.HistoryLost)
	})
}

func TestHistoryTellsOfDeathReplayAndPolls(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		fail := true
		p := e.Start(func(context.Context, *webhook.Delivery) error {
			if fail {
				return webhook.Permanent(errors.New(strings.Repeat("unusable ", 100)))
			}
			return nil
		}, inbox.WithHistory())
		id := e.Srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
		require.NoError(t, p.Track(t.Context(), id))
		rest(time.Minute)
		fail = false
		require.NoError(t, p.Replay(t.Context(), id))
		rest(time.Minute)
		lines := life(t, p.Inbox, id)
		require.Len(t, lines, 7)
		assert.True(t, strings.HasPrefix(lines[3], "dead #1: unusable unusable "))
		assert.Less(t, len(lines[3]), 520)
		lines[3] = "dead"
		assert.Equal(t, []string{"submitted: tracked", "polled: completed", "claimed #1", "dead", "replayed", "claimed #1", "done #1: completed"}, lines)
	})
}

func TestHistoryTellsOfLostClaims(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(takes(time.Hour), inbox.WithHistory(), inbox.WithLease(time.Minute), inbox.WithFuncTimeout(2*time.Hour))
		seeded(e, p, JobA)
		rest(time.Second)
		p.Spy.Break("Extend")
		rest(2 * time.Minute)
		p.Spy.Mend()
		assert.Contains(t, strings.Join(life(t, p.Inbox, JobA), "\n"), "fenced #1: its lease could not be renewed in time")
		p.Cancel()
	})
}

func TestHistoryIsNotWrittenWithoutTheOption(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work)
		job := p.Announced(reducto.Async{})
		rest(time.Minute)
		e.Done(job.JobID, webhook.OutcomeCompleted)
		assert.Empty(t, life(t, p.Inbox, e.Record(job.JobID).Key))
		assert.Zero(t, p.Spy.Count("AppendHistory"))
	})
}

func TestWithHistoryNeedsAHistoryStore(t *testing.T) {
	t.Parallel()
	secret, err := webhook.NewSecret(Secret)
	require.NoError(t, err)
	plain := struct{ inbox.Store }{inbox.NewMemoryStore()}
	_, err = inbox.New(secret, plain, nothing, inbox.WithHistory())
	require.ErrorContains(t, err, "WithHistory: the store is no HistoryStore: leave the option out, or use")
	in, err := inbox.New(secret, plain, nothing)
	require.NoError(t, err)
	_, err = in.History(t.Context(), JobA)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestHistoryIsWrittenInBatches(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Start(e.Work, inbox.WithHistory())
		for range 40 {
			p.Announced(reducto.Async{})
		}
		rest(time.Minute)
		assert.Len(t, e.Calls(), 40)
		assert.Less(t, p.Spy.Count("AppendHistory"), 40)
		for _, r := range e.Records(inbox.StateDone) {
			assert.Len(t, life(t, p.Inbox, r.Key), 5)
		}
	})
}

// A store that hangs delays no delivery. Entries that find no room are counted.
func TestHistoryThatFailsAffectsNoRecord(t *testing.T) {
	eachInBubble(t, map[string]func(ctx context.Context) error{
		"fails": func(context.Context) error { return ErrDown },
		"hangs": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"panics": func(context.Context) error { panic("boom") },
	}, func(t *testing.T, e *Env, broken func(ctx context.Context) error) {
		p := e.Start(e.Work, inbox.WithHistory())
		p.Spy.Before(func(ctx context.Context, method string) error {
			if method == "AppendHistory" {
				return broken(ctx)
			}
			return nil
		})
		for range 10 {
			p.Announced(reducto.Async{})
		}
		rest(time.Minute)
		assert.Len(t, e.Records(inbox.StateDone), 10)
		stats, err := p.Stats(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 50, stats.HistoryLost)
		p.Flush()
		assert.True(t, e.Log.Has("a part of the history could not be recorded"))
	})
}

func TestShutdownAndTheEndOfRunWriteTheHistory(t *testing.T) {
	eachInBubble(t, map[string]func(p *Process){
		"Shutdown": func(p *Process) { p.Flush() },
		"RunOnce":  func(p *Process) { p.Once() },
	}, func(t *testing.T, e *Env, end func(p *Process)) {
		p := e.Process(e.Work, inbox.WithHistory())
		seeded(e, p, JobA)
		began := time.Now()
		end(p)
		synctest.Wait()
		assert.Less(t, time.Since(began), 100*time.Millisecond, "it does not wait for a batch")
		assert.NotEmpty(t, life(t, p.Inbox, JobA))
	})
}

func TestStatsTellWhenTheNextJobExpires(t *testing.T) {
	inBubble(t, func(t *testing.T, e *Env) {
		p := e.Process(nothing, inbox.WithJobExpiry(10*time.Hour))
		next := func() time.Duration {
			stats, err := p.Stats(t.Context())
			require.NoError(t, err)
			return stats.NextExpiry
		}
		assert.Equal(t, 10*time.Hour, next())
		e.Pending(JobA)
		e.Advance(3 * time.Hour)
		assert.Equal(t, 7*time.Hour, next())
	})
}
