package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// nodeTimeout is how long a node process may live, and so how long a test with
// one may wait for it.
const nodeTimeout = 4 * time.Minute

// program is the path of a file of an npm package. The test skips if the
// packages, or node itself, are not there.
func program(t *testing.T, path ...string) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "there is no node: install Node 20 or later")
	}
	file := filepath.Join(append([]string{"node_modules"}, path...)...)
	if _, err := os.Stat(file); err != nil {
		missing(t, "the npm packages are not installed: run npm ci --ignore-scripts in conformance/")
	}
	return file
}

// node starts a node process that the end of the test kills. What it writes is
// shown if the test fails.
func node(t *testing.T, args ...string) (stdin io.Writer, stdout *bufio.Reader, log *output) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), nodeTimeout)
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Env = environment()
	cmd.WaitDelay = 5 * time.Second
	log = &output{}
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if ctx.Err() != nil {
			t.Errorf("node %s did not end within %v", args[0], nodeTimeout)
		}
		cancel()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("node %s wrote:\n%s", strings.Join(args, " "), log.tail())
		}
	})
	return in, bufio.NewReader(io.TeeReader(out, log)), log
}

// environment is ours without what these programs would read from it: settings
// of the SDK, proxies, and options of node.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		name = strings.ToUpper(name)
		return strings.HasPrefix(name, "REDUCTO_") || strings.HasPrefix(name, "NODE_") || strings.HasSuffix(name, "_PROXY")
	})
}

// output collects what several goroutines write.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// tail is the end of it, for people.
func (o *output) tail() string {
	const most = 8 << 10
	s := o.String()
	if len(s) > most {
		return "… " + s[len(s)-most:]
	}
	return s
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// script is a program of scripts/ that answers lines with lines.
type script struct {
	mu     sync.Mutex
	stdin  io.Writer
	stdout *bufio.Reader
	calls  int
}

func startScript(t *testing.T, name string) *script {
	t.Helper()
	stdin, stdout, _ := node(t, filepath.Join("scripts", name))
	return &script{stdin: stdin, stdout: stdout}
}

// ask sends a request and reads the answer into out.
func (s *script) ask(t *testing.T, request, out any) {
	t.Helper()
	line, err := json.Marshal(request)
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	_, err = s.stdin.Write(append(line, '\n'))
	require.NoError(t, err)
	answer, err := s.stdout.ReadBytes('\n')
	require.NoError(t, err, "the script ended: %s", answer)
	var broken struct{ Broken string }
	require.NoError(t, json.Unmarshal(answer, &broken))
	require.Empty(t, broken.Broken, "the script threw")
	require.NoError(t, json.Unmarshal(answer, out))
}
