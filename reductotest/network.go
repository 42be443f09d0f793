package reductotest

import (
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

// connBuffer is how many bytes one direction of a connection holds before
// its writer waits for the reader, as a TCP window does.
const connBuffer = 64 << 10

// addr is the address of one end of an in-memory connection.
type addr string

func (addr) Network() string { return "memory" }

func (a addr) String() string { return string(a) }

// conn is one end of an in-memory duplex connection. It behaves as a TCP
// connection does: writes are buffered up to a limit, a closed peer is io.EOF
// to the reader once the buffer is empty and EPIPE to the writer, and
// deadlines end blocked calls with os.ErrDeadlineExceeded.
//
// It blocks on sync.Cond alone, which testing/synctest counts as durably
// blocked; a net.Conn of the operating system would stop a bubble's clock.
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

// Close ends both directions. What was written before stays readable for the peer.
func (c *conn) Close() error {
	c.closed.Store(true)
	c.out.closeWrite()
	c.in.closeRead()
	return nil
}

// CloseWrite ends the outgoing direction only: the peer reads to io.EOF and
// can still answer. net/http looks for this method.
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

// wrap gives errors the type that callers expect from the network, io.EOF excepted.
func (c *conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// stream is one direction of a connection: a bounded ring of bytes.
type stream struct {
	mu   sync.Mutex
	cond sync.Cond // signals every change of the fields below

	buf   []byte // ring, allocated at the first write
	start int    // of the unread bytes
	size  int    // number of unread bytes

	writeClosed bool // the writing end closed: reads end in io.EOF
	readClosed  bool // the reading end closed: writes fail, unread bytes are gone

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
		case s.size > 0:
			n := s.take(p)
			s.cond.Broadcast()
			return n, nil
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
		case s.size < connBuffer:
			n := s.put(p)
			p, written = p[n:], written+n
			s.cond.Broadcast()
			continue
		}
		s.cond.Wait()
	}
}

// take moves unread bytes into p.
func (s *stream) take(p []byte) int {
	n := 0
	for n < len(p) && s.size > 0 {
		end := min(s.start+s.size, connBuffer)
		m := copy(p[n:], s.buf[s.start:end])
		s.start = (s.start + m) % connBuffer
		s.size -= m
		n += m
	}
	return n
}

// put appends what fits of p.
func (s *stream) put(p []byte) int {
	if s.buf == nil {
		s.buf = make([]byte, connBuffer)
	}
	n := 0
	for n < len(p) && s.size < connBuffer {
		at := (s.start + s.size) % connBuffer
		end := connBuffer
		if at < s.start {
			end = s.start
		}
		m := copy(s.buf[at:end], p[n:])
		s.size += m
		n += m
	}
	return n
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
	s.buf, s.start, s.size = nil, 0, 0
	s.readDeadline.stop()
	s.cond.Broadcast()
}

func (s *stream) setDeadline(d *deadline, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d == &s.readDeadline && s.readClosed || d == &s.writeDeadline && s.writeClosed {
		return // no timer may outlive the connection
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
	// A timer that fires while it is being replaced must not end the new
	// deadline, hence the generation.
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

// deadline is the state of a read or write deadline; the stream's mutex guards it.
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
