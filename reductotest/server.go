package reductotest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
)

// TB is the part of a test that [NewServer] needs. *testing.T, *testing.B and
// *testing.F implement it.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// Server is a fake of Reducto in the process: the API, its object storage and the
// sender of its webhooks. Its methods can be called concurrently.
//
// A method with the id of a job ends the test if there is no such job. If the server
// was made by [Start], it panics.
type Server struct {
	cfg       config
	tb        TB // nil if made by Start
	net       *network
	linkKey   []byte // signs links
	transport *http.Transport
	sender    *http.Client // of webhooks

	apiURL, storageURL, appURL string

	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	servers   []*http.Server
	serving   sync.WaitGroup // the accept loops
	work      sync.WaitGroup // connections, jobs that end, deliveries
	closeOnce sync.Once

	mu       sync.Mutex // guards everything below
	closed   bool
	conns    map[net.Conn]bool
	accepted int
	apiKey   string
	mounts   map[string]http.Handler

	requests      []*Request
	violations    []string
	unknownFields []string
	faults        []*faultRule

	jobState
	storageState
	webhookState
}

// NewServer starts a server and closes it at the end of the test. In a testing/synctest
// bubble, call it inside the bubble with the T of the bubble.
func NewServer(t TB, opts ...Option) *Server {
	t.Helper()
	s, err := newServer(t, opts)
	if err != nil {
		t.Fatalf("reductotest: %v", err)
		return nil
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server for a program, which must close it. It returns an error for an
// invalid Option, or if listening with [OnTCP] fails.
func Start(opts ...Option) (*Server, error) {
	s, err := newServer(nil, opts)
	if err != nil {
		return nil, fmt.Errorf("reductotest: %w", err)
	}
	return s, nil
}

func newServer(tb TB, opts []Option) (*Server, error) {
	cfg := defaultConfig()
	for _, opt := range opts {
		if err := opt(&cfg); err != nil {
			return nil, err
		}
	}
	if cfg.svixSecret == "" {
		cfg.svixSecret, cfg.svixKey = newSvixSecret()
	}
	s := &Server{
		cfg:     cfg,
		tb:      tb,
		net:     newNetwork(cfg.tcp),
		linkKey: make([]byte, 32),

		apiURL:     "http://" + apiHost,
		storageURL: "http://" + storageHost,
		appURL:     "http://" + appHost,

		conns:  map[net.Conn]bool{},
		apiKey: cfg.apiKey,
		mounts: map[string]http.Handler{},

		jobState:     newJobState(cfg),
		storageState: newStorageState(),
		webhookState: newWebhookState(),
	}
	_, _ = rand.Read(s.linkKey) // does not fail
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.transport = &http.Transport{
		DialContext:         s.net.dial,
		MaxIdleConnsPerHost: 1024, // for concurrent callers
		IdleConnTimeout:     90 * time.Second,
	}
	s.sender = &http.Client{
		// Each attempt has its own connection, so that it does not depend on an
		// earlier one.
		Transport:     &http.Transport{DialContext: s.net.dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if err := s.listen(); err != nil {
		s.Close()
		return nil, err
	}
	s.work.Go(s.schedule)
	return s, nil
}

// listen starts the three hosts, in memory and, with OnTCP, on loopback.
func (s *Server) listen() error {
	for _, host := range []struct {
		name    string
		url     *string
		handler http.Handler
	}{
		{apiHost, &s.apiURL, s.observed(apiHost, http.HandlerFunc(s.serveAPI))},
		{storageHost, &s.storageURL, s.observed(storageHost, http.HandlerFunc(s.serveStorage))},
		{appHost, &s.appURL, http.HandlerFunc(s.serveMounted)},
	} {
		server := &http.Server{
			Handler:     host.handler,
			BaseContext: func(net.Listener) context.Context { return s.ctx },
			ConnState:   s.connState(host.name != appHost),
			ErrorLog:    s.errorLog(),
		}
		s.servers = append(s.servers, server)
		listeners := []net.Listener{s.net.listeners[host.name]}
		if s.cfg.tcp {
			at := "127.0.0.1:0"
			if host.name == apiHost {
				at = s.cfg.tcpAddr
			}
			l, err := net.Listen("tcp", at)
			if err != nil {
				return err
			}
			*host.url = "http://" + l.Addr().String()
			listeners = append(listeners, l)
		}
		for _, l := range listeners {
			s.serving.Go(func() { _ = server.Serve(l) }) // always http.ErrServerClosed
		}
	}
	return nil
}

// connState tracks the connections of a host. Close ends them and waits for them.
func (s *Server) connState(counted bool) func(net.Conn, http.ConnState) {
	return func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.mu.Lock()
			s.conns[c] = true
			if counted {
				s.accepted++
			}
			s.mu.Unlock()
			s.work.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			s.work.Done()
		}
	}
}

// Close stops the server and waits until its goroutines have ended. It cancels the
// contexts of handlers given to Mount and waits for them. Running jobs do not end, and
// send no webhook. A second call does nothing.
func (s *Server) Close() {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.cancel()
		for _, server := range s.servers {
			_ = server.Close()
		}
		s.serving.Wait()
		// net/http does not close a connection that it accepted meanwhile.
		s.mu.Lock()
		var left []net.Conn
		for c := range s.conns {
			left = append(left, c)
		}
		s.mu.Unlock()
		for _, c := range left {
			_ = c.Close()
		}
		s.transport.CloseIdleConnections()
		s.sender.CloseIdleConnections()
		s.work.Wait()
	})
}

