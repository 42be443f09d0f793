// Package pgcluster runs a PostgreSQL server of its own for tests that restart the
// server or promote a standby. A server that others use must not be restarted.
package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// Cluster is a PostgreSQL server with its data in a temporary directory. It listens on
// 127.0.0.1. The user is postgres, without a password.
type Cluster struct {
	// Port is the port of the server.
	Port int

	bin, dir, log string
}

// ErrMissing says that the programs of a PostgreSQL server are not installed.
var ErrMissing = errors.New("no programs of a PostgreSQL server: install them, on Debian with apt-get install postgresql")

// commandTimeout limits each program of PostgreSQL.
const commandTimeout = 2 * time.Minute

// New makes a cluster and starts it. Close removes it.
func New(ctx context.Context) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	c, err := newDirectory(bin)
	if err != nil {
		return nil, err
	}
	err = c.run(ctx, "initdb", "--pgdata", c.dir, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
		"--no-locale", "--no-sync", "--no-instructions")
	if err == nil {
		err = c.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Standby makes a standby of c and starts it. Then c commits synchronously: a commit is
// on both servers before the client gets an answer.
func (c *Cluster) Standby(ctx context.Context) (*Cluster, error) {
	s, err := newDirectory(c.bin)
	if err != nil {
		return nil, err
	}
	err = s.run(ctx, "pg_basebackup", "--pgdata", s.dir, "--write-recovery-conf", "--checkpoint", "fast", "--no-sync",
		"--dbname", fmt.Sprintf("host=127.0.0.1 port=%d user=postgres application_name=standby", c.Port))
	if err == nil {
		err = s.Start(ctx)
	}
	if err == nil {
		err = c.Set(ctx, "synchronous_standby_names", "*")
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// newDirectory makes an empty directory that belongs to the user of the server.
func newDirectory(bin string) (*Cluster, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgcluster-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Port: port, bin: bin, dir: filepath.Join(dir, "data"), log: filepath.Join(dir, "log")}
	if err := giveAway(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return c, nil
}

// URL returns the address of the server.
func (c *Cluster) URL() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.Port)
}

// Start starts the server, and waits until it accepts connections.
func (c *Cluster) Start(ctx context.Context) error {
	options := fmt.Sprintf("-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories=", c.Port)
	if err := c.run(ctx, "pg_ctl", "start", "--wait", "--pgdata", c.dir, "--log", c.log, "--options", options); err != nil {
		text, _ := os.ReadFile(c.log)
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}

// Stop stops the server. The mode "fast" ends all sessions and shuts down. The mode
// "immediate" ends the processes as a crash does, and the server recovers when it starts.
func (c *Cluster) Stop(ctx context.Context, mode string) error {
	return c.run(ctx, "pg_ctl", "stop", "--wait", "--pgdata", c.dir, "--mode", mode)
}

// Promote makes a standby the primary.
func (c *Cluster) Promote(ctx context.Context) error {
	return c.run(ctx, "pg_ctl", "promote", "--wait", "--pgdata", c.dir)
}

// Set changes a setting of the server, also for the sessions that exist.
func (c *Cluster) Set(ctx context.Context, name, value string) error {
	return c.run(ctx, "psql", "--no-psqlrc", "--quiet", "--dbname", c.URL(),
		"--command", fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", name, value), "--command", "SELECT pg_reload_conf()")
}

// Close stops the server if it runs, and removes its data.
func (c *Cluster) Close() error {
	var err error
	if _, statErr := os.Stat(filepath.Join(c.dir, "postmaster.pid")); statErr == nil {
		err = c.Stop(context.Background(), "immediate")
	}
	return errors.Join(err, os.RemoveAll(filepath.Dir(c.dir)))
}

// run runs a program of PostgreSQL as the user of the server.
func (c *Cluster) run(ctx context.Context, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, program), args...)
	cmd.Dir = filepath.Dir(c.dir)
	if err := runAsOwner(cmd); err != nil {
		return err
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, output)
	}
	return nil
}

// binaries returns the directory of initdb, pg_ctl and the other programs. Debian does not
// have them in the PATH. Of several versions it returns the newest.
func binaries() (string, error) {
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	if paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(paths) > 0 {
		return filepath.Dir(slices.MaxFunc(paths, func(a, b string) int { return version(a) - version(b) })), nil
	}
	path, err := exec.LookPath("initdb")
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", ErrMissing
	}
	return filepath.Dir(path), nil
}

// freePort returns a port below those that systems give to outgoing connections. So
// another program does not get it while the server is down.
func freePort() (int, error) {
	for range 100 {
		port := 15_000 + rand.IntN(15_000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, errors.New("no free port on 127.0.0.1")
}
