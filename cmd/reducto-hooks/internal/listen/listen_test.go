package listen_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/cmd/reducto-hooks/internal/listen"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
)

func body(r *http.Request) []byte {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	return text
}

func TestRunForwardsNewJobsOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		e.job(ended)
		time.Sleep(time.Minute)
		got := e.accept()
		e.start(e.listener())
		first := e.job()
		failed := e.job(func(s *reductotest.SeedJob) { s.Status = "Failed" })
		e.job(func(s *reductotest.SeedJob) { s.Status = "Cancelled" })
		time.Sleep(10 * time.Second)
		assert.ElementsMatch(t, []string{first, failed}, got(), "neither the job before the start nor the cancelled one")
		e.stop()
		later := e.job(ended)
		time.Sleep(8 * time.Hour)
		e.start(e.listener())
		time.Sleep(time.Minute)
		assert.ElementsMatch(t, []string{first, failed, later}, got(), "a restart catches up")

		attempts, troubles := e.reported()
		require.Len(t, attempts, 3)
		assert.Empty(t, troubles)
		for _, a := range attempts {
			assert.True(t, a.Delivered())
			assert.Equal(t, 1, a.Number)
			assert.Equal(t, http.StatusOK, a.Code)
			assert.Equal(t, reducto.JobTypeParse, a.Type)
		}
		assert.LessOrEqual(t, attempts[0].Age, 4*time.Second)
		assert.InDelta(t, 8*time.Hour, attempts[2].Age, float64(time.Minute), "the age explains the delay")
	})
}

func TestRunFiltersJobs(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(l *listen.Listener, recorded string)
		want   []string
	}{
		"by default":         {func(*listen.Listener, string) {}, []string{"parse", "extract"}},
		"with records":       {func(l *listen.Listener, recorded string) { l.Records = recordsOf(recorded) }, []string{"recorded", "parse", "extract"}},
		"all":                {func(l *listen.Listener, _ string) { l.All = true }, []string{"before", "recorded", "parse", "extract"}},
		"types":              {func(l *listen.Listener, _ string) { l.Types = []reducto.JobType{"extract"} }, []string{"extract"}},
		"all of a type":      {func(l *listen.Listener, _ string) { l.All, l.Types = true, []reducto.JobType{"Parse"} }, []string{"before", "recorded", "parse"}},
		"one job":            {func(l *listen.Listener, recorded string) { l.JobID = strings.ToUpper(recorded) }, []string{"recorded"}},
		"from now, with all": {func(l *listen.Listener, _ string) { l.All, l.FromNow = true, true }, []string{"parse", "extract"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, e *env) {
				names := map[string]string{
					e.job(func(s *reductotest.SeedJob) { ended(s); s.CreatedAt, s.Persist = time.Now().Add(-30*time.Hour), true }): "too old",
					e.job(ended): "before",
				}
				recorded := e.job(ended)
				names[recorded] = "recorded"
				time.Sleep(5 * time.Minute)
				got := e.accept()
				l := e.listener()
				tt.change(l, recorded)
				e.start(l)
				names[e.job()] = "parse"
				names[e.job(func(s *reductotest.SeedJob) { s.Type = "Extract" })] = "extract"
				time.Sleep(time.Minute)
				var forwarded []string
				for _, id := range got() {
					forwarded = append(forwarded, names[id])
				}
				assert.ElementsMatch(t, tt.want, forwarded)
			})
		})
	}
}

// records are the records of some jobs.
type records map[string]inbox.Record

func recordsOf(ids ...string) records {
	r := records{}
	for _, id := range ids {
		r[id] = inbox.Record{JobID: id}
	}
	return r
}

func (r records) Get(_ context.Context, jobID string) (inbox.Record, error) {
	if one, ok := r[jobID]; ok {
		return one, nil
	}
	return inbox.Record{}, reducto.ErrNotFound
}

func TestRunGivesUpAfterFourAttemptsAndGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		e.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		})
		e.start(e.listener())
		job := e.job()
		time.Sleep(time.Minute)
		attempts, _ := e.reported()
		require.Len(t, attempts, listen.Attempts)
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 0} {
			assert.Equal(t, want, attempts[i].Retry)
			assert.Equal(t, i+1, attempts[i].Number)
			assert.Equal(t, http.StatusFound, attempts[i].Code, "a redirect is not followed")
			assert.Equal(t, i == 3, attempts[i].Failed())
		}
		got := e.accept()
		next := e.job()
		time.Sleep(time.Minute)
		assert.Equal(t, []string{next}, got(), "the listener goes on, and does not repeat the first job")
		e.stop()
		e.start(e.listener())
		time.Sleep(time.Minute)
		assert.Equal(t, []string{next}, got(), "a failed job is not repeated by a restart")
		e.stop()
		l := e.listener()
		l.RetryFailed = true
		e.start(l)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{next, job}, got(), "it is with RetryFailed")
	})
}

