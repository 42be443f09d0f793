//go:build !unix

package cputime

import "time"

var started = time.Now()

// Now is wall time, where the CPU's is not to be had.
func Now() time.Duration { return time.Since(started) }
