package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
)

// childFlag is how this program starts itself as a child.
const childFlag = "-child"

func isChild(args []string) bool { return len(args) == 2 && args[1] == childFlag }

// order is what a child is told, as a line on its standard input.
type order struct {
	// Serve has it serve the API until its standard input ends.
	Serve bool
	// Deliver has it serve the API, and deliver webhooks, until its standard input ends.
	Deliver bool
	// Read is how it reads a document from the server, URL.
	Read, URL string
}

// childMain does what the first line of the standard input says, and answers with
// one line. It returns the exit code.
func childMain() int {
	// An interrupt is for the parent, which ends its children.
	signal.Ignore(os.Interrupt)
	input := json.NewDecoder(os.Stdin)
	var o order
	err := input.Decode(&o)
	if err == nil {
		switch {
		case o.Serve:
			err = serveAPI(os.Stdin, os.Stdout)
		case o.Deliver:
			err = serveJobs(os.Stdin, os.Stdout)
		default:
			var p peak
			if p, err = readWithPeak(context.Background(), o); err == nil {
				err = json.NewEncoder(os.Stdout).Encode(p)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench, child:", err)
		return 1
	}
	return 0
}

// child is a process of this program.
type child struct {
	cmd   *exec.Cmd
	input io.WriteCloser
}

// startChild starts a child and reads its answer. It must be ended.
func startChild(ctx context.Context, o order, answer any) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, childFlag)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, input: input}
	err = json.NewEncoder(input).Encode(o)
	if err == nil {
		err = json.NewDecoder(output).Decode(answer)
	}
	if err != nil {
		_ = c.end()
		return nil, fmt.Errorf("child process: %w", err)
	}
	return c, nil
}

// end ends the child, which does so by itself when its input is closed.
func (c *child) end() error {
	_ = c.input.Close()
	return c.cmd.Wait()
}
