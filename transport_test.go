package reducto

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHTTPClientIsCopied(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	mine := &http.Client{Transport: http.NewFileTransport(http.Dir(".")), Jar: jar, Timeout: time.Minute}
	before := *mine
	c := newTestClient(t, WithHTTPClient(mine))
	assert.Equal(t, before, *mine)
	assert.Nil(t, mine.CheckRedirect)
	assert.Equal(t, mine.Transport, c.api.Transport)
	assert.Nil(t, c.api.Jar)
	assert.Nil(t, c.storage.Jar)
	assert.Equal(t, http.ErrUseLastResponse, c.api.CheckRedirect(nil, nil))
}

func TestStorageRedirects(t *testing.T) {
	t.Parallel()
	req := &http.Request{Header: http.Header{"Referer": {"https://bucket.example.com/a?sig=5a1e"}}}
	require.NoError(t, checkStorageRedirect(req, make([]*http.Request, 4)))
	assert.Empty(t, req.Header)
	require.Error(t, checkStorageRedirect(req, make([]*http.Request, 5)))
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, WithIdleTimeout(time.Minute), WithTimeout(time.Minute))
	synctest.Test(t, func(t *testing.T) {
		// A transfer lasts as long as bytes move.
		ctx, idle := c.watch(t.Context())
		r := idle.reader(&endless{every: 59 * time.Second})
		for range 10 {
			_, err := r.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		require.NoError(t, ctx.Err())
		time.Sleep(61 * time.Second)
		require.Equal(t, errIdle, contextError(ctx))
		idle.stop()
		idle.moved() // late, and without effect

		// An attempt with a timeout ends, whatever moves.
		ctx, idle = c.limit(t.Context(), &call{timeout: c.cfg.timeout}, new(idleWatch))
		r = idle.reader(&endless{every: 59 * time.Second})
		for range 2 {
			_, err := r.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		require.Equal(t, errAttemptTimeout, contextError(ctx))
		idle.stop()

		// A stopped watch ends its context, and is not the caller's end.
		ctx, idle = c.limit(t.Context(), &call{}, new(idleWatch))
		idle.stop()
		require.ErrorIs(t, contextError(ctx), context.Canceled)
	})
}

// What is downloaded may be worked on for as long as that takes: only waiting for
// the next byte is idle.
func TestIdleTimeoutDoesNotCountTheConsumer(t *testing.T) {
	t.Parallel()
	c := newTestClient(t, WithIdleTimeout(time.Minute))
	synctest.Test(t, func(t *testing.T) {
		ctx, idle := c.watch(t.Context())
		defer idle.stop()
		r := idle.consumed(&endless{every: 59 * time.Second})
		for range 10 {
			_, err := r.Read(make([]byte, 1))
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
		require.NoError(t, ctx.Err())
		_, err := idle.consumed(&endless{every: 61 * time.Second}).Read(make([]byte, 1))
		require.NoError(t, err)
		require.Equal(t, errIdle, contextError(ctx))
	})
}

type endless struct{ every time.Duration }

func (e *endless) Read(p []byte) (int, error) {
	time.Sleep(e.every)
	return len(p), nil
}
