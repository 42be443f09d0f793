package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// disruptor carries out the disruptions of a plan.
type disruptor struct {
	world *world

	mu     sync.Mutex
	counts map[string]int
	broken int // connections
	going  sync.WaitGroup
}

// run carries them out until they are all done, or ctx ends. When it returns every
// child is up and continued, unless ctx ended.
func (d *disruptor) run(ctx context.Context, list []disruption) {
	defer d.going.Wait()
	for _, one := range list {
		if !sleep(ctx, one.After) {
			return
		}
		var p *process
		for {
			var ok bool
			if p, ok = d.world.fleet.seize(one.Slot); ok {
				break
			}
			if !sleep(ctx, 20*time.Millisecond) { // all are being broken already
				return
			}
		}
		d.going.Go(func() {
			defer d.world.fleet.release(p.cfg.Slot)
			if err := d.carryOut(ctx, one, p); err != nil && ctx.Err() == nil {
				d.world.fleet.trouble("%s of child %d: %v", one.Kind, p.cfg.Slot, err)
			}
		})
	}
}

func (d *disruptor) carryOut(ctx context.Context, one disruption, p *process) error {
	d.mu.Lock()
	d.counts[one.Kind]++
	d.mu.Unlock()
	switch one.Kind {
	case disruptKill:
		d.world.fleet.kill(p)
		d.world.checkPromises(ctx)
		if !sleep(ctx, one.For) {
			return ctx.Err()
		}
		return d.world.fleet.start(ctx, p.cfg.Slot, "")
	case disruptPause:
		if err := pause(p.cmd.Process); err != nil {
			return err
		}
		sleep(ctx, one.For)
		return resume(p.cmd.Process)
	case disruptDrop:
		n, err := d.world.db.drop(ctx, p.cfg.Slot)
		d.mu.Lock()
		d.broken += n
		d.mu.Unlock()
		return err
	}
	return fmt.Errorf("no such disruption: %q", one.Kind)
}
