package scenarios_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
	"github.com/reducto-go/reducto/webhook/inbox"
	. "github.com/reducto-go/reducto/webhook/inbox/internal/inboxtest"
)

// Scenario 61. The store has no secret either, in any file or table.
func secretsAppearNowhere(signed bool) func(*testing.T, *Env) {
	const personal = "Jane Doe, 1 Main Street"
	return func(t *testing.T, e *Env) {
		var verifier webhook.Verifier = e.Secret
		if signed {
			verifier = newSigner(t, "k1", "k2")
		}
		p := e.ProcessOf(verifier, func(ctx context.Context, d *webhook.Delivery) error {
			switch d.Attempt {
			case 1:
				panic(fmt.Sprintf("%+v %+v %+v", d, d.Event, verifier))
			case 2:
				return fmt.Errorf("not now: %+v %+v %+v", d, d.Event, verifier)
			}
			return e.Work(ctx, d)
		}, inbox.WithHistory())
		e.Srv.WebhookFault(reductotest.Combine(
			reductotest.ForgeBefore(reductotest.Forgery{Secret: "wrong-" + Canary}),
			reductotest.ForgeBefore(reductotest.Forgery{Body: []byte(`{"` + Canary + `":1,"` + Canary + `":2}`)}),
			reductotest.AlsoFailed()))
		metadata := reducto.Async{Metadata: map[string]any{"name": personal}}
		job := p.Announced(metadata)
		require.Contains(t, string(e.Srv.Jobs()[0].Metadata), "secret")
		p.Submit(metadata)
		first := e.Dump()
		for range 3 {
			p.Later(time.Minute)
		}
		e.Done(job.JobID, webhook.OutcomeCompleted)
		mend := e.Cut()
		_, err := p.Client.ParseAsync(t.Context(), Document)
		require.Error(t, err)
		failed := p.RunOnce(t.Context(), p.Client)
		require.Error(t, failed)
		mend()
		p.Flush()
		stats, _ := p.Stats(t.Context())
		token := regexp.MustCompile(`v1\.k1\.[^"]*`).FindString(string(e.Srv.Jobs()[0].Metadata))
		texts := map[string]string{
			"the store before": first, "the store after": e.Dump(), "the log": e.Log.Text(),
			"errors": fmt.Sprint(err, failed), "metrics": fmt.Sprint(e.Meter.Names()), "values": fmt.Sprintf("%+v %+v %+v", p.Inbox, stats, e.Records()),
		}
		for _, d := range e.Srv.Deliveries(job.JobID) {
			texts["answers"] += string(d.Answer)
		}
		for where, text := range texts {
			for _, secret := range []string{Canary, e.Srv.APIKey(), token} {
				assert.False(t, secret != "" && strings.Contains(text, secret), "%s: %q", where, secret)
			}
		}
		assert.Equal(t, "inbox.Inbox", fmt.Sprintf("%+v", p.Inbox))
		assert.Contains(t, first, personal, "this is what the store keeps")
		assert.False(t, e.Log.Has("Main Street"))
	}
}

// Scenario 62.
func labels(t *testing.T, e *Env) {
	p := e.Process(func(_ context.Context, d *webhook.Delivery) error {
		d.Outcome = webhook.Outcome(d.JobID) // the function can do what it likes
		if rand.IntN(2) == 0 {
			return fmt.Errorf("failed: %s", d.JobID)
		}
		return nil
	})
	for i := range 100 {
		var status strings.Builder
		for range rand.IntN(20) {
			status.WriteRune(rune(rand.IntN(0x900) + 1))
		}
		id := fmt.Sprintf("job-%d", i)
		e.Srv.SeedJob(reductotest.SeedJob{ID: id, Status: []string{"Completed", "Failed", "Cancelled"}[i%3]})
		Post(p, Payload(status.String(), id, []string{Signed(), Signed(`"submission_id":"s-` + id + `"`), `{}`}[i%3]))
	}
	p.Start() // for its gauges
	e.Until("some are done", func() bool { return len(e.Records(inbox.StateDone)) > 10 })
	e.Until("they are measured", func() bool { return slices.Contains(e.Meter.Names(), "records{dead}") })
	p.Flush()
	allowed := regexp.MustCompile(`^[a-z_]+(\{(` + strings.Join([]string{
		"accepted", "duplicate", "refused", "unauthorized", "invalid", "no_secret", "wrong_secret", "current", "previous-1",
		"done", "failed", "completed", "cancelled", "expired", "unknown", "ok", "not_found", "pending", "received", "claimed", "dead",
	}, "|") + `)\})?$`)
	for _, name := range e.Meter.Names() {
		assert.Regexp(t, allowed, name)
	}
}

// Scenario 63.
func storePanicsInWorker(t *testing.T, e *Env) {
	p := e.Process(e.Work, inbox.WithLease(time.Second))
	p.Spy.Before(func(_ context.Context, m string) error {
		if m == "Finish" || m == "Extend" {
			panic(errors.New(Canary))
		}
		return nil
	})
	job := p.Announced(reducto.Async{})
	p.Start()
	e.Until("it is repeated", func() bool { return e.Log.Count(slog.LevelError, "the completion is recorded again") > 1 })
	p.Flush()
	e.Process(nothing).Later(time.Minute)
	assert.Equal(t, inbox.StateDone, e.Record(job.JobID).State)
	assert.False(t, e.Log.Has(Canary))
}

// Scenario 63.
func observersMisbehave(t *testing.T, e *Env) {
	gate, open := Gate(t)
	for name, misbehave := range map[string]func(){
		"panics": func() { panic(Canary) }, "exits": runtime.Goexit, "blocks": func() { <-gate },
	} {
		p := e.Process(e.Work, inbox.WithObserver(hooks(misbehave)), inbox.WithLogger(slog.New(hooks(misbehave))))
		var ids []string
		for i := range 20 {
			id := fmt.Sprintf("job-%s-%d", name, i)
			ids = append(ids, id)
			e.Srv.SeedJob(reductotest.SeedJob{ID: id, Status: "Completed"})
			require.Equal(t, http.StatusOK, Post(p, Genuine(id)))
		}
		p.Once()
		for _, id := range ids {
			e.Done(id, webhook.OutcomeCompleted)
		}
		stats, err := p.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, name != "blocks", stats.MeasurementsLost > 0 && stats.LogLost > 0, name)
	}
	open()
}

// hooks is an inbox.Observer and a slog.Handler.
type hooks func()

func (h hooks) Count(string, string, int64)               { h() }
func (h hooks) Observe(string, float64)                   { h() }
func (h hooks) Gauge(string, string, float64)             { h() }
func (h hooks) Enabled(context.Context, slog.Level) bool  { return true }
func (h hooks) Handle(context.Context, slog.Record) error { h(); return nil }
func (h hooks) WithAttrs([]slog.Attr) slog.Handler        { return h }
func (h hooks) WithGroup(string) slog.Handler             { return h }
