package webhook

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// logQueue is how many records wait for a slow logger before records are dropped.
const logQueue = 256

// safeLog keeps the user's logger away from the deliveries: it may block or
// panic, and costs nothing but records. They are written by one goroutine, which
// exists only while there is something to write.
type safeLog struct {
	handler slog.Handler // nil: nobody listens
	lost    atomic.Uint64

	mu    sync.Mutex
	queue []logEntry
	idle  chan struct{} // closed when the writing goroutine is done; nil: there is none
}

type logEntry struct {
	ctx    context.Context
	record slog.Record
}

func newSafeLog(l *slog.Logger) *safeLog {
	if l == nil {
		return &safeLog{}
	}
	return &safeLog{handler: l.Handler()}
}

// log queues a record. The attributes must not refer to anything that changes.
func (l *safeLog) log(ctx context.Context, level slog.Level, msg string, attrs ...slog.Attr) {
	if l.handler == nil {
		return
	}
	record := slog.NewRecord(time.Now(), level, "webhook: "+msg, 0)
	record.AddAttrs(attrs...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) >= logQueue {
		l.lost.Add(1)
		return
	}
	l.queue = append(l.queue, logEntry{context.WithoutCancel(ctx), record})
	if l.idle == nil {
		l.idle = make(chan struct{})
		go l.drain()
	}
}

// drain writes until the queue is empty.
func (l *safeLog) drain() {
	done := false
	defer func() {
		if !done { // the logger ended this goroutine (runtime.Goexit)
			l.lost.Add(1)
			go l.drain()
		}
	}()
	for {
		e, ok := l.next()
		if !ok {
			done = true
			return
		}
		l.write(e)
	}
}

func (l *safeLog) next() (logEntry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.queue = nil
		close(l.idle)
		l.idle = nil
		return logEntry{}, false
	}
	e := l.queue[0]
	l.queue[0] = logEntry{}
	l.queue = l.queue[1:]
	return e, true
}

func (l *safeLog) write(e logEntry) {
	defer func() {
		if recover() != nil {
			l.lost.Add(1)
		}
	}()
	if !l.handler.Enabled(e.ctx, e.record.Level) {
		return
	}
	if err := l.handler.Handle(e.ctx, e.record); err != nil {
		l.lost.Add(1)
	}
}

// wait returns when all has been written, or with an error when ctx ends.
func (l *safeLog) wait(ctx context.Context) error {
	l.mu.Lock()
	idle := l.idle
	l.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
