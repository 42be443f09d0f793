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
	sampleTimeout = 5 * time.Second
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
	taking sync.Mutex // one sample is taken at a time

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

// interval is the time between two samples.
func (v sample) interval() time.Duration { return max(sampleEvery, sampleShare*v.took) }

// sample returns a sample that is at most as old as age.
func (h *Handler) sample(age time.Duration) sample {
	h.samples.taking.Lock()
	defer h.samples.taking.Unlock()
	if v, ok := h.samples.last(); ok && v.err == nil && time.Since(v.at) < age {
		return v
	}
	ctx, cancel := context.WithTimeout(h.ctx, sampleTimeout)
	defer cancel()
	began := time.Now()
	v := sample{health: h.in.Healthy()}
	v.stats, v.err = h.in.Stats(ctx)
	v.at, v.took = time.Now(), time.Since(began)
	h.samples.add(v)
	return v
}

// visit notes a request, and returns the sample that its page shows.
func (h *Handler) visit() sample {
	v, ok := h.samples.last()
	if !ok || v.err != nil || time.Since(v.at) > v.interval()+sampleEvery {
		v = h.sample(sampleEvery)
	}
	h.samples.mu.Lock()
	defer h.samples.mu.Unlock()
	h.samples.seen = time.Now()
	if !h.samples.running && h.ctx.Err() == nil {
		h.samples.running = true
		h.work.Go(h.keepSampling)
	}
	return v
}

// keepSampling takes samples until there are no visitors.
func (h *Handler) keepSampling() {
	for {
		wait := sampleEvery
		if v, ok := h.samples.last(); ok {
			wait = v.interval() - time.Since(v.at)
		}
		timer := time.NewTimer(max(wait, time.Second))
		select {
		case <-timer.C:
		case <-h.ctx.Done():
			timer.Stop()
			return
		}
		h.samples.mu.Lock()
		if time.Since(h.samples.seen) > idleAfter && h.streams.open.Load() == 0 {
			h.samples.running = false
			h.samples.mu.Unlock()
			return
		}
		h.samples.mu.Unlock()
		h.sample(sampleEvery)
	}
}
