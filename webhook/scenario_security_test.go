package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
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

// shown is v as people print and log it.
func shown(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%08.3v"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	fmt.Fprintln(&b, v, []any{v}, map[string]any{"v": v}, struct{ V any }{v})
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).With("with", v).Info("record", "value", v, slog.Group("group", "v", v))
	}
	return b.String()
}

// printed is v in every way in which it could end up somewhere, those included
// that look into its fields.
func printed(v any) string {
	var b strings.Builder
	b.WriteString(shown(v))
	for _, verb := range []string{"%v", "%+v", "%#v", "%p", "%w"} { // no Format is asked for the last two
		fmt.Fprintf(&b, verb+verb+verb+"\n", v, struct{ v any }{v}, &struct{ v any }{v})
	}
	if raw, err := json.Marshal(v); err == nil {
		b.Write(raw)
	} else {
		fmt.Fprintln(&b, err)
	}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("record", "struct", struct{ V any }{v})
	return b.String()
}

// leaks reports whether text has a secret in it, in hex or as a list of numbers
// too.
func leaks(text, secret string) bool {
	numbers := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
	return strings.Contains(text, secret) || strings.Contains(text, numbers) ||
		strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", secret))
}

func TestScenario61_SecretsAppearNowhere(t *testing.T) {
	t.Parallel()
	const personal = "Jane Doe, 1 Main Street"
	var out, text strings.Builder
	see := func(values ...any) {
		for _, v := range values {
			out.WriteString(printed(v))
			text.WriteString(shown(v))
		}
	}

	secret := newSecret(t, testSecret, oldSecret)
	see(secret, *secret, &secret, []*webhook.Secret{secret}, map[string]webhook.Verifier{"k": secret}, struct{ s *webhook.Secret }{secret})
	raw, err := secret.MarshalText()
	require.NoError(t, err)
	see(string(raw))

	for _, bad := range [][]string{
		{testSecret + " "}, {"\n" + testSecret}, {canary + "short"}, {testSecret, testSecret}, {testSecret, oldSecret, oldSecret},
		{testSecret + "\xff"}, {testSecret + strings.Repeat("x", 2000)}, {testSecret, ""}, {testSecret, canary + "short"},
	} {
		_, err := webhook.NewSecret(bad[0], bad[1:]...)
		require.Error(t, err)
		see(err)
	}

	log := newLogBook(t)
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		client := srv.Client(reducto.WithSubmitHook(secret), reducto.WithLogger(log.logger()))
		f := counter{then: func(ctx context.Context, d *webhook.Delivery) error {
			see(d, *d, d.Event, &d.Event)
			metadata := map[string]any{}
			assert.NoError(t, d.DecodeMetadata(&metadata))
			assert.Equal(t, map[string]any{"name": personal}, metadata)
			see(d.DecodeMetadata(new(int)))
			switch d.Attempt {
			case 1:
				panic(fmt.Sprintf("%+v", d))
			case 2:
				return fmt.Errorf("not now: %+v %+v", d, secret)
			}
			return nil
		}}
		h, err := webhook.NewHandler(secret, f.process, webhook.WithClient(client), webhook.WithLogger(log.logger()))
		require.NoError(t, err)
		see(h)
		hook := srv.Mount("/webhook", h)
		srv.WebhookFault(reductotest.Combine(
			reductotest.ForgeBefore(reductotest.Forgery{Secret: "wrong-" + canary}),
			reductotest.ForgeBefore(reductotest.Forgery{Body: []byte(testSecret)}),
			reductotest.ForgeBefore(reductotest.Forgery{Body: []byte(`{"status":"` + testSecret + `\n","job_id":"` + testSecret + `/","metadata":1}`)}),
			reductotest.ForgeBefore(reductotest.Forgery{Body: []byte(`{"` + testSecret + `":1,"` + testSecret + `":2}`)}),
			reductotest.AlsoFailed(),
		))
		job := submit(t, client, reducto.Async{
			Webhook:  reducto.DirectWebhook(hook),
			Metadata: map[string]any{"name": personal},
		})
		time.Sleep(time.Minute)
		assert.Equal(t, 3, f.count())
		for _, d := range srv.Deliveries(job.JobID) {
			out.Write(d.Answer)
			if !d.Forged {
				assert.Contains(t, string(d.Body), testSecret, "the canary was there")
			}
		}
		_, err = secret.Verify(nil, []byte(`{"`+testSecret+`":1}`))
		see(err)
		_, err = secret.Verify(nil, []byte(payload("Completed", jobA, `{"secret":"`+canary+`"}`)))
		see(err)
		see(h.Stats())
		require.NoError(t, h.Shutdown(t.Context()))
		see(fmt.Sprint(h))
	})
	out.WriteString(log.text.String())
	text.WriteString(log.text.String())

	require.NotEmpty(t, log.records(slog.LevelError, "panicked"))
	require.NotEmpty(t, log.records(slog.LevelWarn, "failed"))
	require.Contains(t, out.String(), "[redacted]")
	for _, s := range []string{canary, testSecret, oldSecret} {
		assert.False(t, leaks(out.String(), s), "%q is in the output", s)
	}
	assert.False(t, leaks(text.String(), personal), "the metadata is in the output")
	assert.Contains(t, out.String(), personal, "but marshalled it is, for whoever keeps events")
	assert.True(t, leaks(printed([]byte(canary)), canary), "the search finds what it is to find")
}

