package reducto

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newTestClient makes a client without a server.
func newTestClient(t testing.TB, opts ...Option) *Client {
	t.Helper()
	c, err := NewClient(append([]Option{WithAPIKey("sk-test"), WithBaseURL("https://reducto.example.com")}, opts...)...)
	require.NoError(t, err)
	if c.base.Host == "reducto.example.com" {
		// The storage of the tests is on this machine, as in a private installation.
		c.guard.https = false
		c.guard.private.Store(true)
	}
	return c
}

type idleHook struct{}

func (idleHook) BeforeSubmit(context.Context, *Submission) error        { return nil }
func (idleHook) AfterSubmit(context.Context, *Submission, SubmitResult) {}

func TestOptionsRefused(t *testing.T) {
	t.Setenv(EnvAPIKey, "sk-test")
	t.Setenv(EnvBaseURL, "")
	tests := map[string]struct {
		opts   []Option
		reason string
	}{
		"nil option":                {[]Option{nil}, "an option is nil"},
		"empty key":                 {[]Option{WithAPIKey("")}, "WithAPIKey: the API key is empty"},
		"blank key":                 {[]Option{WithAPIKey(" \t")}, "WithAPIKey: the API key is empty"},
		"key with a line end":       {[]Option{WithAPIKey("sk-5a1e\n")}, "trim the line end"},
		"key with a space":          {[]Option{WithAPIKey("sk 5a1e")}, "a space or another character"},
		"key with a space in front": {[]Option{WithAPIKey(" sk-5a1e")}, "a space or another character"},
		"key beyond ASCII":          {[]Option{WithAPIKey("sk-5a1é")}, "a space or another character"},
		"key with NUL":              {[]Option{WithAPIKey("sk\x005a1e")}, "a space or another character"},
		"nil key function":          {[]Option{WithAPIKeyFunc(nil)}, "WithAPIKeyFunc: the function is nil"},
		"empty URL":                 {[]Option{WithBaseURL("")}, "WithBaseURL: the base URL has the scheme"},
		"malformed URL":             {[]Option{WithBaseURL("https://exa mple.com/5a1e")}, "WithBaseURL: the base URL cannot be parsed"},
		"malformed port":            {[]Option{WithBaseURL("https://example.com:port")}, "cannot be parsed"},
		"no scheme":                 {[]Option{WithBaseURL("reducto.example.com")}, `has the scheme ""`},
		"host and port only":        {[]Option{WithBaseURL("reducto.example.com:8080")}, `has the scheme "reducto.example.com"`},
		"another scheme":            {[]Option{WithBaseURL("ftp://example.com")}, `has the scheme "ftp": it must be http or https`},
		"no host":                   {[]Option{WithBaseURL("https:///v1")}, "the base URL has no host"},
		"no host but a port":        {[]Option{WithBaseURL("http://:8080")}, "the base URL has no host"},
		"opaque":                    {[]Option{WithBaseURL("https:example.com")}, "the base URL has no host"},
		"user information":          {[]Option{WithBaseURL("https://user:5a1e@example.com")}, "contains user information: pass the API key to WithAPIKey"},
		"query":                     {[]Option{WithBaseURL("https://example.com?key=5a1e")}, "has a query or a fragment"},
		"fragment":                  {[]Option{WithBaseURL("https://example.com#5a1e")}, "has a query or a fragment"},
		"unknown region":            {[]Option{WithRegion("moon")}, `WithRegion: unknown region "moon": it is one of us, eu, au`},
		"empty region":              {[]Option{WithRegion("")}, `unknown region ""`},
		"region in capitals":        {[]Option{WithRegion("EU")}, `unknown region "EU"`},
		"region and base URL":       {[]Option{WithRegion(RegionEU), WithBaseURL("https://example.com")}, "WithRegion and WithBaseURL are both set"},
		"base URL and region":       {[]Option{WithBaseURL("https://example.com"), WithRegion(RegionEU)}, "WithRegion and WithBaseURL are both set"},
		"nil HTTP client":           {[]Option{WithHTTPClient(nil)}, "WithHTTPClient: the client is nil"},
		"negative retries":          {[]Option{WithMaxRetries(-1)}, "WithMaxRetries: -1 is negative: use 0 for no retries"},
		"negative retry after":      {[]Option{WithMaxRetryAfter(-time.Second)}, "WithMaxRetryAfter: -1s is not positive"},
		"no retry after":            {[]Option{WithMaxRetryAfter(0)}, "WithMaxRetryAfter: 0s is not positive"},
		"no timeout":                {[]Option{WithTimeout(0)}, "WithTimeout: 0s is not positive"},
		"negative sync timeout":     {[]Option{WithSyncTimeout(-1)}, "WithSyncTimeout: -1ns is not positive"},
		"no idle timeout":           {[]Option{WithIdleTimeout(0)}, "WithIdleTimeout: 0s is not positive"},
		"no response":               {[]Option{WithMaxResponseBytes(0)}, "WithMaxResponseBytes: 0 is not positive"},
		"negative result":           {[]Option{WithMaxResultBytes(-5)}, "WithMaxResultBytes: -5 is not positive"},
		"negative upload":           {[]Option{WithMaxDirectUpload(-1)}, "WithMaxDirectUpload: -1 is not between 0 and 100000000"},
		"upload beyond the limit":   {[]Option{WithMaxDirectUpload(MaxDirectUpload + 1)}, "is not between 0 and 100000000"},
		"nil logger":                {[]Option{WithLogger(nil)}, "WithLogger: the logger is nil: omit the option"},
		"user agent of two lines":   {[]Option{WithUserAgent("a\r\nX: y")}, "WithUserAgent: the name contains a character"},
		"user agent beyond ASCII":   {[]Option{WithUserAgent("größe/1")}, "WithUserAgent: the name contains a character"},
		"webhook without a URL":     {[]Option{WithWebhook(DirectWebhook(""))}, "WithWebhook: the URL is empty"},
		"webhook of another scheme": {[]Option{WithWebhook(DirectWebhook("ftp://example.com"))}, `WithWebhook: the URL's scheme is "ftp"`},
		"webhook without a host":    {[]Option{WithWebhook(DirectWebhook("https:///w"))}, "WithWebhook: the URL has no host"},
		"malformed webhook":         {[]Option{WithWebhook(DirectWebhook("https://exa mple.com"))}, "WithWebhook: the URL cannot be parsed"},
		"nil hook":                  {[]Option{WithSubmitHook(nil)}, "WithSubmitHook: a hook is nil"},
		"nil hook among others":     {[]Option{WithSubmitHook(idleHook{}, nil)}, "WithSubmitHook: a hook is nil"},
		"the first of two mistakes": {[]Option{WithMaxRetries(-1), WithLogger(nil)}, "WithMaxRetries"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := NewClient(test.opts...)
			assert.Nil(t, c)
			var refused *RequestError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, "NewClient", refused.Op)
			assert.Contains(t, err.Error(), "reducto: NewClient: ")
			assert.Contains(t, err.Error(), test.reason)
			assert.NotContains(t, err.Error(), "5a1", "neither a key nor a password")
		})
	}
}

