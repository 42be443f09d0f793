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

// storageGuard keeps the links of an API that is on the internet from leading into
// the network of the client. Results and uploads are behind links that the API names,
// and storage may redirect them. Without the guard, a link could fetch the metadata
// service of a cloud machine, for example.
//
// The addresses that are dialled are checked, not the names. An API that is itself in
// a private network may have its storage there.
type storageGuard struct {
	https   bool        // the base URL is https, so links must be
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

// check refuses a link by its scheme and host.
func (g *storageGuard) check(link *url.URL) error {
	switch {
	case g.https && link.Scheme != "https":
		return fmt.Errorf("%w: it leads from https to %s", errLinkRefused, link.Scheme)
	case !g.private.Load() && isPrivateHost(link.Hostname()):
		return fmt.Errorf("%w: it leads to %s, which is not on the internet", errLinkRefused, link.Hostname())
	}
	return nil
}

// checkRedirect follows redirects of storage, for example between the regions of a
// bucket. It removes the Referer header, in which net/http puts the signed URL.
func (g *storageGuard) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("stopped after 5 redirects")
	}
	req.Header.Del("Referer")
	return g.check(req.URL)
}

// transport returns a copy of base that checks the addresses that it dials. A proxy
// dials for itself, so requests through one are checked by their host alone, and so
// are those of a base that is no *http.Transport.
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
		direct.ForceAttemptHTTP2 = true // a dial function of one's own turns HTTP/2 off
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

// dial closes a connection to an address that is not allowed, before anything is sent.
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

// storageTransport sends requests through a proxy by the original transport, and all
// others by the guarded one.
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

// isPrivateAddr reports whether an address is a loopback, link-local, private or
// other one that is not on the internet.
func isPrivateAddr(a net.Addr) bool {
	if a == nil {
		return false
	}
	addr, err := netip.ParseAddrPort(a.String())
	return err == nil && isPrivateIP(addr.Addr())
}

// sharedSpace is for carrier-grade NAT. Some clouds have their metadata service there.
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
