package reducto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRetryAfterReadsSecondsAndDates(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 10, 2, 8, 15, 30, 0, time.UTC)
	const year = 365 * 24 * time.Hour
	for value, want := range map[string]time.Duration{
		"0":                              0,
		"1":                              time.Second,
		" 300 ":                          5 * time.Minute,
		"0.25":                           250 * time.Millisecond,
		"1.":                             time.Second,
		"007":                            7 * time.Second,
		"0.0000000001":                   0,
		"31536000":                       year,
		"31536001":                       year,
		"99999999999999999999":           year,
		strings.Repeat("9", 400):         year,
		"Fri, 02 Oct 2026 08:16:00 GMT":  30 * time.Second,
		"Friday, 02-Oct-26 08:16:00 GMT": 30 * time.Second,
		"Fri Oct  2 08:16:00 2026":       30 * time.Second,
		"Fri, 02 Oct 2026 08:15:30 GMT":  0,
		"Fri, 02 Oct 2020 08:15:30 GMT":  0,
	} {
		got, ok := parseRetryAfter(value, now)
		assert.True(t, ok, value)
		assert.Equal(t, want, got, value)
	}
	got, ok := parseRetryAfter("Fri, 31 Dec 9999 23:59:59 GMT", now)
	assert.True(t, ok)
	assert.Greater(t, got, 200*year)
	for _, value := range []string{
		"", " ", "soon", "-1", "+1", "1e3", "0x10", "1,5", "1_000", "NaN", "Inf", ".5", "1.2.3", "..", "5 s", "5s", "١", "2026-10-02T08:16:00Z", "Fri, 02 Oct 2026", "\x00",
	} {
		got, ok := parseRetryAfter(value, now)
		assert.False(t, ok, "%q", value)
		assert.Zero(t, got, "%q", value)
	}
}

func TestBackoffIsRandomAndBounded(t *testing.T) {
	t.Parallel()
	bounds := []time.Duration{1: retryBase, 2 * retryBase, 4 * retryBase, 8 * retryBase, retryMax, retryMax, 31: retryMax, 64: retryMax, 1000: retryMax}
	for attempt, bound := range bounds {
		if bound == 0 {
			continue
		}
		var most time.Duration
		for range 300 {
			d := backoff(attempt, retryBase, retryMax)
			require.GreaterOrEqual(t, d, time.Duration(0))
			require.LessOrEqual(t, d, bound, "attempt %d", attempt)
			most = max(most, d)
		}
		assert.Greater(t, most, bound/2, "attempt %d: it is drawn from all of the range", attempt)
	}
	assert.Zero(t, backoff(1, 0, 0))
	assert.LessOrEqual(t, backoff(3, time.Hour, time.Minute), time.Minute)
}

func TestAgainDecidesWhetherToRetry(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, WithMaxRetries(2), WithMaxRetryAfter(10*time.Minute))
	passing := func() *failure { return &failure{transient: true, after: -1} }
	refused := func() *failure { return &failure{transient: true, nothing: true, after: -1} }
	asked := func(d time.Duration) *failure { return &failure{transient: true, nothing: true, after: d} }
	read, submission := &call{safe: true}, &call{}
	for name, test := range map[string]struct {
		call    *call
		failure *failure
		attempt int
		want    bool
	}{
		"a read":                           {read, passing(), 1, true},
		"a read, the last time":            {read, passing(), 2, true},
		"a read, too often":                {read, passing(), 3, false},
		"a read that will never succeed":   {read, &failure{nothing: true, after: -1}, 1, false},
		"a submission that may have come":  {submission, passing(), 1, false},
		"a submission that did not come":   {submission, refused(), 1, true},
		"a submission that may come twice": {&call{resend: true}, passing(), 1, true},
		"what cannot be read again":        {&call{safe: true, spent: func() bool { return true }}, passing(), 1, false},
		"what can be read again":           {&call{safe: true, spent: func() bool { return false }}, passing(), 1, true},
		"at once":                          {submission, asked(0), 1, true},
		"after five minutes":               {submission, asked(5 * time.Minute), 1, true},
		"after all that is obeyed":         {submission, asked(10 * time.Minute), 1, true},
		"after more":                       {submission, asked(10*time.Minute + 1), 1, false},
	} {
		delay, again := c.again(t.Context(), test.call, test.failure, test.attempt)
		assert.Equal(t, test.want, again, name)
		if !again {
			assert.Zero(t, delay, name)
			continue
		}
		least := max(0, test.failure.after)
		assert.GreaterOrEqual(t, delay, least, name)
		assert.LessOrEqual(t, delay, least+retryBase*2, name)
	}

	// The answer says more than the error of a deadline.
	short, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, again := c.again(short, submission, asked(5*time.Minute), 1)
	assert.False(t, again)
	_, again = c.again(short, submission, asked(5*time.Second), 1)
	assert.True(t, again)
	_, again = newTestClient(t, WithMaxRetries(0)).again(t.Context(), read, passing(), 1)
	assert.False(t, again)
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.NoError(t, sleep(t.Context(), time.Hour))
		assert.Equal(t, time.Hour, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start = time.Now()
		require.ErrorIs(t, sleep(ctx, time.Hour), context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(start))
		for _, none := range []time.Duration{0, -time.Second} {
			require.NoError(t, sleep(t.Context(), none))
			require.ErrorIs(t, sleep(ctx, none), context.DeadlineExceeded)
		}
	})
}

