package webhook

import (
	"context"
	"sync"
	"time"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/internal/wireid"
)

// memory keeps the running and the finished jobs. It joins several deliveries of a job
// into one call.
type memory struct {
	ttl time.Duration
	max int

	mu       sync.Mutex
	works    works
	running  workList
	finished workList // oldest first
	settled  int      // finished works that need no further call
	closed   bool
	drained  chan struct{} // closed when the memory is closed and no call is running

	ctx    context.Context // of all calls
	cancel context.CancelCauseFunc
}

// works are the known works. Two maps by string cost half of one map by workKey.
type works struct{ jobs, submissions map[string]*work }

// of returns the map for the kind of key.
func (w *works) of(key workKey) map[string]*work {
	if key.submission {
		return w.submissions
	}
	return w.jobs
}

func (w *works) remove(gone *work) { delete(w.of(gone.key), gone.key.id) }

func (w *works) len() int { return len(w.jobs) + len(w.submissions) }

// workKey identifies a piece of work: the submission if it is known, otherwise the
// job.
type workKey struct {
	submission bool
	id         string
}

func keyOf(e *Event) workKey {
	if e.SubmissionID != "" {
		return workKey{submission: true, id: wireid.Key(e.SubmissionID)}
	}
	return workKey{id: e.jobKey()}
}

// work is a job, or a submission with all its jobs.
type work struct {
	key        workKey
	jobKey     string            // the job of the latest call
	status     reducto.JobStatus // of the delivery that began it
	attempts   int               // calls of the function for that job
	call       *call             // the running call, or nil
	ending     ending            // of the latest call
	finishedAt time.Time

	prev, next *work
}

// call is a running call. Its own goroutine changes it until done is closed.
type call struct {
	work     *work
	jobKey   string // of the work when the call began
	delivery *Delivery
	ctx      callContext
	funcCtx  funcContext

	called bool // the function was called
	ending ending
	done   chan struct{}
}

// ending is how a call ended. It is the answer to all requests that wait for the call.
// The zero value is the ending of a goroutine that died.
type ending uint8

const (
	endedFailed    ending = iota // 500, Reducto delivers again
	endedPostponed               // 503, Reducto delivers again
	endedDone                    // 200
	endedExpired                 // 200, there is nothing to process
)

// settled reports whether the job needs no further call.
func (e ending) settled() bool { return e == endedDone || e == endedExpired }

// leavesRoomFor reports whether the call processed nothing because its job was gone,
// and jobKey is another job of the submission.
func (c *call) leavesRoomFor(jobKey string) bool {
	return c.ending == endedExpired && c.jobKey != jobKey
}

// role is how a delivery is handled.
type role uint8

const (
	roleStart  role = iota // begins a call
	roleJoin               // waits for the running call
	roleDone               // is a duplicate of a finished job
	roleClosed             // would begin a call after Shutdown
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

// admit returns the role of a delivery. It returns the call for roleStart and roleJoin.
// conflict reports whether the delivery contradicts an earlier one of the same job.
func (m *memory) admit(ctx context.Context, e *Event, received time.Time) (c *call, r role, conflict bool) {
	key := keyOf(e)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(received) // reading the clock would cost more than all else here

	w := m.works.of(key)[key.id]
	sameJob := w != nil && (w.jobKey == e.JobID || w.jobKey == e.jobKey())
	if sameJob {
		conflict = contradicts(w.status, e.Status)
	}
	switch {
	case w != nil && w.call != nil:
		return w.call, roleJoin, conflict
	case w != nil && w.ending.settled() && (sameJob || w.ending != endedExpired):
		// If another job of the submission was gone, nothing has been processed.
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
		delivery: &Delivery{Event: *e, Outcome: OutcomeOf(e.Status), Attempt: w.attempts + 1, ReceivedAt: received},
		ctx:      callContext{m.ctx, ctx}, done: make(chan struct{}),
	}
	m.running.push(w)
	return w.call, roleStart, conflict
}

// finish ends a call.
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
	case w.attempts > 0: // keep the count
		m.finished.push(w)
	default:
		m.works.remove(w)
	}
	m.forget(w.finishedAt)
	close(c.done)
	m.checkDrained()
}

// forget removes finished works that are too old or too many.
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

// close prevents further calls.
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

// giveUp ends the contexts of all calls and returns how many there are. The memory
// must be closed.
func (m *memory) giveUp(cause error) int {
	m.cancel(cause)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running.len
}

// sizes returns the numbers of running calls and of settled works.
func (m *memory) sizes() (running, settled int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(time.Now())
	return m.running.len, m.settled
}

// workList is a linked list. A work is in at most one.
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
