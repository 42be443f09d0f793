package reductotest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The hosts of the in-memory network.
const (
	apiHost     = "reducto.test"         // the API
	storageHost = "storage.reducto.test" // presigned uploads and result links
	appHost     = "app.test"             // the handlers given to Mount
)

// network holds the in-memory listeners by host name. It ignores ports.
type network struct {
	listeners map[string]*listener // does not change
	loopback  bool                 // dial loopback addresses over TCP
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
		reachable := "there are " + apiHost + ", " + storageHost + " and " + appHost
		if n.loopback {
			reachable += ", and loopback addresses"
		}
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr(address), Err: fmt.Errorf(
			"reductotest: no host %q in the in-memory network: %s", host, reachable)}
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

// listener accepts the connections of an in-memory host.
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

// connBuffer is the number of bytes that one direction of a connection buffers before
// its writer waits for the reader, like a TCP window.
const connBuffer = 64 << 10

// addr is the address of an end of an in-memory connection.
type addr string

func (addr) Network() string { return "memory" }

func (a addr) String() string { return string(a) }

// conn is an end of an in-memory connection. It behaves like TCP. Writes are buffered up
// to a limit. After the peer closes, a reader gets io.EOF once the buffer is empty, and a
// writer gets EPIPE. Deadlines end blocked calls with os.ErrDeadlineExceeded.
//
// It blocks only on sync.Cond, which testing/synctest treats as durably blocked. A socket
// would stop the clock of the bubble.
type conn struct {
	in, out       *stream
	local, remote addr
	closed        atomic.Bool
}

// newConnPair returns the two ends of a connection.
func newConnPair(client, server addr) (*conn, *conn) {
	up, down := newStream(), newStream()
	return &conn{in: down, out: up, local: client, remote: server},
		&conn{in: up, out: down, local: server, remote: client}
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// Close ends both directions. The peer can still read what was written before.
func (c *conn) Close() error {
	c.closed.Store(true)
	c.out.closeWrite()
	c.in.closeRead()
	return nil
}

// CloseWrite ends the outgoing direction only. The peer reads to io.EOF and can still
// respond. net/http uses this method.
func (c *conn) CloseWrite() error {
	c.out.closeWrite()
	return nil
}

func (c *conn) LocalAddr() net.Addr { return c.local }

func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.wrap("set", net.ErrClosed)
	}
	c.in.setDeadline(&c.in.readDeadline, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.wrap("set", net.ErrClosed)
	}
	c.out.setDeadline(&c.out.writeDeadline, t)
	return nil
}

// wrap makes errors a *net.OpError, as callers expect, except for io.EOF.
func (c *conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// stream is one direction of a connection.
type stream struct {
	mu   sync.Mutex
	cond sync.Cond // signals each change of the fields below

	buf         bytes.Buffer // unread bytes, up to connBuffer
	writeClosed bool         // the writing end closed: reads end in io.EOF
	readClosed  bool         // the reading end closed: writes fail, unread bytes are lost

	readDeadline, writeDeadline deadline
}

func newStream() *stream {
	s := &stream{}
	s.cond.L = &s.mu
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.readClosed:
			return 0, net.ErrClosed
		case s.readDeadline.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case s.buf.Len() > 0:
			s.cond.Broadcast()
			return s.buf.Read(p)
		case s.writeClosed:
			return 0, io.EOF
		}
		s.cond.Wait()
	}
}

func (s *stream) write(p []byte) (written int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.writeClosed:
			return written, net.ErrClosed
		case s.readClosed:
			return written, syscall.EPIPE
		case s.writeDeadline.passed:
			return written, os.ErrDeadlineExceeded
		case len(p) == 0:
			return written, nil
		case s.buf.Len() < connBuffer:
			n := min(len(p), connBuffer-s.buf.Len())
			_, _ = s.buf.Write(p[:n])
			p, written = p[n:], written+n
			s.cond.Broadcast()
			continue
		}
		s.cond.Wait()
	}
}

func (s *stream) closeWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeClosed = true
	s.writeDeadline.stop()
	s.cond.Broadcast()
}

func (s *stream) closeRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readClosed = true
	s.buf = bytes.Buffer{}
	s.readDeadline.stop()
	s.cond.Broadcast()
}

func (s *stream) setDeadline(d *deadline, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d == &s.readDeadline && s.readClosed || d == &s.writeDeadline && s.writeClosed {
		return // a timer must not outlive the connection
	}
	d.stop()
	d.passed = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.passed = true
		s.cond.Broadcast()
		return
	}
	// The generation keeps a timer that fires while it is replaced from ending the new
	// deadline.
	generation := d.generation
	d.timer = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if d.generation == generation {
			d.passed = true
			s.cond.Broadcast()
		}
	})
}

// deadline is a read or write deadline. The mutex of the stream guards it.
type deadline struct {
	timer      *time.Timer
	generation int
	passed     bool
}

func (d *deadline) stop() {
	d.generation++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
