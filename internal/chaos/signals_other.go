//go:build !unix

package main

import (
	"errors"
	"os"
)

// It builds everywhere, and runs where there are signals.
var errSignals = errors.New("this system has no signals that stop processes")

func die() { os.Exit(137) }

func stop() { panic(errSignals) }

func pause(*os.Process) error { return errSignals }

func resume(*os.Process) error { return errSignals }