func TestEnvironmentIsUsedWithoutOptions(t *testing.T) {
	t.Setenv(EnvAPIKey, "")
	t.Setenv(EnvBaseURL, "")
	_, err := NewClient()
	require.EqualError(t, err, "reducto: NewClient: no API key: set REDUCTO_API_KEY or use WithAPIKey")

	t.Setenv(EnvAPIKey, "sk-env\n")
	_, err = NewClient()
	require.ErrorContains(t, err, "NewClient: REDUCTO_API_KEY: the API key contains a space")
	_, err = NewClient(WithAPIKey("sk-option"))
	require.NoError(t, err, "an option silences the environment")

	t.Setenv(EnvAPIKey, "sk-env")
	c, err := NewClient()
	require.NoError(t, err)
	assert.Equal(t, "https://platform.reducto.ai", c.base.String())
	key, err := c.cfg.key(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "sk-env", key.key)
	t.Setenv(EnvAPIKey, "sk-other")
	key, err = c.cfg.key(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "sk-env", key.key, "it is read once")

	for region, base := range map[Region]string{
		RegionUS: "https://platform.reducto.ai", RegionEU: "https://eu.platform.reducto.ai", RegionAU: "https://au.platform.reducto.ai",
	} {
		c, err = NewClient(WithRegion(region))
		require.NoError(t, err)
		assert.Equal(t, base, c.base.String())
	}

	t.Setenv(EnvBaseURL, "http://localhost:8080/reducto/")
	c, err = NewClient()
	require.NoError(t, err)
	assert.Equal(t, "http://localhost:8080/reducto", c.base.String())
	c, err = NewClient(WithBaseURL("https://example.com"))
	require.NoError(t, err)
	assert.Equal(t, "https://example.com", c.base.String())
	_, err = NewClient(WithRegion(RegionUS))
	require.ErrorContains(t, err, "WithRegion and REDUCTO_BASE_URL are both set")
	_, err = NewClient(WithBaseURL("https://example.com"), WithRegion(RegionUS))
	require.ErrorContains(t, err, "WithRegion and WithBaseURL are both set")

	t.Setenv(EnvBaseURL, "localhost:8080")
	_, err = NewClient()
	require.ErrorContains(t, err, `NewClient: REDUCTO_BASE_URL: the base URL has the scheme "localhost"`)
}