// The receiver has processed the job, and Reducto does not repeat a delivery after a 2xx.
func TestRunTakesTheStatusIfTheAnswerHasNoEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		e.serve(func(w http.ResponseWriter, r *http.Request) {
			body(r)
			w.WriteHeader(http.StatusOK)
			assert.NoError(t, http.NewResponseController(w).Flush())
			<-r.Context().Done()
		})
		e.start(e.listener())
		e.job()
		time.Sleep(2 * time.Minute)
		attempts, _ := e.reported()
		require.Len(t, attempts, 1)
		assert.True(t, attempts[0].Delivered())
	})
}

func TestAttemptErrorDoesNotRepeatTheURL(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		l := e.listener()
		l.Forward, _ = url.Parse("http://nowhere.test/webhook?token=hush")
		e.start(l)
		e.job()
		time.Sleep(time.Minute)
		attempts, _ := e.reported()
		require.Len(t, attempts, 4)
		require.Error(t, attempts[0].Err)
		assert.NotContains(t, attempts[0].Err.Error(), "hush")
		assert.Zero(t, attempts[0].Code)
	})
}

func TestReplaySendsAJobAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		got := e.accept()
		e.start(e.listener())
		job := e.job()
		time.Sleep(time.Minute)
		require.NoError(t, e.listener().Replay(t.Context(), job), "beside a running listener")
		assert.Equal(t, []string{job, job}, got())
		e.stop()
		require.NoError(t, e.listener().Replay(t.Context(), job))
		assert.Equal(t, []string{job, job, job}, got())

		e.srv.Hold()
		require.ErrorContains(t, e.listener().Replay(t.Context(), e.job()), "has not ended")
		require.ErrorIs(t, e.listener().Replay(t.Context(), "unknown"), reducto.ErrNotFound)
		e.srv.Mount("/webhook", nil)
		require.ErrorIs(t, e.listener().Replay(t.Context(), job), listen.ErrNotDelivered)
	})
}

func TestReplayBeforeTheFirstRunIsNoFirstRun(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		got := e.accept()
		job := e.job(ended)
		require.NoError(t, e.listener().Replay(t.Context(), job))
		time.Sleep(time.Hour)
		e.job(ended)
		time.Sleep(time.Hour)
		e.start(e.listener())
		time.Sleep(time.Minute)
		assert.Equal(t, []string{job}, got())
	})
}

func TestRunCountsFromItsStartIfTheFirstAnswerIsLate(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		e.job(ended)
		time.Sleep(time.Minute)
		got := e.accept()
		e.srv.Fault("GET /jobs", reductotest.Drop().Always())
		e.start(e.listener())
		time.Sleep(time.Hour)
		job := e.job(ended)
		time.Sleep(time.Hour)
		e.srv.ClearFaults()
		time.Sleep(5 * time.Minute)
		assert.Equal(t, []string{job}, got())
		_, troubles := e.reported()
		require.Len(t, troubles, 2)
		require.Error(t, troubles[0].Err)
		require.NoError(t, troubles[1].Err)
		assert.InDelta(t, 2*time.Hour, troubles[1].Lost, float64(time.Minute))
	})
}

// The clock of this machine is five minutes behind the API's.
func TestRunWithASlowClockForwardsNoOldJobs(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		at := func(d time.Duration) func(*reductotest.SeedJob) {
			return func(s *reductotest.SeedJob) { s.Status, s.CreatedAt = "Completed", time.Now().Add(d) }
		}
		old := e.job(at(4 * time.Minute))
		e.job(at(5 * time.Minute))
		got := e.accept()
		e.start(e.listener())
		fresh := e.job(at(5 * time.Minute))
		time.Sleep(10 * time.Second)
		assert.NotContains(t, got(), old)
		assert.Contains(t, got(), fresh)
	})
}

func TestRunObeysRetryAfter(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		got := e.accept()
		e.start(e.listener())
		job := e.job()
		before := len(e.srv.RequestsTo("GET /"))
		e.srv.Fault("GET /", reductotest.Status(429).Header("Retry-After", "600"))
		time.Sleep(599 * time.Second)
		assert.Equal(t, before+1, len(e.srv.RequestsTo("GET /")))
		assert.Empty(t, got())
		time.Sleep(time.Minute)
		assert.Equal(t, []string{job}, got())
		_, troubles := e.reported()
		require.Len(t, troubles, 2)
		require.ErrorIs(t, troubles[0].Err, reducto.ErrRateLimited)
		assert.Equal(t, 10*time.Minute, troubles[0].Retry)
	})
}

