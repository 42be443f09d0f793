package reducto

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func guardOf(t *testing.T, base string) *storageGuard {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	return newStorageGuard(u)
}

func TestStorageGuardChecksLinks(t *testing.T) {
	t.Parallel()
	const public = "https://platform.reducto.ai"
	for _, tt := range []struct {
		base, link string
		refused    bool
	}{
		{public, "https://bucket.s3.amazonaws.com/a?sig=1", false},
		{public, "http://bucket.s3.amazonaws.com/a", true},
		{public, "https://169.254.169.254/latest/meta-data", true},
		{public, "https://127.0.0.1/", true},
		{public, "https://[::1]:8080/", true},
		{public, "https://[::ffff:10.0.0.1]/", true},
		{public, "https://10.1.2.3/", true},
		{public, "https://100.100.100.200/", true},
		{public, "https://0.0.0.0/", true},
		{public, "https://localhost/", true},
		{public, "https://LOCALHOST./", true},
		{public, "https://printer.local/", true},
		{public, "https://8.8.8.8/", false},
		{"https://10.0.0.5", "https://10.0.0.6/a", false},
		{"https://10.0.0.5", "http://10.0.0.6/a", true},
		{"http://localhost:8080", "http://127.0.0.1:9000/a", false},
	} {
		link, err := url.Parse(tt.link)
		require.NoError(t, err)
		err = guardOf(t, tt.base).check(link)
		assert.Equal(t, tt.refused, errors.Is(err, errLinkRefused), "%s from %s: %v", tt.link, tt.base, err)
	}
}

func TestStorageGuardLimitsRedirects(t *testing.T) {
	t.Parallel()
	g := guardOf(t, "https://platform.reducto.ai")
	req := httptest.NewRequest(http.MethodGet, "https://bucket.example.com/a?sig=5a1e", nil)
	req.Header.Set("Referer", "https://bucket.example.com/a?sig=5a1e")
	require.NoError(t, g.checkRedirect(req, make([]*http.Request, 4)))
	assert.Empty(t, req.Header)
	require.Error(t, g.checkRedirect(req, make([]*http.Request, 5)))
	require.ErrorIs(t, g.checkRedirect(httptest.NewRequest(http.MethodGet, "http://bucket.example.com/a", nil), nil), errLinkRefused)
}

// A wrong resolver returns a private address for a public name.
func TestStorageGuardChecksTheDialledAddress(t *testing.T) {
	t.Parallel()
	asked := false
	storage := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(storage.Close)
	lying := storage.Client().Transport.(*http.Transport).Clone()
	lying.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, storage.Listener.Addr().String())
	}
	c := newTestClient(t, WithBaseURL("https://platform.reducto.ai"), WithHTTPClient(&http.Client{Transport: lying}), WithMaxRetries(3))
	f := c.fetch(t.Context(), &call{method: http.MethodGet, url: "https://example.com/result", safe: true}, "https://example.com/result?sig=5a1e", func() bool { return false }, nil)
	require.NotNil(t, f)
	require.ErrorIs(t, f.err, errLinkRefused)
	assert.False(t, f.transient)
	assert.Contains(t, f.err.Error(), "127.0.0.1")
	assert.NotContains(t, f.err.Error(), "5a1e")
	assert.False(t, asked, "nothing was sent")

	// An API at a private address may have its storage there.
	c.guard.sawAPI(addrConn{addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.9:443"))})
	f = c.fetch(t.Context(), &call{method: http.MethodGet, url: "https://example.com/result", safe: true}, "https://example.com/result", func() bool { return false }, func(io.Reader) error { return nil })
	require.Nil(t, f)
	assert.True(t, asked)
}

type addrConn struct {
	net.Conn
	addr net.Addr
}

func (c addrConn) RemoteAddr() net.Addr { return c.addr }

func TestStorageGuardFollowsNoRedirectIntoThePrivateNetwork(t *testing.T) {
	t.Parallel()
	storage := roundTrip(func(req *http.Request) (*http.Response, error) {
		if strings.HasPrefix(req.URL.Host, "169.254.") {
			t.Error("the metadata service was asked")
		}
		resp := &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {"https://169.254.169.254/latest"}}, Body: http.NoBody, Request: req}
		return resp, nil
	})
	c := newTestClient(t, WithBaseURL("https://platform.reducto.ai"), WithHTTPClient(&http.Client{Transport: storage}))
	f := c.fetch(t.Context(), &call{method: http.MethodGet, url: "https://example.com/result", safe: true}, "https://example.com/result?sig=5a1e", func() bool { return false }, nil)
	require.NotNil(t, f)
	require.ErrorIs(t, f.err, errLinkRefused)
	assert.False(t, f.transient)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
