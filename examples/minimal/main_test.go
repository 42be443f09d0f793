package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strings"
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

// The program runs unchanged in a process of its own.
func TestMinimal(t *testing.T) {
	t.Parallel()
	srv := reductotest.NewServer(t, reductotest.OnTCP())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())

	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "MINIMAL_TEST_CHILD=1",
		"REDUCTO_API_KEY="+srv.APIKey(), "REDUCTO_BASE_URL="+srv.URL(), "PORT="+port,
		"WEBHOOK_SECRET=a-secret-for-this-test", "WEBHOOK_URL=http://127.0.0.1:"+port+"/webhook")
	out, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	var lines []string
	for scanner := bufio.NewScanner(out); len(lines) < 2 && scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	jobs := srv.Jobs()
	require.Len(t, jobs, 1)
	require.Len(t, lines, 2)
	output := strings.Join(lines, "\n") // of two goroutines, so in either order
	assert.Contains(t, output, "submitted job "+jobs[0].ID)
	assert.Contains(t, output, "job "+jobs[0].ID+" (Parse): Completed, error: <nil>")
	deliveries, err := srv.AwaitDeliveries(t.Context(), jobs[0].ID, 1)
	require.NoError(t, err)
	assert.Equal(t, 200, deliveries[len(deliveries)-1].StatusCode)

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
}

// The README promises a program that one reads at a glance.
func TestMinimalIsShort(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	_, code, ok := strings.Cut(string(source), "package main\n")
	require.True(t, ok)
	assert.LessOrEqual(t, 1+strings.Count(code, "\n"), 35)
}
