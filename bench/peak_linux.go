package main

import (
	"bytes"
	"os"
	"strconv"
)

// peakMemory is the most memory that this process has had, in bytes: VmHWM.
func peakMemory() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, errNoPeak
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kb, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
			n, err := strconv.ParseInt(string(kb), 10, 64)
			return n << 10, err
		}
	}
	return 0, errNoPeak
}