func TestClientHasDocumentedDefaults(t *testing.T) {
	t.Parallel()
	c := newTestClient(t)
	assert.Equal(t, DefaultMaxRetries, c.cfg.maxRetries)
	assert.Equal(t, DefaultMaxRetryAfter, c.cfg.maxRetryAfter)
	assert.Greater(t, c.cfg.maxRetryAfter, 5*time.Minute, "what a saturated batch queue asks for")
	assert.Equal(t, DefaultTimeout, c.cfg.timeout)
	assert.Equal(t, DefaultSyncTimeout, c.cfg.syncTimeout)
	assert.Equal(t, DefaultIdleTimeout, c.cfg.idleTimeout)
	assert.EqualValues(t, DefaultMaxResponseBytes, c.cfg.maxResponse)
	assert.EqualValues(t, DefaultMaxResultBytes, c.cfg.maxResult)
	assert.EqualValues(t, MaxDirectUpload, c.cfg.maxDirect)
	assert.True(t, c.cfg.webhook.IsZero())
	assert.Empty(t, c.cfg.hooks)
	assert.False(t, c.cfg.logger.Enabled(t.Context(), slog.LevelError))
	assert.Regexp(t, `^reducto-go/\S+ \(go1\.`, c.agent)

	transport, ok := c.api.Transport.(*http.Transport)
	require.True(t, ok)
	assert.Greater(t, transport.MaxIdleConnsPerHost, 100)
	assert.True(t, transport.ForceAttemptHTTP2)
	assert.Positive(t, transport.TLSHandshakeTimeout)
	assert.NotNil(t, transport.Proxy)
	assert.IsType(t, &storageTransport{}, c.storage.Transport)
	assert.NotSame(t, transport, newTestClient(t).api.Transport, "each client has its own")
	c.CloseIdleConnections()
}

func TestOptionsAreApplied(t *testing.T) {
	t.Parallel()
	logger := slog.New(slog.DiscardHandler)
	c := newTestClient(t,
		WithMaxRetries(0), WithMaxRetryAfter(time.Hour), WithTimeout(time.Second), WithSyncTimeout(2*time.Second), WithIdleTimeout(3*time.Second),
		WithMaxResponseBytes(4), WithMaxResultBytes(math.MaxInt64), WithMaxDirectUpload(0), WithLogger(logger), WithUserAgent(" invoices/1.4 "),
		WithWebhook(SvixWebhook("a")), WithSubmitHook(idleHook{}), WithSubmitHook(), WithSubmitHook(idleHook{}, idleHook{}),
	)
	assert.Zero(t, c.cfg.maxRetries)
	assert.Equal(t, time.Hour, c.cfg.maxRetryAfter)
	assert.Equal(t, time.Second, c.cfg.timeout)
	assert.Equal(t, 2*time.Second, c.cfg.syncTimeout)
	assert.Equal(t, 3*time.Second, c.cfg.idleTimeout)
	assert.EqualValues(t, 4, c.cfg.maxResponse)
	assert.EqualValues(t, math.MaxInt64, c.cfg.maxResult)
	assert.Zero(t, c.cfg.maxDirect)
	assert.Same(t, logger, c.cfg.logger)
	assert.Regexp(t, `^invoices/1\.4 reducto-go/`, c.agent)
	assert.Equal(t, "svix a", c.cfg.webhook.String())
	assert.Len(t, c.cfg.hooks, 3)

	// The last of two options wins. A key function is called each time.
	n := 0
	c = newTestClient(t, WithMaxRetries(7), WithMaxRetries(2), WithAPIKeyFunc(func(context.Context) (string, error) {
		n++
		return "sk-rotated", nil
	}))
	assert.Equal(t, 2, c.cfg.maxRetries)
	assert.Zero(t, n, "not before it is needed")
	key, err := c.cfg.key(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "sk-rotated", key.key)
}

