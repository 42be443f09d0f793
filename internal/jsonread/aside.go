//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package jsonread

import "syscall"

// mapAside allocates n bytes outside of the heap. It returns nil if that fails. See
// gathered for the reason.
func mapAside(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return b[:0]
}

// unmapAside frees memory of mapAside. It must not have grown.
func unmapAside(b []byte) {
	_ = syscall.Munmap(b[:cap(b)]) // Munmap fails only for other memory
}
