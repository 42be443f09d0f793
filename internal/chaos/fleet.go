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

// fleet has the children of a run.
type fleet struct {
	base     childConfig
	dir      string
	balancer *balancer

	mu       sync.Mutex
	random   *rand.Rand
	slots    []*process // nil if the child of the slot is down
	busy     []bool     // the child of the slot is being disrupted
	started  []int      // how many children each slot has had
	metrics  map[string]int64
	troubles []string // errors that no child may have
}

func newFleet(base childConfig, children int, dir string, b *balancer) *fleet {
	return &fleet{
		base: base, dir: dir, balancer: b,
		random: stream(base.Seed, "fleet"),
		slots:  make([]*process, children), busy: make([]bool, children), started: make([]int, children),
		metrics: map[string]int64{},
	}
}

// start starts the child of a slot, with a point or none.
func (f *fleet) start(ctx context.Context, slot int, point string) error {
	f.mu.Lock()
	f.started[slot]++
	cfg := f.base
	cfg.Slot, cfg.Generation, cfg.Point = slot, f.started[slot], point
	f.mu.Unlock()
	cfg.Application = fmt.Sprintf("%s%d", cfg.Application, slot)
	cfg.Log = filepath.Join(f.dir, fmt.Sprintf("child-%d.log", slot))
	p, err := startProcess(ctx, cfg, f.onEvent)
	if err != nil {
		return err
	}
	if point != "" {
		p.meant.Store(true)
	}
	f.mu.Lock()
	f.slots[slot] = p
	f.mu.Unlock()
	f.balancer.add(slot, p.address)
	go f.watch(ctx, p)
	return nil
}

// watch waits for a child's exit. If the exit was not meant, watch reports it and starts
// another child.
func (f *fleet) watch(ctx context.Context, p *process) {
	<-p.exited
	f.remove(p)
	if p.meant.Load() {
		return
	}
	f.trouble("child %d.%d exited by itself: %v", p.cfg.Slot, p.cfg.Generation, p.err)
	if err := f.start(ctx, p.cfg.Slot, ""); err != nil && ctx.Err() == nil {
		f.trouble("%v", err)
	}
}

func (f *fleet) onEvent(e event) {
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

// metric returns the sum of a metric over all children.
func (f *fleet) metric(name string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.metrics[name]
}

// any returns a random child that is up, or nil.
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

// get returns the child of a slot.
func (f *fleet) get(slot int) *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slots[slot]
}

// seize reserves a child that is up and is not being disrupted: the child of the slot,
// or of the next one.
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

// seizeAll reserves every slot, if every child is up and none is being disrupted.
func (f *fleet) seizeAll() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.busy, true) || slices.Contains(f.slots, nil) {
		return false
	}
	for slot := range f.busy {
		f.busy[slot] = true
	}
	return true
}

func (f *fleet) release(slot int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy[slot] = false
}

func (f *fleet) releaseAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.busy)
}

// kill kills a child, and removes it.
func (f *fleet) kill(p *process) {
	p.kill()
	f.remove(p)
}

// remove removes a child that has exited.
func (f *fleet) remove(p *process) {
	f.balancer.removeAddress(p.cfg.Slot, p.address)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slots[p.cfg.Slot] == p {
		f.slots[p.cfg.Slot] = nil
	}
}

// end shuts all children down.
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
			f.remove(p)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// clear kills all children.
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
