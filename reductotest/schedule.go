package reductotest

import (
	"cmp"
	"container/heap"
	"time"
)

// dueJobs is a heap of running jobs by the time of their end. A single
// goroutine ends them, so that jobs end in the order of their times and, where
// those are equal, of their submission: faults that count jobs are then
// deterministic.
type dueJobs []dueJob

type dueJob struct {
	at    time.Time
	start int // of the job; another number means that this entry is void
	job   *job
}

func (d dueJobs) Len() int { return len(d) }

func (d dueJobs) Less(i, k int) bool {
	return cmp.Or(d[i].at.Compare(d[k].at), cmp.Compare(d[i].job.seq, d[k].job.seq)) < 0
}

func (d dueJobs) Swap(i, k int) { d[i], d[k] = d[k], d[i] }

func (d *dueJobs) Push(v any) { *d = append(*d, v.(dueJob)) }

func (d *dueJobs) Pop() any {
	last := (*d)[len(*d)-1]
	(*d)[len(*d)-1] = dueJob{}
	*d = (*d)[:len(*d)-1]
	return last
}

// startLocked lets a job run from now to its end. The caller holds the mutex.
func (s *Server) startLocked(j *job) {
	if j.ended() {
		return
	}
	j.started = time.Now()
	j.start++
	heap.Push(&s.due, dueJob{at: j.started.Add(j.takes), start: j.start, job: j})
	select {
	case s.wake <- struct{}{}:
	default: // it will look
	}
}

// schedule ends jobs when their time comes, until the server is closed.
func (s *Server) schedule() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		j, wait := s.nextDue()
		if j != nil {
			s.process(j)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.ctx.Done():
			return
		}
	}
}

// nextDue takes the next job whose time has come, or says how long to wait.
func (s *Server) nextDue() (*job, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.due) > 0 && !s.closed {
		next := s.due[0]
		switch wait := time.Until(next.at); {
		case next.start != next.job.start || next.job.ended():
			heap.Pop(&s.due)
		case wait > 0:
			return nil, wait
		default:
			heap.Pop(&s.due)
			return next.job, 0
		}
	}
	return nil, time.Hour
}
