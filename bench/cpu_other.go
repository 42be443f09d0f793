//go:build !unix

package main

import "time"

// cpuMeasured says that there is no getrusage: the tables say so too.
const cpuMeasured = false

var programBegan = time.Now()

// cpuTime is the time on the clock, in place of the CPU's.
func cpuTime() time.Duration { return time.Since(programBegan) }
