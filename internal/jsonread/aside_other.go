//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package jsonread

// Here a long string is gathered in the heap.

func mapAside(int) []byte { return nil }

func unmapAside([]byte) {}