func TestWithInheritsOptions(t *testing.T) {
	t.Setenv(EnvBaseURL, "")
	c := newTestClient(t, WithMaxRetries(7), WithUserAgent("a/1"), WithSubmitHook(idleHook{}), WithWebhook(SvixWebhook()))
	same, err := c.With()
	require.NoError(t, err)
	assert.NotSame(t, c, same)
	assert.Equal(t, c.base, same.base)
	assert.Equal(t, c.agent, same.agent)
	assert.Same(t, c.api, same.api, "they share their connections")

	d, err := c.With(WithMaxRetries(2), WithUserAgent("b/2"), WithSubmitHook(idleHook{}), WithWebhook(NoWebhook()), WithAPIKey("sk-other"))
	require.NoError(t, err)
	assert.Equal(t, 2, d.cfg.maxRetries)
	assert.Regexp(t, "^b/2 reducto-go/", d.agent)
	assert.Len(t, d.cfg.hooks, 2)
	assert.Equal(t, "disabled", d.cfg.webhook.Mode())
	assert.Equal(t, c.base, d.base)
	assert.Same(t, c.storage, d.storage)
	key, err := d.cfg.key(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "sk-other", key.key)
	// A copy does not share what the other copy adds.
	e, err := c.With(WithSubmitHook(canaryHooks{"e"}))
	require.NoError(t, err)
	f, err := c.With(WithSubmitHook(canaryHooks{"f"}))
	require.NoError(t, err)
	assert.Equal(t, canaryHooks{"e"}, e.cfg.hooks[1])
	assert.Equal(t, canaryHooks{"f"}, f.cfg.hooks[1])

	assert.Equal(t, 7, c.cfg.maxRetries)
	assert.Len(t, c.cfg.hooks, 1)
	assert.Equal(t, "svix", c.cfg.webhook.Mode())

	moved, err := c.With(WithRegion(RegionEU))
	require.NoError(t, err)
	assert.Equal(t, "https://eu.platform.reducto.ai", moved.base.String())
	moved, err = moved.With(WithBaseURL("http://localhost:8080/x/"))
	require.NoError(t, err)
	assert.Equal(t, "http://localhost:8080/x", moved.base.String())
	again, err := moved.With(WithTimeout(time.Second))
	require.NoError(t, err)
	assert.Equal(t, moved.base, again.base)
	mine := &http.Client{}
	other, err := c.With(WithHTTPClient(mine))
	require.NoError(t, err)
	assert.NotSame(t, c.api, other.api)
	assert.Nil(t, mine.CheckRedirect)

	for _, bad := range [][]Option{{nil}, {WithMaxRetries(-1)}, {WithAPIKey("")}, {WithBaseURL("")}, {WithBaseURL("x")}, {WithRegion(RegionEU), WithBaseURL("https://example.com")}} {
		var refused *RequestError
		none, err := c.With(bad...)
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "With", refused.Op)
		assert.Nil(t, none)
	}
}

