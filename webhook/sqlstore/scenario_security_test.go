package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

// Not in what the store keeps either, in whatever file or table.
func TestScenario61_SecretsAppearNowhere(t *testing.T) {
	const personal = "Jane Doe, 1 Main Street"
	for name, verifier := range map[string]func(t *testing.T, p *plant) webhook.Verifier{
		"Secret": func(_ *testing.T, p *plant) webhook.Verifier { return p.secret },
		"Signer": func(t *testing.T, _ *plant) webhook.Verifier { return newSigner(t, "k1", "k2") },
	} {
		t.Run(name, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, p *plant) {
				q := p.processOf(verifier(t, p), func(ctx context.Context, d *webhook.Delivery) error {
					switch d.Attempt {
					case 1:
						panic(fmt.Sprintf("%+v", d.Event))
					case 2:
						return fmt.Errorf("not now: %+v", d.Event)
					}
					return p.work(ctx, d)
				})
				p.srv.WebhookFault(reductotest.Combine(
					reductotest.ForgeBefore(reductotest.Forgery{Secret: "wrong-" + canary}),
					reductotest.ForgeBefore(reductotest.Forgery{Body: []byte(`{"` + canary + `":1,"` + canary + `":2}`)}),
					reductotest.AlsoFailed()))
				job := q.announced(reducto.Async{Metadata: map[string]any{"name": personal}})
				require.Contains(t, string(p.srv.Jobs()[0].Metadata), "secret", "it was there")
				waiting := q.submit(reducto.Async{Metadata: map[string]any{"name": personal}})
				require.NotEmpty(t, waiting.JobID)
				first := p.dump()
				for range 3 {
					q.later(time.Minute)
				}
				p.requireDone(job.JobID, webhook.OutcomeCompleted)
				mend := p.cut()
				_, err := q.client.ParseAsync(t.Context(), reducto.ParseRequest{Input: aDocument})
				require.Error(t, err)
				unhealthy := q.RunOnce(t.Context(), q.client)
				require.Error(t, unhealthy)
				mend()
				require.NoError(t, q.Shutdown(t.Context())) // all is logged
				token := regexp.MustCompile(`v1\.k1\.[^"]*`).FindString(string(p.srv.Jobs()[0].Metadata))
				for where, text := range map[string]string{
					"the store before": first, "the store after": p.dump(), "the log": p.log.text(),
					"errors": fmt.Sprint(err, unhealthy), "metrics": fmt.Sprint(p.meter.all()),
				} {
					for _, secret := range []string{canary, p.srv.APIKey(), token} {
						assert.False(t, secret != "" && strings.Contains(text, secret), "%s: %q", where, secret)
					}
				}
				assert.Contains(t, first, personal, "what is looked at is what the store keeps")
				assert.NotContains(t, p.log.text(), "Main Street")
			})
		})
	}
}

func TestScenario62_LabelsAreBounded(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(func(_ context.Context, d *webhook.Delivery) error {
			d.Outcome = webhook.Outcome(d.JobID) // the function may do what it wants
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
			p.srv.SeedJob(reductotest.SeedJob{ID: id, Status: []string{"Completed", "Failed", "Cancelled"}[i%3]})
			post(q, payload(status.String(), id, []string{signed(), signed(`"submission_id":"s-` + id + `"`), `{}`}[i%3]))
		}
		q.run() // for its gauges
		p.until("much is done", func() bool { return len(p.records(webhook.StateDone)) > 10 })
		p.until("it is measured", func() bool { return slices.Contains(p.meter.all(), "records{done}") })
		require.NoError(t, q.Shutdown(t.Context()))
		labels := regexp.MustCompile(`^[a-z_]+(\{(` + strings.Join([]string{
			"accepted", "duplicate", "refused", "unauthorized", "invalid", "no_secret", "wrong_secret", "current", "previous-1",
			"done", "failed", "completed", "cancelled", "expired", "unknown", "ok", "not_found", "pending", "received", "claimed", "dead",
		}, "|") + `)\})?$`)
		for _, name := range p.meter.all() {
			assert.Regexp(t, labels, name)
		}
	})
}

// A store of the user's can panic, whatever it is asked, and so can its observer.
func TestScenario63_StoreThatPanics(t *testing.T) {
	onEveryStore(t, func(t *testing.T, p *plant) {
		q := p.process(p.work, webhook.WithObserver(panickingObserver{}))
		before := q.announced(reducto.Async{})
		p.srv.Hold()
		pending := q.submit(reducto.Async{})
		for _, method := range []string{"Overdue", "Lock", "Purge", "Stats", "List", "Claim", "Receive", "Submit", "Bind", "Withdraw", "Replay"} {
			q.spy.breaks(func(_ context.Context, m string) error {
				if m == method {
					panic(canary)
				}
				return nil
			}, nil)
			worker := p.process(p.work)
			worker.spy.breaks(q.spy.before, nil)
			_ = worker.RunOnce(t.Context(), worker.client)
			id := p.srv.SeedJob(reductotest.SeedJob{Status: "Completed"})
			code := post(q, genuine(id))
			assert.Equal(t, method == "Receive", code == http.StatusServiceUnavailable, method)
			_, err := q.Stats(t.Context())
			assert.Equal(t, method == "Stats", err != nil, method)
		}
		q.spy.breaks(nil, nil)
		p.srv.Release()
		p.attempts(pending.JobID, 1)
		next := p.process(p.work)
		next.later(webhook.DefaultLease + time.Minute)
		p.requireDone(before.JobID, webhook.OutcomeCompleted)
		p.requireDone(pending.JobID, webhook.OutcomeCompleted)
		assert.Len(t, p.records(), 12, "two were submitted, and ten of eleven taken in")
		assert.NotContains(t, p.log.text(), canary)
	})

	t.Run("in its workers", func(t *testing.T) {
		onEveryStore(t, func(t *testing.T, p *plant) {
			q := p.process(p.work, webhook.WithLease(time.Second))
			broken := []string{"Finish", "Extend"}
			q.spy.breaks(func(_ context.Context, m string) error {
				if slices.Contains(broken, m) {
					panic(errors.New(canary))
				}
				return nil
			}, nil)
			job := q.announced(reducto.Async{})
			q.run()
			p.until("its failure is logged", func() bool {
				return p.log.count(t, slog.LevelError, "what became of the record is recorded again") > 1
			})
			require.NoError(t, q.Shutdown(t.Context()), "it gives up when its lease ends")
			next := p.process(func(context.Context, *webhook.Delivery) error { return nil })
			next.later(time.Minute)
			assert.Equal(t, webhook.StateDone, p.record(job.JobID).State)
			assert.NotContains(t, p.log.text(), canary)
		})
	})
}

type panickingObserver struct{}

func (panickingObserver) Count(string, string, int64)   { panic("count") }
func (panickingObserver) Observe(string, float64)       { panic("observe") }
func (panickingObserver) Gauge(string, string, float64) { panic("gauge") }