// goLocked runs f in a goroutine unless the server is closed. The caller holds the
// mutex.
func (s *Server) goLocked(f func()) {
	if !s.closed {
		s.work.Go(f)
	}
}

// sleep waits for d. It reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// URL returns the base URL of the API: "http://reducto.test" or, with [OnTCP], an
// address on 127.0.0.1. With [OnTCPAt] it has that address.
func (s *Server) URL() string { return s.apiURL }

// APIKey returns the key that the API accepts.
func (s *Server) APIKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apiKey
}

// SetAPIKey changes the key that the API accepts and so revokes the earlier one.
func (s *Server) SetAPIKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiKey = key
}

// HTTPClient returns a new client that reaches the hosts of the server in memory: the
// API, the storage and the handlers given to Mount. With [OnTCP] it also reaches
// loopback addresses. Other hosts are an error. All clients share one pool of
// connections.
func (s *Server) HTTPClient() *http.Client {
	return &http.Client{Transport: s.transport}
}

// NewConnections returns the number of connections that the API and the storage have
// accepted.
func (s *Server) NewConnections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// fatalf ends the test. Without a test it panics.
func (s *Server) fatalf(format string, args ...any) {
	if s.tb == nil {
		panic(fmt.Sprintf("reductotest: "+format, args...))
	}
	s.tb.Helper()
	s.tb.Fatalf("reductotest: "+format, args...)
}

// errorLog sends the log of net/http, such as the panic of a mounted handler, to the
// test.
func (s *Server) errorLog() *log.Logger {
	if s.tb == nil {
		return nil
	}
	return log.New(logWriter{s.tb}, "", 0)
}

type logWriter struct{ tb TB }

func (w logWriter) Write(p []byte) (int, error) {
	w.tb.Logf("reductotest: %s", p)
	return len(p), nil
}

// Mount serves h on the host app.test and returns the URL of path. Use it to receive
// webhooks. With [OnTCP] the URL is on a loopback port, where any program can reach it.
//
// A path that ends in a slash also serves everything below it. The longest path that
// matches is used. The handler sees the whole path. Mounting a path again replaces its
// handler. A nil handler removes it, so that the path responds 404.
func (s *Server) Mount(path string, h http.Handler) (url string) {
	if !strings.HasPrefix(path, "/") {
		s.fatalf("Mount: the path %q must begin with a slash", path)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h == nil {
		delete(s.mounts, path)
	} else {
		s.mounts[path] = h
	}
	return s.appURL + path
}

func (s *Server) serveMounted(w http.ResponseWriter, r *http.Request) {
	if h := s.mounted(r.URL.Path); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

func (s *Server) mounted(path string) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h, ok := s.mounts[path]; ok {
		return h
	}
	for prefix := path; prefix != ""; {
		prefix = prefix[:strings.LastIndexByte(prefix, '/')+1]
		if h, ok := s.mounts[prefix]; ok {
			return h
		}
		prefix = strings.TrimSuffix(prefix, "/")
	}
	return nil
}

// Client returns a client with the URL and the API key of the server, and a transport
// that reaches it. opts come after these and override them. An invalid option ends the
// test, or panics if the server was made by [Start].
func (s *Server) Client(opts ...reducto.Option) *reducto.Client {
	client, err := reducto.NewClient(append([]reducto.Option{
		reducto.WithBaseURL(s.URL()),
		reducto.WithAPIKey(s.APIKey()),
		reducto.WithHTTPClient(s.HTTPClient()),
	}, opts...)...)
	if err != nil {
		s.fatalf("Client: %v", err)
		return nil
	}
	return client
}
