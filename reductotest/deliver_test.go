package reductotest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

// answering reads the request and responds with status.
func answering(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	})
}

// inbox is a receiver that records requests. It responds with the next status, and
// repeats the last one.
type inbox struct {
	mu       sync.Mutex
	statuses []int
	bodies   []string
	headers  []http.Header
	times    []time.Time
	now, max int // requests that are being served, and the most at once
	takes    time.Duration
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.times = append(i.times, time.Now())
	i.now++
	i.max = max(i.max, i.now)
	i.mu.Unlock()
	raw, err := io.ReadAll(r.Body)
	time.Sleep(i.takes)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now--
	if err != nil {
		return
	}
	i.bodies = append(i.bodies, string(raw))
	i.headers = append(i.headers, r.Header)
	status := 200
	if len(i.statuses) > 0 {
		status = i.statuses[0]
		if len(i.statuses) > 1 {
			i.statuses = i.statuses[1:]
		}
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "answer")
}

// delays returns the rounded times between the requests.
func (i *inbox) delays() []time.Duration {
	var list []time.Duration
	for k := range len(i.times) - 1 {
		list = append(list, i.times[k+1].Sub(i.times[k]).Round(10*time.Millisecond))
	}
	return list
}

// withInbox runs f with a held job that has a webhook.
func withInbox(t *testing.T, in *inbox, f func(t *testing.T, srv *reductotest.Server, id string), opts ...reductotest.Option) {
	t.Helper()
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		srv.Hold()
		f(t, srv, submit(t, srv, "/parse_async", parse(srv.Mount("/webhook", in), m{"secret": "s", "n": 1})))
	}, opts...)
}

func TestDirectWebhookIsDeliveredOnce(t *testing.T) {
	in := &inbox{}
	withInbox(t, in, func(t *testing.T, srv *reductotest.Server, id string) {
		srv.Complete(id)
		list, err := srv.AwaitDeliveries(t.Context(), id, 1)
		require.NoError(t, err)
		require.Len(t, list, 1)
		d := list[0]
		assert.JSONEq(t, `{"status":"Completed","job_id":"`+id+`","metadata":{"secret":"s","n":1}}`, string(d.Body))
		assert.Equal(t, []string{string(d.Body)}, in.bodies)
		assert.Equal(t, "application/json", in.headers[0].Get("Content-Type"))
		assert.Empty(t, in.headers[0].Get("Svix-Id"))
		assert.Equal(t, 200, d.StatusCode)
		assert.Equal(t, "answer", string(d.Answer))
		assert.Equal(t, 1, d.Attempt)
		assert.NoError(t, d.Err)
		pass(24 * time.Hour)
		assert.Len(t, srv.AllDeliveries(), 1, "a success is not repeated")
	})
}

func TestWebhookKeepsTheSpellingOfMetadata(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		hook := srv.Mount("/webhook", answering(200))
		check := func(path, body, want string) {
			id := submit(t, srv, path, body)
			list, err := srv.AwaitDeliveries(t.Context(), id, 1)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf(want, id), string(list[0].Body))
		}
		for _, metadata := range []string{
			`null`, `[]`, `"text"`, `12345678901234567890.10`, `{"z":1,"a":1e3,"u":"\u00e9<&>"}`,
		} {
			check("/parse_async", `{"input":"https://example.com/a","async":{"webhook":{"mode":"direct","url":"`+hook+`"},"metadata": `+metadata+` }}`,
				`{"status":"Completed","job_id":"%s","metadata":`+metadata+`}`)
		}
		edit := `{"document_url":"https://example.com/a","edit_instructions":"x","webhook":{"mode":"direct","url":"` + hook + `","metadata":{"k":"v"}}}`
		check("/edit_async", edit, `{"status":"Completed","job_id":"%s","metadata":{"k":"v"}}`)
		srv.FailNext("no luck", "")
		check("/edit_async", edit, `{"status":"Failed","job_id":"%s","metadata":{"k":"v"}}`)
	})
}

