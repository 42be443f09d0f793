//go:build !linux

package main

// peakMemory is known on Linux.
func peakMemory() (int64, error) { return 0, errNoPeak }
