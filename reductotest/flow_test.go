package reductotest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

// arriving reads a body while it arrives.
type arriving struct {
	resp *http.Response
	got  chan []byte
	err  error // valid when got is closed
}

func (a *arriving) read() {
	defer close(a.got)
	for {
		p := make([]byte, 32<<10)
		n, err := a.resp.Body.Read(p)
		if n > 0 {
			a.got <- p[:n]
		}
		if err != nil {
			a.err = err
			return
		}
	}
}

// take returns at least n bytes of the body, or the rest of it.
func (a *arriving) take(n int) []byte {
	var all []byte
	for n < 0 || len(all) < n {
		p, more := <-a.got
		if !more {
			break
		}
		all = append(all, p...)
	}
	return all
}

func open(t *testing.T, srv *reductotest.Server, url string) *arriving {
	t.Helper()
	resp, err := srv.HTTPClient().Get(url)
	require.NoError(t, err)
	a := &arriving{resp: resp, got: make(chan []byte, 1<<16)} // never full
	t.Cleanup(func() {
		_ = resp.Body.Close()
		for range a.got { // until read ends
		}
	})
	go a.read()
	return a
}

// Each case runs in memory in a bubble, and over TCP.
func TestFlowHoldsCutsAndEndsBodies(t *testing.T) {
	d := reductotest.GeneratedDocument{Bytes: 400_000}
	raw, _ := generated(t, d)
	setUp := func(t *testing.T, srv *reductotest.Server) (link string) {
		return seededURL(t, srv, d)
	}
	for name, story := range map[string]func(*testing.T, *reductotest.Server, string){
		"let go on": func(t *testing.T, srv *reductotest.Server, link string) {
			flow := reductotest.NewFlow(0)
			srv.Fault("GET storage/results", reductotest.Paced(flow))
			a := open(t, srv, link) // the header is there
			require.NoError(t, flow.AwaitHeld(t.Context()))
			assert.EqualValues(t, 0, flow.Sent())
			assert.EqualValues(t, len(raw), a.resp.ContentLength)
			var all []byte
			for n := 1; n < len(raw); n += 99_999 {
				flow.AllowUpTo(int64(n))
				all = append(all, a.take(n-len(all))...)
				require.Len(t, all, n, "as many bytes as are allowed, and no more")
				require.NoError(t, flow.AwaitHeld(t.Context()))
				assert.EqualValues(t, n, flow.Sent())
			}
			flow.Open()
			all = append(all, a.take(-1)...)
			assert.True(t, bytes.Equal(raw, all))
			assert.Equal(t, io.EOF, a.err)
			assert.EqualValues(t, len(raw), flow.Sent())
		},
		"cut": func(t *testing.T, srv *reductotest.Server, link string) {
			flow := reductotest.NewFlow(100_000)
			srv.Fault("GET storage/results", reductotest.Paced(flow))
			a := open(t, srv, link)
			require.NoError(t, flow.AwaitHeld(t.Context()))
			flow.Cut()
			assert.True(t, bytes.Equal(raw[:100_000], a.take(-1)))
			require.ErrorIs(t, a.err, io.ErrUnexpectedEOF)

			r := get(t, srv, link)
			assert.True(t, bytes.Equal(raw, r.body), "a fault is used once")
		},
		"cut before it began": func(t *testing.T, srv *reductotest.Server, link string) {
			flow := reductotest.NewFlow(50)
			flow.Cut()
			srv.Fault("GET storage/results", reductotest.Paced(flow).Chunked())
			a := open(t, srv, link)
			assert.Equal(t, raw[:50], a.take(-1))
			require.ErrorIs(t, a.err, io.ErrUnexpectedEOF)
		},
		"end early": func(t *testing.T, srv *reductotest.Server, link string) {
			flow := reductotest.NewFlow(1000)
			flow.End()
			srv.Fault("GET storage/results", reductotest.Paced(flow).Chunked())
			a := open(t, srv, link)
			assert.EqualValues(t, -1, a.resp.ContentLength)
			assert.Equal(t, raw[:1000], a.take(-1))
			assert.Equal(t, io.EOF, a.err, "complete, as far as HTTP knows")
		},
		"end early under a length": func(t *testing.T, srv *reductotest.Server, link string) {
			flow := reductotest.NewFlow(1000)
			flow.End()
			srv.Fault("GET storage/results", reductotest.Paced(flow))
			a := open(t, srv, link)
			assert.Equal(t, raw[:1000], a.take(-1))
			require.ErrorIs(t, a.err, io.ErrUnexpectedEOF)
		},
		"other answers": func(t *testing.T, srv *reductotest.Server, _ string) {
			flow := reductotest.NewFlow(3)
			srv.Fault("GET /version", reductotest.Paced(flow))
			a := open(t, srv, srv.URL()+"/version")
			require.NoError(t, flow.AwaitHeld(t.Context()))
			flow.AllowUpTo(1000)
			assert.Equal(t, `"v1.12.12-reductotest"`, string(a.take(-1)))
			assert.Equal(t, io.EOF, a.err)
		},
		"client leaves": func(t *testing.T, srv *reductotest.Server, link string) {
			flow := reductotest.NewFlow(10)
			srv.Fault("GET storage/results", reductotest.Paced(flow))
			a := open(t, srv, link)
			require.NoError(t, flow.AwaitHeld(t.Context()))
			require.NoError(t, a.resp.Body.Close())
			// Close waits for this handler at the end of the test.
		},
		"server closes": func(t *testing.T, srv *reductotest.Server, link string) {
			flow := reductotest.NewFlow(10)
			srv.Fault("GET storage/results", reductotest.Paced(flow))
			a := open(t, srv, link)
			require.NoError(t, flow.AwaitHeld(t.Context()))
			srv.Close()
			a.take(-1)
			require.Error(t, a.err)
			assert.NotEqual(t, io.EOF, a.err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("in memory", func(t *testing.T) {
				bubble(t, func(t *testing.T, srv *reductotest.Server) {
					story(t, srv, setUp(t, srv))
				}, reductotest.WithURLResultThreshold(0))
			})
			t.Run("TCP", func(t *testing.T) {
				t.Parallel()
				srv := reductotest.NewServer(t, reductotest.OnTCP(), reductotest.WithURLResultThreshold(0))
				story(t, srv, setUp(t, srv))
			})
		})
	}
}