func TestFailedDeliveriesAreRetried(t *testing.T) {
	for _, test := range []struct {
		name     string
		statuses []int
		delays   []time.Duration
		opts     []reductotest.Option
	}{
		{"never accepted", []int{500}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, nil},
		{"accepted in the end", []int{503, 401, 404, 204}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, nil},
		{"accepted the second time", []int{500, 202}, []time.Duration{time.Second}, nil},
		{"redirects are failures", []int{301, 200}, []time.Duration{time.Second}, nil},
		{"another schedule", []int{500}, []time.Duration{time.Minute, time.Hour}, []reductotest.Option{reductotest.WithRetrySchedule(time.Minute, time.Hour)}},
		{"no retries", []int{500}, nil, []reductotest.Option{reductotest.WithRetrySchedule()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := &inbox{statuses: test.statuses}
			withInbox(t, in, func(t *testing.T, srv *reductotest.Server, id string) {
				srv.Complete(id)
				pass(100 * time.Hour)
				assert.Equal(t, test.delays, in.delays())
				for i, d := range srv.Deliveries(id) {
					assert.Equal(t, i+1, d.Attempt)
					assert.Equal(t, in.bodies[0], string(d.Body))
				}
			}, test.opts...)
		})
	}
}

func TestSlowReceiverTimesOut(t *testing.T) {
	in := &inbox{takes: time.Minute}
	withInbox(t, in, func(t *testing.T, srv *reductotest.Server, id string) {
		srv.Complete(id)
		pass(time.Hour)
		assert.Equal(t, []time.Duration{11 * time.Second, 12 * time.Second, 14 * time.Second}, in.delays())
		for _, d := range srv.Deliveries(id) {
			assert.ErrorIs(t, d.Err, context.DeadlineExceeded)
			assert.Zero(t, d.StatusCode)
			assert.False(t, d.Lost)
		}
		assert.Len(t, in.bodies, 4, "the receiver goes on")
	}, reductotest.WithWebhookTimeout(10*time.Second))
}

func TestUnreachableReceiverIsRetried(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		for _, hook := range []string{"http://nowhere.test/", "::", "gopher://x/"} {
			id := submit(t, srv, "/parse_async", parse(hook, nil))
			pass(time.Hour)
			list := srv.Deliveries(id)
			require.Len(t, list, 4, hook)
			assert.Error(t, list[3].Err, hook)
		}
	})
}

func TestDeliverSendsAnyBody(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		in := &inbox{statuses: []int{418}}
		hook := srv.Mount("/webhook", in)
		d := srv.Deliver(t.Context(), hook, "no-job", []byte("raw"), http.Header{"X-A": {"b"}})
		assert.Equal(t, 418, d.StatusCode)
		assert.True(t, d.Forged)
		assert.Equal(t, "raw", in.bodies[0])
		assert.Equal(t, "b", in.headers[0].Get("X-A"))
		assert.Len(t, srv.Deliveries("no-job"), 1)
		srv.Deliver(t.Context(), hook, "", nil, nil)
		assert.Equal(t, "application/json", in.headers[1].Get("Content-Type"))
		assert.Len(t, srv.AllDeliveries(), 2)
	})
}

func TestAwaitDeliveriesCountsResponses(t *testing.T) {
	in := &inbox{statuses: []int{500}}
	withInbox(t, in, func(t *testing.T, srv *reductotest.Server, id string) {
		srv.WebhookFault(reductotest.LoseAttempts(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		list, err := srv.AwaitDeliveries(ctx, id, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Empty(t, list)
		srv.Complete(id)
		list, err = srv.AwaitDeliveries(t.Context(), id, 3)
		require.NoError(t, err)
		assert.Len(t, list, 4, "a lost one is listed and does not count")

		failed := make(chan error)
		go func() {
			_, err := srv.AwaitDeliveries(t.Context(), id, 100)
			failed <- err
		}()
		synctest.Wait()
		srv.Close()
		assert.ErrorContains(t, <-failed, "closed")
	})
}
