package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// text is a writer that can be read meanwhile.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

func TestExampleServesMetricsAndPrintsSpans(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, ran := new(text), make(chan error, 1)
	go func() { ran <- run(ctx, out, listener, 100*time.Millisecond) }()

	get := func() string {
		resp, err := http.Get("http://" + listener.Addr().String() + "/metrics")
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	lines := func(name string) bool { return strings.Contains(out.String(), "reducto "+name+" ") }
	require.Eventually(t, func() bool {
		metrics := get()
		return strings.Contains(metrics, `reducto_inbox_deliveries_total{`) &&
			regexp.MustCompile(`reducto_inbox_reconciled_total(\{[^}]*\})? [1-9]`).MatchString(metrics) &&
			lines("ParseAsync") && lines("delivery") && lines("process") && lines("Reconciled")
	}, 30*time.Second, 50*time.Millisecond, "%s", out)
	stop()
	require.NoError(t, <-ran)

	// The calls of a submission are in its trace.
	submitted := regexp.MustCompile(`trace (\w{8})  reducto ParseAsync`).FindAllStringSubmatch(out.String(), -1)
	require.NotEmpty(t, submitted)
	assert.Contains(t, out.String(), "trace "+submitted[0][1]+"  reducto process")
	assert.Contains(t, out.String(), "linked to trace "+submitted[0][1])
	http.DefaultClient.CloseIdleConnections()
}
