package conformance_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
)

// prism is a Prism that serves a document.
type prism struct {
	url string
	log *output
}

var (
	prismListens = regexp.MustCompile(`Prism is listening on (http://\S+)`)
	// Prism writes lines of these levels for what does not fit. When it starts it
	// writes paths with made-up words, "/job/error".
	prismComplains = regexp.MustCompile(`(?m)^.* (warning|error|fatal)  .*$`)
)

// startPrism starts a Prism that answers by itself, or with the answers of the
// server upstream, which have to fit the document too.
func startPrism(t *testing.T, d *document, upstream string) *prism {
	t.Helper()
	cli := program(t, "@stoplight", "prism-cli", "dist", "index.js")
	args := []string{cli, "mock", d.save(t)}
	if upstream != "" {
		args = []string{cli, "proxy", d.save(t), upstream}
	}
	_, stdout, log := node(t, append(args, "--errors", "--multiprocess", "false", "--host", "127.0.0.1", "--port", "0")...)
	for {
		line, err := stdout.ReadString('\n')
		require.NoError(t, err, "Prism did not start")
		if m := prismListens.FindStringSubmatch(line); m != nil {
			go func() { _, _ = io.Copy(io.Discard, stdout) }() // into log; ends with the process
			return &prism{m[1], log}
		}
	}
}

// exchange is a request and its answer.
type exchange struct {
	method, path string
	contentType  string
	sent         []byte
	status       int
	header       http.Header
	answer       []byte
}

// recorder is a transport that asks Prism for an answer and keeps what went by.
type recorder struct {
	prefer    string // see https://docs.stoplight.io/docs/prism: dynamic, seed and code
	mu        sync.Mutex
	exchanges []exchange
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	e := exchange{method: req.Method, path: req.URL.Path, contentType: req.Header.Get("Content-Type")}
	req = req.Clone(req.Context())
	if req.Body != nil {
		var err error
		if e.sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(e.sent))
	}
	if r.prefer != "" {
		req.Header.Set("Prefer", r.prefer)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if e.answer, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	e.status, e.header = resp.StatusCode, resp.Header
	resp.Body = io.NopCloser(bytes.NewReader(e.answer))
	r.mu.Lock()
	r.exchanges = append(r.exchanges, e)
	r.mu.Unlock()
	return resp, nil
}

// client is a client of the operations below prefix, and its transport.
func (p *prism) client(t *testing.T, prefix, prefer string, opts ...reducto.Option) (*reducto.Client, *recorder) {
	t.Helper()
	r := &recorder{prefer: prefer}
	c, err := reducto.NewClient(append([]reducto.Option{
		reducto.WithBaseURL(p.url + prefix), reducto.WithAPIKey("a-key"), reducto.WithMaxRetries(0),
		reducto.WithHTTPClient(&http.Client{Transport: r}),
	}, opts...)...)
	require.NoError(t, err)
	return c, r
}
