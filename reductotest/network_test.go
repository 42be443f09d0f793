package reductotest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func pair() (*conn, *conn) { return newConnPair("client:1", "reducto.test:80") }

func TestConnCarriesMoreThanItBuffers(t *testing.T) {
	t.Parallel()
	client, server := pair()
	sent := make([]byte, 5*connBuffer+17)
	_, _ = rand.Read(sent)

	var echo, received bytes.Buffer
	var both sync.WaitGroup
	both.Go(func() { // the server echoes until the client has sent everything
		_, err := io.Copy(io.MultiWriter(&echo, server), server)
		assert.NoError(t, err)
		assert.NoError(t, server.Close())
	})
	both.Go(func() {
		_, err := io.Copy(&received, client)
		assert.NoError(t, err)
	})
	for rest := sent; len(rest) > 0; { // in odd pieces, so that the ring wraps
		n := min(len(rest), 7919)
		_, err := client.Write(rest[:n])
		require.NoError(t, err)
		rest = rest[n:]
	}
	require.NoError(t, client.CloseWrite())
	both.Wait()
	assert.True(t, bytes.Equal(sent, echo.Bytes()))
	assert.True(t, bytes.Equal(sent, received.Bytes()))
}

func TestConnAfterClose(t *testing.T) {
	t.Parallel()
	t.Run("peer closed", func(t *testing.T) {
		t.Parallel()
		client, server := pair()
		_, err := server.Write([]byte("bye"))
		require.NoError(t, err)
		require.NoError(t, server.Close())

		all, err := io.ReadAll(client)
		require.NoError(t, err, "what was sent before stays readable, then io.EOF")
		assert.Equal(t, "bye", string(all))
		_, err = client.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.EPIPE)
	})
	t.Run("half closed", func(t *testing.T) {
		t.Parallel()
		client, server := pair()
		require.NoError(t, client.CloseWrite())
		_, err := server.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		_, err = server.Write([]byte("answer"))
		require.NoError(t, err)
		buf := make([]byte, 10)
		n, err := client.Read(buf)
		require.NoError(t, err)
		assert.Equal(t, "answer", string(buf[:n]))
		_, err = client.Write([]byte("x"))
		assert.ErrorIs(t, err, net.ErrClosed)
	})
	t.Run("closed by itself", func(t *testing.T) {
		t.Parallel()
		client, _ := pair()
		require.NoError(t, client.Close())
		require.NoError(t, client.Close())
		_, err := client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = client.Write([]byte("x"))
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.ErrorIs(t, client.SetDeadline(time.Now()), net.ErrClosed)
		var op *net.OpError
		assert.ErrorAs(t, err, &op)
	})
	t.Run("while blocked", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			client, server := pair()
			var readErr, writeErr error
			go func() { _, readErr = client.Read(make([]byte, 1)) }()
			go func() { _, writeErr = client.Write(make([]byte, 2*connBuffer)) }()
			synctest.Wait()
			require.NoError(t, server.Close())
			synctest.Wait()
			assert.Equal(t, io.EOF, readErr)
			assert.ErrorIs(t, writeErr, syscall.EPIPE)
		})
	})
}

func TestConnDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := pair()
		defer server.Close()
		defer client.Close()
		start := time.Now()

		require.NoError(t, client.SetReadDeadline(start.Add(time.Hour)))
		_, err := client.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var timeout net.Error
		require.True(t, errors.As(err, &timeout) && timeout.Timeout())
		assert.Equal(t, time.Hour, time.Since(start))

		require.NoError(t, client.SetWriteDeadline(time.Now().Add(time.Hour)))
		n, err := client.Write(make([]byte, 2*connBuffer))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, connBuffer, n)
		assert.Equal(t, 2*time.Hour, time.Since(start))

		// A deadline in the past ends a blocked call. With a later one the connection
		// works again.
		require.NoError(t, client.SetReadDeadline(time.Time{}))
		var blocked error
		go func() { _, blocked = client.Read(make([]byte, 1)) }()
		synctest.Wait()
		require.NoError(t, client.SetReadDeadline(time.Unix(1, 0)))
		synctest.Wait()
		require.ErrorIs(t, blocked, os.ErrDeadlineExceeded)
		require.NoError(t, client.SetDeadline(time.Now().Add(time.Minute)))
		_, err = server.Write([]byte("x"))
		require.NoError(t, err)
		_, err = client.Read(make([]byte, 1))
		require.NoError(t, err)

		// A replaced deadline has no effect.
		require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Second)))
		require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Hour)))
		before := time.Now()
		_, err = client.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Hour, time.Since(before))
	})
}

// Run this test with the race detector. No byte may be lost.
func TestConnIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	client, server := pair()
	var writers, all sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 500 {
				_, err := client.Write(make([]byte, 100))
				assert.NoError(t, err)
			}
		})
	}
	all.Go(func() {
		for range 500 {
			assert.NoError(t, client.SetDeadline(time.Now().Add(time.Minute)))
			assert.NoError(t, server.SetDeadline(time.Now().Add(time.Minute)))
		}
	})
	var received [4]int64
	for i := range received {
		all.Go(func() {
			n, err := io.Copy(io.Discard, server)
			assert.NoError(t, err)
			received[i] = n
		})
	}
	writers.Wait()
	require.NoError(t, client.CloseWrite())
	all.Wait()
	assert.EqualValues(t, 8*500*100, received[0]+received[1]+received[2]+received[3])
	assert.Equal(t, "client:1", client.LocalAddr().String())
	assert.Equal(t, "reducto.test:80", client.RemoteAddr().String())
	assert.Equal(t, "memory", server.LocalAddr().Network())
}
