package safe

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLogWritesRecords(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := NewLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	require.True(t, l.On())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.Log(ctx, slog.LevelInfo, "too low")
	l.Log(ctx, slog.LevelWarn, "written", slog.Int("n", 17), Error(errors.New("boom")))
	require.NoError(t, l.Wait(t.Context()))
	assert.Regexp(t, `^time=\S+ level=WARN msg=written n=17 error=boom\n$`, out.String())
	assert.Zero(t, l.Lost.Load())
}

func TestLogWithoutALoggerDoesNothing(t *testing.T) {
	t.Parallel()
	l := NewLog(nil)
	assert.False(t, l.On())
	assert.Nil(t, l.Logger())
	l.Log(t.Context(), slog.LevelError, "nothing")
	require.NoError(t, l.Wait(t.Context()))
}

func TestNewLogFindsTheLogOfItsLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := NewLog(slog.New(slog.NewTextHandler(&out, nil)))
	assert.Same(t, l, NewLog(l.Logger()))
	l.Logger().Info("direct")
	assert.Contains(t, out.String(), "msg=direct")
}

// stuckLevel is a slog.Handler that blocks when it is asked for its level.
type stuckLevel struct {
	slog.Handler
	stuck chan struct{}
}

func (h stuckLevel) Enabled(context.Context, slog.Level) bool {
	<-h.stuck
	return false
}

// brokenHandler fails, and records the error of the context that it got.
type brokenHandler struct {
	slog.Handler
	ctxErr error
}

func (*brokenHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *brokenHandler) Handle(ctx context.Context, _ slog.Record) error {
	h.ctxErr = ctx.Err()
	return errors.New("disk full")
}

func TestLogDoesNotWaitForItsHandler(t *testing.T) {
	t.Parallel()
	stuck := stuckLevel{stuck: make(chan struct{})}
	l := NewLog(slog.New(stuck))
	for range logQueue + 10 {
		l.Log(t.Context(), slog.LevelError, "x")
	}
	assert.GreaterOrEqual(t, l.Lost.Load(), uint64(9))
	close(stuck.stuck)
	require.NoError(t, l.Wait(t.Context()))

	broken := &brokenHandler{ctxErr: errors.New("not called")}
	l = NewLog(slog.New(broken))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.Log(ctx, slog.LevelError, "x")
	require.NoError(t, l.Wait(t.Context()))
	assert.EqualValues(t, 1, l.Lost.Load(), "an error of the handler loses the record")
	require.NoError(t, broken.ctxErr, "the request may have ended")
}

func TestHeadKeepsWholeCharacters(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "abc", Head("abc", 3))
	assert.Equal(t, "ab…", Head("abc", 2))
	assert.Equal(t, "…", Head("日本", 2))
	assert.Equal(t, "日…", Head("日本", 5))
	assert.Len(t, Error(errors.New(strings.Repeat("x", 2*MaxText))).Value.String(), MaxText+len("…"))
}

func TestLimiterAllowsOneEventAnInterval(t *testing.T) {
	t.Parallel()
	l := Limiter{Every: time.Second}
	now := time.Now()
	for _, tt := range []struct {
		later      time.Duration
		ok         bool
		suppressed int
	}{{0, true, 0}, {0, false, 0}, {999 * time.Millisecond, false, 0}, {time.Second, true, 2}, {3 * time.Second, true, 0}} {
		suppressed, ok := l.Allow(now.Add(tt.later))
		assert.Equal(t, tt.ok, ok, tt.later)
		assert.Equal(t, tt.suppressed, suppressed, tt.later)
	}
}
