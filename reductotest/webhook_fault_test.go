package reductotest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestWebhookFaultsApplyToOneJob(t *testing.T) {
	for _, test := range []struct {
		name     string
		fault    reductotest.WebhookFault
		statuses []int
		check    func(t *testing.T, in *inbox, list []reductotest.Delivery)
	}{
		{"lose", reductotest.Lose(), nil, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			assert.Empty(t, in.bodies)
			require.Len(t, list, 4)
			for i, d := range list {
				assert.True(t, d.Lost)
				assert.Error(t, d.Err)
				assert.Equal(t, i+1, d.Attempt)
			}
			assert.Equal(t, 7*time.Second, list[3].Time.Sub(list[0].Time))
		}},
		{"lose attempts", reductotest.LoseAttempts(2), nil, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			assert.Len(t, in.bodies, 1)
			require.Len(t, list, 3)
			assert.True(t, list[1].Lost)
			assert.False(t, list[2].Lost)
		}},
		{"duplicate", reductotest.Duplicate(2), []int{500, 200}, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			require.Len(t, list, 4)
			assert.Equal(t, []int{1, 2, 2, 2}, attempts(list))
			assert.True(t, list[3].Duplicate)
			assert.Equal(t, 1, in.max)
			assert.Equal(t, in.bodies[0], in.bodies[3])
		}},
		{"no duplicate without success", reductotest.Duplicate(2), []int{500}, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			assert.Len(t, list, 4)
		}},
		{"duplicate concurrently", reductotest.Combine(reductotest.DuplicateConcurrently(5), reductotest.LoseAttempts(1)), nil,
			func(t *testing.T, in *inbox, list []reductotest.Delivery) {
				require.Len(t, list, 7)
				assert.Equal(t, 6, in.max)
				assert.Len(t, in.bodies, 6)
			}},
		{"delay", reductotest.DelayBy(time.Hour), nil, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			assert.Equal(t, 1, in.times[0].Hour())
		}},
		{"corrupt", reductotest.Corrupt(), []int{400}, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			require.Len(t, list, 4)
			for _, body := range in.bodies {
				assert.False(t, strings.HasSuffix(body, "}"), body)
			}
		}},
		{"corrupt attempts", reductotest.CorruptAttempts(1), []int{400, 200}, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			require.Len(t, list, 2)
			assert.True(t, strings.HasPrefix(in.bodies[1], in.bodies[0]))
			assert.Len(t, in.bodies[0], len(in.bodies[1])/2)
		}},
		{"forge with a wrong secret", reductotest.ForgeBefore(reductotest.Forgery{Secret: "wrong", Status: "Failed"}), []int{401, 200},
			func(t *testing.T, in *inbox, list []reductotest.Delivery) {
				require.Len(t, list, 2)
				assert.True(t, list[0].Forged)
				assert.Zero(t, list[0].Attempt)
				assert.Equal(t, 401, list[0].StatusCode)
				assert.JSONEq(t, `{"status":"Failed","job_id":"`+list[0].JobID+`","metadata":{"n":1,"secret":"wrong"}}`, in.bodies[0])
				assert.False(t, list[1].Forged)
				assert.Contains(t, in.bodies[1], `"secret":"s"`)
			}},
		{"forge without a secret", reductotest.ForgeBefore(reductotest.Forgery{JobID: "other"}), nil,
			func(t *testing.T, in *inbox, list []reductotest.Delivery) {
				assert.JSONEq(t, `{"status":"Completed","job_id":"other","metadata":{"n":1}}`, in.bodies[0])
				assert.Len(t, list, 2)
			}},
		{"forge metadata", reductotest.ForgeBefore(reductotest.Forgery{Metadata: []int{1}, Header: http.Header{"x-forged": {"yes"}}}), nil,
			func(t *testing.T, in *inbox, list []reductotest.Delivery) {
				assert.Contains(t, in.bodies[0], `"metadata":[1]`)
				assert.Equal(t, "yes", in.headers[0].Get("X-Forged"))
				assert.Empty(t, in.headers[1].Get("X-Forged"))
			}},
		{"forge body", reductotest.ForgeBefore(reductotest.Forgery{Body: []byte("{}")}), nil,
			func(t *testing.T, in *inbox, list []reductotest.Delivery) { assert.Equal(t, "{}", in.bodies[0]) }},
		{"slow body", reductotest.SlowBody(3 * time.Second), nil, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			require.Len(t, list, 1)
			assert.Contains(t, in.bodies[0], `"Completed"`)
		}},
		{"body slower than the timeout", reductotest.SlowBody(time.Minute), nil, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			require.Len(t, list, 4)
			assert.Empty(t, in.bodies)
			assert.ErrorIs(t, list[0].Err, context.DeadlineExceeded)
		}},
		{"also failed", reductotest.AlsoFailed(), nil, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			require.Len(t, list, 2)
			assert.Contains(t, in.bodies[0], `"Completed"`)
			assert.Contains(t, in.bodies[1], `"Failed"`)
		}},
		{"break", reductotest.BreakConnection(), nil, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			require.Len(t, list, 4, "the sender hears of no success")
			assert.Len(t, in.bodies, 4)
			assert.Equal(t, 200, list[0].StatusCode)
			assert.Error(t, list[0].Err)
		}},
		{"several", reductotest.Combine(
			reductotest.LoseAttempts(1), reductotest.BreakAttempts(2), reductotest.Duplicate(1), reductotest.AlsoFailed(),
			reductotest.WithStatus("A"), reductotest.WithStatus("B"), reductotest.ForgeBefore(reductotest.Forgery{}), reductotest.DelayBy(time.Hour),
		), nil, func(t *testing.T, in *inbox, list []reductotest.Delivery) {
			assert.Equal(t, []int{0, 1, 2, 3, 3, 3}, attempts(list))
			assert.Contains(t, in.bodies[1], `"status":"B"`)
			assert.Contains(t, in.bodies[4], `"status":"Failed"`)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := &inbox{statuses: test.statuses, takes: time.Second}
			withInbox(t, in, func(t *testing.T, srv *reductotest.Server, id string) {
				srv.WebhookFault(test.fault)
				srv.Complete(id)
				pass(10 * time.Hour)
				test.check(t, in, srv.Deliveries(id))

				// The fault was for one job.
				other := submit(t, srv, "/parse_async", parse("http://app.test/webhook", nil))
				in.statuses = nil
				srv.Complete(other)
				pass(10 * time.Hour)
				assert.Len(t, srv.Deliveries(other), 1)
			})
		})
	}
}

