package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto/reductotest"
)

var update = flag.Bool("update", false, "write the golden files")

// binary is the command, which TestMain builds once.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "reducto-hooks-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "reducto-hooks")
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// shell runs the command as a process, with a home directory and an environment of its
// own.
type shell struct {
	t    *testing.T
	home string
	env  []string
}

func newShell(t *testing.T, env ...string) *shell {
	home := t.TempDir()
	return &shell{t, home, append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + home}, env...)}
}

// ended is how a process ended.
type ended struct {
	code           int
	stdout, stderr string
}

func (s *shell) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), binary, args...)
	cmd.Env = s.env
	return cmd
}

func (s *shell) run(args ...string) ended {
	s.t.Helper()
	cmd := s.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(s.t, err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// ok runs the command, which must succeed, and returns its output.
func (s *shell) ok(args ...string) string {
	s.t.Helper()
	e := s.run(args...)
	require.Equal(s.t, exitDone, e.code, "%v: %s%s", args, e.stdout, e.stderr)
	return e.stdout
}

// service starts a Reducto and a shell with its key.
func service(t *testing.T, opts ...reductotest.Option) (*reductotest.Server, *shell) {
	srv := reductotest.NewServer(t, append([]reductotest.Option{reductotest.OnTCP()}, opts...)...)
	return srv, newShell(t, "REDUCTO_BASE_URL="+srv.URL(), "REDUCTO_API_KEY="+srv.APIKey())
}

// started is a process that runs until the test ends it.
type started struct {
	cmd    *exec.Cmd
	output *lines
}

// start starts the command. Its output is stdout and stderr together.
func (s *shell) start(args ...string) *started {
	s.t.Helper()
	cmd := s.command(args...)
	out := &lines{changed: make(chan struct{}, 1)}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(s.t, cmd.Start())
	return &started{cmd, out}
}

// await waits until the output matches the pattern, and returns its first group.
func (p *started) await(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		text := p.output.String()
		if m := re.FindStringSubmatch(text); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-p.output.changed:
		case <-ctx.Done():
			t.Fatalf("no %q in:\n%s", pattern, text)
		}
	}
}

// interrupt sends the signal of Ctrl-C, and returns the exit status.
func (p *started) interrupt(t *testing.T) int {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func TestHelpTexts(t *testing.T) {
	t.Parallel()
	parser, err := newParser(new(commands))
	require.NoError(t, err)
	s := newShell(t)
	paths := [][]string{nil}
	var visit func(node *kong.Node, path []string)
	visit = func(node *kong.Node, path []string) {
		for _, child := range node.Children {
			p := append(append([]string{}, path...), child.Name)
			paths = append(paths, p)
			visit(child, p)
		}
	}
	visit(parser.Model.Node, nil)
	assert.Greater(t, len(paths), 10)
	for _, path := range paths {
		got := s.ok(append(path, "--help")...)
		if len(path) > 0 && !strings.Contains(got, "Commands:") {
			assert.Contains(t, got, "Example", "%v", path)
		}
		golden := filepath.Join("testdata", "help", strings.Join(append([]string{"reducto-hooks"}, path...), "-")+".txt")
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
			require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err, "run go test -run TestHelpTexts -update")
		assert.Equal(t, string(want), got, "run go test -run TestHelpTexts -update, and read the diff")
	}
	assert.Equal(t, s.ok("--help"), s.ok(), "without arguments")
	assert.Regexp(t, `^\d+\.\d+\.\d+\n$`, s.ok("--version"))
}

// The page describes every command.
func TestPageNamesAllCommands(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reducto-hooks.md"))
	require.NoError(t, err)
	parser, err := newParser(new(commands))
	require.NoError(t, err)
	for _, leaf := range parser.Model.Leaves(true) {
		assert.True(t, strings.Contains(string(page), "`"+leaf.FullPath()), "docs/reducto-hooks.md does not have %s", leaf.FullPath())
	}
}

