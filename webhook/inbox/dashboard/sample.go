package dashboard

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/reducto-go/reducto/webhook/inbox"
)

const (
	// sampleEvery is how often records are counted while pages are open. It is longer if
	// counting takes long: see sampleShare.
	sampleEvery = 5 * time.Second
	// sampleShare is the part of its time in which the store counts at most: a twentieth.
	sampleShare = 20
	// sampleTimeout is how long counting may take.
	sampleTimeout = 30 * time.Second
	// sampleWait is how long a page waits for the first sample.
	sampleWait = 90 * time.Millisecond
	// chartTime is the time that charts show, and sampleMax how many samples are kept.
	chartTime = 20 * time.Minute
	sampleMax = int(chartTime/sampleEvery) + 1
	// idleAfter is how long after the last request counting stops.
	idleAfter = 15 * time.Minute
)

// sample is the state of the Inbox at a time.
type sample struct {
	at     time.Time
	took   time.Duration
	stats  inbox.Stats
	health error // of Inbox.Healthy
	err    error // the store's
}

// samples are the latest states.
type samples struct {
	mu      sync.Mutex
	list    []sample
	running bool          // the goroutine runs
	seen    time.Time     // the last request
	changed chan struct{} // closed by the next sample
}

// last returns the last sample.
func (s *samples) last() (sample, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) == 0 {
		return sample{}, false
	}
	return s.list[len(s.list)-1], true
}

// all returns the samples of the charts, and a channel that the next one closes.
func (s *samples) all() ([]sample, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return slices.Clone(s.list), s.changed
}

func (s *samples) add(v sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) >= sampleMax {
		s.list = slices.Delete(s.list, 0, len(s.list)-sampleMax+1)
	}
	s.list = append(s.list, v)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// interval is the time until the next sample.
func (v sample) interval() time.Duration {
	if v.err != nil {
		return sampleEvery
	}
	return max(sampleEvery, sampleShare*v.took)
}

// visit notes a request, and has records counted. It returns the last sample. If that is
// old, it waits a moment for the next one, but not longer, as counting millions of records
// takes a while. The sample is empty if there is none yet.
func (h *Handler) visit(wait time.Duration) sample {
	s := &h.samples
	s.mu.Lock()
	s.seen = time.Now()
	if !s.running && h.ctx.Err() == nil {
		s.running = true
		h.work.Go(h.keepSampling)
	}
	s.mu.Unlock()
	list, changed := s.all()
	if n := len(list); wait > 0 && (n == 0 || list[n-1].err != nil || time.Since(list[n-1].at) > list[n-1].interval()+sampleEvery) {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-changed:
		case <-timer.C:
		case <-h.ctx.Done():
		}
	}
	v, _ := s.last()
	return v
}

// keepSampling takes samples until there are no visitors.
func (h *Handler) keepSampling() {
	s := &h.samples
	for {
		v, _ := s.last()
		timer := time.NewTimer(max(0, v.interval()-time.Since(v.at)))
		select {
		case <-timer.C:
		case <-h.ctx.Done():
			timer.Stop()
			return
		}
		s.mu.Lock()
		if time.Since(s.seen) > idleAfter && h.streams.open.Load() == 0 {
			s.running = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		s.add(h.sample())
	}
}

// sample counts the records.
func (h *Handler) sample() sample {
	ctx, cancel := context.WithTimeout(h.ctx, sampleTimeout)
	defer cancel()
	began := time.Now()
	v := sample{health: h.in.Healthy()}
	v.stats, v.err = h.in.Stats(ctx)
	v.at, v.took = time.Now(), time.Since(began)
	return v
}
