//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package jsonread

import "syscall"

// mapAside is memory for n bytes outside of the collector's heap, nil if there is
// none.
func mapAside(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return b[:0]
}

// unmapAside gives back what mapAside made, and was not appended to beyond that.
func unmapAside(b []byte) {
	_ = syscall.Munmap(b[:cap(b)]) // it fails only for what is none
}