func TestRunEndsIfTheKeyIsRefusedAtFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		l := e.listener()
		e.srv.SetAPIKey("another")
		require.ErrorIs(t, l.Run(t.Context()), reducto.ErrUnauthorized)
		require.ErrorIs(t, l.Replay(t.Context(), "job"), reducto.ErrUnauthorized)
	})
}

func TestRunGoesOnIfTheKeyIsRefusedLater(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		got := e.accept()
		e.start(e.listener())
		key := e.srv.APIKey()
		e.srv.SetAPIKey("another")
		job := e.job()
		time.Sleep(time.Hour)
		e.srv.SetAPIKey(key)
		time.Sleep(2 * time.Minute)
		assert.Equal(t, []string{job}, got())
	})
}

func TestRunRefusesASecondListener(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		e.start(e.listener())
		require.ErrorIs(t, e.listener().Run(t.Context()), listen.ErrLocked)
		e.stop()
		e.start(e.listener())
	})
}

func TestRunRefusesAnIncompleteListener(t *testing.T) {
	t.Parallel()
	client, err := reducto.NewClient(reducto.WithAPIKey("key"), reducto.WithBaseURL("http://reducto.test"))
	require.NoError(t, err)
	full := func() *listen.Listener {
		return &listen.Listener{Client: client, Forward: &url.URL{Scheme: "http", Host: "localhost"}, State: "state"}
	}
	for name, change := range map[string]func(l *listen.Listener){
		"no client":             func(l *listen.Listener) { l.Client = nil },
		"URL to forward to":     func(l *listen.Listener) { l.Forward = nil },
		"to forward to is not":  func(l *listen.Listener) { l.Forward = &url.URL{Scheme: "ftp", Host: "localhost"} },
		"no state file":         func(l *listen.Listener) { l.State = "" },
		"a listen_test.unknown": func(l *listen.Listener) { l.Sign = unknown{} },
	} {
		l := full()
		change(l)
		require.ErrorContains(t, l.Run(t.Context()), name)
		require.ErrorContains(t, l.Replay(t.Context(), "job"), name)
	}
}

type unknown struct{ webhook.Verifier }

func TestRunStopsIfTheStateCannotBeWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		e.srv.Fault("GET /jobs", reductotest.Delay(time.Second))
		done := make(chan error, 1)
		go func() { done <- e.listener().Run(t.Context()) }()
		time.Sleep(time.Millisecond)
		require.NoError(t, os.RemoveAll(filepath.Dir(e.state)))
		require.ErrorContains(t, <-done, "the state file cannot be written")
	})
}

// A receiver that is answering when the listener is stopped is waited for.
func TestStopWaitsForTheReceiversAnswer(t *testing.T) {
	for name, tt := range map[string]struct{ takes, stops time.Duration }{
		"that comes":         {2 * time.Second, 2 * time.Second},
		"that does not come": {time.Hour, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, e *env) {
				var calls, done atomic.Int32
				e.serve(func(_ http.ResponseWriter, r *http.Request) {
					calls.Add(1)
					select {
					case <-time.After(tt.takes):
						done.Add(1)
					case <-r.Context().Done():
					}
				})
				e.start(e.listener())
				e.job(ended)
				for calls.Load() == 0 {
					time.Sleep(time.Millisecond)
				}
				began := time.Now()
				e.stop()
				assert.InDelta(t, tt.stops, time.Since(began), float64(50*time.Millisecond))
				e.serve(func(http.ResponseWriter, *http.Request) { calls.Add(1) })
				e.start(e.listener())
				time.Sleep(time.Minute)
				assert.EqualValues(t, 2, calls.Load()+done.Load(), "once more if there was no answer")
				attempts, _ := e.reported()
				require.Len(t, attempts, 1)
				assert.True(t, attempts[0].Delivered())
			})
		})
	}
}

// After a kill the file can end in a part of a line. Only the job that the receiver was
// processing is forwarded again.
func TestKilledListenerRepeatsOnlyTheJobInFlight(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		got := e.accept()
		e.start(e.listener())
		first := e.job(ended)
		time.Sleep(time.Minute)
		second := e.job(ended)
		var processing atomic.Bool
		e.serve(func(http.ResponseWriter, *http.Request) {
			processing.Store(true)
			time.Sleep(time.Second)
		})
		for !processing.Load() {
			time.Sleep(time.Millisecond)
		}
		killed, err := os.ReadFile(e.state)
		require.NoError(t, err)
		e.stop()
		whole, err := os.ReadFile(e.state)
		require.NoError(t, err)
		require.Greater(t, len(whole), len(killed))
		require.NoError(t, os.WriteFile(e.state, whole[:len(killed)+20], 0o600))
		e.serve(nil)
		again := e.accept()
		e.start(e.listener())
		time.Sleep(time.Minute)
		assert.Equal(t, []string{first}, got())
		assert.Equal(t, []string{second}, again())
	})
}