func TestBaseURLWithPathPrefix(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://example.com":            "https://example.com/job/j1?a=b",
		"https://example.com/":           "https://example.com/job/j1?a=b",
		"https://example.com/reducto":    "https://example.com/reducto/job/j1?a=b",
		"https://example.com/a/b///":     "https://example.com/a/b/job/j1?a=b",
		"http://localhost:8080/a%2Fb/":   "http://localhost:8080/a%2Fb/job/j1?a=b",
		"http://[::1]:8080/größe":        "http://[::1]:8080/gr%C3%B6%C3%9Fe/job/j1?a=b",
		"HTTPS://EXAMPLE.com/a":          "https://EXAMPLE.com/a/job/j1?a=b",
		"http://127.0.0.1:1/with%20room": "http://127.0.0.1:1/with%20room/job/j1?a=b",
	} {
		c := newTestClient(t, WithBaseURL(base))
		_, idle := c.watch(t.Context())
		req, err := c.request(t.Context(), &call{method: "GET", path: "/job/j1", query: "a=b"}, new(exchange), newCredential("sk-test"), idle)
		idle.stop()
		require.NoError(t, err, base)
		assert.Equal(t, want, req.URL.String(), base)
		assert.Equal(t, "Bearer sk-test", req.Header.Get("Authorization"))
		assert.Empty(t, req.Header.Get("Idempotency-Key"))
		assert.Empty(t, req.Header.Get("Content-Type"))
	}
	// An escaped segment stays one segment.
	c := newTestClient(t, WithBaseURL("https://example.com/a"))
	_, idle := c.watch(t.Context())
	defer idle.stop()
	req, err := c.request(t.Context(), &call{method: "DELETE", path: "/upload/" + url.PathEscape("reducto://5a1e.pdf")}, new(exchange), newCredential("sk-test"), idle)
	require.NoError(t, err)
	assert.Equal(t, "https://example.com/a/upload/reducto:%2F%2F5a1e.pdf", req.URL.String())
	_, err = c.request(t.Context(), &call{method: "GET", path: "/%zz"}, new(exchange), newCredential("sk-test"), idle)
	var refused *RequestError
	require.ErrorAs(t, err, &refused)
}

func TestDoRefuses(t *testing.T) {
	t.Parallel()
	c := newTestClient(t)
	for _, path := range []string{"", "job", "https://example.org/job", "//example.org/job", "/%zz", "?a=b", "mailto:a", "\x00"} {
		var refused *RequestError
		require.ErrorAs(t, c.Do(t.Context(), "GET", path, nil, nil), &refused, "%q", path)
		assert.Equal(t, "path", refused.Field)
	}
	for _, method := range []string{"", "get", "GET ", "G\nET", "ÄÖ"} {
		var refused *RequestError
		require.ErrorAs(t, c.Do(t.Context(), method, "/version", nil, nil), &refused, "%q", method)
		assert.Equal(t, "method", refused.Field)
	}
	var refused *RequestError
	require.ErrorAs(t, c.Do(t.Context(), "POST", "/x", func() {}, nil), &refused)
	assert.Contains(t, refused.Error(), "does not marshal")
}

func TestListJobsRefuses(t *testing.T) {
	t.Parallel()
	c := newTestClient(t)
	for _, limit := range []int{-1, MaxJobsPerPage + 1} {
		var refused *RequestError
		_, err := c.ListJobs(t.Context(), ListJobsOptions{Limit: limit})
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "Limit", refused.Field)
		n := 0
		for job, err := range c.Jobs(t.Context(), ListJobsOptions{Limit: limit}) {
			n++
			assert.Nil(t, job)
			require.ErrorAs(t, err, &refused)
		}
		assert.Equal(t, 1, n)
	}
	for _, id := range []string{"", "a/b", "..", "a?b"} {
		var refused *RequestError
		require.ErrorAs(t, c.CancelJob(t.Context(), id), &refused)
		_, err := c.GetJob(t.Context(), id)
		require.ErrorAs(t, err, &refused)
		assert.Contains(t, err.Error(), "use the id that the submission returned")
	}
}

// If the key function fails, the error is a *RequestError and nothing is sent.
func TestErrorOfKeyFunctionFailsTheRequest(t *testing.T) {
	t.Parallel()
	broken := errors.New("vault is sealed")
	for _, f := range []func(context.Context) (string, error){
		func(context.Context) (string, error) { return "", broken },
		func(context.Context) (string, error) { return "", nil },
		func(context.Context) (string, error) { return "sk 5a1e\n", nil },
	} {
		c := newTestClient(t, WithAPIKeyFunc(f))
		_, err := c.GetJob(t.Context(), "j1")
		var refused *RequestError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "GetJob", refused.Op)
		assert.Equal(t, "API key", refused.Field)
		assert.NotContains(t, err.Error(), "5a1e")
	}
}
