package reducto

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRetryAfter(t *testing.T) {
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

func TestBackoff(t *testing.T) {
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

func TestAPIFailure(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ transient, nothing bool }{
		301: {false, true}, 304: {false, true},
		400: {false, true}, 401: {false, true}, 403: {false, true}, 404: {false, true}, 409: {false, true}, 410: {false, true},
		413: {false, true}, 415: {false, true}, 422: {false, true}, 442: {false, true},
		429: {true, true}, 503: {true, true},
		// What a gateway says tells nothing of what the service did.
		408: {true, false}, 500: {true, false}, 501: {true, false}, 502: {true, false}, 504: {true, false}, 520: {true, false}, 599: {true, false},
	} {
		e := &APIError{StatusCode: status}
		f := apiFailure(e, http.Header{})
		assert.Same(t, e, f.err)
		assert.Equal(t, want.transient, f.transient, status)
		assert.Equal(t, want.nothing, f.nothing, status)
		assert.Negative(t, f.after, status)
		assert.Zero(t, e.RetryAfter, status)

		f = apiFailure(e, http.Header{"Retry-After": {"300"}})
		assert.Equal(t, 5*time.Minute, f.after, status)
		assert.Equal(t, 5*time.Minute, e.RetryAfter, status)
		f = apiFailure(e, http.Header{"Retry-After": {"0"}})
		assert.Zero(t, f.after, status)
	}
}

func TestAgain(t *testing.T) {
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

	// The answer at hand says more than a deadline would.
	short, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, again := c.again(short, submission, asked(5*time.Minute), 1)
	assert.False(t, again)
	_, again = c.again(short, submission, asked(5*time.Second), 1)
	assert.True(t, again)
	_, again = newTestClient(t, WithMaxRetries(0)).again(t.Context(), read, passing(), 1)
	assert.False(t, again)
}

// A broken exchange is judged by where it broke.
func TestFailedExchange(t *testing.T) {
	t.Parallel()
	c := newTestClient(t)
	ended := func(cause error) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		return ctx
	}
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	write := &net.OpError{Op: "write", Net: "tcp", Err: errors.New("broken pipe")}
	type judged struct{ transient, nothing bool }
	for name, test := range map[string]struct {
		ctx       context.Context
		err       error
		connected bool
		want      judged
	}{
		"no connection":            {t.Context(), dial, false, judged{true, true}},
		"no such host":             {t.Context(), &net.DNSError{Err: "no such host"}, false, judged{true, true}},
		"no connection, another":   {t.Context(), dial, true, judged{true, false}},
		"broken while writing":     {t.Context(), write, true, judged{true, false}},
		"broken, and no trace":     {t.Context(), write, false, judged{true, false}},
		"an end":                   {t.Context(), io.EOF, true, judged{true, false}},
		"a proxy's refusal":        {t.Context(), &net.OpError{Op: "proxyconnect", Err: errors.New("no")}, false, judged{true, false}},
		"the caller's end":         {ended(nil), write, true, judged{false, false}},
		"the caller's, on dialing": {ended(nil), dial, false, judged{false, true}},
		"the attempt's end":        {ended(errAttemptTimeout), write, true, judged{true, false}},
		"no byte moved":            {ended(errIdle), write, true, judged{true, false}},
		"another certificate":      {t.Context(), &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, false, judged{false, true}},
		"unknown authority":        {t.Context(), x509.UnknownAuthorityError{}, false, judged{false, true}},
		"another host":             {t.Context(), x509.HostnameError{Certificate: &x509.Certificate{}}, false, judged{false, true}},
		"no TLS":                   {t.Context(), tls.RecordHeaderError{Msg: "http"}, false, judged{false, true}},
		"TLS later on":             {t.Context(), tls.RecordHeaderError{Msg: "http"}, true, judged{false, false}},
	} {
		wrapped := &url.Error{Op: "Post", URL: "https://reducto.example.com/parse_async?sig=5a1e", Err: test.err}
		f := c.failedExchange(test.ctx, &call{method: "POST", path: "/parse_async", query: "sig=5a1e"}, wrapped, test.connected)
		assert.Equal(t, test.want, judged{f.transient, f.nothing}, name)
		assert.Negative(t, f.after, name)
		var lost *ConnectionError
		require.ErrorAs(t, f.err, &lost, name)
		assert.Equal(t, "https://reducto.example.com/parse_async", lost.URL, name)
		assert.NotContains(t, f.err.Error(), "5a1e", name)
		if test.ctx.Err() == nil {
			assert.ErrorIs(t, f.err, test.err, name)
		} else {
			assert.ErrorIs(t, f.err, context.Cause(test.ctx), name)
		}
	}
	// A body that cannot be read is no connection that failed.
	mine := &RequestError{Op: "Upload", Field: "reader", Reason: "it ended"}
	f := c.failedExchange(t.Context(), &call{}, &url.Error{Err: fmt.Errorf("write: %w", mine)}, true)
	assert.Equal(t, error(mine), f.err)
	assert.False(t, f.transient)
	assert.False(t, f.nothing)
}

