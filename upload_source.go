package reducto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// uploadSource is a file of known size. If it is repeatable, every attempt can read it
// from its beginning.
type uploadSource struct {
	size       int64
	repeatable bool
	progress   func(sent, total int64)

	start func() (io.Reader, error)
	close func()

	// The transport may still read the body of an earlier attempt, so only the latest
	// reader may use the file.
	mu     sync.Mutex
	latest *uploadReader
}

// openUpload finds the size of r and a way to read it again. It trusts a given size,
// which uploadReader checks.
func openUpload(ctx context.Context, r io.Reader, size int64) (*uploadSource, error) {
	if b, ok := r.(*bytes.Buffer); ok {
		r = bytes.NewReader(b.Bytes())
	}
	if s, ok := r.(io.Seeker); ok {
		// A pipe has a Seek method too, which fails.
		if offset, err := s.Seek(0, io.SeekCurrent); err == nil {
			end, err := s.Seek(0, io.SeekEnd)
			if err != nil {
				return nil, err
			}
			if _, err := s.Seek(offset, io.SeekStart); err != nil {
				return nil, err
			}
			if have := max(0, end-offset); size == 0 {
				size = have
			} else if size != have {
				return nil, fmt.Errorf("the reader has %d bytes, but Size is %d: omit Size", have, size)
			}
			src := &uploadSource{size: size, repeatable: true, close: func() {}}
			if at, ok := r.(io.ReaderAt); ok {
				src.start = func() (io.Reader, error) { return io.NewSectionReader(at, offset, size), nil }
			} else {
				src.start = func() (io.Reader, error) {
					_, err := s.Seek(offset, io.SeekStart)
					return r, err
				}
			}
			return src, nil
		}
	}
	if size > 0 {
		return &uploadSource{size: size, close: func() {}, start: func() (io.Reader, error) { return r, nil }}, nil
	}
	return spool(ctx, r)
}

// spool copies r to a temporary file. It copies no more than can be uploaded.
func spool(ctx context.Context, r io.Reader) (*uploadSource, error) {
	f, err := os.CreateTemp("", "reducto-upload-*")
	if err != nil {
		return nil, err
	}
	remove := func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	n, err := io.Copy(f, io.LimitReader(&contextReader{ctx, r}, MaxUpload+1))
	if err != nil {
		remove()
		return nil, err
	}
	return &uploadSource{
		size: n, repeatable: true, close: remove,
		start: func() (io.Reader, error) { return io.NewSectionReader(f, 0, n), nil },
	}, nil
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := contextError(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// open returns a reader from the beginning. Earlier readers fail from now on.
func (s *uploadSource) open() (io.Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.repeatable && s.latest != nil && s.latest.sent > 0 {
		return nil, errors.New("it cannot be read again for a retry: use a reader that can seek, or omit Size")
	}
	r, err := s.start()
	if err != nil {
		return nil, err
	}
	s.latest = &uploadReader{src: s, r: r}
	return s.latest, nil
}

// spent reports whether the file has been read from and cannot be read again.
func (s *uploadSource) spent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.repeatable && s.latest != nil && s.latest.sent > 0
}

// uploadReader reads exactly size bytes or returns a *RequestError, so that a file
// that cannot be read does not look like a lost connection.
type uploadReader struct {
	src  *uploadSource
	r    io.Reader
	sent int64
}

func (u *uploadReader) Read(p []byte) (n int, err error) {
	u.src.mu.Lock()
	defer u.src.mu.Unlock()
	if u.src.latest != u {
		return 0, errors.New("reducto: this attempt has ended")
	}
	defer func() {
		// The user's reader and callback run on a goroutine of net/http, where the user
		// cannot recover a panic.
		if p := recover(); p != nil {
			n, err = 0, &RequestError{Op: "Upload", Field: "reader", Reason: fmt.Sprintf("it, or Progress, panicked: %v", p)}
		}
	}()
	left := u.src.size - u.sent
	if left == 0 {
		return 0, io.EOF
	}
	n, err = u.r.Read(p[:min(int64(len(p)), left)])
	u.sent += int64(n)
	if n > 0 && u.src.progress != nil {
		u.src.progress(u.sent, u.src.size)
	}
	switch {
	case err == io.EOF && u.sent < u.src.size:
		err = &RequestError{Op: "Upload", Field: "reader", Reason: fmt.Sprintf("it ended after %d of %d bytes", u.sent, u.src.size), Err: io.ErrUnexpectedEOF}
	case err == io.EOF:
		err = nil // the next read says so
	case err != nil:
		err = &RequestError{Op: "Upload", Field: "reader", Reason: "it cannot be read", Err: err}
	}
	return n, err
}