func TestWrongArgumentsExitWithUsage(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "missing.db")
	for _, test := range []struct{ args, says string }{
		{"nonsense", "unexpected argument nonsense"},
		{"jobs wait", "reducto-hooks jobs wait --help"},
		{"jobs get", "<id>"},
		{"jobs list", "set REDUCTO_API_KEY"},
		{"jobs list --limit x", "--limit"},
		{"inbox list", "--db"},
		{"inbox list --db " + file, "there is no database file"},
		{"inbox list --db " + file + " --state ended", "--state"},
		{"inbox replay --db " + file, "--all"},
		{"inbox replay --db " + file + " --all ID", "--all"},
		{"inbox list --db postgres://u:wrong%zzescape@localhost/db", "%-encoding"},
		{"inbox list --db mysql://u:wrong%zzescape@localhost/db", "%-encoding"},
		{"inbox list --db mysql://u:zzescape@localhost", "ends without a database"},
		{"inbox list --db u:zzescape@tcp(localhost/db", "tcp(host:3306)"},
		{"trigger completed localhost:8080", "http://"},
		{"trigger completed /webhook", "http://"},
		{"trigger nothing http://localhost", "completed"},
		{"trigger completed http://localhost", "WEBHOOK_SECRET"},
		{"trigger completed http://localhost --metadata [1]", "JSON object"},
		{"trigger completed http://localhost --metadata null", "JSON object"},
		{"trigger completed http://localhost --secret-file " + file, "missing.db"},
		{"listen", "--forward-to"},
		{"listen --forward-to localhost:8080", "http://"},
		{"dev --addr 8700", "127.0.0.1:8700"},
		{"dev --delay=-1s", "--delay"},
		{"completion tcsh", "bash"},
	} {
		e := newShell(t).run(strings.Fields(test.args)...)
		assert.Equal(t, exitUsage, e.code, "%s: %s", test.args, e.stderr)
		assert.Contains(t, e.stderr, test.says, test.args)
		assert.True(t, strings.HasPrefix(e.stderr, "reducto-hooks: "), e.stderr)
		assert.Empty(t, e.stdout, test.args)
		assert.NotContains(t, e.stderr, "zzescape")
	}
	assert.NoFileExists(t, file)
}

// No output of any command has the key, the secret or the password of the database.
func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	const key, secret, password = "canary-key-71c9", "canary-secret-71c9-of-the-webhook", "canary-password-71c9"
	srv := reductotest.NewServer(t, reductotest.OnTCP(), reductotest.WithAPIKey(key))
	db, id := seededInbox(t, sqliteFile(t))
	job := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Text: "text", Metadata: map[string]string{"secret": secret}})
	for format, env := range map[string][]string{
		"--json":       {"REDUCTO_API_KEY=" + key},
		"--json=false": {"REDUCTO_API_KEY=" + key + "-revoked"},
		"--json=true":  nil, // the key is in the file
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s := newShell(t, append(env, "REDUCTO_BASE_URL="+srv.URL(), "WEBHOOK_SECRET="+secret)...)
			saveKey(t, s, "credentials:\n  reducto-cli:\n    api_key: "+key+"\n", 0o644)
			secretFile := filepath.Join(s.home, "secret")
			require.NoError(t, os.WriteFile(secretFile, []byte(secret+"\n"), 0o600))
			for _, args := range []string{
				"jobs list", "jobs get " + job, "jobs get --result " + job, "jobs wait " + job, "jobs cancel " + job, "jobs get x/y",
				"trigger completed http://127.0.0.1:1/webhook", "trigger forged http://127.0.0.1:1/?token=" + secret,
				"trigger completed http://127.0.0.1:1/ --secret-file " + secretFile, "trigger completed http://127.0.0.1:1/ --keys-file " + secretFile,
				"trigger completed http://127.0.0.1:1/ --svix-file " + secretFile,
				"inbox list --metadata --db " + db, "inbox show --metadata --db " + db + " " + id, "inbox stats --db " + db,
				"inbox export --metadata --db " + db, "inbox replay --all --db " + db,
				"listen --forward-to http://127.0.0.1:1/?token=" + secret + " --replay " + job,
				"inbox list --db postgres://user:" + password + "@127.0.0.1:1/db",
				"inbox list --db postgres://user:" + password + "@127.0.0.1:1/db?sslmode=nonsense",
				"inbox list --db mysql://user:" + password + "@127.0.0.1:1/db", "inbox list --db user:" + password + "@tcp(127.0.0.1:1)/db",
				"dev --addr " + strings.TrimPrefix(srv.URL(), "http://"), "completion bash", "--help", "nonsense",
			} {
				e := s.run(append(strings.Fields(args), format)...)
				for _, hidden := range []string{key, secret, password} {
					assert.NotContains(t, e.stdout+e.stderr, hidden, "%s %s", args, format)
				}
			}
		})
	}
}
