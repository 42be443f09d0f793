package main

import (
	"context"
	"encoding/json"
	"errors"
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
	// Schema is where the tables are.
	Schema string
	// Sweep has it sweep once, and answer with a swept. Otherwise it works until its input
	// ends. It answers at the beginning and, with a worked, at the end.
	Sweep bool
	// URL is the API of the sweep.
	URL string
}

// childMain does what the first line of the standard input says. It returns the exit code.
func childMain() int {
	signal.Ignore(os.Interrupt) // an interrupt is for the parent, which ends its children
	var o order
	input := json.NewDecoder(os.Stdin)
	err := input.Decode(&o)
	if err == nil {
		if o.Sweep {
			err = sweepOnce(context.Background(), o, os.Stdout)
		} else {
			err = work(context.Background(), o, input, os.Stdout)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "growth, child:", err)
		return 1
	}
	return 0
}

// child is a process of this program.
type child struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *json.Decoder
}

// startChild starts a child, which must be ended.
func startChild(ctx context.Context, o order) (*child, error) {
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
	c := &child{cmd, input, json.NewDecoder(output)}
	if err := json.NewEncoder(input).Encode(o); err != nil {
		return nil, errors.Join(err, c.end())
	}
	return c, nil
}

// answer reads a line of the child.
func (c *child) answer(to any) error {
	if err := c.output.Decode(to); err != nil {
		return fmt.Errorf("child process: %w", err)
	}
	return nil
}

// end ends the child, which does so by itself when its input is closed.
func (c *child) end() error {
	_ = c.input.Close()
	return c.cmd.Wait()
}