// While the network is lost, more jobs end than a page has. The scan after that is cut off.
func TestRunCatchesUpAfterALostNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		got := e.accept()
		e.start(e.listener())
		e.srv.Fault("GET /", reductotest.Drop().Always())
		for range 300 {
			time.Sleep(time.Second)
			e.job(ended)
		}
		e.srv.ClearFaults()
		e.srv.Fault("GET /jobs", reductotest.Delay(0), reductotest.Status(400))
		time.Sleep(5 * time.Minute)
		assert.Len(t, got(), 300)
		_, troubles := e.reported()
		require.Len(t, troubles, 4)
		assert.ErrorIs(t, troubles[2].Err, reducto.ErrInvalidRequest)
	})
}

// The oldest job ends last, when it is behind many pages.
func TestRunWaitsForOldJobs(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		got := e.accept()
		e.start(e.listener())
		e.srv.Hold()
		slow := e.job()
		gone := e.job()
		e.srv.Release()
		e.srv.SetStatus(slow, "InProgress")
		e.srv.SetStatus(gone, "InProgress")
		for range 20 {
			time.Sleep(time.Minute)
			for range 80 {
				e.job(ended)
			}
		}
		time.Sleep(time.Minute)
		require.Len(t, got(), 1600)
		before := len(e.srv.RequestsTo("GET /jobs"))
		time.Sleep(10 * time.Minute)
		pages := len(e.srv.RequestsTo("GET /jobs")) - before
		assert.LessOrEqual(t, pages, 3*300, "one job is fetched, the list is not read to its end")
		e.srv.Expire(gone)
		e.srv.SetStatus(slow, "")
		e.srv.Complete(slow)
		time.Sleep(time.Minute)
		assert.Contains(t, got(), slow)
		assert.Len(t, got(), 1601)
	})
}

// Many old jobs are listed, not fetched.
func TestRunListsManyOldJobs(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		got := e.accept()
		e.start(e.listener())
		e.srv.Hold()
		for range 300 {
			time.Sleep(time.Second)
			e.job()
		}
		time.Sleep(2 * time.Minute)
		assert.Less(t, len(e.srv.RequestsTo("GET /job")), 20)
		e.srv.Release()
		time.Sleep(2 * time.Minute)
		assert.Len(t, got(), 300)
	})
}

func TestRunWaitsForTheDatabase(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		got := e.accept()
		l := e.listener()
		db := &broken{Records: recordsOf()}
		l.Records = db
		db.err.Store(errors.New("the database is down"))
		e.start(l)
		job := e.job()
		time.Sleep(time.Hour)
		assert.Empty(t, got())
		db.err.Store(errNone)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{job}, got())
		_, troubles := e.reported()
		require.Len(t, troubles, 2)
		assert.Equal(t, "the database", troubles[0].What)
	})
}

// errNone is the error of a database that works.
var errNone = errors.New("")

type broken struct {
	listen.Records
	err atomic.Value
}

func (b *broken) Get(ctx context.Context, jobID string) (inbox.Record, error) {
	if err := b.err.Load().(error); err != errNone { //nolint:errorlint // a mark of this test
		return inbox.Record{}, err
	}
	return b.Records.Get(ctx, jobID)
}

// The state on disk has no key, no secret and no URL.
func TestStateHasNoSecrets(t *testing.T) {
	inBubble(t, func(t *testing.T, e *env) {
		e.accept()
		e.start(e.listener())
		job := e.job()
		time.Sleep(time.Minute)
		e.stop()
		text, err := os.ReadFile(e.state)
		require.NoError(t, err)
		assert.Contains(t, string(text), job)
		for _, secret := range []string{testSecret, e.srv.APIKey(), e.target.Host} {
			assert.NotContains(t, string(text)+e.state, secret)
		}
		info, err := os.Stat(e.state)
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o077)
	})
}

func TestStatePathDiffersForEachRun(t *testing.T) {
	t.Parallel()
	a, b := &url.URL{Scheme: "http", Host: "a"}, &url.URL{Scheme: "http", Host: "b"}
	seen := map[string]bool{}
	for _, path := range []string{
		listen.StatePath("dir", "http://api", "key", a), listen.StatePath("dir", "http://api", "key", b),
		listen.StatePath("dir", "http://api", "other", a), listen.StatePath("dir", "http://eu.api", "key", a),
		listen.StatePath("dir", "http://apikey", "", a),
	} {
		assert.False(t, seen[path])
		seen[path] = true
		assert.True(t, strings.HasPrefix(path, "dir/listen-"), fmt.Sprint(path))
	}
	assert.Equal(t, listen.StatePath("dir", "http://api", "key", a), listen.StatePath("dir", "http://api/", "key", a))
}
