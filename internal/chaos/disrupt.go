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

	mu      sync.Mutex
	counts  map[string]int
	holding int         // pauses of a child that held a claim
	broken  int         // connections
	returns []time.Time // of the database
	going   sync.WaitGroup
}

// run carries out the disruptions. When it returns, every child is up and continued,
// unless ctx ended.
func (d *disruptor) run(ctx context.Context, list []disruption) {
	defer d.going.Wait()
	for _, one := range list {
		if !sleep(ctx, one.After) {
			return
		}
		if one.Kind == disruptRestart || one.Kind == disruptFailover || one.Kind == disruptFullDisk {
			if err := d.disruptAll(ctx, one); err != nil && ctx.Err() == nil {
				d.world.fleet.trouble("%s: %v", one.Kind, err)
			}
			continue
		}
		var p *process
		for {
			var ok bool
			if p, ok = d.world.fleet.seize(one.Slot); ok {
				break
			}
			if !sleep(ctx, 20*time.Millisecond) { // every child is being disrupted
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

// disruptAll disrupts the database of all children. No child is disrupted meanwhile, nor
// until recovered is over.
func (d *disruptor) disruptAll(ctx context.Context, one disruption) (err error) {
	for !d.world.fleet.seizeAll() {
		if !sleep(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
	defer d.world.fleet.releaseAll()
	var n int
	switch one.Kind {
	case disruptRestart:
		n, err = d.world.db.dropAll(ctx)
	case disruptFailover:
		n, err = d.world.db.failOver(ctx, one.For)
	case disruptFullDisk:
		err = d.world.db.fillDisk(ctx, one.For)
	}
	d.mu.Lock()
	d.counts[one.Kind]++
	d.broken += n
	d.returns = append(d.returns, time.Now())
	d.mu.Unlock()
	sleep(ctx, recovered+time.Second)
	return err
}

func (d *disruptor) carryOut(ctx context.Context, one disruption, p *process) error {
	d.mu.Lock()
	d.counts[one.Kind]++
	d.mu.Unlock()
	switch one.Kind {
	case disruptKill:
		d.world.fleet.kill(p)
		d.world.checkAcked(ctx)
		if !sleep(ctx, one.For) {
			return ctx.Err()
		}
		return d.world.fleet.start(ctx, p.cfg.Slot, "")
	case disruptPause:
		return d.pauseHolding(ctx, p, one.For)
	case disruptDrop:
		n, err := d.world.db.drop(ctx, p.cfg.Slot)
		d.mu.Lock()
		d.broken += n
		d.mu.Unlock()
		return err
	}
	return fmt.Errorf("no such disruption: %q", one.Kind)
}

// holdTimeout is how long a pause waits for a child to hold a claim.
const holdTimeout = 20 * time.Second

// pauseHolding stops a child while it calls the user's function, and continues it
// after the time. So the lease ends while the child holds the claim.
func (d *disruptor) pauseHolding(ctx context.Context, p *process, length time.Duration) error {
	if err := p.hold(ctx); err != nil {
		return err
	}
	timeout := time.NewTimer(holdTimeout)
	defer timeout.Stop()
	select {
	case <-p.holding:
	case <-timeout.C:
		return nil // the child had no call
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := pause(p.cmd.Process); err != nil {
		return err
	}
	d.mu.Lock()
	d.holding++
	d.mu.Unlock()
	sleep(ctx, length)
	err := resume(p.cmd.Process)
	sleep(ctx, 200*time.Millisecond) // so that its events arrive before the next disruption
	return err
}
