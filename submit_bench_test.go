package reducto

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/internal/cputime"
)

const benchServerEnv = "REDUCTO_BENCH_SERVER"

// acceptAll accepts all submissions, as the service does.
func acceptAll(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"job_id":"3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01"}`)
}

// TestBenchServer is the server of BenchmarkSubmit. It runs in a separate process, so
// that its CPU time is not counted. In an ordinary run it checks the server.
func TestBenchServer(t *testing.T) {
	if os.Getenv(benchServerEnv) == "" {
		w := httptest.NewRecorder()
		acceptAll(w, httptest.NewRequest(http.MethodPost, "/parse_async", nil))
		assert.JSONEq(t, `{"job_id":"3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01"}`, w.Body.String())
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(acceptAll)}
	go func() { _ = server.Serve(l) }()
	fmt.Printf("%s\n", l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark ends
	_ = server.Close()
}

// benchServer starts TestBenchServer and returns its URL.
func benchServer(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBenchServer$")
	cmd.Env = append(os.Environ(), benchServerEnv+"=1")
	stdin, err := cmd.StdinPipe()
	require.NoError(b, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(b, err)
	return "http://" + string(bytes.TrimSpace([]byte(address)))
}

func benchRequest() ParseRequest {
	return ParseRequest{
		Input:    URL("https://documents.example.com/invoices/2026/204a39e4.pdf"),
		Settings: Settings{ReturnOCRData: true},
		Async: Async{
			Webhook:  DirectWebhook("https://receiver.example.com/webhook"),
			Metadata: map[string]any{"user_id": "123", "environment": "test"},
		},
	}
}

// submitByHand submits with net/http only, with a timeout.
func submitByHand(ctx context.Context, client *http.Client, url, key, agent string, in ParseRequest) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	body := struct {
		ParseRequest
		Async struct {
			Metadata any         `json:"metadata"`
			Webhook  webhookWire `json:"webhook"`
		} `json:"async"`
	}{ParseRequest: in}
	body.Async.Metadata = in.Async.Metadata
	body.Async.Webhook = webhookWire{Mode: "direct", URL: "https://receiver.example.com/webhook"}
	raw, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/parse_async", bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("User-Agent", agent)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %.200s", resp.Status, answer)
	}
	var accepted struct {
		JobID string `json:"job_id"`
	}
	err = json.Unmarshal(answer, &accepted)
	return accepted.JobID, err
}

// BenchmarkSubmit compares a submission with one by net/http, one at a time.
func BenchmarkSubmit(b *testing.B) {
	url := benchServer(b)
	client, err := NewClient(WithAPIKey("key-of-the-benchmark"), WithBaseURL(url))
	require.NoError(b, err)
	defer client.CloseIdleConnections()
	hand := &http.Client{Transport: newTransport()}
	defer hand.CloseIdleConnections()
	ctx := b.Context()
	ours := func(n int) {
		for range n {
			h, err := client.ParseAsync(ctx, benchRequest())
			if err != nil || h.JobID == "" {
				b.Fatal(err)
			}
		}
	}
	theirs := func(n int) {
		for range n {
			id, err := submitByHand(ctx, hand, url, "key-of-the-benchmark", client.agent, benchRequest())
			if err != nil || id == "" {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		cputime.Compare(ours, theirs).Report(b)
	}
}

// BenchmarkSubmitConcurrently compares the client's transport with the default one. It
// submits 64 at a time over TLS and HTTP/1.1 and measures wall time. The client's
// transport saves handshakes, on both sides.
func BenchmarkSubmitConcurrently(b *testing.B) {
	var dialled atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(acceptAll))
	server.EnableHTTP2 = false
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialled.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	run := func(t *http.Transport, n int) (rate, perRequest float64) {
		t.TLSClientConfig = &tls.Config{RootCAs: roots, NextProtos: []string{"http/1.1"}}
		t.ForceAttemptHTTP2 = false
		defer t.CloseIdleConnections()
		client, err := NewClient(WithAPIKey("key-of-the-benchmark"), WithBaseURL(server.URL), WithHTTPClient(&http.Client{Transport: t}))
		require.NoError(b, err)
		before, start := dialled.Load(), time.Now()
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range n / 64 {
					if _, err := client.ParseAsync(b.Context(), benchRequest()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		n = n / 64 * 64
		return float64(n) / time.Since(start).Seconds(), float64(dialled.Load()-before) / float64(n)
	}
	for b.Loop() {
		var tuned, plain, connections float64
		for range 3 {
			rate, perRequest := run(newTransport(), 6400)
			tuned, connections = max(tuned, rate), max(connections, perRequest)
			rate, _ = run(http.DefaultTransport.(*http.Transport).Clone(), 1280)
			plain = max(plain, rate)
		}
		b.ReportMetric(tuned/plain, "speedup")
		b.ReportMetric(connections, "conns/request")
		b.ReportMetric(tuned, "requests/s")
		b.ReportMetric(0, "ns/op")
	}
}

// accepting is a transport that accepts every submission.
type accepting struct{}

func (accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader([]byte(`{"job_id":"3d4b0e5a-9c1f-4f63-8a57-1f0c6f6f1a01"}`))),
	}, nil
}

// The allocations of a submission beyond one by net/http are equal on every machine,
// and easily increase by mistake. One by net/http makes about 80, so 3 are a 27th. The
// race detector empties pools.
func TestSubmitAllocations(t *testing.T) { // not parallel: it counts
	if raceEnabled {
		return
	}
	hand := &http.Client{Transport: accepting{}}
	client := newTestClient(t, WithHTTPClient(hand))
	ours := testing.AllocsPerRun(500, func() {
		_, err := client.ParseAsync(t.Context(), benchRequest())
		require.NoError(t, err)
	})
	theirs := testing.AllocsPerRun(500, func() {
		_, err := submitByHand(t.Context(), hand, "https://example.com", "key", client.agent, benchRequest())
		require.NoError(t, err)
	})
	t.Logf("%v allocations, %v by hand", ours, theirs)
	assert.LessOrEqual(t, ours-theirs, 3.0)
}
