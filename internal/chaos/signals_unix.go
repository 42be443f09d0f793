//go:build unix

package main

import (
	"os"
	"syscall"
)

// die kills this process. Nothing deferred runs, and nothing is flushed.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// stop stops this process until resume.
func stop() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }

func pause(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
