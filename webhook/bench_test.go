package webhook_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/cputime"
	"github.com/reducto-go/reducto/webhook"
)

// benchBody is a delivery as Reducto sends it, with a Secret's members.
const benchBody = `{"status":"Completed","job_id":"204a39e4-dd10-4c83-a978-0cee4af8cde2","metadata":{"user_id":"123",` +
	`"secret":"` + testSecret + `","submission_id":"0199a0b4-5b7c-7d52-9d4e-3f5f0c1b2a3d"}}`

// benchWriter is a cheap ResponseWriter with the methods of the server's.
type benchWriter struct {
	header http.Header
	status int
}

func (w *benchWriter) Header() http.Header               { return w.header }
func (w *benchWriter) WriteHeader(status int)            { w.status = status }
func (w *benchWriter) Write(p []byte) (int, error)       { return len(p), nil }
func (w *benchWriter) WriteString(s string) (int, error) { return len(s), nil }
func (w *benchWriter) SetReadDeadline(time.Time) error   { return nil }

type benchReader struct{ bytes.Reader }

func (*benchReader) Close() error { return nil }

// serve has h answer body b.N times. next changes the body before each.
func serve(b *testing.B, h http.Handler, body []byte, next func(i int, body []byte)) {
	b.Helper()
	d := newDelivery(b, body, nil)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		next(i, body)
		i++
		if status := d.to(h); status != http.StatusOK {
			b.Fatalf("answered %d", status)
		}
	}
}

func same(int, []byte) {}

// BenchmarkHandler measures a delivery without a network. A duplicate is read,
// verified, parsed and found to be done; first also calls a function that does
// nothing. The peers do the least that a handler written by hand does.
func BenchmarkHandler(b *testing.B) {
	secret, err := webhook.NewSecret(testSecret)
	require.NoError(b, err)

	b.Run("duplicate", func(b *testing.B) {
		h, err := webhook.NewHandler(secret, nothing)
		require.NoError(b, err)
		serve(b, h, []byte(benchBody), same)
	})
	b.Run("first", func(b *testing.B) {
		h, err := webhook.NewHandler(secret, nothing)
		require.NoError(b, err)
		body := []byte(benchBody)
		at := bytes.Index(body, []byte("0199a0b4"))
		serve(b, h, body, func(i int, body []byte) {
			digits := strconv.AppendInt(nil, int64(10_000_000+i%90_000_000), 10)
			copy(body[at:], digits)
		})
	})
	b.Run("forged", func(b *testing.B) {
		other, err := webhook.NewSecret("canary-other-0123456789")
		require.NoError(b, err)
		h, err := webhook.NewHandler(other, nothing)
		require.NoError(b, err)
		serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			w.WriteHeader(http.StatusOK) // for the loop
		}), []byte(benchBody), same)
	})
	b.Run("peer=ReadAll", func(b *testing.B) {
		serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				b.Fatal(err)
			}
			w.WriteHeader(http.StatusOK)
		}), []byte(benchBody), same)
	})
	b.Run("peer=ReadAll+Unmarshal", func(b *testing.B) { serve(b, unmarshal(nil), []byte(benchBody), same) })
}

// byHand is what a handler written by hand decodes.
type byHand struct {
	Status   string `json:"status"`
	JobID    string `json:"job_id"`
	Metadata struct {
		Secret string `json:"secret"`
	} `json:"metadata"`
}

// unmarshal is the peer of the handler. It only reads, verifies if asked, and decodes.
func unmarshal(verify func(h http.Header, body []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err == nil && verify != nil {
			err = verify(r.Header, raw)
		}
		var body byHand
		if err == nil {
			err = json.Unmarshal(raw, &body)
		}
		if err != nil || body.JobID == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusOK)
	}
}

// svixByHand verifies as Svix describes it.
type svixByHand struct{ key []byte }

func (s svixByHand) verify(h http.Header, body []byte) error {
	id, stamp, signatures := h.Get("svix-id"), h.Get("svix-timestamp"), h.Get("svix-signature")
	if id == "" || stamp == "" || signatures == "" {
		return errors.New("missing headers")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return err
	}
	at, now := time.Unix(seconds, 0), time.Now()
	if now.Sub(at) > 5*time.Minute || at.Sub(now) > 5*time.Minute {
		return errors.New("too old or from the future")
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write(fmt.Appendf(nil, "%s.%d.%s", id, at.Unix(), body))
	want := []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for _, signature := range strings.Split(signatures, " ") {
		version, encoded, _ := strings.Cut(signature, ",")
		if version == "v1" && hmac.Equal([]byte(encoded), want) {
			return nil
		}
	}
	return errors.New("no signature fits")
}

// delivery is a request that handlers answer again and again, without a network.
type delivery struct {
	r      *http.Request
	body   []byte
	reader benchReader
	w      benchWriter
}

func newDelivery(tb testing.TB, body []byte, header http.Header) *delivery {
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, "http://app.test/webhook", nil)
	require.NoError(tb, err)
	if header != nil {
		r.Header = header
	}
	r.ContentLength = int64(len(body))
	return &delivery{r: r, body: body, w: benchWriter{header: http.Header{}}}
}

