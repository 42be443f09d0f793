//go:build unix

package main

import (
	"os"
	"syscall"
)

// die ends this process as the kernel does it: nothing deferred, nothing flushed.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// stop stops this process until somebody continues it.
func stop() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }

func pause(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
