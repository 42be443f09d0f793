package webhook_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/cputime"
)

// loopbackConns is how many connections send deliveries at a time.
const loopbackConns = 64

// loopback serves a handler on 127.0.0.1, with clients that cost next to nothing:
// each writes a request as it stands in memory, and reads the answer.
type loopback struct {
	clients []*loopbackClient
}

type loopbackClient struct {
	conn    net.Conn
	answers *bufio.Reader
	request []byte
	job     []byte // within request
}

// newLoopback has header and body sent.
func newLoopback(b *testing.B, h http.Handler, header http.Header, body []byte) *loopback {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := &http.Server{Handler: h}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	lb := &loopback{}
	b.Cleanup(func() {
		for _, c := range lb.clients {
			_ = c.conn.Close()
		}
		_ = server.Close()
		<-served
	})

	var head bytes.Buffer
	fmt.Fprintf(&head, "POST /webhook HTTP/1.1\r\nHost: app.test\r\nUser-Agent: sender\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	require.NoError(b, header.Write(&head))
	head.WriteString("\r\n")
	for range loopbackConns {
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(b, err)
		request := append(bytes.Clone(head.Bytes()), body...)
		c := &loopbackClient{conn: conn, answers: bufio.NewReader(conn), request: request}
		if at := bytes.Index(request, []byte(jobA)); at >= 0 {
			c.job = request[at : at+8]
		}
		lb.clients = append(lb.clients, c)
	}
	return lb
}

// deliver sends one delivery and reads its answer.
func (c *loopbackClient) deliver() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	status, err := c.answers.ReadSlice('\n')
	if err == nil && !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		err = fmt.Errorf("answered %.40q", status)
	}
	length := 0
	for err == nil {
		var line []byte
		if line, err = c.answers.ReadSlice('\n'); err != nil || len(line) <= 2 {
			break
		}
		if n, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, err = strconv.Atoi(string(bytes.TrimSpace(n)))
		}
	}
	if err == nil {
		_, err = io.CopyN(io.Discard, c.answers, int64(length))
	}
	return err
}

// side delivers n times; each delivery is of another job if jobs is not nil.
func (lb *loopback) side(b *testing.B, jobs *atomic.Int64) cputime.Side {
	return func(n int) {
		var wg sync.WaitGroup
		var left atomic.Int64
		left.Store(int64(n))
		for _, c := range lb.clients {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					if jobs != nil {
						_ = strconv.AppendInt(c.job[:0], 10_000_000+jobs.Add(1)%90_000_000, 10)
					}
					if err := c.deliver(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// BenchmarkDeliveryLoopback compares handlers to three that do nothing, over 64
// connections: one that leaves the body to net/http, one that reads it, without
// which there is no webhook, and one that also answers as ours do. Both sides of the connections are counted: on a
// machine that is busy with nothing else, the ratio's inverse is that of the
// requests a second.
func BenchmarkDeliveryLoopback(b *testing.B) {
	peers := map[string]http.HandlerFunc{
		"empty": func(http.ResponseWriter, *http.Request) {},
		"reading": func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		},
		"answering": func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			_, _ = io.WriteString(w, `{"received":true}`)
		},
	}
	compare := func(b *testing.B, c hotCase, jobs *atomic.Int64) {
		for _, peer := range []string{"empty", "reading", "answering"} {
			b.Run("peer="+peer, func(b *testing.B) {
				ours := newLoopback(b, c.handler, c.header, c.body)
				theirs := newLoopback(b, peers[peer], c.header, c.body)
				for b.Loop() {
					r := cputime.Compare(ours.side(b, jobs), theirs.side(b, nil))
					r.Report(b)
					b.ReportMetric(1/r.Median, "throughput")
				}
			})
		}
	}
	cases := hotCases(b)
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) { compare(b, c, nil) })
	}
	// Each of another job: the function is called.
	b.Run("Secret, first deliveries", func(b *testing.B) { compare(b, cases[0], new(atomic.Int64)) })
}
