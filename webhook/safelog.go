package webhook

import (
	"context"
	"log/slog"
	"time"
)

// logQueue is how many records wait for a slow logger before records are dropped.
const logQueue = 256

// safeLog writes log records apart from the deliveries that they are about.
type safeLog struct {
	handler slog.Handler // nil: nobody listens
	safeCalls
}

func newSafeLog(l *slog.Logger) *safeLog {
	s := &safeLog{safeCalls: safeCalls{max: logQueue}}
	if l != nil {
		s.handler = l.Handler()
	}
	return s
}

// on reports whether somebody listens.
func (l *safeLog) on() bool { return l.handler != nil }

// log queues a record. The attributes must not refer to anything that changes.
func (l *safeLog) log(ctx context.Context, level slog.Level, msg string, attrs ...slog.Attr) {
	if !l.on() {
		return
	}
	record := slog.NewRecord(time.Now(), level, "webhook: "+msg, 0)
	record.AddAttrs(attrs...)
	ctx = context.WithoutCancel(ctx)
	l.do(func(context.Context) {
		if !l.handler.Enabled(ctx, level) {
			return
		}
		if err := l.handler.Handle(ctx, record); err != nil {
			l.lost.Add(1)
		}
	})
}
