// Package loopback protects servers on the loopback interface from web pages.
package loopback

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Allowed reports whether the host that a request names is localhost or an IP address. A
// web page can let its own name resolve to 127.0.0.1. The browser then takes a local
// server for the page's own site. The request still has the page's name as its host.
func Allowed(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