func TestFlowCountsCompressedBytes(t *testing.T) {
	bubble(t, func(t *testing.T, srv *reductotest.Server) {
		d := reductotest.GeneratedDocument{Bytes: 400_000}
		link := seededURL(t, srv, d)
		flow := reductotest.NewFlow(20_000)
		srv.Fault("GET storage/results", reductotest.Paced(flow))
		a := open(t, srv, link)
		require.NoError(t, flow.AwaitHeld(t.Context()))
		assert.EqualValues(t, 20_000, flow.Sent())
		flow.End()
		assert.Greater(t, len(a.take(-1)), 20_000)
		require.ErrorIs(t, a.err, io.ErrUnexpectedEOF, "the compressed stream is not complete")
	}, reductotest.WithURLResultThreshold(0), reductotest.WithGzip())
}

func TestAwaitHeldObeysItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, reductotest.NewFlow(1).AwaitHeld(ctx), context.DeadlineExceeded)
	})
}

func ExampleFlow() {
	srv, err := reductotest.Start(reductotest.WithURLResultThreshold(0))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	ctx := context.Background()
	// This download breaks off after 10 KB. The client retries it, because it has not
	// used any of it yet.
	id := srv.SeedJob(reductotest.SeedJob{Status: "Completed", Result: reductotest.GeneratedDocument{Bytes: 1_000_000}})
	flow := reductotest.NewFlow(10_000)
	srv.Fault("GET storage/results", reductotest.Paced(flow))
	go func() {
		_ = flow.AwaitHeld(ctx)
		flow.Cut()
	}()

	job, err := srv.Client().GetJob(ctx, id)
	if err != nil {
		fmt.Println(err)
		return
	}
	chunks, err := job.Result.(*reducto.ParseResult).Load(ctx)
	fmt.Println(len(chunks), "chunks,", err)
	fmt.Println("broke off after", flow.Sent(), "bytes")
	// Output:
	// 80 chunks, <nil>
	// broke off after 10000 bytes
}
