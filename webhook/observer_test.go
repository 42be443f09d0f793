package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// observerFunc is an Observer that is one function.
type observerFunc func(name, label string, value float64)

func (f observerFunc) Count(name, label string, n int64)       { f(name, label, float64(n)) }
func (f observerFunc) Observe(name string, seconds float64)    { f(name, "", seconds) }
func (f observerFunc) Gauge(name, label string, value float64) { f(name, label, value) }

func TestObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.start(func(_ context.Context, d *webhook.Delivery) error {
			time.Sleep(2 * time.Second)
			switch {
			case d.Outcome == webhook.OutcomeFailed:
				return webhook.Permanent(errors.New("unusable"))
			case d.Attempt == 1:
				return errors.New("not now")
			}
			return nil
		}, webhook.WithBackoff(time.Second, time.Second), webhook.WithWorkers(1))
		p.submit(reducto.Async{})
		rest(20 * time.Second)
		s.srv.FailNext("it did not work", "")
		s.srv.WebhookFault(reductotest.Duplicate(1))
		p.submit(reducto.Async{})
		rest(20 * time.Second)
		s.srv.Hold()
		p.submit(reducto.Async{})
		requireAnswer(t, post(p, "nonsense"), http.StatusBadRequest)
		requireAnswer(t, post(p, payload("Completed", jobA, "{}")), http.StatusUnauthorized)
		rest(40 * time.Second)

		s.meter.mu.Lock()
		defer s.meter.mu.Unlock()
		assert.Equal(t, map[string]int64{
			"deliveries{accepted}": 2, "deliveries{duplicate}": 1, "deliveries{invalid}": 1, "deliveries{unauthorized}": 1, "unauthorized{no_secret}": 1,
			"keys{current}": 3, "handled{done}": 1, "handled{failed}": 1, "handled{permanent}": 1,
			"outcomes{completed}": 1, "dead": 1,
		}, s.meter.counts)
		assert.Equal(t, []float64{2, 2, 2}, s.meter.values["handler_seconds"])
		assert.Len(t, s.meter.values["intake_seconds"], 5)
		assert.Len(t, s.meter.values["age_at_start_seconds"], 3)
		require.Len(t, s.meter.values["webhook_lag_seconds"], 2, "once a job")
		for _, lag := range s.meter.values["webhook_lag_seconds"] {
			assert.InDelta(t, 0, lag, 0.1, "nothing was late")
		}
		assert.InDelta(t, 5, s.meter.values["submit_to_done_seconds"][0], 0.5)
		for name, want := range map[string]float64{
			"records{pending}": 1, "records{received}": 0, "records{claimed}": 0, "records{done}": 1, "records{dead}": 1,
			"oldest_due_seconds": 0, "active_leases": 0,
		} {
			assert.InDelta(t, want, s.meter.gauges[name], 0, name)
		}
		assert.InDelta(t, 35, s.meter.gauges["oldest_pending_seconds"], 15)
		assert.InDelta(t, 12*3600-35, s.meter.gauges["nearest_expiry_seconds"], 15)
	})

	t.Run("gauges of what has ended do not stay", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			p := s.start(nothing)
			s.srv.Hold()
			job := p.submit(reducto.Async{})
			rest(time.Hour)
			assert.Less(t, s.meter.gauge("nearest_expiry_seconds"), 11*3600.0+60)
			s.srv.Complete(job.JobID)
			rest(time.Minute)
			assert.InDelta(t, 12*3600, s.meter.gauge("nearest_expiry_seconds"), 0)
			assert.Zero(t, s.meter.gauge("oldest_pending_seconds"))
		})
	})
}