func attempts(list []reductotest.Delivery) []int {
	var numbers []int
	for _, d := range list {
		numbers = append(numbers, d.Attempt)
	}
	return numbers
}

func TestAfterNextWaitsForTheNextWebhook(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		in := &inbox{statuses: []int{200}}
		hook := srv.Mount("/webhook", in)
		srv.Hold()
		var ids []string
		for range 4 {
			ids = append(ids, submit(t, srv, "/parse_async", parse(hook, nil)))
		}
		srv.WebhookFault(reductotest.AfterNext(), reductotest.AfterNext(), reductotest.LoseAttempts(2))
		srv.Complete(ids[0])
		srv.Complete(ids[1])
		pass(time.Hour)
		assert.Empty(t, srv.AllDeliveries())
		srv.Complete(submit(t, srv, "/parse_async", parse("", nil))) // has no webhook, so the other still waits
		pass(time.Hour)
		assert.Empty(t, srv.AllDeliveries())
		srv.Complete(ids[2])
		pass(time.Hour)
		var order []string
		for _, d := range srv.AllDeliveries() {
			if !d.Lost {
				order = append(order, d.JobID)
			}
		}
		assert.Equal(t, []string{ids[2], ids[1], ids[0]}, order)

		// A webhook that still waits ends with the server.
		srv.WebhookFault(reductotest.AfterNext())
		srv.Complete(ids[3])
	})
}

func TestWebhookFaultForOverridesTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		in := &inbox{}
		hook := srv.Mount("/webhook", in)
		srv.Hold()
		first := submit(t, srv, "/parse_async", parse(hook, nil))
		second := submit(t, srv, "/parse_async", parse(hook, nil))
		srv.WebhookFault(reductotest.Lose())
		srv.WebhookFaultFor(first, reductotest.Duplicate(1), reductotest.WithStatus("X"))
		srv.Complete(first)
		srv.Complete(second)
		pass(time.Hour)
		assert.Len(t, srv.Deliveries(first), 2)
		assert.Contains(t, string(srv.Deliveries(first)[0].Body), `"X"`)
		assert.Len(t, srv.Deliveries(second), 4, "the other fault is still there for the next job")
	})
}

func TestSetWebhookFaultAppliesUntilTheNextCall(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		hook := srv.Mount("/webhook", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		deliveries := func() int {
			id := submit(t, srv, "/parse_async", parse(hook, nil))
			time.Sleep(time.Minute)
			return len(srv.Deliveries(id))
		}
		srv.SetWebhookFault(reductotest.Duplicate(2))
		assert.Equal(t, 3, deliveries())
		assert.Equal(t, 3, deliveries())
		srv.WebhookFault(reductotest.Duplicate(1))
		assert.Equal(t, 2, deliveries(), "a fault of one job comes first")
		assert.Equal(t, 3, deliveries())
		srv.SetWebhookFault(reductotest.WebhookFault{})
		assert.Equal(t, 1, deliveries())
	})
}
