package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
	"github.com/reducto-go/reducto/webhook"
)

func TestNewHandlerRefuses(t *testing.T) {
	t.Parallel()
	secret := newSecret(t, testSecret)
	_, err := webhook.NewHandler(secret, nil)
	require.ErrorContains(t, err, "the function: it is nil")
	_, err = webhook.NewHandler(verifierFunc(nil), nothing)
	require.ErrorContains(t, err, "nil webhook_test.verifierFunc")
	for want, opt := range map[string]webhook.Option{
		"an option is nil":                nil,
		"WithClient: the client is nil":   webhook.WithClient(nil),
		"WithLogger: the logger is nil":   webhook.WithLogger(nil),
		"WithMaxBodyBytes: 0":             webhook.WithMaxBodyBytes(0),
		"WithReadTimeout: -1ns":           webhook.WithReadTimeout(-1),
		"WithJoinTimeout: -1ns":           webhook.WithJoinTimeout(-1),
		"WithFuncTimeout: 0s":             webhook.WithFuncTimeout(0),
		"WithRetryAfter: 0s":              webhook.WithRetryAfter(0),
		"WithRemember: 0s and 1 are not":  webhook.WithRemember(0, 1),
		"WithRemember: 1h0m0s and 0 are ": webhook.WithRemember(time.Hour, 0),
	} {
		h, err := webhook.NewHandler(secret, nothing, opt)
		require.ErrorContains(t, err, want)
		assert.Nil(t, h)
		refused := new(reducto.RequestError)
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "webhook.NewHandler", refused.Op)
	}
}

// verifierFunc is a verifier of a user's.
type verifierFunc func(http.Header, []byte) (webhook.Event, error)

func (f verifierFunc) Verify(h http.Header, body []byte) (webhook.Event, error) { return f(h, body) }

func TestVerifierOfAUsers(t *testing.T) {
	t.Parallel()
	var f counter
	log := newLogBook(t)
	h, err := webhook.NewHandler(verifierFunc(func(h http.Header, body []byte) (webhook.Event, error) {
		switch h.Get("X-Test") {
		case "malformed":
			return webhook.Event{}, fmt.Errorf("%w: %s", webhook.ErrMalformed, testSecret)
		case "unauthorized":
			return webhook.Event{}, fmt.Errorf("%w: %s", webhook.ErrUnauthorized, testSecret)
		case "other":
			return webhook.Event{}, errors.New(testSecret)
		case "panic":
			panic(testSecret)
		case "illegal":
			return webhook.Event{JobID: "../cancel/x"}, nil
		case "illegal submission":
			return webhook.Event{JobID: jobA, SubmissionID: strings.Repeat("s", 1000)}, nil
		}
		return webhook.Event{JobID: string(body)}, nil
	}), f.process, webhook.WithLogger(log.logger()))
	require.NoError(t, err)
	for name, want := range map[string]int{
		"malformed": 400, "unauthorized": 401, "other": 401, "panic": 500, "illegal": 400, "illegal submission": 400, "": 200,
	} {
		r := request(jobA)
		r.Header.Set("X-Test", name)
		requireAnswer(t, serveRequest(h, r), want)
	}
	assert.Equal(t, 1, f.count())
	assert.Equal(t, webhook.Stats{Accepted: 1, Unauthorized: 2, Invalid: 3, Panics: 1, Calls: 1, Remembered: 1}, h.Stats())
	flush(t, h)
	records := log.records(slog.LevelError, "the verifier panicked")
	require.Len(t, records, 1)
	assert.Regexp(t, `^string in .*\(handler_test\.go:\d+\)$`, records[0]["panic"])
	assert.NotContains(t, log.text.String(), canary)
}

// hostile is an error that panics when somebody looks at it.
type hostile struct{}

func (hostile) Error() string   { return "hostile" }
func (hostile) Is(error) bool   { panic("Is") }
func (hostile) Unwrap() []error { panic("Unwrap") }

type mute struct{}

func (*mute) Error() string { panic("Error") }

