//go:build !unix

package main

import (
	"errors"
	"os"
)

// The harness builds everywhere, but needs signals.
var errSignals = errors.New("this system has no signals that stop processes")

func die() { os.Exit(137) }

func stop() { panic(errSignals) }

func pause(*os.Process) error { return errSignals }

func resume(*os.Process) error { return errSignals }