func TestScenario62_LabelsAreBoundedInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.start(func(_ context.Context, d *webhook.Delivery) error {
			d.Outcome = webhook.Outcome(d.JobID) // the function may do what it wants
			if rand.IntN(2) == 0 {
				return fmt.Errorf("failed: %s", d.JobID)
			}
			return nil
		}, webhook.WithJobLife(time.Hour, 30*time.Minute))
		for i := range 1000 {
			var status strings.Builder
			for range rand.IntN(20) {
				status.WriteRune(rune(rand.IntN(0x900) + 1))
			}
			id := fmt.Sprintf("job-%d", i)
			s.srv.SeedJob(reductotest.SeedJob{ID: id, Status: []string{"Completed", "Failed", "Cancelled"}[i%3]})
			metadata := []string{signed(), signed(`"submission_id":"s-` + id + `"`), `{}`, `{"secret":"` + oldSecret + `"}`}[i%4]
			requireSome(t, post(p, payload(status.String(), id, metadata)).Code, 200, 400, 401)
		}
		rest(2 * time.Hour)
		allowed := map[string][]string{
			"deliveries": {"accepted", "duplicate", "refused", "unauthorized", "invalid", "too_large", "store_error"},
			"keys":       {"current", "previous-1"},
			"unauthorized": {
				"no_secret", "wrong_secret", "expired_token", "unknown_key", "no_signature", "bad_signature", "timestamp", "other",
			},
			"handled":  {"done", "failed", "panicked", "permanent", "expired", "shutdown", "not_committed"},
			"outcomes": {"completed", "failed", "cancelled", "expired", "unknown"},
			"fenced":   nil, "conflicts": nil, "dead": nil, "reconciled": nil,
			"polls":   {"ok", "not_found", "rate_limited", "unauthorized", "error"},
			"records": {"pending", "received", "claimed", "done", "dead"}, "oldest_due_seconds": nil, "oldest_pending_seconds": nil,
			"nearest_expiry_seconds": nil, "active_leases": nil,
		}
		s.meter.mu.Lock()
		defer s.meter.mu.Unlock()
		for _, name := range slices.Concat(slices.Collect(maps.Keys(s.meter.counts)), slices.Collect(maps.Keys(s.meter.gauges))) {
			base, label, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
			labels, known := allowed[base]
			assert.True(t, known, name)
			assert.True(t, label == "" && labels == nil || slices.Contains(labels, label), name)
		}
		assert.NotEmpty(t, s.meter.counts)
	})
}

func requireSome(t *testing.T, got int, want ...int) {
	t.Helper()
	require.Contains(t, want, got)
}

func TestScenario63_ObserverThatMisbehavesInbox(t *testing.T) {
	t.Parallel()
	for name, misbehave := range map[string]func(stuck chan struct{}){
		"panics":             func(chan struct{}) { panic("observer") },
		"ends its goroutine": func(chan struct{}) { runtime.Goexit() },
		"blocks":             func(stuck chan struct{}) { <-stuck },
		"takes time":         func(chan struct{}) { time.Sleep(10 * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				stuck := newGate()
				var f counter
				p := s.start(f.process,
					webhook.WithObserver(observerFunc(func(string, string, float64) { misbehave(stuck) })),
					webhook.WithLogger(slog.New(hookHandler(func(slog.Record) { misbehave(stuck) }))))
				began := time.Now()
				for i := range 900 {
					id := fmt.Sprintf("job-%d", i)
					s.srv.SeedJob(reductotest.SeedJob{ID: id, Status: "Completed"})
					requireAnswer(t, post(p, genuine(id)), http.StatusOK)
				}
				assert.Zero(t, time.Since(began), "nobody waited")
				rest(time.Minute)
				assert.Equal(t, 900, f.count())
				stats, err := p.Stats(t.Context())
				require.NoError(t, err)
				assert.Positive(t, stats.Lost, "the queue is bounded")
				assert.EqualValues(t, 900, stats.Accepted)
				close(stuck)
			})
		})
	}
}