func TestFuncThatMisbehaves(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]webhook.Func{
		"panic":             func(context.Context, *webhook.Delivery) error { panic("boom") },
		"panic(error)":      func(context.Context, *webhook.Delivery) error { panic(errors.New("boom")) },
		"panic(nil)":        func(context.Context, *webhook.Delivery) error { panic(nil) }, //nolint:govet // on purpose
		"nil pointer":       func(context.Context, *webhook.Delivery) error { var e *webhook.Event; _ = e.JobID; return nil },
		"Goexit":            func(context.Context, *webhook.Delivery) error { runtime.Goexit(); return nil },
		"abort":             func(context.Context, *webhook.Delivery) error { panic(http.ErrAbortHandler) },
		"error that panics": func(context.Context, *webhook.Delivery) error { return hostile{} },
		"panic in a defer":  func(context.Context, *webhook.Delivery) error { defer func() { panic("late") }(); panic("early") },
		"panic that panics": func(context.Context, *webhook.Delivery) error { panic(new(mute)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newLogBook(t)
			good := false
			h := newHandler(t, func(ctx context.Context, d *webhook.Delivery) error {
				if good {
					assert.Equal(t, 2, d.Attempt)
					return nil
				}
				return f(ctx, d)
			}, webhook.WithLogger(log.logger()))
			requireAnswer(t, post(h, genuine(jobA)), http.StatusInternalServerError)
			assert.Equal(t, webhook.Stats{Accepted: 1, Calls: 1, Panics: 1, Failures: 1}, h.Stats())
			good = true
			requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
			flush(t, h)
			records := log.records(slog.LevelError, "panicked")
			require.Len(t, records, 1)
			assert.Equal(t, jobA, records[0]["job_id"])
			assert.Contains(t, records[0]["stack"], "handler_test.go", "the stack shows where")
		})
	}

	t.Run("error whose text panics", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, func(context.Context, *webhook.Delivery) error { return new(mute) }, webhook.WithLogger(newLogBook(t).logger()))
		requireAnswer(t, post(h, genuine(jobA)), http.StatusInternalServerError)
		assert.EqualValues(t, 1, h.Stats().Failures)
	})

	t.Run("others go on", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, func(_ context.Context, d *webhook.Delivery) error {
			if d.JobID == jobA {
				panic("poison")
			}
			return nil
		})
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() { requireAnswer(t, post(h, genuine(jobA)), http.StatusInternalServerError) })
			all.Go(func() { requireAnswer(t, post(h, genuine(fmt.Sprintf("job-%d", i))), http.StatusOK) })
		}
		all.Wait()
	})
}

func TestErrorsOfTheFunc(t *testing.T) {
	t.Parallel()
	cause := errors.New("no such customer")
	expired := fmt.Errorf("too late: %w", reducto.ErrExpired)
	for name, tt := range map[string]struct {
		err   error
		code  int
		level slog.Level
		text  string
		stats webhook.Stats
	}{
		"none":      {nil, 200, slog.LevelDebug, "processed", webhook.Stats{Accepted: 1, Calls: 1, Remembered: 1}},
		"any":       {cause, 500, slog.LevelWarn, "the function failed", webhook.Stats{Accepted: 1, Calls: 1, Failures: 1}},
		"permanent": {webhook.Permanent(cause), 200, slog.LevelError, "gave the job up", webhook.Stats{Accepted: 1, Calls: 1, Failures: 1, Remembered: 1}},
		"wrapped":   {fmt.Errorf("step 2: %w", webhook.Permanent(cause)), 200, slog.LevelError, "gave the job up", webhook.Stats{Accepted: 1, Calls: 1, Failures: 1, Remembered: 1}},
		"joined":    {errors.Join(cause, webhook.Permanent(cause)), 200, slog.LevelError, "gave the job up", webhook.Stats{Accepted: 1, Calls: 1, Failures: 1, Remembered: 1}},
		"expired":   {expired, 200, slog.LevelError, "expired", webhook.Stats{Accepted: 1, Calls: 1, Failures: 1, Expired: 1, Remembered: 1}},
		"both":      {webhook.Permanent(expired), 200, slog.LevelError, "expired", webhook.Stats{Accepted: 1, Calls: 1, Failures: 1, Expired: 1, Remembered: 1}},
		"no client": {webhook.ErrNoClient, 500, slog.LevelWarn, "the function failed", webhook.Stats{Accepted: 1, Calls: 1, Failures: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newLogBook(t)
			h := newHandler(t, func(context.Context, *webhook.Delivery) error { return tt.err }, webhook.WithLogger(log.logger()))
			requireAnswer(t, post(h, payload("Completed", jobA, signed(`"submission_id":"s-1"`))), tt.code)
			assert.Equal(t, tt.stats, h.Stats())
			flush(t, h)
			records := log.records(tt.level, tt.text)
			require.Len(t, records, 1)
			r := records[0]
			assert.Equal(t, jobA, r["job_id"])
			assert.Equal(t, "Completed", r["status"])
			assert.Equal(t, "completed", r["outcome"])
			assert.Equal(t, "s-1", r["submission_id"])
			assert.Equal(t, "current", r["kid"])
			assert.EqualValues(t, 1, r["attempt"])
			assert.Contains(t, r, "delivery_age")
			if tt.err != nil {
				assert.Equal(t, tt.err.Error(), r["error"])
			}
		})
	}
}

