package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// serveLoopback serves h on a port of 127.0.0.1 until stop is called.
func serveLoopback(h http.Handler) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return listener.Addr().String(), serveOn(listener, &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}), nil
}

// serveOn has a server serve what a listener accepts until stop is called, which
// waits for its end.
func serveOn(listener net.Listener, server *http.Server) (stop func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // it fails because it is closed
	}()
	return func() {
		_ = server.Close()
		<-ended
	}
}

// loadTimeout ends a load that hangs.
const loadTimeout = time.Minute

// deliver sends requests, which are whole messages of HTTP/1.1, over a number of
// connections, each of which waits for an answer before it sends the next. It
// returns how many were answered a second, all of them 200. The client does no more
// than it must, since it shares the CPU with the server that is measured.
func deliver(ctx context.Context, address string, connections int, requests [][]byte) (float64, error) {
	return deliverAfter(ctx, address, connections, requests, func(context.Context, int) {})
}

// deliverAfter is deliver, but it calls before, with the number of the request, before
// it sends that request.
func deliverAfter(ctx context.Context, address string, connections int, requests [][]byte, before func(context.Context, int)) (float64, error) {
	conns := make([]net.Conn, connections)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	var dialer net.Dialer
	for i := range conns {
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return 0, err
		}
		conns[i] = c
		if err := c.SetDeadline(time.Now().Add(loadTimeout)); err != nil {
			return 0, err
		}
	}
	var next atomic.Int64
	errs := make([]error, connections)
	var wg sync.WaitGroup
	began := time.Now()
	for i, c := range conns {
		wg.Go(func() {
			r := bufio.NewReader(c)
			for errs[i] == nil && ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(requests) {
					return
				}
				before(ctx, n)
				if _, errs[i] = c.Write(requests[n]); errs[i] == nil {
					errs[i] = readOK(r)
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return 0, err
	}
	return float64(len(requests)) / took.Seconds(), nil
}

var (
	statusOK      = []byte("HTTP/1.1 200 ")
	contentLength = []byte("Content-Length: ")
)

// readOK reads an answer of net/http's server with the status 200.
func readOK(r *bufio.Reader) error {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first && !bytes.HasPrefix(line, statusOK):
			return fmt.Errorf("answered %q", line)
		case bytes.HasPrefix(line, contentLength):
			if length, err = strconv.Atoi(string(line[len(contentLength):])); err != nil {
				return err
			}
		case len(line) == 0:
			_, err := r.Discard(length)
			return err
		}
	}
}

// message is a request as it goes over a connection.
func message(r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	err := r.Write(&b)
	return b.Bytes(), err
}

// readBody is the body of a request that was made for a test.
func readBody(r *http.Request) ([]byte, error) {
	defer r.Body.Close()
	return io.ReadAll(r.Body)
}