func TestExpvar(t *testing.T) {
	t.Parallel()
	name := fmt.Sprintf("reducto-test-%x", rand.Uint64()) // what is published stays, also when the test runs again
	e, err := webhook.NewExpvar(name)
	require.NoError(t, err)
	_, err = webhook.NewExpvar(name)
	require.ErrorContains(t, err, `"`+name+`" is published already`)
	_, err = webhook.NewExpvar("memstats")
	require.Error(t, err)

	e.Count(webhook.MetricDeliveries, "accepted", 2)
	e.Count(webhook.MetricDeliveries, "accepted", 1)
	e.Count(webhook.MetricDead, "", 1)
	e.Gauge(webhook.MetricRecords, "done", 7)
	e.Gauge(webhook.MetricRecords, "done", 8.5)
	for _, seconds := range []float64{0.0001, 0.3, 1e9} {
		e.Observe(webhook.MetricIntakeSeconds, seconds)
	}
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(expvar.Get(name).String()), &got))
	assert.Equal(t, 3.0, got["deliveries{accepted}"])
	assert.Equal(t, 1.0, got["dead"])
	assert.Equal(t, 8.5, got["records{done}"])
	h := got["intake_seconds"].(map[string]any)
	assert.Equal(t, 3.0, h["count"])
	assert.InDelta(t, 1e9+0.3001, h["sum"], 1)
	assert.Equal(t, 1.0, h["le_0.001"])
	assert.Equal(t, 2.0, h["le_0.5"])
	assert.Equal(t, 2.0, h["le_43200"])
	assert.Equal(t, 3.0, h["le_+Inf"])

	// As the observer of an inbox.
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.start(nothing, webhook.WithObserver(e))
		p.submit(reducto.Async{})
		rest(time.Minute)
	})
	require.NoError(t, json.Unmarshal([]byte(expvar.Get(name).String()), &got))
	assert.Equal(t, 4.0, got["deliveries{accepted}"])
	assert.Equal(t, 1.0, got["outcomes{completed}"])
}

func TestScenario61_SecretsAppearNowhereInbox(t *testing.T) {
	t.Parallel()
	const personal = "Jane Doe, 1 Main Street"
	var out, text strings.Builder
	signer := newSigner(t, "k1", "k2")
	log := newLogBook(t)
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.log = log
		p := s.make(signer, func(ctx context.Context, d *webhook.Delivery) error {
			out.WriteString(printed(d))
			text.WriteString(shown(d))
			switch d.Attempt {
			case 1:
				panic(fmt.Sprintf("%+v %+v", d, signer))
			case 2:
				return fmt.Errorf("not now: %+v %+v", d, signer)
			}
			return nil
		})
		p.run()
		s.srv.WebhookFault(reductotest.Combine(
			reductotest.ForgeBefore(reductotest.Forgery{Secret: "wrong-" + canary}),
			reductotest.ForgeBefore(reductotest.Forgery{Body: []byte(`{"` + canary + `":1,"` + canary + `":2}`)}),
			reductotest.ForgeBefore(reductotest.Forgery{Status: "Failed", Secret: string(keyOf("k1"))}),
			reductotest.AlsoFailed()))
		job := p.submit(reducto.Async{Metadata: map[string]any{"name": personal}})
		token := tokenOf("k1", job.SubmissionID, time.Now().Add(webhook.DefaultTokenLife).Unix())
		rest(time.Minute)
		assert.Contains(t, string(s.srv.Jobs()[0].Metadata), token, "the canary was there")
		p.spy.breaks(func(context.Context, string) error { return errDown }, nil)
		_, err := p.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: reducto.URL("https://example.com/a.pdf")})
		require.Error(t, err)
		requireAnswer(t, serveRequest(p, webhook.NewTestRequest("/", signer, jobA, "Completed", nil)), http.StatusServiceUnavailable)
		rest(time.Minute)
		p.spy.breaks(nil, nil)
		s.srv.SetAPIKey("another")
		rest(time.Minute)
		s.srv.SetAPIKey(p.site.srv.APIKey())
		stats, _ := p.Stats(t.Context())
		for _, v := range []any{p.Inbox, err, stats, p.Healthy(), s.records(), s.meter.counts, s.meter.gauges} {
			out.WriteString(printed(v))
		}
		for _, r := range s.records() {
			assert.NotContains(t, string(r.Metadata), "secret")
			require.Equal(t, webhook.StateDone, r.State)
		}
		for _, d := range s.srv.Deliveries(job.JobID) {
			out.Write(d.Answer)
		}
		assert.Equal(t, "webhook.Inbox", fmt.Sprintf("%+v", p.Inbox))
		out.WriteString(log.text.String())
		text.WriteString(log.text.String())
		for _, secret := range []string{canary, string(keyOf("k1")), token, s.srv.APIKey()} {
			assert.False(t, leaks(out.String(), secret), "%q is in the output", secret)
		}
		assert.False(t, leaks(text.String(), personal), "the metadata is in the output")
	})
	require.NotEmpty(t, log.records(slog.LevelError, "failed; it is called again"))
}