// With a client the answers are the same.
func TestErrorsOfTheFuncWithAClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := reductotest.NewServer(t)
		srv.SeedJob(reductotest.SeedJob{ID: jobA, Status: "Completed"})
		f := counter{err: errors.New("no luck")}
		h := newHandler(t, f.process, webhook.WithClient(srv.Client()))
		requireAnswer(t, post(h, genuine(jobA)), http.StatusInternalServerError)
		f.then = func(context.Context, *webhook.Delivery) error { runtime.Goexit(); return nil }
		requireAnswer(t, post(h, genuine(jobA)), http.StatusInternalServerError)
		f.then = func(context.Context, *webhook.Delivery) error { panic("boom") }
		requireAnswer(t, post(h, genuine(jobA)), http.StatusInternalServerError)
		f.then = func(context.Context, *webhook.Delivery) error { return webhook.Permanent(f.err) }
		requireAnswer(t, post(h, genuine(jobA)), http.StatusOK)
		assert.Equal(t, 4, f.last().Attempt)
	})
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	require.NoError(t, webhook.Permanent(nil))
	assert.False(t, webhook.IsPermanent(nil))
	assert.False(t, webhook.IsPermanent(io.EOF))
	err := webhook.Permanent(fmt.Errorf("reading: %w", io.EOF))
	assert.True(t, webhook.IsPermanent(err))
	assert.True(t, webhook.IsPermanent(fmt.Errorf("more: %w", err)))
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, "reading: EOF", err.Error())
	refused := new(reducto.RequestError)
	require.ErrorAs(t, webhook.Permanent(&reducto.RequestError{Op: "x"}), &refused)
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	var f counter
	h := newHandler(t, f.process)
	body := `{"job_id":"` + jobA + `","status":"Failed","metadata":{"n":1e400,"secret":"` + testSecret + `"},"attempt":2,"region":{"x":[1]}}`
	before := time.Now()
	requireAnswer(t, post(h, body), http.StatusOK)
	d := f.last()
	assert.WithinRange(t, d.ReceivedAt, before, time.Now())
	assert.Equal(t, map[string]json.RawMessage{"attempt": json.RawMessage(`2`), "region": json.RawMessage(`{"x":[1]}`)}, d.Extra)
	assert.Equal(t, `{"n":1e400}`, string(d.Metadata))
	assert.Equal(t, "webhook.Delivery(job "+jobA+", outcome failed, status Failed, attempt 1)", fmt.Sprint(d))
	assert.Equal(t, "webhook.Event(job "+jobA+", status Failed, kid current)", fmt.Sprintf("%+v", d.Event))

	_, err := d.Job(t.Context())
	require.ErrorIs(t, err, webhook.ErrNoClient)
	_, err = new(webhook.Delivery).Job(t.Context())
	require.ErrorIs(t, err, webhook.ErrNoClient)
	require.ErrorIs(t, d.CompleteTx(t.Context(), nil), webhook.ErrTxUnsupported)
	err = d.DecodeMetadata(&struct{ N int }{})
	require.ErrorContains(t, err, "metadata of job "+jobA)
	unmarshal := new(json.UnmarshalTypeError)
	require.ErrorAs(t, err, &unmarshal)
}

func TestJoinTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := counter{then: func(context.Context, *webhook.Delivery) error { time.Sleep(time.Minute); return nil }}
		h := newHandler(t, f.process, webhook.WithRetryAfter(1500*time.Millisecond))
		impatient := newHandler(t, f.process, webhook.WithJoinTimeout(0))
		var all sync.WaitGroup
		for _, h := range []*webhook.Handler{h, impatient} {
			all.Go(func() { requireAnswer(t, post(h, genuine(jobA)), http.StatusOK) })
		}
		synctest.Wait()
		began := time.Now()
		w := post(h, genuine(jobA))
		requireAnswer(t, w, http.StatusServiceUnavailable)
		assert.Equal(t, "2", w.Header().Get("Retry-After"), "seconds, rounded up")
		assert.Equal(t, webhook.DefaultJoinTimeout, time.Since(began))
		requireAnswer(t, post(impatient, genuine(jobA)), http.StatusServiceUnavailable)
		assert.Equal(t, webhook.DefaultJoinTimeout, time.Since(began))
		all.Wait()
		assert.Equal(t, 2, f.count())
		assert.Equal(t, webhook.Stats{Accepted: 1, Duplicates: 1, Refused: 1, Calls: 1, Remembered: 1}, h.Stats())
	})
}

// deadlineWriter notes the read deadlines that are set.
type deadlineWriter struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (w *deadlineWriter) SetReadDeadline(t time.Time) error {
	w.deadlines = append(w.deadlines, t)
	return nil
}

func TestReadDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, nothing, webhook.WithMaxBodyBytes(1000))
		limit := time.Now().Add(webhook.DefaultReadTimeout)
		set := func(r *http.Request) []time.Time {
			w := &deadlineWriter{ResponseRecorder: httptest.NewRecorder()}
			h.ServeHTTP(w, r)
			return w.deadlines
		}
		assert.Equal(t, []time.Time{limit, {}}, set(request(genuine(jobA))), "reset once the body is read")
		assert.Equal(t, []time.Time{limit, {}}, set(request("nonsense")))
		assert.Equal(t, []time.Time{limit}, set(request(strings.Repeat(" ", 1001))), "what is left unread stays limited")
		assert.Equal(t, []time.Time{limit}, set(httptest.NewRequest(http.MethodPut, "/", strings.NewReader("x"))))
	})
}

// A connection goes on being used: the read deadline does not outlive the body.
func TestReadDeadlineIsReset(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		read, server time.Duration
		want         []int
	}{
		"the handler's":        {10 * time.Second, 0, []int{200, 400}},
		"the server's shorter": {10 * time.Second, 2 * time.Second, []int{400, 400}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := reductotest.NewServer(t, reductotest.WithRetrySchedule(), reductotest.WithWebhookTimeout(2*time.Minute))
				h := newHandler(t, func(ctx context.Context, _ *webhook.Delivery) error {
					time.Sleep(12 * time.Second) // longer than the deadline
					return ctx.Err()
				}, webhook.WithReadTimeout(tt.read))
				url := srv.Mount("/webhook", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					server := r.Context().Value(http.ServerContextKey).(*http.Server)
					if tt.server > 0 {
						_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(tt.server))
						r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, &http.Server{ReadTimeout: tt.server}))
					}
					assert.NotNil(t, server)
					h.ServeHTTP(w, r)
				}))
				var got []int
				for _, slow := range []time.Duration{5 * time.Second, time.Minute} {
					srv.WebhookFault(reductotest.SlowBody(slow))
					id := srv.SeedJob(reductotest.SeedJob{Webhook: url, Metadata: map[string]any{"secret": testSecret}})
					deliveries, err := srv.AwaitDeliveries(t.Context(), id, 1)
					require.NoError(t, err)
					got = append(got, deliveries[0].StatusCode)
				}
				assert.Equal(t, tt.want, got)
			})
		})
	}
}

func TestConnectionIsKept(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t)
	url := srv.Mount("/webhook", newHandler(t, nothing))
	client := srv.HTTPClient()
	for i, body := range []string{genuine(jobA), genuine(jobA), payload("Failed", jobB, "null"), "nonsense", genuine(jobB)} {
		resp, err := client.Post(url, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		assert.False(t, resp.Close, "request %d", i)
	}
}