func (d *delivery) to(h http.Handler) int {
	d.reader.Reset(d.body)
	d.r.Body = &d.reader
	h.ServeHTTP(&d.w, d.r)
	return d.w.status
}

func (d *delivery) side(tb testing.TB, h http.Handler) cputime.Side {
	return func(n int) {
		for range n {
			if status := d.to(h); status != http.StatusOK {
				tb.Fatalf("answered %d", status)
			}
		}
	}
}

// hotCase is a kind of delivery, with its handler and the peer.
type hotCase struct {
	name    string
	handler *webhook.Handler
	peer    http.Handler
	body    []byte
	header  http.Header
	allocs  float64 // at most
}

func hotCases(tb testing.TB) []hotCase {
	handler := func(v webhook.Verifier, err error) *webhook.Handler {
		require.NoError(tb, err)
		h, err := webhook.NewHandler(v, nothing)
		require.NoError(tb, err)
		return h
	}
	secret := `{"status":"Completed","job_id":"204a39e4-dd10-4c83-a978-0cee4af8cde2","metadata":{"secret":"` + testSecret + `"}}`
	unsigned := `{"status":"Completed","job_id":"204a39e4-dd10-4c83-a978-0cee4af8cde2","metadata":{"user_id":"123","environment":"test"}}`

	signer, err := webhook.NewSigner([]webhook.Key{{ID: "k1", Secret: bytes.Repeat([]byte("k"), 32)}})
	require.NoError(tb, err)
	signed := webhook.NewTestRequest("http://app.test/webhook", signer, jobA, reducto.StatusCompleted, nil)
	token, err := io.ReadAll(signed.Body)
	require.NoError(tb, err)

	key := bytes.Repeat([]byte("s"), 32)
	svix := handler(webhook.NewSvix("whsec_" + base64.StdEncoding.EncodeToString(key)))
	id, stamp := "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj", strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + unsigned))
	svixHeader := http.Header{
		"Svix-Id": {id}, "Svix-Timestamp": {stamp},
		"Svix-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
	return []hotCase{
		{"Secret", handler(webhook.NewSecret(testSecret)), unmarshal(nil), []byte(secret), nil, 2},
		{"Secret with metadata", handler(webhook.NewSecret(testSecret)), unmarshal(nil), []byte(benchBody), nil, 3},
		{"Signer", handler(signer, nil), unmarshal(nil), token, nil, 2},
		{"Svix", svix, unmarshal(svixByHand{key}.verify), []byte(unsigned), svixHeader, 3},
	}
}

// BenchmarkDeliveryRatio compares the CPU time of a handler with that of one written
// by hand. Every delivery but the first is a duplicate.
func BenchmarkDeliveryRatio(b *testing.B) {
	for _, c := range hotCases(b) {
		b.Run(c.name, func(b *testing.B) {
			d := newDelivery(b, c.body, c.header)
			for b.Loop() {
				cputime.Compare(d.side(b, c.handler), d.side(b, c.peer)).Report(b)
			}
		})
	}
}

// poolForgets reports whether a sync.Pool drops much of what it gets.
func poolForgets() bool {
	var pool sync.Pool
	lost := 0
	for range 1000 {
		if pool.Put(new(int)); pool.Get() == nil {
			lost++
		}
	}
	return lost > 50
}

// The number of allocations is the same on every machine.
func TestDeliveryAllocations(t *testing.T) { // not parallel: it counts
	if poolForgets() {
		t.Log("the race detector makes sync.Pool forget")
		return
	}
	for _, c := range hotCases(t) {
		d := newDelivery(t, c.body, c.header)
		require.Equal(t, http.StatusOK, d.to(c.handler), c.name)
		allocs := testing.AllocsPerRun(2000, func() { d.to(c.handler) })
		require.LessOrEqual(t, allocs, c.allocs, c.name)
	}
}

// loopbackConns is the number of connections.
const loopbackConns = 64

// loopback serves a handler on 127.0.0.1. Its clients are cheap: each writes a
// prepared request and reads the answer.
type loopback struct {
	clients []*loopbackClient
}

type loopbackClient struct {
	conn    net.Conn
	answers *bufio.Reader
	request []byte
	job     []byte // within request
}

// newLoopback returns a loopback that sends header and body.
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

// side delivers n times. Each delivery is of another job if jobs is not nil.
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

// BenchmarkDeliveryLoopback compares handlers over 64 connections with three that do
// nothing. One leaves the body to net/http, one reads it, one also answers as ours
// do. Both sides of the connections are counted. On an idle machine the inverse of
// the ratio is that of the requests per second.
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
