package webhook

import (
	"context"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
)

// memory knows what is being processed and what has been, within its bounds. It
// is what makes one call out of many deliveries.
type memory struct {
	ttl time.Duration
	max int

	mu       sync.Mutex
	works    works
	running  workList
	finished workList // oldest first
	settled  int      // of those, how many need no further call
	closed   bool
	drained  chan struct{} // closed when closed is set and nothing is running

	ctx    context.Context // that of all calls
	cancel context.CancelCauseFunc
}

// works are those that are known. Two maps with strings as their keys cost half of
// what one with workKeys does.
type works struct{ jobs, submissions map[string]*work }

// of is the map for keys like this one.
func (w *works) of(key workKey) map[string]*work {
	if key.submission {
		return w.submissions
	}
	return w.jobs
}

func (w *works) remove(gone *work) { delete(w.of(gone.key), gone.key.id) }

func (w *works) len() int { return len(w.jobs) + len(w.submissions) }

// work is a job, or a submission with all its jobs.
type work struct {
	key        workKey
	jobKey     string            // the job whose delivery began the latest call
	status     reducto.JobStatus // what that delivery said
	attempts   int               // calls of the function for that job
	call       *call             // nil unless it is running
	ending     ending            // of the latest call
	finishedAt time.Time

	prev, next *work
}

// call is work in progress. What changes is written by the goroutine that runs it,
// before done is closed.
type call struct {
	work     *work
	jobKey   string    // the work's, when the call began
	delivery *Delivery // the function's, once it has been called
	ctx      callContext
	funcCtx  funcContext

	called bool // the function was, which happens once at most
	ending ending
	done   chan struct{}
}

// ending is how a call ended, and so the answer to all who wait for it. The zero
// value is what a goroutine that dies leaves behind.
type ending uint8

const (
	endedFailed    ending = iota // 500, to be delivered again
	endedPostponed               // 503, to be delivered again
	endedDone                    // 200
	endedExpired                 // 200, nothing to process
)

// settled reports whether the job needs no further call.
func (e ending) settled() bool { return e == endedDone || e == endedExpired }

// leavesRoomFor reports whether the call ended without anything being processed
// because its job was gone, and jobKey is another job of the same submission.
func (c *call) leavesRoomFor(jobKey string) bool {
	return c.ending == endedExpired && c.jobKey != jobKey
}

// role is what a delivery is to its work.
type role uint8

const (
	roleStart  role = iota // it begins the call
	roleJoin               // it waits for the one that runs
	roleDone               // there is nothing to do any more
	roleClosed             // it would begin a call, but none may begin now
)

func newMemory(ttl time.Duration, max int) *memory {
	m := &memory{
		ttl: ttl, max: max,
		works:   works{jobs: map[string]*work{}, submissions: map[string]*work{}},
		drained: make(chan struct{}),
	}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	return m
}

// admit finds a delivery its role. The call is nil for roleDone and roleClosed.
// conflict: it contradicts what another delivery said of the same job.
func (m *memory) admit(ctx context.Context, e *Event, received time.Time) (c *call, r role, conflict bool) {
	key := e.workKey()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(received) // as good as now, and a clock costs more than all else here

	w := m.works.of(key)[key.id]
	sameJob := w != nil && (w.jobKey == e.JobID || w.jobKey == e.jobKey())
	if sameJob {
		conflict = contradicts(w.status, e.Status)
	}
	switch {
	case w != nil && w.call != nil:
		return w.call, roleJoin, conflict
	case w != nil && w.ending.settled() && (sameJob || w.ending != endedExpired):
		// Where another job of the submission was gone nothing has been processed.
		return nil, roleDone, conflict
	case m.closed:
		return nil, roleClosed, conflict
	case w == nil:
		w = &work{key: key}
		m.works.of(key)[key.id] = w
	default:
		m.takeFinished(w)
	}
	if !sameJob {
		w.jobKey, w.attempts = e.jobKey(), 0
	}
	w.status = e.Status
	w.call = &call{
		work: w, jobKey: w.jobKey,
		delivery: &Delivery{Event: *e, Outcome: outcomeOf(e.Status), Attempt: w.attempts + 1, ReceivedAt: received},
		ctx:      callContext{m.ctx, ctx}, done: make(chan struct{}),
	}
	m.running.push(w)
	return w.call, roleStart, conflict
}

// finish ends a call and lets all who wait for it go.
func (m *memory) finish(c *call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := c.work
	m.running.remove(w)
	w.call, w.ending, w.finishedAt = nil, c.ending, time.Now()
	if c.called {
		w.attempts++
	}
	switch {
	case w.ending.settled():
		m.settled++
		m.finished.push(w)
	case w.attempts > 0: // kept for the count alone
		m.finished.push(w)
	default:
		m.works.remove(w)
	}
	m.forget(w.finishedAt)
	close(c.done)
	m.checkDrained()
}

// forget drops what is too old or too much.
func (m *memory) forget(now time.Time) {
	for w := m.finished.first; w != nil; w = m.finished.first {
		if m.finished.len <= m.max && now.Sub(w.finishedAt) < m.ttl {
			return
		}
		m.takeFinished(w)
		m.works.remove(w)
	}
}

func (m *memory) takeFinished(w *work) {
	m.finished.remove(w)
	if w.ending.settled() {
		m.settled--
	}
}

// close lets no further call begin.
func (m *memory) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		m.checkDrained()
	}
}

func (m *memory) checkDrained() {
	if m.closed && m.running.len == 0 {
		select {
		case <-m.drained:
		default:
			close(m.drained)
		}
	}
}

// giveUp ends the context of every call and returns how many there are. It is for
// a memory that is closed: a call that began later would be over at once.
func (m *memory) giveUp(cause error) int {
	m.cancel(cause)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running.len
}

// sizes are the numbers of calls that run and of jobs that need none.
func (m *memory) sizes() (running, settled int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(time.Now())
	return m.running.len, m.settled
}

// workList is a list of works, each of which is in one list at most.
type workList struct {
	first, last *work
	len         int
}

func (l *workList) push(w *work) {
	w.prev, w.next = l.last, nil
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.len++
}

func (l *workList) remove(w *work) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	l.len--
}
