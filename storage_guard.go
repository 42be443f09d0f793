package reducto

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
)

// storageGuard keeps the links of a public API from reaching the client's private
// network. The API chooses the links to results and uploads, and storage may redirect
// them. Without the guard, a link could read the metadata service of a cloud machine,
// for example.
//
// The guard checks the dialled addresses, not the names. If the API itself is in a
// private network, its storage may be there too.
type storageGuard struct {
	https   bool        // the base URL is https, so links must use https
	private atomic.Bool // the API is in a private network
}

func newStorageGuard(base *url.URL) *storageGuard {
	g := &storageGuard{https: base.Scheme == "https"}
	g.private.Store(isPrivateHost(base.Hostname()))
	return g
}

// sawAPI notes the address of a connection to the API.
func (g *storageGuard) sawAPI(conn net.Conn) {
	if conn != nil && !g.private.Load() && isPrivateAddr(conn.RemoteAddr()) {
		g.private.Store(true)
	}
}

// errLinkRefused is the reason to refuse a link. The request is not tried again.
var errLinkRefused = errors.New("the link was refused")

// check refuses a link if its scheme or host is not allowed.
func (g *storageGuard) check(link *url.URL) error {
	switch {
	case g.https && link.Scheme != "https":
		return fmt.Errorf("%w: it leads from https to %s", errLinkRefused, link.Scheme)
	case !g.private.Load() && isPrivateHost(link.Hostname()):
		return fmt.Errorf("%w: it leads to %s, which is not on the internet", errLinkRefused, link.Hostname())
	}
	return nil
}

// checkRedirect allows redirects of storage, for example between the regions of a
// bucket. It removes the Referer header, because net/http puts the signed URL there.
func (g *storageGuard) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("stopped after 5 redirects")
	}
	req.Header.Del("Referer")
	return g.check(req.URL)
}

// transport returns a copy of base that checks the addresses that it dials. A proxy
// dials for itself. For requests through a proxy, only the host is checked. The same
// applies if base is no *http.Transport.
func (g *storageGuard) transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	t, ok := base.(*http.Transport)
	if !ok {
		return base
	}
	direct := t.Clone()
	direct.Proxy = nil
	//lint:ignore SA1019 the user may have set the old fields
	if t.DialContext == nil && t.Dial == nil && t.DialTLSContext == nil && t.DialTLS == nil && t.TLSClientConfig == nil {
		direct.ForceAttemptHTTP2 = true // a custom dial function disables HTTP/2
	}
	dial := t.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
		//lint:ignore SA1019 as above
		if old := t.Dial; old != nil {
			dial = func(_ context.Context, network, addr string) (net.Conn, error) { return old(network, addr) }
		}
	}
	direct.DialContext = g.dial(dial)
	if t.DialTLSContext != nil {
		direct.DialTLSContext = g.dial(t.DialTLSContext)
	}
	return &storageTransport{direct: direct, proxied: t}
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// dial closes a connection to a forbidden address before anything is sent.
func (g *storageGuard) dial(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil || g.private.Load() || !isPrivateAddr(conn.RemoteAddr()) {
			return conn, err
		}
		_ = conn.Close()
		return nil, fmt.Errorf("%w: its host has the address %s, which is not on the internet", errLinkRefused, conn.RemoteAddr())
	}
}

// storageTransport sends requests through a proxy with the original transport. It sends
// all other requests with the guarded one.
type storageTransport struct{ direct, proxied *http.Transport }

func (t *storageTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.proxied.Proxy != nil {
		if proxy, err := t.proxied.Proxy(req); err != nil || proxy != nil {
			return t.proxied.RoundTrip(req)
		}
	}
	return t.direct.RoundTrip(req)
}

func (t *storageTransport) CloseIdleConnections() {
	t.direct.CloseIdleConnections()
	t.proxied.CloseIdleConnections()
}

// isPrivateAddr reports whether an address is not on the internet: a loopback,
// link-local, private or similar one.
func isPrivateAddr(a net.Addr) bool {
	if a == nil {
		return false
	}
	addr, err := netip.ParseAddrPort(a.String())
	return err == nil && isPrivateIP(addr.Addr())
}

// sharedSpace is the range for carrier-grade NAT. Some clouds have their metadata
// service there.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func isPrivateIP(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsMulticast() ||
		ip.IsUnspecified() || sharedSpace.Contains(ip)
}

// isPrivateHost reports whether a host is a name of the local network or a private
// address.
func isPrivateHost(host string) bool {
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return isPrivateIP(ip)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local")
}