// hookHandler is a slog.Handler that calls a function.
type hookHandler func(slog.Record)

func (h hookHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h hookHandler) Handle(_ context.Context, r slog.Record) error {
	h(r)
	return nil
}
func (h hookHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h hookHandler) WithGroup(string) slog.Handler      { return h }

func TestScenario63_LoggerThatMisbehaves(t *testing.T) {
	t.Parallel()
	t.Run("panics", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, nothing, webhook.WithLogger(slog.New(hookHandler(func(slog.Record) { panic("logger") }))))
		for i := range 10 {
			requireAnswer(t, post(h, genuine(fmt.Sprintf("job-%d", i))), http.StatusOK)
		}
		flush(t, h)
		assert.EqualValues(t, 10, h.Stats().LogLost)
	})

	t.Run("ends its goroutine", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, nothing, webhook.WithLogger(slog.New(hookHandler(func(slog.Record) { runtime.Goexit() }))))
		for i := range 10 {
			requireAnswer(t, post(h, genuine(fmt.Sprintf("job-%d", i))), http.StatusOK)
		}
		flush(t, h)
		assert.EqualValues(t, 10, h.Stats().LogLost)
	})

	t.Run("fails", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, nothing, webhook.WithLogger(slog.New(slog.NewTextHandler(failingWriter{}, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		flush(t, h)
		assert.EqualValues(t, 1, h.Stats().LogLost)
	})

	t.Run("blocks", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			stuck := newGate()
			h := newHandler(t, nothing, webhook.WithLogger(slog.New(hookHandler(func(slog.Record) { <-stuck }))))
			began := time.Now()
			for i := range 1000 {
				requireAnswer(t, post(h, genuine(fmt.Sprintf("job-%d", i))), http.StatusOK)
			}
			requireAnswer(t, post(h, genuine("job-1")), http.StatusOK)
			requireAnswer(t, post(h, "nonsense"), http.StatusBadRequest)
			assert.Zero(t, time.Since(began), "nobody waited")
			assert.GreaterOrEqual(t, h.Stats().LogLost, uint64(700), "the queue is bounded")
			close(stuck)
		})
	})

	t.Run("blocks when asked for its level", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			stuck := newGate()
			h := newHandler(t, nothing, webhook.WithLogger(slog.New(stuckLevel{stuck: stuck})))
			requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
			close(stuck)
		})
	})
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

type stuckLevel struct {
	hookHandler
	stuck chan struct{}
}

func (h stuckLevel) Enabled(context.Context, slog.Level) bool {
	<-h.stuck
	return false
}

func TestRefusalsAreReportedInMeasure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newLogBook(t)
		h := newHandler(t, nothing, webhook.WithLogger(log.logger()))
		forged := payload("Completed", "job-of-a-stranger", `{"secret":"wrong"}`)
		for range 19 {
			post(h, forged)
		}
		synctest.Wait()
		assert.Len(t, log.records(slog.LevelWarn, "wrong secret"), 1)
		assert.Empty(t, log.records(slog.LevelError, ""))

		time.Sleep(time.Second)
		post(h, forged) // the 20th in a row
		for range 100 {
			post(h, forged)
		}
		synctest.Wait()
		warnings := log.records(slog.LevelWarn, "wrong secret")
		require.Len(t, warnings, 2)
		assert.EqualValues(t, 18, warnings[1]["suppressed"])
		alarms := log.records(slog.LevelError, "all refused")
		require.Len(t, alarms, 1, "one alarm")
		assert.Contains(t, alarms[0]["msg"], "was it rotated?")

		// One that passes ends the streak, and the alarm is raised again, in measure.
		time.Sleep(time.Minute)
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		for range 19 {
			post(h, payload("Completed", jobA, `{}`))
		}
		synctest.Wait()
		assert.Len(t, log.records(slog.LevelWarn, "no secret"), 1)
		assert.Len(t, log.records(slog.LevelError, "all refused"), 1)
		post(h, forged)
		synctest.Wait()
		assert.Len(t, log.records(slog.LevelError, "all refused"), 2)
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		for range 20 {
			post(h, forged)
		}
		synctest.Wait()
		assert.Len(t, log.records(slog.LevelError, "all refused"), 2, "once a minute at most")
		assert.False(t, bytes.Contains([]byte(log.text.String()), []byte("job-of-a-stranger")))
	})
}
