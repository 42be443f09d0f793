package safe

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"
)

// logQueue is how many log records wait for a slow logger. Further records are
// dropped.
const logQueue = 256

// Log writes log records on a goroutine of its own. The zero value of its handler
// writes nothing.
type Log struct {
	Calls
	handler slog.Handler
}

// NewLog returns a Log that writes to l, or nothing if l is nil. If l was made by
// Logger, NewLog returns the Log that made it.
func NewLog(l *slog.Logger) *Log {
	s := &Log{Calls: Calls{Max: logQueue}}
	if l == nil {
		return s
	}
	if shared, ok := l.Handler().(handler); ok {
		return shared.log
	}
	s.handler = l.Handler()
	return s
}

// Logger returns a logger by which another NewLog finds this Log.
func (l *Log) Logger() *slog.Logger {
	if !l.On() {
		return nil
	}
	return slog.New(handler{l.handler, l})
}

type handler struct {
	slog.Handler
	log *Log
}

// On reports whether there is a logger.
func (l *Log) On() bool { return l.handler != nil }

// Log queues a record. Its attributes may not refer to anything that changes.
func (l *Log) Log(ctx context.Context, level slog.Level, msg string, attrs ...slog.Attr) {
	if !l.On() {
		return
	}
	record := slog.NewRecord(time.Now(), level, msg, 0)
	record.AddAttrs(attrs...)
	ctx = context.WithoutCancel(ctx)
	l.Do(func(context.Context) {
		if !l.handler.Enabled(ctx, level) {
			return
		}
		if err := l.handler.Handle(ctx, record); err != nil {
			l.Lost.Add(1)
		}
	})
}

// Error returns an attribute with the text of an error. The text is made now, as
// the error may change later.
func Error(err error) slog.Attr { return slog.String("error", Head(fmt.Sprint(err), MaxText)) }

// MaxText is the longest text of an error that is kept, in bytes.
const MaxText = 4 << 10

// Head returns the beginning of s, at most limit bytes.
func Head(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

// Limiter allows one event in each interval, and counts those that it suppresses.
type Limiter struct {
	Every time.Duration

	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// Allow reports whether the event may happen, and how many were suppressed before.
func (l *Limiter) Allow(now time.Time) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() && now.Sub(l.last) < l.Every {
		l.suppressed++
		return 0, false
	}
	suppressed, l.suppressed = l.suppressed, 0
	l.last = now
	return suppressed, true
}