func TestUnusableAnswers(t *testing.T) {
	t.Parallel()
	c := newTestClient(t)
	resp := &http.Response{StatusCode: 200}
	r := &call{method: "GET", path: "/job/j1"}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx       context.Context
		err       error
		transient bool
		text      string
	}{
		"a page":               {t.Context(), &badAnswer{reason: "it is a page", body: []byte("<html>key sk-5a1e</html>")}, true, "it is a page: <html>key [redacted]</html>"},
		"another form":         {t.Context(), &badAnswer{reason: "it is another", body: []byte("{5a1e}"), whole: true}, false, "it is another"},
		"cut off":              {t.Context(), io.ErrUnexpectedEOF, true, "the answer ended early: unexpected EOF"},
		"too large":            {t.Context(), fmt.Errorf("%w: more than 5 bytes", ErrTooLarge), false, "answer too large: more than 5 bytes"},
		"broken":               {t.Context(), errors.New("connection reset"), true, "connection reset"},
		"the caller has ended": {ended, io.ErrUnexpectedEOF, false, "context canceled"},
	} {
		f := c.unusable(test.ctx, r, resp, test.err, []string{"sk-5a1e"})
		assert.Equal(t, test.transient, f.transient, name)
		assert.False(t, f.nothing, "%s: the service has answered", name)
		var lost *ConnectionError
		require.ErrorAs(t, f.err, &lost, name)
		assert.Equal(t, 200, lost.StatusCode)
		assert.Contains(t, f.err.Error(), test.text, name)
		assert.NotContains(t, f.err.Error(), "5a1e", name)
	}
}

func TestLimitedBody(t *testing.T) {
	t.Parallel()
	const text = "0123456789"
	for limit := int64(1); limit < 12; limit++ {
		for size := 1; size < 13; size++ {
			l := &limitedBody{r: strings.NewReader(text), left: limit, limit: limit}
			var got strings.Builder
			_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{l}, make([]byte, size))
			if limit >= int64(len(text)) {
				require.NoError(t, err, "limit %d", limit)
				assert.Equal(t, text, got.String())
				continue
			}
			require.ErrorIs(t, err, ErrTooLarge, "limit %d", limit)
			assert.ErrorContains(t, err, "more than "+strconv.FormatInt(limit, 10)+" bytes")
			assert.LessOrEqual(t, int64(got.Len()), limit+1)
			_, err = l.Read(make([]byte, 1))
			require.ErrorIs(t, err, ErrTooLarge, "it stays so")
		}
	}
	// No limit at all.
	l := &limitedBody{r: strings.NewReader(text), left: math.MaxInt64, limit: math.MaxInt64}
	raw, err := io.ReadAll(l)
	require.NoError(t, err)
	assert.Equal(t, text, string(raw))
}

func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.NoError(t, pause(t.Context(), time.Hour))
		assert.Equal(t, time.Hour, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start = time.Now()
		require.ErrorIs(t, pause(ctx, time.Hour), context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(start))
		for _, none := range []time.Duration{0, -time.Second} {
			require.NoError(t, pause(t.Context(), none))
			require.ErrorIs(t, pause(ctx, none), context.DeadlineExceeded)
		}
	})
}

func TestWaitConfig(t *testing.T) {
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
	job := &Job{ID: "j1"}
	c.saw(job)
	assert.Equal(t, []*Job{job}, seen)
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, WithIdleTimeout(time.Minute), WithTimeout(time.Minute))
	synctest.Test(t, func(t *testing.T) {
		// A transfer lasts as long as bytes move.
		ctx, idle := c.watch(t.Context())
		r := idle.reader(&endless{every: 59 * time.Second})
		for range 10 {
			_, err := r.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		require.NoError(t, ctx.Err())
		time.Sleep(61 * time.Second)
		require.Equal(t, errIdle, contextError(ctx))
		idle.stop()
		idle.moved() // late, and without effect

		// An attempt with a timeout ends, whatever moves.
		ctx, idle = c.limit(t.Context(), &call{timeout: c.cfg.timeout}, new(idleWatch))
		r = idle.reader(&endless{every: 59 * time.Second})
		for range 2 {
			_, err := r.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		require.Equal(t, errAttemptTimeout, contextError(ctx))
		idle.stop()

		// A stopped watch ends its context, and is not the caller's end.
		ctx, idle = c.limit(t.Context(), &call{}, new(idleWatch))
		idle.stop()
		require.ErrorIs(t, contextError(ctx), context.Canceled)
	})
}

// What is downloaded may be worked on for as long as that takes: only waiting for
// the next byte is idle.
func TestIdleTimeoutDoesNotCountTheConsumer(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, WithIdleTimeout(time.Minute))
	synctest.Test(t, func(t *testing.T) {
		ctx, idle := c.watch(t.Context())
		defer idle.stop()
		r := idle.consumed(&endless{every: 59 * time.Second})
		for range 10 {
			_, err := r.Read(make([]byte, 1))
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
		require.NoError(t, ctx.Err())
		_, err := idle.consumed(&endless{every: 61 * time.Second}).Read(make([]byte, 1))
		require.NoError(t, err)
		require.Equal(t, errIdle, contextError(ctx))
	})
}

type endless struct{ every time.Duration }

func (e *endless) Read(p []byte) (int, error) {
	time.Sleep(e.every)
	return len(p), nil
}

// answers is a service of one function.
type answers func(*http.Request) (status int, body string)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := f(r)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}

// A small result's link that is refused is renewed once. Getting the job anew must
// not follow the link again: that would have no end.
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