func TestPollIntervalsGrow(t *testing.T) {
	t.Parallel()
	c := waiting(nil)
	for round, want := range []time.Duration{1: time.Second, 1500 * time.Millisecond, 2250 * time.Millisecond, 20: pollMax, 500: pollMax} {
		if want == 0 {
			continue
		}
		for range 100 {
			d := c.pause(round, -1)
			assert.InDelta(t, float64(want), float64(d), float64(want)/9.9, "round %d", round)
		}
	}
	for range 100 {
		d := c.pause(1, time.Minute)
		assert.GreaterOrEqual(t, d, time.Minute)
		assert.LessOrEqual(t, d, time.Minute+pollMin)
		assert.Positive(t, c.pause(1, math.MaxInt64), "also where a sum would overflow")
	}
	for _, test := range []struct{ first, longest, min, max time.Duration }{
		{time.Second, time.Minute, time.Second, time.Minute},
		{0, 0, time.Millisecond, time.Millisecond},
		{-1, -1, time.Millisecond, time.Millisecond},
		{time.Minute, time.Second, time.Minute, time.Minute},
	} {
		c := waiting([]WaitOption{WithPollInterval(test.first, test.longest)})
		assert.Equal(t, test.min, c.min)
		assert.Equal(t, test.max, c.max)
	}
	var seen []*Job
	c = waiting([]WaitOption{WithOnUpdate(func(j *Job) { seen = append(seen, j) })})
	job := &Job{JobID: "j1"}
	c.saw(job)
	assert.Equal(t, []*Job{job}, seen)
}

// answers is a service that calls one function.
type answers func(*http.Request) (status int, body string)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := f(r)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}

// A refused link of a small result is renewed once. Getting the job again must not
// follow the link, or it would never end.
func TestRefusedLinkIsRenewedOnce(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"job_split_url.json", "job_classify_url.json"} {
		jobs, links := 0, 0
		job := string(wire(t, name))
		c := newTestClient(t, WithMaxRetries(0), WithHTTPClient(&http.Client{Transport: answers(func(r *http.Request) (int, string) {
			if r.URL.Host == "bucket.example.com" {
				links++
				if links > 10 {
					return 500, ""
				}
				return 403, string(wire(t, "error_storage.xml"))
			}
			jobs++
			return 200, job
		})}))
		_, err := c.GetJob(t.Context(), "j1")
		require.ErrorIs(t, err, ErrForbidden, name)
		assert.Equal(t, 2, jobs, name)
		assert.Equal(t, 2, links, name)
	}
}

func TestContextErrorJoinsTheCause(t *testing.T) {
	t.Parallel()
	require.NoError(t, contextError(t.Context()))

	ended := func(err error) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(err)
		return ctx
	}
	assert.Equal(t, context.Canceled, contextError(ended(nil)))
	assert.Equal(t, context.Canceled, contextError(ended(context.Canceled)))

	cause := errors.New("shutting down")
	err := contextError(ended(cause))
	assert.ErrorIs(t, err, cause)
	assert.ErrorIs(t, err, context.Canceled)
	assert.EqualError(t, err, "context canceled: shutting down")

	wrapped := fmt.Errorf("stop: %w", context.Canceled)
	assert.Equal(t, wrapped, contextError(ended(wrapped)), "it says all that there is")

	past, cancel := context.WithDeadlineCause(t.Context(), time.Unix(0, 0), cause)
	defer cancel()
	err = contextError(past)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorIs(t, err, cause)

	// Timeouts of the client are not ends of the caller's context.
	for _, ours := range []error{errIdle, errAttemptTimeout} {
		err = contextError(ended(ours))
		assert.Equal(t, ours, err)
		assert.NotErrorIs(t, err, context.Canceled)
	}
	assert.Equal(t, cause, contextErrorOf(cause))
}

// contextErrorOf returns the error that a child context reports for the end of its
// parent.
func contextErrorOf(cause error) error {
	parent, cancel := context.WithCancelCause(context.Background())
	child, stop := context.WithCancel(parent)
	defer stop()
	cancel(cause)
	var caused *causedError
	if !errors.As(contextError(child), &caused) {
		return nil
	}
	return caused.cause
}
