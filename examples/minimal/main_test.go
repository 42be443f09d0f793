package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

func TestMain(m *testing.M) {
	if os.Getenv("MINIMAL_TEST_CHILD") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// The program as it is, in a process of its own.
func TestMinimal(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	srv.PutDocument("https://example.com/document.pdf", []byte("first paragraph\n\nsecond paragraph"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())

	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "MINIMAL_TEST_CHILD=1",
		"REDUCTO_API_KEY="+srv.APIKey(), "REDUCTO_BASE_URL="+srv.URL(), "PORT="+port,
		"WEBHOOK_SECRET=a-secret-for-this-test", "WEBHOOK_URL=http://127.0.0.1:"+port+"/webhook")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	var lines []string
	for scanner := bufio.NewScanner(out); len(lines) < 2 && scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	assert.Equal(t, []string{"first paragraph", "second paragraph"}, lines)
	jobs := srv.Jobs()
	require.Len(t, jobs, 1)
	deliveries, err := srv.AwaitDeliveries(t.Context(), jobs[0].ID, 1)
	require.NoError(t, err)
	assert.Equal(t, 200, deliveries[len(deliveries)-1].StatusCode)

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
}
