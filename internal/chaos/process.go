package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a running child.
type process struct {
	cfg     childConfig
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
	exited  chan struct{} // closed after it has exited and all of its events are read
	err     error         // of the exit; read it after exited is closed
	meant   atomic.Bool   // it is meant to exit
	holding chan struct{} // gets a value when a call begins to hold its claim
}

// startTimeout is long, as the race detector is slow and other runs share the machine.
const startTimeout = 30 * time.Second

// startProcess starts this program as a child, and returns when it serves. It passes
// the child's events to onEvent.
func startProcess(ctx context.Context, cfg childConfig, onEvent func(event)) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	line, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	// The child outlives ctx: kill and end stop it.
	p := &process{cfg: cfg, cmd: exec.Command(self, childFlag), exited: make(chan struct{}), holding: make(chan struct{}, 1)}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	stderr, err := os.OpenFile(cfg.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = stderr // so that a panic is in the log
	err = p.cmd.Start()
	_ = stderr.Close() // the child has its own copy
	if err != nil {
		return nil, err
	}
	ready := make(chan event, 1)
	go p.readEvents(stdout, func(e event) {
		if e.Holding {
			select {
			case p.holding <- struct{}{}:
			default:
			}
		}
		if e.Ready != "" || e.Failed != "" {
			select {
			case ready <- e:
			default:
			}
		}
		onEvent(e)
	})
	_, err = stdin.Write(append(line, '\n'))
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case e := <-ready:
		if e.Failed != "" {
			err = errors.New(e.Failed)
		}
		p.address = e.Ready
	case <-p.exited:
		err = fmt.Errorf("it exited: %w", errors.Join(err, p.err))
	case <-timeout.C:
		err = errors.New("it did not begin to serve")
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("child %d, its log is %s: %w", cfg.Slot, cfg.Log, err)
	}
	return p, nil
}

func (p *process) readEvents(stdout io.Reader, onEvent func(event)) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			onEvent(e)
		}
	}
	p.err = p.cmd.Wait()
	close(p.exited)
}

// kill sends SIGKILL, and waits until the child has exited.
func (p *process) kill() {
	p.meant.Store(true)
	_ = p.cmd.Process.Kill()
	_ = p.stdin.Close()
	<-p.exited
}

// end sends SIGTERM, and waits. The error is the child's.
func (p *process) end() error {
	p.meant.Store(true)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case <-p.exited:
		_ = p.stdin.Close()
		return p.err
	case <-timeout.C:
		p.kill()
		return errors.New("it did not shut down")
	}
}

// submit tells the child to submit a job.
func (p *process) submit(ctx context.Context, o order) (a answer, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return answer{}, err
	}
	response, err := p.post(ctx, "/submit", body)
	if err == nil {
		err = json.Unmarshal(response, &a)
	}
	return a, err
}

// hold tells the child to hold the claim of its next call for holdFor.
func (p *process) hold(ctx context.Context) error {
	_, err := p.post(ctx, "/hold", nil)
	return err
}

func (p *process) post(ctx context.Context, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := controlClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// controlClient uses each connection once, as each child has another address.
var controlClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
