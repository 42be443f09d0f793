package inbox

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

func TestRateLimiterSpacesRequestsAndAdapts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &rateLimiter{max: 2}
		began := time.Now()
		took := func() time.Duration {
			require.NoError(t, l.wait(t.Context()))
			defer func() { began = time.Now() }()
			return time.Since(began)
		}
		assert.Zero(t, took())
		assert.Equal(t, time.Second/2, took())
		refused := &reducto.APIError{StatusCode: http.StatusTooManyRequests}
		l.learn(refused)
		took()
		assert.Equal(t, time.Second, took(), "half of the rate")
		for range 30 {
			l.learn(refused)
		}
		took()
		assert.Equal(t, time.Minute, took().Round(time.Second), "the lowest rate")
		for range 200 {
			l.learn(nil)
		}
		took()
		assert.Equal(t, time.Second/2, took())
		l.learn(fmt.Errorf("wrapped: %w", &reducto.APIError{StatusCode: http.StatusServiceUnavailable, RetryAfter: time.Minute}))
		assert.Equal(t, time.Minute, took())
		l.learn(&reducto.APIError{StatusCode: http.StatusTooManyRequests, RetryAfter: 365 * 24 * time.Hour})
		assert.Equal(t, maxRetryAfter, took())
		l.learn(&reducto.APIError{StatusCode: http.StatusInternalServerError})
		l.learn(context.Canceled)

		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errNoJob)
		require.ErrorIs(t, l.wait(ctx), errNoJob)
		rested := &rateLimiter{max: 1}
		require.Error(t, rested.wait(ctx))
	})
}

func TestPollLabels(t *testing.T) {
	t.Parallel()
	for want, status := range map[string]int{"not_found": 404, "rate_limited": 429, "unauthorized": 403, "error": 500} {
		assert.Equal(t, want, pollLabel(&reducto.APIError{StatusCode: status}))
	}
	assert.Equal(t, "ok", pollLabel(nil))
	assert.Equal(t, "error", pollLabel(context.Canceled))
}

func TestBackoffDoublesWithinItsBounds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ first, longest time.Duration }{
		{time.Second, 10 * time.Minute}, {time.Hour, 2 * time.Hour}, {time.Minute, math.MaxInt64}, {1, 1}, {math.MaxInt64, math.MaxInt64},
	} {
		in := &Inbox{cfg: &config{minBackoff: tt.first, maxBackoff: tt.longest}}
		about := float64(tt.first)
		for attempt := range 100 {
			d := in.backoff(attempt + 1)
			assert.GreaterOrEqual(t, d, tt.first/2)
			assert.LessOrEqual(t, d, tt.longest)
			assert.GreaterOrEqual(t, float64(d), math.Floor(about/4), "attempt %d", attempt+1)
			about = min(2*about, float64(tt.longest))
		}
	}
}

// Which submission the configuration of a listed job names.
func TestSubmissionInConfiguration(t *testing.T) {
	t.Parallel()
	wanted := map[string]*Record{"order-1": {Key: "order-1"}, "0199a0b4-5b7c-7d52-9d4e-3f5f0c1b2a3d": {Key: "uuid"}}
	for config, want := range map[string]string{
		`{}`: "", ``: "", `"submission_id`: "", `{"submission_id":"order-1`: "", // it can be cut off
		`{"async":{"metadata":{"submission_id":"order-1"}}}`: "order-1",
		`{"parent_submission_id":"order-1"}`:                 "", `{"parent_submission_id":"order-9","submission_id":"order-1"}`: "order-1",
		`{"submission_id":"order-9"}`:                                    "",
		`{"submission_id":"order-12"}`:                                   "",
		`{"parent_submission_id":"order-9","submission_id" : "order-1"}`: "order-1",
		`"{\"metadata\":{\"submission_id\":\"order-1\"}}"`:               "order-1",
		`{"submission_id":"0199A0B4-5B7C-7D52-9D4E-3F5F0C1B2A3D"}`:       "uuid",
		`submission_id=order-1`:                                          "",
		`{'submission_id': 'order-1'}`:                                   "order-1",
		`{"submission_id":null,"note":"submission_id order-1 "}`:         "order-1",
	} {
		got := ""
		if r := submissionIn(reducto.RawConfig(config), wanted); r != nil {
			got = r.Key
		}
		assert.Equal(t, want, got, config)
	}
}
