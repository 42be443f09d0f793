package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
)

// fleet is the children of a run.
type fleet struct {
	base  childConfig
	dir   string
	front *front

	mu       sync.Mutex
	random   *rand.Rand
	slots    []*process // nil where one is down
	busy     []bool     // something is being done to that child
	started  []int      // how many there have been, by slot
	metrics  map[string]int64
	troubles []string // what no child may do
}

func newFleet(base childConfig, children int, dir string, f *front) *fleet {
	return &fleet{
		base: base, dir: dir, front: f,
		random: stream(base.Seed, "fleet"),
		slots:  make([]*process, children), busy: make([]bool, children), started: make([]int, children),
		metrics: map[string]int64{},
	}
}

// start starts the child of a slot, which does something to itself at point unless
// that is empty.
func (f *fleet) start(ctx context.Context, slot int, point string) error {
	f.mu.Lock()
	f.started[slot]++
	cfg := f.base
	cfg.Slot, cfg.Generation, cfg.Point = slot, f.started[slot], point
	f.mu.Unlock()
	cfg.Application = fmt.Sprintf("%s%d", cfg.Application, slot)
	cfg.Log = filepath.Join(f.dir, fmt.Sprintf("child-%d.log", slot))
	p, err := startProcess(ctx, cfg, f.hear)
	if err != nil {
		return err
	}
	if point != "" {
		p.meant.Store(true) // to die
	}
	f.mu.Lock()
	f.slots[slot] = p
	f.mu.Unlock()
	f.front.add(slot, p.address)
	go f.mind(ctx, p)
	return nil
}

// mind notes a child's end, and starts another if nobody meant it.
func (f *fleet) mind(ctx context.Context, p *process) {
	<-p.exited
	f.gone(p)
	if p.meant.Load() {
		return
	}
	f.trouble("child %d.%d ended by itself: %v", p.cfg.Slot, p.cfg.Generation, p.err)
	if err := f.start(ctx, p.cfg.Slot, ""); err != nil && ctx.Err() == nil {
		f.trouble("%v", err)
	}
}

func (f *fleet) hear(e event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Metric != "" {
		f.metrics[e.Metric] += e.Count
	}
	if e.Failed != "" {
		f.troubles = append(f.troubles, e.Failed)
	}
}

func (f *fleet) trouble(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.troubles = append(f.troubles, fmt.Sprintf(format, args...))
}

// metric is the sum of a metric over all children, as far as they said it.
func (f *fleet) metric(name string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.metrics[name]
}

// any is a random child that is up, nil if there is none.
func (f *fleet) any() *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	var up []*process
	for _, p := range f.slots {
		if p != nil {
			up = append(up, p)
		}
	}
	if len(up) == 0 {
		return nil
	}
	return up[f.random.IntN(len(up))]
}

// get is the child of a slot.
func (f *fleet) get(slot int) *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slots[slot]
}

// seize reserves a child that is up and that nothing is being done to: that of the
// slot, or the next.
func (f *fleet) seize(slot int) (*process, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.slots {
		at := (slot + i) % len(f.slots)
		if p := f.slots[at]; p != nil && !f.busy[at] {
			f.busy[at] = true
			return p, true
		}
	}
	return nil, false
}

func (f *fleet) release(slot int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy[slot] = false
}

// kill kills a child. No delivery goes to it any more.
func (f *fleet) kill(p *process) {
	p.kill()
	f.gone(p)
}

// gone takes note that a child has ended.
func (f *fleet) gone(p *process) {
	f.front.removeAddress(p.cfg.Slot, p.address)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slots[p.cfg.Slot] == p {
		f.slots[p.cfg.Slot] = nil
	}
}

// end has all children shut down, as a deployment would.
func (f *fleet) end() error {
	f.mu.Lock()
	list := slices.Clone(f.slots)
	f.mu.Unlock()
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, p := range list {
		if p == nil {
			continue
		}
		all.Go(func() {
			if err := p.end(); err != nil {
				errs[i] = fmt.Errorf("child %d.%d did not shut down well: %w", p.cfg.Slot, p.cfg.Generation, err)
			}
			f.gone(p)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// clear kills whatever is left.
func (f *fleet) clear() {
	f.mu.Lock()
	list := slices.Clone(f.slots)
	f.mu.Unlock()
	for _, p := range list {
		if p != nil {
			f.kill(p)
		}
	}
}
