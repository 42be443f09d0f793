package reductotest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// The hosts of the in-memory network.
const (
	apiHost     = "reducto.test"         // the API
	storageHost = "storage.reducto.test" // presigned uploads and result links
	appHost     = "app.test"             // the handlers given to Mount
)

// network is a set of in-memory listeners by host name. Ports do not matter.
type network struct {
	listeners map[string]*listener // not changed after newNetwork
	loopback  bool                 // loopback addresses are dialled by TCP
	dials     atomic.Int64
}

func newNetwork(loopback bool) *network {
	n := &network{listeners: map[string]*listener{}, loopback: loopback}
	for _, host := range []string{apiHost, storageHost, appHost} {
		n.listeners[host] = &listener{
			addr:   addr(host + ":80"),
			conns:  make(chan net.Conn),
			closed: make(chan struct{}),
		}
	}
	return n
}

// dial connects to address, "host:port", in memory.
func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	l, ok := n.listeners[host]
	if !ok {
		if n.loopback && isLoopback(host) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
		reachable := "it reaches " + apiHost + ", " + storageHost + " and " + appHost + " alone"
		if n.loopback {
			reachable += ", and loopback addresses"
		}
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr(address), Err: fmt.Errorf(
			"reductotest: no such host in the in-memory network: %q; %s", host, reachable)}
	}
	client := addr(fmt.Sprintf("client:%d", n.dials.Add(1)))
	near, far := newConnPair(client, l.addr)
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.addr, Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.addr, Err: ctx.Err()}
	}
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// listener is the accepting side of one in-memory host.
type listener struct {
	addr   addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }
