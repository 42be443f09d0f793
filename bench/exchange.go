package main

import (
	"bytes"
	"net/http"
	"net/url"
	"time"
)

var benchURL = &url.URL{Scheme: "http", Host: "bench.test", Path: "/webhook"}

// freeReader is a body that costs nothing.
type freeReader struct{ bytes.Reader }

func (*freeReader) Close() error { return nil }

// freeWriter is a ResponseWriter that costs nothing, and has what the server's has.
type freeWriter struct {
	header http.Header
	status int
}

func (w *freeWriter) Header() http.Header               { return w.header }
func (w *freeWriter) WriteHeader(status int)            { w.status = status }
func (w *freeWriter) Write(p []byte) (int, error)       { return len(p), nil }
func (w *freeWriter) WriteString(s string) (int, error) { return len(s), nil }
func (w *freeWriter) SetReadDeadline(time.Time) error   { return nil }
